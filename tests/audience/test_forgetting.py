from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.audience import changing_address, consents, letterbox, subscribers
from digest.audience.addresses import read_address
from digest.audience.forgetting import forget, forgotten_among, is_forgotten, mark_of, unmark
from digest.audience.health import health
from digest.audience.leaving import give_reason, leave
from digest.audience.subscribers import count_audience
from digest.catalogue import voting
from digest.errors import StateError
from digest.events import Kind
from digest.settings import Settings
from digest.store import file_of, writing

EMAIL = "Ada.Lovelace@example.com"
KEY = "ada.lovelace@example.com"


@pytest.fixture
def ada(db: Database, settings: Settings) -> int:
    """A reader who left traces in every table."""
    id_ = subscribers.add(db, EMAIL, now=NOW, name="Ada Lovelace", timezone="Europe/London")[0].id
    other = subscribers.add(db, "bob@example.com", now=NOW)[0].id
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, created_at, updated_at)"
            " VALUES (7, 'draft', '', '', '', '', '', '')"
        )
        connection.execute(
            "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last, size,"
            " claimed_at, trouble) VALUES (1, 7, 'smtp', '', 'k', 1, 'settled', ?1, ?1, 1, '', ?2)",
            (id_, f"550 5.1.1 <{EMAIL.title()}>: User unknown"),
        )
        connection.execute(
            "UPDATE issues SET trouble = ?", (f"550 <{KEY}> and ada.new@example.com: User unknown; it is paused",)
        )
        connection.execute(
            "INSERT INTO deliveries (issue, subscriber, state, batch, reason) VALUES (7, ?, 3, 1, ?)",
            (id_, f"550 5.1.1 <{EMAIL}>: User unknown"),
        )
        connection.executemany(
            "INSERT INTO tools (slug, name, name_key, created_at, updated_at) VALUES (?1, ?1, ?1, '', '')",
            [("claude-code",), ("cursor",)],
        )
        connection.execute(
            "INSERT INTO events (issue, subscriber, kind, key, detail, at) VALUES (7, ?, 3, 'soft', ?, 0)",
            (id_, f"452 4.2.2 <{EMAIL}> is over quota"),
        )
        connection.execute('UPDATE issues SET tracking = \'{"mode": "readers"}\'')
        connection.executemany(
            "INSERT INTO readings (issue, copy, kind, link, at, agent, mark, why) VALUES (7, ?, 6, ?, 0, 0, 1, 0)",
            [(id_, 1), (id_, 2), (id_ + 1, 1)],
        )
        connection.execute(
            "INSERT INTO api_tokens (id, name, hash, scopes, created_at) VALUES (1, 'shop', x'00', '[]', '')"
        )
        connection.execute(
            "INSERT INTO answers (token, key, fingerprint, status, body, made_at) VALUES (1, 'k', x'00', 201, ?, '')",
            (f'{{"email": "{EMAIL}"}}'.encode(),),
        )
    keeping = settings.model_copy(update={"consent_details": "kept"})
    witness = consents.Witness("the page of Ada Lovelace", "192.0.2.7", "Ada's browser")
    consents.record(db, keeping, id_, "asked", witness, now=NOW, words="Ada agreed")
    letterbox.post(db, "welcome", read_address(EMAIL), subscriber=id_, now=NOW)
    changing_address.ask(db, id_, "ada.new@example.com", letters_a_day=3, now=NOW)
    # Another reader asked to move to this address.
    changing_address.ask(db, other, EMAIL, letters_a_day=3, now=NOW)
    for tool in ("claude-code", "cursor"):
        voting.vote(db, tool, f"copy:{id_}", "ship", now=NOW)
    leave(db, id_, way="page", issue=7, now=NOW)
    give_reason(db, id_, reason="other", words="Ada is going away")
    return id_


def all_of(db: Database) -> str:
    return "\n".join(db.conn.iterdump())


def test_nothing_that_says_who_it_was_is_left(db: Database, ada: int) -> None:
    before = all_of(db)
    assert all(word in before for word in ("Lovelace", "lovelace", "ada.new@", "192.0.2.7", "Ada agreed"))
    assert forget(db, ada, now=NOW)
    after = all_of(db)
    assert re.findall(r"[^\n]*(?:lovelace|\bada\b|192\.0\.2\.7|Europe/London)[^\n]*", after, re.IGNORECASE) == []


def test_nothing_of_it_is_left_in_the_file_either(db: Database, ada: int) -> None:
    forget(db, ada, now=NOW)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with open(file_of(db), "rb") as file:
        assert b"lovelace" not in file.read().lower()


