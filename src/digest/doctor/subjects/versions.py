"""Whether what digest stands on is sound: Python, SQLite, and digest itself."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from datetime import date
from functools import partial

from digest import __version__
from digest.doctor.model import Case, Finding

WORDS = "digest, Python and SQLite"
PLACE = 20
NETWORK = False
SECONDS: float | None = 10

_say = partial(Finding, "versions")

ENDS = {
    (3, 11): date(2027, 10, 31),
    (3, 12): date(2028, 10, 31),
    (3, 13): date(2029, 10, 31),
    (3, 14): date(2030, 10, 31),
}
"""Until when Python's security fixes are made (https://devguide.python.org/versions/)."""


def look(case: Case) -> Iterator[Finding]:
    """Look at versions; that the store is not of a newer digest, the subject `store` says."""
    yield _say("digest", "pass", f"digest {__version__}")
    yield _python(
        sys.version_info[:2],
        f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}",
        case.clock().date(),
    )
    yield _sqlite(sqlite3.sqlite_version_info)


def _python(version: tuple[int, int], whole: str, today: date) -> Finding:
    end = ENDS.get(version)
    if end is not None and today > end:
        words = f"Python {whole} gets no security fixes any more, since {end}"
        return _say("python", "warn", words, todo="install digest with a newer Python")
    return _say("python", "pass", f"Python {whole}")


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Tell whether a SQLite can, rarely, damage a store that several processes write to.

    Two checkpoints and a commit at one moment: https://sqlite.org/wal.html#walresetbug. It is mended in 3.51.3, and in
    3.50.7 and 3.44.6; 3.52.0 was withdrawn for other reasons.
    """
    return version < (3, 51, 3) and not (3, 50, 7) <= version < (3, 51) and not (3, 44, 6) <= version < (3, 45)


def _sqlite(version: tuple[int, ...]) -> Finding:
    words = ".".join(map(str, version))
    if has_wal_reset_bug(version):
        what = f"SQLite {words} can damage a store in a rare moment (its WAL-reset bug), unless your system mended it"
        todo = "keep backups fresh, and run digest with SQLite 3.51.3 or newer when your system has it"
        return _say("sqlite", "warn", what, "https://sqlite.org/wal.html#walresetbug", todo)
    return _say("sqlite", "pass", f"SQLite {words}")
