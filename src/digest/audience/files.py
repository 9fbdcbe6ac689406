"""Subscribers from and to CSV.

Importing takes the good rows and reports the bad ones. It never brings back an address that unsubscribed or is
suppressed, and it can be run again: rows that are in already change nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import IO, TypeVar

from digest import times
from digest.audience.addresses import read_address, read_name, read_timezone
from digest.audience.subscribers import REASONS, STATES, Reason, State, find_subscribers, suppress
from digest.errors import InputError, nearest
from digest.store import Database, writing
from digest.tables import Table, not_a_table, read_table

COLUMNS = ("email", "name", "state", "suppressed", "source", "created_at", "timezone")
Choice = TypeVar("Choice", bound=str)
ROWS_A_TRANSACTION = 2_000
LONGEST_CELL = 10_000
"""Characters in a cell: a quotation mark that is never closed costs no more than that of the file."""
_READ = {
    "email": "email",
    "email_address": "email",
    "name": "name",
    "state": "state",
    "status": "state",
    "suppressed": "suppressed",
    "timezone": "timezone",
    "time_zone": "timezone",
}
_NOT_UTF8 = re.compile(r"[\ud800-\udfff]")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


@dataclass(frozen=True)
class Row:
    """One row of a file that can go in."""

    line: int
    email: str
    key: str
    name: str | None
    state: State
    suppressed: Reason | None
    timezone: str | None = None


@dataclass
class ImportReport:
    """What became of a file's rows. `kept_out` are those that unsubscribed or are suppressed.

    `unused_names` are those that are no names to greet with, or no time zones; their addresses went in.
    """

    file: str
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    kept_out: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    rejected: list[InputError] = field(default_factory=list)
    columns: int = 0
    unused_columns: list[str] = field(default_factory=list)
    unused_names: list[str] = field(default_factory=list)


def import_subscribers(
    db: Database,
    file: str,
    lines: Iterable[str],
    *,
    now: datetime,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> ImportReport:
    """Import subscribers from CSV with a header; `email` is needed, the others of `_READ` are read.

    Args:
        db: the store.
        file: the file's name, for the report.
        lines: its text, line by line; what is not UTF-8 comes as lone surrogates (`errors="surrogateescape"`).
        now: the moment.
        dry_run: find out what would happen, and change nothing.
        progress: told how many rows were read since it was last told.

    Raises:
        InputError: there is no column of addresses; nothing is changed.
    """
    report = ImportReport(file)
    leaving: dict[str, Row] = {}
    rows = _rows(file, lines, report, leaving)
    while part := list(islice(rows, ROWS_A_TRANSACTION)):
        _put(db, part, report, now=now, dry_run=dry_run)
        progress(len(part))
    if leaving:
        _put(db, list(leaving.values()), report, now=now, dry_run=dry_run)
    return report


def _rows(file: str, lines: Iterable[str], report: ImportReport, leaving: dict[str, Row]) -> Iterator[Row]:
    """Give the good rows, one a mailbox: the first. A later one that says the reader left goes into `leaving`."""
    seen: dict[str, int] = {}
    reader = read_table(lines, longest=LONGEST_CELL)
    columns = _columns(file, reader, report)
    line = reader.line_num + 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            report.rejected.append(InputError(not_a_table(error), file=file, line=line))
            line = reader.line_num + 1
            continue
        if any(cell.strip() for cell in cells):
            try:
                row = _row(file, line, columns, cells, report)
            except InputError as error:
                report.rejected.append(error)
            else:
                if row.key in seen:
                    left = row.state == "unsubscribed" or row.suppressed
                    if left:
                        leaving.setdefault(row.key, row)
                    report.duplicates.append(
                        f"{file}:{line}: {row.email} stands in line {seen[row.key]} already"
                        + ("; this line says that the reader left, and counts" if left else "")
                    )
                else:
                    seen[row.key] = line
                    yield row
        line = reader.line_num + 1


def _columns(file: str, reader: Table, report: ImportReport) -> dict[str, int]:
    """Read the header: which column is where."""
    try:
        header = [cell.strip().lstrip("\ufeff").casefold().replace(" ", "_") for cell in next(reader, [])]
    except csv.Error as error:
        raise InputError(not_a_table(error), file=file, line=1) from None
    columns = {_READ[name]: index for index, name in enumerate(header) if name in _READ}
    report.columns = len(header)
    report.unused_columns = [name for name in header if name and name not in _READ]
    if "email" in columns:
        return columns
    if any(_NOT_UTF8.search(name) for name in header):
        raise InputError("is not UTF-8; save it as UTF-8", file=file, line=1)
    hint = next((nearest(name, ["email"]) for name in header if nearest(name, ["email"])), "")
    raise InputError(f"the first line must name the columns, one of them email{hint}", file=file, line=1)


def _row(file: str, line: int, columns: dict[str, int], cells: list[str], report: ImportReport) -> Row:
    def cell(name: str) -> str:
        index = columns.get(name)
        value = cells[index].strip() if index is not None and index < len(cells) else ""
        return value[1:] if value.startswith("'") and _FORMULA.match(value) else value

    if any(cells[report.columns :]):
        raise InputError(
            f"has {len(cells)} cells where the header has {report.columns}; text with a separator in it goes in quotes",
            file=file,
            line=line,
        )
    if any(_NOT_UTF8.search(value) for value in cells):
        raise InputError("is not UTF-8; save the file as UTF-8", file=file, line=line)
    try:
        address = read_address(cell("email"))
    except InputError as error:
        raise InputError(error.message, file=file, line=line, field="email") from None
    state, suppressed = cell("state").casefold(), cell("suppressed").casefold()
    name = read_name(cell("name"))
    if cell("name") and name is None:
        report.unused_names.append(f"{file}:{line}: {cell('name')!r} is no name to greet with, and is not used")
    zone = read_timezone(cell("timezone"))
    if cell("timezone") and zone is None:
        report.unused_names.append(f"{file}:{line}: {cell('timezone')!r} is no time zone, and is not used")
    return Row(
        line,
        address.email,
        address.key,
        name,
        _one_of(STATES, "active" if state in ("", "subscribed") else state, file, line, "state"),
        _one_of(REASONS, suppressed, file, line, "suppressed") if suppressed else None,
        zone,
    )


def _one_of(choices: tuple[Choice, ...], word: str, file: str, line: int, field: str) -> Choice:
    for choice in choices:
        if word == choice:
            return choice
    problem = f"{word!r} is not one of {', '.join(choices)}{nearest(word, choices)}"
    raise InputError(problem, file=file, line=line, field=field)


def _put(db: Database, rows: list[Row], report: ImportReport, *, now: datetime, dry_run: bool) -> None:
    """Write some rows, in one transaction."""
    stamp = times.to_text(now)
    places = ", ".join("?" * len(rows))
    keys = [row.key for row in rows]
    with writing(db) as connection:
        known = {
            key: (name, state, zone)
            for key, name, state, zone in connection.execute(
                f"SELECT email_key, name, state, timezone FROM subscribers WHERE email_key IN ({places})",  # noqa: S608
                keys,
            )
        }
        suppressed = dict(
            connection.execute(f"SELECT email_key, reason FROM suppressions WHERE email_key IN ({places})", keys)  # noqa: S608
        )
        new, changed, leaving = [], [], []
        barred: list[tuple[str, Reason]] = []
        for row in rows:
            name, state, zone = known.get(row.key, (None, None, None))
            reason = suppressed.get(row.key) or ("unsubscribed" if state == "unsubscribed" else None)
            leaves = row.state == "unsubscribed"
            bar: Reason | None = row.suppressed or ("unsubscribed" if leaves else None)
            if reason == "forgotten" or (reason and not leaves):
                report.kept_out.append(f"{report.file}:{row.line}: {row.email} stays out ({reason})")
            elif state is None:
                new.append((row.email, row.key, row.name, row.timezone, row.state, stamp, stamp))
                barred += [(row.key, bar)] if bar else []
            elif bar and (not reason or state != "unsubscribed"):
                leaving += [(stamp, row.key)] if leaves else []
                barred.append((row.key, bar))
                report.updated += 1
            elif (row.name and row.name != name) or (row.timezone and row.timezone != zone):
                changed.append((row.name, row.timezone, stamp, row.key))
            else:
                report.unchanged += 1
        report.added += len(new)
        report.updated += len(changed)
        if dry_run:
            return
        connection.executemany(
            "INSERT INTO subscribers (email, email_key, name, timezone, state, source, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, 'import', ?, ?)",
            new,
        )
        connection.executemany(
            "UPDATE subscribers SET name = coalesce(?, name), timezone = coalesce(?, timezone), updated_at = ?"
            " WHERE email_key = ?",
            changed,
        )
        connection.executemany(
            "UPDATE subscribers SET state = 'unsubscribed', updated_at = ? WHERE email_key = ?", leaving
        )
        for key, why in barred:
            suppress(db, key, why, now=now)


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
    """Keep a spreadsheet from running a name as a formula: see OWASP, “CSV Injection”. `_row` takes the ' off again."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
