"""The next draft, made by a person: who made it is written down."""

from __future__ import annotations

from datetime import datetime

from digest.editors import audit
from digest.editors.audit import By
from digest.issue import issues
from digest.issue.issues import Drafted
from digest.settings import Settings
from digest.store import Database, writing


def draft(db: Database, settings: Settings, *, by: By, now: datetime) -> Drafted:
    """Make the next issue of what is new, or find the draft that is open already, as `issues.draft` does."""
    with writing(db) as connection:
        drafted = issues.draft(db, settings, now=now)
        if drafted.issue and drafted.made:
            audit.note(connection, by, "drafted", f"issue {drafted.issue.number}", now=now)
        return drafted
