"""Importing readers from CSV, ours or another service's: first all is read and judged, then written at once.

The rows go into a temporary table, which is a file of its own: while a large file is read nobody waits for the store,
and what is kept in memory does not grow with it. Then a few statements over the whole table judge and write, in one
transaction: an import is there whole or not at all, and nobody whose last row says that they left is mailed because
of their first. A million rows hold the store's write lock for some five seconds, and other writers wait for 30.

Nobody who unsubscribed, is suppressed or was forgotten is brought back, and it can be run again: what is in already
changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice

from digest import times
from digest.audience import growth
from digest.audience.forgetting import marker
from digest.audience.reading import TOLD, Export, Row, Told, Troubles
from digest.audience.services import OWN, Field, Service
from digest.audience.subscribers import STATES, State
from digest.errors import InputError
from digest.store import Database, writing

ROWS_A_STATEMENT = 100
"""Rows put into the temporary table by one statement: 40 % quicker than one by one, and not than more."""

ROWS_A_PART = 1_000
"""Rows after which the progress is told."""

IN_FILE_ORDER = 100_000
"""Up to so many rows get their numbers in the order of the file. Those of a larger file get them in the order of their
addresses, which writes the index of addresses from front to back: 1,000,000 rows take 2.5 s less."""

_CACHE_KB = 16_000
"""Pages of the temporary table kept in memory: as many as of the store."""

_FILE = 1 << 32
"""A row's place is its line, and so many more for each file before its own."""

_PLAIN = ("place", "key", "email", "name", "state", "bar")
_MORE = (*_PLAIN, "zone", "came", "topics", "paused")


@dataclass
class ImportReport:
    """What became of the rows of one file or of several, or would become of them.

    `kept_out` are those that unsubscribed or are suppressed, and those that their service does not mail either.
    `unused_names` are those that are no names to greet with, no time zones, no dates; their addresses went in. Of each
    kind the first 1,000 are there, and `total` says how many there were.
    """

    file: str
    service: Service = OWN
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    suppressed: int = 0
    added_in: dict[State, int] = field(default_factory=dict)
    kept_out: Told[str] = field(default_factory=Told)
    duplicates: Told[str] = field(default_factory=Told)
    rejected: Told[InputError] = field(default_factory=Told)
    columns: dict[str, Field] = field(default_factory=dict)
    unused_columns: list[str] = field(default_factory=list)
    unused_names: Told[str] = field(default_factory=Told)


