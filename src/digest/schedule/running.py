"""Doing what is due: claimed, run, and written down what came of it; caught up within its grace, and missed beyond it.

Several processes may do this on one store, and any of them may die over it. What a job does must bear being done again
where its process died in the middle.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from digest import logs, times, tracing
from digest.editors import audit
from digest.editors.audit import By
from digest.errors import DigestError, StateError
from digest.recurring import Rule
from digest.schedule import deciding, runs
from digest.schedule.context import Context
from digest.schedule.deciding import TRIES, Todo
from digest.schedule.jobs import Job, job_named, jobs, rule_of
from digest.schedule.runs import Run, State
from digest.settings import Settings
from digest.store import Database, explain, file_of, writing

LONGEST = 500
"""So many characters of what came of a run are kept."""

log = logging.getLogger("digest")


@dataclass(frozen=True)
class Did:
    """What became of a job at one of its times, for a person."""

    job: str
    due_at: datetime
    state: State
    words: str


def run_due(context: Context, *, only: Iterable[Job] | None = None) -> list[Did]:
    """Do what is due, one job after the other; give what was done, missed or given up. No job stops the others."""
    done: list[Did] = []
    for job in jobs(context.settings) if only is None else only:
        if not context.stopping():
            done += run_job(context, job)
    return done


def run_job(context: Context, job: Job) -> list[Did]:
    """Do what is due of a job; of several processes that come at the same time, one does it."""
    now = context.clock()
    if job.times is None:
        # With times again it begins anew: nothing is missed while it is off.
        runs.forget(context.db, job.name)
        return []
    since = runs.known_since(context.db, job.name, rule_of(job, context.settings), now=now)
    last = runs.last_due(context.db, job.name, now=now)
    todo = _decide(job, job.times, context.settings, since, last, context.worker.lives, now)
    done: list[Did] = []
    if todo.give_up and last is not None:
        done += _give_up(context, job, last, todo.give_up, now)
    if todo.missed:
        done += _miss(context, job, todo.missed, now, is_caught_up=todo.run is not None)
    if todo.run is not None and (run := _claim(context, job, todo, last, now)) is not None:
        done.append(_do(context, job, run))
    return done


def due(db: Database, settings: Settings, *, lives: Callable[[int], bool], now: datetime) -> list[Job]:
    """Give the jobs there is something to do about. It is asked often, and only looks."""
    known, last = runs.all_known(db), runs.newest(db, now=now, scheduled=True)
    found = []
    for job in jobs(settings):
        rule, since = known.get(job.name, ("", now))
        if job.times is None:
            is_due = job.name in known
        elif rule != rule_of(job, settings) or since > now + runs.WRONG:
            is_due = True
        else:
            is_due = bool(_decide(job, job.times, settings, since, last.get(job.name), lives, now))
        if is_due:
            found.append(job)
    return found


def run_now(context: Context, name: str, *, by: By) -> Did:
    """Do a job now, whatever its times, because a person asked for it.

    Raises:
        NotFoundError: there is no such job.
        StateError: a process is doing it right now.
    """
    job = job_named(name, context.settings)
    now, worker = context.clock(), context.worker
    with writing(context.db) as connection:
        run = runs.claim(context.db, job.name, now, worker=worker.number, lives=worker.lives, now=now, by=by.who)
        if run is None:
            raise StateError(f"{job.name} is running right now; `digest schedule` shows what comes of it")
        audit.note(connection, by, "ran by hand", f"job {job.name}", now=now)
    return _do(context, job, run)


def _decide(
    job: Job,
    rule: Rule,
    settings: Settings,
    since: datetime,
    last: Run | None,
    lives: Callable[[int], bool],
    now: datetime,
) -> Todo:
    return deciding.decide(
        rule, settings.zone, grace=job.grace, every=not job.only_newest, since=since, last=last, lives=lives, now=now
    )


def _claim(context: Context, job: Job, todo: Todo, last: Run | None, now: datetime) -> Run | None:
    worker = context.worker
    if todo.again:
        assert last is not None  # noqa: S101 (it is what is taken up again)
        return runs.claim_again(context.db, last, worker=worker.number, now=now)
    assert todo.run is not None  # noqa: S101 (or nothing is claimed)
    return runs.claim(context.db, job.name, todo.run, worker=worker.number, lives=worker.lives, now=now)


def _do(context: Context, job: Job, run: Run) -> Did:
    """Do the work of a job that is claimed, and write down what came of it."""
    state: State
    broke: Exception | None = None
    try:
        with tracing.span(f"job {job.name}", digest__job=job.name):
            words, state = _short(job.work(replace(context, now=context.clock()))), "done"
    except Exception as error:  # whatever it is, the other jobs are to be done all the same
        if context.db.conn.in_transaction:
            context.db.conn.execute("ROLLBACK")
        if context.stopping():
            # It is this process's until that has ended; then another takes it up.
            return Did(job.name, run.due_at, "running", "broken off, because digest stops; it is done again")
        words, state, broke = _why(error, context.db), "failed", error
        if not isinstance(error, DigestError | sqlite3.Error):
            log.debug("%s broke", job.name, exc_info=True)
    now = context.clock()
    if runs.end(context.db, run, state, words, now=now) and state == "failed":
        if words != run.words:
            log.error("%s: %s", job.name, words, extra={"job": job.name, "error": broke})
        if run.tries >= TRIES and run.by == runs.SCHEDULE:
            _say_failed(context, job, run.due_at, words, now)
    return Did(job.name, run.due_at, state, words)


def _give_up(context: Context, job: Job, last: Run, words: str, now: datetime) -> list[Did]:
    if not runs.give_up(context.db, last, words, tries=TRIES, now=now):
        return []
    if last.state == "running":
        log.error("%s: %s", job.name, words)
    _say_failed(context, job, last.due_at, words, now)
    return [Did(job.name, last.due_at, "failed", words)]


def _miss(context: Context, job: Job, moments: tuple[datetime, ...], now: datetime, *, is_caught_up: bool) -> list[Did]:
    """Write down what was missed and say so, aloud: in the log, and in one letter about the last one."""
    words = "digest was not running"
    with writing(context.db):
        missed = runs.miss(context.db, job.name, moments, words, now=now)
        if missed:
            from digest.schedule.telling import tell_missed

            settings = context.settings
            _say(lambda: tell_missed(context.db, settings, job.words, missed[-1], now, is_caught_up=is_caught_up))
    for moment in missed:
        when = times.for_people(moment, context.settings.zone)
        log.warning("%s: missed at %s, because %s", job.name, when, words)
    return [Did(job.name, moment, "missed", words) for moment in missed]


def _say_failed(context: Context, job: Job, due_at: datetime, why: str, now: datetime) -> None:
    if not job.only_newest:
        from digest.schedule.telling import tell_failed

        _say(lambda: tell_failed(context.db, context.settings, job.words, due_at, now, why))


def _say(letter: Callable[[], object]) -> None:
    """Put a letter into the letterbox; that it cannot be is no reason not to go on."""
    try:
        letter()
    except Exception as error:
        log.error("publishers could not be told: %s", _short(f"{type(error).__name__}: {error}"))


def _why(error: Exception, db: Database) -> str:
    if isinstance(error, DigestError):
        return _short(str(error))
    if isinstance(error, sqlite3.Error):
        return _short(str(explain(error, file_of(db) or "the store")))
    # What others say, such as a mail server, may have an address or a key in it; a run is kept, and mailed.
    return _short(logs.clean(f"{type(error).__name__}: {error}"))


def _short(words: str) -> str:
    return " ".join(words.split())[:LONGEST]
