"""When copies may go: quiet hours, and the reader's own time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.sending.timing import due_at, parted, quiet_until

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = (time(22), time(7))
NOON = (time(12), time(13, 30))
WALL = datetime(2026, 11, 26, 9)


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    """A moment, by the clocks of a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-26T21:59:59", None),
        ("2026-11-26T22:00", "2026-11-27T07:00"),
        ("2026-11-26T23:59", "2026-11-27T07:00"),
        ("2026-11-27T00:00", "2026-11-27T07:00"),
        ("2026-11-27T06:59:59.9", "2026-11-27T07:00"),
        ("2026-11-27T07:00", None),
        ("2026-12-31T23:00", "2027-01-01T07:00"),
    ],
)
def test_a_night_goes_over_midnight(now: str, until: str | None) -> None:
    assert quiet_until(at(now), NIGHT, BERLIN) == (at(until) if until else None)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-26T11:59", None),
        ("2026-11-26T12:00", "2026-11-26T13:30"),
        ("2026-11-26T13:29", "2026-11-26T13:30"),
        ("2026-11-26T13:30", None),
        ("2026-11-26T23:00", None),
    ],
)
def test_quiet_hours_may_lie_within_a_day(now: str, until: str | None) -> None:
    assert quiet_until(at(now), NOON, BERLIN) == (at(until) if until else None)


def test_without_quiet_hours_it_is_never_quiet() -> None:
    assert quiet_until(at("2026-11-26T03:00"), None, BERLIN) is None


def test_quiet_hours_that_end_in_the_hour_that_comes_twice_end_with_the_second() -> None:
    quiet = (time(1), time(2, 30))
    for minute, until in ((10, 30), (40, None), (70, 90), (100, None)):
        now = datetime(2026, 10, 25, 0, tzinfo=UTC) + timedelta(minutes=minute)
        found = quiet_until(now, quiet, BERLIN)
        assert found == (None if until is None else datetime(2026, 10, 25, 0, tzinfo=UTC) + timedelta(minutes=until))


def test_quiet_hours_are_by_the_clocks_of_the_newsletter() -> None:
    noon_in_tokyo = at("2026-11-26T12:00", ZoneInfo("Asia/Tokyo"))
    assert quiet_until(noon_in_tokyo, NIGHT, ZoneInfo("Asia/Tokyo")) is None
    assert quiet_until(noon_in_tokyo, NIGHT, BERLIN) == at("2026-11-26T07:00")


@pytest.mark.parametrize(("evening", "hours"), [("2026-03-28T22:00", 8), ("2026-10-24T22:00", 10)])
def test_the_night_in_which_the_clocks_change_ends_by_the_clock(evening: str, hours: int) -> None:
    until = quiet_until(at(evening), NIGHT, BERLIN)
    assert until is not None
    assert until - at(evening) == timedelta(hours=hours)
    assert until.astimezone(BERLIN).time() == time(7)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.times(),
    st.times(),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham", "UTC"]),
)
def test_quiet_hours_end_within_a_day(now: datetime, begin: time, end: time, name: str) -> None:
    zone = ZoneInfo(name)
    local = now.astimezone(zone).time()
    until = quiet_until(now, (begin, end), zone)
    inside = begin <= local < end if begin < end else local >= begin or local < end
    assert (until is not None) == inside
    if until is not None:
        assert timedelta(0) < until - now <= timedelta(hours=26)


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Europe/Berlin", "2026-11-26T08:00"),
        ("Asia/Tokyo", "2026-11-26T00:00"),
        ("America/Los_Angeles", "2026-11-26T17:00"),
        ("Pacific/Kiritimati", "2026-11-25T19:00"),
        ("Pacific/Pago_Pago", "2026-11-26T20:00"),
        ("", "2026-11-26T09:00"),
        ("Mars/Olympus_Mons", "2026-11-26T09:00"),
        ("../../etc/passwd", "2026-11-26T09:00"),
    ],
)
def test_the_readers_morning_comes_when_their_clocks_show_it(zone: str, moment: str) -> None:
    assert due_at(WALL, zone, "UTC") == at(moment, ZoneInfo("UTC"))


def test_where_no_zone_is_known_the_newsletter_s_is_taken() -> None:
    assert due_at(WALL, "", "Asia/Tokyo") == due_at(WALL, "Asia/Tokyo", "UTC")


def test_a_time_that_the_clocks_leave_out_comes_at_the_change() -> None:
    assert due_at(datetime(2026, 3, 29, 2, 30), "Europe/Berlin", "UTC") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    assert due_at(datetime(2026, 10, 25, 2, 30), "Europe/Berlin", "UTC") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_zones_are_parted_by_whether_their_time_has_come() -> None:
    zones = ["Europe/Berlin", "", "America/Los_Angeles", "Asia/Tokyo", "nowhere"]
    due, later = parted(zones, WALL, "Europe/Berlin", at("2026-11-26T09:00"))
    assert due == ["", "Asia/Tokyo", "Europe/Berlin", "nowhere"]
    assert later == at("2026-11-26T18:00")
    assert parted(zones, WALL, "Europe/Berlin", at("2026-11-25T09:00")) == ([], at("2026-11-26T01:00"))
    assert parted(zones, WALL, "Europe/Berlin", at("2026-11-26T18:00"))[1] is None
    assert parted([], WALL, "UTC", at("2026-11-26T18:00")) == ([], None)


@given(
    st.lists(st.sampled_from(["", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Apia"])), st.integers()
)
def test_every_zone_is_due_or_later(zones: list[str], minutes: int) -> None:
    now = at("2026-11-26T00:00") + timedelta(minutes=minutes % (3 * 24 * 60))
    due, later = parted(zones, WALL, "UTC", now)
    waiting = {zone for zone in zones if due_at(WALL, zone, "UTC") > now}
    assert set(due) == set(zones) - waiting
    assert (later is None) == (not waiting)
    if later is not None:
        assert later == min(due_at(WALL, zone, "UTC") for zone in waiting)
