"""Uncertain batches that events settle while nobody is at work on them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sendings import batches, claimed, counts, event, sending, state

from conftest import NOW
from digest.events import Kind
from digest.issue import issues
from digest.providers.interface import UncertainError
from digest.sending import evidence, ledger
from digest.sending.ledger import Claimed
from digest.sending.ledger_check import check_ledger
from digest.sending.uncertain import seen
from digest.settings import Settings
from digest.store import Database
from digest.tracking import counting
from digest.tracking.recounting import recount

DEAD, ALIVE = 1, 7


@pytest.fixture
def db() -> Database:
    return sending(3)


def held(db: Database) -> Claimed:
    batch = claimed(db, worker=DEAD)
    taken = ledger.adopt(db, batch.number, before=DEAD, worker=DEAD, trouble="the line went dead", now=NOW)
    assert taken is not None
    ledger.hold(db, taken, "nobody can say")
    return taken


def settle(db: Database, *, whole: bool = False) -> int:
    return evidence.settle(db, whole=lambda provider, account: whole, lives=lambda number: number == ALIVE, now=NOW)


def test_a_held_batch_settles_copy_by_copy_without_a_person(db: Database) -> None:
    held(db)
    assert settle(db) == 0
    event(db, 2)
    assert settle(db) == 1
    assert counts(db) == {"audience": 3, "accepted": 1, "uncertain": 2}
    assert batches(db, "state, trouble, worker") == [("held", "nobody can say", DEAD)]
    event(db, 1, Kind.BOUNCED)
    event(db, 3, Kind.DEFERRED)
    assert settle(db) == 2
    assert batches(db, "state, settled_by") == [("settled", "events")]
    assert state(db) == "sent"
    assert check_ledger(db) == []


def test_one_copy_proves_all_where_a_call_is_taken_whole(db: Database) -> None:
    held(db)
    event(db, 2)
    assert settle(db, whole=True) == 3
    assert state(db) == "sent"


def test_a_batch_whose_process_died_is_settled_and_what_is_left_is_taken_up_by_the_next(db: Database) -> None:
    claimed(db, worker=DEAD)
    event(db, 3)
    assert settle(db) == 1
    assert batches(db, "state, worker") == [("uncertain", DEAD)]
    again = ledger.adopt(db, 1, before=DEAD, worker=ALIVE, trouble="", now=NOW)
    assert again is not None
    assert [copy[0] for copy in again.copies] == [1, 2]
    assert not again.unchanged


def test_a_copy_that_is_proven_while_its_issue_is_paused_is_counted(db: Database) -> None:
    held(db)
    issues.pause(db, 1, now=NOW)
    counting.roll_up(db, 1, now=NOW)
    assert counting.to_roll_up(db) == []
    event(db, 2)
    later = NOW + timedelta(seconds=1)
    assert evidence.settle(db, whole=lambda provider, account: False, lives=lambda number: False, now=later) == 1
    assert counting.to_roll_up(db) == [1]
    assert (state(db), recount(db, now=later).wrong) == ("paused", [])


@pytest.mark.parametrize("uncertain", [False, True])
def test_what_a_living_process_has_in_hand_is_left_to_it(db: Database, *, uncertain: bool) -> None:
    claimed(db, worker=ALIVE)
    if uncertain:
        ledger.adopt(db, 1, before=ALIVE, worker=ALIVE, trouble=str(UncertainError("?")), now=NOW)
    before = batches(db, "*")
    event(db, 1)
    assert settle(db) == 0
    assert batches(db, "*") == before


def test_a_batch_of_which_nothing_was_heard_stays_as_it_is(db: Database) -> None:
    held(db)
    before = batches(db, "*")
    event(db, 1, Kind.UNSUBSCRIBED)
    assert settle(db) == 0
    assert batches(db, "*") == before


def test_what_was_read_was_accepted_where_it_is_known_who_read(db: Database) -> None:
    batch = held(db)
    at = int(NOW.timestamp() * 1000)
    db.execute("INSERT INTO readings VALUES (1, 2, 5, 0, ?, 0, 2, 0), (1, 3, 5, 0, ?, 0, 1, 0)", [at, at - 5000])
    assert seen(db, batch) == frozenset()
    db.execute("""UPDATE issues SET tracking = '{"mode": "readers"}'""")
    assert seen(db, batch) == {2}
    db.execute("""UPDATE issues SET tracking = '{"mode": "counts"}'""")
    assert seen(db, batch) == frozenset()


def test_whether_a_call_is_taken_whole_is_asked_of_the_provider_as_it_is_set_up() -> None:
    resend = {"key": "re_k"}
    whole = evidence.whole_by(Settings(providers={"resend": resend}))
    from digest.providers import connect

    account = connect("resend", resend).account
    assert whole("resend", account)
    assert not whole("resend", "another")
    assert not whole("postmark", "it has no token")
    assert not whole("gone", "here")
