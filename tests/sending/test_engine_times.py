"""When copies go: quiet hours, a day's cap, warm-up, the reader's own time. Nights go by in a moment here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sendings import (
    DAY_S,
    HOUR_S,
    REPLAYED,
    SETTINGS,
    Clock,
    Post,
    Taker,
    answer,
    choose,
    counts,
    everyone,
    lose,
    refuse,
    refuse_bad,
    state,
    store_with,
    take,
)

from conftest import NOW, remove
from digest.issue import editing, issues
from digest.providers.interface import Pace, Proof, TryAgainError
from digest.sending import engine
from digest.sending.ledger_check import check_ledger
from digest.settings import Settings

FOR_EVER_S = 10 * 365 * DAY_S
NIGHT = SETTINGS.model_copy(update={"quiet_hours": "22:00-07:00"})
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def clock() -> Iterator[Clock]:
    with_time = Clock()
    yield with_time
    with_time.close()


@pytest.fixture
def evening() -> Iterator[Clock]:
    """A clock that begins ten seconds before ten in the evening, UTC."""
    with_time = Clock(datetime(2026, 11, 26, 21, 59, 50, tzinfo=UTC))
    yield with_time
    with_time.close()


def send(post: Post, taker: Taker, **options: Any) -> dict[str, int]:
    """Send as one hand that leaps over the nights."""
    return post.send(taker, sleep=post.clock.leap, **options)


class Dated(Taker):
    """A provider that keeps the moments at which it accepted, by the clock on the wall."""

    clock: Clock

    def days(self) -> dict[str, int]:
        """The copies of each day, in UTC."""
        return dict(Counter(f"{self.at(began):%m-%d}" for began, batch in self._calls() for _ in batch))

    def hours(self) -> dict[int, str]:
        """The moment of each reader's copy, in UTC."""
        return {reader: f"{self.at(began):%m-%dT%H:%M}" for began, batch in self._calls() for reader in batch}

    def at(self, began: float) -> datetime:
        return self.clock.start + timedelta(seconds=began)

    def _calls(self) -> list[tuple[float, list[int]]]:
        return [
            (began, [recipient.subscriber for recipient in batch.recipients])
            for began, batch in zip(self.began, self.calls, strict=True)
        ]


def dated(clock: Clock, **options: Any) -> Dated:
    taker = Dated(**options)
    taker.clock = clock
    return taker


# Quiet hours ------------------------------------------------------------------------------------------------------


def test_in_quiet_hours_nothing_is_handed_over(evening: Clock) -> None:
    post = Post(store_with(30), evening)
    taker = dated(evening, takes_s=2)
    assert send(post, taker, settings=NIGHT) == {"audience": 30, "accepted": 15, "queued": 15}
    assert all(at < "11-26T22:00" for at in taker.hours().values())
    assert post.engine is not None
    assert post.engine.later is not None
    assert post.engine.later == pytest.approx(datetime(2026, 11, 27, 7, tzinfo=UTC), abs=timedelta(seconds=1))
    assert send(post, taker, settings=NIGHT) == {"audience": 30, "accepted": 15, "queued": 15}
    assert state(post.db) == "sending"


def test_who_waits_goes_on_in_the_morning(evening: Clock) -> None:
    post = Post(store_with(30), evening)
    taker = dated(evening, takes_s=2)
    assert send(post, taker, settings=NIGHT, patience_s=FOR_EVER_S) == {"audience": 30, "accepted": 30}
    assert taker.days() == {"11-26": 15, "11-27": 15}
    assert min(at for at in taker.hours().values() if at > "11-27") == "11-27T07:00"
    assert taker.readers() == everyone(30)


def test_a_call_that_waits_for_its_slot_is_not_begun_when_it_is_quiet_by_then(evening: Clock) -> None:
    post = Post(store_with(30), evening)
    taker = dated(evening, pace=Pace(calls_a_second=0.1, connections=4))
    post.send(taker, settings=NIGHT)
    assert max(taker.hours().values()) < "11-26T22:00"


