"""Moments: UTC in the store, the newsletter's zone for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from digest.errors import InputError

FIRST, LAST = (
    datetime.min.replace(tzinfo=UTC) + timedelta(days=2),
    datetime.max.replace(tzinfo=UTC) - timedelta(days=2),
)
AGE = re.compile(r"-(\d{1,5})([dh])")


def now() -> datetime:
    """Read the clock. Only the edges (command line, web, schedule) call this; the rest is handed `now`."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """Write an aware moment as the store keeps it: ``2026-11-21T07:20:37.123456Z``, which sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Read a moment back from the store."""
    return datetime.fromisoformat(text)


def parse(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Read what a person or a file wrote, and give it in UTC.

    Takes ISO 8601 dates and times (one without an offset is in `zone`), ``now``, and ages such as ``-3d`` or
    ``-30h`` counted back from `now`. A local time that a change of the clocks leaves out is refused; of one
    that comes twice the first is meant.

    Raises:
        InputError: when it is none of these.
    """
    text = text.strip()
    if text == "now":
        return now
    if age := AGE.fullmatch(text):
        hours = int(age[1]) * (24 if age[2] == "d" else 1)
        return now - timedelta(hours=hours)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is not a time; write it like 2026-11-26 09:00, 2026-11-26T09:00Z or 2026-11-26"
        ) from None
    if moment.tzinfo is not None:
        return _in_utc(moment, text)
    local = moment.replace(tzinfo=zone)
    utc = _in_utc(local, text)
    if utc.astimezone(zone).replace(tzinfo=None) != moment:
        raise InputError(f"{text!r} does not exist in {zone.key}: the clocks are put forward over it")
    return utc


def _in_utc(moment: datetime, text: str) -> datetime:
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        utc = LAST
    # It must be shown in any zone, and those are up to 14 hours away.
    if not FIRST < utc < LAST:
        raise InputError(f"{text!r} is outside the years that can be counted")
    return utc


def for_people(moment: datetime, zone: ZoneInfo) -> str:
    """Write a moment for a person: ``Thu 26 Nov 2026, 09:00 CET``."""
    local = moment.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}"


def first_on_earth(wall: datetime) -> datetime:
    """Give the moment at which clocks show `wall` first, anywhere: on the Line Islands, 14 hours ahead of UTC."""
    return wall.replace(tzinfo=timezone(timedelta(hours=14))).astimezone(UTC)


def span(length: timedelta) -> str:
    """Write how long something takes, for a person: ``12 s``, ``4 min``, ``1 h 5 min``, ``2 days 3 h``."""
    total = max(0, round(length.total_seconds()))
    if total < 60:
        return f"{total} s"
    minutes = round(total / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} day{'s' if days > 1 else ''}" + (f" {hours} h" if hours else "")


def seconds(count: float) -> timedelta:
    """Give a span of seconds."""
    return timedelta(seconds=count)
