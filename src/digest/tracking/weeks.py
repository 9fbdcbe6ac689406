"""What happened in a week: for the summary that is mailed to the editors."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from digest import times
from digest.audience import growth
from digest.audience.health import Health, health
from digest.store import Database
from digest.tracking.findings import Trouble
from digest.tracking.trends import BEFORE, Averages, IssueLine, averages, issue_lines, troubles_of_line


@dataclass(frozen=True)
class WeekIssue:
    """An issue of the week beside the average of those before it."""

    line: IssueLine
    before: Averages


@dataclass(frozen=True)
class Week:
    """What happened in the seven days (UTC) before `until`, which is a midnight. Moments are UTC text.

    `suppressed` are addresses that came onto the suppression list, by reason. `waiting` are counts of what waits for a
    person or a machine, as it is now: `uncertain` copies, `held` batches, `webhooks_off` that are switched off; and of
    the week: `unknown_events`, `webhooks_dead` messages that were given up.
    """

    since: str
    until: str
    issues: tuple[WeekIssue, ...]
    joined: int
    left: int
    bounced: int
    complained: int
    net: int
    health: Health
    suppressed: dict[str, int]
    waiting: dict[str, int]
    troubles: tuple[Trouble, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


def week(db: Database, *, now: datetime, by_mail: bool = False) -> Week:
    """Give what happened in the seven days before the last midnight (UTC): so every day is in one week's summary.

    Args:
        db: the store.
        now: the moment.
        by_mail: whether bounces come as mails: see `Figures.told`.
    """
    end = now.astimezone(UTC).date()
    begin = end - timedelta(days=7)
    since, until = (times.to_text(datetime.combine(day, time(), UTC)) for day in (begin, end))
    lines = tuple(line for line in issue_lines(db, limit=_A_WEEK, by_mail=by_mail) if since <= line.sending_at < until)
    counts: Counter[str] = Counter()
    for day, found in growth.days(db).items():
        if begin <= day < end:
            counts.update(found)
    return Week(
        since=since,
        until=until,
        issues=tuple(
            WeekIssue(line, averages(issue_lines(db, limit=BEFORE, before=line.number, by_mail=by_mail)))
            for line in lines
        ),
        joined=counts["joined"],
        left=counts["left"],
        bounced=counts["hard bounce"],
        complained=counts["complaint"],
        net=counts["joined"] - counts["left"],
        health=health(db, now=now),
        suppressed=_suppressed(db, since, until),
        waiting=_waiting(db, since, until),
        troubles=(*(trouble for line in lines for trouble in troubles_of_line(db, line)), *_refused(db, since, until)),
    )


_A_WEEK = 20
"""More issues than go out in a week."""


def _suppressed(db: Database, since: str, until: str) -> dict[str, int]:
    rows = db.conn.execute(
        "SELECT reason, count(*) FROM suppressions WHERE created_at >= ? AND created_at < ? GROUP BY reason",
        (since, until),
    )
    return dict(rows.fetchall())


def _waiting(db: Database, since: str, until: str) -> dict[str, int]:
    names = ("uncertain", "held", "unknown_events", "webhooks_off", "webhooks_dead")
    row = db.conn.execute(
        # By the index of open batches: of the others there may be half a million.
        "SELECT (SELECT count(*) FROM batches b CROSS JOIN deliveries d ON d.issue = b.issue AND d.batch = b.number"
        "   AND d.subscriber BETWEEN b.first AND b.last AND d.state = 4 WHERE b.state <> 'settled'),"
        " (SELECT count(*) FROM batches WHERE state <> 'settled' AND state = 'held'),"
        " (SELECT count(*) FROM unknown_events WHERE received_at >= :since AND received_at < :until),"
        " (SELECT count(*) FROM webhooks WHERE disabled_at IS NOT NULL),"
        " (SELECT count(*) FROM webhook_messages"
        "   WHERE state = 'dead' AND settled_at >= :since AND settled_at < :until)",
        {"since": since, "until": until},
    ).fetchone()
    return dict(zip(names, row, strict=True))


def _refused(db: Database, since: str, until: str) -> list[Trouble]:
    """Say which providers' calls were refused: most likely a key that is not the provider's any more."""
    rows = db.conn.execute(
        "SELECT provider, sum(count) FILTER (WHERE outcome LIKE 'refused%'),"
        " sum(count) FILTER (WHERE outcome = 'taken')"
        " FROM hook_counts WHERE hour >= ? AND hour < ? GROUP BY provider ORDER BY provider",
        (since[:13], until[:13]),
    )
    return [
        Trouble(
            "warn" if taken else "bad",
            f"{refused:,} calls to /hooks/{provider} were refused, {taken or 0:,} taken",
            f"see that the keys in its settings are those of {provider}",
        )
        for provider, refused, taken in rows
        if refused
    ]
