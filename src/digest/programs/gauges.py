"""What is measured of what other programs are told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from digest import times
from digest.gauges import Gauge, single
from digest.store import Database


def gauges(db: Database, *, now: datetime) -> Iterator[Gauge]:
    """Measure."""
    queued, oldest = db.conn.execute(
        "SELECT count(*), min(created_at) FROM webhook_messages WHERE state = 'queued'"
    ).fetchone()
    yield single("webhook_messages_queued", "Messages to other programs that were not taken yet.", queued)
    age = max(0.0, (now - times.from_text(oldest)).total_seconds()) if oldest else 0.0
    yield single("webhook_oldest_seconds", "For how long the oldest of them has been waiting.", age)
    disabled = db.conn.execute("SELECT count(*) FROM webhooks WHERE disabled_at IS NOT NULL").fetchone()[0]
    yield single("webhooks_disabled", "Webhooks that nothing is sent to any more, because all of it failed.", disabled)
