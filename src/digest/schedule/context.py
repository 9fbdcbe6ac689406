"""What a job of the schedule is given to do its work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.sending.copies import Signers
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database


@dataclass(frozen=True)
class Context:
    """A connection that is the job's own, the settings as they are now, and the moment it began.

    `worker` is the lock by which others see that it lives; `stopping` tells whether all is to stop; `clock` is for what
    needs to know the moment after some time.
    """

    db: Database
    settings: Settings
    signers: Signers
    now: datetime
    worker: Worker
    stopping: Callable[[], bool] = lambda: False
    clock: Callable[[], datetime] = times.now
