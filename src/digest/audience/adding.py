"""Subscribers that a program brings in, and what it changes of them.

Who confirmed elsewhere is active at once, with the consent the program states; anybody else is asked by letter first.
Who left, is suppressed or was forgotten comes back by neither: that is theirs to ask for, on the site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from digest import times
from digest.audience import consents, growth, preferences, signing_up, topics
from digest.audience.consents import Witness
from digest.audience.forgetting import is_forgotten
from digest.audience.signing_up import Wish
from digest.errors import StateError
from digest.settings import Settings
from digest.store import Database, writing

Added = Literal["added", "asked", "waiting", "known"]
"""`added`: active now. `asked`: a letter goes out. `waiting`: it had its letters. `known`: it was active already."""


@dataclass(frozen=True)
class Consent:
    """What a reader agreed to elsewhere: where, in which words, when."""

    source: str
    words: str
    given_at: datetime


def add(db: Database, settings: Settings, wish: Wish, consent: Consent | None, *, source: str, now: datetime) -> Added:
    """Add a subscriber.

    Args:
        db: the store.
        settings: those of the newsletter.
        wish: the address, and what they would like.
        consent: what they agreed to; without it they are asked by letter.
        source: which program it is.
        now: the moment.

    Raises:
        BrakeError: too many are asked at the moment.
        StateError: the address left, is suppressed or was forgotten; nothing is changed.
    """
    key = wish.address.key
    with writing(db) as connection:
        state, suppressed = connection.execute(
            "SELECT s.state, x.reason FROM (SELECT ? AS key) LEFT JOIN subscribers s ON s.email_key = key"
            " LEFT JOIN suppressions x ON x.email_key = key",
            (key,),
        ).fetchone()
        reason = suppressed or (state if state == "unsubscribed" else None)
        if reason is None and is_forgotten(db, key):
            reason = "forgotten"
        if reason is not None:
            raise StateError(
                f"{wish.address.email} must not be mailed ({reason}); who wants to come back signs up on the site"
            )
        if state == "active":
            return "known"
        if consent is None:
            # Not `proven`: the program stands for strangers whom we have not seen.
            became = signing_up.ask(db, settings, wish, Witness(source), now=now)
            return "asked" if became in ("asked", "again") else "waiting"
        stamp = times.to_text(now)
        number = connection.execute(
            "INSERT INTO subscribers (email, email_key, name, timezone, topic_set, state, source, created_at,"
            " updated_at, confirmed_at) VALUES (?, ?, ?, ?, ?, 'active', ?, ?, ?, ?)"
            " ON CONFLICT (email_key) DO UPDATE SET state = 'active', name = excluded.name,"
            " timezone = excluded.timezone, topic_set = excluded.topic_set, updated_at = excluded.updated_at,"
            " confirmed_at = excluded.confirmed_at RETURNING id",
            (
                wish.address.email,
                key,
                wish.name,
                wish.timezone,
                topics.topic_set_of(db, wish.topics),
                source,
                stamp,
                stamp,
                times.to_text(consent.given_at),
            ),
        ).fetchone()[0]
        if state is None:
            growth.joined(connection, 1, now)
        connection.execute("DELETE FROM wishes WHERE subscriber = ?", (number,))
        where, words = Witness(consent.source), consent.words
        consents.record(db, settings, number, "added", where, now=consent.given_at, words=words)
    return "added"


def change(db: Database, subscriber: int, fields: Mapping[str, Any], *, now: datetime) -> None:
    """Change what a reader chose: `name`, `timezone`, `topics`, `paused_until`, as far as they are among `fields`.

    None takes a choice away: no name, an unknown zone, every topic, no pause.

    Raises:
        InputError: one of them will not do; nothing is changed.
    """
    with writing(db):
        if fields.keys() & {"name", "timezone"}:
            known = preferences.find_preferences(db, subscriber, now=now)
            name, zone = fields.get("name", known.name), fields.get("timezone", known.timezone)
            preferences.introduce(db, subscriber, name=name or "", timezone=zone or "", now=now)
        if "topics" in fields:
            preferences.choose_topics(db, subscriber, fields["topics"] or (), now=now)
        if "paused_until" in fields:
            preferences.pause_until(db, subscriber, fields["paused_until"], now=now)
