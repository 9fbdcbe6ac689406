"""What is to be done about a job now: run it, run it again, or say that it was missed; from what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from digest.recurring import Rule, latest
from digest.schedule.runs import Run

PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
"""What failed is tried again after these: most of what fails (a network, a lock) is mended by then, or by nobody."""
TRIES = len(PAUSES) + 1
DEATHS = 3
"""So often a job may be begun whose process dies over it: it may be the job that kills it."""
MOST_MISSED = 10
"""No more times are written down as missed at once: a machine that was off for years was not off for the schedule."""

A_MOMENT = timedelta(microseconds=1)
DIED = "its process died over it"


@dataclass(frozen=True)
class Todo:
    """What is to be done about a job.

    `missed` are times that are over, oldest first; `run` is the time it is to be run for, which is taken up again where
    `again`; `give_up` are the words with which its last run, which is not done and not to be tried again, is ended.
    """

    missed: tuple[datetime, ...] = ()
    run: datetime | None = None
    again: bool = False
    give_up: str = ""

    def __bool__(self) -> bool:
        return bool(self.missed or self.run or self.give_up)


NOTHING = Todo()


def decide(
    rule: Rule,
    zone: ZoneInfo,
    *,
    grace: timedelta,
    every: bool,
    since: datetime,
    last: Run | None,
    lives: Callable[[int], bool],
    now: datetime,
) -> Todo:
    """Decide what is to be done about a job.

    Args:
        rule: its times.
        zone: the newsletter's time zone.
        grace: so long after its time it is still run.
        every: whether each time it is due counts; otherwise only the newest does, and none is ever missed.
        since: since when it has these times.
        last: its newest run that was due by its times.
        lives: tells whether the worker of a number is at work.
        now: the moment.
    """
    newest = latest(rule, zone, now)
    begin = max(since, last.due_at) if last else since
    over = _is_over(last, grace, lives, superseded=newest > begin, now=now)
    if newest <= begin:
        return Todo(give_up=over) if over else _again(last, lives, now)
    if not every:
        return Todo(run=newest, give_up=over)
    missed = _before(newest, begin, rule, zone)
    if now - newest > grace:
        return Todo((*missed, newest), give_up=over)
    return Todo(missed, newest, give_up=over)


def _before(newest: datetime, begin: datetime, rule: Rule, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Give the times between two moments, both left out."""
    found: list[datetime] = []
    moment = latest(rule, zone, newest - A_MOMENT)
    while moment > begin and len(found) < MOST_MISSED:
        found.append(moment)
        moment = latest(rule, zone, moment - A_MOMENT)
    return tuple(reversed(found))


def _is_over(
    last: Run | None, grace: timedelta, lives: Callable[[int], bool], *, superseded: bool, now: datetime
) -> str:
    """Give the words with which the last run ends, where it is not done and not to be tried again; else none."""
    if last is None:
        return ""
    late = superseded or now - last.due_at > grace
    if last.state == "running" and not lives(last.worker) and (late or last.tries >= DEATHS):
        return DIED
    return last.words if last.state == "failed" and last.tries < TRIES and late else ""


def _again(last: Run | None, lives: Callable[[int], bool], now: datetime) -> Todo:
    if last is None or not _is_ready(last, lives, now):
        return NOTHING
    return Todo(run=last.due_at, again=True)


def _is_ready(last: Run, lives: Callable[[int], bool], now: datetime) -> bool:
    match last.state:
        case "running":
            return not lives(last.worker)
        case "failed" if last.tries < TRIES and last.ended_at is not None:
            # A moment to come is of a clock that was put back.
            return not last.ended_at <= now < last.ended_at + PAUSES[max(last.tries, 1) - 1]
        case _:
            return False
