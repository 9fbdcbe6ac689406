"""A year by itself: an issue a week, whatever becomes of the machine and of the clocks.

The machine is switched off for minutes or days, also over moments when something is due and over changes of the clocks;
two servers work at the same time; processes are killed before a job, after it, and in the middle of a call. What an
outage of some hours or days keeps back is caught up by itself. Where one outlasts the grace (an issue that would go
out more than three hours late, a draft that would be more than three days late) nothing happens by surprise: it is said
aloud, and the editor, who reads that, has it done. So there are 52 issues all the same, and none of them twice.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from newsroom import DAY, HOUR, MINUTE, READERS, Newsroom, found, wall_to_moment

from digest import times
from digest.issue import approval
from digest.recurring import DAYS
from digest.schedule import week_letters
from digest.sending.ledger_check import check_ledger
from digest.settings import Settings
from digest.store import check_store, open_store

Span = tuple[datetime, datetime]

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS, WEEK = 52, timedelta(weeks=1)
ZONES: dict[str, dict[str, Any]] = {
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


def outages(chance: random.Random, drafts: list[datetime], sends: list[datetime]) -> Iterator[Span]:
    """When the machine is off: in most of the weeks, and in all in which the clocks are changed; not before it ran."""

    def hours(low: float, high: float) -> timedelta:
        return timedelta(hours=chance.uniform(low, high))

    for week, (draft, send) in enumerate(zip(drafts, sends, strict=True)):
        changed = draft - drafts[week - 1] != WEEK
        match chance.randrange(1 if changed else -2, 8) if week else 0:
            case 1 | 2:
                yield draft - hours(0, 2), draft + hours(0.02, 20)
            case 3:
                yield draft - hours(0, 24), draft + hours(20, 71)
            case 4:
                yield draft - hours(0, 24), draft + hours(73, 100)
            case 5:
                yield send - hours(0.1, 5), send + hours(0.02, 2.9)
            case 6:
                yield send - hours(0.1, 5), send + hours(3.1, 30)
            case 7:
                begin = draft + hours(0, 24)
                yield begin, begin + hours(0.1, 1)


def moments(
    chance: random.Random, drafts: list[datetime], sends: list[datetime], off: list[Span]
) -> Iterator[datetime]:
    """When somebody looks: as something is due, and soon after; as a machine starts; and some time or other."""
    yield drafts[0] - HOUR
    for due in (*drafts, *sends, *(send - 3 * HOUR for send in sends)):
        yield due
        yield due + timedelta(seconds=90)
    for send in sends:
        yield send - 2 * HOUR + MINUTE
        yield send + 3 * HOUR + MINUTE
        yield send + timedelta(hours=chance.uniform(4, 20))
    for _, end in off:
        for later in (timedelta(), 2 * MINUTE, 20 * MINUTE):
            yield end + later


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the checks of issues: they are tested elsewhere, and would take most of the time."""

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
    chance = random.Random(f"{zone} 3")
    drafts, sends = weekly(settings.draft_at, settings.zone), weekly(settings.send_at, settings.zone)
    if sends[0] < drafts[0]:
        sends = sends[1:]
    drafts, sends = drafts[:WEEKS], sends[:WEEKS]
    off = [*outages(chance, drafts, sends)]
    shutil.copyfile(stores / "new.db", settings.db)
    with closing(open_store(settings.db)) as db:
        db.execute("PRAGMA synchronous = OFF")
        found(db, settings, [draft - 2 * HOUR for draft in drafts], now=START)
        room = Newsroom(db, settings, START, off, seed=chance.randrange(1_000_000))
        try:
            room.live([*moments(chance, drafts, sends, off), *weekly("monday 09:00", settings.zone)[1:]])
        finally:
            room.close()
        assert room.killed > 0
        # Of the servers one did what was due, but for what another died over.
        assert set(room.begun.values()) <= {0, 1}
        expect_all_issues_once(room)
        expect_what_was_due(room, drafts, sends)
        expect_nothing_late_by_surprise(room, sends)
        expect_reminders(room, drafts, sends)


def expect_all_issues_once(room: Newsroom) -> None:
    db = room.db
    assert Counter(state for (state,) in db.execute("SELECT state FROM issues")) == {"sent": WEEKS}
    assert db.execute("SELECT count(*), count(DISTINCT comparison) FROM issue_comparisons").fetchone() == (WEEKS, WEEKS)
    assert set(room.provider.accepted.values()) == {1}
    assert len(room.provider.accepted) == WEEKS * READERS
    assert check_ledger(db) == check_store(db) == []


def expect_what_was_due(room: Newsroom, drafts: list[datetime], sends: list[datetime]) -> None:
    """Each time it was due a job ran once, or was missed: where nothing ran until its grace was over. That was told."""
    due = {"draft": (drafts, 3 * DAY), "remind": ([send - 3 * HOUR for send in sends], 3 * HOUR)}
    if room.settings.auto_approve:
        due["approve"] = sends, 3 * HOUR
    for job, (moments, grace) in due.items():
        rows = room.db.execute("SELECT due_at, state FROM runs WHERE job = ? AND by = 'schedule'", [job])
        ran = {times.from_text(at): state for at, state in rows.fetchall()}
        assert ran == {at: "missed" if room.is_off_until(at, at + grace) else "done" for at in moments}, job
    missed = [at for at in drafts if room.is_off_until(at, at + 3 * DAY)]
    assert told(room, "missed", "Missed: draft the next issue") == len(missed) == room.drafted_by_hand > 0


def expect_nothing_late_by_surprise(room: Newsroom, sends: list[datetime]) -> None:
    """What went out more than three hours after its time went out as a person said so; all else close to its time."""
    rows, late = room.db.execute("SELECT number, sending_at FROM issues ORDER BY number").fetchall(), 0
    for (number, sending_at), send in zip(rows, sends, strict=True):
        sent = times.from_text(sending_at)
        assert sent >= send
        if sent > send + 3 * HOUR:
            by_person = room.db.execute(
                "SELECT count(*) FROM audit WHERE what = ? AND who = 'Ann' AND at BETWEEN ? AND ?",
                [f"issue {number}", times.to_text(sent - 30 * MINUTE), sending_at],
            ).fetchone()
            assert by_person != (0,)
        elif not room.is_off(send):
            late += sent > send + 2 * MINUTE
    # Those over which a process was killed more than once.
    assert late <= 2
    if not room.settings.auto_approve:
        assert room.sent_by_hand > 0


def expect_reminders(room: Newsroom, drafts: list[datetime], sends: list[datetime]) -> None:
    for number, (draft, send) in enumerate(zip(drafts, sends, strict=True), 1):
        reminders = told(room, "reminder", f"Issue {number} is still a draft")
        whole = not any(begin < send and draft < end for begin, end in room.off)
        assert reminders == 1 if whole else reminders <= 1
    weeks = [at for (at,) in room.db.execute("SELECT created_at FROM letters WHERE kind = 'summary'")]
    assert len({times.from_text(at).astimezone(room.settings.zone).isocalendar()[:2] for at in weeks}) == len(weeks)
    (ran,) = room.db.execute("SELECT count(*) FROM runs WHERE job = 'summary' AND state = 'done'").fetchone()
    assert WEEKS - 15 < ran <= len(weeks)


def told(room: Newsroom, kind: str, subject: str) -> int:
    """Count the letters of a kind that have a subject."""
    sql = "SELECT count(*) FROM letters WHERE kind = ? AND detail ->> 'subject' = ?"
    return int(room.db.execute(sql, [kind, subject]).fetchone()[0])
