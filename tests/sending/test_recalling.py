"""After a restore: what went out since the backup is found out before anybody is mailed, or left to a person."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from sendings import (
    ASKED,
    DAY_S,
    LINKS,
    MUTE,
    REPLAYED,
    SETTINGS,
    Clock,
    Post,
    Taker,
    batches,
    counts,
    event,
    everyone,
    lose,
    state,
    store_with,
    take,
)

from conftest import NOW
from digest import times
from digest.errors import StateError
from digest.issue import issues
from digest.providers.interface import AccountError, Found, Proof, UncertainError
from digest.sending import doubts, evidence, ledger, running, steering
from digest.sending.doubts import doubt_all
from digest.sending.ledger_check import check_ledger
from digest.sending.recalling import RecallError
from digest.store import Database

READERS = 12
HOUR = timedelta(hours=1)
LISTED = replace(ASKED, recall_s=40 * DAY_S)


@dataclass
class Lister(Taker):
    """A taker that lists what it accepted, under the copies' names or only by address and subject."""

    proof: Proof = LISTED
    names: str = "message"
    breaks_after: int | None = None
    hides: frozenset[int] = frozenset()
    error: Exception = field(default_factory=lambda: UncertainError("the line went dead"))
    more: list[Found] = field(default_factory=list)
    recalled: int = 0

    async def recall(self, since: datetime) -> AsyncGenerator[Sequence[Found], None]:
        self.recalled += 1
        copies = [
            Found(
                one.address,
                batch.message.subject,
                batch.date,
                (one.values[self.names],) if self.names else (),
                f"listed-{one.subscriber}",
            )
            for batch in self.calls
            for one in batch.recipients
            if (batch.number, one.subscriber) in self.accepted and one.subscriber not in self.hides
        ]
        for at, one in enumerate([*self.more, *copies]):
            if at == self.breaks_after:
                raise self.error
            await asyncio.sleep(0)
            yield [one]


@pytest.fixture
def clock() -> Iterator[Clock]:
    loop = Clock()
    yield loop
    loop.close()


