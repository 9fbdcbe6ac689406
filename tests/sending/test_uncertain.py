"""What is done about a batch of which nobody knows whether it was accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sendings import DAY_S, HOUR_S, claimed, event, sending

from conftest import NOW
from digest.events import Kind
from digest.providers.interface import Proof
from digest.sending.ledger import Claimed
from digest.sending.uncertain import CLOCKS_S, Elapsed, Policy, Step, next_step, seen

REPLAY = Proof(replay_s=23 * HOUR_S, whole=True)
ASK = Proof(ask_s=45 * DAY_S, settling_s=60)
BOTH = Proof(replay_s=HOUR_S, ask_s=DAY_S, settling_s=60)
MUTE = Proof(settling_s=60)

BATCH = Claimed(1, 1, "taker", "here", "k" * 32, NOW, 1, 3, ((1, "a@b.example", None),), uncertain_at=NOW)


def step(
    proof: Proof,
    age_s: float = 0,
    *,
    known_s: float | None = None,
    unchanged: bool = True,
    policy: Policy = "hold",
    is_sending: bool = True,
) -> Step:
    """The next step for a batch of that age, known to be uncertain for `known_s`; as long as it is old, if not told."""
    now = NOW + timedelta(seconds=age_s)
    since = now - timedelta(seconds=age_s if known_s is None else known_s)
    batch = replace(BATCH, uncertain_at=since, unchanged=unchanged)
    return next_step(proof, batch, now=now, policy=policy, sending=is_sending)


def test_the_same_call_is_made_again_while_its_key_is_kept() -> None:
    for age_s in (0, HOUR_S, 23 * HOUR_S - 1):
        assert step(REPLAY, age_s).kind == "replay"
    assert step(REPLAY, 23 * HOUR_S).kind == "hold"
    assert "too long ago" in step(REPLAY, 24 * HOUR_S).why


def test_a_call_is_made_again_once_the_first_must_show() -> None:
    assert step(REPLAY, 5) == Step("replay", 0)
    assert step(BOTH, 5) == Step("replay", 55)
    assert step(BOTH, 65) == Step("replay", 0)


def test_a_call_whose_addresses_or_names_were_changed_is_not_repeated() -> None:
    found = step(REPLAY, unchanged=False)
    assert (found.kind, "was changed since" in found.why) == ("hold", True)
    assert step(BOTH, 1, unchanged=False).kind == "ask"


def test_of_an_issue_that_is_not_being_sent_nothing_is_handed_over_again() -> None:
    assert step(REPLAY, is_sending=False).kind == "leave"
    assert step(REPLAY, is_sending=False, policy="resend").kind == "leave"
    assert step(BOTH, is_sending=False).kind == "ask"
    assert step(ASK, is_sending=False).kind == "ask"
    assert step(MUTE, is_sending=False).kind == "hold"


def test_a_provider_is_asked_once_what_it_has_must_show() -> None:
    assert step(ASK, 0) == Step("ask", 60)
    assert step(ASK, 59) == Step("ask", 1)
    assert step(ASK, 60) == Step("ask", 0)
    assert step(ASK, 3600, known_s=10) == Step("ask", 50)
    assert step(ASK, 45 * DAY_S - 1).kind == "ask"
    assert step(ASK, 45 * DAY_S).kind == "hold"


def test_one_that_can_do_both_is_asked_once_its_key_is_forgotten() -> None:
    assert step(BOTH, 0).kind == "replay"
    assert step(BOTH, HOUR_S).kind == "ask"
    assert step(BOTH, DAY_S).kind == "hold"


def test_where_nobody_can_say_a_person_decides_or_the_setting() -> None:
    assert step(MUTE) == Step("hold", why="its provider cannot say what it accepted")
    assert step(MUTE, policy="resend") == Step("resend", 60)
    assert step(MUTE, 100, policy="resend") == Step("resend", 0)
    assert step(REPLAY, 24 * HOUR_S, policy="resend").kind == "resend"
    assert step(ASK, 45 * DAY_S, policy="resend").kind == "resend"


def test_the_setting_does_not_come_before_proof() -> None:
    assert step(REPLAY, policy="resend").kind == "replay"
    assert step(ASK, policy="resend").kind == "ask"


@pytest.mark.parametrize("proof", [ASK, MUTE])
def test_a_clock_put_back_neither_cuts_the_settling_short_nor_makes_it_longer(proof: Proof) -> None:
    found = step(proof, -3 * HOUR_S, known_s=-3 * HOUR_S, policy="resend")
    assert (found.kind, found.wait_s) == ("ask" if proof.ask_s else "resend", 60)


def test_a_clock_put_back_further_than_clocks_are_says_nothing_of_a_key() -> None:
    assert step(REPLAY, -CLOCKS_S).kind == "replay"
    assert step(REPLAY, -CLOCKS_S - 1).kind == "hold"
    assert step(BOTH, -CLOCKS_S - 1).kind == "ask"


def test_nothing_is_repeated_that_somebody_left_since() -> None:
    assert left(REPLAY).kind == "hold"
    assert "left since" in left(REPLAY).why
    assert left(REPLAY, policy="resend").kind == "resend"
    assert left(BOTH) == Step("ask", 60)
    assert left(ASK) == Step("ask", 60)


def left(proof: Proof, *, policy: Policy = "hold") -> Step:
    return next_step(proof, BATCH, now=NOW, policy=policy, sending=True, left=True)


def test_what_a_steady_clock_measured_comes_before_what_the_machine_s_says() -> None:
    def at(elapsed: Elapsed) -> Step:
        return next_step(REPLAY, BATCH, now=NOW, policy="hold", sending=True, elapsed=elapsed)

    assert at(Elapsed(22 * HOUR_S, 0)).kind == "replay"
    assert at(Elapsed(23 * HOUR_S, 0)).kind == "hold"
    unsound = at(Elapsed(0, 0, sound=False))
    assert (unsound.kind, "clock was put back" in unsound.why) == ("hold", True)


def test_a_call_is_not_repeated_where_its_key_is_forgotten_before_the_first_must_show() -> None:
    slow = replace(REPLAY, settling_s=HOUR_S)
    assert step(slow, 21.9 * HOUR_S, known_s=0).kind == "replay"
    assert step(slow, 22 * HOUR_S, known_s=0).kind == "hold"


def test_word_of_an_earlier_copy_proves_nothing_of_a_later_batch() -> None:
    db = sending(3)
    batch = claimed(db)
    event(db, 2, at=NOW - timedelta(seconds=1))
    assert seen(db, batch) == frozenset()
    event(db, 2, Kind.DEFERRED, at=NOW)
    assert seen(db, batch) == {2}


def test_one_never_known_to_be_uncertain_is_so_from_now_on() -> None:
    batch = replace(BATCH, uncertain_at=None)
    now = NOW + timedelta(days=1)
    assert next_step(ASK, batch, now=now, policy="hold", sending=True) == Step("ask", 60)


def test_events_show_whose_copies_were_accepted() -> None:
    db = sending(6)
    first, second = claimed(db), claimed(db)
    assert seen(db, first) == frozenset()
    for reader, kind in ((1, Kind.ACCEPTED), (3, Kind.DEFERRED), (3, Kind.BOUNCED), (4, Kind.DELIVERED)):
        event(db, reader, kind)
    assert seen(db, first) == {1, 3}
    assert seen(db, second) == {4}
    assert seen(db, replace(first, copies=first.copies[:2])) == {1}


@pytest.mark.parametrize("kind", [Kind.ACCEPTED, Kind.DEFERRED, Kind.DELIVERED, Kind.BOUNCED, Kind.COMPLAINED])
def test_what_only_a_provider_that_took_it_can_tell_is_proof(kind: Kind) -> None:
    db = sending(3)
    batch = claimed(db)
    event(db, 2, kind)
    assert seen(db, batch) == {2}


@pytest.mark.parametrize("kind", [Kind.VOTED, Kind.UNSUBSCRIBED])
def test_what_may_have_come_from_another_mail_is_no_proof(kind: Kind) -> None:
    db = sending(3)
    batch = claimed(db)
    event(db, 2, kind)
    assert seen(db, batch) == frozenset()
