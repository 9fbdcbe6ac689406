"""Forgetting a reader: what says who it was is erased; numbers and a one-way mark stay.

The mark is an HMAC of the address under a key of the store's own: it tells whether an address that comes in by an
import or by hand is one we were asked to forget, and gives no address back. Who has the whole store can still try
addresses that they guess; nothing that recognises an address can keep them from it.
"""

from __future__ import annotations

import hmac
import re
import secrets
import sqlite3
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial

from digest import times
from digest.store import Database, store_key, writing

KEY = "marks"
"""The name of the store's key under which marks are made."""

PREFIX = "forgotten:"
"""What the key of a forgotten address begins with; no address has a colon before an @ without quotation marks."""

NOBODY = f"email_key >= '{PREFIX}' AND email_key < '{PREFIX[:-1]};'"
"""Rows that are no reader's: of who was forgotten, and those that keep a number from being given again."""

_OF_ISSUES = "issue IN (SELECT number FROM issues) AND subscriber = ?"
"""The copies of one reader, found by their key."""


def mark_of(db: Database, key: str, *, now: datetime) -> str:
    """Give the mark of an address, by its key; the store makes the key of marks when it is first asked for."""
    return _mark(store_key(db, KEY, now=now), key)


def is_forgotten(db: Database, key: str) -> bool:
    """Tell whether an address, by its key, is one we were asked to forget. Changes nothing."""
    return key in forgotten_among(db, (key,))


def marker(db: Database) -> Callable[[str], str] | None:
    """Give what makes the mark of an address from its key, for an import of many; None where nobody was forgotten."""
    row = db.conn.execute(
        "SELECT value FROM keys WHERE name = ?"
        " AND EXISTS (SELECT 1 FROM suppressions WHERE email_key >= ? AND email_key < ?)",
        (KEY, PREFIX, PREFIX[:-1] + ";"),
    ).fetchone()
    return partial(_mark, bytes(row[0])) if row else None


def forgotten_among(db: Database, keys: Collection[str]) -> frozenset[str]:
    """Give those of some addresses, by their keys, that we were asked to forget. Changes nothing."""
    mark = marker(db)
    if mark is None:
        return frozenset()
    known = "SELECT 1 FROM suppressions WHERE email_key = ?"
    return frozenset(key for key in keys if db.conn.execute(known, (mark(key),)).fetchone())


def forget(db: Database, subscriber: int, *, now: datetime) -> bool:
    """Erase what is kept about a reader, and leave a mark so that no import brings the address back.

    The row stays for the ledger's sake, and says nothing; deliveries and votes stay as numbers. What was mailed already
    cannot be called back, and backups keep what they have until they are thrown away. The store's log keeps it until
    it is emptied: see `store.empty_log`. Gives whether anything was erased: of one who is not there, or is forgotten
    already, there is nothing.
    """
    with writing(db) as connection:
        row = connection.execute("SELECT email, email_key FROM subscribers WHERE id = ?", (subscriber,)).fetchone()
        if row is None or row[1].startswith(PREFIX):
            return False
        email, key = row
        # Either spelling, and those of addresses that the reader had, or asked for, lately.
        letters = connection.execute("SELECT email, email_key FROM letters WHERE subscriber = ?", (subscriber,))
        spellings = {email, key}.union(*letters)
        mark, stamp = mark_of(db, key, now=now), times.to_text(now)
        _give_free(connection, mark)
        connection.execute("DELETE FROM suppressions WHERE email_key = ?", (key,))
        connection.execute(
            "INSERT INTO suppressions (email_key, reason, source, created_at) VALUES (?, 'forgotten', 'the reader', ?)"
            " ON CONFLICT DO NOTHING",
            (mark, stamp),
        )
        connection.execute(
            "UPDATE subscribers SET email = '', email_key = ?, name = NULL, timezone = NULL, topic_set = NULL,"
            " paused_until = NULL, confirmed_at = NULL, source = 'forgotten', state = 'unsubscribed', updated_at = ?"
            " WHERE id = ?",
            (mark, stamp, subscriber),
        )
        for erase in (
            "DELETE FROM letters WHERE subscriber = ?",
            "DELETE FROM wishes WHERE subscriber = ?",
            "DELETE FROM address_changes WHERE subscriber = ?",
            "UPDATE consents SET source = 'forgotten', words = NULL, ip = NULL, agent = NULL WHERE subscriber = ?",
            "UPDATE departures SET words = NULL WHERE subscriber = ?",
            # By their keys, which begin with the issue: others wait while millions of rows are read through.
            f"UPDATE events SET detail = NULL WHERE {_OF_ISSUES}",  # noqa: S608 (ours)
            # What the provider said of a rejected copy names the address, as a rule; why one was skipped never does.
            f"UPDATE deliveries SET reason = 'forgotten' WHERE {_OF_ISSUES}"  # noqa: S608 (ours)
            " AND state <> 5 AND reason IS NOT NULL",
        ):
            connection.execute(erase, (subscriber,))
        _unname_readings(connection, subscriber)
        # Asked for by other readers who wanted to move to this address, or kept as an answer to a program.
        connection.execute("DELETE FROM address_changes WHERE email_key = ?", (key,))
        connection.execute("DELETE FROM letters WHERE email_key = ?", (key,))
        for spelling in spellings:
            connection.execute("DELETE FROM answers WHERE instr(body, CAST(? AS BLOB))", (spelling,))
            connection.execute("DELETE FROM webhook_messages WHERE instr(body, ?)", (spelling,))
            connection.execute("DELETE FROM unknown_events WHERE instr(raw, ?)", (spelling,))
        _unname_troubles(connection, spellings)
        _unname_votes(connection, subscriber)
    return True


