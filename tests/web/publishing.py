"""What the tests of the archive, the feeds and the site map share: a store whose issues stand in every state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from conftest import NOW, import_sample
from digest import times
from digest.audience import subscribers
from digest.issue import issues
from digest.sending import ledger
from digest.settings import Settings
from digest.store import Database, open_store, writing
from serving import Clock, Reader, served

SITE = "https://verdicts.example.com"
SENT, CANCELLED_UNSENT, CANCELLED_MAILED, SENDING, OLD, APPROVED, DRAFT = range(1, 8)
"""The issues of the store by what became of them; `OLD` is from before there were snapshots."""

SHOWN = (SENDING, CANCELLED_MAILED, SENT)
HIDDEN = (CANCELLED_UNSENT, APPROVED, DRAFT)


class Published(NamedTuple):
    db: Database
    settings: Settings
    clock: Clock
    reader: Reader


@contextmanager
def published(folder: Path) -> Iterator[Published]:
    """Serve a store with a week for each issue, and one comparison that is to come."""
    settings = Settings(db=folder / "digest.db", base_url=SITE, postal_address="1 Sample Street, 10115 Berlin")
    db = open_store(settings.db, create=True)
    import_sample(db, settings)
    with writing(db) as connection:
        subscribers.add(db, "ada@example.com", now=NOW, name="Ada")
        for (id_,) in connection.execute("SELECT id FROM comparisons ORDER BY slug").fetchall():
            week = times.to_text(NOW + timedelta(weeks=id_ % 8) - timedelta(hours=id_))
            connection.execute("UPDATE comparisons SET published_at = ? WHERE id = ?", (week, id_))
    for number in range(1, 8):
        _issue(db, settings, number)
    clock = Clock(NOW + timedelta(weeks=6))
    with served(settings, clock) as reader:
        yield Published(db, settings, clock, reader)
    db.close()


def _issue(db: Database, settings: Settings, number: int) -> None:
    now = NOW + timedelta(weeks=number - 1)
    assert issues.draft(db, settings, now=now).issue
    if number == DRAFT:
        return
    issues.freeze(db, settings, number, now=now)
    if number == APPROVED:
        return
    ledger.freeze_audience(db, number, now=now)
    if number in (CANCELLED_UNSENT, CANCELLED_MAILED):
        if number == CANCELLED_MAILED:
            db.execute("UPDATE deliveries SET state = 2, batch = 1 WHERE issue = ?", [number])
        issues.pause(db, number, now=now)
        issues.cancel(db, number, now=now)
    if number == SENT:
        db.execute("UPDATE issues SET state = 'sent', sent_at = sending_at WHERE number = ?", [number])
    if number == OLD:
        db.execute("UPDATE issues SET snapshot = NULL WHERE number = ?", [number])
