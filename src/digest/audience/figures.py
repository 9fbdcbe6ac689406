"""Figures of sign-ups and letters."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest import times
from digest.audience.signing_up import hour_of
from digest.store import Database


@dataclass(frozen=True)
class Outcome:
    """How many attempts to sign up ended so in an hour, such as ``2026-11-26T09`` in UTC."""

    hour: str
    outcome: str
    count: int


def sign_ups(db: Database, *, hours: int, now: datetime) -> list[Outcome]:
    """Count what became of attempts to sign up in the last hours, this one included, the oldest first."""
    since = hour_of(now - timedelta(hours=hours - 1))
    rows = db.conn.execute(
        "SELECT hour, outcome, count FROM sign_up_counts WHERE hour >= ? ORDER BY hour, outcome", (since,)
    )
    return [Outcome(*row) for row in rows]


def letters(db: Database, *, hours: int, now: datetime) -> dict[str, dict[str, int]]:
    """Count the letters of the last hours by kind and state."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    rows = db.conn.execute(
        "SELECT kind, state, count(*) FROM letters WHERE created_at > ? GROUP BY kind, state ORDER BY kind, state",
        (times.to_text(now - timedelta(hours=hours)),),
    )
    for kind, state, count in rows:
        found[kind][state] = count
    return dict(found)
