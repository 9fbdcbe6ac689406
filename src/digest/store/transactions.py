"""Writing to the store, one transaction at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlite_utils import Database


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
