"""How many calls to /hooks/… were refused and why: counted in memory, and written down together.

Whoever forges calls must not cost the store a write each time. What was counted since the last time is lost when the
process is killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from threading import Lock

from digest import times
from digest.store import Database, writing

UNCOUNTED = "X-Digest-Doctor"
"""The header with which `digest doctor` shows that a call is its own, by a token that only this store can make."""


class HookCounts:
    """What this process counted and did not write down yet; for any thread."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._lock = Lock()

    def note(self, provider: str, outcome: str, now: datetime) -> None:
        """Count a call. There are few outcomes, and nothing of the call is in them."""
        with self._lock:
            self._counts[hour_of(now), provider, outcome] += 1

    def write_down(self, db: Database) -> None:
        """Write down what was counted."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            count(db, counts)
        except BaseException:
            with self._lock:
                self._counts.update(counts)
            raise


def count(db: Database, counts: Mapping[tuple[str, str, str], int]) -> None:
    """Add to what became of calls: hour, provider, outcome."""
    with writing(db) as connection:
        connection.executemany(
            "INSERT INTO hook_counts (hour, provider, outcome, count) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(*key, number) for key, number in counts.items()],
        )


def hour_of(now: datetime) -> str:
    """Give the hour of a moment as the counts have it: ``2026-11-26T09``."""
    return times.to_text(now)[:13]


def last_calls(db: Database, provider: str) -> list[tuple[str, int, str]]:
    """Give what ever became of a provider's calls: outcome, how many, and the hour of the last, the newest first."""
    rows: list[tuple[str, int, str]] = db.conn.execute(
        "SELECT outcome, sum(count), max(hour) FROM hook_counts WHERE provider = ?"
        " AND (outcome IN ('taken', 'repeated', 'failed') OR outcome LIKE 'refused: %')"
        " GROUP BY outcome ORDER BY max(hour) DESC, outcome",
        (provider,),
    ).fetchall()
    return rows
