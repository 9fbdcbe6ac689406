"""What is measured of the schedule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from digest import times
from digest.gauges import Gauge
from digest.store import Database


def gauges(db: Database, *, now: datetime) -> Iterator[Gauge]:
    """Measure."""
    names = [name for (name,) in db.conn.execute("SELECT name FROM jobs ORDER BY name")]
    found: dict[tuple[str, ...], float] = {}
    for name in names:
        # Backwards on the primary key, up to the first that went well: mostly the first of all.
        row = db.conn.execute(
            "SELECT ended_at FROM runs WHERE job = ? AND state = 'done' ORDER BY due_at DESC LIMIT 1", (name,)
        ).fetchone()
        if row and row[0]:
            found[name,] = times.from_text(row[0]).timestamp()
    yield Gauge(
        "schedule_last_success_timestamp_seconds", "When a job of the schedule last went well.", ("job",), found
    )
    since = times.to_text(now - timedelta(days=1))
    rows = db.conn.execute(
        "SELECT job, state, count(*) FROM runs WHERE began_at >= ? GROUP BY job, state", (since,)
    ).fetchall()
    yield Gauge(
        "schedule_runs_last_day",
        "Runs of the last 24 hours, by job and by what became of them: running, done, failed, missed.",
        ("job", "state"),
        {(job, state): count for job, state, count in rows},
    )
