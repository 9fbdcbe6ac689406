"""What ran, and what was missed: a row for each time a job was due, so that of several processes one does it.

The lock of a row's worker says whether a run that has no end is still going on; no clock has a say in that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from digest import times
from digest.store import Database, writing

SCHEDULE = "schedule"
"""Who runs what is run by no person."""
KEPT = timedelta(days=400)
"""So long it is known what ran: what is done once a year can be looked at."""
KEPT_SHORT = timedelta(days=2)
"""So long of what is done every few minutes."""
WRONG = timedelta(days=1)
"""A moment that is so far ahead is of a clock that was wrong."""

State = Literal["running", "done", "failed", "missed"]

_COLUMNS = "job, due_at, state, by, worker, tries, began_at, ended_at, words"


@dataclass(frozen=True)
class Run:
    """One time that a job ran, or should have; `due_at` of one by hand is when it was asked for."""

    job: str
    due_at: datetime
    state: State
    by: str
    worker: int
    tries: int
    began_at: datetime
    ended_at: datetime | None
    words: str


def known_since(db: Database, job: str, rule: str, *, now: datetime) -> datetime:
    """Give since when a job has these times; where it had none, or others, it is now.

    What was due before is neither caught up nor missed. A moment to come is of a clock that was wrong.
    """
    row = db.conn.execute("SELECT rule, since FROM jobs WHERE name = ?", (job,)).fetchone()
    if row is None or row[0] != rule or times.from_text(row[1]) > now + WRONG:
        with writing(db) as connection:
            connection.execute(
                "INSERT INTO jobs (name, rule, since) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE"
                " SET rule = excluded.rule, since = excluded.since WHERE rule <> excluded.rule OR since > ?4",
                (job, rule, times.to_text(now), times.to_text(now + WRONG)),
            )
            row = connection.execute("SELECT rule, since FROM jobs WHERE name = ?", (job,)).fetchone()
    return times.from_text(row[1])


def all_known(db: Database) -> dict[str, tuple[str, datetime]]:
    """Give the jobs that are known, with their times and since when they have them."""
    rows = db.conn.execute("SELECT name, rule, since FROM jobs").fetchall()
    return {name: (rule, times.from_text(since)) for name, rule, since in rows}


def forget(db: Database, job: str) -> None:
    """Forget a job that has no times any more: with times again, it begins anew."""
    if db.conn.execute("SELECT 1 FROM jobs WHERE name = ?", (job,)).fetchone() is not None:
        with writing(db) as connection:
            connection.execute("DELETE FROM jobs WHERE name = ?", (job,))


def last_due(db: Database, job: str, *, now: datetime) -> Run | None:
    """Give the newest run that was due by its times; None where there is none.

    What was due, or began, in a time to come is of a clock that was wrong: when that time has come, it is due.
    """
    row = db.conn.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE job = ? AND due_at <= ? AND began_at <= ? AND by = ?"  # noqa: S608
        " ORDER BY due_at DESC LIMIT 1",
        (job, times.to_text(now), times.to_text(now + WRONG), SCHEDULE),
    ).fetchone()
    return _run(row) if row else None


def newest(db: Database, *, now: datetime, scheduled: bool = False) -> dict[str, Run]:
    """Give the newest run of each job, by a person or by its times; or, where `scheduled`, by its times alone."""
    rows = db.conn.execute(
        f"SELECT {_COLUMNS}, max(due_at) FROM runs WHERE due_at <= ? AND began_at <= ? AND (? OR by = ?)"  # noqa: S608
        " GROUP BY job",
        (times.to_text(now), times.to_text(now + WRONG), not scheduled, SCHEDULE),
    ).fetchall()
    return {row[0]: _run(row[:-1]) for row in rows}


def history(db: Database, *, limit: int, job: str | None = None, frequent: Collection[str] = ()) -> list[Run]:
    """Give the last runs, the newest first: of one job, or of all but the `frequent` ones that went well."""
    names = list(frequent) if job is None else []
    rows = db.conn.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE (? IS NULL OR job = ?)"  # noqa: S608
        f" AND NOT (state = 'done' AND job IN ({', '.join('?' * len(names))})) ORDER BY began_at DESC, job LIMIT ?",
        (job, job, *names, limit),
    )
    return [_run(row) for row in rows.fetchall()]


def is_running(connection: sqlite3.Connection, job: str, lives: Callable[[int], bool]) -> bool:
    """Tell whether a living process has a job in hand."""
    rows = connection.execute("SELECT worker FROM runs WHERE job = ? AND state = 'running'", (job,)).fetchall()
    return any(lives(worker) for (worker,) in rows)


def claim(
    db: Database,
    job: str,
    due_at: datetime,
    *,
    worker: int,
    lives: Callable[[int], bool],
    now: datetime,
    by: str = SCHEDULE,
) -> Run | None:
    """Take a time that a job is due; None where another process took it, or has this job in hand.

    A row of a clock that was wrong gives way: it says that this was done before its time had come.
    """
    with writing(db) as connection:
        if is_running(connection, job, lives):
            return None
        row = connection.execute(
            "INSERT INTO runs (job, due_at, state, by, worker, began_at)"  # noqa: S608 (our own columns)
            " VALUES (?1, ?2, 'running', ?3, ?4, ?5)"
            " ON CONFLICT (job, due_at) DO UPDATE SET state = 'running', by = ?3, worker = ?4, tries = 1,"
            f" began_at = ?5, ended_at = NULL, words = '' WHERE began_at > ?6 RETURNING {_COLUMNS}",
            (job, times.to_text(due_at), by, worker, times.to_text(now), times.to_text(now + WRONG)),
        ).fetchone()
        return _run(row) if row else None


def claim_again(db: Database, run: Run, *, worker: int, now: datetime) -> Run | None:
    """Take up a run that failed, or whose process died, once more; None where another process did, or ended it."""
    with writing(db) as connection:
        row = connection.execute(
            "UPDATE runs SET state = 'running', worker = ?, tries = tries + 1,"  # noqa: S608 (our own columns)
            " began_at = ?, ended_at = NULL"
            f" WHERE job = ? AND due_at = ? AND state = ? AND worker = ? AND tries = ? RETURNING {_COLUMNS}",
            (worker, times.to_text(now), run.job, times.to_text(run.due_at), run.state, run.worker, run.tries),
        ).fetchone()
        return _run(row) if row else None


def end(db: Database, run: Run, state: Literal["done", "failed"], words: str, *, now: datetime) -> bool:
    """Write down what came of a run; False where it is another's meanwhile, which took this process for dead."""
    with writing(db) as connection:
        return (
            connection.execute(
                "UPDATE runs SET state = ?, words = ?, ended_at = ?, worker = 0"
                " WHERE job = ? AND due_at = ? AND state = 'running' AND worker = ? AND tries = ?",
                (state, words, times.to_text(now), run.job, times.to_text(run.due_at), run.worker, run.tries),
            ).rowcount
            > 0
        )


