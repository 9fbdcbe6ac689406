"""Bringing a store up to date: alone with it, with a backup taken first, all or nothing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from digest import times
from digest.errors import StateError
from digest.sending.workers import alone
from digest.store import Database, back_up, migrate, open_store, pending
from digest.store.backup import expect_room

PATIENCE_S = 30.0
"""So long a process that is about to end, or another one that migrates, is waited for."""


@dataclass(frozen=True)
class Migrated:
    """What was applied, and the backup taken before it; None where nothing was pending."""

    applied: tuple[str, ...]
    backup: Path | None


def migrate_safely(db: Database, path: Path, *, now: datetime, patience_s: float = PATIENCE_S) -> Migrated:
    """Apply what is pending to an open store, with a backup beside it first.

    No `digest serve` or `digest send` may be at work meanwhile: it would go on with tables it does not know. Those that
    are started meanwhile wait, or are refused. All migrations are one transaction, so that a kill in the middle leaves
    the store as it was.

    Raises:
        StateError: others are at work on the store; nothing was changed.
        StoreError: there is no room for the backup, or it failed; nothing was changed.
    """
    if not pending(db):
        return Migrated((), None)
    with alone(path, patience_s=patience_s) as is_alone:
        # Of two at once, the second finds it done.
        if not pending(db):
            return Migrated((), None)
        if not is_alone:
            raise StateError(
                f"another digest is at work on {path}; stop `digest serve`, `digest send` and the like, then migrate"
            )
        # The copy, and about as much again for what the migration writes before it is committed.
        expect_room(path.resolve().parent, 2 * path.stat().st_size, what="migrating, with a backup first,")
        backup = path.with_name(f"{path.name}.{now:%Y%m%dT%H%M%SZ}.backup")
        back_up(db, backup)
        return Migrated(tuple(migrate(db)), backup)


def up_to_date(path: Path) -> Migrated:
    """Bring a store up to date before it is served; one that is not there is made later, by whoever opens it.

    Raises:
        StateError, StoreError: as `migrate_safely`.
    """
    if not path.exists() or path.stat().st_size == 0:
        return Migrated((), None)
    with closing(open_store(path, allow_pending=True)) as db:
        return migrate_safely(db, path, now=times.now())
