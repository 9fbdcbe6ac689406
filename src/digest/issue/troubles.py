"""What keeps an issue from being sent: why, and since when, for people to read.

It is the engine that pauses an issue for a trouble (`issues.pause`). Here is what leaves an issue's state as it is: its
provider cannot be reached, its time passed while nothing ran, only a person can decide what is uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.store import Database, writing


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


@dataclass(frozen=True)
class Troubled:
    """An issue that something keeps from being sent: why, and since when, as UTC text."""

    number: int
    state: str
    why: str
    since: str


def troubled(db: Database) -> list[Troubled]:
    """Give the issues that something keeps from being sent, or that wait for a person to begin them again."""
    rows = db.conn.execute(
        "SELECT number, state, coalesce(trouble, 'a person stopped it'), coalesce(trouble_at, updated_at) FROM issues"
        " WHERE state = 'paused' OR (trouble IS NOT NULL AND state IN ('approved', 'sending')) ORDER BY number"
    )
    return [Troubled(*row) for row in rows]


def doubted(db: Database) -> list[int]:
    """Give the issues of whose open copies nobody knows whether they went out, after the store was restored."""
    return [row[0] for row in db.conn.execute("SELECT number FROM issues WHERE doubted_at IS NOT NULL ORDER BY number")]
