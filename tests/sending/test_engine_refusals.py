"""What the engine does when a provider refuses: nothing is lost, and nothing is mailed to the wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from sendings import (
    MUTE,
    REPLAYED,
    SETTINGS,
    Act,
    Clock,
    Post,
    Taker,
    address,
    answer,
    batches,
    counts,
    everyone,
    lose,
    refuse,
    refuse_bad,
    state,
    store_with,
    take,
)

from digest.errors import StateError
from digest.issue import issues
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Pace,
    QuotaError,
    TryAgainError,
    UncertainError,
)
from digest.sending import pace, steering
from digest.sending.engine import ALONE, ALONE_LATER, SendingError
from digest.sending.ledger_check import check_ledger


@pytest.fixture
def clock() -> Iterator[Clock]:
    with_time = Clock()
    yield with_time
    with_time.close()


@pytest.fixture
def post(clock: Clock) -> Post:
    """Ten readers, whom a provider takes in batches of three."""
    return Post(store_with(10), clock)


def trouble(post: Post) -> str:
    return issues.find_issue(post.db, 1).trouble or ""


# Again, later -----------------------------------------------------------------------------------------------------


def test_a_provider_s_words_are_kept_without_what_would_steer_a_terminal(post: Post) -> None:
    with pytest.raises(SendingError, match="taker takes nothing: ") as caught:
        post.send(Taker([refuse(AccountError("no\x1b[2J\n\x07 credits " + "x" * 900))]))
    assert str(caught.value).isprintable()
    assert trouble(post).isprintable()
    assert len(trouble(post)) < 600
    post.resume()
    post.send(Taker([refuse_with("bad\x1b[31m"), refuse_with("\x00bad")], limit=1))
    assert all(reason.isprintable() for (reason,) in post.db.execute("SELECT reason FROM deliveries WHERE state = 3"))
    assert all(words.isprintable() for (words,) in batches(post.db, "trouble") if words)


def refuse_with(reason: str) -> Act:
    """Refuse a call and name its copies, with such a reason."""

    def act(taker: Taker, batch: Batch) -> Answer:
        raise BadCallError(reason, rejected=dict.fromkeys((r.subscriber for r in batch.recipients), reason))

    return act


def test_what_was_not_taken_is_handed_over_again_under_a_new_key(post: Post) -> None:
    taker = Taker([refuse(TryAgainError("too many requests"))])
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    assert len(set(taker.keys())) == len(taker.keys()) == 5
    assert [row for row in batches(post.db, "settled_by, trouble") if row[0] != "answer"] == [
        ("refused", "too many requests")
    ]
    assert state(post.db) == "sent"


@pytest.mark.parametrize("after_s", [2.0, 60.0, 599.0])
def test_a_provider_is_left_alone_for_as_long_as_it_says(post: Post, after_s: float) -> None:
    taker = Taker([take, refuse(TryAgainError("slow down", after_s=after_s))])
    post.send(taker)
    assert taker.began[2] - taker.began[1] == pytest.approx(after_s, abs=0.3)
    assert taker.began[2] - taker.began[1] >= after_s
    assert taker.readers() == everyone()


def test_all_hands_wait_when_one_is_told_to(post: Post) -> None:
    taker = Taker([refuse(TryAgainError("slow down", after_s=30))], pace=Pace(connections=4), takes_s=0.1)
    post.send(taker)
    first = min(taker.began)
    assert not [at for at in taker.began if first + 0.1 < at < first + 30]
    assert taker.readers() == everyone()


def test_hands_that_wait_for_their_slots_are_told_to_wait_too(post: Post) -> None:
    told = refuse(TryAgainError("slow down", after_s=30))
    taker = Taker([told], pace=Pace(calls_a_second=1, connections=4), takes_s=0.1)
    post.send(taker)
    assert not [at for at in taker.began if 0.1 < at < 30]
    assert taker.readers() == everyone()


def test_a_provider_that_wants_to_be_left_alone_for_long_pauses_the_issue(post: Post) -> None:
    taker = Taker([take, refuse(TryAgainError("maintenance", after_s=7200))])
    with pytest.raises(SendingError, match="taker says to come back in 120 minutes: maintenance"):
        post.send(taker)
    assert counts(post.db) == {"audience": 10, "accepted": 3, "queued": 7}


def test_pauses_grow_and_the_breaker_opens_when_nothing_goes_well(post: Post) -> None:
    taker = Taker(always=refuse(TryAgainError("HTTP 503: service_unavailable")))
    with pytest.raises(SendingError, match=r"issue 1 is paused: taker failed \d+ times in a row: HTTP 503"):
        post.send(taker)
    gaps = [after - before for before, after in pairwise(taker.began)]
    assert pace.TROUBLES <= len(taker.calls) < 20
    assert gaps[0] < 1
    assert gaps[-1] > 3 * gaps[0]
    assert state(post.db) == "paused"
    assert trouble(post).startswith("taker failed")
    assert counts(post.db) == {"audience": 10, "queued": 10}
    assert taker.accepted == []


def test_failures_between_which_calls_go_well_do_not_open_the_breaker(post: Post) -> None:
    taker = Taker([act for _ in range(10) for act in (refuse(TryAgainError("busy", after_s=20)), take)], limit=1)
    assert post.send(taker)["accepted"] == 10


def test_a_batch_of_which_some_were_put_off_is_completed(post: Post) -> None:
    taker = Taker([answer([1, 3], again={2: "throttled"}, trouble=TryAgainError("throttled", after_s=5))])
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    assert taker.began[1] - taker.began[0] >= 5


def test_copies_put_off_one_by_one_come_up_again_when_the_queue_is_through(post: Post) -> None:
    taker = Taker([answer([1, 3], again={2: "greylisted"})])
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    assert [r.subscriber for r in taker.calls[-1].recipients] == [2]


def test_what_the_last_answer_puts_off_is_not_left_behind_where_another_hand_found_the_queue_empty(post: Post) -> None:
    post.db.execute("UPDATE subscribers SET state = 'unsubscribed' WHERE id > 6")
    late = answer([4, 5], again={6: "greylisted"})
    taker = Taker([take, late], pace=Pace(calls_a_second=0.5, connections=2), takes_s=3)
    assert post.send(taker) == {"audience": 6, "accepted": 6}
    assert taker.readers() == everyone(6)


def test_what_a_person_queues_again_during_the_last_call_is_not_left_behind(post: Post) -> None:
    post.db.execute("UPDATE subscribers SET state = 'unsubscribed' WHERE id > 6")
    first = answer([1, 3], rejected={2: "full"})
    taker = Taker([first], pace=Pace(calls_a_second=0.5, connections=2), takes_s=3)
    post.clock.call_later(4.5, lambda: steering.retry_rejected(post.db, 1, now=post.clock.now()))
    assert post.send(taker) == {"audience": 6, "accepted": 6}
    assert taker.readers() == everyone(6)
    assert taker.began[2] >= 5


def test_copies_that_are_always_put_off_do_not_keep_a_run_for_ever(post: Post) -> None:
    late = answer([], again={2: "greylisted"})
    taker = Taker([answer([1, 3], again={2: "greylisted"}), take, take, take], always=late)
    assert post.send(taker) == {"audience": 10, "accepted": 9, "queued": 1}
    assert len(taker.calls) < 30
    assert state(post.db) == "sending"
    assert post.engine is not None
    assert post.engine.later is not None
    assert post.send(Taker()) == {"audience": 10, "accepted": 10}


# Nothing at all is taken ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [QuotaError("402: no credits"), AccountError("401: the key is wrong")])
def test_where_nothing_is_taken_the_issue_is_paused_at_once_and_nothing_is_lost(post: Post, error: Exception) -> None:
    taker = Taker([take, refuse(error)])
    with pytest.raises(SendingError, match=f"issue 1 is paused: taker takes nothing: {error}; put that right, then"):
        post.send(taker)
    assert len(taker.calls) == 2
    assert counts(post.db) == {"audience": 10, "accepted": 3, "queued": 7}
    assert (state(post.db), trouble(post)) == ("paused", f"taker takes nothing: {error}")
    with pytest.raises(StateError, match=r"issue 1 is paused \(taker takes nothing"):
        post.send(Taker())
    post.resume()
    assert trouble(post) == ""
    mended = Taker()
    assert post.send(mended)["accepted"] == 10
    assert sorted(taker.readers() + mended.readers()) == everyone()
    assert check_ledger(post.db) == []


def test_calls_under_way_are_written_down_when_another_stops_the_run(clock: Clock) -> None:
    post = Post(store_with(30), clock)
    taker = Taker([take, refuse(AccountError("suspended"))], pace=Pace(connections=4), takes_s=1)
    with pytest.raises(SendingError, match="suspended"):
        post.send(taker)
    taken = 3 * (len(taker.calls) - 1)
    assert len(taker.calls) in (4, 5), "after that nothing more is begun"
    assert counts(post.db) == {"audience": 30, "accepted": taken, "queued": 30 - taken}


def test_of_two_that_pause_an_issue_at_once_neither_breaks(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls under way are written down, though another process has paused the issue a moment before."""
    post = Post(store_with(30), clock)
    pause = issues.pause

    def both(*arguments: Any, **named: Any) -> object:
        pause(*arguments, **named)
        return pause(*arguments, **named)

    monkeypatch.setattr(issues, "pause", both)
    taker = Taker([take, refuse(AccountError("suspended"))], pace=Pace(connections=4), takes_s=1, proof=MUTE)
    with pytest.raises(SendingError, match="suspended"):
        post.send(taker)
    assert counts(post.db).keys() == {"audience", "accepted", "queued"}


