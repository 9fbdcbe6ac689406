"""The suppression list: addresses that must not be mailed, why, and who said so.

The list is kept by address, not by subscriber: what it has on it stays out whatever is imported, and a subscriber it
names is skipped at the next claim.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import IO, Literal

from digest import times
from digest.audience import dummy
from digest.audience.addresses import read_address
from digest.audience.forgetting import PREFIX, forgotten_among, is_forgotten, mark_of
from digest.audience.leaving import leave
from digest.audience.subscribers import Reason
from digest.errors import InputError, NotFoundError, nearest
from digest.store import Database, writing
from digest.tables import not_a_table, read_table

COLUMNS = ("email", "reason", "source", "created_at")
ADDABLE: tuple[Reason, ...] = ("unsubscribed", "hard bounce", "complaint")
"""The reasons a person may give; who is to be forgotten is forgotten: see `forgetting.py`."""

SOFTLY = "soft bounces in {} issues"
"""The source of a suppression that many soft bounces made a hard one."""

ROWS_A_TRANSACTION = 2_000
LONGEST_CELL = 10_000

# What others call the columns: Mailgun `address`, Postmark `EmailAddress` and `SuppressionReason`, SendGrid `email`.
_READ = {
    "email": "email",
    "emailaddress": "email",
    "address": "email",
    "recipient": "email",
    "reason": "reason",
    "suppressionreason": "reason",
    "type": "reason",
    "event": "reason",
}
# And what they call the reasons, without case, spaces and hyphens.
_REASONS: dict[str, Reason] = {
    "unsubscribed": "unsubscribed",
    "unsubscribe": "unsubscribed",
    "groupunsubscribe": "unsubscribed",
    "globalunsubscribe": "unsubscribed",
    "manualsuppression": "unsubscribed",
    "manual": "unsubscribed",
    "hardbounce": "hard bounce",
    "bounce": "hard bounce",
    "bounced": "hard bounce",
    "permanent": "hard bounce",
    "permanentfail": "hard bounce",
    "invalid": "hard bounce",
    "complaint": "complaint",
    "complained": "complaint",
    "spamcomplaint": "complaint",
    "spamreport": "complaint",
    "spam": "complaint",
    "abuse": "complaint",
}
_MARK = re.compile(re.escape(PREFIX) + "[0-9a-f]{64}")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NOT_UTF8 = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Suppression:
    """An address that must not be mailed, by its key, or the mark of a forgotten one."""

    email: str
    reason: Reason
    source: str | None
    created_at: str

    def as_dict(self) -> dict[str, str | None]:
        """Give it for JSON and CSV."""
        return asdict(self)


@dataclass
class Report:
    """What became of a file's rows; `leaving` are subscribers who left by it."""

    file: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    leaving: int = 0
    rejected: list[InputError] = field(default_factory=list)
    unused_columns: list[str] = field(default_factory=list)


def find_suppressions(
    db: Database, *, reason: Reason | None = None, search: str = "", limit: int | None = None
) -> Iterator[Suppression]:
    """Give the list by address, or a part of it."""
    pattern = "%" + search.casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    cursor = db.conn.execute(
        "SELECT email_key, reason, source, created_at FROM suppressions WHERE (:reason IS NULL OR reason = :reason)"
        " AND (:search = '' OR email_key LIKE :pattern ESCAPE '\\') AND email_key <> :nobody"
        " ORDER BY email_key LIMIT :limit",
        {
            "nobody": dummy.KEY,
            "reason": reason,
            "search": search,
            "pattern": pattern,
            "limit": -1 if limit is None else limit,
        },
    )
    return (Suppression(*row) for row in cursor)


