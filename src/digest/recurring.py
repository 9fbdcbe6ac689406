"""When something is due again and again: every week, every day, every so often; by the clocks of a time zone.

A rule is due exactly once in each local week, or on each local day, however the clocks are changed: a time that they
leave out is due at the first moment after the gap, and of one that comes twice the first counts. (RFC 5545, 3.3.5, has
a time in a gap an hour late instead; nobody expects 02:30 to be 03:30 where the gap ends at 03:00.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from digest.errors import nearest

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_CLOCK = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)", re.ASCII)
_AROUND = 3
"""So many weeks or days around now are looked at: a gap may be a whole day long, and now is a day off elsewhere."""


@dataclass(frozen=True)
class Weekly:
    """Once a week; `weekday` is 0 on Mondays."""

    weekday: int
    at: time

    def __str__(self) -> str:
        return f"{DAYS[self.weekday]} {self.at:%H:%M}"


@dataclass(frozen=True)
class Daily:
    """Once a day; not on a day that a zone leaves out, as Samoa left out 30 December 2011."""

    at: time

    def __str__(self) -> str:
        return f"daily {self.at:%H:%M}"


@dataclass(frozen=True)
class Every:
    """Every so many seconds, counted from 1970; no clock on a wall has a say in it."""

    seconds: int

    def __str__(self) -> str:
        minutes, rest = divmod(self.seconds, 60)
        hours, more = divmod(minutes, 60)
        if rest:
            return f"every {self.seconds} s"
        return f"every {minutes} min" if more or not hours else "every hour" if hours == 1 else f"every {hours} h"


@dataclass(frozen=True)
class Before:
    """So many hours before another rule: hours that pass, whatever the clocks say meanwhile."""

    rule: Weekly | Daily
    hours: int

    def __str__(self) -> str:
        return f"{self.hours} h before {self.rule}"


Rule = Weekly | Daily | Every | Before


def latest(rule: Rule, zone: ZoneInfo, now: datetime) -> datetime:
    """Give the newest moment at which a rule was due, `now` included, in UTC."""
    match rule:
        case Every(seconds):
            return datetime.fromtimestamp(int(now.timestamp() // seconds) * seconds, UTC)
        case Before(other, hours):
            return latest(other, zone, now + timedelta(hours=hours)) - timedelta(hours=hours)
        case _:
            return max(moment for moment in _around(rule, zone, now) if moment <= now)


def following(rule: Rule, zone: ZoneInfo, now: datetime) -> datetime:
    """Give the next moment after `now` at which a rule is due, in UTC."""
    match rule:
        case Every(seconds):
            return latest(rule, zone, now) + timedelta(seconds=seconds)
        case Before(other, hours):
            return following(other, zone, now + timedelta(hours=hours)) - timedelta(hours=hours)
        case _:
            return min(moment for moment in _around(rule, zone, now) if moment > now)


def _around(rule: Weekly | Daily, zone: ZoneInfo, now: datetime) -> list[datetime]:
    """Give the moments around one at which a rule is due."""
    today = now.astimezone(zone).date()
    if isinstance(rule, Weekly):
        first = today + timedelta(days=rule.weekday - today.weekday())
        days = [first + timedelta(weeks=week) for week in range(-_AROUND, _AROUND + 1)]
    else:
        days = [today + timedelta(days=day) for day in range(-_AROUND, _AROUND + 1)]
        days = [day for day in days if _exists(day, zone)]
    return [moment_of(datetime.combine(day, rule.at), zone) for day in days]


def _exists(day: date, zone: ZoneInfo) -> bool:
    return moment_of(datetime.combine(day, time()), zone).astimezone(zone).date() == day


def moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Give the first moment at which the clocks of a zone show `wall`, or have jumped over it; in UTC."""
    found = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall:
        return found
    # In a gap: read by the offset after it, it comes out before the jump, and by the one before it after (PEP 495).
    before = int(wall.replace(tzinfo=zone, fold=1).timestamp())
    after = int(found.timestamp())
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            after = middle
    return datetime.fromtimestamp(after, UTC)


# What people write ----------------------------------------------------------------------------------------------------


def read_weekly(text: str) -> Weekly:
    """Read ``thursday 09:00``, or ``Thu 9:00``.

    Raises:
        ValueError: it is neither, with words that say how to write it.
    """
    parts = text.casefold().replace(",", " ").split()
    if len(parts) != 2:
        raise ValueError(f"{text!r} is no day and time; write it like thursday 09:00")
    day = parts[0].rstrip(".")
    found = [number for number, name in enumerate(DAYS) if len(day) >= 2 and name.startswith(day)]
    if day in ("tues", "thur", "thurs", "weds"):
        found = [("tues", "weds", "thur").index(day[:4]) + 1]
    if len(found) != 1:
        hint = nearest(day, DAYS) or "; write it like thursday 09:00"
        raise ValueError(f"{parts[0]!r} is no day of the week{hint}")
    return Weekly(found[0], _read_time(parts[1], "thursday 09:00"))


def read_daily(text: str) -> Daily:
    """Read ``03:30``.

    Raises:
        ValueError: it is no time of the day.
    """
    return Daily(_read_time(text.strip(), "03:30"))


def _read_time(text: str, example: str) -> time:
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of the day, from 00:00 to 23:59; write it like {example}")
    return time(int(found[1]), int(found[2]))
