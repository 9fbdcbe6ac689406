"""What a person decides about an issue that is being sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sendings import SETTINGS, address, batches, claim, claimed, counts, sending, state, store_with
from sqlite_utils import Database

from conftest import NOW, remove
from digest.errors import NotFoundError, StateError
from digest.issue import issues
from digest.providers.interface import Answer
from digest.sending import ledger, steering
from digest.sending.ledger_check import check_ledger
from digest.sending.steering import As


def lives(*workers: int) -> Callable[[int], bool]:
    return lambda number: number in workers


def resolve(db: Database, as_: As, *, batch: int = 1, alive: tuple[int, ...] = (), worker: int = 9) -> int:
    return steering.resolve(db, 1, batch, as_, lives=lives(*alive), worker=worker, now=NOW)


def uncertain(readers: int = 3, *, held: bool = False) -> Database:
    """A store in which batch 1, of three, is uncertain or held; its worker, number 2, is dead."""
    db = sending(readers)
    batch = claimed(db)
    mine = ledger.adopt(db, batch.number, before=1, worker=2, trouble="its process died", now=NOW)
    assert mine is not None
    if held:
        ledger.hold(db, mine, "its provider cannot say what it accepted")
    return db


# Cancelling -------------------------------------------------------------------------------------------------------


def test_what_was_queued_of_a_cancelled_issue_is_skipped() -> None:
    db = sending(5)
    ledger.record(db, claimed(db), Answer(), now=NOW)
    issues.pause(db, 1, now=NOW)
    assert steering.cancel(db, 1, now=NOW).state == "cancelled"
    assert counts(db) == {"audience": 5, "accepted": 3, "skipped": 2}
    assert db.execute("SELECT reason FROM deliveries WHERE state = 5").fetchall() == [("cancelled",)] * 2
    assert check_ledger(db) == []


def test_what_is_in_hand_is_not_skipped_by_cancelling() -> None:
    db = sending(5)
    batch = claimed(db)
    issues.pause(db, 1, now=NOW)
    steering.cancel(db, 1, now=NOW)
    assert counts(db) == {"audience": 5, "claimed": 3, "skipped": 2}
    ledger.record(db, batch, Answer(), now=NOW)
    assert counts(db) == {"audience": 5, "accepted": 3, "skipped": 2}


@pytest.mark.parametrize("cancelled", ["draft", "approved"])
def test_an_issue_that_nobody_was_mailed_is_cancelled_too(cancelled: str) -> None:
    db = store_with(2)
    db.execute("UPDATE issues SET state = ?", [cancelled])
    assert steering.cancel(db, 1, now=NOW).state == "cancelled"
    assert counts(db) == {}


@pytest.mark.parametrize("wrong", ["sending", "sent", "cancelled"])
def test_an_issue_that_is_being_sent_is_paused_before_it_is_cancelled(wrong: str) -> None:
    db = sending(2)
    db.execute("UPDATE issues SET state = ?", [wrong])
    with pytest.raises(StateError, match=f"issue 1 is {wrong}; only one that is draft or approved or paused"):
        steering.cancel(db, 1, now=NOW)
    assert counts(db) == {"audience": 2, "queued": 2}


def test_a_cancelled_issue_gives_its_comparisons_back_only_where_nobody_got_it() -> None:
    untouched = sending(2)
    issues.pause(untouched, 1, now=NOW)
    steering.cancel(untouched, 1, now=NOW)
    mailed = sending(2)
    ledger.record(mailed, claimed(mailed, size=1), Answer(), now=NOW)
    issues.pause(mailed, 1, now=NOW)
    steering.cancel(mailed, 1, now=NOW)
    assert issues.draft(untouched, SETTINGS, now=NOW).issue is not None
    assert issues.draft(mailed, SETTINGS, now=NOW).issue is None


# Retrying ---------------------------------------------------------------------------------------------------------


def rejected(db: Database, *readers: int) -> None:
    ledger.record(db, claimed(db, size=9), Answer(rejected=dict.fromkeys(readers, "mailbox full")), now=NOW)


def test_rejected_copies_are_queued_again_and_a_sent_issue_is_sending_again() -> None:
    db = sending(4)
    rejected(db, 2, 3)
    assert ledger.finish(db, 1, now=NOW)
    assert steering.retry_rejected(db, 1, now=NOW) == 2
    assert state(db) == "sending"
    assert issues.find_issue(db, 1).sent_at is None
    assert db.execute("SELECT DISTINCT reason FROM deliveries").fetchall() == [(None,)]
    assert check_ledger(db) == []
    assert [copy[0] for copy in claimed(db).copies] == [2, 3]


def test_who_was_suppressed_since_is_skipped_when_it_is_claimed() -> None:
    db = sending(3)
    rejected(db, 2, 3)
    remove(db, address(3), now=NOW)
    assert steering.retry_rejected(db, 1, now=NOW) == 2
    assert [copy[0] for copy in claimed(db).copies] == [2]
    assert counts(db) == {"audience": 3, "accepted": 1, "claimed": 1, "skipped": 1}


def test_where_none_was_rejected_a_sent_issue_stays_sent() -> None:
    db = sending(2)
    rejected(db)
    ledger.finish(db, 1, now=NOW)
    assert steering.retry_rejected(db, 1, now=NOW) == 0
    assert state(db) == "sent"


def test_a_paused_issue_stays_paused() -> None:
    db = sending(4)
    rejected(db, 1)
    issues.pause(db, 1, now=NOW, trouble="no credits")
    assert steering.retry_rejected(db, 1, now=NOW) == 1
    assert (state(db), issues.find_issue(db, 1).trouble) == ("paused", "no credits")
    assert claim(db) is None


@pytest.mark.parametrize("wrong", ["draft", "approved", "cancelled"])
def test_of_an_issue_that_was_not_mailed_or_is_cancelled_nothing_is_retried(wrong: str) -> None:
    db = sending(2)
    rejected(db, 1)
    db.execute("UPDATE issues SET state = ?", [wrong])
    with pytest.raises(StateError, match=f"issue 1 is {wrong}; only one that is sending or paused or sent"):
        steering.retry_rejected(db, 1, now=NOW)
    assert counts(db)["rejected"] == 1


# Looking at what is uncertain -------------------------------------------------------------------------------------


def test_uncertain_batches_are_listed_with_their_addresses() -> None:
    db = uncertain(7)
    held = claimed(db, worker=3)
    mine = ledger.adopt(db, held.number, before=3, worker=3, trouble="no answer", now=NOW)
    assert mine is not None
    ledger.accept_some(db, mine, {5: None}, by="events", now=NOW)
    ledger.hold(db, mine, "nobody knows")
    claimed(db, worker=4)
    found = steering.unsettled(db, 1)
    assert [(one.batch.number, one.batch.state, one.batch.trouble) for one in found] == [
        (1, "uncertain", "its process died"),
        (2, "held", "nobody knows"),
        (3, "claimed", None),
    ]
    assert [one.addresses for one in found] == [
        tuple(address(reader) for reader in readers) for readers in ((1, 2, 3), (4, 6), (7,))
    ]
    assert [one.batch.size for one in found] == [3, 3, 1]


def test_what_a_living_process_is_handing_over_is_not_listed() -> None:
    db = uncertain(7)
    claimed(db, worker=3)
    claimed(db, worker=4)
    found = steering.unsettled(db, 1, lives=lives(2, 3))
    assert [(one.batch.number, one.batch.state) for one in found] == [(1, "uncertain"), (3, "claimed")]


def test_nothing_uncertain_is_an_empty_list() -> None:
    assert steering.unsettled(sending(2), 1) == []
    with pytest.raises(NotFoundError, match="there is no issue 7"):
        steering.unsettled(sending(2), 7)


# Deciding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [True, False])
def test_a_person_says_that_a_batch_was_accepted(held: bool) -> None:
    db = uncertain(held=held)
    assert resolve(db, "accepted") == 3
    assert counts(db) == {"audience": 3, "accepted": 3}
    assert batches(db, "state, settled_by") == [("settled", "person")]
    assert state(db) == "sent"
    assert check_ledger(db) == []


@pytest.mark.parametrize("held", [True, False])
def test_a_person_says_that_a_batch_is_to_be_sent_again(held: bool) -> None:
    db = uncertain(held=held)
    assert resolve(db, "resend") == 3
    assert counts(db) == {"audience": 3, "queued": 3}
    assert state(db) == "sending"
    assert len(claimed(db).copies) == 3


def test_only_what_is_still_uncertain_of_a_batch_is_decided() -> None:
    db = uncertain()
    mine = ledger.adopt(db, 1, before=2, worker=2, trouble="", now=NOW)
    assert mine is not None
    ledger.accept_some(db, mine, {1: None}, by="events", now=NOW)
    assert resolve(db, "resend") == 2
    assert counts(db) == {"audience": 3, "accepted": 1, "queued": 2}


def test_a_batch_that_its_process_left_claimed_is_decided_too() -> None:
    db = sending(3)
    claimed(db)
    assert resolve(db, "accepted") == 3
    assert batches(db, "state, settled_by, trouble") == [("settled", "person", "its process died")]


def test_of_a_cancelled_issue_nothing_is_sent_again() -> None:
    db = uncertain()
    issues.pause(db, 1, now=NOW)
    steering.cancel(db, 1, now=NOW)
    assert resolve(db, "resend") == 3
    assert counts(db) == {"audience": 3, "skipped": 3}
    assert state(db) == "cancelled"


def test_a_batch_that_a_process_is_at_work_on_is_left_to_it() -> None:
    db = uncertain()
    with pytest.raises(StateError, match="is at work on batch 1; let it finish, or stop it first"):
        resolve(db, "accepted", alive=(2,))
    assert batches(db, "state, worker") == [("uncertain", 2)]


def test_a_held_batch_may_be_decided_while_its_process_is_at_work_on_others() -> None:
    db = uncertain(held=True)
    assert resolve(db, "accepted", alive=(2,)) == 3


def test_of_two_who_decide_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    db = uncertain()
    adopt: Any = ledger.adopt

    def late(*arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        resolve(db, "accepted")
        return adopt(*arguments, **named)

    monkeypatch.setattr(ledger, "adopt", late)
    with pytest.raises(StateError, match="another process took batch 1 up meanwhile"):
        resolve(db, "resend", worker=8)
    assert counts(db) == {"audience": 3, "accepted": 3}


@pytest.mark.parametrize("batch", [2, 99])
def test_a_batch_that_is_not_open_cannot_be_decided(batch: int) -> None:
    db = uncertain(6)
    ledger.record(db, claimed(db), Answer(), now=NOW)
    with pytest.raises(NotFoundError, match=f"issue 1 has no uncertain batch {batch}; `digest uncertain 1` lists them"):
        resolve(db, "resend", batch=batch)
    with pytest.raises(NotFoundError, match="there is no issue 2"):
        steering.resolve(db, 2, 1, "resend", lives=lives(), worker=9, now=NOW)
