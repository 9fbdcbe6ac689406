"""What a reader chose, and may change at any time: topics, a pause, name, zone, being counted; and what is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from digest import times
from digest.audience.addresses import read_name, read_timezone
from digest.audience.forgetting import PREFIX
from digest.audience.subscribers import Reason, State
from digest.audience.topics import read_topics, topic_set_of, topics_in
from digest.errors import InputError, NotFoundError
from digest.store import Database, writing

WEEKS = (1, 2, 4, 8)
"""For how many weeks a reader may pause."""


@dataclass(frozen=True)
class Preferences:
    """A reader as the preferences page shows them.

    `topics` are slugs, none of them for everything; `paused_until` is None where nothing is paused; `moving_to` is an
    address that was asked for and is not confirmed yet; `uncounted` says that opens and clicks must not be counted.
    """

    subscriber: int
    email: str
    name: str | None
    state: State
    suppressed: Reason | None
    timezone: str | None
    topics: tuple[str, ...]
    paused_until: datetime | None
    moving_to: str | None
    uncounted: bool


@cache
def zones() -> tuple[str, ...]:
    """Give the time zones to choose from: those of places."""
    return tuple(sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")))


def find_preferences(db: Database, subscriber: int, *, now: datetime) -> Preferences:
    """Give what a reader chose.

    Raises:
        NotFoundError: nobody has this number, or the reader is forgotten.
    """
    row = db.conn.execute(
        "SELECT s.email, s.name, s.state, x.reason, s.timezone, s.topic_set, s.paused_until,"
        " (SELECT email FROM address_changes WHERE subscriber = s.id ORDER BY id DESC LIMIT 1), s.uncounted"
        " FROM subscribers s LEFT JOIN suppressions x ON x.email_key = s.email_key"
        " WHERE s.id = ? AND s.email_key NOT LIKE ?",
        (subscriber, f"{PREFIX}%"),
    ).fetchone()
    if row is None:
        raise NotFoundError("nobody is behind this link any more; what we kept about its reader was erased")
    email, name, state, suppressed, zone, topic_set, paused_until, moving_to, uncounted = row
    until = times.from_text(paused_until) if paused_until else None
    return Preferences(
        subscriber,
        email,
        name,
        state,
        suppressed,
        zone,
        topics_in(db, topic_set),
        until if until and until > now else None,
        moving_to,
        bool(uncounted),
    )


def choose_topics(db: Database, subscriber: int, given: Iterable[str], *, now: datetime) -> tuple[str, ...]:
    """Let a reader get some topics, or everything where none is chosen; give those chosen.

    Raises:
        InputError: there is no such topic.
    """
    with writing(db):
        topics = read_topics(db, given)
        _write(db, subscriber, "topic_set", topic_set_of(db, topics), now)
    return topics


def pause(db: Database, subscriber: int, weeks: str, *, now: datetime) -> datetime:
    """Mail a reader nothing for some weeks; give until when.

    Raises:
        InputError: it is none of `WEEKS`.
    """
    if weeks not in map(str, WEEKS):
        raise InputError("choose for how many weeks", field="weeks")
    until = now + timedelta(weeks=int(weeks))
    _write(db, subscriber, "paused_until", times.to_text(until), now)
    return until


def resume(db: Database, subscriber: int, *, now: datetime) -> None:
    """End a reader's pause."""
    _write(db, subscriber, "paused_until", None, now)


def pause_until(db: Database, subscriber: int, until: datetime | None, *, now: datetime) -> None:
    """Mail a reader nothing before a moment, or end the pause where it is None.

    Raises:
        InputError: the moment has passed.
    """
    if until is not None and until <= now:
        raise InputError("that moment has passed; give one to come, or none to end the pause", field="paused_until")
    _write(db, subscriber, "paused_until", times.to_text(until) if until else None, now)


def introduce(db: Database, subscriber: int, *, name: str, timezone: str, now: datetime) -> None:
    """Greet a reader by another name, and know where they are; an empty text forgets it.

    Raises:
        InputError: it is nothing we would greet with, or no time zone; nothing is changed.
    """
    clean, zone = read_name(name), read_timezone(timezone)
    if name.strip() and clean is None:
        raise InputError("we cannot greet with this: a name is at most 100 characters, without links", field="name")
    if timezone.strip() and zone is None:
        raise InputError("no time zone is called so; choose one from the list, such as Europe/Berlin", field="timezone")
    with writing(db):
        _write(db, subscriber, "name", clean, now)
        _write(db, subscriber, "timezone", zone, now)


def count(db: Database, subscriber: int, wanted: bool, *, now: datetime) -> None:
    """Count a reader's opens and clicks, or do not: in the issues whose audience is frozen from now on.

    Where it is kept who read, none that comes in from now on is kept either, of whatever issue.
    """
    _write(db, subscriber, "uncounted", 0 if wanted else 1, now)


def _write(db: Database, subscriber: int, column: str, value: object, now: datetime) -> None:
    # `column` is one of our own words. A row that would not change is left alone.
    with writing(db) as connection:
        connection.execute(
            f"UPDATE subscribers SET {column} = ?1, updated_at = ?2"  # noqa: S608
            f" WHERE id = ?3 AND email_key NOT LIKE ?4 AND {column} IS NOT ?1",
            (value, times.to_text(now), subscriber, f"{PREFIX}%"),
        )


