"""Writing to the store, one transaction at a time."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import WeakKeyDictionary

from sqlite_utils import Database

PATIENCE_S = 30.0
"""How long a thread waits for its turn, before it leaves the waiting to SQLite, which says so when it gives up."""

SOON_S = 0.25
"""How long one waits who can do without."""

_turns: defaultdict[str, Lock] = defaultdict(Lock)
_turn_of: WeakKeyDictionary[Database, Lock | None] = WeakKeyDictionary()


@contextmanager
def writing(db: Database) -> Iterator[sqlite3.Connection]:
    """Hold the store's one write lock for a block, which happens whole or not at all.

    The lock is taken at once (``BEGIN IMMEDIATE``), so what the block reads cannot change under it. A block
    inside another becomes a savepoint of it.

    Threads of one process wait for their turn here: SQLite lets those who wait sleep, ever longer, and wakes nobody,
    so that sixteen who write at once mostly sleep.
    """
    if db.conn.in_transaction:
        with db.atomic():
            yield db.conn
        return
    with _in_turn(db, PATIENCE_S):
        db.conn.execute("BEGIN IMMEDIATE")
        with _whole(db):
            yield db.conn


@contextmanager
def writing_soon(db: Database) -> Iterator[sqlite3.Connection | None]:
    """Hold the write lock as `writing` does, or give None where others keep it for longer than a moment.

    It is for what need not be written at any price: nobody is to wait for minutes, behind a large import, for a note of
    when they were last seen.
    """
    if db.conn.in_transaction:
        with writing(db):
            yield db.conn
        return
    with _in_turn(db, SOON_S) as mine:
        if not mine or not _begins_soon(db):
            yield None
            return
        with _whole(db):
            yield db.conn


@contextmanager
def _in_turn(db: Database, patience_s: float) -> Iterator[bool]:
    """Wait for our turn among the threads of this process, for so long; give whether it came."""
    turn = _turn(db)
    mine = turn is None or turn.acquire(timeout=patience_s)
    try:
        yield mine
    finally:
        if turn is not None and mine:
            turn.release()


@contextmanager
def _whole(db: Database) -> Iterator[None]:
    """End a transaction that was begun: what the block wrote happens whole, or not at all."""
    try:
        yield
        db.conn.execute("COMMIT")
    except BaseException:
        if db.conn.in_transaction:
            db.conn.execute("ROLLBACK")
        raise


def _begins_soon(db: Database) -> bool:
    before = db.conn.execute("PRAGMA busy_timeout").fetchone()[0]
    db.conn.execute(f"PRAGMA busy_timeout = {SOON_S * 1000:.0f}")
    try:
        db.conn.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith("SQLITE_BUSY"):
            return False
        raise
    finally:
        db.conn.execute(f"PRAGMA busy_timeout = {before}")
    return True


def _turn(db: Database) -> Lock | None:
    """Give the lock that all connections of this process to a file share; None where the store is in memory."""
    try:
        return _turn_of[db]
    except KeyError:
        files = {name: path for _, name, path in db.conn.execute("PRAGMA database_list")}
        turn = _turn_of[db] = _turns[files["main"]] if files.get("main") else None
        return turn
