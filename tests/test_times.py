from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest import times
from digest.errors import InputError

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

# The last two are as far from UTC as zones go, to either side.
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati", "Pacific/Niue"]
).map(ZoneInfo)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: float = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-26", at(2026, 11, 25, 23)),
        ("2026-11-26 09:00", at(2026, 11, 26, 8)),
        ("2026-07-02T09:00", at(2026, 7, 2, 7)),
        ("2026-11-26T09:00Z", at(2026, 11, 26, 9)),
        ("2026-11-26T09:00-05:00", at(2026, 11, 26, 14)),
        ("  2026-11-26 09:00\n", at(2026, 11, 26, 8)),
        ("2026-11-26T09:00:30.25", at(2026, 11, 26, 8, 0, 30.25)),
    ],
)
def test_a_time_without_an_offset_is_in_the_newsletters_zone(text: str, moment: datetime) -> None:
    assert times.parse(text, BERLIN, NOW) == moment


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("now", timedelta()),
        ("-0h", timedelta()),
        ("-30h", timedelta(hours=30)),
        ("-3d", timedelta(days=3)),
        ("-99999d", timedelta(days=99999)),
    ],
)
def test_an_age_counts_back_from_now(text: str, age: timedelta) -> None:
    assert times.parse(text, BERLIN, NOW) == NOW - age


def test_an_age_of_days_is_one_of_24_hours_each_also_over_a_change_of_the_clocks() -> None:
    after_the_change = at(2026, 10, 25, 12)
    assert times.parse("-1d", BERLIN, after_the_change) == at(2026, 10, 24, 12)


@pytest.mark.parametrize("text", ["2026-03-29 02:00", "2026-03-29 02:30", "2026-03-29T02:59:59.999999"])
def test_a_time_the_clocks_leave_out_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"does not exist in Europe/Berlin"):
        times.parse(text, BERLIN, NOW)


def test_the_times_around_a_gap_are_taken() -> None:
    assert times.parse("2026-03-29 01:59:59", BERLIN, NOW) == at(2026, 3, 29, 0, 59, 59)
    assert times.parse("2026-03-29 03:00", BERLIN, NOW) == at(2026, 3, 29, 1)


def test_a_date_whose_midnight_the_clocks_leave_out_is_refused() -> None:
    with pytest.raises(InputError, match="does not exist in America/Santiago"):
        times.parse("2026-09-06", ZoneInfo("America/Santiago"), NOW)


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    assert times.parse("2026-10-25 02:30", BERLIN, NOW) == at(2026, 10, 25, 0, 30)


def test_an_offset_chooses_between_the_two() -> None:
    assert times.parse("2026-10-25 02:30+01:00", BERLIN, NOW) == at(2026, 10, 25, 1, 30)


@pytest.mark.parametrize(
    "text", ["", "soon", "-3", "-3w", "3d", "-123456d", "2026-02-30", "26.11.2026", "2026-11-26 9"]
)
def test_what_is_no_time_is_refused_with_an_example_of_one(text: str) -> None:
    with pytest.raises(InputError, match=r"is not a time; write it like 2026-11-26 09:00"):
        times.parse(text, BERLIN, NOW)


@pytest.mark.parametrize(("text", "zone"), [("0001-01-01", "Europe/Berlin"), ("9999-12-31 23:00", "America/New_York")])
def test_a_time_beyond_the_calendar_is_refused(text: str, zone: str) -> None:
    with pytest.raises(InputError, match="outside the years that can be counted"):
        times.parse(text, ZoneInfo(zone), NOW)


@given(
    st.one_of(st.text(), st.from_regex(r"-?[0-9]{1,5}[dhT:-]{1,2}[0-9Z+:.-]{0,20}"), st.text("0123456789-:TWZ+. ")),
    zones,
)
@example("\ud800", BERLIN)
@example("2026-11-26\x00", BERLIN)
def test_whatever_is_written_is_a_time_in_utc_or_refused(text: str, zone: ZoneInfo) -> None:
    with suppress(InputError):
        assert times.parse(text, zone, NOW).tzinfo is UTC


@given(st.datetimes(), zones)
@example(datetime.fromisoformat("0001-01-01"), ZoneInfo("Pacific/Kiritimati"))
@example(datetime.fromisoformat("9999-12-31T23:59:59.999999"), ZoneInfo("Pacific/Niue"))
def test_a_local_time_that_is_taken_reads_the_same_on_the_zones_clocks(local: datetime, zone: ZoneInfo) -> None:
    with suppress(InputError):
        moment = times.parse(local.isoformat(), zone, NOW)
        assert moment.astimezone(zone).replace(tzinfo=None) == local


@given(st.datetimes(), st.integers(-1439, 1439))
def test_an_offset_wins_over_the_zone(local: datetime, minutes: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    with suppress(InputError):
        assert times.parse(moment.isoformat(), BERLIN, NOW) == moment


moments = st.datetimes(timezones=st.just(UTC))


@given(moments)
def test_the_store_gives_back_the_moment_it_was_given(moment: datetime) -> None:
    assert times.from_text(times.to_text(moment)) == moment


@given(moments, moments)
def test_moments_in_the_store_sort_as_text(one: datetime, other: datetime) -> None:
    assert (times.to_text(one) < times.to_text(other)) == (one < other)


def test_the_store_keeps_utc_with_microseconds() -> None:
    assert times.to_text(datetime(2026, 11, 26, 9, tzinfo=BERLIN)) == "2026-11-26T08:00:00.000000Z"


def test_the_clock_is_read_in_utc() -> None:
    before = datetime.now(UTC)
    assert before <= times.now() <= datetime.now(UTC)
    assert times.now().tzinfo is UTC


def test_people_read_moments_on_their_own_clocks() -> None:
    assert times.for_people(at(2026, 11, 26, 8), BERLIN) == "Thu 26 Nov 2026, 09:00 CET"
    assert times.for_people(at(2026, 7, 2, 22, 5), BERLIN) == "Fri 3 Jul 2026, 00:05 CEST"
