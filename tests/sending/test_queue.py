"""How far a run is through what is queued."""

from __future__ import annotations

from digest.sending.queue import Queue, Turn


def claims(queue: Queue, variant: int, after: int) -> Turn:
    turn = queue.turn()
    assert turn is not None
    assert (turn.variant, turn.after) == (variant, after)
    return turn


def test_variants_come_one_after_the_other_each_in_the_order_of_subscribers() -> None:
    queue = Queue([0, 1])
    queue.went(claims(queue, 0, 0), 30, more=True)
    queue.went(claims(queue, 0, 30), 40, more=False)
    queue.went(claims(queue, 1, 0), 20, more=False)
    assert queue.turn() is None
    assert not queue.through
    queue.swept(queue.since(), [])
    assert queue.through


def test_what_others_queued_behind_is_found_at_the_end() -> None:
    queue = Queue([0, 1])
    for variant in (0, 1):
        queue.went(claims(queue, variant, 0), 9, more=False)
    queue.swept(queue.since(), [1])
    assert not queue.through
    claims(queue, 1, 0)


def test_what_comes_back_is_claimed_again() -> None:
    queue = Queue([0, 1])
    turn = claims(queue, 0, 0)
    queue.went(turn, 30, more=True)
    queue.back(0, 12)
    queue.went(claims(queue, 0, 11), 40, more=False)
    queue.back(0, 5)
    queue.went(claims(queue, 1, 0), 7, more=False)
    queue.went(claims(queue, 0, 4), 40, more=False)
    queue.swept(queue.since(), [])
    queue.back(1, 3)
    assert not queue.through
    claims(queue, 1, 2)


def test_what_comes_back_while_others_are_claimed_is_not_passed_over() -> None:
    queue = Queue([0])
    turn = claims(queue, 0, 0)
    queue.back(0, 8)
    queue.went(turn, 30, more=False)
    claims(queue, 0, 0)


def test_what_comes_back_during_the_last_look_is_not_passed_over() -> None:
    queue = Queue([0])
    queue.went(claims(queue, 0, 0), 9, more=False)
    since = queue.since()
    queue.back(0, 4)
    queue.swept(since, [])
    assert not queue.through
    claims(queue, 0, 3)


def test_it_begins_again() -> None:
    queue = Queue([0, 2])
    queue.went(claims(queue, 0, 0), 9, more=False)
    queue.went(claims(queue, 2, 0), 9, more=False)
    queue.swept(queue.since(), [])
    queue.anew()
    assert not queue.through
    queue.went(claims(queue, 0, 0), 0, more=False)
    claims(queue, 2, 0)


def test_it_begins_again_with_those_variants_alone_that_there_is_something_of() -> None:
    queue = Queue([0, 1, 2, 3])
    turn = claims(queue, 0, 0)
    queue.anew({3, 1})
    queue.went(turn, 9, more=True)
    queue.went(claims(queue, 1, 0), 9, more=False)
    queue.back(0, 5)
    queue.went(claims(queue, 3, 0), 9, more=False)
    claims(queue, 0, 4)
    queue.anew(())
    assert queue.turn() is None
    assert not queue.through
