"""What keeps an issue from being sent: why, and since when, for people to read.

It is the engine that pauses an issue for a trouble (`issues.pause`). Here is what leaves an issue's state as it is: its
provider cannot be reached, its time passed while nothing ran, only a person can decide what is uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.store import Database, writing


@dataclass(frozen=True)
class Trouble:
    """Why an issue is not sent, or not sent on, and since when; `why` is words for a person."""

    why: str
    since: datetime


def tell(db: Database, number: int, why: str | None, *, now: datetime) -> bool:
    """Write down what keeps an approved issue, or one being sent, from it; None is nothing. Give whether that is new.

    The same trouble in other words goes on since when it began: it is told to nobody again.
    """
    with writing(db) as connection:
        return (
            connection.execute(
                "UPDATE issues SET trouble = ?1, trouble_at = iif(?1 IS NULL, NULL, coalesce(trouble_at, ?2))"
                " WHERE number = ?3 AND state IN ('approved', 'sending') AND trouble IS NOT ?1",
                (why, times.to_text(now), number),
            ).rowcount
            > 0
        )


def trouble_of(db: Database, number: int) -> Trouble | None:
    """Give what keeps an issue from being sent; None where nothing does."""
    row = db.conn.execute("SELECT trouble, trouble_at, updated_at FROM issues WHERE number = ?", (number,)).fetchone()
    return Trouble(row[0], times.from_text(row[1] or row[2])) if row and row[0] else None
