"""Numbers as people read them: counts, shares, one of so many."""

from __future__ import annotations


def counted(number: float) -> str:
    """Write a count: ``9,812``."""
    return f"{round(number):,}"