def kept_about(db: Database, subscriber: int) -> dict[str, Any]:
    """Give all that is kept about a reader, of every table, in words a person can read.

    Raises:
        NotFoundError: nobody has this number, or the reader is forgotten.
    """
    rows = _rows(
        db,
        "SELECT s.*, x.reason AS suppressed, x.source AS suppressed_by, x.created_at AS suppressed_at"
        " FROM subscribers s LEFT JOIN suppressions x ON x.email_key = s.email_key"
        " WHERE s.id = ? AND s.email_key NOT LIKE 'forgotten:%'",
        subscriber,
    )
    if not rows:
        raise NotFoundError("nobody is behind this link any more; what we kept about its reader was erased")
    [subscription] = rows
    topics = topics_in(db, subscription.pop("topic_set"))
    counted = "no" if subscription.pop("uncounted") else "yes"
    return {
        "subscription": subscription
        | {"topics": list(topics) or "everything", "opens_and_clicks_are_counted": counted},
        "consents": _rows(
            db, "SELECT kind, source, words, ip, agent, given_at FROM consents WHERE subscriber = ?", subscriber
        ),
        "departures": _rows(
            db,
            "SELECT issue, way, reason, words, left_at, returned_at FROM departures WHERE subscriber = ? ORDER BY id",
            subscriber,
        ),
        "sign_up_not_confirmed": [
            wish | {"topics": json.loads(wish["topics"])}
            for wish in _rows(
                db, "SELECT name, timezone, topics, source, asked_at FROM wishes WHERE subscriber = ?", subscriber
            )
        ],
        "address_changes_asked_for": _rows(
            db, "SELECT email, asked_at FROM address_changes WHERE subscriber = ? ORDER BY id", subscriber
        ),
        "letters": [
            letter | {"detail": json.loads(letter["detail"])}
            for letter in _rows(
                db,
                "SELECT kind, email, state, provider, message_id, detail, trouble, tries, created_at, claimed_at,"
                " settled_at FROM letters WHERE subscriber = ? ORDER BY id",
                subscriber,
            )
        ],
        # From the issues on, here and below: a delivery is found by both at once, and not by its reader alone.
        "issues": _rows(
            db,
            "SELECT d.issue, coalesce(v.subject, i.subject) AS subject,"
            " CASE d.state WHEN 0 THEN 'queued' WHEN 1 THEN 'on its way'"
            " WHEN 2 THEN 'sent' WHEN 3 THEN 'refused' WHEN 4 THEN 'uncertain' ELSE 'not sent' END AS state, d.reason,"
            " b.provider, b.claimed_at AS at, iif(u.issue IS NULL, NULL, 'not counted') AS opens_and_clicks"
            " FROM issues i CROSS JOIN deliveries d ON d.issue = i.number LEFT JOIN batches b ON b.number = d.batch"
            " LEFT JOIN variants v ON v.issue = d.issue AND v.variant = d.variant"
            " LEFT JOIN uncounted u ON u.issue = d.issue AND u.subscriber = d.subscriber"
            " WHERE d.subscriber = ? ORDER BY d.issue",
            subscriber,
        ),
        "events": _rows(
            db,
            "SELECT e.issue, m.measure AS kind, e.key AS about, e.detail,"
            " strftime('%Y-%m-%dT%H:%M:%SZ', e.at, 'unixepoch') AS at"
            " FROM issues i CROSS JOIN events e ON e.issue = i.number CROSS JOIN event_measures m"
            " ON m.issue = e.issue AND m.subscriber = e.subscriber AND m.kind = e.kind AND m.key = e.key"
            " WHERE e.subscriber = ? ORDER BY e.at, e.issue, e.kind, e.key",
            subscriber,
        ),
        # Where it is counted how many read and not who, the same number stands for a copy that is not this reader's.
        "opens_and_clicks": _rows(
            db,
            "SELECT r.issue, CASE r.kind WHEN 5 THEN 'opened' ELSE 'clicked' END AS kind, l.address AS link,"
            " strftime('%Y-%m-%dT%H:%M:%SZ', r.at / 1000, 'unixepoch') AS at,"
            " CASE r.mark WHEN 1 THEN 'you, as far as we can tell' WHEN 2 THEN 'a machine' ELSE 'not clear' END AS by"
            " FROM issues i CROSS JOIN readings r ON r.issue = i.number"
            " LEFT JOIN links l ON l.issue = r.issue AND l.number = r.link"
            " WHERE r.copy = ? AND i.tracking ->> 'mode' = 'readers' ORDER BY r.at, r.issue, r.kind, r.link",
            subscriber,
        ),
        "votes": _rows(
            db,
            "SELECT t.slug AS tool, t.name, v.verdict, v.voted_at FROM tools t CROSS JOIN votes v ON v.tool = t.id"
            " WHERE v.voter = 'copy:' || ? ORDER BY v.voted_at",
            subscriber,
        ),
        "answers_to_programs": _rows(
            db,
            "SELECT t.name AS program, a.made_at"
            " FROM subscribers s CROSS JOIN answers a JOIN api_tokens t ON t.id = a.token"
            " WHERE s.id = ? AND (instr(a.body, CAST(s.email AS BLOB)) OR instr(a.body, CAST(s.email_key AS BLOB)))"
            " ORDER BY a.made_at",
            subscriber,
        ),
    }


def _rows(db: Database, sql: str, subscriber: int) -> list[dict[str, Any]]:
    cursor = db.conn.execute(sql, (subscriber,))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
