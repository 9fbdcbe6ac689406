"""Batches that were left to a person, of issues that are not sent any more, and can be asked about by now.

An issue that is being sent has its held batches looked at by each run of the engine. One that is paused or cancelled
has them looked at here: its provider may have been given what it needs to say what it accepted, such as a feed of
events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from digest import times
from digest.errors import DigestError
from digest.sending.connecting import connected
from digest.settings import Settings
from digest.store import Database, writing


def take_up(db: Database, settings: Settings, *, lives: Callable[[int], bool], now: datetime) -> int:
    """Have asked about what can be: whoever sends takes it up; give how many batches that are."""
    rows = db.conn.execute(
        "SELECT b.number, b.worker, b.provider, b.account, b.claimed_at FROM batches b"
        " JOIN issues i ON i.number = b.issue WHERE b.state = 'held' AND i.state IN ('paused', 'cancelled')"
        " ORDER BY b.number"
    ).fetchall()
    reach: dict[str, tuple[str, float]] = {}
    found = []
    for number, worker, provider, account, claimed_at in rows:
        if provider not in reach:
            reach[provider] = _reach_of(provider, settings)
        known, ask_s = reach[provider]
        age_s = (now - times.from_text(claimed_at)).total_seconds()
        if known == account and age_s < ask_s and not lives(worker):
            found.append((number, worker))
    with writing(db) as connection:
        return sum(
            connection.execute(
                "UPDATE batches SET state = 'uncertain' WHERE number = ? AND worker = ? AND state = 'held'", one
            ).rowcount
            for one in found
        )


def left(db: Database) -> int:
    """Count the copies of which nobody knows whether they were accepted."""
    row = db.conn.execute(
        "SELECT count(*) FROM batches b JOIN deliveries d ON d.issue = b.issue"
        " AND d.subscriber BETWEEN b.first AND b.last AND d.batch = b.number AND d.state = 4"
        " WHERE b.state IN ('uncertain', 'held')"
    ).fetchone()
    return int(row[0])


def _reach_of(provider: str, settings: Settings) -> tuple[str, float]:
    """Give the account of a provider, and for how long after a call it can be asked what it accepted."""
    try:
        found = connected(provider, settings)
    except (DigestError, ImportError, OSError):
        return "", 0.0
    try:
        return found.account, found.proof.ask_s
    finally:
        asyncio.run(found.close())
