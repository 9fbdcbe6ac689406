"""The last look of the doctor, kept while the server runs; one look at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

from digest.errors import StateError

if TYPE_CHECKING:
    from digest.doctor.run import Report


@dataclass(frozen=True)
class Last:
    """A look: what was seen, when, for whom, and whether servers were asked too."""

    report: Report
    at: datetime
    by: str
    network: bool


class Examined:
    """Keeps it, for any thread."""

    def __init__(self) -> None:
        self.last: Last | None = None
        self._lock = Lock()

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Look for a block.

        Raises:
            StateError: somebody does already.
        """
        if not self._lock.acquire(blocking=False):
            raise StateError("somebody has it looked at already; wait a minute, and load the page")
        try:
            yield
        finally:
            self._lock.release()

    def keep(self, report: Report, *, at: datetime, by: str, network: bool) -> None:
        """Keep a look in place of the one before."""
        self.last = Last(report, at, by, network)
