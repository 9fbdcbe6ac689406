"""Opening the store, and writing to it in one transaction at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from digest.errors import StoreError
from digest.store.migrations import migrate, pending, unknown

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another: longer than any of our transactions, shorter than a person's patience."""


def open_store(path: Path, *, create: bool = False, allow_pending: bool = False) -> Database:
    """Open the store, in WAL mode with foreign keys enforced.

    Args:
        path: the SQLite file.
        create: make the file, with its tables, where there is none; otherwise that is an error.
        allow_pending: open a file that waits for migrations, to apply them.

    Raises:
        StoreError: no such file, not a database, made by a newer digest, waiting for a migration, read-only.
    """
    new = not path.exists() or path.stat().st_size == 0
    if new and not create:
        raise StoreError(f"there is no store at {path}; `digest import` or `digest db migrate` makes one")
    if new and not path.parent.is_dir():
        raise StoreError(f"the folder {path.parent} does not exist; make it, or give another --db")
    if path.is_dir():
        raise StoreError(f"{path} is a folder; --db names the SQLite file itself")
    try:
        # No implicit transactions: every write is inside `writing`.
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL, so that a claimed batch is on the disk before the network is touched.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -32000")
            db = Database(connection)
            if new:
                migrate(db)
            _know_its_schema(db, path, allow_pending=allow_pending)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return db


def _know_its_schema(db: Database, path: Path, *, allow_pending: bool) -> None:
    if strangers := unknown(db):
        raise StoreError(
            f"{path} was made by a newer digest (it has the migration {strangers[-1]}); upgrade digest to open it"
        )
    waiting = pending(db)
    if waiting and "issues" not in db.table_names() and db.table_names():
        raise StoreError(f"{path} is a SQLite file of something else; give another --db")
    if waiting and not allow_pending:
        raise StoreError(f"{path} is from an older digest; `digest db migrate` brings it up to date and keeps a backup")


@contextmanager
def writing(db: Database) -> Iterator[sqlite3.Connection]:
    """Hold the store's one write lock for a block, which happens whole or not at all.

    The lock is taken at once (``BEGIN IMMEDIATE``), so what the block reads cannot change under it. A block
    inside another becomes a savepoint of it.
    """
    if db.conn.in_transaction:
        with db.atomic():
            yield db.conn
        return
    db.conn.execute("BEGIN IMMEDIATE")
    try:
        yield db.conn
        db.conn.execute("COMMIT")
    except BaseException:
        if db.conn.in_transaction:
            db.conn.execute("ROLLBACK")
        raise


def explain(error: sqlite3.Error, path: Path | str) -> StoreError:
    """Turn what SQLite says into one line that says what to do."""
    text = str(error)
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_NOTADB":
            advice = "is not a digest store, nor any SQLite file; give another --db"
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
            advice = "is damaged; `digest db check` says where, and a backup brings it back"
        case _:
            advice = f"answered with an error: {text}"
    return StoreError(f"{path} {advice}")
