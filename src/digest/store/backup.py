"""A copy of the store, taken while others read and write it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database

from digest.errors import StoreError
from digest.store.check import check_store
from digest.store.connection import explain, file_of, open_store

PAGES_A_STEP = 2_048
"""8 MiB a step with SQLite's usual page of 4 KiB: a writer waits for a step, not for the whole copy."""

LOOK_EVERY = 200_000
"""Steps of SQLite's machine between two looks whether to stop: some milliseconds."""

SIDES = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a file that is open."""


class StoppedError(StoreError):
    """A copy was broken off, because the process is to stop."""


def back_up(
    db: Database,
    to: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Copy the store into a new file, open the copy, check it, and give its size in bytes.

    The copy is one moment of the store, whatever is written meanwhile. It appears under its name only when
    it is whole, has passed the check and is on the disk.

    Args:
        db: the store, not in a transaction.
        to: the new file.
        progress: told how many pages are copied, and how many there are.
        stopping: asked again and again; where it says so the copy is broken off, and nothing stays of it.

    Raises:
        StoppedError: it was told to stop.
        StoreError: the file exists already, cannot be written, has no room, or does not pass.
    """
    _expect_new(to)
    part = to.with_name(to.name + ".part")
    try:
        _clear(part)
        expect_room(to.parent, _bytes_of(db), what="a copy of the store")
        part.touch(0o600)
        belong_with(part, Path(file_of(db)))
        problems = _copied(db, part, progress, stopping) or _problems(part, stopping)
        if problems:
            raise StoreError(f"the backup did not pass its check ({problems[0]}); run `digest db check` on the store")
        sync(part)
        _expect_new(to)
        part.rename(to)
        sync(to.parent)
    except OSError as error:
        raise StoreError(f"{to} cannot be written to ({error.strerror}); check its folder") from None
    except sqlite3.Error as error:
        raise explain(error, to) from error
    finally:
        _clear(part)
    return to.stat().st_size


def _expect_new(to: Path) -> None:
    if to.exists():
        raise StoreError(f"{to} exists already; a backup never overwrites, give another name")


def _clear(part: Path) -> None:
    with suppress(NotADirectoryError):
        for path in (part, *beside_of(part)):
            path.unlink(missing_ok=True)


def beside_of(path: Path) -> list[Path]:
    """Name what SQLite may have left beside a file."""
    return [path.with_name(path.name + side) for side in SIDES]


def expect_room(folder: Path, need: int, *, what: str) -> None:
    """See that a folder's disk has room for so many bytes, before anything is begun.

    Raises:
        StoreError: it has not.
        OSError: there is no such folder.
    """
    free = shutil.disk_usage(folder).free
    if free < need:
        raise StoreError(
            f"{what} needs {need / 1e6:.1f} MB, and the disk of {folder} has {free / 1e6:.1f} MB left;"
            " nothing was begun, make room and run it again"
        )


def _bytes_of(db: Database) -> int:
    pages, size = (db.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)


def belong_with(path: Path, store: Path) -> None:
    """Let a file belong to whom the store belongs to: who may not read the store may not read its copy.

    Where root does the work of a service, the service must be able to go on with it.
    """
    with suppress(FileNotFoundError):
        like = store.stat()
        mode = like.st_mode & 0o666
        # Folders are entered by whom they may be read by.
        path.chmod(mode | (mode & 0o444) >> 2 if path.is_dir() else mode)
        if (like.st_uid, like.st_gid) != (path.stat().st_uid, path.stat().st_gid):
            with suppress(PermissionError):
                os.chown(path, like.st_uid, like.st_gid)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copied(db: Database, part: Path, progress: Callable[[int, int], None], stopping: Callable[[], bool]) -> list[str]:
    """Copy page by page; give what is wrong with the store where it cannot be read."""

    def step(_: int, left: int, total: int) -> None:
        _go_on(stopping)
        progress(total - left, total)

    try:
        with closing(sqlite3.connect(part)) as copy, _one_moment(db):
            _go_on(stopping)
            db.conn.backup(copy, pages=PAGES_A_STEP, progress=step)
            # One file, with no -wal beside it, so that copying it elsewhere copies all of it.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname != "SQLITE_CORRUPT":
            raise
        return [str(error)]
    return []


def _go_on(stopping: Callable[[], bool]) -> None:
    if stopping():
        raise StoppedError("the backup was broken off, because digest is being stopped; nothing is left of it")


@contextmanager
def _one_moment(db: Database) -> Iterator[None]:
    """Hold one read transaction: without it every commit of another process starts the copy again."""
    db.conn.execute("BEGIN")
    try:
        db.conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield
    finally:
        db.conn.execute("ROLLBACK")


def _problems(path: Path, stopping: Callable[[], bool]) -> list[str]:
    # Opened as any store is, then put back into one file.
    copy = open_store(path, allow_pending=True)
    try:
        copy.conn.set_progress_handler(stopping, LOOK_EVERY)
        problems = check_store(copy)
        copy.conn.set_progress_handler(None, 0)
        copy.conn.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError:
        _go_on(stopping)
        raise
    finally:
        copy.close()
    return problems
