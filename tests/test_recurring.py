"""Rules are due once a week, or once a day, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.recurring import Before, Daily, Every, Rule, Weekly, following, latest, read_daily, read_weekly

NEW_YORK, BERLIN, LORD_HOWE = map(ZoneInfo, ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe"))
APIA, KATHMANDU = ZoneInfo("Pacific/Apia"), ZoneInfo("Asia/Kathmandu")
SUNDAY, FRIDAY = 6, 4

ODD = ("Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca", "America/Havana", "Asia/Gaza", "Antarctica/Troll",
       "Pacific/Kwajalein", "America/Sao_Paulo", "Africa/Cairo", "Asia/Tehran", "Europe/Dublin")  # fmt: skip
zones = st.one_of(st.sampled_from(ODD), st.sampled_from(sorted(available_timezones()))).map(ZoneInfo)
moments = st.datetimes(datetime(1972, 1, 1), datetime(2037, 6, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
clocks = st.times().map(lambda at: at.replace(second=0, microsecond=0, fold=0))
APART = timedelta(days=10)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fired(rule: Rule, zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    """All moments between two at which a rule is due, one after the other."""
    found, moment = [], following(rule, zone, begin)
    while moment <= end:
        found.append(moment)
        moment = following(rule, zone, moment)
    return found


def is_right(moment: datetime, wall: datetime, zone: ZoneInfo) -> bool:
    """Whether clocks show `wall` for the first time, or have just jumped over it."""
    local = moment.astimezone(zone).replace(tzinfo=None)
    before = (moment - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
    return (local == wall and moment.astimezone(zone).fold == 0) or (before < wall < local)


@settings(max_examples=150, deadline=None)
@given(zone=zones, now=moments, weekday=st.integers(0, 6), at=clocks)
def test_a_weekly_rule_is_due_once_in_every_local_week(zone: ZoneInfo, now: datetime, weekday: int, at: time) -> None:
    rule = Weekly(weekday, at)
    found = fired(rule, zone, now, now + timedelta(weeks=6))
    first = found[0].astimezone(zone).date()
    # One that was jumped over may be due on the day after.
    day = min((first + timedelta(days=by) for by in (-1, 0)), key=lambda day: day.weekday() != weekday)
    for week, moment in enumerate(found):
        assert is_right(moment, datetime.combine(day + timedelta(weeks=week), at), zone)
    assert 5 <= len(found) <= 7


@settings(max_examples=150, deadline=None)
@given(zone=zones, now=moments, at=clocks)
def test_a_daily_rule_is_due_once_on_every_day_there_is(zone: ZoneInfo, now: datetime, at: time) -> None:
    found = fired(Daily(at), zone, now, now + APART)
    hours = [(now + timedelta(hours=hour)).astimezone(zone).date() for hour in range(1, int(APART.days * 24))]
    days = list(dict.fromkeys(hours))[1:-1]
    # Minutes before midnight may be jumped over into the next day.
    due = {moment.astimezone(zone).date() for moment in found} | {
        (moment - timedelta(seconds=1)).astimezone(zone).date() for moment in found
    }
    assert set(days) <= due
    assert len(days) <= len(found) <= len(days) + 2


@settings(max_examples=100, deadline=None)
@given(
    zone=zones,
    now=moments,
    rule=st.one_of(
        st.builds(Weekly, st.integers(0, 6), clocks),
        st.builds(Daily, clocks),
        st.builds(Every, st.sampled_from((180, 3600, 7 * 3600))),
        st.builds(Before, st.builds(Weekly, st.integers(0, 6), clocks), st.integers(1, 167)),
    ),
)
def test_the_latest_and_the_following_are_neighbours(zone: ZoneInfo, now: datetime, rule: Rule) -> None:
    before, after = latest(rule, zone, now), following(rule, zone, now)
    assert before <= now < after
    assert latest(rule, zone, before) == before
    assert following(rule, zone, before) == after
    assert latest(rule, zone, after) == after
    assert latest(rule, zone, after - timedelta(microseconds=1)) == before


@pytest.mark.parametrize(
    ("zone", "rule", "since", "due"),
    [
        (NEW_YORK, Weekly(SUNDAY, time(2, 30)), "2026-03-02", ["2026-03-08T07:00", "2026-03-15T06:30"]),
        (BERLIN, Weekly(SUNDAY, time(2, 30)), "2026-03-23", ["2026-03-29T01:00", "2026-04-05T00:30"]),
        (BERLIN, Weekly(SUNDAY, time(2, 30)), "2026-10-19", ["2026-10-25T00:30", "2026-11-01T01:30"]),
        (LORD_HOWE, Weekly(SUNDAY, time(2, 15)), "2026-09-28", ["2026-10-03T15:30", "2026-10-10T15:15"]),
        (LORD_HOWE, Weekly(SUNDAY, time(1, 45)), "2026-03-30", ["2026-04-04T14:45", "2026-04-11T15:15"]),
        (KATHMANDU, Weekly(FRIDAY, time(9)), "2026-03-02", ["2026-03-06T03:15", "2026-03-13T03:15"]),
        # Samoa had no Friday in that week, and no 30 December.
        (APIA, Weekly(FRIDAY, time(9)), "2011-12-26", ["2011-12-30T10:00", "2012-01-05T19:00"]),
        (APIA, Daily(time(9)), "2011-12-29", ["2011-12-29T19:00", "2011-12-30T19:00", "2011-12-31T19:00"]),
        (BERLIN, Before(Weekly(SUNDAY, time(4)), 3), "2026-03-23", ["2026-03-28T23:00", "2026-04-04T23:00"]),
    ],
    ids=["new york", "berlin in spring", "berlin in autumn", "lord howe's gap", "lord howe's half hour twice",
         "kathmandu", "samoa's friday", "samoa's days", "hours that pass"],
)  # fmt: skip
def test_what_clocks_leave_out_is_due_after_the_gap_and_what_comes_twice_the_first_time(
    zone: ZoneInfo, rule: Rule, since: str, due: list[str]
) -> None:
    found = fired(rule, zone, utc(since), utc(due[-1]))
    assert found == [utc(moment) for moment in due]


@pytest.mark.parametrize("text", ["thursday 09:00", "Thu 9:00", " THURSDAY, 9.00 ", "thurs. 9:00", "th 09:00"])
def test_a_day_and_a_time_are_read_as_people_write_them(text: str) -> None:
    assert read_weekly(text) == Weekly(3, time(9))
    assert str(read_weekly(text)) == "thursday 09:00"


def test_a_time_is_read_as_people_write_it() -> None:
    assert read_daily(" 3:30 ") == Daily(time(3, 30))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write it like thursday 09:00"),
        ("thursday", "write it like thursday 09:00"),
        ("t 09:00", "'t' is no day of the week; write it like thursday 09:00"),
        ("thrusday 09:00", "did you mean 'thursday'?"),
        ("thursday 24:00", "'24:00' is no time of the day, from 00:00 to 23:59; write it like thursday 09:00"),
        ("thursday 9am", "is no time of the day"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011 (a validator's)
        read_weekly(text)
    assert words in str(told.value)


def test_rules_say_when_they_are_due() -> None:
    rules = [Weekly(0, time(9)), Daily(time(3, 30)), Every(180), Every(3600), Every(7200), Every(5), Every(5400)]
    said = [str(rule) for rule in [*rules, Before(Weekly(4, time(9)), 3)]]
    assert said == [
        "monday 09:00", "daily 03:30", "every 3 min", "every hour", "every 2 h", "every 5 s", "every 90 min",
        "3 h before friday 09:00",
    ]  # fmt: skip


def test_days_are_known_by_their_numbers() -> None:
    assert date(2026, 11, 26).weekday() == read_weekly("thursday 09:00").weekday
