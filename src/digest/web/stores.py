"""Connections to the store: as many as there are requests at work, each used by one of them at a time."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from digest.store import Database, beside

MOST_IDLE = 40
"""Connections kept for the next requests: as many as threads work at once. The others of a crowd are closed when it has
gone: each holds two or three files open, and up to 16 MB of cache."""


class Stores:
    """Lends connections to a store that is known to be sound."""

    def __init__(self, file: Path) -> None:
        self._file = str(file)
        self._idle: deque[Database] = deque()

    def take(self) -> Database:
        """Give one that nobody uses; a thread may give it to another, but not both at once."""
        try:
            return self._idle.pop()
        except IndexError:
            return beside(self._file, any_thread=True)

    def give_back(self, db: Database) -> None:
        """Take one back; a request that broke off in a transaction leaves nothing behind."""
        if db.conn.in_transaction:
            db.conn.execute("ROLLBACK")
        if len(self._idle) < MOST_IDLE:
            self._idle.append(db)
        else:
            db.close()

    def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            self._idle.pop().close()