def test_numbers_stay(db: Database, ada: int) -> None:
    forget(db, ada, now=NOW)
    assert db.execute("SELECT issue, subscriber, state, reason FROM deliveries").fetchall() == [
        (7, ada, 3, "forgotten")
    ]
    assert db.execute("SELECT trouble FROM batches").fetchall() == [("550 5.1.1 <a forgotten address>: User unknown",)]
    assert db.execute("SELECT kind, detail FROM events").fetchall() == [
        (Kind.BOUNCED, None), (Kind.UNSUBSCRIBED, None),
    ]  # fmt: skip
    readings = db.execute("SELECT copy, link FROM readings ORDER BY copy, link").fetchall()
    assert readings == [(readings[0][0], 1), (readings[0][0], 2), (ada + 1, 1)]
    assert readings[0][0] < 0
    votes = db.execute("SELECT voter, verdict FROM votes").fetchall()
    assert [verdict for _, verdict in votes] == ["ship", "ship"]
    assert len({voter for voter, _ in votes}) == 2
    assert not any(str(ada) == voter.rpartition(":")[2] for voter, _ in votes)
    assert db.execute("SELECT way, reason, words FROM departures").fetchall() == [("page", "other", None)]


def test_the_row_says_nothing_and_counts_once(db: Database, ada: int) -> None:
    forget(db, ada, now=NOW)
    mark = mark_of(db, KEY, now=NOW)
    row = db.execute(
        "SELECT email, email_key, name, timezone, topic_set, paused_until, confirmed_at, source, state"
        " FROM subscribers WHERE id = ?",
        [ada],
    ).fetchone()
    assert row == ("", mark, None, None, None, None, None, "forgotten", "unsubscribed")
    assert re.fullmatch("forgotten:[0-9a-f]{64}", mark)
    assert db.execute("SELECT email_key, reason FROM suppressions").fetchall() == [(mark, "forgotten")]
    assert (count_audience(db)["unsubscribed"], count_audience(db)["suppressed"]) == (0, 1)
    assert (health(db, now=NOW).unsubscribed, health(db, now=NOW).suppressed["forgotten"]) == (0, 1)


def test_the_mark_knows_the_address_and_no_other(db: Database, ada: int) -> None:
    assert not is_forgotten(db, KEY)
    forget(db, ada, now=NOW)
    assert is_forgotten(db, KEY)
    assert not is_forgotten(db, "bob@example.com")
    assert forgotten_among(db, [KEY, "bob@example.com", "c@example.com"]) == {KEY}


def test_asking_whether_somebody_is_forgotten_writes_nothing(db: Database) -> None:
    db.execute("DELETE FROM keys WHERE name = 'marks'")
    before = all_of(db)
    assert not is_forgotten(db, KEY)
    assert all_of(db) == before


def test_forgetting_twice_is_forgetting_once(db: Database, ada: int) -> None:
    forget(db, ada, now=NOW)
    before = all_of(db)
    assert not forget(db, ada, now=NOW + timedelta(days=1))
    assert not forget(db, 999, now=NOW)
    assert all_of(db) == before


def test_the_same_person_may_come_anew_and_be_forgotten_again(db: Database, ada: int) -> None:
    forget(db, ada, now=NOW)
    assert unmark(db, KEY)
    assert not is_forgotten(db, KEY)
    assert not unmark(db, KEY)
    again = subscribers.add(db, EMAIL, now=NOW)[0].id
    assert again != ada
    assert forget(db, again, now=NOW)
    assert is_forgotten(db, KEY)
    keys = [key for (key,) in db.execute("SELECT email_key FROM subscribers WHERE source = 'forgotten'")]
    assert len(set(keys)) == 2


def test_who_comes_anew_without_the_mark_being_taken_away_can_be_forgotten_too(db: Database, ada: int) -> None:
    forget(db, ada, now=NOW)
    with writing(db) as connection:
        new = connection.execute(
            "INSERT INTO subscribers (email, email_key, state, source, created_at, updated_at)"
            " VALUES (?, ?, 'pending', 'the form', '', '') RETURNING id",
            (EMAIL, KEY),
        ).fetchone()[0]
    assert forget(db, new, now=NOW)


def test_nobody_who_is_forgotten_is_added_by_hand(db: Database, ada: int) -> None:
    forget(db, ada, now=NOW)
    with pytest.raises(StateError, match="forgotten"):
        subscribers.add(db, EMAIL, now=NOW)


def test_a_block_that_fails_forgets_nothing(db: Database, ada: int) -> None:
    before = all_of(db)
    with pytest.raises(ZeroDivisionError), writing(db):
        assert 1 / (not forget(db, ada, now=NOW))
    assert all_of(db) == before
