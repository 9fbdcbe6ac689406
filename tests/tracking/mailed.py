"""An issue that was mailed, with what became of its copies: for the tests of reports."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from conftest import NOW
from digest import times
from digest.audience import subscribers
from digest.events import Kind
from digest.issue import issues
from digest.sending.beginning import begin
from digest.settings import Settings
from digest.store import Database, writing
from digest.tracking import counting
from digest.tracking.agents import Agent
from digest.tracking.records import Reading

HOUR = timedelta(hours=1)


def mail(db: Database, settings: Settings, emails: Iterable[str], *, now: datetime = NOW) -> int:
    """Send an issue of all there is to so many; give its number. Nobody tells of it yet."""
    for email in emails:
        subscribers.add(db, email, now=now)
    drafted = issues.draft(db, settings, now=now).issue
    assert drafted is not None
    issues.freeze(db, settings, drafted.number, now=now)
    begin(db, settings, drafted.number, now=now)
    settle(db, drafted.number, now=now)
    return drafted.number


def settle(db: Database, issue: int, *, now: datetime = NOW) -> None:
    """Have every copy accepted."""
    stamp = times.to_text(now)
    with writing(db) as connection:
        first, last, size = connection.execute(
            "SELECT min(subscriber), max(subscriber), count(*) FROM deliveries WHERE issue = ?", (issue,)
        ).fetchone()
        connection.execute(
            "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last, size,"
            " claimed_at, settled_at)"
            " VALUES (?1, ?1, 'resend', 'here', 'key ' || ?1, 1, 'settled', ?2, ?3, ?4, ?5, ?5)",
            (issue, first, last, size, stamp),
        )
        connection.execute("UPDATE deliveries SET state = 2, batch = ?1 WHERE issue = ?1", (issue,))
        connection.execute(
            "UPDATE issues SET state = 'sent', sent_at = ?, updated_at = ? WHERE number = ?", (stamp, stamp, issue)
        )
    counting.roll_up(db, issue, now=now)


def event(
    db: Database, issue: int, reader: int, kind: Kind, key: str = "", *, at: datetime = NOW, detail: str | None = None
) -> None:
    db.execute(
        "INSERT INTO events (issue, subscriber, kind, key, at, detail) VALUES (?, ?, ?, ?, ?, ?)",
        [issue, reader, int(kind), key, int(at.timestamp()), detail],
    )


def read(
    db: Database,
    issue: int,
    copy: int,
    link: int | None = None,
    *,
    at: datetime = NOW + HOUR,
    agent: Agent = Agent.BROWSER,
) -> None:
    """Let a copy be opened, or a link of it clicked."""
    kind = Kind.OPENED if link is None else Kind.CLICKED
    with writing(db) as connection:
        counting.record(
            connection,
            [Reading(issue, copy, kind, link or 0, int(at.timestamp() * 1000), agent)],  # type: ignore[arg-type]
        )
