"""When copies may go: quiet hours, and "09:00 where the reader is"."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

Quiet = tuple[time, time]


def quiet_until(now: datetime, quiet: Quiet | None, zone: ZoneInfo) -> datetime | None:
    """Give the end of the quiet hours that `now` is in, by the clocks of a zone; None where it is in none."""
    if quiet is None:
        return None
    begin, end = quiet
    local = now.astimezone(zone)
    at = local.time().replace(tzinfo=None)
    inside = begin <= at < end if begin < end else at >= begin or at < end
    if not inside:
        return None
    day = local.date() if at < end else local.date() + timedelta(days=1)
    until = datetime.combine(day, end, zone)
    if until.astimezone(UTC) <= now:
        # The hour that comes twice: the first time is over.
        until = until.replace(fold=1)
    return until.astimezone(UTC)


@lru_cache(maxsize=2048)
def due_at(wall: datetime, zone: str, own: str) -> datetime:
    """Give the moment at which clocks in a zone show `wall`; `own` is the zone for those of whom none is known.

    A time that the clocks leave out is taken as the hour before the change has it, one that comes twice as the first.
    """
    return wall.replace(tzinfo=_zone(zone) or ZoneInfo(own)).astimezone(UTC)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        # A zone that was known when the reader signed up, and is not on this machine.
        return None


def parted(zones: Iterable[str], wall: datetime, own: str, now: datetime) -> tuple[list[str], datetime | None]:
    """Part zones by whether their time has come: give those where it has, and when the next one's does."""
    by_moment = {zone: due_at(wall, zone, own) for zone in zones}
    due = sorted(zone for zone, moment in by_moment.items() if moment <= now)
    return due, min((moment for moment in by_moment.values() if moment > now), default=None)
