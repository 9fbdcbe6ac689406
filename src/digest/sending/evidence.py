"""Uncertain batches that events settle while no `digest send` is at work on them.

A run of the engine looks for events itself. What it left behind (a batch it holds for a person, or one whose process
died) is settled here as soon as something happens to one of its copies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from digest.errors import SettingsError
from digest.providers import connect
from digest.sending import ledger
from digest.sending.ledger import Claimed
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
    numbers = db.conn.execute(
        "SELECT number, issue FROM batches WHERE state <> 'settled' AND issue IN (SELECT number FROM issues)"
        " ORDER BY number"
    ).fetchall()
    proven = 0
    for number, issue in numbers:
        # Most have none: others are not kept from writing while that is found out.
        batch = _open(db, issue, number, lives)
        if batch is not None and seen(db, batch):
            proven += _settle(db, issue, number, whole, lives, now)
    return proven


def _settle(
    db: Database, issue: int, number: int, whole: Whole, lives: Callable[[int], bool], now: datetime
) -> int:
    with writing(db):
        found = _open(db, issue, number, lives)
        if found is None:
            return 0
        state, trouble, worker = db.conn.execute(
            "SELECT state, trouble, worker FROM batches WHERE number = ?", (number,)
        ).fetchone()
        # It stays that worker's: the dead one's, so that the next run takes it up.
        batch = ledger.adopt(db, number, before=worker, worker=worker, trouble="its process died", now=now)
        if batch is None:
            return 0
        shown = seen(db, batch)
        if shown and whole(batch.provider, batch.account):
            shown = frozenset(id_ for id_, _, _ in batch.copies)
        if not shown:
            return 0
        ledger.accept_some(db, batch, dict.fromkeys(shown), by="events", now=now)
        rest = tuple(copy for copy in batch.copies if copy[0] not in shown)
        if rest and state == "held":
            ledger.hold(db, replace(batch, copies=rest), trouble)
        if not rest:
            ledger.finish(db, issue, now=now)
        return len(shown)


def _open(db: Database, issue: int, number: int, lives: Callable[[int], bool]) -> Claimed | None:
    ...
