"""Sending by itself: what is approved for a time that has come, and what was begun and has nobody at work on it.

A `Runner` works what is due, one issue after the other: each with an engine, a worker's number and the issue's lock of
its own. An issue that only waits for what is to come gives way to others that are due. What ended is left alone until
something can be done about it again: until a moment, or until somebody changed something, whichever comes first.

An issue whose time passed some hours ago while nothing ran is not sent by surprise; why not is told to editors.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from digest import times
from digest.errors import DigestError, StateError
from digest.issue import issues, troubles
from digest.issue.model import Issue
from digest.numbers import several
from digest.providers.interface import Provider
from digest.sending import ledger, steering
from digest.sending.connecting import providers_of
from digest.sending.copies import Signers
from digest.sending.engine import Engine
from digest.sending.pace import Health
from digest.sending.timing import due_at
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database

TURN_S = 5.0
"""An issue that has only waited for so long gives way to others, and so much later has its turn again."""
LOOK_S = 1.0
"""How often a run looks whether others are due, and whether what it waits for has changed."""
OTHERS_S = 5.0
"""So often it is looked whether another process that has an issue in hand still lives."""
AGAIN_S = 600.0
"""So long what is begun and has nothing to do is left alone, where nothing changes."""
PERSON_S = 24 * 3600.0
"""So long what waits for a person is left alone, unless that person acts."""
FIRST_S, TRIES = 15.0, 6
"""What could not even be begun is tried again after so long, then twice as long each time, at most `AGAIN_S`."""
FINISH_S = 6.0
"""When it is to stop, so long the calls in hand may take; then they are broken off, and are uncertain."""

NOW_OR_LATER = "send it now or give it another time"
"""How the words end about an issue whose time has passed."""

T = TypeVar("T")

log = logging.getLogger("digest")


@dataclass(frozen=True)
class Rest:
    """Nothing is to be done about an issue before `until`, as long as its stand is this; `tries` failed in a row."""

    stand: str
    until: datetime
    tries: int = 0

    def is_over(self, stand: str, now: datetime) -> bool:
        """Tell whether there may be something to do again. A moment too far ahead is of a clock that was wrong."""
        return stand != self.stand or not now < self.until <= now + timedelta(days=2)


def stand_of(db: Database, number: int) -> str:
    """Give what changes when anybody decides something about an issue, or an open batch of it is settled."""
    row = db.conn.execute(
        "SELECT i.version || ' ' || i.updated_at || ' ' || coalesce((SELECT group_concat(b.number || b.state)"
        " FROM batches b WHERE b.issue = i.number AND b.state <> 'settled'), '') FROM issues i WHERE i.number = ?",
        (number,),
    ).fetchone()
    return str(row[0]) if row else ""


def due(db: Database, rests: Mapping[int, Rest], *, now: datetime) -> list[int]:
    """Give the issues there is something to do about, those that were begun first.

    Of one that is paused or cancelled, that is to find out about copies that a dead process left; and of one that was
    brought back from a backup, about all that is open.
    """
    rows = db.conn.execute(
        "SELECT number FROM issues WHERE state = 'sending' OR (state = 'approved' AND scheduled_at <= ?)"
        " OR (state IN ('paused', 'cancelled') AND EXISTS (SELECT 1 FROM batches b WHERE b.issue = issues.number"
        " AND b.state <> 'settled' AND b.state <> 'held')) OR (state = 'paused' AND doubted_at IS NOT NULL)"
        " ORDER BY state = 'sending' DESC, number",
        (times.to_text(now),),
    )
    return [
        number
        for (number,) in rows.fetchall()
        if number not in rests or rests[number].is_over(stand_of(db, number), now)
    ]


def time_of(issue: Issue, settings: Settings) -> datetime:
    """Give when an approved issue was to be sent: with readers' local time, when that is where the newsletter is."""
    assert issue.scheduled_at is not None  # noqa: S101 (only those with a time are sent by themselves)
    wall = issue.local_time
    return due_at(wall, settings.timezone, settings.timezone) if wall else issue.scheduled_at


