"""Bringing back a backup: what may not be lost is carried over, what may have gone out since is in doubt."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import NOW, remove
from digest import times
from digest.audience import forgetting, letterbox, subscribers, suppression
from digest.audience.addresses import read_address
from digest.audience.subscribers import find_subscriber
from digest.editors import people, sessions
from digest.editors.audit import COMMAND_LINE
from digest.errors import StoreError
from digest.issue import issues
from digest.programs import api_tokens
from digest.providers.interface import Answer
from digest.safekeeping.checking import problems_of
from digest.safekeeping.restoring import Restored, restore
from digest.sending import ledger
from digest.settings import Settings
from digest.store import Database, back_up, open_store, writing

LATER = NOW + timedelta(hours=6)
EVERYONE = [f"reader{number}@example.com" for number in range(1, 11)]

Restore = Callable[..., tuple[Restored, Database]]


@pytest.fixture
def store(sample: Database, settings: Settings) -> Database:
    """A store with ten readers, and issue 1 begun: three of the ten copies are accepted."""
    issues.draft(sample, settings, now=NOW)
    issues.freeze(sample, settings, 1, now=NOW)
    with writing(sample):
        for email in EVERYONE:
            subscribers.add(sample, email, now=NOW)
    ledger.freeze_audience(sample, 1, now=NOW)
    hand_over(sample, 3)
    return sample


def hand_over(db: Database, size: int) -> list[int]:
    """Hand the next copies of issue 1 over; give whose they are."""
    batch = ledger.claim_batch(db, 1, provider="taker", account="here", worker=1, size=size, after=0, now=NOW)
    assert batch is not None
    readers = [reader for reader, *_ in batch.copies]
    ledger.record(db, batch, Answer([f"id {reader}" for reader in readers]), now=NOW)
    return readers


@pytest.fixture
def bring_back(store: Database, settings: Settings) -> Restore:
    """Brings the backup back that `tmp_path/backup.db` is, closing the store before; give what came of it."""

    def run(**options: bool) -> tuple[Restored, Database]:
        store.close()
        found = restore(settings, settings.db.parent / "backup.db", now=LATER, **options)
        db = open_store(settings.db)
        assert problems_of(db) == []
        return found, db

    return run


def back_up_here(db: Database, settings: Settings) -> Path:
    path = settings.db.parent / "backup.db"
    back_up(db, path)
    return path


def active(db: Database) -> list[str]:
    rows = db.execute(
        "SELECT email FROM subscribers s WHERE state = 'active'"
        " AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.email_key = s.email_key) ORDER BY id"
    )
    return [email for (email,) in rows.fetchall()]


def test_what_readers_asked_for_since_is_carried_over(store: Database, settings: Settings, bring_back: Restore) -> None:
    forgetting.forget(store, 9, now=NOW)
    suppression.add_suppression(store, EVERYONE[9], "unsubscribed", source="list", now=NOW)
    back_up_here(store, settings)
    remove(store, EVERYONE[0], now=LATER)
    number = find_subscriber(store, EVERYONE[1]).id
    forgetting.forget(store, number, now=LATER)
    suppression.suppress_as_told(store, EVERYONE[2], "complaint", source="taker", at=LATER)
    suppression.suppress_as_told(store, EVERYONE[9], "hard bounce", source="taker", at=LATER)
    suppression.add_suppression(store, "stranger@example.org", "hard bounce", source="list", now=LATER)
    until = times.to_text(LATER + timedelta(days=30))
    with writing(store) as connection:
        connection.execute("UPDATE subscribers SET paused_until = ?, uncounted = 1 WHERE id = 4", (until,))
        connection.execute("UPDATE subscribers SET email = 'e@example.org', email_key = 'e@example.org' WHERE id = 5")
    # One who was forgotten and came back: the address is a mark no more, the row is.
    forgetting.forget(store, 6, now=LATER)
    forgetting.unmark(store, EVERYONE[5])
    subscribers.add(store, EVERYONE[5], now=LATER)
    subscribers.add(store, "new@example.org", now=LATER)

    found, db = bring_back()
    assert found.present == "carried over"
    assert (found.readers.left, found.readers.forgotten, found.readers.suppressed) == (1, 2, 3)
    assert (found.readers.moved, found.readers.paused, found.readers.came) == (1, 1, 2)
    assert active(db) == [EVERYONE[3], "e@example.org", EVERYONE[6], EVERYONE[7]]
    assert forgetting.is_forgotten(db, EVERYONE[1])
    assert db.execute("SELECT way FROM departures").fetchall()[-1:] == [("editor",)]
    assert db.execute("SELECT paused_until, uncounted FROM subscribers WHERE id = 4").fetchone() == (until, 1)
    listed = dict(db.execute("SELECT email_key, reason FROM suppressions").fetchall())
    assert listed[EVERYONE[2]] == "complaint"
    assert listed[EVERYONE[9]] == "hard bounce"
    assert listed["stranger@example.org"] == "hard bounce"
    assert EVERYONE[1] not in listed
    # No number of a reader is given twice: mails that went out have links with it.
    assert subscribers.add(db, "another@example.org", now=LATER)[0].id == 13
    db.close()
    # What was there is as it was.
    assert found.aside is not None
    with closing(open_store(found.aside)) as aside:
        assert find_subscriber(aside, "new@example.org").state == "active"


def test_one_forgotten_by_the_mark_alone_is_forgotten_again(
    store: Database, settings: Settings, bring_back: Restore
) -> None:
    back_up_here(store, settings)
    with writing(store) as connection:
        # As after an earlier restore: the row is another's.
        connection.execute("UPDATE subscribers SET created_at = ? WHERE id = 8", (times.to_text(LATER),))
    forgetting.forget(store, 8, now=LATER)
    found, db = bring_back()
    assert found.readers.forgotten == 1
    assert EVERYONE[7] not in active(db)
    assert forgetting.is_forgotten(db, EVERYONE[7])
    db.close()


def test_an_issue_that_went_out_since_is_known_to_have(
    store: Database, settings: Settings, bring_back: Restore
) -> None:
    back_up_here(store, settings)
    for size in (3, 4):
        hand_over(store, size)
    assert ledger.finish(store, 1, now=LATER)
    # As after a step back to the version before: what there was is of a newer digest.
    store.execute("ALTER TABLE issues ADD COLUMN from_later TEXT")
    store.execute("UPDATE _sqlite_migrations SET name = '9999_later' WHERE name = '0008_running'")
    found, db = bring_back()
    assert (found.issues.carried, found.issues.not_carried, found.in_doubt) == ((1,), (), [])
    assert issues.find_issue(db, 1).state == "sent"
    assert ledger.tally(db, 1)["accepted"] == 10
    assert [row[0] for row in db.execute("SELECT size FROM batches ORDER BY number").fetchall()] == [3, 3, 4]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()


def test_an_issue_that_the_backup_does_not_know_is_not_collected_again(sample: Database, settings: Settings) -> None:
    with writing(sample):
        for email in EVERYONE:
            subscribers.add(sample, email, now=NOW)
    path = back_up_here(sample, settings)
    issues.draft(sample, settings, now=NOW)
    issues.freeze(sample, settings, 1, now=NOW)
    subscribers.add(sample, "new@example.org", now=NOW)
    ledger.freeze_audience(sample, 1, now=NOW)
    assert len(hand_over(sample, 5)) == 5
    sample.close()
    found = restore(settings, path, now=LATER)
    assert found.issues.carried == (1,)
    with closing(open_store(settings.db)) as db:
        assert problems_of(db) == []
        # The eleventh is not known here; the others go on where they were.
        assert ledger.tally(db, 1)["audience"] == 10
        assert ledger.tally(db, 1)["queued"] == 5
        assert issues.draft(db, settings, now=LATER).issue is None


def test_without_the_store_that_was_there_all_that_was_open_is_in_doubt(store: Database, settings: Settings) -> None:
    subscribers.add(store, "eleventh@example.com", now=NOW)
    path = back_up_here(store, settings)
    store.close()
    for file in settings.db.parent.glob("digest.db*"):
        file.unlink()
    found = restore(settings, path, now=LATER)
    assert (found.present, found.aside, found.in_doubt) == ("none", None, [1])
    with closing(open_store(settings.db)) as db:
        assert problems_of(db) == []
        assert issues.find_issue(db, 1).state == "paused"
        # Nobody knows which numbers were given since.
        assert subscribers.add(db, "another@example.org", now=LATER)[0].id == 11 + 100_000 + 1
        (row,) = db.execute("SELECT source, at, knows_until, seen_at FROM restores").fetchall()
        assert row == ("backup.db", times.to_text(LATER), times.to_text(found.knows_until), None)
        assert NOW <= found.knows_until <= LATER


def test_a_damaged_store_is_kept_as_it_lies_and_nothing_is_carried_over(store: Database, settings: Settings) -> None:
    path = back_up_here(store, settings)
    store.close()
    settings.db.write_bytes(b"no database at all" * 100)
    wal = settings.db.with_name("digest.db-wal")
    wal.write_bytes(b"a log of old")
    found = restore(settings, path, now=LATER)
    assert (found.present, found.in_doubt) == ("cannot be read", [1])
    assert found.aside is not None
    assert found.aside.read_bytes().startswith(b"no database at all")
    assert found.aside.with_name(found.aside.name + "-wal").read_bytes() == b"a log of old"
    with closing(open_store(settings.db)) as db:
        assert problems_of(db) == []


def test_a_store_with_a_broken_part_has_the_others_carried_over(
    store: Database, settings: Settings, bring_back: Restore
) -> None:
    back_up_here(store, settings)
    suppression.add_suppression(store, EVERYONE[4], "complaint", source="list", now=LATER)
    store.execute("DROP TABLE api_tokens")
    found, db = bring_back()
    assert found.troubles == ["tokens that were revoked: no such table: api_tokens"]
    assert EVERYONE[4] not in active(db)
    db.close()


def test_an_approved_issue_is_for_a_person(sample: Database, settings: Settings) -> None:
    issues.draft(sample, settings, now=NOW)
    issues.freeze(sample, settings, 1, now=NOW, at=NOW + timedelta(hours=1))
    path = back_up_here(sample, settings)
    sample.close()
    found = restore(settings, path, now=LATER)
    assert found.to_a_person == [1]
    with closing(open_store(settings.db)) as db:
        assert db.execute("SELECT state, by_hand, scheduled_at FROM issues").fetchall() == [("draft", 1, None)]


def test_letters_that_waited_are_mailed_only_where_they_are_known_to_wait_still(
    store: Database, settings: Settings, bring_back: Restore
) -> None:
    for number in (1, 2):
        letterbox.post(store, "welcome", read_address(EVERYONE[number - 1]), subscriber=number, now=NOW)
    back_up_here(store, settings)
    store.execute("UPDATE letters SET state = 'sent', settled_at = ? WHERE subscriber = 1", [times.to_text(NOW)])
    found, db = bring_back()
    assert found.letters_dropped == 1
    rows = db.execute("SELECT subscriber, state FROM letters ORDER BY subscriber").fetchall()
    assert rows == [(1, "dropped"), (2, "queued")]
    db.close()
    store.close()
    found, db = bring_back(keep_letters=True)
    assert db.execute("SELECT count(*) FROM letters WHERE state = 'queued'").fetchone() == (2,)
    db.close()


def test_nobody_comes_in_again_who_was_shut_out_since(store: Database, settings: Settings, bring_back: Restore) -> None:
    ann = people.add(store, "ann@example.com", by=COMMAND_LINE, now=NOW)
    bob = people.add(store, "bob@example.com", role="editor", by=COMMAND_LINE, now=NOW)
    secret = sessions.begin(store, ann.id, way="link", browser="b", now=NOW)
    api_tokens.create(store, "script", scopes=["stats:read"], now=NOW)
    back_up_here(store, settings)
    people.remove(store, bob.id, by=COMMAND_LINE, now=LATER)
    api_tokens.revoke(store, "script", now=LATER)
    found, db = bring_back()
    assert (found.shut_out, found.sessions) == (2, 1)
    assert [one.email for one in people.everyone(db)] == ["ann@example.com"]
    assert sessions.here(db, secret, now=LATER) is None
    assert api_tokens.find(db, "script").revoked_at is not None
    db.close()


def test_another_newsletters_store_is_put_aside_with_what_came_in_for_it(
    store: Database, settings: Settings, tmp_path: Path
) -> None:
    path = back_up_here(store, settings)
    store.close()
    for file in settings.db.parent.glob("digest.db*"):
        file.unlink()
    open_store(settings.db, create=True).close()
    spool = settings.db.with_name("digest.db-spool")
    spool.mkdir()
    found = restore(settings, path, now=LATER)
    assert found.present == "of another newsletter"
    assert found.aside is not None
    assert found.aside.with_name(found.aside.name + "-spool").is_dir()
    assert not spool.exists()


def test_a_backup_that_does_not_pass_changes_nothing(store: Database, settings: Settings, tmp_path: Path) -> None:
    good = back_up_here(store, settings)
    torn = tmp_path / "torn.db"
    torn.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    wrong = tmp_path / "wrong.db"
    wrong.write_bytes(good.read_bytes())
    newer = tmp_path / "newer.db"
    newer.write_bytes(good.read_bytes())
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(wrong)) as connection:
        connection.execute("UPDATE batches SET state = 'claimed' WHERE state = 'settled'")
        connection.commit()
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE _sqlite_migrations SET name = '9999_later' WHERE name LIKE '0008%'")
        connection.commit()
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE songs (title)")
    for name, sql in (
        ("harmful", "CREATE TRIGGER harm AFTER INSERT ON restores BEGIN DELETE FROM suppressions; END"),
        ("robbed", "DROP TABLE suppressions"),
    ):
        (tmp_path / f"{name}.db").write_bytes(good.read_bytes())
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as connection:
            connection.execute(sql)
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("Dear diary, " * 1000)
    store.close()
    before = settings.db.read_bytes()
    for file, said in (
        (torn, "torn.db"),
        (wrong, "wrong.db does not pass its check (batch 1 is claimed"),
        (newer, "newer.db was made by a newer digest"),
        (foreign, "foreign.db is a SQLite file of something else"),
        (tmp_path / "harmful.db", "harmful.db does not pass its check (its trigger harm is none of digest's"),
        (tmp_path / "robbed.db", "robbed.db does not pass its check (it has no table suppressions"),
        (tmp_path / "empty.db", "empty.db is empty, and no backup"),
        (tmp_path / "text.db", "text.db is not a digest store, nor any SQLite file"),
        (tmp_path / "none.db", "there is no file"),
        (settings.db, "is the store itself"),
    ):
        with pytest.raises(StoreError) as error:
            restore(settings, file, now=LATER)
        assert said in str(error.value)
        assert "restoring" not in str(error.value)
    assert settings.db.read_bytes() == before
    assert [path.name for path in tmp_path.glob("digest.db.*")] == []


def test_a_dry_run_says_the_same_and_changes_nothing(store: Database, settings: Settings, bring_back: Restore) -> None:
    path = back_up_here(store, settings)
    remove(store, EVERYONE[0], now=LATER)
    # The store is open, and in use.
    planned = restore(settings, path, now=LATER, dry_run=True)
    assert find_subscriber(store, EVERYONE[0]).state == "unsubscribed"
    found, db = bring_back()
    db.close()
    found.aside = None
    assert planned == found


def test_a_store_that_is_open_anywhere_is_not_replaced(store: Database, settings: Settings) -> None:
    path = back_up_here(store, settings)
    with pytest.raises(StoreError, match=r"another process has .*digest\.db open; stop `digest serve`"):
        restore(settings, path, now=LATER)
    assert ledger.tally(store, 1)["accepted"] == 3
    assert not list(settings.db.parent.glob("digest.db.*"))
