"""Signing up: asking, confirming, and the end of what nobody confirmed.

Whoever asks is a stranger until the button in the letter is pressed. What they typed waits as a wish and changes no
reader; whether an address is known shows nowhere; and how many letters one address gets, and all together, is limited.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from digest import times
from digest.audience import brake, consents, letterbox, topics
from digest.audience.addresses import Address
from digest.audience.consents import Witness
from digest.audience.forgetting import PREFIX, unmark
from digest.errors import StateError
from digest.settings import Settings
from digest.store import Database, writing

DAY = timedelta(days=1)

APART = timedelta(minutes=2)
"""Between two letters to one address: a form that is sent twice asks once."""

A_TRANSACTION = 500
"""Sign-ups that are deleted at once: a few milliseconds, in which others wait."""

OF_SIGN_UP = {
    "wishes": "subscriber",
    "consents": "subscriber",
    "letters": "subscriber",
    "address_changes": "subscriber",
    "subscribers": "id",
}
"""Where one who signed up stands; `_unconfirmed` passes over those who stand elsewhere, too."""

Asked = Literal["asked", "again", "repeated", "known", "barred"]
"""What became of asking, for those who measure; the one who asked is told the same in all cases.

`asked`: a letter goes out. `again`: another one. `repeated`: it had its letters. `known`: it is subscribed.
`barred`: its mail bounced for good, or it complained.
"""

Confirmed = Literal["confirmed", "already", "barred", "gone"]
"""What became of pressing the button. `gone`: there is nothing to confirm (any more)."""


@dataclass(frozen=True)
class Wish:
    """What somebody asks for: an address, and what they would like; no topics are everything."""

    address: Address
    name: str | None = None
    timezone: str | None = None
    topics: tuple[str, ...] = ()


def ask(
    db: Database,
    settings: Settings,
    wish: Wish,
    witness: Witness,
    *,
    now: datetime,
    proven: bool = False,
    counts: Mapping[str, int] | None = None,
) -> Asked:
    """Take a sign-up: a pending reader and a letter to confirm, or nothing that anybody sees.

    It takes about as long whether the address is known or not: one transaction that counts the attempt either way.

    Args:
        db: the store.
        settings: those of the newsletter.
        wish: what is asked for.
        witness: from where.
        now: the moment.
        proven: whether the asker's browser showed proof of work.
        counts: outcomes of other attempts, to be counted in the same transaction.

    Raises:
        BrakeError: too many ask at the moment, whoever they are; nothing is kept.
    """
    with writing(db):
        # Looked at before the address is: a full hour must not tell known addresses from others.
        moment = brake.when_to_mail(db, settings, proven=proven, now=now)
        became = _ask(db, settings, wish, witness, moment, proven, now)
        count(db, {**(counts or {}), became: 1}, now=now)
    return became


def _ask(
    db: Database, settings: Settings, wish: Wish, witness: Witness, moment: datetime, proven: bool, now: datetime
) -> Asked:
    address, stamp = wish.address, times.to_text(now)
    known, state, suppressed = db.conn.execute(
        "SELECT s.id, s.state, x.reason FROM (SELECT ? AS key) LEFT JOIN subscribers s ON s.email_key = key"
        " LEFT JOIN suppressions x ON x.email_key = key",
        (address.key,),
    ).fetchone()
    if suppressed in ("hard bounce", "complaint"):
        return "barred"
    if state == "active" and suppressed is None:
        return "known"
    if not _may_have_a_letter(db, settings, address, now):
        return "repeated"
    if known is None:
        known = db.conn.execute(
            "INSERT INTO subscribers (email, email_key, state, source, created_at, updated_at)"
            " VALUES (?, ?, 'pending', ?, ?, ?) RETURNING id",
            (address.email, address.key, witness.source, stamp, stamp),
        ).fetchone()[0]
    db.conn.execute(
        "INSERT INTO wishes (subscriber, name, timezone, topics, source, asked_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET name = excluded.name, timezone = excluded.timezone, topics = excluded.topics,"
        " source = excluded.source, asked_at = excluded.asked_at",
        (known, wish.name, wish.timezone, json.dumps(wish.topics), witness.source, stamp),
    )
    words = consents.sign_up_words(settings)
    consents.record(db, settings, known, "asked", witness, now=now, words=words)
    letter = letterbox.post(db, "confirm", address, subscriber=known, now=now, not_before=moment)
    brake.keep_slot(db, letter, moment, proven=proven)
    return "asked" if state is None else "again"


def ask_once_more(db: Database, settings: Settings, subscriber: int, *, now: datetime) -> bool:
    """Mail the letter to confirm once more to one who waits for it; give whether it may have another one by now.

    What they asked for stays as it is, and is kept as long as if they had asked now.

    Raises:
        BrakeError: too many are asked at the moment.
        StateError: they do not wait, or must not be mailed.
    """
    with writing(db) as connection:
        moment = brake.when_to_mail(db, settings, proven=False, now=now)
        found, address, suppressed = _standing(connection, subscriber)
        if found != "waits" or suppressed in ("hard bounce", "complaint"):
            why = (
                f"the address must not be mailed ({suppressed})" if found == "waits" else "there is nothing to confirm"
            )
            raise StateError(f"no letter goes out: {why}")
        if not _may_have_a_letter(db, settings, address, now):
            return False
        connection.execute("UPDATE wishes SET asked_at = ? WHERE subscriber = ?", (times.to_text(now), subscriber))
        letter = letterbox.post(db, "confirm", address, subscriber=subscriber, now=now, not_before=moment)
        brake.keep_slot(db, letter, moment, proven=False)
        count(db, {"again": 1}, now=now)
    return True


def _may_have_a_letter(db: Database, settings: Settings, address: Address, now: datetime) -> bool:
    sent = [
        times.from_text(created)
        for (created,) in db.conn.execute(
            "SELECT created_at FROM letters WHERE email_key = ? AND kind = 'confirm' AND created_at > ?",
            (address.key, times.to_text(now - DAY)),
        )
    ]
    return len(sent) < settings.sign_ups_per_address and all(now - created >= APART for created in sent)


def standing(db: Database, subscriber: int) -> Literal["waits", "already", "gone"]:
    """Tell what pressing the button would meet: one who waits, one who is in already, or nobody who asked."""
    return _standing(db.conn, subscriber)[0]


def _standing(
    connection: sqlite3.Connection, subscriber: int
) -> tuple[Literal["waits", "already", "gone"], Address, str | None]:
    row = connection.execute(
        "SELECT s.email, s.email_key, s.state, x.reason, w.subscriber FROM subscribers s"
        " LEFT JOIN suppressions x ON x.email_key = s.email_key LEFT JOIN wishes w ON w.subscriber = s.id"
        " WHERE s.id = ?",
        (subscriber,),
    ).fetchone()
    if row is None or row[1].startswith(PREFIX):
        return "gone", Address("", ""), None
    email, key, state, suppressed, wished = row
    if state == "active" and suppressed is None:
        return "already", Address(email, key), None
    # One who confirmed and left since has an old letter in hand: leaving counts, until they ask again.
    waits = state == "pending" or wished is not None
    return ("waits" if waits else "gone"), Address(email, key), suppressed


def confirm(db: Database, settings: Settings, subscriber: int, witness: Witness, *, now: datetime) -> Confirmed:
    """Take the press of the button: the reader is in, as wished, and gets a letter of welcome; once."""
    with writing(db) as connection:
        found, address, suppressed = _standing(connection, subscriber)
        if found != "waits":
            return found
        if suppressed in ("hard bounce", "complaint"):
            return "barred"
        stamp = times.to_text(now)
        connection.execute("DELETE FROM suppressions WHERE email_key = ?", (address.key,))
        unmark(db, address.key)
        wish = connection.execute(
            "SELECT name, timezone, topics FROM wishes WHERE subscriber = ?", (subscriber,)
        ).fetchone()
        if wish is not None:
            name, timezone, chosen = wish
            connection.execute(
                "UPDATE subscribers SET name = coalesce(?, name), timezone = coalesce(?, timezone), topic_set = ?"
                " WHERE id = ?",
                (name, timezone, topics.topic_set_of(db, json.loads(chosen)), subscriber),
            )
            connection.execute("DELETE FROM wishes WHERE subscriber = ?", (subscriber,))
        connection.execute(
            "UPDATE subscribers SET state = 'active', confirmed_at = ?, paused_until = NULL, updated_at = ?"
            " WHERE id = ?",
            (stamp, stamp, subscriber),
        )
        words = consents.sign_up_words(settings)
        consents.record(db, settings, subscriber, "confirmed", witness, now=now, words=words)
        if settings.welcome_letter:
            letterbox.post(db, "welcome", address, subscriber=subscriber, now=now)
        count(db, {"confirmed": 1}, now=now)
    return "confirmed"


def expire(db: Database, settings: Settings, *, now: datetime) -> int:
    """Delete sign-ups that nobody confirmed, with all that was kept of them; give how many.

    They have a day more than the letter says, for it may have waited as long. Of readers who had left and asked to
    return, only the wish goes. Readers who are pending for another reason, such as an import, stay.
    """
    until = times.to_text(now - timedelta(days=settings.confirm_days) - brake.LONGEST_WAIT)
    with writing(db) as connection:
        connection.execute(
            "DELETE FROM wishes WHERE asked_at <= ?"
            " AND (SELECT state FROM subscribers WHERE id = subscriber) <> 'pending'",
            (until,),
        )
    gone = 0
    while _unconfirmed(db, until):
        gone += _delete_some(db, until)
    return gone


def _unconfirmed(db: Database, until: str) -> list[int]:
    """Find some who never confirmed and whom no issue was mailed to.

    The newest subscriber stays until there is a newer one: SQLite gives the number of a deleted last row again, and an
    old link must never be the link of somebody else.
    """
    rows = db.conn.execute(
        "SELECT w.subscriber FROM wishes w JOIN subscribers s ON s.id = w.subscriber"
        " WHERE w.asked_at <= ? AND s.state = 'pending' AND s.id < (SELECT max(id) FROM subscribers)"
        " AND NOT EXISTS (SELECT 1 FROM departures WHERE subscriber = s.id)"
        " AND NOT EXISTS (SELECT 1 FROM issues CROSS JOIN deliveries"
        " WHERE deliveries.issue = issues.number AND deliveries.subscriber = s.id) LIMIT ?",
        (until, A_TRANSACTION),
    )
    return [id_ for (id_,) in rows]


def _delete_some(db: Database, until: str) -> int:
    """Delete some readers of whom only sign-up knows; give how many.

    For each row that is deleted from `subscribers` SQLite would read all of `deliveries`, which has no index by
    subscriber: 30 ms a row, with a million. `_unconfirmed` has looked by its key, so the store need not.
    """
    enforced = db.conn.execute("PRAGMA foreign_keys").fetchone()[0]
    db.conn.execute("PRAGMA foreign_keys = OFF")
    try:
        with writing(db) as connection:
            # Looked for once more: one of them may have pressed the button meanwhile.
            found = _unconfirmed(db, until)
            for table, column in OF_SIGN_UP.items():
                connection.execute(
                    f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))",  # noqa: S608 (ours)
                    (json.dumps(found),),
                )
    finally:
        db.conn.execute(f"PRAGMA foreign_keys = {enforced}")
    return len(found)


def count(db: Database, counts: Mapping[str, int], *, now: datetime) -> None:
    """Count what became of attempts to sign up, in the hour they were made."""
    with writing(db) as connection:
        connection.executemany(
            "INSERT INTO sign_up_counts (hour, outcome, count) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(hour_of(now), outcome, number) for outcome, number in counts.items() if number],
        )


def hour_of(now: datetime) -> str:
    """Give the hour of a moment as the counts have it: ``2026-11-26T09``."""
    return times.to_text(now)[:13]
