"""How fast a provider is worked, by all processes together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sendings import claimed, sending
from sqlite_utils import Database

from conftest import NOW, memory_store
from digest.providers.interface import Pace
from digest.sending import pace
from digest.sending.pace import BASE_S, MOST_AHEAD_S, MOST_S, SLOTS_AHEAD, TROUBLED_S, TROUBLES, Health

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def empty() -> Database:
    return memory_store()


@pytest.fixture
def db(empty: Database) -> Database:
    empty.conn.executescript("DELETE FROM paces; DELETE FROM provider_days")
    return empty


def seconds(count: float) -> datetime:
    """So many seconds after NOW."""
    return NOW + timedelta(seconds=count)


def used(db: Database, day: datetime, copies: int) -> None:
    db.execute("INSERT INTO provider_days VALUES ('taker', ?, ?)", [f"{day:%Y-%m-%d}", copies])


# Slots ------------------------------------------------------------------------------------------------------------


def test_without_a_limit_nothing_waits_and_nothing_is_written(db: Database) -> None:
    assert [pace.reserve(db, "taker", Pace(), 500, now=NOW) for _ in range(3)] == [0, 0, 0]
    assert db.execute("SELECT count(*) FROM paces").fetchone() == (0,)


def test_calls_are_spaced_evenly(db: Database) -> None:
    found = [pace.reserve(db, "taker", Pace(calls_a_second=4), 500, now=NOW) for _ in range(5)]
    assert found == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_copies_have_a_limit_of_their_own(db: Database) -> None:
    both = Pace(calls_a_second=10, copies_a_second=100)
    found = [pace.reserve(db, "taker", both, copies, now=NOW) for copies in (50, 1, 1, 100, 1)]
    assert found == pytest.approx([0, 0.5, 0.6, 0.7, 1.7])


def test_time_that_passed_is_not_saved_up(db: Database) -> None:
    slow = Pace(calls_a_second=2)
    pace.reserve(db, "taker", slow, 1, now=NOW)
    assert pace.reserve(db, "taker", slow, 1, now=seconds(100)) == 0
    assert pace.reserve(db, "taker", slow, 1, now=seconds(100)) == pytest.approx(0.5)


def test_a_slow_provider_has_slots_far_ahead(db: Database) -> None:
    hourly = Pace(calls_a_second=1 / 3600)
    assert [pace.reserve(db, "taker", hourly, 1, now=NOW) for _ in range(3)] == pytest.approx([0, 3600, 7200])


def test_each_provider_has_its_own_slots(db: Database) -> None:
    slow = Pace(calls_a_second=1)
    assert [pace.reserve(db, name, slow, 1, now=NOW) for name in ("taker", "other", "taker")] == [0, 0, 1]


@pytest.mark.parametrize("back_s", [MOST_AHEAD_S + SLOTS_AHEAD + 2, 86_400.0])
def test_a_clock_that_was_put_back_does_not_stop_a_sending(db: Database, back_s: float) -> None:
    slow = Pace(calls_a_second=1)
    pace.reserve(db, "taker", slow, 1, now=seconds(back_s))
    pace.slow_down(db, "taker", 60, now=seconds(back_s))
    assert pace.reserve(db, "taker", slow, 1, now=NOW) == 0
    assert pace.wait_of(db, "taker", now=NOW) == 0


@given(
    st.floats(0.5, 200),
    st.floats(0, 1000),
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 10)), min_size=5, max_size=40),
)
def test_in_no_second_more_is_begun_than_the_limit(
    calls_a_second: float, copies_a_second: float, calls: list[tuple[float, int]]
) -> None:
    store = memory_store_once()
    limits = Pace(calls_a_second=calls_a_second, copies_a_second=0 if copies_a_second < 20 else copies_a_second)
    now, begun = 0.0, []
    for pause, copies in calls:
        now += pause
        begun.append((now + pace.reserve(store, "taker", limits, copies, now=seconds(now)), copies))
    for start, _ in begun:
        within = [copies for at, copies in begun if start <= at < start + 0.999]
        assert len(within) <= calls_a_second + 1
        if limits.copies_a_second:
            assert sum(within) <= limits.copies_a_second + max(within)


_KEPT: list[Database] = []


def memory_store_once() -> Database:
    """One store for all of hypothesis' examples, without what they left in it."""
    if not _KEPT:
        _KEPT.append(memory_store())
    _KEPT[0].conn.execute("DELETE FROM paces")
    return _KEPT[0]


# A provider that told us to wait ----------------------------------------------------------------------------------


def test_all_wait_as_long_as_a_provider_told_one(db: Database) -> None:
    assert pace.wait_of(db, "taker", now=NOW) == 0
    pace.slow_down(db, "taker", 30, now=NOW)
    assert pace.wait_of(db, "taker", now=NOW) == pytest.approx(30)
    assert pace.wait_of(db, "taker", now=seconds(10)) == pytest.approx(20)
    assert pace.wait_of(db, "taker", now=seconds(30)) == 0
    assert pace.wait_of(db, "other", now=NOW) == 0


def test_the_longer_wait_counts(db: Database) -> None:
    pace.slow_down(db, "taker", 30, now=NOW)
    pace.slow_down(db, "taker", 5, now=NOW)
    assert pace.wait_of(db, "taker", now=NOW) == pytest.approx(30)
    pace.slow_down(db, "taker", 5, now=seconds(28))
    assert pace.wait_of(db, "taker", now=seconds(28)) == pytest.approx(5)


def test_a_wait_told_by_a_wrong_clock_is_forgotten(db: Database) -> None:
    pace.slow_down(db, "taker", 60, now=NOW + DAY)
    pace.slow_down(db, "taker", 20, now=NOW)
    assert pace.wait_of(db, "taker", now=NOW) == pytest.approx(20)


