"""What tests of several rooms share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database

from digest.catalogue.importing import gather, import_files
from digest.resources import resource
from digest.settings import Settings
from digest.store import migrate, open_store

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
"""A Thursday morning."""


def memory_store() -> Database:
    """A store in memory, for tests that need many."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    db = Database(connection)
    migrate(db)
    return db


def import_sample(db: Database, settings: Settings, now: datetime = NOW) -> None:
    """Put the sample catalogue into a store."""
    for report in import_files(db, gather([str(resource("db", "sample"))], bytes), now=now, zone=settings.zone):
        assert report.error is None


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


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    store = open_store(settings.db, create=True)
    yield store
    store.close()


@pytest.fixture
def sample(db: Database, settings: Settings) -> Database:
    """A store with the sample catalogue."""
    import_sample(db, settings)
    return db
