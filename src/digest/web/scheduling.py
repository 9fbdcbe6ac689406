"""The schedule in `digest serve`: APScheduler wakes it at the times of the jobs, and every job has a thread of its own.

Which process does what, and what was missed, is decided by what the store says (`digest.schedule`); so it does no harm
to look too often. Every half minute is looked anyway: a clock may jump, a machine may have slept, and the settings may
be others. APScheduler's own store and its rules for late jobs are not used.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from digest.recurring import following
from digest.schedule import running
from digest.schedule.context import Context
from digest.schedule.jobs import Job, job_named, jobs
from digest.sending.workers import Worker
from digest.sentences import of_error
from digest.settings import Settings
from digest.web.state import State

LOOK_EVERY_S = 30.0
A_MOMENT = timedelta(milliseconds=5)
"""A timer may go off that much before its moment."""
LONGEST = timedelta(days=1)
"""APScheduler is never asked to wait for longer: its timers go by a clock that stands still while a machine sleeps."""

log = logging.getLogger("digest")


@dataclass
class Times(BaseTrigger):  # type: ignore[misc]
    """Goes off when a job is due by our clock, whatever clock APScheduler reads."""

    job: Job
    settings: Settings
    clock: Callable[[], datetime]

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """Give when to wake, by APScheduler's clock."""
        assert self.job.times is not None  # noqa: S101 (others are not planned)
        ours = self.clock()
        wait = following(self.job.times, self.settings.zone, ours) - ours
        woken: datetime = now + min(wait + A_MOMENT, LONGEST)
        return woken


class Scheduling:
    """Does what is due while the server runs. Its methods are for the thread of the event loop."""

    def __init__(self, state: State, worker: Worker, stopping: Callable[[], bool]) -> None:
        self._state, self._worker, self._stopping = state, worker, stopping
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._planned: dict[str, tuple[object, str]] = {}
        self._lock = threading.Lock()
        self._in_hand: dict[str, threading.Thread] = {}
        self._said = ""

    def start(self, after_s: float = 0.0) -> None:
        """Look after so many seconds, and from then on."""
        # What APScheduler has to say about its own work is nothing for the operator.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._state.pulse.expect("schedule", LOOK_EVERY_S)
        every = IntervalTrigger(seconds=LOOK_EVERY_S, timezone=UTC)
        self._add("look", every, self._look, next_run_time=datetime.now(UTC) + timedelta(seconds=after_s))
        self._scheduler.start()

    def stop(self) -> list[threading.Thread]:
        """Begin nothing more; give the threads that are at work."""
        self._scheduler.shutdown(wait=False)
        with self._lock:
            return list(self._in_hand.values())

    def _add(self, name: str, trigger: BaseTrigger, wake: Callable[[], Awaitable[None]], **more: object) -> None:
        self._scheduler.add_job(
            wake,
            trigger,
            id=name,
            name=name,
            replace_existing=True,
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
            **more,
        )

    async def _look(self) -> None:
        """Have it looked what is due; one look at a time is enough."""
        self._plan()
        self._begin("look", self._begin_due)

    def _plan(self) -> None:
        """Have the scheduler wake us at the times of the jobs, as the settings have them now."""
        settings = self._state.settings
        wanted = {job.name: job for job in jobs(settings) if job.times is not None}
        for name in self._planned.keys() - wanted.keys():
            del self._planned[name]
            self._drop(name)
        for name, job in wanted.items():
            times = (job.times, settings.timezone)
            if self._planned.get(name) != times:
                self._planned[name] = times
                self._add(name, Times(job, settings, self._state.clock), self._waking(name))

    def _waking(self, name: str) -> Callable[[], Awaitable[None]]:
        async def wake() -> None:
            self._begin(name, lambda context: running.run_job(context, job_named(name, context.settings)))

        return wake

    def _drop(self, name: str) -> None:
        try:
            self._scheduler.remove_job(name)
        except JobLookupError:  # pragma: no cover (it was planned)
            return

    def _begin_due(self, context: Context) -> None:
        for job in running.due(context.db, context.settings, lives=context.worker.lives, now=context.now):
            self._begin(job.name, partial(_run, job=job))

    def _begin(self, name: str, work: Callable[[Context], object]) -> None:
        """Do something in a thread of its own, unless it is being done."""
        with self._lock:
            if name in self._in_hand or self._stopping():
                return
            # A daemon: one that does not end does not keep the process from ending.
            thread = threading.Thread(target=self._do, args=(name, work), name=f"schedule: {name}", daemon=True)
            self._in_hand[name] = thread
            thread.start()

    def _do(self, name: str, work: Callable[[Context], object]) -> None:
        try:
            state = self._state
            db = state.stores.take()
            try:
                work(
                    Context(
                        db,
                        state.settings,
                        state.signers,
                        state.clock(),
                        self._worker,
                        stopping=self._stopping,
                        clock=state.clock,
                    )
                )
                self._said = ""
                if name == "look":
                    state.pulse.beat("schedule")
            finally:
                state.stores.give_back(db)
        except Exception as error:  # what a job does wrong is told by its run; this is the store
            words = of_error(error)
            if words != self._said:
                log.error("the schedule: %s", words)
            self._said = words
        finally:
            with self._lock:
                self._in_hand.pop(name, None)


def _run(context: Context, job: Job) -> None:
    running.run_job(context, job)
