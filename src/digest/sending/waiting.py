"""What of sending waits for a person, or for longer than it should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from digest.store import Database


@dataclass(frozen=True)
class Open:
    """Batches of an issue that are not settled: how many, how many copies are in them, and since when (UTC text)."""

    issue: int
    state: Literal["claimed", "uncertain", "held"]
    batches: int
    copies: int
    since: str


def open_of_all(db: Database) -> list[Open]:
    """Give the batches of all issues that are not settled, by issue and state; `held` ones wait for a person."""
    rows = db.conn.execute(
        "SELECT issue, state, count(*), sum(size), min(coalesce(uncertain_at, claimed_at)) FROM batches"
        " WHERE state <> 'settled' GROUP BY issue, state ORDER BY issue, state"
    )
    return [Open(*row) for row in rows]
