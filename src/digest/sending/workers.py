"""Who is at work: a worker holds a lock that the kernel lets go of when its process dies, however it dies.

Each worker locks one byte of a file beside the store, at the place of its own number. Whether a worker lives is
then a question to the kernel: no lease runs out under a slow one, and a dead one's batches are free at once.
Locks of this kind work wherever SQLite's own do: on one machine, across containers, not over NFS.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from digest.errors import StateError
from digest.store.backup import belong_with

_NUMBERS = 2**31 - 1
_ISSUES = 2**32
"""Behind the bytes of the workers are those of issues: whoever sends one holds its byte."""

_TRIES = 50
"""So many numbers in a row are somebody's only where one holds all of them: see `alone`."""

LOOK_S = 0.1


class Worker:
    """One process at work on a store, from `__enter__` to `__exit__` or to its death. Make one a process."""

    def __init__(self, store: Path) -> None:
        # Of the file itself, whatever link leads to it: SQLite's own -wal is beside that too.
        store = store.resolve()
        self._store, self._path = store, store.with_name(store.name + "-workers")
        self._file = -1
        self.number = 0

    def __enter__(self) -> Self:
        self._file = _open(self._store, self._path)
        for _ in range(_TRIES):
            number = 1 + secrets.randbelow(_NUMBERS)
            if self._lock(number):
                self.number = number
                return self
        os.close(self._file)
        raise StateError(
            f"{self._store} is being migrated or brought back from a backup by another process; start this again"
            " when that is done"
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing any descriptor of the file drops every lock this process has on it.
        os.close(self._file)
        self.number = 0

    def lives(self, number: int) -> bool:
        """Tell whether the worker of a number still holds its lock."""
        if number == self.number:
            return True
        if not self._lock(number):
            return True
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        return False

    def takes(self, issue: int) -> bool:
        """Take an issue in hand, until this worker leaves it or dies; tell whether no other process has it.

        It is a courtesy, and keeps nobody from a batch: several may share the work on an issue.
        """
        return self._lock(_ISSUES + issue)

    def leaves(self, issue: int) -> None:
        """Let others have an issue that this worker took."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _ISSUES + issue)

    def is_taken(self, issue: int) -> bool:
        """Tell whether another process has an issue in hand; to be asked only by one that has not."""
        return self.lives(_ISSUES + issue)

    def _lock(self, number: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):
            return False
        return True


@contextmanager
def alone(store: Path, *, patience_s: float = 0.0) -> Iterator[bool]:
    """Keep all workers of a store out for a block, those that come meanwhile too; tell whether that was had.

    It waits so long for those that are there. It must not be asked in a process that is a worker itself: its own locks
    would be gone.
    """
    store = store.resolve()
    file = _open(store, store.with_name(store.name + "-workers"))
    until = time.monotonic() + patience_s
    try:
        while not (is_had := _lock_all(file)) and time.monotonic() < until:
            time.sleep(LOOK_S)
        yield is_had
    finally:
        os.close(file)


def _lock_all(file: int) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _open(store: Path, path: Path) -> int:
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        # Whoever may write to the store may lock here; the umask has no say in it.
        belong_with(path, store)
    except FileExistsError:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return file
