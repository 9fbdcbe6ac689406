"""What is measured of readers, sign-ups and letters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from digest import times
from digest.audience.health import health
from digest.audience.signing_up import hour_of
from digest.gauges import Gauge, single
from digest.store import Database

LETTERS = ("queued", "claimed", "uncertain")


def gauges(db: Database, *, now: datetime) -> Iterator[Gauge]:
    """Measure: of a million readers it takes a tenth of a second, as the reports do."""
    found = health(db, now=now)
    readers = {
        "mailed": found.mailed,
        "pausing": found.pausing,
        "suppressed": found.suppressed_active,
        "pending": found.pending,
        "unsubscribed": found.unsubscribed,
    }
    yield Gauge(
        "subscribers",
        "Readers by what an issue would find them as: mailed, pausing, suppressed, pending, unsubscribed.",
        ("state",),
        {(state,): count for state, count in readers.items()},
    )
    yield Gauge(
        "suppressions",
        "Addresses that must not be mailed, by reason.",
        ("reason",),
        {(reason,): count for reason, count in found.suppressed.items()},
    )
    yield Gauge(
        "sign_ups_last_day",
        "Attempts to sign up in the last 24 hours, by what became of them.",
        ("outcome",),
        {
            (outcome,): count
            for outcome, count in db.conn.execute(
                "SELECT outcome, sum(count) FROM sign_up_counts WHERE hour >= ? GROUP BY outcome",
                (hour_of(now - timedelta(hours=23)),),
            )
        },
    )
    # Of those that are open, for which there is an index; what was settled is looked at by no one here.
    rows = db.conn.execute(
        "SELECT state, count(*) FROM letters WHERE state IN ('queued', 'claimed', 'uncertain') GROUP BY state"
    ).fetchall()
    yield Gauge(
        "letters",
        "Letters that are open, by state.",
        ("state",),
        {(state,): dict(rows).get(state, 0) for state in LETTERS},
    )
    oldest = db.conn.execute(
        "SELECT min(not_before) FROM letters WHERE state IN ('queued', 'claimed', 'uncertain') AND state = 'queued'"
    ).fetchone()[0]
    late = max(0.0, (now - times.from_text(oldest)).total_seconds()) if oldest else 0.0
    yield single("letters_oldest_seconds", "For how long the letter that waits longest has been due.", late)