def test_quiet_hours_are_the_newsletter_s(evening: Clock) -> None:
    post = Post(store_with(3), evening)
    in_tokyo = NIGHT.model_copy(update={"timezone": "Asia/Tokyo"})
    # It is seven in the morning there.
    taker = dated(evening)
    assert send(post, taker, settings=in_tokyo, patience_s=60) == {"audience": 3, "accepted": 3}


def test_what_is_uncertain_is_settled_at_night_too(evening: Clock) -> None:
    post = Post(store_with(3), evening)
    taker = dated(evening, acts=[lose(3)], proof=Proof(ask_s=DAY_S, settling_s=60))
    assert send(post, taker, settings=NIGHT) == {"audience": 3, "accepted": 3}
    assert state(post.db) == "sent"


def test_where_nothing_is_queued_nobody_waits_for_the_morning(evening: Clock) -> None:
    post = Post(store_with(3), evening)
    taker = dated(evening, takes_s=30)
    assert send(post, taker, settings=NIGHT, patience_s=FOR_EVER_S) == {"audience": 3, "accepted": 3}
    assert evening.now() < datetime(2026, 11, 26, 22, 10, tzinfo=UTC)


def test_while_it_is_quiet_a_run_can_be_stopped(evening: Clock) -> None:
    post = Post(store_with(30), evening)
    taker = dated(evening, takes_s=2)
    midnight = datetime(2026, 11, 27, tzinfo=UTC)
    tally = send(post, taker, settings=NIGHT, patience_s=FOR_EVER_S, stopping=lambda: evening.now() >= midnight)
    assert tally == {"audience": 30, "accepted": 15, "queued": 15}
    assert evening.now() - midnight < timedelta(seconds=1)


# A day's cap and warm-up ------------------------------------------------------------------------------------------


def test_a_day_s_cap_is_kept_and_the_rest_goes_on_the_next_days(clock: Clock) -> None:
    post = Post(store_with(20), clock)
    taker = dated(clock, pace=Pace(a_day=8, connections=1))
    assert send(post, taker) == {"audience": 20, "accepted": 8, "queued": 12}
    assert post.engine is not None
    assert post.engine.later == pytest.approx(datetime(2026, 11, 27, tzinfo=UTC), abs=timedelta(seconds=1))
    assert send(post, taker) == {"audience": 20, "accepted": 8, "queued": 12}
    assert send(post, taker, patience_s=FOR_EVER_S) == {"audience": 20, "accepted": 20}
    assert taker.days() == {"11-26": 8, "11-27": 8, "11-28": 4}
    assert state(post.db) == "sent"


def test_a_warm_up_doubles_day_by_day(clock: Clock) -> None:
    post = Post(store_with(40), clock)
    taker = dated(clock, pace=Pace(first_day=3, connections=1), limit=50)
    settings = SETTINGS.model_copy(update={"batch_size": 50})
    assert send(post, taker, settings=settings, patience_s=FOR_EVER_S) == {"audience": 40, "accepted": 40}
    assert taker.days() == {"11-26": 3, "11-27": 6, "11-28": 12, "11-29": 19}
    assert taker.readers() == everyone(40)


def test_a_cap_and_quiet_hours_go_together(clock: Clock) -> None:
    post = Post(store_with(10), clock)
    taker = dated(clock, pace=Pace(a_day=4, connections=1))
    send(post, taker, settings=NIGHT, patience_s=FOR_EVER_S)
    assert taker.days() == {"11-26": 4, "11-27": 4, "11-28": 2}
    assert {at[-5:] for at in taker.hours().values()} == {"09:00", "07:00"}


def test_what_was_refused_takes_no_room(clock: Clock) -> None:
    post = Post(store_with(6), clock)
    taker = dated(clock, acts=[refuse(TryAgainError("busy"))] * 4, pace=Pace(a_day=6, connections=1))
    assert send(post, taker) == {"audience": 6, "accepted": 6}
    assert taker.days().keys() == {"11-26"}


def test_what_was_put_off_takes_no_room(clock: Clock) -> None:
    post = Post(store_with(6), clock)
    off = answer([1], again={2: "busy", 3: "busy"}, trouble=TryAgainError("busy"))
    taker = dated(clock, acts=[off], pace=Pace(a_day=6, connections=1))
    assert send(post, taker) == {"audience": 6, "accepted": 6}


