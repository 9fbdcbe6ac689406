"""What keeps an issue from being sent: why, and since when, for people to read.

It is the engine that pauses an issue for a trouble (`issues.pause`). Here is what leaves an issue's state as it is: its
provider cannot be reached, its time passed while nothing ran, only a person can decide what is uncertain.
"""

from __future__ import annotations

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