def test_nobody_waits_longer_than_ten_minutes_without_asking_again(db: Database) -> None:
    pace.slow_down(db, "taker", 86_400, now=NOW)
    assert pace.wait_of(db, "taker", now=NOW) == pytest.approx(MOST_AHEAD_S)


# A day's cap ------------------------------------------------------------------------------------------------------


def test_without_a_cap_there_is_always_room(db: Database) -> None:
    used(db, NOW, 1_000_000)
    assert pace.cap_today(db, "taker", Pace(), now=NOW) == 0
    assert pace.room_today(db, "taker", Pace(), now=NOW) is None


def test_a_cap_is_for_the_day_in_utc(db: Database) -> None:
    capped = Pace(a_day=100)
    used(db, NOW, 40)
    assert pace.room_today(db, "taker", capped, now=NOW) == 60
    assert pace.room_today(db, "other", capped, now=NOW) == 100
    assert pace.room_today(db, "taker", capped, now=NOW + DAY) == 100
    still_today = datetime.fromisoformat("2026-11-27T03:00:00+09:00")
    assert pace.room_today(db, "taker", capped, now=still_today) == 60
    assert pace.room_today(db, "taker", Pace(a_day=30), now=NOW) == 0


def test_a_warm_up_doubles_each_day_of_use(db: Database) -> None:
    warm = Pace(first_day=50)
    caps = []
    for day in range(5):
        now = NOW + day * DAY
        caps.append(pace.cap_today(db, "taker", warm, now=now))
        if day != 2:
            used(db, now, 1)
    assert caps == [50, 100, 200, 200, 400]


def test_of_a_cap_and_a_warm_up_the_smaller_counts(db: Database) -> None:
    both = Pace(a_day=150, first_day=100)
    assert pace.cap_today(db, "taker", both, now=NOW) == 100
    used(db, NOW, 1)
    assert pace.cap_today(db, "taker", both, now=NOW + DAY) == 150


def test_a_day_on_which_everything_was_refused_does_not_warm_up(db: Database) -> None:
    used(db, NOW, 0)
    assert pace.cap_today(db, "taker", Pace(first_day=50), now=NOW + DAY) == 50


def test_a_long_warm_up_ends_in_a_number(db: Database) -> None:
    for day in range(60):
        used(db, NOW - day * DAY, 1)
    assert pace.cap_today(db, "taker", Pace(first_day=50), now=NOW + DAY) == 50 * 2**40


def test_what_was_claimed_takes_room() -> None:
    db = sending(5)
    claimed(db)
    assert pace.room_today(db, "taker", Pace(a_day=4), now=NOW) == 1


def test_the_next_day_begins_at_midnight_utc() -> None:
    assert pace.tomorrow(NOW) == datetime(2026, 11, 27, tzinfo=UTC)
    assert pace.tomorrow(datetime.fromisoformat("2026-12-31T23:30:00-02:00")) == datetime(2027, 1, 2, tzinfo=UTC)


# Health -----------------------------------------------------------------------------------------------------------


def test_pauses_grow_to_half_a_minute_and_end_when_a_call_goes_well() -> None:
    health, now, pauses = Health(), 0.0, []
    for _ in range(8):
        pauses.append(health.ill(now=seconds(now), draw=1.0))
        now += pauses[-1]
    assert pauses == [0.75, 2.25, 6.75, 20.25, MOST_S, MOST_S, MOST_S, MOST_S]
    health.well()
    assert health.troubles == 0
    assert health.ill(now=seconds(now), draw=1.0) == 0.75


def test_the_shortest_pause_is_a_quarter_of_a_second() -> None:
    health = Health()
    assert health.ill(now=NOW, draw=0.0) == BASE_S


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_pause_is_between_the_shortest_and_the_longest(draws: list[float]) -> None:
    health, now = Health(), 0.0
    for draw in draws:
        pause = health.ill(now=seconds(now), draw=draw)
        # A moment is kept to the microsecond.
        assert BASE_S - 1e-6 <= pause <= MOST_S
        now += pause + 0.001
    assert health.troubles == len(draws)


def test_what_the_provider_told_comes_before_our_own_pause() -> None:
    assert Health().ill(now=NOW, draw=1.0, told_s=7.0) == 7.0
    assert Health().ill(now=NOW, draw=1.0, told_s=0.0) == BASE_S


def test_calls_that_fail_together_are_one_failure() -> None:
    health = Health()
    first = health.ill(now=NOW, draw=1.0)
    assert health.ill(now=seconds(0.5), draw=1.0) == pytest.approx(first - 0.5)
    assert health.troubles == 1
    health.ill(now=seconds(first), draw=1.0)
    assert health.troubles == 2


def test_a_clock_that_was_put_back_does_not_hide_failures() -> None:
    health = Health()
    health.ill(now=seconds(86_400), draw=1.0)
    health.ill(now=NOW, draw=1.0)
    assert health.troubles == 2


def test_the_breaker_opens_after_many_failures_over_a_time() -> None:
    health, now = Health(), 0.0
    while not health.broken(now=seconds(now)):
        now += health.ill(now=seconds(now), draw=0.5)
        assert now < 600
    assert health.troubles >= TROUBLES
    assert now >= TROUBLED_S
    health.well()
    assert not health.broken(now=seconds(now))


def test_neither_many_failures_in_a_moment_nor_few_over_a_time_open_it() -> None:
    quick = Health(troubles=TROUBLES + 1, since=NOW)
    assert not quick.broken(now=seconds(TROUBLED_S - 1))
    assert not Health(troubles=TROUBLES - 1, since=NOW).broken(now=seconds(3600))
