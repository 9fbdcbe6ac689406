"""What every mail of ours shares: its look, its templates, its plain text; and the letters beside the issue."""
