"""Letters to publishers about the schedule itself: what was missed, and what failed."""

from __future__ import annotations

from datetime import datetime

from digest.settings import Settings
from digest.store import Database


def tell_missed(db: Database, settings: Settings, job_words: str, due_at: datetime, now: datetime) -> int:
    """Tell publishers that a job was not done at its time, nor within its grace; give how many letters that makes."""
    raise NotImplementedError


def tell_failed(db: Database, settings: Settings, job_words: str, due_at: datetime, now: datetime, why: str) -> int:
    """Tell publishers that a job failed; give how many letters that makes."""
    raise NotImplementedError
