"""Copies that events prove accepted while no `digest send` is at work on their batch.

A run of the engine looks for events itself. What it left behind (a batch it holds for a person, or one whose process
died) is settled here as soon as something happens to one of its copies. Where a person, or the setting `uncertain`,
said that copies were not accepted, and an event shows that they were, those that wait still do not go out again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from digest.errors import SettingsError
from digest.providers import connect
from digest.sending import ledger
from digest.sending.ledger import Claimed, OpenBatch
from digest.sending.uncertain import seen
from digest.settings import Settings
from digest.store import Database, writing

Whole = Callable[[str, str], bool]
"""Tells of a provider and an account there whether it takes a call whole or not at all, so that one copy proves all."""


def whole_by(settings: Settings) -> Whole:
    """Ask the providers' own `Proof`, as far as they are set up here; of any other nothing is taken for granted."""
    known: dict[str, tuple[str, bool]] = {}

    def whole(provider: str, account: str) -> bool:
        if provider not in known:
            known[provider] = _proof_of(provider, settings)
        return known[provider] == (account, True)

    return whole


def _proof_of(provider: str, settings: Settings) -> tuple[str, bool]:
    try:
        connected = connect(provider, settings.options_for(provider))
    except (SettingsError, ValueError, ImportError, OSError):
        return "", False
    try:
        return connected.account, connected.proof.whole
    finally:
        asyncio.run(connected.close())


def settle(db: Database, *, whole: Whole, lives: Callable[[int], bool], now: datetime) -> int:
    """Settle what events prove of batches that nobody is at work on; give how many copies were proven accepted.

    Args:
        db: the store.
        whole: see `Whole`.
        lives: tells whether the worker of a number is at work; what it has in hand is left to it.
        now: the moment.
    """
    issues = db.conn.execute("SELECT DISTINCT issue FROM batches WHERE state <> 'settled' ORDER BY issue").fetchall()
    proven = _take_back(db, whole, now)
    for (issue,) in issues:
        for batch in ledger.open_batches(db, issue):
            # Most have no events: nobody is kept from writing while that is found out.
            if _may_be_settled(batch, lives) and seen(db, _in_doubt(db, issue, batch)):
                proven += _settle(db, issue, batch, lives, now, at_once=whole(batch.provider, batch.account))
    return proven


def _take_back(db: Database, whole: Whole, now: datetime) -> int:
    """Take copies out of the queue to which something happened after they were handed over; give how many."""
    issues = db.conn.execute(
        "SELECT DISTINCT b.issue FROM batches b WHERE b.settled_by IN ('setting', 'person')"
        " AND (SELECT state FROM issues WHERE number = b.issue) IN ('sending', 'paused') ORDER BY b.issue"
    ).fetchall()
    proven = 0
    for (issue,) in issues:
        for batch in ledger.queued_again(db, issue):
            shown = seen(db, batch)
            if shown and whole(batch.provider, batch.account):
                shown = frozenset(id_ for id_, _, _ in batch.copies)
            if shown:
                with writing(db):
                    proven += ledger.accept_queued(db, batch, shown, now=now)
                    ledger.finish(db, issue, now=now)
    return proven


def _settle(
    db: Database, issue: int, batch: OpenBatch, lives: Callable[[int], bool], now: datetime, *, at_once: bool
) -> int:
    with writing(db):
        # Somebody may have taken it up, or have held it, since.
        found = next((one for one in ledger.open_batches(db, issue) if one.number == batch.number), None)
        if found is None or not _may_be_settled(found, lives):
            return 0
        shown = seen(db, _in_doubt(db, issue, found))
        # It stays the dead worker's, so that the next run takes up what is left of it.
        taken = ledger.adopt(
            db, found.number, before=found.worker, worker=found.worker, trouble="its process died", now=now
        )
        if taken is None:
            return 0
        if at_once:
            shown = frozenset(id_ for id_, _, _ in taken.copies)
        ledger.accept_some(db, taken, dict.fromkeys(shown), by="events", now=now)
        if len(shown) < len(taken.copies) and found.state == "held":
            ledger.hold(db, taken, found.trouble or "")
        ledger.finish(db, issue, now=now)
        return len(shown)


def _may_be_settled(batch: OpenBatch, lives: Callable[[int], bool]) -> bool:
    # What a living process holds, it does not touch any more.
    return batch.state == "held" or not lives(batch.worker)


def _in_doubt(db: Database, issue: int, batch: OpenBatch) -> Claimed:
    """Give a batch with the copies of which nobody knows whether they were accepted, without their addresses."""
    provider, account, key, first, last = db.conn.execute(
        "SELECT provider, account, idempotency_key, first, last FROM batches WHERE number = ?", (batch.number,)
    ).fetchone()
    rows = db.conn.execute(
        "SELECT subscriber FROM deliveries WHERE issue = ? AND subscriber BETWEEN ? AND ? AND batch = ?"
        " AND state IN (1, 4) ORDER BY subscriber",
        (issue, first, last, batch.number),
    )
    copies = tuple((subscriber, "", None) for (subscriber,) in rows)
    return Claimed(batch.number, issue, provider, account, key, batch.claimed_at, first, last, copies)