def test_the_halves_of_a_batch_that_filled_the_day_are_handed_over(clock: Clock) -> None:
    post = Post(store_with(12), clock)
    taker = dated(clock, always=refuse_bad(2), limit=10, pace=Pace(a_day=10, connections=1))
    of_ten = SETTINGS.model_copy(update={"batch_size": 10})
    tally = send(post, taker, settings=of_ten, stopping=lambda: len(taker.calls) > 30)
    assert len(taker.calls) <= 30
    assert tally == {"audience": 12, "accepted": 10, "rejected": 1, "queued": 1}


def test_a_call_is_repeated_though_the_day_is_full(clock: Clock) -> None:
    post = Post(store_with(6), clock)
    taker = dated(clock, acts=[take, lose(3)], proof=REPLAYED, pace=Pace(a_day=6, connections=1))
    assert send(post, taker, patience_s=FOR_EVER_S) == {"audience": 6, "accepted": 6}
    assert clock.now() < NOW + timedelta(hours=1)


def test_where_the_last_copy_filled_the_day_nobody_waits_for_the_next(clock: Clock) -> None:
    post = Post(store_with(6), clock)
    taker = dated(clock, pace=Pace(a_day=6, connections=1))
    assert send(post, taker, patience_s=FOR_EVER_S) == {"audience": 6, "accepted": 6}
    assert clock.now() < NOW + timedelta(hours=1)


def test_several_hands_keep_a_cap_together(clock: Clock) -> None:
    post = Post(store_with(30), clock)
    taker = dated(clock, pace=Pace(a_day=10, connections=4), takes_s=1)
    assert post.send(taker) == {"audience": 30, "accepted": 10, "queued": 20}
    assert post.engine is not None
    assert post.engine.later is not None


def test_several_hands_wait_for_tomorrow_where_the_pace_is_slow(clock: Clock) -> None:
    post = Post(store_with(12), clock)
    taker = dated(clock, pace=Pace(a_day=3, connections=4, calls_a_second=2), takes_s=0.1)
    assert post.send(taker) == {"audience": 12, "accepted": 3, "queued": 9}
    assert post.engine is not None
    assert post.engine.later is not None


# Where the reader is ----------------------------------------------------------------------------------------------

ZONES = {1: "Pacific/Kiritimati", 2: "Asia/Tokyo", 3: "Europe/Berlin", 5: "America/New_York", 6: "Pacific/Pago_Pago"}


def local(readers: int, zones: dict[int, str], at: datetime, clock: Clock, settings: Settings = SETTINGS) -> Post:
    """Readers in zones, and an issue approved for a time where they are."""
    db = store_with(readers, zones)
    editing.edit(db, 1, now=clock.now(), settings=settings)
    issues.freeze(db, settings, 1, now=clock.now(), at=at, local=True)
    return Post(db, clock)


@pytest.fixture
def day_before() -> Iterator[Clock]:
    """A clock that begins at the moment at which it is Friday, 09:00, first on Earth."""
    with_time = Clock(datetime(2026, 11, 26, 19, tzinfo=UTC))
    yield with_time
    with_time.close()


def test_each_reader_is_mailed_when_it_is_nine_where_they_are(day_before: Clock) -> None:
    post = local(6, ZONES, datetime(2026, 11, 27, 9, tzinfo=UTC), day_before)
    taker = dated(day_before)
    assert send(post, taker, patience_s=FOR_EVER_S) == {"audience": 6, "accepted": 6}
    assert taker.hours() == {
        1: "11-26T19:00",
        2: "11-27T00:00",
        3: "11-27T08:00",
        4: "11-27T09:00",
        5: "11-27T14:00",
        6: "11-27T20:00",
    }
    assert state(post.db) == "sent"


def test_who_does_not_wait_comes_back_for_each_zone(day_before: Clock) -> None:
    post = local(6, ZONES, datetime(2026, 11, 27, 9, tzinfo=UTC), day_before)
    taker = dated(day_before)
    assert send(post, taker) == {"audience": 6, "accepted": 1, "queued": 5}
    laters: list[str] = []
    while state(post.db) == "sending" and len(laters) < 10:
        assert post.engine is not None
        assert post.engine.later is not None
        laters.append(f"{post.engine.later:%m-%dT%H:%M}")
        post.run(day_before.leap((post.engine.later - day_before.now()).total_seconds()))
        send(post, taker)
    assert laters == ["11-27T00:00", "11-27T08:00", "11-27T09:00", "11-27T14:00", "11-27T20:00"]
    assert taker.readers() == everyone(6)


