"""Imports at work: files an editor brought are read in a thread of their own, first to say what would happen.

What is at work, and what came of it, is kept in memory. After a restart nothing was half written (an import is one
transaction), the files are still there, and they are read again.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from digest.errors import DigestError, InputError, StateError

if TYPE_CHECKING:
    from digest.audience.importing import ImportReport
    from digest.audience.suppression import Report

MOST = 5_000_000
"""Rows of an import at the desk; more of them are for the command line."""

KEPT = 50
"""Imports that are remembered; the files of older ones are read again."""

AT_ONCE_S = 1.5
"""So long a page waits for an import: one of some thousand rows is over by then, and nobody sees it at work."""

log = logging.getLogger("digest")


@dataclass
class Job:
    """An import: read to say what would happen, or to be written. `report` is there when it is over and went well."""

    what: Literal["subscribers", "suppressions"]
    write: bool
    chosen: str = ""
    rows: int = 0
    report: ImportReport | Report | None = None
    notes: list[str] = field(default_factory=list)
    problem: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def advance(self, rows: int) -> None:
        """Count rows that were read."""
        self.rows += rows
        if self.rows > MOST:
            raise InputError(f"that is more than {MOST:,} rows; `digest {self.what} import` takes any number")


class Imports:
    """Those at work, and the last that are over, by a name of the web's own."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[object, Job] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, name: object) -> Job | None:
        """Give one; None where nobody remembers it."""
        with self._lock:
            return self._jobs.get(name)

    def begin(self, name: object, job: Job, work: Callable[[Job], Any]) -> None:
        """Do its work in a thread, and wait a little for it.

        Raises:
            StateError: it is at work already.
        """
        with self._lock:
            known = self._jobs.get(name)
            if known is not None and not known.over.is_set():
                raise StateError("these files are being read; wait until that is over")
            if known is not None and known.write and known.report is not None and job.write:
                raise StateError("these files were imported already")
            self._jobs[name] = job
            self._jobs.move_to_end(name)
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        threading.Thread(target=_done, args=(job, work), name="import", daemon=True).start()
        job.over.wait(AT_ONCE_S)


def _done(job: Job, work: Callable[[Job], Any]) -> None:
    try:
        job.report = work(job)
    except DigestError as error:
        job.problem = str(error)
    except Exception as error:
        # The rows are readers: what broke is told, and not on which.
        log.error("an import broke off: %s", type(error).__name__)
        job.problem = "the files could not be read to their end; nothing of this was written"
    finally:
        job.over.set()