def is_overslept(issue: Issue, settings: Settings, *, now: datetime) -> bool:
    """Tell whether an issue's time has passed for so long that to send it now would be a surprise."""
    grace = timedelta(hours=settings.sending_grace_hours)
    return issue.state == "approved" and bool(grace) and now > time_of(issue, settings) + grace


@dataclass
class Runner:
    """Sends what is due, for one process. `hire` makes a worker, for one issue each.

    `in_line` are approved issues whose turn did not come in time, because others were being sent.
    """

    db: Database
    settings: Settings
    signers: Signers
    hire: Callable[[], Worker]
    connected: Callable[[Settings], list[Provider]] = providers_of
    clock: Callable[[], datetime] = times.now
    stopping: Callable[[], bool] = lambda: False
    rests: dict[int, Rest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._healths: dict[str, Health] = {}
        self.in_line: set[int] = set()

    async def work(self) -> None:
        """Work until nothing is due, or it is to stop."""
        while not self.stopping() and await self.go():
            pass

    async def go(self) -> bool:
        """Work what is due now, one issue after the other; tell whether there was any."""
        numbers = due(self.db, self.rests, now=self.clock())
        for number in numbers:
            if self.stopping():
                break
            with self.hire() as worker:
                if worker.takes(number):
                    await self._work(number, worker)
                else:
                    self._rest(number, OTHERS_S)
        return bool(numbers)

    async def _work(self, number: int, worker: Worker) -> None:
        issue = issues.find_issue(self.db, number)
        if number not in self.in_line and is_overslept(issue, self.settings, now=self.clock()):
            self._tell(number, self._overslept(issue))
            self._rest(number, PERSON_S)
            return
        self.in_line.discard(number)
        turn = _Turn(self, number)
        try:
            engine = Engine(
                self.db,
                self.settings,
                self.connected(self.settings),
                self.signers,
                worker,
                clock=self.clock,
                stopping=turn.is_over,
                healths=self._healths,
            )
        except DigestError as error:
            self._failed(number, str(error))
            return
        turn.engine = engine
        if issue.trouble and issue.state == "sending":
            engine.progress = lambda: self._goes_on(engine, number)
        try:
            await self._within(engine.send(number))
        except DigestError as error:
            self._ended(number, engine, turn, error)
        except Exception as error:  # whatever it is, others are to be sent all the same
            log.exception("sending issue %s broke", number)
            self._failed(number, f"{type(error).__name__}: {error}")
        else:
            self._ended(number, engine, turn, None)
        for lane in engine.lanes:
            if lane.closed:
                # When a person has it tried again, it begins anew.
                self._healths.pop(lane.provider.name, None)

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work; when all is to stop and a call does not end, break it off."""
        task = asyncio.ensure_future(work)
        left = FINISH_S
        while not task.done():
            await asyncio.wait({task}, timeout=0.2)
            if self.stopping():
                left -= 0.2
            if left <= 0:
                task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            raise StateError("what was in hand was broken off, and is uncertain") from None

    # What became of it -----------------------------------------------------------------------------------------

    def _ended(self, number: int, engine: Engine, turn: _Turn, error: DigestError | None) -> None:
        """See what is left of an issue, and when there is something to do about it again."""
        issue = issues.find_issue(self.db, number)
        if self.stopping():
            return
        if issue.state not in ("approved", "sending"):
            # What the trouble is, where there is one, the engine has said.
            self._rest(number, AGAIN_S)
        elif error is not None:
            closed = [lane.closed for lane in engine.lanes if lane.closed]
            if closed and len(closed) == len(engine.lanes):
                self._failed(number, "; ".join(closed))
            elif issue.state == "approved":
                self._failed(number, str(error))
            else:
                # Batches that went elsewhere: what to do about them is in the words.
                self._tell(number, str(error))
                self._rest(number, AGAIN_S)
        elif turn.gave_way:
            self._rest(number, TURN_S if turn.gave_way == "others" else 0)
        elif engine.later is not None:
            self._tell(number, None)
            self._rest(number, (engine.later - self.clock()).total_seconds())
        else:
            held = self._held(number)
            others = any(batch.state == "claimed" for batch in ledger.open_batches(self.db, number))
            self._tell(number, held)
            self._rest(number, OTHERS_S if others else PERSON_S if held else AGAIN_S)

    def _held(self, number: int) -> str | None:
        """Say what of an issue waits for a person to decide; None where nothing does."""
        held = [one for one in steering.unsettled(self.db, number) if one.batch.state == "held"]
        if not held:
            return None
        copies = sum(len(one.addresses) for one in held)
        return (
            f"of {several(copies, 'copy', 'copies')} in {several(len(held), 'batch', 'batches')} nobody can find out"
            " whether they were accepted; look them up at the provider and decide"
        )

    def _failed(self, number: int, why: str) -> None:
        """It could not be begun, or broke: tell why, and try it again by itself."""
        before = self.rests.get(number)
        tries = before.tries + 1 if before else 1
        self._tell(number, f"{why}; it is tried again by itself")
        self._rest(number, min(AGAIN_S, FIRST_S * 2 ** min(tries - 1, TRIES)), tries)

    def _overslept(self, issue: Issue) -> str:
        if issue.trouble and issue.trouble.endswith(NOW_OR_LATER):
            return issue.trouble
        when = times.for_people(time_of(issue, self.settings), self.settings.zone)
        if issue.trouble:
            why = issue.trouble.removesuffix("; it is tried again by itself")
            return f"its time, {when}, has passed, and it could not be sent: {why}; {NOW_OR_LATER}"
        return f"its time passed at {when} while digest was not running; {NOW_OR_LATER}"

    def _goes_on(self, engine: Engine, number: int) -> None:
        if engine.done["accepted"]:
            engine.progress = lambda: None
            self._tell(number, None)

    def _tell(self, number: int, why: str | None) -> None:
        if troubles.tell(self.db, number, why, now=self.clock()) and why:
            log.warning("issue %s: %s", number, why)

    def _rest(self, number: int, seconds: float, tries: int = 0) -> None:
        self.rests[number] = Rest(stand_of(self.db, number), self.clock() + times.seconds(seconds), tries)


class _Turn:
    """One issue's turn: over when all is to stop, and when it only waits while others are due or somebody acted."""

    def __init__(self, runner: Runner, number: int) -> None:
        self._runner, self._number = runner, number
        self.engine: Engine | None = None
        self.gave_way: Literal["", "others", "changed"] = ""
        self._look_at: datetime | None = None
        self._stand: tuple[datetime, str] | None = None

    def is_over(self) -> bool:
        """Tell whether to stop; the engine asks before each step, and four times a second while it waits."""
        if self.gave_way or self._runner.stopping():
            return True
        now = self._runner.clock()
        if self._look_at is None or not now < self._look_at <= now + times.seconds(LOOK_S):
            self._look_at = now + times.seconds(LOOK_S)
            self._look(now)
        return bool(self.gave_way)

    def _look(self, now: datetime) -> None:
        runner, since = self._runner, self.engine.waits_since if self.engine else None
        others = [number for number in due(runner.db, runner.rests, now=now) if number != self._number]
        for number in others:
            # However long it waits for its turn, it was not overslept.
            if not is_overslept(issues.find_issue(runner.db, number), runner.settings, now=now):
                runner.in_line.add(number)
        if since is None:
            self._stand = None
            return
        stand = stand_of(runner.db, self._number)
        if self._stand is None or self._stand[0] != since:
            self._stand = since, stand
        if stand != self._stand[1]:
            self.gave_way = "changed"
        elif others and (now - since).total_seconds() >= TURN_S:
            self.gave_way = "others"
