"""Mails to editors about what happens while an issue is sent."""

from __future__ import annotations

from datetime import datetime

from digest.settings import Settings
from digest.store import Database


def post_due(db: Database, settings: Settings, *, now: datetime) -> int:
    """Post what is due."""
    return 0
