"""The third migration, on a store of the digest that had one provider, in the middle of a sending."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import NOW
from digest import times
from digest.events import Kind
from digest.issue import issues
from digest.issue.model import Envelope, Rendered
from digest.providers import connect
from digest.providers.interface import Answer
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.sending.engine import Engine
from digest.sending.ledger_check import check_ledger
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database, check_store, migrate, open_store, pending, store_key, writing
from old_stores import rows, store_with

BEFORE, THIRD = ("0001_first", "0002_checks"), "0003_sending"
LATER = NOW + timedelta(minutes=1)
CONTENT = Rendered(
    Envelope("Verdicts", "v@example.org", "", {"Message-ID": "<[[digest:message]]@example.org>"}),
    "Ship it?",
    "The preheader",
    "",
    "<p>[[digest:greeting]] https://example.org/u/[[digest:token]]</p>",
    "[[digest:greeting]] https://example.org/u/[[digest:token]]",
    (),
)
READERS = ("ada", "bea", "cyd", "dot", "eve", "fay", "gil")
BATCHES = [
    # number, worker, state, first, last, size, settled_at, trouble
    (1, 11, "settled", 1, 2, 2, times.to_text(LATER), None),
    (2, 11, "settled", 3, 3, 1, times.to_text(LATER), "its process died"),
    (3, 12, "uncertain", 4, 5, 2, None, "the line went dead"),
    (4, 13, "claimed", 6, 6, 1, None, None),
]


@pytest.fixture
def old(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the digest that had two migrations: issue 1 is being sent."""

    def fill_in(db: Database) -> None:
        store_key(db, "messages", now=NOW)
        fill(db, str(settings.outbox.absolute()))

    with store_with(BEFORE, settings, tmp_path / "migrations", monkeypatch, fill_in) as path:
        yield path


def fill(db: Database, account: str) -> None:
    """Put in an issue in the middle of its sending, as the digest of that time did."""
    stamp = times.to_text(NOW)
    envelope = {"sender_name": "Verdicts", "sender_address": "v@example.org", "reply_to": ""}
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, content_hash, html, text, links,"
            " envelope, created_at, updated_at, approved_at, sending_at)"
            " VALUES (1, 'sending', ?, ?, 'The intro.', ?, ?, ?, ?, '[]', ?, ?, ?, ?, ?)",
            (
                CONTENT.subject,
                CONTENT.preheader,
                stamp,
                issues.content_hash(CONTENT),
                CONTENT.html,
                CONTENT.text,
                json.dumps(envelope | {"headers": CONTENT.envelope.headers}),
                *[stamp] * 4,
            ),
        )
        for name in READERS:
            connection.execute(
                "INSERT INTO subscribers (email, email_key, name, state, source, created_at, updated_at)"
                " VALUES (?, ?, ?, 'active', 'import', ?, ?)",
                (f"{name}@example.org", f"{name}@example.org", name.title(), stamp, stamp),
            )
        for number, worker, state, first, last, size, settled_at, trouble in BATCHES:
            connection.execute(
                "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last,"
                " size, claimed_at, settled_at, trouble) VALUES (?, 1, 'outbox', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, account, f"key {number}", worker, state, first, last, size, stamp, settled_at, trouble),
            )
        connection.executemany(
            "INSERT INTO deliveries (issue, subscriber, state, batch, reason) VALUES (1, ?, ?, ?, ?)",
            [(1, 2, 1, None), (2, 3, 1, "no such mailbox"), (3, 2, 2, None), (4, 4, 3, None), (5, 4, 3, None),
             (6, 1, 4, None), (7, 0, None, None)],
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO events (id, issue, subscriber, kind, detail, happened_at) VALUES (?, 1, ?, ?, ?, ?)",
            [(5, 1, "delivered", "250 ok", stamp), (9, 3, "unsubscribed", None, stamp)],
        )


@pytest.fixture
def upgraded(old: Path) -> Iterator[Database]:
    """The same store after the third migration."""
    with closing(open_store(old, allow_pending=True)) as db:
        migrate(db)
        yield db