def find_suppression(db: Database, email: str, *, now: datetime) -> Suppression:
    """Give what the list has on an address: of itself, or as a mark of one that was forgotten.

    Raises:
        InputError: it is no address.
        NotFoundError: it is not on the list.
    """
    key = email if _MARK.fullmatch(email) else read_address(email).key
    row = db.conn.execute(
        "SELECT email_key, reason, source, created_at FROM suppressions WHERE email_key IN (?, ?)",
        (key, mark_of(db, key, now=now)),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{email} is not on the suppression list")
    return Suppression(*row)


def add_suppression(db: Database, email: str, reason: Reason, *, source: str, now: datetime) -> bool:
    """Put an address on the list; give whether anything changed. A subscriber who asked to leave has left by it.

    What says more stays: one who unsubscribed, and complains later, complained. A forgotten address has its mark there
    already, and is not written down again.

    Raises:
        InputError: it is no address.
    """
    key = read_address(email).key
    with writing(db):
        return not is_forgotten(db, key) and _put(db, key, reason, source, now) != "unchanged"


def suppress_as_told(
    db: Database, key: str, reason: Literal["hard bounce", "complaint"], *, source: str, at: datetime
) -> None:
    """Put an address, by its key, on the list because of what a provider told happened to it at a moment.

    In whatever order such things are told, the list comes to the same: a complaint says more than a bounce, a hard
    bounce more than soft ones, any of them more than that the reader left; of the same, the earliest stays. A forgotten
    address has its mark there already.
    """
    rank = (
        "CASE {0}.reason WHEN 'complaint' THEN 0 WHEN 'hard bounce' THEN iif({0}.source LIKE :softly, 2, 1) ELSE 3 END"
    )
    mine, other = rank.format("excluded"), rank.format("suppressions")
    with writing(db) as connection:
        if is_forgotten(db, key):
            return
        connection.execute(
            "INSERT INTO suppressions (email_key, reason, source, created_at) VALUES (:key, :reason, :source, :at)"  # noqa: S608 (ours)
            " ON CONFLICT DO UPDATE SET reason = excluded.reason, source = excluded.source,"
            f" created_at = excluded.created_at WHERE ({mine}, excluded.created_at, excluded.source)"
            f" < ({other}, suppressions.created_at, coalesce(suppressions.source, ''))",
            {"key": key, "reason": reason, "source": source, "at": times.to_text(at), "softly": SOFTLY.format("%")},
        )


def suppress_softly(db: Database, key: str, *, issues: int, at: datetime) -> None:
    """Put an address, by its key, on the list because mail to it bounced softly in so many issues, the last time then.

    What says more stays.
    """
    with writing(db) as connection:
        known = connection.execute(
            "UPDATE suppressions SET source = ?, created_at = ? WHERE email_key = ? AND source LIKE ?",
            (SOFTLY.format(issues), times.to_text(at), key, SOFTLY.format("%")),
        ).rowcount
        if not known:
            suppress_as_told(db, key, "hard bounce", source=SOFTLY.format(issues), at=at)


def unsuppress_softly(db: Database, key: str) -> None:
    """Take an address, by its key, off the list where soft bounces alone put it there; who left has left still."""
    with writing(db) as connection:
        gone = connection.execute(
            "DELETE FROM suppressions WHERE email_key = ? AND reason = 'hard bounce' AND source LIKE ?",
            (key, SOFTLY.format("%")),
        ).rowcount
        if gone:
            connection.execute(
                "INSERT INTO suppressions (email_key, reason, created_at) SELECT email_key, 'unsubscribed', updated_at"
                " FROM subscribers WHERE email_key = ? AND state = 'unsubscribed'",
                (key,),
            )


def lift(db: Database, email: str, *, now: datetime) -> Suppression:
    """Take an address off the list, and give what it was there for.

    One who left stays unsubscribed: `digest subscribers add --resubscribe` is for those who asked to come back.

    Raises:
        InputError: it is no address.
        NotFoundError: it is not on the list.
    """
    with writing(db) as connection:
        found = find_suppression(db, email, now=now)
        connection.execute("DELETE FROM suppressions WHERE email_key = ?", (found.email,))
    return found


def import_suppressions(
    db: Database,
    file: str,
    lines: Iterable[str],
    *,
    now: datetime,
    reason: Reason | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> Report:
    """Import a list from CSV with a header: our own export, or a provider's.

    Args:
        db: the store.
        file: the file's name, for the report.
        lines: its text, line by line; what is not UTF-8 comes as lone surrogates.
        now: the moment.
        reason: why, where a row does not say it in words we know; without it such a row is reported and stays out.
        dry_run: find out what would happen, and change nothing.
        progress: told how many rows were read since it was last told.

    Raises:
        InputError: there is no column of addresses, or none of reasons and no `reason` is given; nothing is changed.
    """
    report = Report(file)
    rows = _rows(file, lines, reason, report)
    source = "import" if file == "-" else f"import of {file.rpartition('/')[2][:100]}"
    while part := list(islice(rows, ROWS_A_TRANSACTION)):
        with writing(db) as connection:
            connection.execute("SAVEPOINT tried")
            forgotten = forgotten_among(db, [key for key, _ in part])
            for key, why in part:
                match "unchanged" if key in forgotten else _put(db, key, why, source, now):
                    case "added":
                        report.added += 1
                    case "left":
                        report.added += 1
                        report.leaving += 1
                    case "changed":
                        report.changed += 1
                    case _:
                        report.unchanged += 1
            if dry_run:
                connection.execute("ROLLBACK TO tried")
            connection.execute("RELEASE tried")
        progress(len(part))
    return report


def _put(db: Database, key: str, reason: Reason, source: str, now: datetime) -> str:
    """Put an address, by its key or mark, on the list; say what became of it."""
    connection = db.conn
    known = connection.execute("SELECT reason FROM suppressions WHERE email_key = ?", (key,)).fetchone()
    reader = connection.execute(
        "SELECT id FROM subscribers WHERE email_key = ? AND state <> 'unsubscribed'", (key,)
    ).fetchone()
    left = reason == "unsubscribed" and reader is not None and leave(db, reader[0], way="editor", now=now)
    if known and (known[0] == reason or known[0] != "unsubscribed"):
        return "changed" if left else "unchanged"
    connection.execute(
        "INSERT INTO suppressions (email_key, reason, source, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (email_key) DO UPDATE SET reason = excluded.reason, source = excluded.source",
        (key, reason, source, times.to_text(now)),
    )
    return "left" if left else "changed" if known else "added"


def _rows(file: str, lines: Iterable[str], given: Reason | None, report: Report) -> Iterator[tuple[str, Reason]]:
    reader = read_table(lines, longest=LONGEST_CELL)
    try:
        header = ["".join(filter(str.isalnum, cell.casefold())) for cell in next(reader, [])]
    except csv.Error as error:
        raise InputError(not_a_table(error), file=file, line=1) from None
    columns = {_READ[name]: index for index, name in reversed(list(enumerate(header))) if name in _READ}
    if "email" not in columns:
        hint = next((nearest(name, ["email"]) for name in header if nearest(name, ["email"])), "")
        raise InputError(f"the first line must name the columns, one of them email{hint}", file=file, line=1)
    if "reason" not in columns and given is None:
        raise InputError(
            "no column says why; --reason says it for all: unsubscribed, hard-bounce or complaint", file=file, line=1
        )
    report.unused_columns = [name for name in header if name and name not in (*_READ, "source", "createdat")]
    line = reader.line_num + 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            report.rejected.append(InputError(not_a_table(error), file=file, line=line))
        else:
            if any(cell.strip() for cell in cells):
                try:
                    yield _row(file, line, columns, cells, given)
                except InputError as error:
                    report.rejected.append(error)
        line = reader.line_num + 1


def _row(file: str, line: int, columns: dict[str, int], cells: list[str], given: Reason | None) -> tuple[str, Reason]:
    def cell(name: str) -> str:
        index = columns.get(name)
        value = cells[index].strip() if index is not None and index < len(cells) else ""
        return value[1:] if value.startswith("'") and _FORMULA.match(value) else value

    if any(_NOT_UTF8.search(value) for value in cells):
        raise InputError("is not UTF-8; save the file as UTF-8", file=file, line=line)
    word = "".join(filter(str.isalnum, cell("reason").casefold()))
    if _MARK.fullmatch(cell("email")) and word == "forgotten":
        return cell("email"), "forgotten"
    try:
        key = read_address(cell("email")).key
    except InputError as error:
        raise InputError(error.message, file=file, line=line, field="email") from None
    why = _REASONS.get(word) or given
    if word == "forgotten":
        raise InputError("`digest subscribers forget` forgets somebody", file=file, line=line, field="reason")
    if why is None:
        problem = f"{cell('reason')[:60]!r} is not one of {', '.join(ADDABLE)}{nearest(word, _REASONS)}"
        raise InputError(f"{problem}; --reason says why where a row does not", file=file, line=line, field="reason")
    return key, why


def export_suppressions(db: Database, to: IO[str], *, reason: Reason | None = None) -> int:
    """Write the list as CSV that can be imported again; give how many. Forgotten addresses stand in it as marks."""
    writer = csv.DictWriter(to, COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    for suppression in find_suppressions(db, reason=reason):
        row = suppression.as_dict()
        # A spreadsheet would run it as a formula: see OWASP, “CSV Injection”. `_row` takes the ' off again.
        writer.writerow({name: f"'{value}" if _FORMULA.match(value or "") else value for name, value in row.items()})
        count += 1
    return count
