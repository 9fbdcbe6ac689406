"""A copy of the store, taken while others read and write it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlite_utils import Database

from digest.errors import StoreError
from digest.store.check import check_store
from digest.store.connection import explain, open_store

PAGES_A_STEP = 2_048
"""8 MiB a step with SQLite's usual page of 4 KiB: a writer waits for a step, not for the whole copy."""


def back_up(db: Database, to: Path, *, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Copy the store into a new file, open the copy, check it, and give its size in bytes.

    The copy is one moment of the store, whatever is written meanwhile. It appears under its name only when
    it is whole and has passed the check.

    Raises:
        StoreError: the file exists already, cannot be written, or does not pass.
    """
    if to.exists():
        raise StoreError(f"{to} exists already; a backup never overwrites, give another name")
    part = to.with_name(to.name + ".part")
    try:
        part.unlink(missing_ok=True)
        part.touch()
        # Whoever may not read the store may not read its copy.
        shutil.copymode(_file_of(db), part)
        problems = _copied(db, part, progress) or _problems(part)
        if problems:
            raise StoreError(f"the backup did not pass its check ({problems[0]}); run `digest db check` on the store")
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(to)
    except OSError as error:
        raise StoreError(f"{to} cannot be written to ({error.strerror}); check its folder") from None
    except sqlite3.Error as error:
        raise explain(error, to) from error
    finally:
        part.unlink(missing_ok=True)
    return to.stat().st_size


def _copied(db: Database, part: Path, progress: Callable[[int, int], None]) -> list[str]:
    """Copy page by page; give what is wrong with the store where it cannot be read."""
    try:
        with closing(sqlite3.connect(part)) as copy, _one_moment(db):
            db.conn.backup(copy, pages=PAGES_A_STEP, progress=lambda _, left, all_: progress(all_ - left, all_))
            # One file, with no -wal beside it, so that copying it elsewhere copies all of it.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname != "SQLITE_CORRUPT":
            raise
        return [str(error)]
    return []


def _file_of(db: Database) -> str:
    return str(db.conn.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0])


@contextmanager
def _one_moment(db: Database) -> Iterator[None]:
    """Hold one read transaction: without it every commit of another process starts the copy again."""
    db.conn.execute("BEGIN")
    try:
        db.conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield
    finally:
        db.conn.execute("ROLLBACK")


def _problems(path: Path) -> list[str]:
    # Opened as any store is, then put back into one file.
    copy = open_store(path, allow_pending=True)
    try:
        problems = check_store(copy)
        copy.conn.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
    return problems