def test_sent_early_it_goes_to_all_at_once(day_before: Clock) -> None:
    post = local(6, ZONES, datetime(2026, 11, 28, 9, tzinfo=UTC), day_before)
    taker = dated(day_before)
    assert send(post, taker, early=True) == {"audience": 6, "accepted": 6}
    assert set(taker.hours().values()) == {"11-26T19:00"}


@pytest.mark.parametrize(
    ("wall", "moments"),
    [
        # The clocks of Berlin go forward at 02:00 on 29 March, those of New York did on 8 March.
        (datetime(2026, 3, 29, 1, 30), {"Europe/Berlin": "03-29T00:30", "America/New_York": "03-29T05:30"}),
        (datetime(2026, 3, 29, 2, 30), {"Europe/Berlin": "03-29T01:30", "America/New_York": "03-29T06:30"}),
        (datetime(2026, 3, 29, 9, 0), {"Europe/Berlin": "03-29T07:00", "America/New_York": "03-29T13:00"}),
        # They go back at 03:00 on 25 October: half past two comes twice, and the first is meant.
        (datetime(2026, 10, 25, 2, 30), {"Europe/Berlin": "10-25T00:30", "America/New_York": "10-25T06:30"}),
        (datetime(2026, 10, 25, 9, 0), {"Europe/Berlin": "10-25T08:00", "America/New_York": "10-25T13:00"}),
        (datetime(2026, 11, 1, 1, 30), {"Europe/Berlin": "11-01T00:30", "America/New_York": "11-01T05:30"}),
    ],
)
def test_on_the_days_the_clocks_change_nobody_is_left_out_or_mailed_twice(
    wall: datetime, moments: dict[str, str]
) -> None:
    clock = Clock(wall.replace(tzinfo=UTC) - timedelta(hours=20))
    try:
        zones = {2: "Europe/Berlin", 3: "America/New_York"}
        post = local(3, zones, wall.replace(tzinfo=UTC), clock)
        post.run(clock.leap(10 * HOUR_S))
        taker = dated(clock)
        assert send(post, taker, patience_s=FOR_EVER_S) == {"audience": 3, "accepted": 3}
        found = taker.hours()
        assert {zones[reader]: found[reader] for reader in zones} == moments
        assert found[1] == f"{wall:%m-%dT%H:%M}"
        assert taker.readers() == everyone(3)
    finally:
        clock.close()


def test_who_left_before_their_morning_gets_no_copy(day_before: Clock) -> None:
    post = local(6, ZONES, datetime(2026, 11, 27, 9, tzinfo=UTC), day_before)
    taker = dated(day_before)

    def leave() -> None:
        if 2 in taker.readers():
            remove(post.db, "reader5@example.com", now=day_before.now())

    assert send(post, taker, patience_s=FOR_EVER_S, progress=leave) == {"audience": 6, "accepted": 5, "skipped": 1}
    assert 5 not in taker.readers()


def test_a_zone_whose_time_comes_at_night_is_not_waited_for_beyond_patience(evening: Clock) -> None:
    """In Berlin it is nine in the evening when it is eight in UTC; the newsletter is quiet from ten on, by UTC."""
    at = datetime(2026, 11, 26, 22, 0, 30, tzinfo=UTC)
    post = local(2, {1: "Europe/London"}, at, evening)
    post.db.execute("UPDATE issues SET scheduled_at = NULL")
    post.db.execute("UPDATE subscribers SET timezone = 'Atlantic/Azores' WHERE id = 2")
    looks = 0

    def stopping() -> bool:
        nonlocal looks
        looks += 1
        return looks > 20_000

    send(post, dated(evening), settings=NIGHT, stopping=stopping)
    assert looks < 10_000
    assert counts(post.db) == {"audience": 2, "queued": 2}
    assert post.engine is not None
    assert post.engine.later is not None


