"""Beginning to send: the variants are rendered, then they and the audience are frozen in one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from digest.errors import StateError
from digest.issue.variant_records import Variant
from digest.issue.variants import Cut
from digest.sending import ledger, subject_plan, topics
from digest.settings import Settings
from digest.store import Database

ROUNDS = 10
"""So often it is planned anew where readers choose topics nobody had before, just while variants are rendered."""


def begin(db: Database, settings: Settings, number: int, *, now: datetime) -> int:
    """Begin to send an approved issue; give how many deliveries there are.

    Where somebody chooses topics that nobody had, or the issue is approved anew while variants are rendered, it is
    planned again. Whatever dies on the way leaves the issue approved, and nothing else.

    Raises:
        StateError: as `ledger.freeze_audience` does.
    """
    rendered: dict[tuple[str | None, Cut], Variant] = {}
    retitled: subject_plan.Known = {}
    for round_ in range(1, ROUNDS + 1):
        plan = topics.plan(db, settings, number, now=now, rendered=rendered)
        plan = subject_plan.with_subjects(db, settings, number, plan, rendered=retitled)
        try:
            return ledger.freeze_audience(db, number, now=now, plan=replace(plan, last=round_ == ROUNDS))
        except topics.UnplannedError:
            continue
    raise StateError(f"issue {number} is approved anew all the time; send it when that is over")
