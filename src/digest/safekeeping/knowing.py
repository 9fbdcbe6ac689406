"""Until when a store knows what happened: the newest moment in it."""

from __future__ import annotations

from datetime import datetime

from digest import times
from digest.store import Database

_MOMENTS = (
    ("keys", "created_at"),
    ("batches", "claimed_at"),
    ("batches", "settled_at"),
    ("letters", "created_at"),
    ("letters", "claimed_at"),
    ("letters", "settled_at"),
    ("runs", "began_at"),
    ("runs", "ended_at"),
    ("issues", "updated_at"),
    ("subscribers", "updated_at"),
    ("suppressions", "created_at"),
    ("consents", "given_at"),
    ("departures", "left_at"),
    ("votes", "voted_at"),
    ("comparisons", "updated_at"),
    ("tools", "updated_at"),
    ("audit", "at"),
    ("sessions", "seen_at"),
    ("api_tokens", "last_used_at"),
    ("hook_keys", "seen_at"),
    ("webhook_messages", "created_at"),
    ("webhook_messages", "settled_at"),
    ("restores", "at"),
)
"""What is written with the clock of its time; a store that lives has one of them every few minutes."""


def knows_until(db: Database, *, now: datetime) -> datetime:
    """Give the newest moment that a store knows of; one in the future, of a wrong clock, is none."""
    stamp = times.to_text(now)
    found = [
        db.conn.execute(f"SELECT max({column}) FROM {table} WHERE {column} <= ?", (stamp,)).fetchone()[0]  # noqa: S608
        for table, column in _MOMENTS
    ]
    return times.from_text(max(filter(None, found), default=times.to_text(times.FIRST)))
