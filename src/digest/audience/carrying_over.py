"""What readers asked for since a backup, carried over into it from the store that it replaces.

Nobody who left, was forgotten or must not be mailed may be mailed again because a backup was brought back. What goes
the other way (who signed up or came back since) is not carried over: a backup may be brought back because of it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from digest import times
from digest.audience.forgetting import PREFIX, forget, is_forgotten, marker
from digest.audience.leaving import Way, leave
from digest.store import Database, writing

LEAP = 100_000
"""So many numbers of readers are left out where nobody can tell which were given since the backup."""

_RANK = {"complaint": 0, "hard bounce": 1, "unsubscribed": 2}


@dataclass(frozen=True)
class Readers:
    """How many were carried over; `came` are those who came since, and are not."""

    left: int = 0
    forgotten: int = 0
    suppressed: int = 0
    moved: int = 0
    paused: int = 0
    came: int = 0


def same_readers(old: sqlite3.Connection, db: Database) -> set[int]:
    """Give the numbers that stand for the same readers in both stores: known by the moment they came, too."""
    ours = set(db.conn.execute("SELECT id, created_at FROM subscribers"))
    return {row[0] for row in old.execute("SELECT id, created_at FROM subscribers") if row in ours}


def carry_over(old: sqlite3.Connection, db: Database, *, now: datetime) -> Readers:
    """Carry over who left, was forgotten, suppressed, paused or moved in the old store; give how many that were.

    No number of a reader is given again that the old store gave: links in mails have it.
    """
    with writing(db) as connection:
        same = same_readers(old, db)
        forgotten = _forgotten(old, db, same, now)
        left = _left(old, db, same)
        suppressed = _suppressed(old, db)
        moved = _moved(old, connection, same)
        paused = _paused(old, connection, same)
        came = sum(
            connection.execute("SELECT NOT EXISTS (SELECT 1 FROM subscribers WHERE email_key = ?)", (key,)).fetchone()[
                0
            ]
            for id_, key in old.execute("SELECT id, email_key FROM subscribers WHERE state = 'active'")
            if id_ not in same
        )
        (highest,) = old.execute("SELECT coalesce(max(id), 0) FROM subscribers").fetchone()
        _leave_out(connection, highest, now)
    return Readers(left, forgotten, suppressed, moved, paused, came)


def leave_out_numbers(db: Database, *, now: datetime) -> None:
    """Give none of the numbers again that may have been given since the backup, where nobody can tell which."""
    with writing(db) as connection:
        (highest,) = connection.execute("SELECT coalesce(max(id), 0) FROM subscribers").fetchone()
        _leave_out(connection, highest + LEAP, now)


def _leave_out(connection: sqlite3.Connection, highest: int, now: datetime) -> None:
    """Put the row of nobody at a number: SQLite gives the next one to the next reader."""
    connection.execute(
        "INSERT INTO subscribers (id, email, email_key, state, source, created_at, updated_at)"
        " SELECT ?1, '', ?2 || lower(hex(randomblob(16))), 'unsubscribed', 'forgotten', ?3, ?3"
        " WHERE ?1 > (SELECT coalesce(max(id), 0) FROM subscribers)",
        (highest, PREFIX, times.to_text(now)),
    )


def _forgotten(old: sqlite3.Connection, db: Database, same: set[int], now: datetime) -> int:
    """Forget who was forgotten, known by the row or, where they signed up anew in between, by the mark."""
    like = f"{PREFIX}%"
    gone = {id_ for (id_,) in old.execute("SELECT id FROM subscribers WHERE email_key LIKE ?", (like,))} & same
    count = sum(forget(db, id_, now=now) for id_ in sorted(gone))
    known = {key for (key,) in db.conn.execute("SELECT email_key FROM suppressions WHERE email_key LIKE ?", (like,))}
    rows = old.execute(
        "SELECT email_key, reason, source, created_at FROM suppressions WHERE email_key LIKE ?", (like,)
    ).fetchall()
    new = [row for row in rows if row[0] not in known]
    db.conn.executemany("INSERT INTO suppressions (email_key, reason, source, created_at) VALUES (?, ?, ?, ?)", new)
    mark = marker(db) if new else None
    if mark is None:
        return count
    marks = {row[0] for row in new}
    readers = db.conn.execute("SELECT id, email_key FROM subscribers WHERE email_key NOT LIKE ?", (like,)).fetchall()
    count += sum(forget(db, id_, now=now) for id_, key in readers if mark(key) in marks)
    listed = db.conn.execute("SELECT email_key FROM suppressions WHERE email_key NOT LIKE ?", (like,)).fetchall()
    db.conn.executemany(
        "DELETE FROM suppressions WHERE email_key = ?", [row for row in listed if mark(row[0]) in marks]
    )
    return count


def _suppressed(old: sqlite3.Connection, db: Database) -> int:
    """Put on the list what was put there since, and what says more than the backup does."""
    count = 0
    rows = old.execute(
        "SELECT email_key, reason, source, created_at FROM suppressions WHERE email_key NOT LIKE ?", (f"{PREFIX}%",)
    )
    for key, reason, source, at in rows.fetchall():
        found = db.conn.execute("SELECT reason FROM suppressions WHERE email_key = ?", (key,)).fetchone()
        if found and _RANK.get(found[0], 0) <= _RANK.get(reason, 0):
            continue
        if is_forgotten(db, key):
            continue
        db.conn.execute(
            "INSERT INTO suppressions (email_key, reason, source, created_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET reason = excluded.reason, source = excluded.source,"
            " created_at = excluded.created_at",
            (key, reason, source, at),
        )
        count += 1
    return count


def _left(old: sqlite3.Connection, db: Database, same: set[int]) -> int:
    """Have those leave who left, at the moment and in the way they did."""
    count = 0
    rows = old.execute(
        "SELECT s.id, s.email_key, s.updated_at, (SELECT d.way FROM departures d WHERE d.subscriber = s.id"
        " ORDER BY d.id DESC LIMIT 1) FROM subscribers s WHERE s.state = 'unsubscribed' AND s.email_key NOT LIKE ?",
        (f"{PREFIX}%",),
    )
    for id_, key, at, way in rows.fetchall():
        found = db.conn.execute("SELECT id FROM subscribers WHERE email_key = ?", (key,)).fetchone()
        for reader in {*(found or ()), *({id_} & same)}:
            known: Way = way if way in get_args(Way) else "editor"
            count += leave(db, reader, way=known, now=times.from_text(at))
    return count


def _moved(old: sqlite3.Connection, connection: sqlite3.Connection, same: set[int]) -> int:
    """Give readers the address they moved to, where nobody else has it here."""
    count = 0
    ours = dict(connection.execute("SELECT id, email_key FROM subscribers WHERE state = 'active'"))
    rows = old.execute("SELECT id, email, email_key, updated_at FROM subscribers WHERE state = 'active'")
    for id_, email, key, at in rows.fetchall():
        if id_ in same and ours.get(id_, key) != key:
            count += connection.execute(
                "UPDATE OR IGNORE subscribers SET email = ?, email_key = ?, updated_at = ? WHERE id = ?",
                (email, key, at, id_),
            ).rowcount
    return count


def _paused(old: sqlite3.Connection, connection: sqlite3.Connection, same: set[int]) -> int:
    """Carry over pauses, and who wants no opens and clicks counted."""
    rows = old.execute("SELECT id, paused_until FROM subscribers WHERE paused_until IS NOT NULL").fetchall()
    count = sum(
        connection.execute(
            "UPDATE subscribers SET paused_until = ?1 WHERE id = ?2 AND coalesce(paused_until, '') < ?1", (until, id_)
        ).rowcount
        for id_, until in rows
        if id_ in same
    )
    uncounted = old.execute("SELECT id FROM subscribers WHERE uncounted = 1").fetchall()
    connection.executemany(
        "UPDATE subscribers SET uncounted = 1 WHERE id = ?", [row for row in uncounted if row[0] in same]
    )
    return count
