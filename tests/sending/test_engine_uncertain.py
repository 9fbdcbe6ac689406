"""What the engine does about copies of which nobody knows whether they were accepted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sendings import (
    ASKED,
    DAY_S,
    HOUR_S,
    MUTE,
    REPLAYED,
    SETTINGS,
    Act,
    Clock,
    Post,
    Taker,
    answer,
    batches,
    counts,
    event,
    everyone,
    lose,
    refuse,
    refuse_bad,
    state,
    store_with,
    take,
)

from conftest import remove
from digest.errors import StateError
from digest.events import Kind
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Pace,
    Proof,
    TryAgainError,
    UncertainError,
)
from digest.sending import ledger, steering
from digest.sending.engine import PEEK_S, TRIES, SendingError
from digest.sending.ledger_check import check_ledger

RESEND = SETTINGS.model_copy(update={"uncertain": "resend"})
BOTH = Proof(replay_s=HOUR_S, ask_s=DAY_S, settling_s=60, whole=True)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with_time = Clock()
    yield with_time
    with_time.close()


@pytest.fixture
def post(clock: Clock) -> Post:
    """Ten readers, whom a provider takes in batches of three."""
    return Post(store_with(10), clock)


def settled_by(post: Post) -> list[str]:
    return [by for (by,) in batches(post.db, "settled_by") if by != "answer"]


def and_tell(act: Act, post: Post, *readers: int) -> Act:
    """Do that, and let the provider send word of some copies."""

    def told(taker: Taker, batch: Batch) -> Answer:
        try:
            return act(taker, batch)
        finally:
            for reader in readers:
                event(post.db, reader, at=post.clock.now())

    return told


# Repeating a call -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [0, 3])
def test_the_same_call_is_made_again_under_the_same_key(post: Post, accepted: int) -> None:
    taker = Taker([take, lose(accepted)], proof=REPLAYED)
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    broken, again = taker.calls[1], next(call for call in taker.calls[2:] if call.number == 2)
    assert broken == again
    assert settled_by(post) == ["replay"]
    assert taker.asked == []
    assert [ledger.message_id(post.db, 1, reader) for reader in (3, 4, 10)] == ["1-3", "2-4", "4-10"]


def test_a_call_is_repeated_only_after_a_while_where_the_provider_settles(post: Post) -> None:
    taker = Taker([lose()], proof=replace(REPLAYED, settling_s=45))
    assert post.send(taker)["accepted"] == 10
    at = [began for began, call in zip(taker.began, taker.calls, strict=True) if call.number == 1]
    assert at[1] - at[0] >= 45


@pytest.mark.parametrize(("hours", "accepted"), [(22, 10), (24, 7)])
def test_what_a_dead_process_left_is_repeated_within_the_key_s_time(post: Post, hours: int, accepted: int) -> None:
    post.crash(Taker([lose()], proof=REPLAYED, takes_s=5), after_s=3)
    assert counts(post.db)["claimed"] == 3
    post.run(post.clock.leap(hours * HOUR_S))
    taker = Taker(proof=REPLAYED)
    tally = post.send(taker)
    assert tally["accepted"] == accepted
    assert tally.get("uncertain", 0) == 10 - accepted
    if hours > 23:
        (held,) = steering.unsettled(post.db, 1)
        assert held.batch.trouble == "it is too long ago for its provider to say"


def test_a_batch_whose_names_were_changed_is_not_repeated(post: Post) -> None:
    post.crash(Taker([lose()], proof=REPLAYED, takes_s=5), after_s=3)
    post.db.execute("UPDATE subscribers SET name = 'New' WHERE id = 2")
    taker = Taker(proof=REPLAYED)
    assert post.send(taker) == {"audience": 10, "accepted": 7, "uncertain": 3}
    assert taker.readers() == [4, 5, 6, 7, 8, 9, 10]


def test_a_batch_in_which_someone_left_since_is_not_repeated(post: Post) -> None:
    """Was the first call never accepted, the second would mail them."""
    post.crash(Taker(proof=REPLAYED, takes_s=5), after_s=3)
    remove(post.db, "reader2@example.com", now=post.clock.now())
    taker = Taker(proof=REPLAYED)
    assert post.send(taker) == {"audience": 10, "accepted": 7, "uncertain": 3}
    assert taker.readers() == [4, 5, 6, 7, 8, 9, 10]
    (held,) = steering.unsettled(post.db, 1)
    assert "someone in it left since" in (held.batch.trouble or "")


def test_a_batch_in_which_someone_left_since_is_asked_for_where_that_can_be(post: Post) -> None:
    taker = Taker(proof=BOTH, takes_s=5)
    post.crash(taker, after_s=3)
    remove(post.db, "reader2@example.com", now=post.clock.now())
    taker.takes_s = 0
    assert post.send(taker) == {"audience": 10, "accepted": 9, "skipped": 1}
    assert 2 not in taker.readers()


def test_a_repeated_call_that_is_refused_shows_that_nothing_was_accepted(post: Post) -> None:
    taker = Taker([lose(0)], always=refuse_bad(2), proof=REPLAYED)
    assert post.send(taker) == {"audience": 10, "accepted": 9, "rejected": 1}
    assert taker.readers() == [1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert check_ledger(post.db) == []


def test_a_repeated_call_is_put_off_where_the_provider_is_busy(post: Post) -> None:
    busy = refuse(TryAgainError("busy", after_s=3))
    taker = Taker([lose(0), busy, busy], proof=REPLAYED)
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    assert taker.keys().count(taker.keys()[0]) >= 2


def test_a_call_that_stays_broken_is_tried_a_dozen_times_and_left_to_the_next_run(clock: Clock) -> None:
    post = Post(store_with(3), clock)
    broken = Taker(always=lose(0), proof=REPLAYED)
    with pytest.raises(SendingError, match="failed"):
        post.send(broken)
    assert len(broken.calls) <= TRIES + 1
    assert len(set(broken.keys())) == 1
    assert counts(post.db) == {"audience": 3, "uncertain": 3}
    post.resume()
    assert post.send(Taker(proof=REPLAYED)) == {"audience": 3, "accepted": 3}


# Asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [0, 1, 2, 3])
def test_a_provider_is_asked_and_what_it_does_not_have_is_sent_again(post: Post, accepted: int) -> None:
    taker = Taker([take, lose(accepted)])
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    assert settled_by(post) == ["asked"]
    assert check_ledger(post.db) == []
    expected = "asked-4" if accepted else "5-4"
    assert ledger.message_id(post.db, 1, 4) == expected


def test_what_does_not_show_yet_is_not_taken_for_missing(post: Post) -> None:
    """Asked early, only what is there counts; what is not there is asked for again when it must show."""
    taker = Taker([lose(3)])

    async def shows_late(batch: Batch) -> dict[int, str | None]:
        taker.asked.append(batch)
        taker.asked_at.append(post.clock.time())
        shown = [1] if post.clock.time() < 50 else [1, 2, 3]
        return {r.subscriber: None for r in batch.recipients if r.subscriber in shown}

    taker.ask = shows_late  # type: ignore[method-assign]
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    first, last = taker.asked_at[0], taker.asked_at[-1]
    assert first == pytest.approx(PEEK_S, abs=0.1)
    assert last >= ASKED.settling_s


def test_where_a_call_is_whole_one_copy_found_proves_all(post: Post) -> None:
    taker = Taker([lose(3)], proof=replace(ASKED, whole=True))

    async def shows_one(batch: Batch) -> dict[int, str | None]:
        return {batch.recipients[0].subscriber: "one"}

    taker.ask = shows_one  # type: ignore[method-assign]
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()


def test_an_early_look_ends_the_doubt_where_all_is_there(post: Post) -> None:
    taker = Taker([lose(3)])
    post.send(taker)
    assert post.clock.time() < ASKED.settling_s


def test_a_provider_that_cannot_say_now_is_asked_again(post: Post) -> None:
    taker = Taker([lose(1)], ask_errors=[UncertainError("HTTP 500"), OSError("no route"), ValueError("no JSON")])
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()


def test_one_that_never_says_is_left_to_the_next_run(post: Post) -> None:
    mute = Taker([lose(1)], ask_errors=[UncertainError("HTTP 500")] * 99)
    assert post.send(mute) == {"audience": 10, "accepted": 7, "uncertain": 3}
    assert TRIES <= len(mute.asked) <= TRIES + 2
    assert state(post.db) == "sending"
    mute.ask_errors.clear()
    assert post.send(mute) == {"audience": 10, "accepted": 10}
    assert mute.readers() == everyone()


def test_what_is_too_old_to_be_asked_for_is_held(post: Post) -> None:
    post.crash(Taker([lose()], takes_s=5), after_s=3)
    post.run(post.clock.leap(46 * DAY_S))
    assert post.send(Taker()) == {"audience": 10, "accepted": 7, "uncertain": 3}


def test_asking_costs_no_patience_that_is_not_there(post: Post) -> None:
    taker = Taker([lose(1)], proof=replace(ASKED, settling_s=2 * HOUR_S))
    assert post.send(taker, patience_s=60) == {"audience": 10, "accepted": 8, "uncertain": 2}
    assert post.engine is not None
    assert post.engine.later is not None
    assert (post.engine.later - post.clock.now()).total_seconds() == pytest.approx(2 * HOUR_S, abs=60)
    post.run(post.clock.leap(2 * HOUR_S))
    assert post.send(taker, patience_s=60) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()


# Evidence, and none -----------------------------------------------------------------------------------------------


def test_word_of_one_copy_proves_that_one(post: Post) -> None:
    taker = Taker([and_tell(lose(2), post, 1)], proof=MUTE)
    assert post.send(taker) == {"audience": 10, "accepted": 8, "uncertain": 2}
    (held,) = steering.unsettled(post.db, 1)
    assert held.addresses == ("reader2@example.com", "reader3@example.com")


def test_word_of_one_copy_proves_all_where_a_call_is_whole(post: Post) -> None:
    taker = Taker([and_tell(lose(3), post, 2)], proof=Proof(whole=True))
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert settled_by(post) == ["events"]
    assert state(post.db) == "sent"


def test_word_that_comes_later_settles_what_was_held(post: Post) -> None:
    taker = Taker([lose(2)], proof=MUTE)
    post.send(taker)
    event(post.db, 1, at=post.clock.now())
    event(post.db, 2, at=post.clock.now())
    assert post.send(taker) == {"audience": 10, "accepted": 9, "uncertain": 1}
    event(post.db, 3, Kind.UNSUBSCRIBED, at=post.clock.now())
    assert post.send(taker)["uncertain"] == 1


def test_word_counts_beside_what_the_provider_answers(post: Post) -> None:
    taker = Taker([and_tell(lose(3), post, 1, 2, 3)], ask_errors=[OSError("down")] * 99)
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.asked == []


def test_a_copy_that_word_came_of_is_not_sent_again_by_the_setting(post: Post) -> None:
    taker = Taker([and_tell(lose(2), post, 1)], proof=MUTE)
    assert post.send(taker, settings=RESEND) == {"audience": 10, "accepted": 10}
    assert taker.twice() == [2], "of the second no word came, and the setting is to send again"


def test_a_copy_that_word_came_of_is_not_sent_again_because_asking_did_not_find_it(post: Post) -> None:
    taker = Taker([and_tell(lose(2), post, 1)])

    async def finds_nothing(batch: Batch) -> dict[int, str | None]:
        return {}

    taker.ask = finds_nothing  # type: ignore[method-assign]
    assert post.send(taker)["accepted"] == 10
    assert taker.twice() == [2], "what the provider denies and nobody saw is sent again"


def test_word_that_comes_while_a_batch_settles_counts(post: Post) -> None:
    taker = Taker([lose(3)], proof=Proof(settling_s=60))

    def tell() -> None:
        if post.clock.time() > 30 and counts(post.db).get("uncertain") == 3:
            for reader in (1, 2, 3):
                event(post.db, reader, at=post.clock.now())

    late = refuse(TryAgainError("busy", after_s=50))
    taker.acts.append(late)
    tally = post.send(taker, settings=RESEND, progress=tell)
    assert tally["accepted"] == 10
    assert taker.twice() == []


def test_what_nobody_can_find_out_is_held_and_the_rest_goes_on(post: Post) -> None:
    taker = Taker([take, lose(1)], proof=MUTE)
    assert post.send(taker) == {"audience": 10, "accepted": 7, "uncertain": 3}
    assert state(post.db) == "sending"
    (held,) = steering.unsettled(post.db, 1)
    assert (held.batch.number, held.batch.state) == (2, "held")
    assert held.addresses == tuple(f"reader{reader}@example.com" for reader in (4, 5, 6))
    assert post.send(taker)["uncertain"] == 3
    assert len(taker.calls) == 4


@pytest.mark.parametrize("settling_s", [0, 120])
def test_or_it_is_sent_again_where_the_settings_say_so(post: Post, settling_s: float) -> None:
    taker = Taker([take, lose(1)], proof=Proof(settling_s=settling_s))
    assert post.send(taker, settings=RESEND) == {"audience": 10, "accepted": 10}
    assert taker.twice() == [4]
    assert settled_by(post) == ["setting"]
    assert post.clock.time() >= settling_s


def test_copies_an_answer_leaves_open_are_asked_for(post: Post) -> None:
    taker = Taker([answer([1, 3], uncertain={3: "no status", 2: "no status"})])
    # It says nothing of 2 and 3; of the two, it took 3.
    taker.acts[0] = _says_nothing_of(2, 3)
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    assert [ledger.message_id(post.db, 1, reader) for reader in (1, 3)] == ["1-1", "asked-3"]


def _says_nothing_of(*readers: int) -> Act:
    def act(taker: Taker, batch: Batch) -> Answer:
        named = [r.subscriber for r in batch.recipients if r.subscriber not in readers]
        given = taker.accept(batch, [*named, readers[-1]])
        return Answer(given.message_ids[: len(named)], uncertain=dict.fromkeys(readers, "no status"))

    return act


def test_an_answer_that_does_not_fit_is_no_answer(post: Post) -> None:
    def nonsense(taker: Taker, batch: Batch) -> Answer:
        take(taker, batch)
        return Answer(rejected={99: "who?"})

    taker = Taker([nonsense])
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    assert settled_by(post) == ["asked"]


# Paused and cancelled issues --------------------------------------------------------------------------------------


def left_open(post: Post, taker: Taker, *, cancel: bool = False) -> None:
    """Kill a sending in the middle of its first call, of which all is accepted, and pause the issue."""
    taker.takes_s = 5
    post.crash(taker, after_s=3)
    taker.takes_s = 0
    taker.acts.clear()
    post.pause()
    if cancel:
        steering.cancel(post.db, 1, now=post.clock.now())


@pytest.mark.parametrize("cancel", [False, True])
def test_of_an_issue_that_is_paused_or_cancelled_what_is_uncertain_is_settled_by_asking(
    post: Post, cancel: bool
) -> None:
    taker = Taker()
    left_open(post, taker, cancel=cancel)
    calls = len(taker.calls)
    expected = {"audience": 10, "skipped": 10} if cancel else {"audience": 10, "queued": 10}
    assert post.send(taker) == expected
    assert len(taker.calls) == calls, "nothing is handed over"
    assert state(post.db) == ("cancelled" if cancel else "paused")
    assert check_ledger(post.db) == []


@pytest.mark.parametrize("cancel", [False, True])
def test_of_an_issue_that_is_paused_or_cancelled_no_call_is_repeated(post: Post, cancel: bool) -> None:
    taker = Taker(proof=REPLAYED)
    left_open(post, taker, cancel=cancel)
    calls = len(taker.calls)
    with pytest.raises(StateError, match="what is uncertain of it stays so for now"):
        post.send(taker)
    assert len(taker.calls) == calls
    assert counts(post.db)["uncertain"] == 3
    (one,) = steering.unsettled(post.db, 1)
    assert one.batch.state == "uncertain", "it is not held: once it is resumed it can be repeated"
    if not cancel:
        post.resume()
        assert post.send(taker)["accepted"] == 10
        assert taker.readers() == everyone()


def test_one_that_can_do_both_is_asked_while_the_issue_is_paused(post: Post) -> None:
    taker = Taker(proof=BOTH)
    left_open(post, taker)
    calls = len(taker.calls)
    assert post.send(taker) == {"audience": 10, "queued": 10}
    assert (len(taker.calls), len(taker.asked) > 0) == (calls, True)


def test_a_call_that_breaks_while_the_issue_is_being_paused_is_not_repeated(post: Post) -> None:
    def break_and_pause(taker: Taker, batch: Batch) -> Answer:
        post.pause()
        return lose(3)(taker, batch)

    taker = Taker([take, break_and_pause], proof=REPLAYED)
    assert post.send(taker) == {"audience": 10, "accepted": 3, "queued": 4, "uncertain": 3}
    assert len(taker.calls) == 2
    post.resume()
    assert post.send(taker)["accepted"] == 10
    assert taker.readers() == everyone()


@pytest.mark.parametrize(
    ("settling_s", "calls_a_second"), [(60, 0), (0, 0.05)], ids=["while it settles", "while it waits for its slot"]
)
def test_a_call_is_not_repeated_where_the_issue_is_paused_in_the_meantime(
    post: Post, settling_s: float, calls_a_second: float
) -> None:
    def pause_soon() -> bool:
        if post.clock.time() > 10 and state(post.db) == "sending":
            post.pause()
        return False

    pace = Pace(calls_a_second=calls_a_second, connections=1)
    taker = Taker([lose()], proof=replace(REPLAYED, settling_s=settling_s), pace=pace, takes_s=1)
    if settling_s:
        taker.acts.append(refuse(TryAgainError("busy", after_s=100)))
    tally = post.send(taker, stopping=pause_soon)
    assert tally["uncertain"] == 3
    assert len(taker.calls) == (2 if settling_s else 1)
    post.resume()
    assert post.send(taker)["accepted"] == 10
    assert taker.readers() == everyone()


def test_a_paused_issue_with_nothing_open_is_not_touched(post: Post) -> None:
    taker = Taker([take, refuse(AccountError("suspended"))])
    with pytest.raises(SendingError):
        post.send(taker)
    with pytest.raises(StateError, match="`digest resume 1` comes first"):
        post.send(taker)
    assert len(taker.calls) == 2


# Batches that went elsewhere, and what a person decides -----------------------------------------------------------


@pytest.mark.parametrize("other", [{"name": "other"}, {"account": "elsewhere"}])
def test_a_batch_that_went_elsewhere_is_named_and_the_rest_is_sent(post: Post, other: dict[str, str]) -> None:
    first = Taker(takes_s=5)
    post.crash(first, after_s=3)
    second = Taker(**other)  # type: ignore[arg-type]
    with pytest.raises(SendingError, match=r"batch 1 was being handed to taker \(here\) when its process died"):
        post.send(second)
    assert second.readers() == [4, 5, 6, 7, 8, 9, 10]
    assert counts(post.db) == {"audience": 10, "accepted": 7, "claimed": 3}
    first.takes_s = 0
    assert post.send(first)["accepted"] == 10
    assert sorted(first.readers() + second.readers()) == everyone()


def test_a_failover_of_today_settles_what_it_took_as_the_first_of_yesterday(post: Post) -> None:
    first = Taker(takes_s=5)
    post.crash(first, after_s=3)
    first.takes_s = 0
    other = Taker(name="second")
    assert post.send(other, first)["accepted"] == 10
    assert sorted(first.readers() + other.readers()) == everyone()


@pytest.mark.parametrize(("as_", "copies"), [("accepted", 1), ("resend", 2)])
def test_what_a_person_decided_is_not_asked_about_again(post: Post, as_: steering.As, copies: int) -> None:
    taker = Taker([lose(3)], proof=MUTE)
    post.send(taker)
    worker = post.hire()
    count = steering.resolve(post.db, 1, 1, as_, lives=worker.lives, worker=worker.number, now=post.clock.now())
    assert count == 3
    if as_ == "accepted":
        assert state(post.db) == "sent"
    else:
        assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers().count(1) == copies
    assert batches(post.db, "settled_by")[0] == ("person",)


def settled_by_another(post: Post, batch: Batch) -> None:
    """Another process takes the one at work for dead, and settles its batch."""
    (one,) = [one for one in ledger.open_batches(post.db, 1) if one.number == batch.number]
    taken = ledger.adopt(post.db, batch.number, before=one.worker, worker=99, trouble="dead", now=post.clock.now())
    assert taken is not None
    accepted = dict.fromkeys(id_ for id_, _, _ in taken.copies)
    ledger.settle(post.db, taken, accepted, by="asked", now=post.clock.now())


def test_an_answer_to_what_another_settled_meanwhile_is_let_go(post: Post) -> None:
    def late(taker: Taker, batch: Batch) -> Answer:
        settled_by_another(post, batch)
        return take(taker, batch)

    taker = Taker([take, late])
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    assert check_ledger(post.db) == []


def test_a_doubt_that_another_settled_meanwhile_is_let_go(post: Post) -> None:
    taker = Taker([lose()])

    async def ask(batch: Batch) -> dict[int, str | None]:
        taker.asked.append(batch)
        settled_by_another(post, batch)
        return {}

    taker.ask = ask  # type: ignore[method-assign]
    taker.proof = replace(ASKED, settling_s=0)
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert len(taker.asked) == 1
    assert taker.readers() == everyone()


def test_a_batch_that_a_run_looks_after_cannot_be_decided_meanwhile(post: Post) -> None:
    refused: list[str] = []

    def decide() -> None:
        if counts(post.db).get("uncertain"):
            other = post.hire()
            try:
                steering.resolve(post.db, 1, 1, "resend", lives=other.lives, worker=other.number, now=post.clock.now())
            except StateError as error:
                refused.append(str(error))

    taker = Taker([lose(3)])
    assert post.send(taker, progress=decide)["accepted"] == 10
    assert taker.readers() == everyone()
    assert refused
    assert all("at work on batch 1" in words for words in refused)


# A bad day --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proof", [ASKED, REPLAYED, BOTH], ids=["asked", "repeated", "both"])
@pytest.mark.parametrize("connections", [1, 5])
def test_a_provider_that_loses_every_third_answer_mails_everyone_once(
    clock: Clock, proof: Proof, connections: int
) -> None:
    post = Post(store_with(60), clock)
    acts: list[Act] = []
    for number in range(200):
        worst = lose(3 * (number % 2)) if proof.whole else lose(number % 4)
        acts.append([take, worst, take, refuse(TryAgainError("busy")), take, worst][number % 6])
    taker = Taker(acts, proof=proof, pace=Pace(connections=connections), takes_s=0.2)
    assert post.send(taker) == {"audience": 60, "accepted": 60}
    assert taker.readers() == everyone(60)
    assert state(post.db) == "sent"
    assert check_ledger(post.db) == []
    assert post.engine is not None
    assert post.engine.done["accepted"] == 60


def test_killed_again_and_again_everyone_has_one_copy(clock: Clock) -> None:
    post = Post(store_with(60), clock)
    taker = Taker(pace=Pace(connections=3), takes_s=0.4)
    for kill in range(6):
        post.crash(taker, after_s=0.5 + 0.17 * kill)
    assert post.send(taker) == {"audience": 60, "accepted": 60}
    assert taker.readers() == everyone(60)
    assert check_ledger(post.db) == []


def test_a_refusal_in_the_middle_of_a_repeated_call_hands_over_to_no_one_who_left(post: Post) -> None:
    def refuse_while_one_leaves(taker: Taker, batch: Batch) -> Answer:
        remove(post.db, "reader1@example.com", now=post.clock.now())
        raise BadCallError("something in it")

    taker = Taker([lose(0), refuse_while_one_leaves], proof=REPLAYED)
    assert post.send(taker) == {"audience": 10, "accepted": 9, "skipped": 1}
    assert taker.readers() == everyone()[1:]
