"""When an issue goes: what people type is read kindly, and told in every zone that matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from digest.errors import InputError
from digest.settings import Settings
from digest.web.desk.moments import When, read_when, span, suggested, told
from digest.web.forms import Form

NOW = datetime(2026, 11, 25, 14, 55, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def read(**fields: str) -> When:
    return read_when(
        Form(list({"when": "at", "date": "2026-11-26", "time": "09:00", **fields}.items())), BERLIN, now=NOW
    )


def wrong(**fields: str) -> str:
    with pytest.raises(InputError) as raised:
        read(**fields)
    return raised.value.message


def test_a_time_is_the_newsletters_unless_a_zone_is_chosen() -> None:
    assert read().at == datetime(2026, 11, 26, 8, tzinfo=UTC)
    assert read(zone="America/New_York").at == datetime(2026, 11, 26, 14, tzinfo=UTC)
    assert read(when="now").at == NOW


def test_a_time_of_readers_is_by_the_newsletters_clocks_whatever_zone_is_chosen() -> None:
    when = read(when="local", zone="America/New_York")
    assert (when.at, when.local) == (datetime(2026, 11, 26, 8, tzinfo=UTC), True)


def test_a_time_that_the_clocks_leave_out_is_refused_with_another() -> None:
    said = wrong(date="2027-03-28", time="02:30")
    assert said == (
        "there is no 02:30 in Berlin on Sunday, 28 March 2027: the clocks are put forward over it."
        " Take 03:30, or another time"
    )


def test_a_time_that_comes_twice_is_the_first_and_that_is_said() -> None:
    when = read(date="2027-10-31", time="02:30")
    assert when.at == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    assert "That time comes twice, since the clocks are put back; the first is meant" in told(when, BERLIN, now=NOW)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"date": "2026-11-25", "time": "15:54"}, "Wed 25 Nov 2026, 15:54 CET has passed"),
        ({"date": "2028-11-26"}, "more than two years ahead"),
        ({"date": "9999-12-31", "time": "23:59", "zone": "Pacific/Niue"}, "there is no 23:59"),
        ({"date": "2027-02-30"}, "there is no 09:00 on 2027-02-30"),
        ({"time": "24:00"}, "there is no 24:00 on 2026-11-26"),
        ({"date": ""}, "give the day"),
        ({"time": "nine"}, "give the time"),
        ({"zone": "Europe/Atlantis"}, "no time zone is called 'Europe/Atlantis'"),
        ({"when": "soon"}, "say when"),
    ],
)
def test_what_is_no_time_to_come_is_refused(fields: dict[str, str], said: str) -> None:
    assert said in wrong(**fields)


def test_a_moment_is_told_in_each_zone_once() -> None:
    assert told(read(zone="America/New_York"), BERLIN, now=NOW) == [
        "Thursday, 26 November 2026, 09:00 in New York",
        "15:00 in Berlin",
        "14:00 UTC",
        "in 23 hours and 5 minutes",
    ]
    assert told(read(zone="Asia/Tokyo", time="08:00"), ZoneInfo("UTC"), now=NOW)[1] == "23:00 on Wednesday UTC"
    assert told(read(zone="UTC"), ZoneInfo("UTC"), now=NOW)[0] == "Thursday, 26 November 2026, 09:00 in UTC"


def test_readers_own_time_says_when_it_begins_and_ends() -> None:
    lines = told(read(when="local"), BERLIN, now=NOW)
    assert lines[0] == "Thursday, 26 November 2026, 09:00, by the clock where each reader is"
    assert lines[1].startswith("It begins Wednesday, 25 November 2026, 20:00, in 4 hours and 5 minutes, with readers")
    assert lines[1].endswith("ends Thursday, 26 November 2026, 22:00")
    assert "It begins at once" in told(read(when="local", date="2026-11-25", time="16:00"), BERLIN, now=NOW)[1]


def test_how_far_away_it_is() -> None:
    spans = [timedelta(0), timedelta(seconds=61), timedelta(hours=1), timedelta(days=2, minutes=5)]
    assert [span(one) for one in spans] == ["now", "in 1 minute and 1 second", "in 1 hour", "in 2 days"]


def test_the_usual_time_is_offered_but_not_at_the_last_minute() -> None:
    ours = Settings(timezone="Europe/Berlin", send_at="thursday 09:00")
    usual = datetime(2026, 11, 26, 9, tzinfo=BERLIN)
    assert suggested(ours, now=usual - timedelta(days=2)) == usual
    assert suggested(ours, now=usual - timedelta(minutes=3)) == usual + timedelta(days=7)
