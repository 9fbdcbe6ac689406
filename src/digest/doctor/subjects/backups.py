"""Whether there is a fresh backup that a store could be brought back from, and on another disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from digest import times
from digest.doctor.model import Case, Finding, Level
from digest.safekeeping.backups import newest_backup
from digest.safekeeping.checking import check_backup
from digest.store.backups import Backup

WORDS = "whether the newest backup is fresh and could be brought back"
PLACE = 70
NETWORK = False
SECONDS: float | None = None

_say = partial(Finding, "backups")

FRESH = timedelta(hours=26)
"""One is made every day; two hours are for the change of the clocks and for making it."""
ROOM = 1.2
"""So many times its size is needed to read one as bringing it back would: in a copy among the temporary files."""


def look(case: Case) -> Iterator[Finding]:
    """Look at the backups of the daily job; a replica by Litestream is only known to be there."""
    settings = case.settings
    store = settings.db.resolve()
    is_replicated = store.with_name(f".{store.name}-litestream").is_dir()
    if is_replicated:
        words = "Litestream replicates the store, or did: deploy/restore-drill.sh shows that it can be brought back"
        yield _say("replica", "pass", words)
    if settings.backup_folder is None:
        level: Level = "pass" if is_replicated else case.grave
        todo = "" if is_replicated else "set backup_to to a folder, best on another disk"
        yield _say("fresh", level, "no daily backup is made: backup_to is empty", "backup_to", todo)
        return
    folder, newest = settings.backup_folder, newest_backup(settings)
    if newest is None:
        words = f"there is no backup of this store in {folder}"
        todo = "make one; `digest serve` makes one every day"
        yield _say("fresh", case.grave, words, str(folder), todo, "digest schedule run backup")
        return
    yield _age(newest, case)
    if not is_replicated and folder.stat().st_dev == store.parent.stat().st_dev:
        words = "backups lie on the disk that the store lies on: when it breaks, both are gone"
        todo = "set backup_to to a folder of another disk, copy backups elsewhere, or replicate the store"
        yield _say("place", "warn", words, str(folder), todo)
    yield _restorable(newest, case)


def _age(newest: Backup, case: Case) -> Finding:
    age = case.clock() - newest.at
    if age > FRESH:
        words = f"the newest backup is {times.span(age)} old: {newest.path}"
        todo = "see why none was made since, and make one"
        return _say("fresh", case.grave, words, str(newest.path), todo, "digest schedule run backup")
    words = f"the newest backup is {times.span(age)} old ({newest.size / 1e6:,.1f} MB): {newest.path.name}"
    return _say("fresh", "pass", words)


def _restorable(newest: Backup, case: Case) -> Finding:
    where = str(newest.path)
    if case.quick:
        return _say("restorable", "not looked at", "the newest backup was not read through", where)
    if not os.access(newest.path, os.R_OK):
        return _say("restorable", "not looked at", f"you may not read {newest.path}", where)
    if shutil.disk_usage(tempfile.gettempdir()).free < ROOM * newest.size:
        words = f"there is no room in {tempfile.gettempdir()} to try the newest backup"
        return _say("restorable", "not looked at", words, where, "set TMPDIR to a folder with more room")
    if problems := check_backup(newest.path):
        words = f"the newest backup could not be brought back: {problems[0]}"
        todo = "make another one now, and look at the disk that it lies on"
        return _say("restorable", "bad", words, where, todo, "digest schedule run backup")
    return _say("restorable", "pass", "the newest backup was opened and read through, and could be brought back")
