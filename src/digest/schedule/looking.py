"""How the schedule stands, for people: what is next, what ran last and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from digest.recurring import following, latest
from digest.schedule import runs
from digest.schedule.jobs import Job, jobs, rule_of
from digest.schedule.runs import Run
from digest.settings import Settings
from digest.store import Database

PROMPT = timedelta(minutes=5)
"""What has not begun so long after its time is late: nothing looks at the schedule."""

State = Literal["off", "waits", "running", "late", "failed", "missed"]


@dataclass(frozen=True)
class Look:
    """A job as it stands.

    `rule` is when it is done, in words; `next_at` is None where the settings switch it off; `last` is its last run, by
    a person or by its times.
    """

    job: str
    words: str
    rule: str
    next_at: datetime | None
    last: Run | None
    state: State


@dataclass(frozen=True)
class Leaving:
    """An issue that goes out by itself, and when; to each reader at their own time where `local`."""

    issue: int
    at: datetime
    local: bool


def look(
    db: Database, settings: Settings, *, now: datetime, lives: Callable[[int], bool] = lambda worker: True
) -> list[Look]:
    """Look at all jobs; `lives` tells whether the worker of a number is at work."""
    known, last = runs.all_known(db), runs.newest(db, now=now)
    scheduled = runs.newest(db, now=now, scheduled=True)
    found = []
    for job in jobs(settings):
        rule, since = known.get(job.name, ("", now))
        begin = since if rule == rule_of(job, settings) else now
        done = scheduled.get(job.name)
        state = _state(job, settings, max(begin, done.due_at) if done else begin, last.get(job.name), lives, now)
        next_at = following(job.times, settings.zone, now) if job.times is not None else None
        found.append(Look(job.name, job.words, str(job.times or ""), next_at, last.get(job.name), state))
    return found


def leaving(db: Database) -> list[Leaving]:
    """Give the issues that go out by themselves, the next first: those approved for a time."""
    from digest.issue import issues

    rows = db.conn.execute(
        "SELECT number FROM issues WHERE state = 'approved' AND scheduled_at IS NOT NULL ORDER BY scheduled_at"
    ).fetchall()
    found = [issues.find_issue(db, number) for (number,) in rows]
    return [
        Leaving(issue.number, issue.scheduled_at, issue.local_time is not None)
        for issue in found
        if issue.scheduled_at is not None
    ]


def _state(
    job: Job, settings: Settings, begin: datetime, last: Run | None, lives: Callable[[int], bool], now: datetime
) -> State:
    if last is not None and last.state == "running" and lives(last.worker):
        return "running"
    if job.times is None:
        return "off"
    due_at = latest(job.times, settings.zone, now)
    if due_at > begin and now - due_at > PROMPT:
        return "late"
    if last is None or last.state == "done":
        return "waits"
    # Whose process died over it failed, whoever writes that down.
    return "failed" if last.state == "running" else last.state
