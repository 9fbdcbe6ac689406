"""The backups in a folder: their names, and which of them are kept.

A name has the moment in it, in UTC, so that names sort as the backups were taken: ``digest-20261126T033000Z.db``. It
begins with the store's own name, so that two stores may share a folder. What has no such name is none of ours, and is
never touched.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from digest.store.backup import SIDES

LEFT = timedelta(hours=12)
"""A copy that was begun so long ago and is not whole was left by a process that was killed: none takes as long."""

LATELY = timedelta(days=1)

_MOMENT, _SPELT = "%Y%m%dT%H%M%SZ", r"\d{8}T\d{6}Z"


@dataclass(frozen=True)
class Backup:
    """A backup of ours: the file, the moment it was taken, its size in bytes."""

    path: Path
    at: datetime
    size: int


def name_of(store: Path, at: datetime) -> str:
    """Give the name of a backup of a store, taken at a moment."""
    return f"{store.stem}-{at.astimezone(UTC).strftime(_MOMENT)}.db"


def found_in(folder: Path, store: Path) -> list[Backup]:
    """Give the backups of a store that lie in a folder, the newest first; none where there is no such folder."""
    found = []
    for path, at in _named(folder, store, ""):
        with suppress(FileNotFoundError):
            found.append(Backup(path, at, path.stat().st_size))
    return sorted(found, key=lambda backup: backup.at, reverse=True)


def superfluous(
    moments: Sequence[datetime], *, daily: int, weekly: int, monthly: int, zone: ZoneInfo, now: datetime
) -> set[datetime]:
    """Give those of some backups, by their moments, that need not be kept.

    Kept are the newest of each of so many days, so many weeks (from Monday) and so many months, counted by those that
    there are: a machine that was off for a month loses none. The newest of all is always kept, and so is what was taken
    lately: who takes one by hand before a large import must not lose it to the next. One from the future was taken
    under a wrong clock: it is left alone, and does not count.
    """
    past = sorted({moment for moment in moments if moment <= now}, reverse=True)
    local = {moment: moment.astimezone(zone).date() for moment in past}
    kept = {*past[:1], *(moment for moment in past if now - moment < LATELY)}
    for many, part in ((daily, _day), (weekly, _week), (monthly, _month)):
        # The earlier overwrites the later, so that the newest of each part stays.
        newest = {part(local[moment]): moment for moment in reversed(past)}
        kept.update(sorted(newest.values(), reverse=True)[:many])
    return {*past} - kept


def _day(day: date) -> tuple[int, ...]:
    return (day.toordinal(),)


def _week(day: date) -> tuple[int, ...]:
    return tuple(day.isocalendar()[:2])


def _month(day: date) -> tuple[int, ...]:
    return (day.year, day.month)


def remove_old(
    folder: Path, store: Path, *, daily: int, weekly: int, monthly: int, zone: ZoneInfo, now: datetime, key: bytes
) -> list[Path]:
    """Remove the backups of a store that need not be kept, and what killed processes left; give the backups.

    `key` is the store's own (`store_key` of ``messages``): two stores of the same name may have been given one folder,
    and neither may let go of the other's.
    """
    for side in (".part", *(f".part{side}" for side in SIDES)):
        for path, at in _named(folder, store, side):
            if now - at > LEFT:
                path.unlink(missing_ok=True)
    by_moment = {backup.at: backup.path for backup in found_in(folder, store) if not _is_of_another(backup.path, key)}
    old = superfluous([*by_moment], daily=daily, weekly=weekly, monthly=monthly, zone=zone, now=now)
    gone = [by_moment[at] for at in sorted(old)]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _is_of_another(path: Path, key: bytes) -> bool:
    """Tell whether a backup has another store's key; one that cannot be read has none."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)) as backup:
            row = backup.execute("SELECT value FROM keys WHERE name = 'messages'").fetchone()
    except sqlite3.Error:
        return False
    return row is not None and row[0] != key


def _named(folder: Path, store: Path, end: str) -> list[tuple[Path, datetime]]:
    """Give what has a name of ours with such an end, and is a file: no link, and nothing that only looks alike."""
    name = re.compile(rf"{re.escape(store.stem)}-({_SPELT})\.db{re.escape(end)}", re.ASCII)
    found = []
    if folder.is_dir():
        for path in folder.iterdir():
            if (match := name.fullmatch(path.name)) and path.is_file() and not path.is_symlink():
                with suppress(ValueError):
                    found.append((path, datetime.strptime(match[1], _MOMENT).replace(tzinfo=UTC)))
    return found
