"""The editors' week by itself: the next issue is drafted, publishers are reminded of it, and it may approve itself."""

from __future__ import annotations

from digest.schedule.context import Context


def draft_due(context: Context) -> str:
    """Make the next issue of what is new, and tell editors; give what came of it, for a person."""
    raise NotImplementedError


def remind(context: Context) -> str:
    """Remind publishers of a draft some hours before it usually goes out; give what came of it, for a person."""
    raise NotImplementedError


def approve_by_itself(context: Context) -> str:
    """Approve the draft at its usual time, where every check passes; give what came of it, for a person."""
    raise NotImplementedError
