"""Importing files: what is new goes in, what changed is updated, and every file goes in whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from digest.catalogue.file_import import FileImport, FileReport
from digest.catalogue.formats import SUFFIXES, Format, read
from digest.catalogue.records import Record
from digest.errors import InputError, UnknownReferenceError
from digest.store import Database, writing


def gather(sources: Sequence[str], standard_input: Callable[[], bytes]) -> list[tuple[str, bytes]]:
    """Read files, the catalogue files of folders in the order of their names, and standard input for ``-``.

    Raises:
        InputError: something is not there or cannot be read; nothing has been imported by then.
    """
    found: list[tuple[str, bytes]] = []
    for source in sources:
        if source == "-":
            found.append(("standard input", standard_input()))
            continue
        try:
            found += [(str(file), file.read_bytes()) for file in _files_of(Path(source))]
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", file=str(error.filename or source)) from None
    return found


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        raise InputError(f"has no file that ends in {', '.join(SUFFIXES)}", file=str(path))
    return files


class _DryRun(Exception):  # noqa: N818 (not an error: it rolls the transaction back)
    pass


def import_files(
    db: Database,
    files: Sequence[tuple[str, bytes]],
    *,
    now: datetime,
    zone: ZoneInfo,
    format: Format | None = None,  # noqa: A002
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda things: None,
) -> list[FileReport]:
    """Import files, each whole or not at all; a bad one does not keep the others out.

    The order of the files does not matter: one that names a tool of a later file waits for it.

    Args:
        db: the store.
        files: names and contents.
        now: when things that are new here came in, and what ages in files count back from.
        zone: the newsletter's time zone, for times without an offset.
        format: the format of all files, where it is not to be told from name or content.
        dry_run: find out what would happen, and change nothing.
        progress: told, now and then, how many things were looked at since it was last told.
    """
    reports = {index: FileReport(name) for index, (name, _) in enumerate(files)}
    waiting: dict[int, list[Record]] = {}
    for index, (name, content) in enumerate(files):
        try:
            waiting[index] = read(name, content, format)
        except InputError as error:
            reports[index].error = error

    def work() -> None:
        left = waiting
        while left:
            put_off = {}
            for index, records in left.items():
                report = reports[index] = FileReport(files[index][0])
                try:
                    with writing(db) as connection:
                        FileImport(connection, report, now, zone, progress).apply(records)
                except UnknownReferenceError as error:
                    report.error = error
                    put_off[index] = records
                except InputError as error:
                    report.error = error
            if len(put_off) == len(left):
                break
            left = put_off

    if dry_run:
        try:
            with writing(db):
                work()
                raise _DryRun
        except _DryRun:
            pass
    else:
        work()
    for report in reports.values():
        if report.error:
            report.changes, report.notes = [], []
    return [reports[index] for index in range(len(files))]
