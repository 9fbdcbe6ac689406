"""What `digest serve` does beside answering: send what is due, mail letters, work events, and what is on the schedule.

Each is done over and over in a thread of its own, with a connection of its own: a wait for the store's write lock, for
a provider or for a mail server holds up neither the readers nor the others. The store is asked for due letters every
second, which is a look at an index, and needs no word from whoever puts one in; another process may have. What has its
times is woken by `scheduling.py`.

Several `digest serve` on one store do no harm: a letter is claimed by one of them, and the rest comes to the same
however often it is done.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from digest.sending import notices, subject_test
from digest.sending.apart import Sender
from digest.sending.postman import Postman
from digest.sending.workers import Worker
from digest.sentences import of_error
from digest.store import Database
from digest.tracking.rounds import Rounds
from digest.web.pulse import Stopping
from digest.web.scheduling import Scheduling
from digest.web.state import State

SENDING_EVERY_S = 1.0
NOTICES_EVERY_S = 2.0
SUBJECTS_EVERY_S = 5.0
LETTERS_EVERY_S = 1.0
EVENTS_EVERY_S = 1.0
TELL_EVERY_S = 2.0
COUNTS_EVERY_S = 60.0
SIGN_UPS_EVERY = timedelta(hours=1)
FIRST_AFTER_S = 0.5
"""So long all of it waits at first: whoever waited for the start is answered before."""
AFTER_ERROR_S = 10.0
"""So long something that failed rests at least."""
FINISH_S, LEAVE_S = 6.0, 8.5
"""When the server stops, so long the letters in hand may be finished, and so long it waits for all: below the ten
seconds after which most supervisors kill."""

log = logging.getLogger("digest")


@dataclass(frozen=True)
class Task:
    """Something to do every so many seconds; `work` is given a connection that stays its own."""

    name: str
    every_s: float
    work: Callable[[Database], None]


@asynccontextmanager
async def background(state: State) -> AsyncIterator[None]:
    """Do what is due, over and over, while the block runs."""
    stopping = Stopping(state.pulse)
    worker = state.worker
    worker.__enter__()
    tasks = _tasks(state, worker, stopping)
    threads = [
        threading.Thread(target=_over_and_over, args=(task, state, stopping), name=task.name, daemon=True)
        for task in tasks
    ]
    for task, thread in zip(tasks, threads, strict=True):
        state.pulse.expect(task.name, task.every_s)
        thread.start()
    schedule = Scheduling(state, worker, stopping.is_set)
    schedule.start(FIRST_AFTER_S)
    try:
        yield
    finally:
        stopping.set()
        threads += schedule.stop()
        await asyncio.to_thread(_join, threads)
        # While a letter is in hand, others must see that its worker lives. The kernel lets go when the process ends.
        if not any(thread.is_alive() for thread in threads):
            worker.__exit__(None, None, None)


def _tasks(state: State, worker: Worker, stopping: threading.Event) -> list[Task]:
    return [
        Task("sending", SENDING_EVERY_S, _sending(state, worker, stopping)),
        Task("notices", NOTICES_EVERY_S, lambda db: _notify(db, state)),
        Task("subjects", SUBJECTS_EVERY_S, lambda db: subject_test.decide_all_due(db, now=state.clock())),
        Task("letters", LETTERS_EVERY_S, _letters(state, worker, stopping)),
        Task("events", EVENTS_EVERY_S, _events(state, worker, stopping)),
        Task("webhooks", TELL_EVERY_S, lambda db: _tell(db, state, stopping)),
        Task("counts", COUNTS_EVERY_S, lambda db: _write_counts(db, state)),
    ]


def _write_counts(db: Database, state: State) -> None:
    """Write down what was counted in this process."""
    state.hook_counts.write_down(db)
    state.sign_ups.write_down(db, state.clock(), every=SIGN_UPS_EVERY)


def _tell(db: Database, state: State, stopping: threading.Event) -> None:
    # Here, because the server answers sooner: it loads what posts.
    from digest.programs import telling

    done = telling.tell(db, clock=state.clock, stopping=stopping.is_set)
    if done["dead"]:
        log.warning("webhooks: %d messages were given up; `digest webhooks list` says why", done["dead"])


def _events(state: State, worker: Worker, stopping: threading.Event) -> Callable[[Database], None]:
    rounds: Rounds | None = None

    def work(db: Database) -> None:
        nonlocal rounds
        # One for all rounds: it knows when it counted last, and how long that took.
        rounds = rounds or Rounds(
            db, state.settings, state.signers, lives=worker.lives, clock=state.clock, stopping=stopping.is_set
        )
        rounds.go()

    return work


def _sending(state: State, worker: Worker, stopping: threading.Event) -> Callable[[Database], None]:
    # One for all rounds: it knows what is to be left alone, and until when.
    sender = Sender(worker, state.clock, stopping.is_set)

    def work(db: Database) -> None:
        sender.work(db, state.settings)

    return work


def _notify(db: Database, state: State) -> None:
    notices.post_due(db, state.settings, now=state.clock())


def _letters(state: State, worker: Worker, stopping: threading.Event) -> Callable[[Database], None]:
    postman: Postman | None = None

    def work(db: Database) -> None:
        nonlocal postman
        # One for all rounds: it knows which provider takes nothing at the moment.
        postman = postman or Postman.of(
            db,
            state.settings,
            state.signers,
            worker,
            clock=state.clock,
            say=lambda words: log.warning("%s", words),
            stopping=stopping.is_set,
        )
        postman.settings = state.settings
        asyncio.run(_finish(postman, stopping))

    return work


async def _finish(postman: Postman, stopping: threading.Event) -> None:
    """Go a round; when the server stops and a call does not end, break it off: its letter is uncertain then."""
    work = asyncio.ensure_future(postman.deliver())
    left = FINISH_S
    while not work.done():
        await asyncio.wait({work}, timeout=0.2)
        if stopping.is_set():
            left -= 0.2
        if left <= 0:
            work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        log.warning("letters: the one in hand was broken off, and is uncertain")


def _over_and_over(task: Task, state: State, stopping: threading.Event) -> None:
    """Do a task until the server stops; what goes wrong is logged in a line, once until it went well again."""
    said = ""
    stopping.wait(FIRST_AFTER_S)
    db = state.stores.take()
    try:
        while not stopping.is_set():
            rest = task.every_s
            try:
                task.work(db)
                said = ""
            except Exception as error:  # nothing here may stop the others, or the server
                if db.conn.in_transaction:
                    db.conn.execute("ROLLBACK")
                words = of_error(error)
                if words != said:
                    log.error("%s: %s", task.name, words, extra={"error": error})
                said, rest = words, max(rest, AFTER_ERROR_S)
            stopping.wait(rest)
    finally:
        state.stores.give_back(db)


def _join(threads: list[threading.Thread]) -> None:
    until = time.monotonic() + LEAVE_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