def copied(db: Database) -> Database:
    """Copy a store, as a backup does."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    db.conn.backup(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    return Database(connection)


def brought_back(
    clock: Clock, *takers: Taker, after: int = 2, at_once: bool = False, readers: int = READERS, to_end: bool = True
) -> Post:
    """Send through some providers, with a backup after so many batches; give the store of the backup, brought back.

    The backup is made while a batch is under way, `at_once` before its provider has it.
    """
    db = store_with(readers)
    backups: list[Database] = []
    main = takers[0]

    def keep(taker: Taker, batch: object) -> object:
        if len(taker.calls) == after + 1:
            backups.append(copied(db))
        return take(taker, batch)  # type: ignore[arg-type]

    main.always = keep  # type: ignore[assignment]
    first = Post(db, clock)
    first.send(*takers)
    main.always = take
    assert state(db) == "sent"
    clock.run_until_complete(clock.leap(3600))
    doubt_all(backups[0], clock.now())
    assert check_ledger(backups[0]) == []
    return Post(backups[0], clock)


def restored(db: Database, at: str) -> None:
    sql = "INSERT INTO restores (at, source, knows_until) VALUES (?, 'backup', '2026-11-26T12:00:00Z')"
    db.execute(sql, [at])


def send(post: Post, *takers: Taker) -> dict[str, int]:
    post.send(*takers)
    if state(post.db) == "paused":
        post.resume()
        post.send(*takers)
    assert check_ledger(post.db) == []
    return counts(post.db)


def test_who_got_a_copy_since_the_backup_gets_no_other(clock: Clock) -> None:
    taker = Lister()
    post = brought_back(clock, taker)
    assert counts(post.db) == {"audience": 12, "queued": 3, "accepted": 6, "uncertain": 3}
    taken = len(taker.calls)
    assert post.send(taker) == {"audience": 12, "accepted": 12}
    assert state(post.db) == "sent"
    assert len(taker.calls) == taken
    assert taker.readers() == everyone(12)
    assert ledger.message_id(post.db, 1, 12) == "listed-12"
    assert issues.find_issue(post.db, 1).doubted_at is None
    assert check_ledger(post.db) == []


@pytest.mark.parametrize("names", ["message", "token", ""], ids=["own name", "token", "address and subject"])
def test_copies_are_known_again(clock: Clock, names: str) -> None:
    taker = Lister(names=names)
    post = brought_back(clock, taker)
    assert send(post, taker) == {"audience": 12, "accepted": 12}
    assert taker.readers() == everyone(12)


def test_the_rest_goes_out_when_a_person_resumes_it_and_no_earlier(clock: Clock) -> None:
    taker = Lister(always=lose(0))
    db = store_with(READERS)
    post = Post(db, clock)
    post.crash(taker, after_s=1)
    doubt_all(db, clock.now())
    assert ledger.claim_batch(db, 1, provider="taker", account="here", worker=1, size=3, after=0, now=NOW) is None
    taker.always = take
    tried = len(taker.calls)
    assert post.send(taker) == {"audience": 12, "queued": 12}
    assert (state(db), len(taker.calls)) == ("paused", tried)
    trouble = issues.find_issue(db, 1).trouble
    assert trouble is not None
    assert "12 readers did not get theirs yet" in trouble
    post.resume()
    assert post.send(taker) == {"audience": 12, "accepted": 12}
    assert taker.readers() == everyone(12)


def test_resumed_before_it_is_found_out_it_is_found_out_first(clock: Clock) -> None:
    taker = Lister()
    post = brought_back(clock, taker)
    post.resume()
    assert ledger.claim_batch(post.db, 1, provider="taker", account="here", worker=1, size=3, after=0, now=NOW) is None
    assert post.send(taker) == {"audience": 12, "accepted": 12}
    assert taker.twice() == []


def test_what_was_refused_and_taken_later_by_another_batch_is_not_repeated(clock: Clock) -> None:
    # In the backup it is under way by a key that was never used after all.
    taker = Lister(proof=replace(REPLAYED, recall_s=DAY_S), names="")
    post = brought_back(clock, taker)
    taker.answers.clear()
    assert send(post, taker) == {"audience": 12, "accepted": 12}
    assert taker.twice() == []


def test_nothing_is_repeated_while_it_is_in_doubt(clock: Clock) -> None:
    post = brought_back(clock, Lister())
    batch = ledger.adopt(post.db, 3, before=0, worker=9, trouble="", now=clock.now())
    assert batch is not None
    with pytest.raises(StateError, match="in doubt"):
        ledger.doubt_anew(post.db, batch, now=clock.now())


def test_it_waits_until_what_was_handed_over_last_must_show(clock: Clock) -> None:
    taker = Lister()
    post = brought_back(clock, taker)
    began = clock.time()
    send(post, taker)
    assert clock.time() - began >= taker.proof.settling_s
    late = brought_back(clock, taker2 := Lister(proof=replace(LISTED, settling_s=3600)))
    assert late.send(taker2)["uncertain"] == 3
    assert taker2.recalled == 0
    assert late.engine is not None
    assert late.engine.later is not None


def test_a_list_that_fails_half_way_proves_nothing_and_is_read_again(clock: Clock) -> None:
    taker = Lister(breaks_after=9)
    post = brought_back(clock, taker)
    with pytest.raises(RecallError, match="the line went dead"):
        post.send(taker)
    assert counts(post.db) == {"audience": 12, "queued": 3, "accepted": 9}
    post.resume()
    with pytest.raises(RecallError):
        post.send(taker)
    assert taker.twice() == []
    taker.breaks_after = None
    assert post.send(taker) == {"audience": 12, "accepted": 12}
    assert taker.twice() == []


def test_killed_while_it_is_found_out_the_next_begins_anew(clock: Clock) -> None:
    taker = Lister(names="", proof=replace(LISTED, settling_s=0))
    post = brought_back(clock, taker)
    engine = post.make(taker)
    task = clock.create_task(post.work(engine))
    while counts(post.db)["accepted"] < 8:
        post.run(asyncio.sleep(0))
    task.cancel()
    with suppress(asyncio.CancelledError):
        post.run(task)
    assert issues.find_issue(post.db, 1).doubted_at is not None
    assert check_ledger(post.db) == []
    assert send(post, taker) == {"audience": 12, "accepted": 12}
    assert taker.readers() == everyone(12)


@pytest.mark.parametrize("hidden", [frozenset({1, 2}), frozenset(range(1, 13))], ids=["some", "all"])
def test_a_list_without_what_it_must_have_is_not_believed(clock: Clock, hidden: frozenset[int]) -> None:
    taker = Lister()
    post = brought_back(clock, taker)
    taker.hides = hidden
    with pytest.raises(RecallError, match="is it the same account"):
        post.send(taker)
    post.resume()
    with pytest.raises(RecallError):
        post.send(taker)
    assert taker.twice() == []


def test_a_list_that_does_not_go_back_so_far_leaves_the_rest_to_a_person(clock: Clock) -> None:
    taker = Lister(proof=replace(LISTED, recall_s=60))
    post = brought_back(clock, taker)
    # What it is known to have is shown, so it goes back far enough.
    copy = Post(copied(post.db), clock)
    assert send(copy, taker) == {"audience": 12, "accepted": 12}
    taker.hides = frozenset(everyone(12))
    assert send(post, taker) == {"audience": 12, "accepted": 6, "uncertain": 6}
    assert taker.twice() == []


@pytest.mark.parametrize("proof", [MUTE, REPLAYED], ids=["none", "only by its keys"])
def test_where_nobody_can_say_all_that_is_open_is_held(clock: Clock, proof: Proof) -> None:
    taker = Taker(proof=proof)
    post = brought_back(clock, taker)
    assert send(post, taker) == {"audience": 12, "accepted": 6, "uncertain": 6}
    assert send(post, taker)["uncertain"] == 6
    assert taker.twice() == []
    unsure = steering.unsettled(post.db, 1)
    assert [len(one.addresses) for one in unsure] == [3, 3]
    assert {one.batch.state for one in unsure} == {"held"}
    assert {one.batch.provider for one in unsure} == {doubts.UNKNOWN}
    # The setting is about one call that broke, not about half an audience.
    anew = post.send(taker, settings=SETTINGS.model_copy(update={"uncertain": "resend"}))
    assert anew["uncertain"] == 6

    def settle(batch: int, as_: steering.As) -> None:
        steering.resolve(post.db, 1, batch, as_, lives=lambda number: False, worker=5, now=clock.now())

    settle(unsure[0].batch.number, "accepted")
    settle(unsure[1].batch.number, "resend")
    assert post.send(taker) == {"audience": 12, "accepted": 12}
    assert check_ledger(post.db) == []


def test_an_event_proves_that_a_copy_went_out_before_the_restore(clock: Clock) -> None:
    taker = Taker(proof=MUTE)
    post = brought_back(clock, taker)
    send(post, taker)
    event(post.db, 11, at=NOW + timedelta(seconds=1))
    proven = evidence.settle(post.db, whole=lambda name, account: False, lives=lambda number: False, now=clock.now())
    assert proven == 1
    assert counts(post.db) == {"audience": 12, "accepted": 7, "uncertain": 5}
    assert check_ledger(post.db) == []


def test_where_one_of_two_providers_cannot_say_the_rest_is_held(clock: Clock) -> None:
    lister, mute = Lister(), Taker(name="mute", proof=MUTE)
    post = brought_back(clock, lister, mute, readers=24, after=2)
    # Some of what went out later went by the other one.
    gone = [one for one in lister.accepted if one[1] > 18]
    lister.accepted = [one for one in lister.accepted if one not in gone]
    assert send(post, lister, mute) == {"audience": 24, "accepted": 18, "uncertain": 6}
    assert lister.twice() == mute.readers() == []


def test_a_provider_that_is_not_set_up_any_more_is_waited_for(clock: Clock) -> None:
    taker, other = Lister(), Lister(name="other")
    post = brought_back(clock, taker)
    with pytest.raises(RecallError, match=r"also went to taker \(here\), which is not set up here"):
        post.send(other)
    assert counts(post.db)["queued"] == 3
    moved = Lister(account="there")
    with pytest.raises(RecallError, match="lacks 6 of 6"):
        post.send(moved)
    # With another key it is another account to us; what it shows proves that it is the same.
    taker.account = "there"
    assert send(post, taker) == {"audience": 12, "accepted": 12}
    assert taker.twice() == []


def test_another_account_that_shows_nothing_of_ours_is_not_taken_for_the_same(clock: Clock) -> None:
    taker = Lister(always=lose(0))
    db = store_with(READERS)
    post = Post(db, clock)
    post.crash(taker, after_s=1)
    doubt_all(db, clock.now())
    with pytest.raises(RecallError, match="not known to be the same"):
        post.send(Lister(account="there"))


def test_what_a_list_shows_changes_nothing_once_the_doubt_is_over(clock: Clock) -> None:
    post = brought_back(clock, Lister())
    doubts.believe(post.db, 1, now=clock.now())
    with pytest.raises(StateError, match="not in doubt any more"):
        doubts.accept(post.db, 1, "taker", "here", {12: None}, at=NOW, now=clock.now())
    assert counts(post.db)["queued"] == 6


def test_a_person_may_stop_the_asking(clock: Clock) -> None:
    taker = Lister(breaks_after=0)
    post = brought_back(clock, taker)
    with pytest.raises(RecallError, match="digest hold 1"):
        post.send(taker)
    assert doubts.give_up(post.db, 1, now=clock.now()) == 6
    post.resume()
    assert send(post, taker) == {"audience": 12, "accepted": 6, "uncertain": 6}
    with pytest.raises(StateError, match="not in doubt"):
        doubts.give_up(post.db, 1, now=clock.now())


def test_a_list_that_is_not_whole_accepts_what_it_shows_and_no_more(clock: Clock) -> None:
    taker = Lister(proof=replace(LISTED, lists_all=False))
    post = brought_back(clock, taker)
    taker.hides = frozenset({12})
    assert send(post, taker) == {"audience": 12, "accepted": 11, "uncertain": 1}
    assert taker.twice() == []


def test_other_mail_in_the_list_is_nobodys_copy(clock: Clock) -> None:
    taker = Lister(names="", proof=replace(LISTED, settling_s=0), always=lose(0))
    db = store_with(4)
    post = Post(db, clock)
    post.crash(taker, after_s=1)
    doubt_all(db, clock.now())
    subject = taker.calls[0].message.subject
    taker.more = [
        Found("reader1@example.com", "Another subject", clock.now()),
        Found("reader2@example.com", subject, NOW - 2 * HOUR),
        Found("stranger@example.com", subject, clock.now()),
        # A test of the issue, and a copy of another issue.
        Found("reader3@example.com", subject, clock.now(), (LINKS.sign("copy", 0, 3),)),
        Found("reader4@example.com", subject, clock.now(), (LINKS.sign("copy", 7, 4),)),
    ]
    taker.always = take
    assert send(post, taker) == {"audience": 4, "accepted": 4}
    assert taker.readers() == everyone(4)


def test_a_test_of_the_issue_that_the_store_knows_is_nobodys_copy(clock: Clock) -> None:
    taker = Lister(names="", proof=replace(LISTED, settling_s=0), always=lose(0))
    db = store_with(2)
    post = Post(db, clock)
    post.crash(taker, after_s=1)
    db.execute(
        "INSERT INTO letters (kind, email, email_key, state, idempotency_key, not_before, message_id, created_at)"
        " VALUES ('test', 'reader1@example.com', 'reader1@example.com', 'sent', 'k', ?1, 'tested', ?1)",
        ["2026-11-26T13:00:00Z"],
    )
    doubt_all(db, clock.now())
    taker.more = [Found("reader1@example.com", taker.calls[0].message.subject, clock.now(), (), "tested")]
    taker.always = take
    assert send(post, taker) == {"audience": 2, "accepted": 2}
    assert taker.readers() == [1, 2]


def test_who_left_since_is_not_mailed(clock: Clock) -> None:
    taker = Lister(always=lose(0))
    db = store_with(READERS)
    post = Post(db, clock)
    post.crash(taker, after_s=1)
    doubt_all(db, clock.now())
    db.execute("UPDATE subscribers SET state = 'unsubscribed' WHERE id IN (2, 5)")
    taker.always = take
    assert send(post, taker) == {"audience": 12, "accepted": 10, "skipped": 2}
    assert not {2, 5} & set(taker.readers())


def test_a_draft_that_went_out_since_the_backup_does_not_go_out_again(clock: Clock) -> None:
    db = store_with(READERS)
    backup = copied(db)
    taker = Lister(names="token")
    Post(db, clock).send(taker)
    clock.run_until_complete(clock.leap(3600))
    doubt_all(backup, clock.now())
    restored(backup, times.to_text(clock.now()))
    post = Post(backup, clock)
    clock.run_until_complete(clock.leap(60))
    # Approved once more by a person, and sent: its copies have other names.
    assert post.send(taker) == {"audience": 12, "accepted": 12}
    assert taker.readers() == everyone(12)


@pytest.mark.parametrize("error", [None, AccountError("the key may not")], ids=["cannot say", "may not ask"])
def test_where_nobody_can_say_a_draft_goes_out_once_a_person_approved_it_anew(
    clock: Clock, error: Exception | None
) -> None:
    db = store_with(READERS)
    doubt_all(db, clock.now() - HOUR)
    taker = Taker(proof=MUTE) if error is None else Lister(breaks_after=0, error=error, more=[Found("", "", NOW)])
    assert Post(db, clock).send(taker) == {"audience": 12, "accepted": 12}


def test_an_issue_in_doubt_is_taken_up_by_itself_though_it_is_paused(clock: Clock) -> None:
    taker = Lister()
    post = brought_back(clock, taker)
    # That nothing of it was under way when the backup was made says nothing.
    post.db.execute("UPDATE deliveries SET state = 0 WHERE batch = 3")
    post.db.execute("UPDATE batches SET state = 'settled', settled_by = 'refused' WHERE number = 3")
    assert running.due(post.db, {}, now=clock.now()) == [1]
    post.send(taker)
    assert running.due(post.db, {}, now=clock.now()) == []


def test_rejected_copies_are_looked_for_when_they_are_queued_again_after_a_restore(clock: Clock) -> None:
    taker = Lister()
    db = store_with(4)
    post = Post(db, clock)
    post.send(taker)
    db.execute("UPDATE deliveries SET state = 3 WHERE subscriber = 2")
    clock.run_until_complete(clock.leap(3600))
    restored(db, "2026-11-26T20:00:00Z")
    clock.run_until_complete(clock.leap(8 * 3600))
    assert steering.retry_rejected(db, 1, now=clock.now()) == 1
    # Somebody had it sent again after the backup was made.
    assert post.send(taker) == {"audience": 4, "accepted": 4}
    assert taker.twice() == []


def test_many_copies_are_held_in_few_batches_in_the_order_they_went(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "HELD_AT_ONCE", 2)
    monkeypatch.setattr(doubts, "HELD_BATCHES", 4)
    taker = Taker(proof=MUTE)
    post = brought_back(clock, taker)
    assert send(post, taker)["uncertain"] == 6
    assert batches(post.db, "first, last, state")[2:] == [(7, 9, "held"), (10, 12, "held")]


def test_the_check_finds_what_is_in_doubt_and_should_not_be(clock: Clock) -> None:
    post = brought_back(clock, Lister())
    post.db.execute("UPDATE deliveries SET state = 1 WHERE subscriber = 7")
    assert "issue 1 is in doubt since a restore, but 1 of its deliveries are claimed" in check_ledger(post.db)
    post.db.execute("UPDATE issues SET state = 'sent'")
    assert "issue 1 is sent, and in doubt since a restore" in check_ledger(post.db)
