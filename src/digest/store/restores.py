"""When the store was brought back from a backup."""

from __future__ import annotations

from sqlite_utils import Database


def unseen(db: Database) -> list[tuple[str, str]]:
    """Give the times (UTC text) at which it was brought back, and from what, that no person has read about."""
    return [
        (at, source)
        for at, source in db.conn.execute("SELECT at, source FROM restores WHERE seen_at IS NULL ORDER BY id")
    ]
