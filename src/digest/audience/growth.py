"""How many came and went: a row a day and measure in `audience_days`, and what is counted of it.

Triggers count who becomes active, who ceases to be, and whose address bounces or complains; `joined` counts who is
added as an active reader, since a trigger on every row made the import of a million half as slow again.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from datetime import date, datetime

from digest import times
from digest.store import Database

MEASURES = ("joined", "left", "hard bounce", "complaint")
SUBSCRIBED = (
    "SELECT coalesce(sum(iif(measure = 'joined', count, -count)), 0) FROM audience_days"
    " WHERE measure IN ('joined', 'left')"
)


def joined(connection: sqlite3.Connection, count: int, now: datetime) -> None:
    """Count readers whose rows were put in as active ones, in the transaction that did it."""
    if count:
        connection.execute(
            "INSERT INTO audience_days (day, measure, count) VALUES (?, 'joined', ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count",
            (times.to_text(now)[:10], count),
        )


def days(db: Database) -> dict[date, dict[str, int]]:
    """Give each day (UTC) on which somebody came or went, in the order of time, with its measures."""
    found: defaultdict[date, dict[str, int]] = defaultdict(lambda: dict.fromkeys(MEASURES, 0))
    for day, measure, count in db.conn.execute("SELECT day, measure, count FROM audience_days ORDER BY day"):
        found[date.fromisoformat(day)][measure] = count
    return dict(found)


def subscribed(db: Database) -> int:
    """Give how many readers are active, as those who came less those who went: counting a million rows takes longer."""
    return int(db.conn.execute(SUBSCRIBED).fetchone()[0])