def test_the_old_store_is_as_the_second_migration_made_it(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        applied = [name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations ORDER BY name")]
        assert tuple(applied) == BEFORE
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
            connection.execute("UPDATE batches SET state = 'held'")
        with pytest.raises(sqlite3.OperationalError, match="no such column"):
            connection.execute("SELECT nonce FROM issues")


def test_it_waits_and_is_applied_once(old: Path) -> None:
    with closing(open_store(old, allow_pending=True)) as db:
        assert pending(db)[0] == THIRD
        assert THIRD in migrate(db)
        assert migrate(db) == []
        assert check_store(db) == []
        assert check_ledger(db) == []


def test_every_row_is_kept(old: Path) -> None:
    # What became of events is for the test of the fifth migration: it writes them another way.
    tables = ("issues", "issue_comparisons", "deliveries", "batches", "subscribers", "comparisons", "tools", "reviews",
              "votes", "keys", "suppressions", "overrides")  # fmt: skip
    before = {table: rows(old, table) for table in tables}
    assert [len(before[table]) for table in ("deliveries", "batches")] == [7, 4]
    with closing(open_store(old, allow_pending=True)) as db:
        migrate(db)
    for table, known in before.items():
        now = rows(old, table)
        assert len(now) == len(known), table
        for row, was in zip(now, known, strict=True):
            gone = {"message_id"} if table == "deliveries" else set()
            assert {name: row[name] for name in was.keys() - gone} == {n: was[n] for n in was.keys() - gone}, table


def test_old_batches_say_how_they_were_settled_and_since_when_they_are_uncertain(upgraded: Database) -> None:
    found = upgraded.execute(
        "SELECT number, settled_by, uncertain_at, fingerprint, message_ids FROM batches"
    ).fetchall()
    assert found == [
        (1, "answer", None, None, None),
        (2, "asked", None, None, None),
        (3, None, times.to_text(NOW), None, None),
        (4, None, None, None, None),
    ]


def test_what_is_new_is_empty_and_its_checks_are_kept(upgraded: Database) -> None:
    assert upgraded.execute("SELECT trouble, local_time, nonce FROM issues").fetchall() == [(None, None, None)]
    assert upgraded.execute("SELECT DISTINCT timezone FROM subscribers").fetchall() == [(None,)]
    for table in ("paces", "provider_days"):
        assert upgraded.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    upgraded.execute("UPDATE batches SET state = 'held', settled_by = 'person' WHERE number = 3")
    for kind in (Kind.ACCEPTED, Kind.DEFERRED):
        upgraded.execute("INSERT INTO events (issue, subscriber, kind, at) VALUES (1, 1, ?, 0)", [int(kind)])
    for wrong in (
        "UPDATE batches SET state = 'lost'",
        "UPDATE batches SET settled_by = 'guessing'",
        "INSERT INTO events (issue, subscriber, kind, at) VALUES (1, 1, 99, 0)",
        "INSERT INTO events (issue, subscriber, kind, at) VALUES (1, 99, 2, 0)",
        "INSERT INTO batches SELECT 9, issue, provider, account, idempotency_key, worker, state, first, last, size,"
        " NULL, claimed_at, NULL, NULL, NULL, NULL, NULL, 0 FROM batches WHERE number = 1",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=r"CHECK|FOREIGN KEY|UNIQUE"):
            upgraded.execute(wrong)
    assert upgraded.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_indexes_are_there_again(upgraded: Database) -> None:
    plans = [
        upgraded.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        for sql in (
            "SELECT * FROM batches WHERE issue = 1 AND state <> 'settled'",
            "SELECT * FROM events WHERE issue = 1 AND subscriber = 3",
        )
    ]
    for plan, index in zip(plans, ("batches_open", "PRIMARY KEY"), strict=True):
        assert index in plan[0][-1]


def test_an_old_batch_can_be_taken_up(upgraded: Database) -> None:
    batch = ledger.adopt(upgraded, 3, before=12, worker=2, trouble="it died", now=LATER)
    assert batch is not None
    assert batch.copies == ((4, "dot@example.org", "Dot"), (5, "eve@example.org", "Eve"))
    assert (batch.unchanged, batch.uncertain_at, batch.idempotency_key) == (True, NOW, "key 3")
    ledger.record(upgraded, batch, Answer(["a", "b"]), by="replay", now=LATER)
    assert ledger.message_id(upgraded, 1, 5) == "b"
    assert ledger.message_id(upgraded, 1, 1) is None


def test_a_sending_begun_before_is_ended_after(upgraded: Database, settings: Settings) -> None:
    """The copies of an uncertain batch are found by the names they had then: there were no nonces."""
    signers = Signers.of(upgraded, settings, now=NOW)
    box = settings.outbox
    for name in ("tmp", "new", "cur"):
        (box / name).mkdir(parents=True)
    for reader in (1, 3, 4):
        (box / "new" / f"{signers.messages.sign('message', 1, reader)}.digest").write_text("To: somebody\n")
    with Worker(settings.db) as worker:
        provider = connect("outbox", settings.options_for("outbox"))
        engine = Engine(upgraded, settings, [provider], signers, worker, clock=lambda: LATER)
        tally = asyncio.run(engine.send(1))
    assert tally == {
        "audience": 7, "queued": 0, "claimed": 0, "accepted": 6, "rejected": 1, "uncertain": 0, "skipped": 0,
    }  # fmt: skip
    assert issues.find_issue(upgraded, 1).state == "sent"
    assert len(list((box / "new").iterdir())) == 6
    assert check_ledger(upgraded) == []
    assert issues.check_issues(upgraded) == []


def test_a_store_made_at_once_has_the_same_tables(upgraded: Database, tmp_path: Path) -> None:
    sql = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    with closing(open_store(tmp_path / "new.db", create=True)) as new:
        assert upgraded.execute(sql).fetchall() == new.execute(sql).fetchall()
