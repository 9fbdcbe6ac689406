"""The reader that is nobody: made for a moment to see that leaving works, and then gone without a trace.

Its number is 0, which no reader's ever is, so that no link of a reader's is ever its own; its key is one of a forgotten
reader's kind, which no address can be and no list shows. It is not yet confirmed and is suppressed from the start: no
audience, no letter, no message to a program and no figure knows of it, and what counts rows leaves it out.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from digest import times
from digest.audience.forgetting import PREFIX
from digest.errors import StateError
from digest.store import Database, writing

NUMBER = 0
KEY = f"{PREFIX}nobody"
LEFT_BEHIND = timedelta(minutes=5)
"""Older than that, it was left behind by a process that died."""


def make(db: Database, *, now: datetime) -> None:
    """Make it.

    Raises:
        StateError: another process has it in use.
    """
    stamp = times.to_text(now)
    with writing(db) as connection:
        row = connection.execute("SELECT created_at FROM subscribers WHERE id = ?", (NUMBER,)).fetchone()
        if row is not None and now - LEFT_BEHIND < times.from_text(row[0]) <= now:
            raise StateError("another process is trying it at this moment; try again in a minute")
        _erase(connection)
        connection.execute(
            "INSERT INTO subscribers (id, email, email_key, state, source, created_at, updated_at)"
            " VALUES (?, '', ?, 'pending', 'forgotten', ?, ?)",
            (NUMBER, KEY, stamp, stamp),
        )
        # So that leaving mails it no goodbye.
        connection.execute(
            "INSERT INTO suppressions (email_key, reason, source, created_at) VALUES (?, 'forgotten', 'doctor', ?)",
            (KEY, stamp),
        )


def way_out(db: Database) -> str:
    """Give the way by which it has left; an empty text while it has not."""
    row = db.conn.execute(
        "SELECT d.way FROM departures d JOIN subscribers s ON s.id = d.subscriber"
        " WHERE d.subscriber = ? AND s.state = 'unsubscribed'",
        (NUMBER,),
    ).fetchone()
    return str(row[0]) if row else ""


def remove(db: Database) -> None:
    """Erase it, and what it did."""
    with writing(db) as connection:
        _erase(connection)


def _erase(connection: sqlite3.Connection) -> None:
    for table in ("departures", "consents", "letters"):
        connection.execute(f"DELETE FROM {table} WHERE subscriber = ?", (NUMBER,))  # noqa: S608 (ours)
    connection.execute("DELETE FROM suppressions WHERE email_key = ?", (KEY,))
    connection.execute("DELETE FROM subscribers WHERE id = ?", (NUMBER,))
