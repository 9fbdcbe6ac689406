"""Changing a reader's address: asked for with a link of the old one, which is told, done with a letter to the new one.

Whoever asks learns nothing about the new address: that it is known here, or must not be mailed, is told to nobody but
its owner.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest import times
from digest.audience import consents, letterbox
from digest.audience.addresses import Address, read_address
from digest.audience.forgetting import unmark
from digest.audience.leaving import leave
from digest.errors import InputError, NotFoundError, StateError
from digest.store import Database, writing

A_DAY = 3
"""Changes that one reader may ask for in a day."""


@dataclass(frozen=True)
class Change:
    """A change that waits for its button."""

    id: int
    subscriber: int
    email: str
    email_key: str
    asked_at: datetime


@dataclass(frozen=True)
class Moved:
    """What became of a change: the reader whose issues come to the new address now, and that address.

    `merged`: somebody had it here already, and that one stays.
    """

    subscriber: int
    email: str
    merged: bool


def ask(db: Database, subscriber: int, text: str, *, letters_a_day: int, now: datetime) -> Address | None:
    """Ask for another address, and give it; a letter goes there, and nothing changes until its button is pressed.

    The reader's own address calls off what was asked for before, and gives None; another spelling of it is taken at
    once.

    Args:
        db: the store.
        subscriber: the reader's number.
        text: the new address.
        letters_a_day: how many letters that ask for something one address is sent in a day: the setting
            `sign_ups_per_address`.
        now: the moment.

    Raises:
        InputError: it is no address, or this reader asked too often today.
        NotFoundError: the reader is gone.
        StateError: the reader has left.
    """
    address = read_address(text)
    with writing(db) as connection:
        email, key, state = _reader(connection, subscriber)
        if state != "active":
            raise StateError("you have left; come back first, then change the address")
        if address.key == key:
            call_off(db, subscriber)
            connection.execute(
                "UPDATE subscribers SET email = ?1, updated_at = ?2 WHERE id = ?3 AND email <> ?1",
                (address.email, times.to_text(now), subscriber),
            )
            return None
        since = times.to_text(now - timedelta(days=1))
        # The old address is told each time, the new one only where it may be asked.
        asked = "SELECT count(*) FROM letters WHERE kind = 'notice' AND subscriber = ? AND created_at > ?"
        if connection.execute(asked, (subscriber, since)).fetchone()[0] >= A_DAY:
            raise InputError(f"you asked for {A_DAY} changes today; please try again tomorrow", field="email")
        # An earlier one ends with this: its link must not win later.
        call_off(db, subscriber)
        change = connection.execute(
            "INSERT INTO address_changes (subscriber, email, email_key, asked_at) VALUES (?, ?, ?, ?) RETURNING id",
            (subscriber, address.email, address.key, times.to_text(now)),
        ).fetchone()[0]
        # The notice first, since letters go out in the order they come: once the reader has the new address it is not
        # mailed any more, and who has a stolen link, and confirms at once, must not get ahead of it.
        letterbox.post(db, "notice", Address(email, key), subscriber=subscriber, now=now)
        if _may_be_asked(connection, address.key, since, letters_a_day):
            letterbox.post(db, "address", address, subscriber=subscriber, now=now, detail={"change": change})
    return address


def call_off(db: Database, subscriber: int) -> bool:
    """Let a reader keep the address there is; give whether another one was asked for."""
    with writing(db) as connection:
        return connection.execute("DELETE FROM address_changes WHERE subscriber = ?", (subscriber,)).rowcount > 0


def find_change(db: Database, change: int) -> Change:
    """Give a change that waits for its button.

    Raises:
        NotFoundError: it is done, or another one was asked for since.
    """
    row = db.conn.execute(
        "SELECT id, subscriber, email, email_key, asked_at FROM address_changes WHERE id = ?", (change,)
    ).fetchone()
    if row is None:
        raise NotFoundError(
            "this link was used already, or another address was asked for since: then the newest letter has its link"
        )
    id_, subscriber, email, key, asked_at = row
    return Change(id_, subscriber, email, key, times.from_text(asked_at))


def confirm(db: Database, change: int, *, now: datetime) -> Moved:
    """Do a change whose letter arrived.

    Where somebody is known at the new address already, it is the same person, who has shown to own both: the one there
    stays, or comes back, and the one who moves leaves.

    Raises:
        NotFoundError: it is done, or another one was asked for since.
        StateError: the reader has left meanwhile, or the new address must not be mailed.
    """
    stamp = times.to_text(now)
    with writing(db) as connection:
        found = find_change(db, change)
        _, _, state = _reader(connection, found.subscriber)
        if state != "active":
            raise StateError("you have left meanwhile; come back first, then ask for the new address once more")
        barred = _barred(connection, found.email_key)
        if barred not in (None, "unsubscribed"):
            raise StateError(
                f"{found.email} must not be mailed ({barred}); please choose another address, or write to us"
            )
        connection.execute("DELETE FROM address_changes WHERE id = ?", (change,))
        connection.execute("DELETE FROM suppressions WHERE email_key = ?", (found.email_key,))
        unmark(db, found.email_key)
        other = connection.execute("SELECT id FROM subscribers WHERE email_key = ?", (found.email_key,)).fetchone()
        stays = other[0] if other else found.subscriber
        if other:
            _take_over(connection, stays, found.subscriber, stamp)
            leave(db, found.subscriber, way="preferences", now=now)
        else:
            connection.execute(
                "UPDATE subscribers SET email = ?, email_key = ?, updated_at = ? WHERE id = ?",
                (found.email, found.email_key, stamp, stays),
            )
        consents.note(db, stays, "changed", "the new address", now=now)
    return Moved(stays, found.email, merged=other is not None)


def _reader(connection: sqlite3.Connection, subscriber: int) -> tuple[str, str, str]:
    row: tuple[str, str, str] | None = connection.execute(
        "SELECT email, email_key, state FROM subscribers WHERE id = ?", (subscriber,)
    ).fetchone()
    if row is None:
        raise NotFoundError("nobody is behind this link any more")
    return row


def _barred(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT reason FROM suppressions WHERE email_key = ?", (key,)).fetchone()
    return row[0] if row else None


def _may_be_asked(connection: sqlite3.Connection, key: str, since: str, letters_a_day: int) -> bool:
    """Whether an address may be sent a letter that asks: it takes mail, and was not sent too many of them today."""
    sent = connection.execute(
        "SELECT count(*) FROM letters WHERE kind IN ('confirm', 'address') AND email_key = ? AND created_at > ?",
        (key, since),
    ).fetchone()[0]
    return sent < letters_a_day and _barred(connection, key) in (None, "unsubscribed")


def _take_over(connection: sqlite3.Connection, stays: int, moves: int, stamp: str) -> None:
    """Let the one who stays be active, with what the one who moves had chosen where nothing was."""
    connection.execute("DELETE FROM wishes WHERE subscriber = ?", (stays,))
    connection.execute(
        "UPDATE subscribers AS s SET state = 'active', updated_at = ?, confirmed_at = coalesce(s.confirmed_at, ?),"
        " name = coalesce(s.name, m.name), timezone = coalesce(s.timezone, m.timezone),"
        " topic_set = coalesce(s.topic_set, m.topic_set)"
        " FROM subscribers m WHERE s.id = ? AND m.id = ?",
        (stamp, stamp, stays, moves),
    )
