"""Whether the file is sound, as SQLite sees it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache

from sqlite_utils import Database

from digest.store.migrations import migrate


def check_store(db: Database) -> list[str]:
    """Read the whole file and give what is wrong with it, a line each; an empty list is a sound store."""
    problems: list[str] = []
    try:
        problems += [row[0] for row in db.conn.execute("PRAGMA integrity_check") if row[0] != "ok"]
        problems += [
            f"{table}: row {rowid} refers to a row of {parent} that is not there"
            for table, rowid, parent, _ in db.conn.execute("PRAGMA foreign_key_check")
        ]
    except sqlite3.DatabaseError as error:
        # Where the damage is in the way of the check itself, SQLite says so by an error and not by a row.
        if error.sqlite_errorname != "SQLITE_CORRUPT":
            raise
        problems.append(str(error))
    return problems


def check_schema(db: Database) -> list[str]:
    """Hold an up-to-date store's tables, indexes and triggers against those that the migrations make; a line each.

    A table or an index too many is the operator's own affair. A trigger is not: it changes what is written.
    """
    ours, found = _ours(), _schema(db)
    problems = [f"it has no {kind} {name} as digest makes it" for kind, name in sorted(ours.keys() - found.keys())]
    for (kind, name), sql in sorted(found.items()):
        if kind == "trigger" and ours.get((kind, name)) != sql:
            problems.append(f"its trigger {name} is none of digest's, and would change what is written")
    return problems


@cache
def _ours() -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        made = Database(connection, strict=True)
        migrate(made)
        return _schema(made)


def _schema(db: Database) -> dict[tuple[str, str], str]:
    rows = db.conn.execute("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    return {(kind, name): sql or "" for kind, name, sql in rows}
