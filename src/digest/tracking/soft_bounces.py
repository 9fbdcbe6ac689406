"""Soft bounces that come again and again: after so many issues in a row the address is taken for dead.

What is counted is issues, not bounces. One that was delivered after all, or opened, was none of them, and ends the row.
So the answer follows from what is known of a reader's copies, in whatever order it came to be known: where word of a
delivery comes late, the address comes off the list again.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digest import times
from digest.audience.suppression import SOFTLY, suppress_softly, unsuppress_softly
from digest.events import Kind
from digest.settings import Settings
from digest.store import Database

WEEK_S = 7 * 24 * 3600

# Issues come in from outside: a row of theirs is so long that stepping over one takes as long as a hundred others.
_SOFT = (
    "SELECT s.id, s.email_key, e.issue, e.at FROM json_each(:readers) r CROSS JOIN subscribers s ON s.id = r.value"
    " CROSS JOIN json_each(:issues) i CROSS JOIN events e ON e.issue = i.key + 0 AND e.subscriber = s.id"
    # One that was never sent says nothing of the mailbox: see `Told.blameless`.
    " AND e.kind = :bounced AND e.key = 'soft' AND coalesce(e.detail, '') NOT LIKE 'not sent%'"
    # Only what was mailed to the address the reader has now.
    " WHERE NOT EXISTS (SELECT 1 FROM consents c WHERE c.subscriber = s.id AND c.kind = 'changed'"
    " AND c.given_at > i.value)"
)
_ARRIVED = (
    "SELECT r.value, max(i.key + 0) FROM json_each(:readers) r CROSS JOIN json_each(:issues) i"
    " WHERE EXISTS (SELECT 1 FROM events WHERE issue = i.key + 0 AND subscriber = r.value AND kind = :delivered)"
    " OR (i.key IN (SELECT value FROM json_each(:of_readers))"
    " AND EXISTS (SELECT 1 FROM readings WHERE issue = i.key + 0 AND copy = r.value)) GROUP BY r.value"
)


@dataclass(frozen=True)
class _Issues:
    """The issues whose events are kept, with when they were sent, and those that keep whose readings are whose."""

    sent_at: dict[int, str]
    of_readers: list[str]
    deleted_until: str


def suppressed_softly(connection: sqlite3.Connection, readers: Collection[int]) -> dict[int, tuple[str, str]]:
    """Give those of some readers whose addresses soft bounces put on the suppression list: by what key, and when."""
    rows = connection.execute(
        "SELECT s.id, x.email_key, x.created_at FROM json_each(?) r CROSS JOIN subscribers s ON s.id = r.value"
        " JOIN suppressions x ON x.email_key = s.email_key WHERE x.source LIKE ?",
        (json.dumps(sorted(readers)), SOFTLY.format("%")),
    )
    return {reader: (key, since) for reader, key, since in rows}


def review(db: Database, settings: Settings, readers: Collection[int]) -> None:
    """Put the addresses of some readers on the suppression list where they bounced softly too often, or take them off.

    Off it come only those that soft bounces put there. Nothing is done where the setting `soft_bounces` is 0.
    """
    if not settings.soft_bounces or not readers:
        return
    issues = _issues(db.conn)
    given = {"issues": json.dumps(issues.sent_at), "bounced": int(Kind.BOUNCED), "delivered": int(Kind.DELIVERED)}
    bounced: defaultdict[tuple[int, str], dict[int, int]] = defaultdict(dict)
    for reader, key, issue, at in db.conn.execute(_SOFT, given | {"readers": json.dumps(sorted(readers))}):
        bounced[reader, key][issue] = at
    often = {of: softly for of, softly in bounced.items() if len(softly) >= settings.soft_bounces}
    arrived: dict[int, int] = {}
    if often:
        given |= {"readers": json.dumps([reader for reader, _ in often]), "of_readers": json.dumps(issues.of_readers)}
        arrived = dict(db.conn.execute(_ARRIVED, given).fetchall())
    dead = set()
    for (reader, key), softly in often.items():
        moments = [at for issue, at in softly.items() if issue > arrived.get(reader, 0)]
        last = max(moments, default=0)
        row = [at for at in moments if at >= last - settings.soft_bounce_weeks * WEEK_S]
        if len(row) >= settings.soft_bounces:
            suppress_softly(db, key, issues=len(row), at=datetime.fromtimestamp(last, UTC))
            dead.add(reader)
    # Of a row that may have begun with what is deleted by now, nobody knows whether it is broken.
    known_from = ""
    if issues.deleted_until:
        weeks = timedelta(weeks=settings.soft_bounce_weeks)
        known_from = times.to_text(times.from_text(issues.deleted_until) + weeks)
    for key, since in suppressed_softly(db.conn, set(readers) - dead).values():
        if since > known_from:
            unsuppress_softly(db, key)


def _issues(connection: sqlite3.Connection) -> _Issues:
    rows = connection.execute(
        "SELECT number, sending_at, tracking ->> 'mode' = 'readers', events_deleted_at IS NOT NULL FROM issues"
        " WHERE sending_at IS NOT NULL"
    ).fetchall()
    return _Issues(
        {number: sent_at for number, sent_at, _, deleted in rows if not deleted},
        [str(number) for number, _, of_readers, _ in rows if of_readers],
        max((sent_at for _, sent_at, _, deleted in rows if deleted), default=""),
    )
