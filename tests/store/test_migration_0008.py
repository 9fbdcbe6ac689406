"""The eighth migration, on a store with an issue that was sent and one that waits, and an editor."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from conftest import NOW
from digest import times
from digest.safekeeping.checking import problems_of
from digest.settings import Settings
from digest.store import Database, migrate, open_store, pending, writing
from old_stores import rows, store_with

BEFORE = ("0001_first", "0002_checks", "0003_sending", "0004_readers", "0005_events", "0006_desk", "0007_subject_tests")
STAMP = times.to_text(NOW)


@pytest.fixture
def old(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the digest that had seven migrations."""
    with store_with(BEFORE, settings, tmp_path / "migrations", monkeypatch, fill) as path:
        yield path


def fill(db: Database) -> None:
    with writing(db) as connection:
        connection.executemany(
            "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, created_at, updated_at)"
            f" VALUES (?, ?, 'S', 'P', 'I', '{STAMP}', '{STAMP}', '{STAMP}')",
            [(1, "cancelled"), (2, "draft")],
        )
        connection.execute(
            "INSERT INTO editors (email, email_key, name, role, handle, created_at)"
            " VALUES ('ann@example.com', 'ann@example.com', 'Ann', 'owner', x'00', ?)",
            (STAMP,),
        )
        connection.execute(
            "INSERT INTO letters (kind, email, email_key, idempotency_key, not_before, created_at)"
            " VALUES ('summary', 'ann@example.com', 'ann@example.com', 'k', ?1, ?1)",
            (STAMP,),
        )


def test_every_row_is_kept_and_nothing_is_doubted_or_for_a_person_alone(old: Path) -> None:
    tables = ("issues", "editors", "letters", "comparisons", "tools", "reviews", "keys", "issue_comparisons")
    before = {table: rows(old, table) for table in tables}
    with closing(open_store(old, allow_pending=True)) as db:
        assert pending(db)[0] == "0008_running"
        migrate(db)
        assert migrate(db) == []
        assert problems_of(db) == []
        assert db.execute("SELECT DISTINCT by_hand, doubted_at FROM issues").fetchall() == [(0, None)]
        for table in ("runs", "jobs", "restores"):
            assert rows(old, table) == []
        for wrong in (
            "UPDATE issues SET by_hand = 2",
            "INSERT INTO runs (job, due_at, state, by, worker, began_at) VALUES ('draft', '', 'odd', 'who', 0, '')",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
                db.execute(wrong)
    for table, known in before.items():
        now = rows(old, table)
        assert [{name: row[name] for name in was} for row, was in zip(now, known, strict=True)] == known, table
