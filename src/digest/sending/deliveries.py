"""Deliveries one by one: who was to get an issue, and what became of each copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from digest.sending.ledger import Delivery
from digest.store import Database

State = Literal["queued", "claimed", "accepted", "rejected", "uncertain", "skipped"]


@dataclass(frozen=True)
class Copy:
    """A delivery: its subscriber, its state, the provider it was handed to, and why it was rejected or skipped.

    The address is None where its reader is forgotten.
    """

    subscriber: int
    email: str | None
    state: State
    reason: str | None
    provider: str | None


def find_deliveries(db: Database, issue: int, *, limit: int, after: int = 0, state: State | None = None) -> list[Copy]:
    """Give deliveries of an issue by their subscribers' numbers.

    Args:
        db: the store.
        issue: its number.
        limit: how many at the most.
        after: the number of the last subscriber of the page before.
        state: only those in it.
    """
    rows = db.conn.execute(
        "SELECT d.subscriber, nullif(s.email, ''), d.state, d.reason, b.provider FROM deliveries d"
        " JOIN subscribers s ON s.id = d.subscriber LEFT JOIN batches b ON b.number = d.batch"
        " WHERE d.issue = :issue AND d.subscriber > :after AND (:state IS NULL OR d.state = :state)"
        " ORDER BY d.subscriber LIMIT :limit",
        {
            "issue": issue,
            "after": after,
            "state": None if state is None else int(Delivery[state.upper()]),
            "limit": limit,
        },
    )
    return [
        Copy(subscriber, email, Delivery(number).name.lower(), reason, provider)  # type: ignore[arg-type]
        for subscriber, email, number, reason, provider in rows
    ]