def give_up(db: Database, run: Run, words: str, *, tries: int, now: datetime) -> bool:
    """Leave a run failed for good, as after so many tries; tell whether this call did it."""
    with writing(db) as connection:
        return (
            connection.execute(
                "UPDATE runs SET state = 'failed', words = ?, ended_at = coalesce(ended_at, ?), worker = 0,"
                " tries = max(tries, ?) WHERE job = ? AND due_at = ? AND state = ? AND worker = ? AND tries = ?",
                (
                    words, times.to_text(now), tries,
                    run.job, times.to_text(run.due_at), run.state, run.worker, run.tries,
                ),
            ).rowcount
            > 0
        )  # fmt: skip


def miss(db: Database, job: str, moments: Iterable[datetime], words: str, *, now: datetime) -> list[datetime]:
    """Write down that a job was not done at some moments; give those that nobody had written down."""
    with writing(db) as connection:
        return [
            moment
            for moment in moments
            if connection.execute(
                "INSERT INTO runs (job, due_at, state, by, worker, tries, began_at, ended_at, words)"
                " VALUES (?1, ?2, 'missed', ?3, 0, 0, ?4, ?4, ?5) ON CONFLICT (job, due_at) DO UPDATE SET"
                " state = 'missed', worker = 0, tries = 0, began_at = ?4, ended_at = ?4, words = ?5"
                " WHERE began_at > ?6",
                (job, times.to_text(moment), SCHEDULE, times.to_text(now), words, times.to_text(now + WRONG)),
            ).rowcount
        ]


def delete_old(db: Database, *, frequent: Collection[str], now: datetime) -> int:
    """Delete what ran long ago, and of what runs every few minutes what ran some days ago; give how many.

    The newest of each job stays, from which it is known what is due.
    """
    marks = ", ".join("?" * len(frequent))
    with writing(db) as connection:
        return connection.execute(
            f"DELETE FROM runs WHERE (began_at < ? OR (began_at < ? AND job IN ({marks}))) AND state <> 'running'"  # noqa: S608
            " AND (job, due_at) NOT IN (SELECT job, max(due_at) FROM runs WHERE by = ? GROUP BY job)",
            (times.to_text(now - KEPT), times.to_text(now - KEPT_SHORT), *frequent, SCHEDULE),
        ).rowcount


def _run(row: tuple[str, str, State, str, int, int, str, str | None, str]) -> Run:
    job, due_at, state, by, worker, tries, began_at, ended_at, words = row
    ended = times.from_text(ended_at) if ended_at else None
    return Run(job, times.from_text(due_at), state, by, worker, tries, times.from_text(began_at), ended, words)
