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
    turn = _turn(db)
    mine = turn is not None and turn.acquire(timeout=PATIENCE_S)
    try:
        db.conn.execute("BEGIN IMMEDIATE")
        try:
            yield db.conn
            db.conn.execute("COMMIT")
        except BaseException:
            if db.conn.in_transaction:
                db.conn.execute("ROLLBACK")
            raise
    finally:
        if turn is not None and mine:
            turn.release()


def _turn(db: Database) -> Lock | None:
    """Give the lock that all connections of this process to a file share; None where the store is in memory."""
    try:
        return _turn_of[db]
    except KeyError:
        files = {name: path for _, name, path in db.conn.execute("PRAGMA database_list")}
        turn = _turn_of[db] = _turns[files["main"]] if files.get("main") else None
        return turn
