"""A round of the work on events: empty the spool, settle what is proven by then, count what has changed.

`digest serve` goes one every second, `digest events work` goes one. Several at once do no harm: each record is worked
by one of them, and the rest comes to the same however often it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from digest.sending import evidence
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database
from digest.tracking import counting, spool
from digest.tracking.working import Working

SETTLE_EVERY_S = 60.0
"""Uncertain batches are looked at whenever something came in, and so often where nothing did."""
COUNTING = 0.02
"""The share of the time that counting deliveries may take while an issue is being sent: it looks at all of them."""
COUNT_EVERY_S = 5.0


class Rounds:
    """Goes rounds over one store; `lives` tells whether the worker of a number is at work."""

    def __init__(
        self,
        db: Database,
        settings: Settings,
        signers: Signers,
        *,
        lives: Callable[[int], bool],
        clock: Callable[[], datetime],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._db, self._lives, self._clock, self._stopping = db, lives, clock, stopping
        self._folder = spool.folder_of(settings.db)
        self._whole = evidence.whole_by(settings)
        self.working = Working(db, settings, signers, clock=clock)
        self._settle_at = self._count_at = 0.0

    def go(self) -> tuple[int, int]:
        """Go a round; give how many records were worked, and how many uncertain copies proven accepted."""
        taken, proven = spool.drain(self._folder, self._db, self.working.take, stopping=self._stopping), 0
        if taken or time.monotonic() >= self._settle_at:
            self._settle_at = time.monotonic() + SETTLE_EVERY_S
            proven = evidence.settle(self._db, whole=self._whole, lives=self._lives, now=self._clock())
        if time.monotonic() >= self._count_at:
            begun = time.monotonic()
            for issue in counting.to_roll_up(self._db):
                if self._stopping():
                    break
                counting.roll_up(self._db, issue, now=self._clock())
            cost = time.monotonic() - begun
            self._count_at = time.monotonic() + max(COUNT_EVERY_S, cost / COUNTING)
        return taken, proven
