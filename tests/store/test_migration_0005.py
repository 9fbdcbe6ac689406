"""The fifth migration, on a store with an issue that went out and what became of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import NOW
from digest import times
from digest.events import Kind
from digest.sending.ledger_check import check_ledger
from digest.settings import Settings
from digest.store import Database, check_store, migrate, open_store, pending, writing
from digest.tracking.recounting import audience, recount
from old_stores import rows, store_with

BEFORE, FIFTH = ("0001_first", "0002_checks", "0003_sending", "0004_readers"), "0005_events"
STAMP, LATER = times.to_text(NOW), times.to_text(NOW + timedelta(hours=2))
READERS = (
    ("ada@gmail.com", "active"), ("bea@hotmail.co.uk", "unsubscribed"), ("cyd@example.org", "pending"),
    ("dot@icloud.com", "active"), ("eve@example.org", "active"),
)  # fmt: skip
EVENTS = (
    # subscriber, kind, detail, happened_at
    (1, "delivered", "250 ok", LATER),
    (1, "delivered", "250 ok", STAMP),
    (1, "opened", None, LATER),
    (1, "clicked", "https://example.org", LATER),
    (1, "voted", "n8n", STAMP),
    (1, "voted", "n8n", LATER),
    (1, "voted", "zapier", LATER),
    (2, "bounced", "5.1.1 no such user", STAMP),
    (2, "unsubscribed", None, LATER),
    (4, "accepted", None, STAMP),
    (4, "complained", "abuse", LATER),
)


@pytest.fixture
def old(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the digest that had four migrations."""
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
        connection.executemany(
            "INSERT INTO subscribers (email, email_key, state, source, created_at, updated_at)"
            f" VALUES (?1, ?1, ?2, 'import', '{STAMP}', '{LATER}')",
            READERS,
        )
        connection.execute(
            "INSERT INTO suppressions (email_key, reason, created_at) VALUES ('dot@icloud.com', 'complaint', ?)",
            (LATER,),
        )
        connection.execute(
            "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last, size,"
            " claimed_at, settled_at, settled_by)"
            " VALUES (1, 1, 'outbox', '/o', 'k', 1, 'settled', 1, 4, 3, ?1, ?1, 'answer')",
            (STAMP,),
        )
        connection.executemany(
            "INSERT INTO deliveries (issue, subscriber, state, batch) VALUES (1, ?, 2, 1)", [(1,), (2,), (4,)]
        )
        connection.executemany(
            "INSERT INTO events (issue, subscriber, kind, detail, happened_at) VALUES (1, ?, ?, ?, ?)", EVENTS
        )


@pytest.fixture
def upgraded(old: Path) -> Iterator[Database]:
    with closing(open_store(old, allow_pending=True)) as db:
        assert pending(db)[0] == FIFTH
        migrate(db)
        yield db


def test_every_row_is_kept_and_the_store_is_sound(old: Path) -> None:
    tables = ("issues", "deliveries", "batches", "subscribers", "suppressions", "comparisons", "tools", "reviews",
              "reviewers", "votes", "keys")  # fmt: skip
    before = {table: rows(old, table) for table in tables}
    with closing(open_store(old, allow_pending=True)) as db:
        assert FIFTH in migrate(db)
        assert migrate(db) == []
        assert check_store(db) == check_ledger(db) == []
    for table, known in before.items():
        now = rows(old, table)
        assert [{name: row[name] for name in was} for row, was in zip(now, known, strict=True)] == known, table


def test_events_are_kept_once_for_each_kind_with_the_first_moment(upgraded: Database) -> None:
    found = upgraded.execute("SELECT subscriber, kind, key, at, detail FROM events").fetchall()
    first, second = int(NOW.timestamp()), int(NOW.timestamp()) + 7200
    assert found == [
        (1, Kind.DELIVERED, "", first, "250 ok"),
        (1, Kind.VOTED, "n8n", first, None),
        (1, Kind.VOTED, "zapier", second, None),
        (2, Kind.BOUNCED, "hard", first, "5.1.1 no such user"),
        (2, Kind.UNSUBSCRIBED, "", second, None),
        (4, Kind.ACCEPTED, "", first, None),
        (4, Kind.COMPLAINED, "", second, "abuse"),
    ]


def test_figures_begin_with_what_there_was(upgraded: Database) -> None:
    found = dict(upgraded.execute("SELECT measure, count FROM figures WHERE part = ''").fetchall())
    assert found == {
        "accepted": 1, "bounced hard": 1, "complained": 1, "delivered": 1, "unsubscribed": 1, "voted": 2,
    }  # fmt: skip
    by_host = upgraded.execute("SELECT measure, value FROM figures WHERE part = 'host' ORDER BY 1").fetchall()
    assert ("delivered", "1") in by_host
    assert ("bounced hard", "2") in by_host
    assert recount(upgraded, now=NOW).wrong == []


def test_deliveries_know_their_mailbox_provider(upgraded: Database) -> None:
    assert upgraded.execute("SELECT subscriber, host FROM deliveries").fetchall() == [(1, 1), (2, 2), (4, 4)]


def test_who_came_and_went_comes_to_the_readers_there_are(upgraded: Database) -> None:
    days = dict(upgraded.execute("SELECT measure, sum(count) FROM audience_days GROUP BY measure").fetchall())
    assert days == {"joined": 4, "left": 1, "complaint": 1}
    assert audience(upgraded) == []


def test_old_issues_are_not_tracked_and_old_readers_are_counted(upgraded: Database) -> None:
    old = upgraded.execute("SELECT tracking, pseudonym_key, events_deleted_at FROM issues").fetchall()
    assert old == [(None, None, None)]
    assert upgraded.execute("SELECT DISTINCT uncounted FROM subscribers").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "wrong",
    [
        "INSERT INTO events (issue, subscriber, kind, at) VALUES (1, 1, 5, 0)",
        "INSERT INTO events (issue, subscriber, kind, at) VALUES (1, 3, 2, 0)",
        "INSERT INTO readings VALUES (1, 1, 2, 0, 0, 0, 0, 0)",
        "INSERT INTO readings VALUES (1, 1, 5, 0, 0, 0, 3, 0)",
        "INSERT INTO links VALUES (1, 0, 'https://example.org', NULL)",
        "UPDATE subscribers SET uncounted = 2",
    ],
)
def test_what_makes_no_sense_is_refused(upgraded: Database, wrong: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=r"CHECK|FOREIGN KEY"):
        upgraded.execute(wrong)


def test_figures_follow_an_event_that_moves_and_stay_when_it_is_deleted(upgraded: Database) -> None:
    hour = "SELECT value, count FROM figures WHERE measure = 'delivered' AND part = 'hour' AND count ORDER BY 1"
    upgraded.execute("UPDATE events SET at = at - 3600 WHERE kind = 2")
    assert upgraded.execute(hour).fetchall() == [("2026-11-26T08", 1)]
    upgraded.execute("DELETE FROM events WHERE kind = 2")
    assert upgraded.execute(hour).fetchall() == [("2026-11-26T08", 1)]