def test_a_key_that_is_wrong_from_the_beginning_begins_nothing(post: Post) -> None:
    taker = Taker(open_error=AccountError("the key is wrong"))
    with pytest.raises(SendingError, match="taker: the key is wrong; issue 1 stays as it is"):
        post.send(taker)
    assert (state(post.db), counts(post.db), taker.calls) == ("approved", {}, [])
    assert taker.closed == 1
    assert post.send(Taker())["accepted"] == 10


def test_an_issue_whose_last_batch_went_well_is_sent_though_a_provider_closed(clock: Clock) -> None:
    post = Post(store_with(3), clock)
    over = answer([1, 2], rejected={3: "no such mailbox"}, trouble=QuotaError("that was the last of your credits"))
    assert post.send(Taker([over])) == {"audience": 3, "accepted": 2, "rejected": 1}
    assert state(post.db) == "sent"


# The shared content is to blame -----------------------------------------------------------------------------------


def test_where_the_issue_itself_is_refused_it_is_paused_with_its_queue_intact(post: Post) -> None:
    taker = Taker(always=refuse(BadCallError("422: Invalid `subject` field.", shared=True)))
    with pytest.raises(SendingError, match="taker refuses the issue itself: 422: Invalid `subject` field"):
        post.send(taker)
    assert len(taker.calls) == 1, "no half of it is any better"
    assert counts(post.db) == {"audience": 10, "queued": 10}
    assert state(post.db) == "paused"
    assert "`subject`" in trouble(post)


