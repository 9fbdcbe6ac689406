"""Uncertain batches that events settle while nobody is at work on them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sendings import batches, claim, claimed, counts, event, sending, state

from conftest import NOW
from digest.events import Kind
from digest.issue import issues
from digest.providers.interface import Answer, UncertainError
from digest.sending import evidence, ledger
from digest.sending.ledger import Claimed, Settled
from digest.sending.ledger_check import check_ledger
from digest.sending.steering import retry_rejected
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


def queued_again(db: Database, by: Settled = "person") -> Claimed:
    batch = held(db)
    ledger.settle(db, batch, {}, by=by, now=NOW)
    return batch


@pytest.mark.parametrize("by", ["person", "setting"])
def test_a_copy_that_was_queued_again_and_arrived_does_not_go_out_twice(db: Database, by: Settled) -> None:
    queued_again(db, by)
    assert settle(db) == 0
    assert counts(db) == {"audience": 3, "queued": 3}
    event(db, 2)
    assert settle(db) == 1
    assert counts(db) == {"audience": 3, "queued": 2, "accepted": 1}
    assert [copy[0] for copy in claimed(db).copies] == [1, 3]
    assert check_ledger(db) == []
    assert settle(db) == 0


def test_when_all_that_were_queued_again_arrived_the_issue_is_sent(db: Database) -> None:
    queued_again(db)
    for reader in (1, 2, 3):
        event(db, reader, Kind.BOUNCED if reader == 2 else Kind.DELIVERED)
    assert settle(db) == 3
    assert (state(db), counts(db)) == ("sent", {"audience": 3, "accepted": 3})
    assert check_ledger(db) == []
    assert claim(db) is None


def test_one_copy_shows_that_all_that_were_queued_again_arrived_where_a_call_is_taken_whole(db: Database) -> None:
    queued_again(db)
    event(db, 2)
    assert settle(db, whole=True) == 3


@pytest.mark.parametrize(("kind", "at"), [(Kind.VOTED, NOW), (Kind.DELIVERED, NOW - timedelta(seconds=5))])
def test_what_happened_before_or_by_another_mail_keeps_no_copy_back(db: Database, kind: Kind, at: datetime) -> None:
    queued_again(db)
    event(db, 2, kind, at=at)
    assert settle(db) == 0
    assert len(claimed(db).copies) == 3


def test_a_copy_that_is_handed_over_again_meanwhile_is_left_to_its_new_batch(db: Database) -> None:
    queued_again(db)
    later = NOW + timedelta(minutes=10)
    again = claimed(db, 2, worker=ALIVE, now=later)
    event(db, 1)
    event(db, 3)
    assert settle(db) == 1
    assert counts(db) == {"audience": 3, "claimed": 2, "accepted": 1}
    assert [copy[0] for copy in again.copies] == [1, 2]
    assert check_ledger(db) == []


def test_what_a_provider_refused_or_a_person_tries_again_is_not_kept_back() -> None:
    db = sending(6)
    refused = claimed(db)
    ledger.record(db, refused, Answer(rejected={1: "no"}, again={2: "later"}), now=NOW)
    said = claimed(db, after=3)
    ledger.settle(db, said, {}, by="person", now=NOW)
    retry_rejected(db, 1, now=NOW)
    for reader in (1, 2, 5):
        event(db, reader, Kind.BOUNCED)
    assert settle(db) == 1
    assert counts(db) == {"audience": 6, "queued": 4, "accepted": 2}
    assert check_ledger(db) == []


def test_what_was_claimed_between_looking_and_writing_is_left_alone(db: Database) -> None:
    queued_again(db)
    (looked_at,) = ledger.queued_again(db, 1)
    claimed(db, 2, worker=ALIVE)
    assert ledger.accept_queued(db, looked_at, [1, 2, 3], now=NOW) == 1
    assert counts(db) == {"audience": 3, "claimed": 2, "accepted": 1}


def test_figures_of_a_paused_issue_follow_what_was_taken_out_of_the_queue(db: Database) -> None:
    queued_again(db)
    issues.pause(db, 1, now=NOW)
    counting.roll_up(db, 1, now=NOW)
    event(db, 2)
    later = NOW + timedelta(seconds=1)
    assert evidence.settle(db, whole=lambda provider, account: False, lives=lambda number: False, now=later) == 1
    assert counting.to_roll_up(db) == [1]
    assert (state(db), recount(db, now=later).wrong) == ("paused", [])


def test_batches_a_person_spoke_of_are_found_by_an_index(db: Database) -> None:
    sql = "SELECT DISTINCT b.issue FROM batches b WHERE b.settled_by IN ('setting', 'person')"
    assert "batches_said" in str(db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())


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
