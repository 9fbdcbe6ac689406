"""A year by itself: an issue a week, whatever becomes of the machine and of the clocks.

The machine is switched off for minutes or days, also over the moments when something is due and over the changes of the
clocks; two servers work at the same time; processes are killed before a job, after it, and in the middle of a call. What
an outage of some hours or days keeps back is caught up by itself. Where one outlasts the grace (an issue that would go
out more than three hours late, a draft that would be more than three days late) nothing happens by surprise: it is said
aloud, and the editor, who reads that, has it done. So there are 52 issues all the same, and none of them twice.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from newsroom import DAY, HOUR, MINUTE, READERS, WEEK, Newsroom, found, wall_to_moment
from sqlite_utils import Database

from digest.issue import approval
from digest.recurring import DAYS
from digest.schedule import week_letters
from digest.sending.ledger_check import check_ledger
from digest.settings import Settings
from digest.store import check_store, open_store

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS = 52
ZONES = {
    # The clocks leave out 02:30 on a Sunday in March.
    "America/New_York": {"draft_at": "sunday 02:30", "send_at": "monday 09:00"},
    # They leave out 02:30 on a Sunday in March, and show it twice on one in October.
    "Europe/Berlin": {"draft_at": "saturday 09:00", "send_at": "sunday 02:30"},
    # They are changed by half an hour, and leave out 02:15.
    "Australia/Lord_Howe": {"draft_at": "sunday 02:15", "send_at": "monday 09:00", "auto_approve": True},
    "Asia/Kathmandu": {"draft_at": "thursday 09:00", "send_at": "friday 09:00", "auto_approve": True},
}


def weekly(setting: str, zone: ZoneInfo) -> list[datetime]:
    """The moments of a year at which something weekly is due, by trying."""
    day, clock = setting.split()
    first = (START + DAYS.index(day) * DAY).date()
    hour, minute = map(int, clock.split(":"))
    walls = [datetime(first.year, first.month, first.day, hour, minute) + week * WEEK for week in range(WEEKS + 1)]
    return [wall_to_moment(wall, zone) for wall in walls]


def outages(chance: random.Random, drafts: list[datetime], sends: list[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """When the machine is off: in about half of the weeks, and in all in which the clocks are changed."""

    def hours(low: float, high: float) -> timedelta:
        return timedelta(hours=chance.uniform(low, high))

    for week, (draft, send) in enumerate(zip(drafts, sends, strict=True)):
        changed = bool(week) and draft - drafts[week - 1] != WEEK
        match chance.randrange(1 if changed else 0, 11):
            case 1 | 2:
                yield draft - hours(0, 2), draft + hours(0.02, 20)
            case 3:
                yield draft - hours(0, 24), draft + hours(73, 100)
            case 4 | 5:
                yield send - hours(0.1, 5), send + hours(0.02, 2.9)
            case 6:
                yield send - hours(0.1, 5), send + hours(3.1, 30)
            case 7:
                begin = draft + hours(0, 24)
                yield begin, begin + hours(0.1, 1)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what is tested elsewhere and takes most of the time: checks; and render nothing twice."""

    async def nothing_found(mail: object, **options: object) -> list[object]:
        return []

    monkeypatch.setattr(approval, "run", nothing_found)
    monkeypatch.setattr(week_letters, "run", nothing_found)


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_has_52_issues_none_twice_and_none_missed(zone: str, tmp_path: Path, stores: Path) -> None:
    settings = Settings(
        db=tmp_path / "digest.db",
        base_url="https://verdicts.example.com",
        postal_address="1 Sample Street, 10115 Berlin",
        timezone=zone,
        summary_to=("ann@example.org",),
        **ZONES[zone],
    )
    chance = random.Random(f"{zone} 1")
    drafts, sends = (weekly(setting, settings.zone) for setting in (settings.draft_at, settings.send_at))
    sends = [min(send for send in [*sends, sends[-1] + WEEK] if send > draft) for draft in drafts]
    off = [*outages(chance, drafts[:WEEKS], sends[:WEEKS])]
    shutil.copyfile(stores / "new.db", settings.db)
    db = open_store(settings.db)
    db.execute("PRAGMA synchronous = OFF")
    found(db, settings, START, weeks=WEEKS)
    room = Newsroom(db, settings, START, off, seed=chance.randrange(1_000_000))
    try:
        room.live(moments(chance, drafts, sends, off))
    finally:
        room.close()
    by_state = Counter(state for (state,) in db.execute("SELECT state FROM issues"))
    assert by_state == {"sent": WEEKS}
    db.close()


def moments(
    chance: random.Random, drafts: list[datetime], sends: list[datetime], off: list[tuple[datetime, datetime]]
) -> Iterator[datetime]:
    """When something happens: what is due is looked at as it is due, and soon after; so is a machine that starts."""
    yield START
    for due in (*drafts[:WEEKS], *sends[:WEEKS]):
        for later in (timedelta(), 90 * timedelta(seconds=1), 3 * HOUR + MINUTE):
            yield due + later
        yield due - 3 * HOUR
        yield due - 2 * HOUR + MINUTE
        yield due + timedelta(hours=chance.uniform(4, 20))
    for _, end in off:
        for later in (timedelta(), 2 * MINUTE, 20 * MINUTE):
            yield end + later
