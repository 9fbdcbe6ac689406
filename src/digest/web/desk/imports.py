"""What the imports of the desk do: files are read, judged, and written at once or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from digest.audience import files, suppression
from digest.audience.importing import ImportReport, staging
from digest.audience.services import Service
from digest.audience.subscribers import Reason
from digest.audience.suppression import Report
from digest.editors import looking_after
from digest.editors.audit import By
from digest.store import Database, writing
from digest.web.imports import Job
from digest.web.stores import Stores

LARGEST = 2 * 1024**3
"""Bytes that a ZIP may have in it."""

Kept = Sequence[tuple[str, Path]]
"""Files: their names, and where they lie."""


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
