"""Whether there is a fresh backup that a store could be brought back from, and on another disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

from digest import times
from digest.doctor.model import Case, Finding
from digest.store import Database, check_store
from digest.store.backups import Backup, found_in

WORDS = "whether the newest backup is fresh and could be brought back"
PLACE = 70
NETWORK = False
SECONDS: float | None = None

_say = partial(Finding, "backups")

FRESH = timedelta(hours=26)
"""One is made every day; two hours are for the change of the clocks and for making it."""
REPLICA_ENDINGS = ("-litestream", ".litestream")
"""What the name of Litestream's own folder beside a store ends or begins with."""


def look(case: Case) -> Iterator[Finding]:
    """Look at the backups of the daily job; a replica by Litestream is only known to be there."""
    settings, now = case.settings, case.clock()
    store = settings.db.resolve()
    replica = _is_replicated(store)
    if replica:
        yield _say(
            "replica", "pass", "Litestream replicates the store, or did: deploy/restore-drill.sh shows that it restores"
        )
    if settings.backup_to is None:
        level = "pass" if replica else case.grave
        todo = "" if replica else "set backup_to to a folder, best on another disk"
        yield _say("fresh", level, "no daily backup is made: backup_to is empty", "backup_to", todo)
        return
    folder = settings.db.parent / settings.backup_to
    found = found_in(folder, settings.db)
    if not found:
        words = f"there is no backup of this store in {folder}"
        todo = "make one; `digest serve` makes one every day"
        yield _say("fresh", case.grave, words, str(folder), todo, "digest schedule run backup")
        return
    newest = found[0]
    age = now - newest.at
    if age > FRESH:
        words = f"the newest backup is {times.span(age)} old: {newest.path}"
        yield _say("fresh", case.grave, words, str(folder), "see why none was made since", "digest schedule")
    else:
        yield _say(
            "fresh",
            "pass",
            f"the newest backup is {times.span(age)} old, {newest.size / 1e6:,.1f} MB: {newest.path.name}",
        )
    if not replica and folder.stat().st_dev == store.parent.stat().st_dev:
        words = "backups lie on the disk that the store lies on: when it breaks, both are gone"
        todo = "set backup_to to a folder of another disk, copy backups elsewhere, or replicate the store"
        yield _say("place", "warn", words, str(folder), todo)
    yield from _restorable(newest, case)


def _restorable(newest: Backup, case: Case) -> Iterator[Finding]:
    """Read the backup through as it lies: what opens, is whole and has our tables can be brought back."""
    todo = "make another one now, and look at the disk that it lies on"
    if not os.access(newest.path, os.R_OK):
        yield _say("restorable", "not looked at", f"{newest.path} cannot be read by you", str(newest.path))
        return
    if case.quick:
        yield _say("restorable", "not looked at", "the newest backup was not read through (--quick)")
        return
    try:
        problems = problems_of(newest.path)
    except sqlite3.Error as error:
        problems = [str(error)]
    if problems:
        words = f"{newest.path} could not be brought back: {problems[0]}"
        yield _say("restorable", "bad", words, str(newest.path), todo, "digest schedule run backup")
    else:
        yield _say("restorable", "pass", "it was read through, and could be brought back")


def problems_of(path: Path) -> list[str]:
    """Give what is wrong with a backup, which is one file that nobody writes to; nothing is put beside it."""
    with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)) as connection:
        db = Database(connection)
        if found := check_store(db):
            return found
        missing = {"issues", "subscribers", "deliveries"} - set(db.table_names())
        return [f"it is no store of ours: it has no table {min(missing)}"] if missing else []


def _is_replicated(store: Path) -> bool:
    return any(store.with_name(f".{store.name}{end}").is_dir() for end in REPLICA_ENDINGS)
