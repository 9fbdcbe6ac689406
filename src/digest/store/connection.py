"""Opening the store, and writing to it in one transaction at a time."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from sqlite_utils import Database

from digest import times
from digest.errors import StoreError
from digest.store.keys import make_keys
from digest.store.migrations import migrate, pending, unknown

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another: longer than any of our transactions, shorter than a person's patience."""

ATTEMPTS = 600
"""Into which that time is parted where we wait ourselves."""


def open_store(path: Path, *, create: bool = False, allow_pending: bool = False) -> Database:
    """Open the store, in WAL mode with foreign keys enforced.

    Args:
        path: the SQLite file.
        create: make the file, with its tables, where there is none; otherwise that is an error.
        allow_pending: open a file that waits for migrations, to apply them.

    Raises:
        StoreError: no such file, not a database, made by a newer digest, waiting for a migration, read-only.
    """
    try:
        if path.is_dir():
            raise StoreError(f"{path} is a folder; --db names the SQLite file itself")
        new = not path.exists() or path.stat().st_size == 0
    except OSError as error:
        raise StoreError(f"{path} cannot be reached ({error.strerror}); check who may open its folder") from None
    if new and not create:
        raise StoreError(f"there is no store at {path}; `digest import` or `digest db migrate` makes one")
    if path.exists() and new and (left := _left_beside(path)):
        raise StoreError(
            f"{path} has 0 bytes, and was a store: {left} lies beside it; bring back a backup (`digest db backups`), or"
            " remove it to begin with an empty one"
        )
    if new and not path.parent.is_dir():
        raise StoreError(f"the folder {path.parent} does not exist; make it, or give another --db")
    try:
        connection = _connect(path)
        try:
            db = Database(connection, strict=True)
            if create and not db.table_names():
                migrate(db)
                make_keys(db, now=times.now())
            _know_its_schema(db, path, allow_pending=allow_pending)
            # Only now: the file of something else must stay as it is.
            _use_wal(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return db


def _left_beside(path: Path) -> str:
    """Name a file that only one at work on a store puts beside it; SQLite's own may be of one that was being made."""
    sides = {path.name + side for side in ("-journal", "-wal", "-shm")}
    try:
        found = [one.name for one in path.parent.iterdir() if one.name.startswith(f"{path.name}-")]
    except OSError:
        return ""
    return min((name for name in found if name not in sides), default="")


def _connect(path: Path | str, *, any_thread: bool = False) -> sqlite3.Connection:
    # No implicit transactions: every write is inside `writing`.
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=not any_thread)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # FULL, so that a claimed batch is on the disk before the network is touched.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16000")
        # What is erased or changed is overwritten in the file, not only given free; Debian's SQLite does it unasked,
        # others do not (https://sqlite.org/pragma.html#pragma_secure_delete).
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def file_of(db: Database) -> str:
    """Give the path of an open store's file; an empty text for one in memory."""
    rows = db.conn.execute("PRAGMA database_list").fetchall()
    return next(str(path or "") for _, name, path in rows if name == "main")


def beside(file: str, *, any_thread: bool = False) -> Database:
    """Open a store once more that is open already; `file_of` gives its file.

    It is for the thread that opened it; with `any_thread`, for one after the other.
    """
    return Database(_connect(file, any_thread=any_thread), strict=True)


def empty_log(db: Database) -> bool:
    """Bring what was written lately from the write-ahead log into the file, and cut the log to nothing.

    The log keeps what was erased since until it is written over (https://sqlite.org/wal.html), which may be never.
    Gives whether it was done: it is not waited for longer than a second, in which others cannot write.
    """
    db.conn.execute("PRAGMA busy_timeout = 1000")
    try:
        return bool(db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
    finally:
        db.conn.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Put the file into WAL mode, where it is not: SQLite does not wait for others with this, so we do."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if attempt == ATTEMPTS or error.sqlite_errorname != "SQLITE_BUSY":
                raise
            time.sleep(BUSY_TIMEOUT_S / ATTEMPTS)
        else:
            return


def _know_its_schema(db: Database, path: Path, *, allow_pending: bool) -> None:
    if strangers := unknown(db):
        raise StoreError(
            f"{path} was made by a newer digest (it has the migration {strangers[-1]}); upgrade digest to open it"
        )
    waiting = pending(db)
    if waiting and (tables := set(db.table_names())) and not tables >= {"issues", "subscribers", "deliveries"}:
        raise StoreError(f"{path} is a SQLite file of something else; give another")
    if waiting and not allow_pending:
        raise StoreError(f"{path} is from an older digest; `digest db migrate` brings it up to date and keeps a backup")


def explain(error: sqlite3.Error, path: Path | str) -> StoreError:
    """Turn what SQLite says into one line that says what to do."""
    text = str(error)
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_NOTADB":
            advice = "is not a digest store, nor any SQLite file; give another"
        case name if name.startswith("SQLITE_READONLY"):
            advice = "cannot be written to; check who owns it and its folder, and whether the disk is mounted read-only"
        case "SQLITE_FULL":
            advice = "could not grow: the disk is full; nothing was changed, make room and run it again"
        case name if name.startswith("SQLITE_IOERR"):
            advice = f"could not be read or written ({text}); nothing was changed, check the disk and its free space"
        case name if name.startswith("SQLITE_CANTOPEN"):
            advice = "cannot be opened; check that its folder exists and may be written to"
        case name if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            advice = f"stayed locked by another process for {BUSY_TIMEOUT_S:.0f} s; try again when it is done"
        case name if name.startswith("SQLITE_CORRUPT"):
            advice = (
                f"is damaged ({text}); bring back a backup, and keep this file: sqlite3's .recover may save more of it"
            )
        case _:
            advice = f"answered with an error: {text}"
    return StoreError(f"{path} {advice}")
