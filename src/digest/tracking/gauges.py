"""What is measured of deliveries and what became of them, and of what comes in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from digest.gauges import Gauge, single
from digest.store import Database
from digest.tracking import spool
from digest.tracking.figures import STATES
from digest.tracking.hook_counting import hour_of
from digest.tracking.records import decode

EVENTS = {
    "delivered": "delivered",
    "bounced hard": "bounced hard",
    "bounced soft": "bounced soft",
    "complained": "complained",
    "unsubscribed": "unsubscribed",
    "opened by people": "opened people",
    "clicked by people": "clicked people",
}
"""What of an issue's figures is given, by our word for it and the measure of the table."""


def gauges(db: Database, *, issue: int | None, now: datetime) -> Iterator[Gauge]:
    """Measure; `issue` is the one whose deliveries are wanted, from the figures that `digest serve` keeps of it."""
    figures = dict(
        db.conn.execute(
            "SELECT measure, count FROM figures WHERE issue = ? AND part = '' AND value = ''", (issue,)
        ).fetchall()
        if issue is not None
        else ()
    )
    yield Gauge(
        "deliveries",
        "Deliveries of the latest issue, by state.",
        ("state",),
        {(state,): figures.get(measure, 0) for state, measure in STATES.items()},
    )
    yield Gauge(
        "latest_issue_events",
        "What became of the copies of the latest issue afterwards.",
        ("kind",),
        {(kind,): figures.get(measure, 0) for kind, measure in EVENTS.items()},
    )
    calls: dict[tuple[str, ...], float] = {}
    for provider, outcome, count in db.conn.execute(
        "SELECT provider, outcome, sum(count) FROM hook_counts WHERE hour >= ? GROUP BY provider, outcome",
        (hour_of(now - timedelta(hours=23)),),
    ):
        # Why one was refused is for `digest events`; here a few words are enough.
        key = provider or "our own links", outcome.partition(":")[0]
        calls[key] = calls.get(key, 0) + count
    yield Gauge(
        "hook_calls_last_day",
        "Calls of providers in the last 24 hours, and the events in them, by what became of them.",
        ("provider", "outcome"),
        calls,
    )


def spool_gauges(db: Database, folder: Path, *, now: datetime) -> Iterator[Gauge]:
    """Measure what waits in the spool."""
    done = dict(db.conn.execute("SELECT name, done FROM spools").fetchall())
    files = waiting = 0
    oldest: datetime | None = None
    for path in folder.glob(spool.FILES):
        with suppress(FileNotFoundError):
            worked = done.get(path.name, 0)
            if (left := path.stat().st_size - worked) > 0:
                files, waiting = files + 1, waiting + left
                at = _first_at(path, worked)
                oldest = min(filter(None, (oldest, at)), default=None)
    yield single("spool_files", "Files of the spool with something in them that is not in the store yet.", files)
    yield single("spool_bytes", "How much that is, in bytes.", waiting)
    age = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    yield single("spool_oldest_seconds", "For how long the oldest of it has been waiting.", age)


def _first_at(path: Path, start: int) -> datetime | None:
    """Give when the first record that is not worked came in; None where it is not whole."""
    record = spool.first_record(path, start)
    if record is None:
        return None
    with suppress(ValueError, TypeError, KeyError):
        return datetime.fromtimestamp(decode(record).at / 1000, UTC)
    return None
