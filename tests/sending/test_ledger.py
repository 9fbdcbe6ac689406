"""Claim, hand over, record: the rules of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sendings import address, batches, claim, claimed, counts, sending, state, store_with, subscribe
from sqlite_utils import Database

from conftest import NOW, remove
from digest.audience import subscribers
from digest.audience.addresses import read_address
from digest.errors import StateError
from digest.issue import issues
from digest.providers.interface import Answer
from digest.sending import ledger, steering
from digest.sending.ledger import Claimed

LATER = NOW + timedelta(minutes=5)
GONE = [
    ("unsubscribed", lambda db: remove(db, address(1), now=NOW)),
    ("complaint", lambda db: suppress(db, 1, "complaint")),
    ("pending", lambda db: db.execute("UPDATE subscribers SET state = 'pending' WHERE id = 1")),
]


def suppress(db: Database, reader: int, reason: subscribers.Reason) -> None:
    subscribers.suppress(db, read_address(address(reader)).key, reason, now=NOW)


def adopted(db: Database, batch: Claimed, *, before: int = 1, worker: int = 2) -> Claimed:
    """The batch as worker 2 takes it over from worker 1."""
    found = ledger.adopt(db, batch.number, before=before, worker=worker, trouble="its process died", now=LATER)
    assert found is not None
    return found


def readers(batch: Claimed) -> list[int]:
    return [copy[0] for copy in batch.copies]


def deliveries(db: Database) -> list[tuple[Any, ...]]:
    return list(db.execute("SELECT subscriber, state, reason FROM deliveries ORDER BY subscriber").fetchall())


def ids(db: Database, *which: int) -> list[str | None]:
    return [ledger.message_id(db, 1, reader) for reader in which]


# Freezing the audience --------------------------------------------------------------------------------------------


def test_the_audience_is_frozen_when_sending_begins() -> None:
    db = store_with(5)
    suppress(db, 1, "complaint")
    remove(db, address(2), now=NOW)
    assert ledger.freeze_audience(db, 1, now=NOW) == 3
    subscribers.add(db, "latecomer@example.com", now=NOW)
    assert counts(db) == {"audience": 3, "queued": 3}


def test_with_nobody_to_mail_the_issue_stays_approved() -> None:
    db = store_with(0)
    with pytest.raises(StateError, match="nobody is subscribed"):
        ledger.freeze_audience(db, 1, now=NOW)
    assert state(db) == "approved"
    assert issues.find_issue(db, 1).nonce is None


def test_two_who_begin_at_once_freeze_one_audience() -> None:
    db = sending(2)
    nonce = issues.find_issue(db, 1).nonce
    subscribers.add(db, "latecomer@example.com", now=NOW)
    assert ledger.freeze_audience(db, 1, now=NOW) == 2
    assert counts(db) == {"audience": 2, "queued": 2}
    assert issues.find_issue(db, 1).nonce == nonce


def test_each_sending_draws_its_own_nonce() -> None:
    found = {issues.find_issue(sending(1), 1).nonce for _ in range(3)}
    assert len(found) == 3
    assert None not in found


def test_an_issue_that_was_cancelled_meanwhile_is_not_begun() -> None:
    db = store_with(2)
    issues.cancel(db, 1, now=NOW)
    with pytest.raises(StateError, match="not approved any more"):
        ledger.freeze_audience(db, 1, now=NOW)
    assert counts(db) == {}


# Claiming ---------------------------------------------------------------------------------------------------------


def test_a_claimed_delivery_is_in_one_batch() -> None:
    db = sending(5)
    first, second = claimed(db), claimed(db, worker=2)
    assert (readers(first), readers(second)) == ([1, 2, 3], [4, 5])
    assert first.copies[0] == (1, address(1), "Reader 1")
    assert first.idempotency_key != second.idempotency_key
    assert len(first.idempotency_key) == 32
    assert claim(db) is None
    assert counts(db) == {"audience": 5, "claimed": 5}
    assert batches(db, "number, provider, account, worker, state, first, last, size") == [
        (1, "taker", "here", 1, "claimed", 1, 3, 3),
        (2, "taker", "here", 2, "claimed", 4, 5, 2),
    ]


def test_claiming_goes_on_after_the_subscriber_it_is_told() -> None:
    db = sending(5)
    assert readers(claimed(db, size=2, after=3)) == [4, 5]
    assert claim(db, after=3) is None
    assert readers(claimed(db, size=9)) == [1, 2, 3]


def test_what_was_claimed_meanwhile_is_left_out_of_a_stretch() -> None:
    db = sending(5)
    claimed(db, size=2, after=1)
    batch = claimed(db, size=9)
    assert readers(batch) == [1, 4, 5]
    assert db.execute("SELECT batch FROM deliveries").fetchall() == [(2,), (1,), (1,), (2,), (2,)]


def test_who_left_since_the_freeze_is_skipped_with_the_reason() -> None:
    db = sending(4)
    remove(db, address(1), now=NOW)
    suppress(db, 2, "hard bounce")
    db.execute("UPDATE subscribers SET state = 'pending' WHERE id = 3")
    assert readers(claimed(db, size=10)) == [4]
    assert deliveries(db) == [(1, 5, "unsubscribed"), (2, 5, "hard bounce"), (3, 5, "pending"), (4, 1, None)]


def test_a_stretch_of_only_skipped_ones_makes_no_batch() -> None:
    db = sending(3)
    for number in (1, 2):
        remove(db, address(number), now=NOW)
    batch = claimed(db, size=2)
    assert (batch.copies, batch.last) == ((), 2)
    assert batches(db, "number") == []
    assert readers(claimed(db, after=batch.last)) == [3]


@pytest.mark.parametrize("wrong", ["paused", "cancelled", "sent", "approved"])
def test_nothing_is_claimed_of_an_issue_that_is_not_being_sent(wrong: str) -> None:
    db = sending(2)
    db.execute("UPDATE issues SET state = ?", [wrong])
    assert claim(db) is None
    assert counts(db) == {"audience": 2, "queued": 2}


def test_a_day_s_cap_counts_all_batches_of_the_provider() -> None:
    db = sending(9)
    assert len(claimed(db, size=3, a_day=5).copies) == 3
    assert len(claimed(db, size=3, a_day=5).copies) == 2
    assert claim(db, size=3, a_day=5) is None
    assert len(claimed(db, size=3, a_day=5, provider="other").copies) == 3
    tomorrow = NOW + timedelta(days=1)
    assert len(claimed(db, size=3, a_day=5, now=tomorrow).copies) == 1
    assert ledger.copies_on(db, "taker", "2026-11-26") == 5
    assert ledger.copies_on(db, "taker", "2026-11-27") == 1
    assert ledger.copies_on(db, "taker", "2026-11-25") == 0
    assert ledger.days_before(db, "taker", "2026-11-28") == 2
    assert ledger.days_before(db, "taker", "2026-11-26") == 0


def test_the_day_of_a_cap_is_counted_in_utc() -> None:
    db = sending(2)
    early = datetime.fromisoformat("2026-11-27T01:00:00+02:00")
    claimed(db, now=early)
    assert ledger.copies_on(db, "taker", "2026-11-26") == 2


def test_only_readers_in_the_zones_asked_for_are_claimed() -> None:
    db = store_with(6, {1: "Asia/Tokyo", 3: "Europe/Berlin", 5: "Asia/Tokyo"})
    ledger.freeze_audience(db, 1, now=NOW)
    remove(db, address(5), now=NOW)
    assert claim(db, zones=[]) is None
    assert readers(claimed(db, size=9, zones=["Asia/Tokyo"])) == [1]
    assert claim(db, zones=["Asia/Tokyo"]) is None
    assert readers(claimed(db, size=2, zones=[""])) == [2, 4]
    assert readers(claimed(db, size=9, zones=["", "Europe/Berlin"])) == [3, 6]
    assert counts(db) == {"audience": 6, "claimed": 5, "skipped": 1}


# Recording what the provider said ---------------------------------------------------------------------------------


def test_each_copy_gets_its_own_outcome() -> None:
    db = sending(3)
    batch = claimed(db)
    ledger.record(db, batch, Answer(["abc", "def"], rejected={2: "no such mailbox"}), now=LATER)
    assert deliveries(db) == [(1, 2, None), (2, 3, "no such mailbox"), (3, 2, None)]
    assert ids(db, 1, 2, 3) == ["abc", None, "def"]
    assert batches(db, "state, settled_by, trouble, settled_at") == [
        ("settled", "answer", None, "2026-11-26T09:05:00.000000Z")
    ]
    assert ledger.finish(db, 1, now=NOW)
    assert state(db) == "sent"


def test_what_was_not_taken_is_queued_again() -> None:
    db = sending(3)
    ledger.record(db, claimed(db), Answer(again={2: "throttled"}), now=NOW)
    assert counts(db) == {"audience": 3, "accepted": 2, "queued": 1}
    assert deliveries(db)[1] == (2, 0, None)
    assert readers(claimed(db)) == [2]


def test_what_was_not_taken_of_a_cancelled_issue_is_skipped() -> None:
    db = sending(3)
    batch = claimed(db, size=2)
    issues.pause(db, 1, now=NOW)
    steering.cancel(db, 1, now=NOW)
    ledger.record(db, batch, Answer(again={2: "throttled"}), now=NOW)
    assert deliveries(db) == [(1, 2, None), (2, 5, "cancelled"), (3, 5, "cancelled")]


def test_a_batch_stays_open_while_some_of_it_are_uncertain() -> None:
    db = sending(3)
    batch = claimed(db)
    ledger.record(db, batch, Answer(["a"], uncertain={2: "no answer", 3: "no answer"}), now=LATER)
    assert counts(db) == {"audience": 3, "accepted": 1, "uncertain": 2}
    assert batches(db, "state, settled_by, settled_at, uncertain_at, trouble") == [
        ("uncertain", None, None, "2026-11-26T09:05:00.000000Z", "no answer")
    ]
    rest = adopted(db, batch, worker=1)
    assert readers(rest) == [2, 3]
    assert not rest.unchanged
    ledger.settle(db, rest, {2: "b"}, by="asked", now=NOW)
    assert ids(db, 1, 2, 3) == ["a", "b", None]
    assert counts(db) == {"audience": 3, "accepted": 2, "queued": 1}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer(rejected={99: "who"}), "names copies that are not in it"),
        (Answer(again={99: "who"}), "names copies that are not in it"),
        (Answer(uncertain={99: "who"}), "names copies that are not in it"),
        (Answer(["a", "b"]), "2 message ids for 3 copies"),
        (Answer(["a", "b", "c"], rejected={1: "no"}), "3 message ids for 2 copies"),
    ],
)
def test_an_answer_that_does_not_fit_the_batch_records_nothing(answer: Answer, complaint: str) -> None:
    db = sending(3)
    batch = claimed(db)
    with pytest.raises(ValueError, match=complaint):
        ledger.record(db, batch, answer, now=NOW)
    assert counts(db) == {"audience": 3, "claimed": 3}


def test_a_late_answer_to_a_batch_that_was_settled_changes_nothing() -> None:
    db = sending(3)
    batch = claimed(db)
    ledger.settle(db, adopted(db, batch), {}, by="asked", now=NOW)
    for late in (
        lambda: ledger.record(db, batch, Answer(), now=NOW),
        lambda: ledger.release(db, batch, "refused", now=NOW),
        lambda: ledger.split(db, batch, "refused", rejected={}, worker=1, now=NOW),
        lambda: ledger.accept_some(db, batch, {1: None}, by="events", now=NOW),
    ):
        with pytest.raises(StateError, match="settled by another worker"):
            late()
    assert counts(db) == {"audience": 3, "queued": 3}


def test_a_late_answer_does_not_touch_the_batch_that_the_copies_are_in_now() -> None:
    db = sending(3)
    batch = claimed(db)
    ledger.settle(db, adopted(db, batch), {}, by="asked", now=NOW)
    again = claimed(db)
    with pytest.raises(StateError, match="settled by another worker"):
        ledger.record(db, batch, Answer(rejected={1: "late"}), now=NOW)
    ledger.record(db, again, Answer(), now=NOW)
    assert counts(db) == {"audience": 3, "accepted": 3}


# The provider's ids -----------------------------------------------------------------------------------------------


def test_one_id_for_the_whole_call_is_that_of_each_copy() -> None:
    db = sending(3)
    ledger.record(db, claimed(db), Answer(["call-7"], rejected={1: "no"}), now=NOW)
    assert ids(db, 1, 2, 3) == [None, "call-7", "call-7"]


def test_a_provider_may_give_no_ids() -> None:
    db = sending(2)
    ledger.record(db, claimed(db), Answer(), now=NOW)
    assert ids(db, 1, 2, 77) == [None, None, None]
    assert batches(db, "message_ids") == [(None,)]


def test_ids_with_spaces_and_of_readers_far_apart_are_kept() -> None:
    db = sending(9)
    for number in (2, 3, 4, 6, 7, 8):
        remove(db, address(number), now=NOW)
    ledger.record(db, claimed(db, size=9), Answer(["12 drummers", "", "<x@y> 9"]), now=NOW)
    assert ids(db, 1, 5, 9) == ["12 drummers", None, "<x@y> 9"]


def test_a_copy_that_is_tried_again_has_the_id_of_the_call_that_took_it() -> None:
    db = sending(3)
    ledger.record(db, claimed(db), Answer(["a", "c"], rejected={2: "full"}), now=NOW)
    steering.retry_rejected(db, 1, now=NOW)
    ledger.record(db, claimed(db), Answer(["b"]), now=NOW)
    assert ids(db, 1, 2, 3) == ["a", "b", "c"]


def test_ids_shown_piece_by_piece_are_put_together() -> None:
    db = sending(3)
    batch = claimed(db)
    ledger.record(db, batch, Answer(["a"], uncertain={2: "?", 3: "?"}), now=NOW)
    ledger.accept_some(db, adopted(db, batch), {3: "c"}, by="events", now=NOW)
    ledger.settle(db, adopted(db, batch, before=2, worker=3), {2: "b"}, by="asked", now=NOW)
    assert ids(db, 1, 2, 3) == ["a", "b", "c"]


def test_the_id_of_one_copy_is_not_taken_for_that_of_another() -> None:
    db = sending(2)
    ledger.settle(db, adopted(db, claimed(db)), {1: "a", 2: None}, by="asked", now=NOW)
    assert ids(db, 1, 2) == ["a", None]


# Proven not accepted ----------------------------------------------------------------------------------------------


def test_a_released_batch_is_queued_again_and_is_not_counted_for_its_day() -> None:
    db = sending(3)
    batch = claimed(db)
    ledger.release(db, batch, "too many requests", now=NOW + timedelta(days=1))
    assert counts(db) == {"audience": 3, "queued": 3}
    assert batches(db, "state, settled_by, trouble") == [("settled", "refused", "too many requests")]
    assert ledger.copies_on(db, "taker", "2026-11-26") == 0
    assert claimed(db).idempotency_key != batch.idempotency_key


def test_what_is_released_of_a_cancelled_issue_is_skipped() -> None:
    db = sending(3)
    batch = claimed(db, size=2)
    issues.pause(db, 1, now=NOW)
    steering.cancel(db, 1, now=NOW)
    ledger.release(db, batch, "too many requests", now=NOW)
    assert deliveries(db) == [(reader, 5, "cancelled") for reader in (1, 2, 3)]


def test_a_refused_batch_is_halved() -> None:
    db = sending(5)
    batch = claimed(db, size=5)
    parts = ledger.split(db, batch, "something in it", rejected={}, worker=1, now=LATER)
    assert [readers(part) for part in parts] == [[1, 2], [3, 4, 5]]
    assert len({batch.idempotency_key, *(part.idempotency_key for part in parts)}) == 3
    assert batches(db, "number, state, settled_by, trouble") == [
        (1, "settled", "refused", "something in it"),
        (2, "claimed", None, None),
        (3, "claimed", None, None),
    ]
    assert counts(db) == {"audience": 5, "claimed": 5}
    assert ledger.copies_on(db, "taker", "2026-11-26") == 5
    ledger.record(db, parts[0], Answer(), now=NOW)
    ledger.release(db, parts[1], "not handed over", now=NOW)
    assert counts(db) == {"audience": 5, "accepted": 2, "queued": 3}
    assert ledger.copies_on(db, "taker", "2026-11-26") == 2


def test_copies_that_were_named_are_rejected_and_the_others_stay_together() -> None:
    db = sending(4)
    (part,) = ledger.split(
        db, claimed(db, size=4), "two are wrong", rejected={1: "no domain", 3: "no at sign"}, worker=1, now=NOW
    )
    assert readers(part) == [2, 4]
    assert deliveries(db) == [(1, 3, "no domain"), (2, 1, None), (3, 3, "no at sign"), (4, 1, None)]
    assert ledger.copies_on(db, "taker", "2026-11-26") == 2


def test_where_all_are_named_nothing_is_left() -> None:
    db = sending(2)
    assert ledger.split(db, claimed(db), "all", rejected={1: "no", 2: "no"}, worker=1, now=NOW) == []
    assert counts(db) == {"audience": 2, "rejected": 2}


def test_a_copy_refused_alone_is_rejected() -> None:
    db = sending(2)
    assert ledger.split(db, claimed(db, size=1), "no such domain", rejected={}, worker=1, now=NOW) == []
    assert deliveries(db) == [(1, 3, "no such domain"), (2, 0, None)]
    assert ledger.copies_on(db, "taker", "2026-11-26") == 0


@pytest.mark.parametrize(("reason", "leave"), GONE)
def test_who_left_meanwhile_is_in_no_part_of_a_refused_batch(reason: str, leave: Callable[[Database], None]) -> None:
    db = sending(4)
    batch = claimed(db, size=4)
    leave(db)
    parts = ledger.split(db, batch, "something in it", rejected={}, worker=1, now=NOW)
    assert sorted(reader for part in parts for reader in readers(part)) == [2, 3, 4]
    assert deliveries(db)[0] == (1, 5, reason)


def test_a_batch_of_a_paused_issue_is_not_claimed_anew_in_parts() -> None:
    db = sending(4)
    batch = claimed(db, size=4)
    issues.pause(db, 1, now=NOW)
    assert ledger.split(db, batch, "something in it", rejected={1: "no"}, worker=1, now=NOW) == []
    assert counts(db) == {"audience": 4, "rejected": 1, "queued": 3}


# Uncertain batches ------------------------------------------------------------------------------------------------


def test_of_two_who_adopt_a_batch_one_gets_it() -> None:
    db = sending(2)
    batch = claimed(db)
    (left,) = ledger.open_batches(db, 1)
    assert (left.number, left.worker, left.provider, left.account) == (1, 1, "taker", "here")
    assert (left.state, left.trouble, left.size, left.claimed_at) == ("claimed", None, 2, NOW)
    mine = adopted(db, batch)
    assert mine.copies == batch.copies
    assert (mine.number, mine.idempotency_key, mine.claimed_at) == (1, batch.idempotency_key, NOW)
    assert mine.uncertain_at == LATER
    assert ledger.adopt(db, 1, before=1, worker=3, trouble="it died", now=NOW) is None
    assert batches(db, "state, worker, trouble") == [("uncertain", 2, "its process died")]
    assert counts(db) == {"audience": 2, "uncertain": 2}


def test_the_first_trouble_and_its_moment_stay() -> None:
    db = sending(2)
    first = adopted(db, claimed(db))
    again = ledger.adopt(db, 1, before=2, worker=3, trouble="it died too", now=LATER + timedelta(hours=1))
    assert again is not None
    assert again.uncertain_at == first.uncertain_at == LATER
    assert batches(db, "trouble") == [("its process died",)]


def test_a_settled_batch_is_not_adopted() -> None:
    db = sending(2)
    batch = claimed(db)
    ledger.record(db, batch, Answer(), now=NOW)
    assert ledger.adopt(db, 1, before=1, worker=2, trouble="died", now=NOW) is None
    assert ledger.open_batches(db, 1) == []


def test_an_issue_is_not_sent_while_a_batch_is_open() -> None:
    db = sending(2)
    batch = claimed(db)
    assert not ledger.finish(db, 1, now=NOW)
    mine = adopted(db, batch)
    assert not ledger.finish(db, 1, now=NOW)
    ledger.hold(db, mine, "nobody knows")
    assert not ledger.finish(db, 1, now=NOW)
    ledger.settle(db, mine, {1: None, 2: None}, by="person", now=NOW)
    assert ledger.finish(db, 1, now=LATER)
    assert issues.find_issue(db, 1).sent_at == LATER


@pytest.mark.parametrize(("trouble", "after"), [("no credits", "sent"), (None, "paused")])
def test_an_issue_paused_by_a_trouble_is_sent_where_nothing_is_left_of_it(trouble: str | None, after: str) -> None:
    db = sending(1)
    batch = claimed(db)
    issues.pause(db, 1, now=NOW, trouble=trouble)
    assert not ledger.finish(db, 1, now=NOW)
    ledger.record(db, batch, Answer(), now=NOW)
    assert ledger.finish(db, 1, now=NOW) == (after == "sent")
    assert state(db) == after


def test_an_uncertain_batch_is_settled_by_what_is_proven() -> None:
    db = sending(3)
    mine = adopted(db, claimed(db))
    ledger.settle(db, mine, {1: "a"}, by="asked", now=LATER)
    assert counts(db) == {"audience": 3, "accepted": 1, "queued": 2}
    assert batches(db, "state, settled_by") == [("settled", "asked")]
    assert ids(db, 1, 2) == ["a", None]
    assert readers(claimed(db)) == [2, 3]


def test_what_was_never_accepted_of_a_cancelled_issue_is_skipped() -> None:
    db = sending(3)
    mine = adopted(db, claimed(db))
    issues.pause(db, 1, now=NOW)
    steering.cancel(db, 1, now=NOW)
    ledger.settle(db, mine, {1: None}, by="asked", now=LATER)
    assert deliveries(db) == [(1, 2, None), (2, 5, "cancelled"), (3, 5, "cancelled")]


def test_some_of_a_batch_may_be_proven_accepted_before_the_rest() -> None:
    db = sending(3)
    batch = claimed(db)
    ledger.accept_some(db, adopted(db, batch), {2: None}, by="events", now=NOW)
    assert counts(db) == {"audience": 3, "accepted": 1, "uncertain": 2}
    assert batches(db, "state, settled_by") == [("uncertain", None)]
    ledger.accept_some(db, adopted(db, batch, before=2, worker=3), {1: None, 3: None}, by="events", now=NOW)
    assert counts(db) == {"audience": 3, "accepted": 3}
    assert batches(db, "state, settled_by") == [("settled", "events")]


def test_a_held_batch_is_uncertain_again_for_whoever_takes_it_up() -> None:
    db = sending(3)
    mine = adopted(db, claimed(db))
    ledger.hold(db, mine, "nobody knows")
    assert batches(db, "state, trouble") == [("held", "nobody knows")]
    other = adopted(db, mine, before=2, worker=3)
    ledger.accept_some(db, other, {1: None}, by="events", now=NOW)
    assert batches(db, "state, worker, trouble") == [("uncertain", 3, "nobody knows")]
    ledger.settle(db, adopted(db, mine, before=3, worker=4), {}, by="person", now=NOW)
    assert batches(db, "state, settled_by") == [("settled", "person")]
    assert counts(db) == {"audience": 3, "accepted": 1, "queued": 2}


def test_only_an_uncertain_batch_is_held() -> None:
    db = sending(3)
    batch = claimed(db)
    ledger.hold(db, batch, "nobody knows")
    assert batches(db, "state, trouble") == [("claimed", None)]


@pytest.mark.parametrize(
    ("change", "unchanged"),
    [
        ("UPDATE subscribers SET updated_at = 'x', timezone = 'Asia/Tokyo' WHERE id = 2", True),
        ("UPDATE subscribers SET name = 'Another' WHERE id = 2", False),
        ("UPDATE subscribers SET name = NULL WHERE id = 1", False),
        ("UPDATE subscribers SET email = 'Reader2@example.com' WHERE id = 2", False),
        ("UPDATE subscribers SET name = 'Another' WHERE id = 4", True),
        ("UPDATE batches SET fingerprint = NULL", True),
    ],
)
def test_a_batch_knows_whether_it_can_be_repeated(change: str, unchanged: bool) -> None:
    db = sending(4)
    batch = claimed(db)
    assert batch.unchanged
    db.execute(change)
    assert adopted(db, batch).unchanged is unchanged


def test_a_batch_of_which_some_are_known_cannot_be_repeated() -> None:
    db = sending(3)
    batch = claimed(db)
    ledger.accept_some(db, adopted(db, batch), {2: None}, by="events", now=NOW)
    rest = adopted(db, batch, before=2, worker=3)
    assert (readers(rest), rest.unchanged) == ([1, 3], False)


def test_a_batch_that_is_handed_over_once_more_is_uncertain_from_then_on() -> None:
    db = sending(3)
    mine = adopted(db, claimed(db))
    moment = LATER + timedelta(hours=2)
    assert ledger.doubt_anew(db, mine, now=moment).uncertain_at == moment
    assert batches(db, "uncertain_at") == [("2026-11-26T11:05:00.000000Z",)]
    ledger.settle(db, mine, {}, by="asked", now=moment)
    ledger.doubt_anew(db, mine, now=moment + timedelta(hours=1))
    assert batches(db, "uncertain_at, state") == [("2026-11-26T11:05:00.000000Z", "settled")]


def test_a_moment_to_come_since_which_a_batch_is_uncertain_is_of_a_wrong_clock() -> None:
    db = sending(3)
    batch = claimed(db)
    wrong = ledger.adopt(db, batch.number, before=1, worker=2, trouble="died", now=NOW + timedelta(days=1))
    assert wrong is not None
    assert adopted(db, batch, before=2, worker=3).uncertain_at == LATER


def test_who_left_since_a_batch_was_claimed_is_known() -> None:
    db = sending(6)
    batch = claimed(db)
    assert ledger.gone(db, batch, now=NOW) == {}
    remove(db, address(1), now=NOW)
    suppress(db, 3, "hard bounce")
    suppress(db, 4, "complaint")
    assert ledger.gone(db, batch, now=NOW) == {1: "unsubscribed", 3: "hard bounce"}


def test_the_newest_claim_of_all_is_known() -> None:
    db = sending(6)
    assert ledger.newest_claim(db) is None
    claimed(db, now=LATER)
    claimed(db, now=NOW)
    assert ledger.newest_claim(db) == LATER


def test_what_a_provider_was_given_of_an_issue_is_known_by_its_account() -> None:
    db = sending(6)
    assert not ledger.has_given(db, 1, "taker", "here")
    claimed(db)
    assert ledger.has_given(db, 1, "taker", "here")
    for issue, provider, account in ((2, "taker", "here"), (1, "other", "here"), (1, "taker", "elsewhere")):
        assert not ledger.has_given(db, issue, provider, account)


def test_the_tally_of_an_issue_that_was_not_begun_is_empty() -> None:
    db = store_with(3)
    assert set(ledger.tally(db, 1).values()) == {0}
    subscribe(db, 5)
    assert ledger.freeze_audience(db, 1, now=datetime(2026, 12, 1, tzinfo=UTC)) == 5


def test_ids_that_are_uuids_are_kept_small_and_come_back_as_they_were() -> None:
    db = sending(3)
    names = [
        "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        "6c7b0a39-8c1a-4d2c-9d5e-0f3a1f5b2c11",
        "f" * 8 + "-aaaa" * 3 + "-" + "0" * 12,
    ]
    ledger.record(db, claimed(db), Answer(names), now=NOW)
    assert ids(db, 1, 2, 3) == names
    assert db.execute("SELECT length(message_ids) FROM batches").fetchone()[0] < 3 * 16 + 30
