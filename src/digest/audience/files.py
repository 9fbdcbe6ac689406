"""Subscribers from and to CSV.

Importing takes the good rows and reports the bad ones. It never brings back an address that unsubscribed or is
suppressed, and it can be run again: rows that are in already change nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import IO

from digest import times
from digest.audience.addresses import read_address, read_name
from digest.audience.subscribers import STATES, State, find_subscribers, suppress
from digest.errors import InputError, nearest
from digest.store import Database, writing

COLUMNS = ("email", "name", "state", "suppressed", "source", "created_at")
ROWS_A_TRANSACTION = 2_000
_READ = {"email": "email", "email_address": "email", "name": "name", "state": "state", "status": "state"}


@dataclass(frozen=True)
class Row:
    """One row of a file that can go in."""

    line: int
    email: str
    key: str
    name: str | None
    state: State


@dataclass
class ImportReport:
    """What became of a file's rows. `kept_out` are those that unsubscribed or are suppressed."""

    file: str
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    kept_out: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    rejected: list[InputError] = field(default_factory=list)
    unused_columns: list[str] = field(default_factory=list)


def import_subscribers(
    db: Database,
    file: str,
    lines: Iterable[str],
    *,
    now: datetime,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> ImportReport:
    """Import subscribers from CSV with a header; `email` is needed, `name` and `state` are read.

    Args:
        db: the store.
        file: the file's name, for the report.
        lines: its text, line by line.
        now: the moment.
        dry_run: find out what would happen, and change nothing.
        progress: told how many rows were read since it was last told.

    Raises:
        InputError: there is no column of addresses; nothing is changed.
    """
    report = ImportReport(file)
    seen: dict[str, int] = {}
    rows = _rows(file, lines, report, seen)
    while part := list(islice(rows, ROWS_A_TRANSACTION)):
        _put(db, part, report, now=now, dry_run=dry_run)
        progress(len(part))
    return report


def _rows(file: str, lines: Iterable[str], report: ImportReport, seen: dict[str, int]) -> Iterator[Row]:
    reader = csv.reader(lines)
    header = [cell.strip().lstrip("\ufeff").casefold().replace(" ", "_") for cell in next(reader, [])]
    columns = {_READ[name]: index for index, name in enumerate(header) if name in _READ}
    report.unused_columns = [name for name in header if name and name not in _READ]
    if "email" not in columns:
        hint = next((nearest(name, ["email"]) for name in header if nearest(name, ["email"])), "")
        raise InputError(f"the first line must name the columns, one of them email{hint}", file=file, line=1)
    line = reader.line_num + 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            report.rejected.append(InputError(f"is not CSV: {error}", file=file, line=line))
            line = reader.line_num + 1
            continue
        if any(cell.strip() for cell in cells):
            try:
                row = _row(file, line, columns, cells)
            except InputError as error:
                report.rejected.append(error)
            else:
                if row.key in seen:
                    report.duplicates.append(f"{file}:{line}: {row.email} stands in line {seen[row.key]} already")
                else:
                    seen[row.key] = line
                    yield row
        line = reader.line_num + 1


def _row(file: str, line: int, columns: dict[str, int], cells: list[str]) -> Row:
    def cell(name: str) -> str:
        index = columns.get(name)
        return cells[index].strip() if index is not None and index < len(cells) else ""

    try:
        address = read_address(cell("email"))
    except InputError as error:
        raise InputError(error.message, file=file, line=line, field="email") from None
    state = cell("state").casefold() or "active"
    for known in STATES:
        if state == known:
            return Row(line, address.email, address.key, read_name(cell("name")), known)
    raise InputError(
        f"{cell('state')!r} is not one of {', '.join(STATES)}{nearest(state, STATES)}",
        file=file,
        line=line,
        field="state",
    )


def _put(db: Database, rows: list[Row], report: ImportReport, *, now: datetime, dry_run: bool) -> None:
    """Write some rows, in one transaction."""
    stamp = times.to_text(now)
    places = ", ".join("?" * len(rows))
    keys = [row.key for row in rows]
    with writing(db) as connection:
        known = {
            key: (name, state)
            for key, name, state in connection.execute(
                f"SELECT email_key, name, state FROM subscribers WHERE email_key IN ({places})",  # noqa: S608
                keys,
            )
        }
        suppressed = dict(
            connection.execute(f"SELECT email_key, reason FROM suppressions WHERE email_key IN ({places})", keys)  # noqa: S608
        )
        new, renamed, leaving = [], [], []
        for row in rows:
            name, state = known.get(row.key, (None, None))
            reason = suppressed.get(row.key) or ("unsubscribed" if state == "unsubscribed" else None)
            if reason and row.state != "unsubscribed":
                report.kept_out.append(f"{report.file}:{row.line}: {row.email} stays out ({reason})")
            elif state is None:
                new.append((row.email, row.key, row.name, row.state, stamp, stamp))
                leaving += [row.key] if row.state == "unsubscribed" else []
            elif row.state == "unsubscribed" and state != "unsubscribed":
                leaving.append(row.key)
                report.updated += 1
            elif row.name and row.name != name:
                renamed.append((row.name, stamp, row.key))
            else:
                report.unchanged += 1
        report.added += len(new)
        report.updated += len(renamed)
        if dry_run:
            return
        connection.executemany(
            "INSERT INTO subscribers (email, email_key, name, state, source, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, 'import', ?, ?)",
            new,
        )
        connection.executemany("UPDATE subscribers SET name = ?, updated_at = ? WHERE email_key = ?", renamed)
        for key in leaving:
            connection.execute(
                "UPDATE subscribers SET state = 'unsubscribed', updated_at = ? WHERE email_key = ?", (stamp, key)
            )
            suppress(db, key, "unsubscribed", now=now)


def export_subscribers(db: Database, to: IO[str], *, state: State | None = None) -> int:
    """Write subscribers as CSV that can be imported again; give how many."""
    writer = csv.DictWriter(to, COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    for subscriber in find_subscribers(db, state=state):
        writer.writerow({name: _unarmed(value) for name, value in subscriber.as_dict().items()})
        count += 1
    return count


def _unarmed(value: object) -> object:
    """Keep a spreadsheet from running a name as a formula: see OWASP, “CSV Injection”."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
