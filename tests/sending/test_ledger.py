"""Claim, hand over, record: the rules of the ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlite_utils import Database

from conftest import NOW, import_sample, memory_store
from digest.audience import subscribers
from digest.audience.addresses import read_address
from digest.errors import StateError
from digest.issue import issues
from digest.providers.interface import Outcome
from digest.sending import ledger
from digest.sending.ledger import Claimed, OpenBatch
from digest.settings import Settings

SETTINGS = Settings()


def approved(db: Database, readers: int) -> None:
    """Approve issue 1 and subscribe some readers."""
    import_sample(db, SETTINGS)
    issues.draft(db, SETTINGS, now=NOW)
    issues.freeze(db, SETTINGS, 1, now=NOW)
    for number in range(readers):
        subscribers.add(db, f"reader{number}@example.com", now=NOW)


def sending(db: Database, readers: int) -> None:
    approved(db, readers)
    ledger.freeze_audience(db, 1, now=NOW)


def claim(db: Database, size: int = 3, worker: int = 1, after: int = 0) -> Claimed | None:
    return ledger.claim_batch(db, 1, provider="outbox", account="/box", worker=worker, size=size, after=after, now=NOW)


def claimed(db: Database, size: int = 3, worker: int = 1) -> Claimed:
    batch = claim(db, size, worker)
    assert batch is not None
    return batch


def orphan(batch: Claimed) -> OpenBatch:
    """The batch as others see it once its worker, number 1, is dead."""
    return OpenBatch(batch.number, 1, batch.provider, batch.account)


def accepted(batch: Claimed) -> list[Outcome]:
    return [Outcome(subscriber, accepted=True) for subscriber, _, _ in batch.copies]


def counts(db: Database) -> dict[str, int]:
    return {name: count for name, count in ledger.tally(db, 1).items() if count}


def test_the_audience_is_frozen_when_sending_begins(db: Database) -> None:
    approved(db, 5)
    subscribers.suppress(db, read_address("reader1@example.com").key, "complaint", now=NOW)
    subscribers.remove(db, "reader2@example.com", now=NOW)
    assert ledger.freeze_audience(db, 1, now=NOW) == 3
    subscribers.add(db, "latecomer@example.com", now=NOW)
    assert counts(db) == {"audience": 3, "queued": 3}


def test_with_nobody_to_mail_the_issue_stays_approved(db: Database) -> None:
    approved(db, 0)
    with pytest.raises(StateError, match="nobody is subscribed"):
        ledger.freeze_audience(db, 1, now=NOW)
    assert issues.find_issue(db, 1).state == "approved"


def test_two_who_begin_at_once_freeze_one_audience(db: Database) -> None:
    sending(db, 2)
    subscribers.add(db, "latecomer@example.com", now=NOW)
    assert ledger.freeze_audience(db, 1, now=NOW) == 2
    assert counts(db) == {"audience": 2, "queued": 2}


def test_an_issue_that_was_cancelled_meanwhile_is_not_begun(db: Database) -> None:
    approved(db, 2)
    issues.cancel(db, 1, now=NOW)
    with pytest.raises(StateError, match="not approved any more"):
        ledger.freeze_audience(db, 1, now=NOW)
    assert counts(db) == {}


def test_a_claimed_delivery_is_in_one_batch(db: Database) -> None:
    sending(db, 5)
    first, second = claimed(db), claimed(db, worker=2)
    assert len(first.copies) == 3
    assert len(second.copies) == 2
    assert {c[0] for c in first.copies} & {c[0] for c in second.copies} == set()
    assert first.idempotency_key != second.idempotency_key
    assert claim(db) is None
    assert counts(db) == {"audience": 5, "claimed": 5}


def test_each_copy_gets_its_own_outcome(db: Database) -> None:
    sending(db, 3)
    batch = claimed(db)
    one, two, three = (copy[0] for copy in batch.copies)
    outcomes = [
        Outcome(one, accepted=True, message_id="abc"),
        Outcome(two, accepted=False, reason="no such mailbox"),
        Outcome(three, accepted=True),
    ]
    ledger.record_outcomes(db, batch, outcomes, now=NOW)
    rows = db.execute("SELECT subscriber, state, message_id, reason FROM deliveries").fetchall()
    assert rows == [(one, 2, "abc", None), (two, 3, None, "no such mailbox"), (three, 2, None, None)]
    assert ledger.finish(db, 1, now=NOW)
    assert issues.find_issue(db, 1).state == "sent"


@pytest.mark.parametrize("spoil", [lambda o: o[:-1], lambda o: [*o, Outcome(999, accepted=True)], lambda o: []])
def test_outcomes_that_do_not_fit_the_batch_record_nothing(
    db: Database, spoil: Callable[[list[Outcome]], list[Outcome]]
) -> None:
    sending(db, 3)
    batch = claimed(db)
    with pytest.raises(ValueError, match="one outcome for each"):
        ledger.record_outcomes(db, batch, spoil(accepted(batch)), now=NOW)
    assert counts(db) == {"audience": 3, "claimed": 3}


def test_who_left_since_the_freeze_is_skipped_with_the_reason(db: Database) -> None:
    sending(db, 4)
    subscribers.remove(db, "reader0@example.com", now=NOW)
    subscribers.suppress(db, read_address("reader1@example.com").key, "hard bounce", now=NOW)
    db.execute("UPDATE subscribers SET state = 'pending' WHERE email = 'reader2@example.com'")
    batch = claimed(db, size=10)
    assert [copy[1] for copy in batch.copies] == ["reader3@example.com"]
    reasons = db.execute("SELECT reason FROM deliveries WHERE state = 5 ORDER BY subscriber").fetchall()
    assert reasons == [("unsubscribed",), ("hard bounce",), ("pending",)]


def test_a_stretch_of_only_skipped_ones_makes_no_batch(db: Database) -> None:
    sending(db, 2)
    for number in range(2):
        subscribers.remove(db, f"reader{number}@example.com", now=NOW)
    assert claimed(db).copies == ()
    assert db.execute("SELECT count(*) FROM batches").fetchone() == (0,)
    assert claim(db) is None
    assert ledger.finish(db, 1, now=NOW)


@pytest.mark.parametrize("state", ["paused", "cancelled", "sent"])
def test_nothing_is_claimed_of_an_issue_that_is_not_being_sent(db: Database, state: str) -> None:
    sending(db, 2)
    db.execute("UPDATE issues SET state = ?", [state])
    assert claim(db) is None


def test_an_issue_is_not_sent_while_a_batch_is_open(db: Database) -> None:
    sending(db, 2)
    batch = claimed(db)
    assert not ledger.finish(db, 1, now=NOW)
    ledger.adopt(db, orphan(batch), worker=2, trouble="died")
    assert counts(db) == {"audience": 2, "uncertain": 2}
    assert not ledger.finish(db, 1, now=NOW)


def test_of_two_who_adopt_a_batch_one_gets_it(db: Database) -> None:
    sending(db, 2)
    left = orphan(claimed(db))
    assert ledger.open_batches(db, 1) == [left]
    mine = ledger.adopt(db, left, worker=2, trouble="died")
    assert mine is not None
    assert len(mine.copies) == 2
    assert ledger.adopt(db, left, worker=3, trouble="died") is None


def test_an_uncertain_batch_is_settled_by_what_is_proven(db: Database) -> None:
    sending(db, 3)
    batch = claimed(db)
    mine = ledger.adopt(db, orphan(batch), worker=2, trouble="died")
    assert mine is not None
    ledger.settle_uncertain(db, mine, [mine.copies[0][0]], now=NOW)
    assert counts(db) == {"audience": 3, "accepted": 1, "queued": 2}
    again = claimed(db)
    assert [copy[0] for copy in again.copies] == [copy[0] for copy in mine.copies[1:]]


def test_a_late_answer_to_a_batch_that_was_settled_changes_nothing(db: Database) -> None:
    sending(db, 3)
    batch = claimed(db)
    mine = ledger.adopt(db, orphan(batch), worker=2, trouble="died")
    assert mine is not None
    ledger.settle_uncertain(db, mine, [], now=NOW)
    with pytest.raises(StateError, match="settled by another worker"):
        ledger.record_outcomes(db, batch, accepted(batch), now=NOW)
    assert counts(db) == {"audience": 3, "queued": 3}


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("UPDATE issues SET state = 'sent'", "issue 1 is sent, but 3 of its deliveries are not settled"),
        ("UPDATE issues SET sending_at = NULL", "issue 1 is sending, but has deliveries"),
        ("UPDATE batches SET state = 'settled'", "batch 1 is settled, but 3 of its deliveries"),
        ("UPDATE deliveries SET state = 2", "batch 1 is claimed, but 3 of its deliveries"),
        ("UPDATE batches SET last = first", "2 deliveries of issue 1 name a batch that is not theirs"),
    ],
)
def test_the_check_finds_damage(db: Database, damage: str, complaint: str) -> None:
    sending(db, 3)
    claimed(db)
    assert ledger.check_ledger(db) == []
    db.execute(damage)
    assert any(problem.startswith(complaint) for problem in ledger.check_ledger(db)), ledger.check_ledger(db)


class Sending(RuleBasedStateMachine):
    """Workers send, crash and settle while readers leave; the rules hold after every step."""

    @initialize(readers=st.integers(1, 12))
    def begin(self, readers: int) -> None:
        self.db = memory_store()
        sending(self.db, readers)
        self.readers = readers
        self.batches: dict[int, Claimed] = {}
        self.gone: set[int] = set()
        self.delivered: list[int] = []

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.crash_all_and_settle()
            while claim(self.db, size=4):
                self.crash_all_and_settle()
            assert ledger.finish(self.db, 1, now=NOW)
            skipped = {row[0] for row in self.db.execute("SELECT subscriber FROM deliveries WHERE state = 5")}
            assert sorted([*self.delivered, *skipped]) == list(range(1, self.readers + 1))
            self.db.close()

    @rule(size=st.integers(1, 5), worker=st.integers(1, 3))
    def claim(self, size: int, worker: int) -> None:
        batch = claim(self.db, size, worker)
        if batch and batch.copies:
            assert self.gone & {copy[0] for copy in batch.copies} == set()
            self.batches[batch.number] = batch

    @rule(data=st.data())
    def hand_over_and_record(self, data: st.DataObject) -> None:
        if self.batches:
            batch = self.batches.pop(data.draw(st.sampled_from(sorted(self.batches))))
            self.delivered += [copy[0] for copy in batch.copies]
            ledger.record_outcomes(self.db, batch, accepted(batch), now=NOW)

    @rule(data=st.data(), arrived=st.integers(0, 5))
    def crash_in_hand_over(self, data: st.DataObject, arrived: int) -> None:
        """Some of a batch arrive, then the process dies; another settles by asking."""
        if self.batches:
            batch = self.batches.pop(data.draw(st.sampled_from(sorted(self.batches))))
            there = [copy[0] for copy in batch.copies[:arrived]]
            self.delivered += there
            (open_batch,) = [b for b in ledger.open_batches(self.db, 1) if b.number == batch.number]
            mine = ledger.adopt(self.db, open_batch, worker=9, trouble="died")
            assert mine is not None
            assert mine.copies == batch.copies
            ledger.settle_uncertain(self.db, mine, there, now=NOW)

    @rule(reader=st.integers(0, 11))
    def leave(self, reader: int) -> None:
        row = self.db.execute("SELECT id FROM subscribers WHERE email = ?", [f"reader{reader}@example.com"]).fetchone()
        if row:
            subscribers.remove(self.db, f"reader{reader}@example.com", now=NOW)
            self.gone.add(row[0])

    def crash_all_and_settle(self) -> None:
        for open_batch in ledger.open_batches(self.db, 1):
            mine = ledger.adopt(self.db, open_batch, worker=9, trouble="died")
            assert mine is not None
            self.delivered += [copy[0] for copy in mine.copies]
            ledger.settle_uncertain(self.db, mine, [copy[0] for copy in mine.copies], now=NOW)
        self.batches.clear()

    @invariant()
    def the_sum_is_the_audience_and_nobody_has_two(self) -> None:
        if hasattr(self, "delivered"):
            tally = ledger.tally(self.db, 1)
            assert tally["audience"] == self.readers == sum(tally.values()) - self.readers
            assert len(self.delivered) == len(set(self.delivered))
            assert ledger.check_ledger(self.db) == []


TestSending = Sending.TestCase
TestSending.settings = hypothesis_settings(max_examples=60, stateful_step_count=25, deadline=None)