# Some addresses are to blame --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [(1,), (2,), (5,), (10,), (4, 7), (1, 2, 3), (2, 4, 6, 8, 10)])
def test_bad_addresses_are_found_by_halving_and_only_they_are_rejected(clock: Clock, bad: tuple[int, ...]) -> None:
    post = Post(store_with(10), clock)
    taker = Taker(always=refuse_bad(*bad), limit=10)
    of_ten = SETTINGS.model_copy(update={"batch_size": 10})
    assert post.send(taker, settings=of_ten) == {"audience": 10, "accepted": 10 - len(bad), "rejected": len(bad)}
    assert taker.readers() == [reader for reader in everyone() if reader not in bad]
    rows = post.db.execute("SELECT subscriber, reason FROM deliveries WHERE state = 3").fetchall()
    assert rows == [(reader, "there is a bad address in it") for reader in bad]
    assert len(taker.calls) <= 1 + 8 * len(bad)
    assert len(set(taker.keys())) == len(taker.keys())
    assert state(post.db) == "sent"
    assert check_ledger(post.db) == []


def test_a_named_culprit_is_rejected_and_the_others_go_at_once(post: Post) -> None:
    taker = Taker(always=refuse_bad(2, 5, 6, name=True))
    assert post.send(taker) == {"audience": 10, "accepted": 7, "rejected": 3}
    assert [[r.subscriber for r in batch.recipients] for batch in taker.calls] == [
        [1, 2, 3], [1, 3], [4, 5, 6], [4], [7, 8, 9], [10],
    ]  # fmt: skip
    rows = post.db.execute("SELECT subscriber, reason FROM deliveries WHERE state = 3").fetchall()
    assert rows == [(reader, f"{address(reader)} is no address") for reader in (2, 5, 6)]


def test_a_lone_named_culprit_is_rejected(clock: Clock) -> None:
    post = Post(store_with(1), clock)
    assert post.send(Taker(always=refuse_bad(1, name=True))) == {"audience": 1, "rejected": 1}
    assert state(post.db) == "sent"


def test_a_mailbox_refused_in_the_answer_is_rejected_and_no_other(post: Post) -> None:
    taker = Taker([answer([1, 3], rejected={2: "550 no such user"})])
    assert post.send(taker) == {"audience": 10, "accepted": 9, "rejected": 1}
    assert post.engine is not None
    assert post.engine.done == {"accepted": 9, "rejected": 1}


