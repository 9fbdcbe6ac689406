"""When the store was brought back from a backup, and whether a person has read what that means."""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from digest.store.transactions import writing


@dataclass(frozen=True)
class Restore:
    """One time that it was brought back. Moments are UTC text; `knows_until` is the newest that the backup knows of."""

    at: str
    source: str
    knows_until: str
    seen_at: str | None


def unseen(db: Database) -> list[tuple[str, str]]:
    """Give the times (UTC text) at which it was brought back, and from what, that no person has read about."""
    return [
        (at, source)
        for at, source in db.conn.execute("SELECT at, source FROM restores WHERE seen_at IS NULL ORDER BY id")
    ]


def all_of_them(db: Database, *, limit: int) -> list[Restore]:
    """Give the last times that it was brought back, the newest first."""
    rows = db.conn.execute(
        "SELECT at, source, knows_until, seen_at FROM restores ORDER BY id DESC LIMIT ?", (limit,)
    ).fetchall()
    return [Restore(*row) for row in rows]


def see(db: Database, stamp: str) -> int:
    """Write down that a person has read what follows from all of them, at a moment (UTC text); give how many."""
    with writing(db) as connection:
        return connection.execute("UPDATE restores SET seen_at = ? WHERE seen_at IS NULL", (stamp,)).rowcount
