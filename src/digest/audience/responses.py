"""What a reader did with a copy, written down beside its delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from digest import times
from digest.store import Database, writing

Kind = Literal["voted", "unsubscribed"]


def note(
    db: Database, kind: Kind, *, issue: int | None, subscriber: int, now: datetime, detail: str | None = None
) -> bool:
    """Note, once for each kind, what a reader did with the copy of an issue; give whether it is new.

    A letter is no delivery, and nothing is noted where the store has none of this issue to this reader.
    """
    with writing(db) as connection:
        return (
            connection.execute(
                "INSERT INTO events (issue, subscriber, kind, detail, happened_at)"
                " SELECT issue, subscriber, ?3, ?4, ?5 FROM deliveries WHERE issue = ?1 AND subscriber = ?2"
                " AND NOT EXISTS"
                " (SELECT 1 FROM events WHERE issue = ?1 AND subscriber = ?2 AND kind = ?3 AND detail IS ?4)",
                (issue or 0, subscriber, kind, detail, times.to_text(now)),
            ).rowcount
            > 0
        )