def unmark(db: Database, key: str) -> bool:
    """Take the mark of an address away, by its key: its owner signed up again. Gives whether it had one.

    The row of the one who was forgotten gets a name of chance, so that nobody can tell any more whose it was.
    """
    with writing(db) as connection:
        row = connection.execute("SELECT value FROM keys WHERE name = ?", (KEY,)).fetchone()
        if row is None:
            return False
        mark = _mark(bytes(row[0]), key)
        _give_free(connection, mark)
        return connection.execute("DELETE FROM suppressions WHERE email_key = ?", (mark,)).rowcount > 0


def _mark(secret: bytes, key: str) -> str:
    return PREFIX + hmac.digest(secret, key.encode(), "sha256").hex()


def _give_free(connection: sqlite3.Connection, mark: str) -> None:
    """Let the row that has this mark, if there is one, have another name: the address is somebody's again."""
    connection.execute(
        "UPDATE subscribers SET email_key = ? WHERE email_key = ?", (PREFIX + secrets.token_hex(16), mark)
    )


def _unname_troubles(connection: sqlite3.Connection, spellings: Collection[str]) -> None:
    """Take an address out of what providers said of whole batches and issues."""
    # In whatever case: the domain goes over the wire in ASCII, beside the local part as the reader spells it.
    either = "|".join(re.escape(spelling) for spelling in sorted(spellings))
    name = re.compile(rf"(?<![\w.+-])(?:{either})(?![\w-])", re.IGNORECASE)
    for table in ("batches", "issues"):
        found = connection.execute(f"SELECT number, trouble FROM {table} WHERE trouble LIKE '%@%'").fetchall()  # noqa: S608 (ours)
        connection.executemany(
            f"UPDATE {table} SET trouble = ? WHERE number = ?",  # noqa: S608 (ours)
            [(name.sub("a forgotten address", trouble), number) for number, trouble in found if name.search(trouble)],
        )


def _unname_readings(connection: sqlite3.Connection, subscriber: int) -> None:
    """Keep a reader's opens and clicks as some copy's: in each issue another, so that not even they belong together.

    Nobody can tell more of it than at which mailbox provider it was and, where several subjects were tried, which of
    them it had: figures are by those (see `forgotten_host` and `group_of` in tracking/counting.py, and the groups in
    issue/subject_records.py). Where it is not kept who reads, `copy` is no reader.
    """
    read = connection.execute(
        "SELECT number, coalesce((SELECT host FROM deliveries WHERE issue = number AND subscriber = ?1), 0),"
        " coalesce((SELECT CASE WHEN d.variant = 0 THEN 1 WHEN v.alternative IS NULL THEN 6 ELSE v.alternative + 1 END"
        " FROM deliveries d LEFT JOIN variants v ON v.issue = d.issue AND v.variant = d.variant"
        " WHERE d.issue = number AND d.subscriber = ?1), 0) FROM issues"
        " WHERE tracking ->> 'mode' = 'readers'"
        " AND EXISTS (SELECT 1 FROM readings WHERE issue = number AND copy = ?1)",
        (subscriber,),
    ).fetchall()
    connection.executemany(
        "UPDATE readings SET copy = ? WHERE issue = ? AND copy = ?",
        [(-1 - (secrets.randbelow(2**53) * 8 + group) * 64 - host, issue, subscriber) for issue, host, group in read],
    )


def _unname_votes(connection: sqlite3.Connection, subscriber: int) -> None:
    """Keep a reader's votes as numbers: each gets a voter's name of its own, so that not even they belong together."""
    tools = connection.execute(
        "SELECT tool FROM votes WHERE tool IN (SELECT id FROM tools) AND voter = ?", (f"copy:{subscriber}",)
    ).fetchall()
    connection.executemany(
        "UPDATE votes SET voter = ? WHERE tool = ? AND voter = ?",
        [(PREFIX + secrets.token_hex(16), tool, f"copy:{subscriber}") for (tool,) in tools],
    )