def test_rejected_copies_are_tried_again_where_a_person_says_so(post: Post) -> None:
    post.send(Taker(always=refuse_bad(2, 5)))
    assert steering.retry_rejected(post.db, 1, now=post.clock.now()) == 2
    second = Taker()
    assert post.send(second) == {"audience": 10, "accepted": 10}
    assert second.readers() == [2, 5]


def test_where_every_copy_is_refused_alone_it_is_not_the_addresses(clock: Clock) -> None:
    post = Post(store_with(30), clock)
    taker = Taker(always=refuse(BadCallError("550 your content")))
    with pytest.raises(SendingError, match=rf"taker refused {ALONE} copies one after the other.*: 550 your content"):
        post.send(taker)
    assert counts(post.db) == {"audience": 30, "rejected": ALONE, "queued": 30 - ALONE}
    assert check_ledger(post.db) == []
    post.resume()
    steering.retry_rejected(post.db, 1, now=clock.now())
    assert post.send(Taker())["accepted"] == 30


def test_a_run_of_bad_addresses_does_not_stop_a_provider_that_has_accepted_others(clock: Clock) -> None:
    post = Post(store_with(ALONE_LATER + 10), clock)
    bad = range(4, 4 + ALONE_LATER - 1)
    tally = post.send(Taker(always=refuse_bad(*bad)))
    assert (tally["accepted"], tally["rejected"]) == (11, ALONE_LATER - 1)


def test_what_is_accepted_in_between_shows_that_it_is_the_addresses(clock: Clock) -> None:
    post = Post(store_with(40), clock)
    tally = post.send(Taker(always=refuse_bad(*range(1, 41, 2)), limit=1))
    assert (tally["accepted"], tally["rejected"]) == (20, 20)


def test_halves_that_are_not_handed_over_any_more_are_queued_again(post: Post) -> None:
    stop: list[bool] = []

    def refuse_and_stop(taker: Taker, batch: Batch) -> Answer:
        stop.append(True)
        raise BadCallError("something in it")

    taker = Taker([take, refuse_and_stop])
    assert post.send(taker, stopping=lambda: bool(stop)) == {"audience": 10, "accepted": 3, "queued": 7}
    assert check_ledger(post.db) == []


def test_once_an_issue_is_paused_no_part_of_a_refused_batch_is_handed_over(post: Post) -> None:
    def refuse_and_pause(taker: Taker, batch: Batch) -> Answer:
        post.pause()
        raise BadCallError("something in it")

    taker = Taker([take, refuse_and_pause])
    post.send(taker)
    assert len(taker.calls) == 2
    assert counts(post.db) == {"audience": 10, "accepted": 3, "queued": 7}


def test_once_an_issue_is_paused_the_second_half_of_a_refused_batch_is_not_handed_over(post: Post) -> None:
    def take_and_pause(taker: Taker, batch: Batch) -> Answer:
        post.pause()
        return take(taker, batch)

    taker = Taker([take, refuse(BadCallError("something in it")), take_and_pause])
    post.send(taker)
    assert len(taker.calls) == 3
    assert counts(post.db) == {"audience": 10, "accepted": 4, "queued": 6}
    assert check_ledger(post.db) == []


def test_a_provider_that_names_strangers_is_not_believed(post: Post) -> None:
    taker = Taker(always=refuse(BadCallError("who?", rejected={99: "no such reader"})))
    with pytest.raises(SendingError, match="taker refused"):
        post.send(taker)
    assert len(taker.calls) < 30


# A second provider takes over -------------------------------------------------------------------------------------


def second(**options: Any) -> Taker:
    return Taker(name="second", account="there", **options)


def test_a_second_provider_takes_over_what_the_first_refused(post: Post) -> None:
    first, other = Taker([take, refuse(AccountError("suspended"))]), second()
    assert post.send(first, other) == {"audience": 10, "accepted": 10}
    assert (first.readers(), other.readers()) == ([1, 2, 3], [4, 5, 6, 7, 8, 9, 10])
    assert (first.opened, other.opened) == ([True], [True])
    assert (first.closed, other.closed) == (1, 1)
    assert state(post.db) == "sent"
    assert post.engine is not None
    assert [lane.copies for lane in post.engine.lanes] == [3, 7]
    assert post.engine.lanes[0].closed == "taker takes nothing: suspended"
    rows = set(batches(post.db, "provider, account"))
    assert rows == {("taker", "here"), ("second", "there")}


