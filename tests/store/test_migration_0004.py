"""The fourth migration, on a store with a catalogue, readers and an issue that went out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from conftest import NOW
from digest import times
from digest.sending.ledger_check import check_ledger
from digest.settings import Settings
from digest.store import Database, check_store, migrate, open_store, pending, writing
from old_stores import rows, store_with

BEFORE, FOURTH = ("0001_first", "0002_checks", "0003_sending"), "0004_readers"
STAMP = times.to_text(NOW)


@pytest.fixture
def old(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the digest that had three migrations."""
    with store_with(BEFORE, settings, tmp_path / "migrations", monkeypatch, fill) as path:
        yield path


def fill(db: Database) -> None:
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, content_hash, html, text, links,"
            " envelope, created_at, updated_at, approved_at, sending_at, sent_at)"
            " VALUES (1, 'sent', 'S', 'P', 'I', ?1, 'h', '<p>', 't', '[]', '{}', ?1, ?1, ?1, ?1, ?1)",
            (STAMP,),
        )
        for name, state in (("ada", "active"), ("bea", "unsubscribed"), ("cyd", "pending")):
            connection.execute(
                "INSERT INTO subscribers (email, email_key, state, source, created_at, updated_at)"
                " VALUES (?1, ?1, ?2, 'import', ?3, ?3)",
                (f"{name}@example.org", state, STAMP),
            )
        connection.execute("INSERT INTO suppressions VALUES ('bea@example.org', 'unsubscribed', ?)", (STAMP,))
        connection.execute(
            "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last, size,"
            " claimed_at, settled_at, settled_by)"
            " VALUES (1, 1, 'outbox', '/o', 'k', 1, 'settled', 1, 1, 1, ?1, ?1, 'answer')",
            (STAMP,),
        )
        connection.execute("INSERT INTO deliveries (issue, subscriber, state, batch) VALUES (1, 1, 2, 1)")


@pytest.fixture
def upgraded(old: Path) -> Iterator[Database]:
    with closing(open_store(old, allow_pending=True)) as db:
        assert pending(db)[0] == FOURTH
        migrate(db)
        yield db


def test_every_row_is_kept_and_the_store_is_sound(old: Path) -> None:
    tables = ("issues", "deliveries", "batches", "subscribers", "suppressions", "comparisons", "tools", "reviews",
              "reviewers", "votes", "keys")  # fmt: skip
    before = {table: rows(old, table) for table in tables}
    assert all(before.values())
    with closing(open_store(old, allow_pending=True)) as db:
        assert FOURTH in migrate(db)
        assert migrate(db) == []
        assert check_store(db) == check_ledger(db) == []
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    for table, known in before.items():
        now = rows(old, table)
        assert [{name: row[name] for name in was} for row, was in zip(now, known, strict=True)] == known, table


def test_what_was_there_can_be_searched_at_once(upgraded: Database) -> None:
    count = upgraded.execute("SELECT count(*) FROM tools").fetchone()[0]
    assert upgraded.execute("SELECT count(*) FROM tool_words").fetchone()[0] == count
    name, quote = upgraded.execute("SELECT t.name, r.quote FROM tools t JOIN reviews r ON r.tool = t.id").fetchone()
    for words in (name, " ".join(quote.split()[:4])):
        quoted = '"' + words.replace('"', '""') + '"'
        found = upgraded.execute(
            "SELECT t.name FROM tool_words w JOIN tools t ON t.id = w.rowid WHERE tool_words MATCH ?", (quoted,)
        ).fetchall()
        assert (name,) in found


def test_the_version_counts_every_change_of_the_catalogue_and_no_other(upgraded: Database) -> None:
    def version() -> int:
        return int(upgraded.execute("SELECT version FROM catalogue_version").fetchone()[0])

    seen = [version()]
    for change in (
        "UPDATE tools SET tagline = 'Another' WHERE id = 1",
        "UPDATE reviews SET quote = 'Quite unheard of' WHERE tool = 1 AND reviewer = 1",
        "UPDATE reviewers SET stance = 'Other' WHERE id = 1",
        "INSERT INTO votes VALUES (1, 'someone', 'ship', '')",
        "UPDATE comparisons SET published_at = '2026-11-01T00:00:00.000000Z' WHERE id = 1",
        "DELETE FROM votes WHERE voter = 'someone'",
    ):
        upgraded.execute(change)
        seen.append(version())
    assert seen == sorted(set(seen))
    upgraded.execute("UPDATE subscribers SET name = 'Ada'")
    assert version() == seen[-1]
    found = upgraded.execute("SELECT rowid FROM tool_words WHERE tool_words MATCH 'unheard'").fetchall()
    assert found == [(1,)]


def test_old_readers_get_everything_and_old_copies_are_of_the_issue_itself(upgraded: Database) -> None:
    readers = upgraded.execute("SELECT topic_set, paused_until, confirmed_at FROM subscribers").fetchall()
    assert set(readers) == {(None, None, None)}
    assert upgraded.execute("SELECT variant FROM deliveries").fetchall() == [(0,)]
    assert upgraded.execute("SELECT variant FROM batches").fetchall() == [(0,)]
    assert upgraded.execute("SELECT snapshot FROM issues").fetchall() == [(None,)]
