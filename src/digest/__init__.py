"""digest: from a catalogue of tool comparisons to a weekly email, with every copy accounted for."""

__version__ = "0.1.0"
