"""Writing to the ledger beside the loop: a thread and a connection of its own.

SQLite works without Python's lock, so while one batch is written down the next ones are made: measured, a third
more copies a second on two cores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from digest.store import Database, beside, file_of

T = TypeVar("T")


class Clerk:
    """Does what it is told, one thing after the other. On a store in memory, which has one connection, at once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._own: Database | None = None
        self._file = file_of(db)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def do(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call a function of the ledger with a connection to the store and the arguments."""
        if not self._file:
            return work(self._db, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._call, work, arguments, named)

    def _call(self, work: Callable[..., T], arguments: tuple[Any, ...], named: dict[str, Any]) -> T:
        if self._own is None:
            self._own = beside(self._file)
        return work(self._own, *arguments, **named)

    def close(self) -> None:
        """Finish what is in hand, and let go of the thread."""
        self._thread.submit(lambda: self._own.close() if self._own is not None else None).result()
        self._thread.shutdown()
