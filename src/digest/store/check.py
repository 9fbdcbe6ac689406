"""Whether the file is sound, as SQLite sees it."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database


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