def import_subscribers(
    db: Database,
    file: str,
    lines: Iterable[str],
    *,
    now: datetime,
    service: Service | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> ImportReport:
    """Import one file: see `Staging`."""
    with staging(db) as staged:
        staged.read(file, lines, now=now, service=service, progress=progress)
        return staged.judge() if dry_run else staged.write(now=now)


@contextmanager
def staging(db: Database) -> Iterator[Staging]:
    """Give a place beside the store where files are read into before anything is written."""
    connection = db.conn
    # A database without a name is a file that goes away with it (https://sqlite.org/inmemorydb.html#temp_db).
    connection.execute("ATTACH '' AS aside")
    try:
        connection.execute("PRAGMA aside.journal_mode = OFF").fetchall()
        connection.execute(f"PRAGMA aside.cache_size = -{_CACHE_KB}")
        connection.execute(f"CREATE TABLE aside.staged (place INTEGER PRIMARY KEY, {' TEXT, '.join(_MORE[1:])} TEXT)")
        yield Staging(db)
    finally:
        connection.execute("DETACH aside")


class Staging:
    """Files that were read and are not written yet."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._exports: list[Export] = []
        self._troubles = Troubles()
        self._duplicates: Told[str] = Told()
        self._in_order: bool | None = None

    def read(
        self,
        file: str,
        lines: Iterable[str],
        *,
        now: datetime,
        service: Service | None = None,
        progress: Callable[[int], None] = lambda rows: None,
    ) -> Export:
        """Read a file.

        Args:
            file: its name, for the report.
            lines: its text, line by line; what is not UTF-8 comes as lone surrogates (`errors="surrogateescape"`).
            now: the moment.
            service: whose shape it has; found out from its header where it is not given.
            progress: told how many rows were read since it was last told.

        Raises:
            InputError: there is no column of addresses; nothing of the file was taken.
        """
        assert self._in_order is None, "all files are read before the first is judged"  # noqa: S101
        export = Export(file, lines, self._troubles, service)
        rows = export.rows(now, first_place=len(self._exports) * _FILE)
        self._exports.append(export)
        while part := list(islice(rows, ROWS_A_PART)):
            self._put(part, _MORE if export.has_more else _PLAIN)
            progress(len(part))
        return export

    def judge(self) -> ImportReport:
        """Tell what would become of the rows, as the store is now; nothing is changed in it."""
        self._fold()
        # Deferred: it reads the store, writes only beside it, and makes nobody wait.
        self._db.conn.execute("BEGIN")
        try:
            return self._judge()
        finally:
            self._db.conn.execute("COMMIT")

    def write(self, *, now: datetime) -> ImportReport:
        """Write the rows into the store, and tell what became of them."""
        self._fold()
        with writing(self._db):
            report = self._judge()
            self._write(report, now)
        return report

    def _put(self, rows: list[Row], columns: tuple[str, ...]) -> None:
        connection = self._db.conn
        places = f"({', '.join('?' * len(columns))})"
        begin = f"INSERT INTO staged ({', '.join(columns)}) VALUES "  # noqa: S608 (our own names)
        connection.execute("BEGIN")
        try:
            for start in range(0, len(rows), ROWS_A_STATEMENT):
                part = rows[start : start + ROWS_A_STATEMENT]
                connection.execute(begin + ", ".join([places] * len(part)), list(chain.from_iterable(part)))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _fold(self) -> None:
        """Make one row of those with one mailbox: the first, unless another says that the reader left."""
        if self._in_order is not None:
            return
        connection = self._db.conn
        self._in_order = connection.execute("SELECT count(*) FROM staged").fetchone()[0] <= IN_FILE_ORDER
        connection.execute(f"CREATE INDEX aside.staged_keys ON staged (key, place, {', '.join(_MORE[2:])})")
        connection.execute(
            "CREATE TABLE aside.repeated AS"
            " SELECT key, min(place) AS first FROM staged GROUP BY key HAVING count(*) > 1"
        )
        later = "FROM repeated r JOIN staged s ON s.key = r.key AND s.place > r.first"
        self._duplicates.total = connection.execute(f"SELECT count(*) {later}").fetchone()[0]
        for place, email, first, left in connection.execute(
            f"SELECT s.place, coalesce(s.email, s.key), r.first, s.bar NOTNULL {later} ORDER BY s.place LIMIT {TOLD}"
        ):
            there = f"line {first % _FILE}" if place // _FILE == first // _FILE else self._where(first)
            self._duplicates.append(
                f"{self._where(place)}: {email} stands in {there} already"
                + ("; this line says that the reader left, and counts" if left else "")
            )
        if not self._duplicates.total:
            return
        with writing(self._db):
            connection.execute(
                "UPDATE staged SET bar = l.bar, state = iif(l.state = 'unsubscribed', l.state, staged.state)"
                " FROM (SELECT r.first, s.bar, s.state, min(s.place) FROM repeated r JOIN staged s"
                " ON s.key = r.key AND s.place > r.first WHERE s.bar NOTNULL GROUP BY r.key) l"
                " WHERE staged.place = l.first AND staged.bar IS NULL"
            )
            connection.execute(f"DELETE FROM staged WHERE place IN (SELECT s.place {later})")  # noqa: S608

    def _judge(self) -> ImportReport:
        """Say of each row whose address the store knows what becomes of it; the others are new."""
        connection = self._db.conn
        mark = marker(self._db)
        if mark is not None:
            connection.create_function("mark_of", 1, mark, deterministic=True)
        connection.execute("DROP TABLE IF EXISTS aside.met")
        connection.execute(
            "CREATE TABLE aside.met"
            " (key TEXT PRIMARY KEY, place INTEGER, id INTEGER, reason TEXT, state TEXT, fate TEXT) WITHOUT ROWID"
        )
        connection.execute(_MET.format(forgotten=_FORGOTTEN if mark else _NOBODY))
        first = self._exports[0]
        report = ImportReport(
            ", ".join(export.file for export in self._exports),
            first.service if all(export.service is first.service for export in self._exports) else OWN,
            kept_out=_copy(self._troubles.kept_out),
            duplicates=self._duplicates,
            rejected=self._troubles.rejected,
            unused_names=self._troubles.unused_values,
        )
        for export in self._exports:
            report.columns |= export.columns
            report.unused_columns += [name for name in export.unused_columns if name not in report.unused_columns]
        fates = dict(connection.execute("SELECT fate, count(*) FROM met GROUP BY fate"))
        report.updated = fates.get("leaves", 0) + fates.get("changed", 0)
        report.unchanged = fates.get("unchanged", 0)
        known = dict(connection.execute("SELECT state, count(*) FROM met WHERE fate <> 'new' GROUP BY state"))
        # One pass over all: grouping would sort them first.
        counts = ", ".join(f"count(*) FILTER (WHERE state = '{state}')" for state in STATES)
        there = connection.execute(f"SELECT {counts} FROM staged").fetchone()  # noqa: S608 (our own words)
        for state, count in zip(STATES, there, strict=True):
            if new := count - known.get(state, 0):
                report.added_in[state] = new
        report.added = sum(report.added_in.values())
        report.suppressed = connection.execute(f"SELECT count(*) {_BARRED}").fetchone()[0]
        kept = f"FROM met m JOIN staged s USING (key) WHERE fate = 'kept out' ORDER BY m.place LIMIT {TOLD}"
        for place, email, reason in connection.execute(f"SELECT m.place, coalesce(s.email, key), reason {kept}"):
            if len(report.kept_out) < TOLD:
                report.kept_out.append(f"{self._where(place)}: {email} stays out ({reason})")
        report.kept_out.total += fates.get("kept out", 0)
        return report

    def _write(self, report: ImportReport, now: datetime) -> None:
        connection, stamp = self._db.conn, times.to_text(now)
        service = "" if report.service is OWN else f": {report.service.key}"
        some = any(export.has_more for export in self._exports)
        topics_of = "SELECT DISTINCT topics FROM staged WHERE topics NOTNULL"
        for (topics,) in connection.execute(topics_of).fetchall() if some else ():
            connection.execute(
                "INSERT INTO topic_sets (topics) VALUES (?) ON CONFLICT DO NOTHING", (_topics_as_kept(topics),)
            )
        last = connection.execute("SELECT coalesce(max(id), 0) FROM subscribers").fetchone()[0]
        connection.create_function("topics_as_kept", 1, _topics_as_kept, deterministic=True)
        source = f"import{service}"
        values = {"now": stamp, "source": source, "file": f"{source}, {report.file}"[:500], "last": last}
        connection.execute(_ADD + ("s.place" if self._in_order else "s.key, s.place"), values)
        growth.joined(connection, report.added_in.get("active", 0), now)
        if any(export.service is not OWN for export in self._exports):
            connection.execute(_CONSENT, values)
        connection.execute(f"{_SUPPRESS} {_BARRED}", values)
        connection.execute(_LEAVE, values)
        connection.execute(_CHANGE, values)

    def _where(self, place: int) -> str:
        return f"{self._exports[place // _FILE].file}:{place % _FILE}"


# Of the addresses that the store knows, what it knows and what becomes of the row. `{forgotten}` looks whether an
# address is one of the forgotten. A row that says that somebody left is taken also of one who left already, but never
# of one who is forgotten. Read in the order of the keys, as the indices of the store are: a million known rows take 2 s
# in place of 10.
_MET = """
INSERT INTO met
SELECT key, place, id, reason, state, CASE
  WHEN reason = 'forgotten' OR (reason NOTNULL AND state <> 'unsubscribed') THEN 'kept out'
  WHEN id IS NULL THEN 'new'
  WHEN bar NOTNULL AND (reason IS NULL OR was <> 'unsubscribed') THEN 'leaves'
  WHEN differs THEN 'changed'
  ELSE 'unchanged' END
FROM (
  SELECT s.key, s.place, x.id, s.state, s.bar, x.state AS was,
    coalesce(u.reason, f.reason, iif(x.state = 'unsubscribed', 'unsubscribed', NULL)) AS reason,
    (s.name NOTNULL AND s.name IS NOT x.name) OR (s.zone NOTNULL AND s.zone IS NOT x.timezone) AS differs
  FROM staged s INDEXED BY staged_keys
  LEFT JOIN subscribers x ON x.email_key = s.key
  LEFT JOIN suppressions u ON u.email_key = s.key
  LEFT JOIN {forgotten}
  WHERE x.id NOTNULL OR u.reason NOTNULL OR f.reason NOTNULL
  ORDER BY s.key
)
"""
_FORGOTTEN = "suppressions f ON f.email_key = mark_of(s.key)"
_NOBODY = "(SELECT NULL AS reason) f ON 0"

_NEW = "FROM staged s LEFT JOIN met m ON m.key = s.key WHERE (m.key IS NULL OR m.fate = 'new')"

# Whose address is not on the list, and comes onto it.
_BARRED = """
FROM staged s LEFT JOIN met m ON m.key = s.key
WHERE s.bar NOTNULL AND (m.key IS NULL OR m.fate IN ('new', 'leaves'))
  AND NOT EXISTS (SELECT 1 FROM suppressions u WHERE u.email_key = s.key)
"""

# Who has yet to confirm begins anew: an old date would end the sign-up at once.
_ADD = f"""
INSERT INTO subscribers
  (email, email_key, name, timezone, state, topic_set, paused_until, source, created_at, updated_at)
SELECT coalesce(s.email, s.key), s.key, s.name, s.zone, s.state,
  iif(s.topics IS NULL, NULL, (SELECT id FROM topic_sets t WHERE t.topics = topics_as_kept(s.topics))),
  s.paused, :source, iif(s.state = 'pending', :now, coalesce(s.came, :now)), :now
{_NEW}
ORDER BY """  # noqa: S608

# They agreed there; what is known of it is that this file says so. A list of one's own says nothing of the kind.
_CONSENT = (
    "INSERT INTO consents (subscriber, kind, source, given_at)"
    " SELECT id, 'imported', :file, :now FROM subscribers WHERE id > :last AND state = 'active'"
)
_SUPPRESS = "INSERT INTO suppressions (email_key, reason, source, created_at) SELECT s.key, s.bar, :source, :now"
_LEAVE = (
    "UPDATE subscribers SET state = 'unsubscribed', updated_at = :now"
    " WHERE id IN (SELECT id FROM met WHERE fate = 'leaves' AND state = 'unsubscribed')"
)
_CHANGE = (
    "UPDATE subscribers SET name = coalesce(s.name, subscribers.name),"
    " timezone = coalesce(s.zone, subscribers.timezone), updated_at = :now"
    " FROM met m JOIN staged s USING (key) WHERE m.fate = 'changed' AND m.id = subscribers.id"
)


def _topics_as_kept(topics: str) -> str:
    return json.dumps(topics.split(" "), separators=(",", ":"))


def _copy(told: Told[str]) -> Told[str]:
    copied = Told(told)
    copied.total = told.total
    return copied