def test_what_is_put_back_while_others_wait_for_their_slots_opens_no_other_zone(day_before: Clock) -> None:
    """One hand puts a copy back and asks about another; the other hand's slot comes before it has the answer."""
    zones = dict.fromkeys(range(1, 13, 2), "Asia/Tokyo") | dict.fromkeys(range(2, 13, 2), "America/Los_Angeles")
    post = local(12, zones, datetime(2026, 11, 27, 9, tzinfo=UTC), day_before)
    post.run(day_before.leap(5 * HOUR_S))
    pace = Pace(calls_a_second=0.5, connections=2)
    taker = dated(day_before, acts=[lose(1), refuse(TryAgainError("busy"))], limit=2, pace=pace, takes_s=0.1)
    taker.asks_s = 3
    assert post.send(taker) == {"audience": 12, "accepted": 6, "queued": 6}
    assert taker.readers() == [1, 3, 5, 7, 9, 11]


def test_what_is_put_back_after_its_zone_s_time_goes_in_the_same_run(day_before: Clock) -> None:
    zones = {1: "Asia/Tokyo", 2: "Asia/Seoul", 3: "Asia/Manila"}
    post = local(3, zones, datetime(2026, 11, 27, 9, tzinfo=UTC), day_before)
    # The call to the only reader in Tokyo is lost, and settled an hour and a half later: then it is nine in Manila.
    taker = dated(day_before, acts=[lose(0)], limit=1, proof=Proof(ask_s=DAY_S, settling_s=1.5 * HOUR_S))
    assert send(post, taker, patience_s=FOR_EVER_S) == {"audience": 3, "accepted": 3}
    assert taker.readers() == everyone(3)


def test_what_is_put_off_after_the_last_zone_s_time_goes_in_the_same_run(
    day_before: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An idle hand looks less often: there are minutes of them here.
    monkeypatch.setattr(engine, "BUSY_S", 10.0)
    zones = {1: "Asia/Tokyo", 2: "Asia/Tokyo", 3: "Australia/Eucla"}
    post = local(3, zones, datetime(2026, 11, 27, 9, tzinfo=UTC), day_before)
    # When the call for Tokyo ends it is nine in Eucla; one of its copies was accepted, the other is put off.
    taker = dated(day_before, acts=[answer([1], again={2: "greylisted"})], takes_s=HOUR_S / 3)
    taker.pace = Pace(connections=2)
    assert post.send(taker, patience_s=FOR_EVER_S) == {"audience": 3, "accepted": 3}
    assert taker.readers() == everyone(3)


def test_a_zone_costs_no_slots_for_variants_none_of_whose_readers_are_in_it(day_before: Clock) -> None:
    """Where the pace is slow, to look for copies of each variant in turn would take longer than to mail them."""
    topics = ["developer-tools", "agents-and-automation", "voice-and-audio", "running-models", "image-and-video"]
    zones = dict.fromkeys(range(1, 7), "Asia/Tokyo") | {7: "Asia/Manila"}
    post = local(7, zones, datetime(2026, 11, 27, 9, tzinfo=UTC), day_before)
    choose(post.db, {reader: [topics[at]] for reader, at in enumerate((0, 1, 0, 3, 4, 0, 2), start=1)})
    taker = dated(day_before, pace=Pace(calls_a_second=1 / 60, connections=1))
    assert send(post, taker, patience_s=FOR_EVER_S) == {"audience": 7, "accepted": 7}
    assert taker.hours()[7] <= "11-27T01:01"


# Patience ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("patience_s", "accepted"), [(100, 3), (500, 10)])
def test_what_comes_soon_is_waited_for_and_what_comes_late_is_told(
    clock: Clock, patience_s: float, accepted: int
) -> None:
    post = Post(store_with(10), clock)
    taker = Taker([take, refuse(TryAgainError("busy", after_s=300))])
    tally = post.send(taker, patience_s=patience_s)
    assert tally["accepted"] == accepted
    assert post.engine is not None
    if accepted == 10:
        assert post.engine.later is None
    else:
        assert post.engine.later == pytest.approx(NOW + timedelta(seconds=300), abs=timedelta(seconds=2))
    assert check_ledger(post.db) == []
