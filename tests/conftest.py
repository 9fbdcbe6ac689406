"""What tests of several rooms share."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from sqlite_utils import Database

from digest.audience.leaving import leave
from digest.audience.subscribers import Subscriber, find_subscriber
from digest.catalogue.importing import gather, import_files
from digest.issue import issues
from digest.issue.checks.model import Finding, Mail
from digest.issue.render import render
from digest.resources import resource
from digest.settings import Settings
from digest.store import migrate, open_store
from serving import Clock, Reader, served

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
"""A Thursday morning."""


def memory_store() -> Database:
    """A store in memory, for tests that need many."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _migrated().backup(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    return Database(connection)


@cache
def _migrated() -> sqlite3.Connection:
    """A new store in memory, to be copied: making one takes forty times as long."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(Database(connection))
    return connection


def import_sample(db: Database, settings: Settings, now: datetime = NOW) -> None:
    """Put the sample catalogue into a store."""
    for report in import_files(db, gather([str(resource("db", "sample"))], bytes), now=now, zone=settings.zone):
        assert report.error is None


def remove(db: Database, email: str, *, now: datetime) -> tuple[Subscriber, bool]:
    """Unsubscribe an address by hand, as `digest subscribers remove` does; give it, and whether it changed."""
    changed = leave(db, find_subscriber(db, email).id, way="editor", now=now)
    return find_subscriber(db, email), changed


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        db=tmp_path / "digest.db",
        outbox=tmp_path / "outbox",
        base_url="https://verdicts.example.com",
        postal_address="1 Sample Street, 10115 Berlin",
    )


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that is new and one with the sample catalogue, to be copied."""
    folder = Path(tmp_path_factory.mktemp("stores"))
    open_store(folder / "new.db", create=True).close()
    shutil.copyfile(folder / "new.db", folder / "sample.db")
    db = open_store(folder / "sample.db")
    import_sample(db, Settings(db=folder / "sample.db"))
    db.close()
    return folder


@pytest.fixture
def db(settings: Settings, stores: Path) -> Iterator[Database]:
    shutil.copyfile(stores / "new.db", settings.db)
    store = open_store(settings.db)
    yield store
    store.close()


@pytest.fixture
def sample(db: Database, stores: Path) -> Database:
    """A store with the sample catalogue."""
    with closing(sqlite3.connect(stores / "sample.db")) as source:
        source.backup(db.conn)
    return db


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until it is moved on."""
    return Clock(NOW)


@pytest.fixture
def reader(sample: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    """A reader of the site with the sample catalogue."""
    with served(settings, clock) as found:
        yield found


@pytest.fixture
def mail(sample: Database, settings: Settings) -> Mail:
    """The issue of the sample catalogue, for the checks to look at."""
    drafted = issues.draft(sample, settings, now=NOW).issue
    assert drafted is not None
    draft = issues.load_draft(sample, drafted.number)
    return Mail(draft, render(draft, settings), settings)


def with_html(mail: Mail, change: Callable[[str], str]) -> Mail:
    """The same mail with other HTML."""
    html = change(mail.content.html)
    assert html != mail.content.html, "the change changed nothing"
    return replace(mail, content=replace(mail.content, html=html))


def troubles(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that do not pass."""
    return [finding for finding in findings if finding.level != "pass"]
