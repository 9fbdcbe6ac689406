"""Issues that were sent, or begun, since a backup: their ledger is carried over from the store that it replaces.

That store knows best who was mailed what. An issue's rows are taken as they stand there, all of them: so nothing of it
is in doubt. What is left out are copies of readers the backup does not know.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from digest.audience.carrying_over import same_readers
from digest.store import Database, writing

_TABLES = ("overrides", "subjects", "subject_tests", "variants", "links", "uncounted", "batches")
"""Beside the issue itself, its comparisons and its deliveries; in this order, since rows refer to each other."""


@dataclass(frozen=True)
class Issues:
    """The numbers of the issues that were carried over, and of those that could not be."""

    carried: tuple[int, ...] = ()
    not_carried: tuple[int, ...] = ()


def carry_over(old: sqlite3.Connection, db: Database) -> Issues:
    """Carry over every issue that the old store has sent, or begun to send, and this one has not, or not to the end.

    Of one that the old store has not begun, nothing is in doubt.
    """
    carried, not_carried = [], []
    same = same_readers(old, db)
    not_begun = old.execute("SELECT doubted_at, number, created_at FROM issues WHERE sending_at IS NULL").fetchall()
    with writing(db) as connection:
        connection.executemany(
            "UPDATE issues SET doubted_at = ? WHERE number = ? AND created_at = ? AND sending_at IS NULL", not_begun
        )
    begun = "SELECT number, created_at, state, updated_at FROM issues WHERE sending_at IS NOT NULL ORDER BY number"
    for number, created_at, *stand in old.execute(begun).fetchall():
        with writing(db) as connection:
            sql = "SELECT created_at, state, updated_at FROM issues WHERE number = ?"
            found = connection.execute(sql, (number,)).fetchone()
            if found and [*found[1:]] == stand and stand[0] in ("sent", "cancelled"):
                continue
            is_ours = not found or found[0] == created_at
            if is_ours and not _taken_numbers(old, connection, number):
                _carry(old, db, number, same)
                carried.append(number)
            else:
                not_carried.append(number)
    return Issues(tuple(carried), tuple(not_carried))


def _taken_numbers(old: sqlite3.Connection, connection: sqlite3.Connection, number: int) -> bool:
    """Tell whether a batch of another issue has a number that is needed: the two stores went different ways before."""
    needed = old.execute("SELECT number FROM batches WHERE issue = ?", (number,)).fetchall()
    sql = "SELECT 1 FROM batches WHERE number = ? AND issue <> ?"
    return any(connection.execute(sql, (batch, number)).fetchone() for (batch,) in needed)


def _carry(old: sqlite3.Connection, db: Database, number: int, same: set[int]) -> None:
    connection = db.conn
    # What other rows have to say of the issue stays with it: they are looked at when all of it is there again.
    connection.execute("PRAGMA defer_foreign_keys = ON")
    for table in ("deliveries", "issue_comparisons", *reversed(_TABLES)):
        connection.execute(f"DELETE FROM {table} WHERE issue = ?", (number,))  # noqa: S608 (ours)
    connection.execute("DELETE FROM issues WHERE number = ?", (number,))
    editors = {id_ for (id_,) in connection.execute("SELECT id FROM editors")}
    _copy(old, connection, "issues", "number", number, editors)
    for table in _TABLES:
        _copy(old, connection, table, "issue", number, editors)
    _copy_comparisons(old, connection, number)
    columns = _shared(old, connection, "deliveries")
    place = columns.index("subscriber")
    rows = old.execute(f"SELECT {', '.join(columns)} FROM deliveries WHERE issue = ?", (number,))  # noqa: S608 (ours)
    connection.executemany(_insert("deliveries", columns), (row for row in rows if row[place] in same))
    # Whoever worked on it is not here; and another process may get the number of one.
    connection.execute("UPDATE batches SET worker = 0 WHERE issue = ? AND state <> 'settled'", (number,))
    # Of readings and events whose copies are not there any more, nobody could say whose they were.
    connection.execute(
        "DELETE FROM events WHERE issue = ?1"
        " AND subscriber NOT IN (SELECT subscriber FROM deliveries WHERE issue = ?1)",
        (number,),
    )


def _shared(old: sqlite3.Connection, connection: sqlite3.Connection, table: str) -> list[str]:
    """Name the columns that both stores have: one of them may be of another version."""
    sql = "SELECT name FROM pragma_table_info(?)"
    there = {name for (name,) in old.execute(sql, (table,))}
    return [name for (name,) in connection.execute(sql, (table,)) if name in there]


def _insert(table: str, columns: list[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 (ours)


def _copy(
    old: sqlite3.Connection, connection: sqlite3.Connection, table: str, key: str, number: int, editors: set[int]
) -> None:
    columns = _shared(old, connection, table)
    people = {columns.index(name) for name in ("approved_by", "asked_by", "editor") if name in columns}
    rows = old.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = ?", (number,))  # noqa: S608 (ours)
    for row in rows:
        # An editor who came since is not known here.
        known = [None if at in people and value not in editors else value for at, value in enumerate(row)]
        connection.execute(_insert(table, columns), known)


def _copy_comparisons(old: sqlite3.Connection, connection: sqlite3.Connection, number: int) -> None:
    """Copy what the issue considered, as far as it is known here: by its slug, since numbers may differ."""
    columns = _shared(old, connection, "issue_comparisons")
    ours = dict(connection.execute("SELECT slug, id FROM comparisons"))
    theirs = dict(old.execute("SELECT id, slug FROM comparisons"))
    place = columns.index("comparison")
    rows = old.execute(
        f"SELECT {', '.join(columns)} FROM issue_comparisons WHERE issue = ?",  # noqa: S608 (ours)
        (number,),
    )
    for row in rows:
        comparison = ours.get(theirs.get(row[place], ""))
        if comparison is not None:
            connection.execute(_insert("issue_comparisons", columns), [*row[:place], comparison, *row[place + 1 :]])
