"""When an issue goes out: read from a form, and told in words in every zone that matters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from digest import times
from digest.errors import InputError
from digest.schedule.coming import usual_time
from digest.settings import Settings
from digest.web.forms import Form

FURTHEST = timedelta(days=730)
"""Nothing is scheduled further ahead: who wrote that meant another year."""

_DATE, _TIME = re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"\d\d:\d\d")


@dataclass(frozen=True)
class When:
    """When an issue goes: at a moment, or (`local`) when clocks where a reader is show what they show in our zone then.

    `zone` is the zone in which the moment was given.
    """

    at: datetime
    zone: ZoneInfo
    local: bool = False


def read_when(form: Form, own: ZoneInfo, *, now: datetime) -> When:
    """Read when an issue is to go: `when` is ``now``, ``at`` (with `date`, `time`, `zone`) or ``local``.

    Raises:
        InputError: it cannot be read, there is no such time, or it has passed.
    """
    way = form.text("when", longest=10)
    if way == "now":
        return When(now, own)
    if way not in ("at", "local"):
        raise InputError("say when: now, at a time, or at a time where each reader is", field="when")
    zone = read_zone(form.text("zone", longest=60), own) if way == "at" else own
    date, time = form.text("date", longest=20), form.text("time", longest=20)[:5]
    if not _DATE.fullmatch(date):
        raise InputError("give the day, such as 2026-11-26", field="date")
    if not _TIME.fullmatch(time):
        raise InputError("give the time, such as 09:00", field="time")
    at = moment_of(date, time, zone)
    if at > now + FURTHEST:
        raise InputError(f"{times.for_people(at, zone)} is more than two years ahead", field="date")
    if at < now:
        raise InputError(f"{times.for_people(at, zone)} has passed; choose a time to come, or now", field="time")
    return When(at, zone, way == "local")


def moment_of(date: str, time: str, zone: ZoneInfo) -> datetime:
    """Give the moment at which clocks of a zone show a time; of one that comes twice, the first.

    Raises:
        InputError: they never do, since they are put forward over it; or there is no such day.
    """
    try:
        wall = datetime.fromisoformat(f"{date}T{time}")
        shown = wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise InputError(f"there is no {time} on {date}", field="date") from None
    if shown != wall:
        raise InputError(
            f"there is no {time} in {place_of(zone)} on {_day(wall)}: the clocks are put forward over it."
            f" Take {shown:%H:%M}, or another time",
            field="time",
        )
    return times.parse(f"{date}T{time}", zone, wall.replace(tzinfo=UTC))


def comes_twice(at: datetime, zone: ZoneInfo) -> bool:
    """Tell whether the clocks of a zone show the time of a moment twice, since they are put back."""
    local = at.astimezone(zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def read_zone(name: str, own: ZoneInfo) -> ZoneInfo:
    """Give a zone by its name; the newsletter's where there is none.

    Raises:
        InputError: there is no such zone.
    """
    if not name:
        return own
    if name not in available_timezones():
        raise InputError(f"no time zone is called {name!r}", field="zone")
    return ZoneInfo(name)


def told(when: When, own: ZoneInfo, *, now: datetime) -> list[str]:
    """Tell a moment in words: where it was given, in the newsletter's zone and in UTC, and how far away it is.

    Of one that is each reader's own, when the first and the last readers get it.
    """
    if when.local:
        wall = when.at.astimezone(own).replace(tzinfo=None)
        first, last = times.first_on_earth(wall), wall.replace(tzinfo=timezone(-timedelta(hours=12))).astimezone(UTC)
        lines = [f"{_day(wall)}, {wall:%H:%M}, by the clock where each reader is"]
        begin = "It begins at once" if first <= now else f"It begins {_at(first, own)}, {span(first - now)}"
        lines.append(f"{begin}, with readers furthest east, and ends {_at(last, own)}")
        lines.append(f"Whose zone is not known gets it at {wall:%H:%M} in {place_of(own)}")
        return lines
    zones = {place_of(when.zone): when.zone, place_of(own): own, "UTC": ZoneInfo("UTC")}
    # Two names of one time are one line.
    lines = [f"{_at(when.at, when.zone)} in {place_of(when.zone)}"]
    offsets = {when.at.astimezone(when.zone).utcoffset()}
    for name, zone in zones.items():
        local = when.at.astimezone(zone)
        if local.utcoffset() not in offsets:
            offsets.add(local.utcoffset())
            same_day = local.date() == when.at.astimezone(when.zone).date()
            lines.append(
                f"{local:%H:%M}{'' if same_day else f' on {local:%A}'} {name if name == 'UTC' else f'in {name}'}"
            )
    if comes_twice(when.at, when.zone):
        lines.append("That time comes twice, since the clocks are put back; the first is meant")
    lines.append(span(when.at - now))
    return lines


def span(ahead: timedelta) -> str:
    """Tell how far away a moment is: ``in 3 days and 4 hours``, ``in 5 minutes``, ``now``."""
    seconds = int(ahead.total_seconds())
    if seconds < 1:
        return "now"
    parts = (
        ("day", seconds // 86400),
        ("hour", seconds // 3600 % 24),
        ("minute", seconds // 60 % 60),
        ("second", seconds % 60),
    )
    first = next(index for index, (_, count) in enumerate(parts) if count)
    said = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in parts[first : first + 2] if count]
    return f"in {' and '.join(said)}"


def place_of(zone: ZoneInfo) -> str:
    """Give the name people know of a zone: ``New York`` of ``America/New_York``."""
    return zone.key.rpartition("/")[2].replace("_", " ")


@cache
def zones() -> dict[str, tuple[str, ...]]:
    """Give all zones that are named after places, by the part of the world."""
    found: dict[str, list[str]] = {}
    for name in sorted(available_timezones()):
        world, slash, _ = name.partition("/")
        if slash and world in _WORLD:
            found.setdefault(world, []).append(name)
    return {world: tuple(names) for world, names in found.items()}


_WORLD = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def suggested(settings: Settings, *, now: datetime) -> datetime:
    """Give a time to offer, by the clocks of the newsletter's zone: when an issue usually goes out, not at once."""
    return usual_time(settings, now=now + timedelta(minutes=5)).astimezone(settings.zone)


def _at(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{_day(local)}, {local:%H:%M}"


def _day(local: datetime) -> str:
    return f"{local:%A}, {local.day} {local:%B %Y}"