def test_a_second_provider_that_has_copies_already_is_not_begun_anew(post: Post) -> None:
    first, other = (
        Taker(always=refuse(AccountError("suspended"))),
        second(acts=[take, refuse(QuotaError("no credits"))]),
    )
    for run in range(2):
        if run:
            post.resume()
            post.send(first, other)
        else:
            with pytest.raises(SendingError):
                post.send(first, other)
    assert other.opened == [True, False]
    assert (first.opened, other.readers()) == ([True, False], everyone())


def test_a_second_provider_is_not_opened_while_the_first_takes_all(post: Post) -> None:
    other = second()
    post.send(Taker([refuse(TryAgainError("busy", after_s=1))]), other)
    assert (other.opened, other.calls) == ([], [])


@pytest.mark.parametrize(
    "error",
    [
        QuotaError("no credits"),
        TryAgainError("maintenance", after_s=7200),
        BadCallError("the subject", shared=True),
    ],
)
def test_a_second_provider_takes_over_whatever_made_the_first_close(post: Post, error: Exception) -> None:
    other = second()
    assert post.send(Taker([refuse(error)]), other)["accepted"] == 10
    assert other.readers() == everyone()


def test_a_second_provider_takes_over_where_the_first_cannot_even_be_opened(post: Post) -> None:
    first, other = Taker(open_error=AccountError("the key is wrong")), second()
    assert post.send(first, other)["accepted"] == 10
    assert (first.calls, other.opened) == ([], [True])


def test_what_is_uncertain_stays_with_the_first_and_is_settled_there(post: Post) -> None:
    first = Taker([lose(2), refuse(AccountError("suspended"))])
    other = second()
    assert post.send(first, other) == {"audience": 10, "accepted": 10}
    assert first.readers() == [1, 2]
    assert other.readers() == [3, 4, 5, 6, 7, 8, 9, 10]
    assert other.asked == []
    assert len(first.asked) >= 1


def test_what_the_first_cannot_tell_is_not_given_to_the_second(post: Post) -> None:
    first = Taker([lose(2), refuse(AccountError("suspended"))], proof=MUTE)
    other = second()
    assert post.send(first, other) == {"audience": 10, "accepted": 7, "uncertain": 3}
    assert other.readers() == [4, 5, 6, 7, 8, 9, 10]
    (held,) = steering.unsettled(post.db, 1)
    assert (held.batch.provider, held.batch.state) == ("taker", "held")


def test_a_call_is_repeated_where_it_was_made_and_nowhere_else(post: Post) -> None:
    first = Taker([lose(), refuse(AccountError("suspended"))], proof=REPLAYED)
    other = second(proof=REPLAYED)
    post.send(first, other)
    assert first.keys()[0] in first.keys()[1:]
    assert set(first.keys()) & set(other.keys()) == set()
    assert sorted(first.readers() + other.readers()) == everyone()


def test_where_both_take_nothing_the_issue_is_paused_with_both_reasons(post: Post) -> None:
    first, other = Taker([take, refuse(AccountError("suspended"))]), second(always=refuse(QuotaError("no credits")))
    with pytest.raises(SendingError, match="taker takes nothing: suspended; second takes nothing: no credits"):
        post.send(first, other)
    assert counts(post.db) == {"audience": 10, "accepted": 3, "queued": 7}


def test_where_the_second_cannot_be_opened_the_issue_is_paused(post: Post) -> None:
    first, other = Taker([refuse(AccountError("suspended"))]), second(open_error=AccountError("wrong key"))
    with pytest.raises(SendingError, match=r"suspended; .*wrong key"):
        post.send(first, other)
    assert counts(post.db) == {"audience": 10, "queued": 10}


def test_nobody_gets_two_copies_where_providers_break_in_turn(clock: Clock) -> None:
    post = Post(store_with(30), clock)
    first = Taker([take, lose(0), lose(3), lose(1), refuse(AccountError("suspended"))], pace=Pace(connections=3))
    other = second(acts=[lose(1), take, lose(0), refuse(TryAgainError("busy"))], pace=Pace(connections=3))
    assert post.send(first, other) == {"audience": 30, "accepted": 30}
    assert sorted(first.readers() + other.readers()) == everyone(30)


def test_errors_of_any_kind_are_uncertain(post: Post) -> None:
    taker = Taker([lose(1, KeyError("data")), lose(3, UncertainError("HTTP 500")), lose(0, OSError("broken pipe"))])
    assert post.send(taker) == {"audience": 10, "accepted": 10}
    assert taker.readers() == everyone()
    found = [trouble for (trouble,) in batches(post.db, "trouble") if trouble]
    assert found == ["KeyError: 'data'", "HTTP 500", "OSError: broken pipe"]
