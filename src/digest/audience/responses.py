"""What a reader did with a copy, written down beside its delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from digest.events import Kind
from digest.store import Database, writing


def note(
    db: Database,
    kind: Literal[Kind.VOTED, Kind.UNSUBSCRIBED],
    *,
    issue: int | None,
    subscriber: int,
    now: datetime,
    key: str = "",
) -> bool:
    """Note, once for each kind and key, what a reader did with the copy of an issue; give whether it is new.

    A letter is no delivery, and nothing is noted where the store has none of this issue to this reader.
    """
    with writing(db) as connection:
        return (
            connection.execute(
                "INSERT INTO events (issue, subscriber, kind, key, at)"
                " SELECT issue, subscriber, ?, ?, ? FROM deliveries WHERE issue = ? AND subscriber = ?"
                " ON CONFLICT DO NOTHING",
                (kind, key, int(now.timestamp()), issue or 0, subscriber),
            ).rowcount
            > 0
        )
