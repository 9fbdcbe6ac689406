"""What a job of the schedule is given to do its work."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database
from digest.tokens import Signers


@dataclass(frozen=True)
class Context:
    """A connection that is the job's own, the settings as they are now, and the moment it runs at.

    `worker` is the lock by which others see that it lives; `stopping` is set when the server stops.
    """

    db: Database
    settings: Settings
    signers: Signers
    now: datetime
    worker: Worker
    stopping: threading.Event
