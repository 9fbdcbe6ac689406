"""Imports at work: files an editor brought are read in a thread of their own, first to say what would happen.

What is at work, and what came of it, is kept in memory. After a restart nothing was half written (an import is one
transaction), the files are still there, and they are read again.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from digest.audience import files, suppression
from digest.audience.importing import ImportReport, staging
from digest.audience.services import Service
from digest.audience.subscribers import Reason
from digest.audience.suppression import Report
from digest.editors import looking_after
from digest.editors.audit import By
from digest.errors import DigestError, InputError, StateError
from digest.store import Database, writing
from digest.web.stores import Stores

MOST = 5_000_000
"""Rows of an import at the desk; more of them are for the command line."""

LARGEST = 2 * 1024**3
"""Bytes that a ZIP may have in it."""

KEPT = 50
"""Imports that are remembered; the files of older ones are read again."""

AT_ONCE_S = 1.5
"""So long a page waits for an import: one of some thousand rows is over by then, and nobody sees it at work."""

Kept = Sequence[tuple[str, Path]]
"""Files: their names, and where they lie."""

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


def bring_readers(
    stores: Stores, kept: Kept, service: Service | None, *, by: By, now: datetime
) -> Callable[[Job], Any]:
    """Give the work of an import of readers."""

    def work(job: Job) -> ImportReport:
        with _apart(stores) as db, staging(db) as staged:
            for name, text in _texts(kept, service, job):
                staged.read(name, text, now=now, service=service, progress=job.advance)
            report = staged.judge()
            if job.write:
                # Judged before: what takes long is done by then, and others wait for the writing alone.
                with writing(db):
                    report = staged.write(now=now)
                    looking_after.moved(
                        db, "imported", "subscribers", by=by, now=now, added=report.added, updated=report.updated
                    )
        return report

    return work


def bring_suppressions(
    stores: Stores, kept: Kept, reason: Reason | None, *, by: By, now: datetime
) -> Callable[[Job], Any]:
    """Give the work of an import of addresses that must not be mailed."""

    def work(job: Job) -> Report:
        whole = Report(", ".join(name for name, _ in kept))
        with _apart(stores) as db:
            for name, path in kept:
                with path.open("rb") as binary, files.text_of(binary) as text:
                    one = suppression.import_suppressions(
                        db, name, text, now=now, reason=reason, dry_run=not job.write, progress=job.advance
                    )
                for count in ("added", "changed", "unchanged", "leaving"):
                    setattr(whole, count, getattr(whole, count) + getattr(one, count))
                whole.rejected += one.rejected
                whole.unused_columns += one.unused_columns
            if job.write:
                looking_after.moved(
                    db, "imported", "suppressions", by=by, now=now, added=whole.added, changed=whole.changed
                )
        return whole

    return work


def rows_at(kept: Kept, places: set[tuple[str, int]], service: Service | None) -> dict[tuple[str, int], str]:
    """Give the rows at some places, by file and line, as they stand in the files."""
    found: dict[tuple[str, int], str] = {}
    for name, text in _texts(kept, service, Job("subscribers", False)):
        wanted = {line for file, line in places if file == name}
        for number, line in enumerate(text, 1) if wanted else ():
            if number in wanted:
                found[name, number] = readable(line.rstrip("\r\n"))
            if number >= max(wanted):
                break
    return found


def readable(text: str) -> str:
    """Give a text of a file, which may be no UTF-8, as a page can have it."""
    return text.encode("utf-8", "replace").decode()


def _texts(kept: Kept, service: Service | None, job: Job) -> Iterator[tuple[str, Any]]:
    for name, path in kept:
        with path.open("rb") as binary:
            yield from files.lists_in(name, binary, service, note=job.notes.append, largest=LARGEST)


@contextmanager
def _apart(stores: Stores) -> Iterator[Database]:
    """Give a connection that nobody uses after: files are attached to it."""
    db = stores.take()
    try:
        yield db
    finally:
        db.close()
