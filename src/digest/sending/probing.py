"""A letter of trial, to see that mail goes out by the provider: to whoever presses the button, and nobody else."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.audience.letterbox import Fate
from digest.editors import audit
from digest.editors.people import Editor
from digest.editors.sessions import Here
from digest.errors import StateError
from digest.store import Database, writing

MOST_AN_HOUR = 10


def send(db: Database, here: Here, *, now: datetime) -> str:
    """Put a letter of trial to the one who asks into the letterbox; give the name by which to ask what became of it.

    It goes the way issues go, not that of letters.

    Raises:
        StateError: too many in an hour.
    """
    to: Editor = here.editor
    name = secrets.token_hex(8)
    with writing(db) as connection:
        before = letterbox.count_since(db, "probe", since=times.to_text(now - timedelta(hours=1)))
        if before >= MOST_AN_HOUR:
            raise StateError(f"{before} tests were sent within an hour, which is the most; wait a little")
        detail = {"probe": name, "who": to.name}
        letterbox.post(db, "probe", read_address(to.email), subscriber=None, now=now, detail=detail)
        audit.note(connection, here.by, "sent a test by", "the provider", now=now)
    return name


def fate(db: Database, name: str, *, now: datetime) -> Fate | None:
    """Give what became of a letter of trial of the last day; None where there is none."""
    found = letterbox.fates(db, "probe", "probe", name, since=times.to_text(now - timedelta(days=1)))
    return found[0] if found else None
