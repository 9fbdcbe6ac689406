"""What the tests of sending share: a store with an issue to send, a provider that obeys, time that flies."""

from __future__ import annotations

import asyncio
import selectors
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from sqlite_utils import Database

from conftest import NOW, import_sample, memory_store
from digest import times
from digest.audience import subscribers
from digest.audience.topics import topic_set_of
from digest.events import Kind
from digest.issue import issues
from digest.providers.interface import Answer, BadCallError, Batch, Pace, Proof, Provider, UncertainError
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.sending.engine import Engine
from digest.sending.ledger import Claimed
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import writing
from digest.tokens import Signer

T = TypeVar("T")

LINKS = Signer(b"k" * 32)
SIGNERS = Signers(links=LINKS, messages=Signer(b"m" * 32))
SETTINGS = Settings(batch_size=3)
HURRY = 20
HOUR_S, DAY_S = 3600.0, 24 * 3600.0

ASKED = Proof(ask_s=45 * DAY_S, settling_s=60)
REPLAYED = Proof(replay_s=23 * HOUR_S, whole=True)
MUTE = Proof()


# The store --------------------------------------------------------------------------------------------------------


@cache
def _template() -> Database:
    """A store in memory with issue 1 approved; making one takes a second, copying it none."""
    db = memory_store()
    import_sample(db, SETTINGS)
    issues.draft(db, SETTINGS, now=NOW)
    issues.freeze(db, SETTINGS, 1, now=NOW)
    return db


def store_with(readers: int = 10, zones: Mapping[int, str] | None = None) -> Database:
    """A store in memory with issue 1 approved and so many readers, whose numbers begin with 1."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _template().conn.backup(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    db = Database(connection)
    subscribe(db, readers)
    for number, zone in (zones or {}).items():
        db.execute("UPDATE subscribers SET timezone = ? WHERE id = ?", [zone, number])
    return db


def subscribe(db: Database, readers: int) -> None:
    """Add readers to those there are, named reader1@example.com and so on."""
    with writing(db):
        for number in range(1, readers + 1):
            subscribers.add(db, address(number), now=NOW, name=f"Reader {number}" if number % 2 else None)


def choose(db: Database, topics: Mapping[int, Iterable[str]]) -> None:
    """Let readers choose topics, by their numbers."""
    with writing(db):
        for number, chosen in topics.items():
            db.execute("UPDATE subscribers SET topic_set = ? WHERE id = ?", [topic_set_of(db, chosen), number])


def pause_reader(db: Database, number: int, until: datetime) -> None:
    db.execute("UPDATE subscribers SET paused_until = ? WHERE id = ?", [times.to_text(until), number])


def address(reader: int) -> str:
    return f"reader{reader}@example.com"


def sending(readers: int = 10) -> Database:
    """A store whose issue 1 is being sent to so many."""
    db = store_with(readers)
    ledger.freeze_audience(db, 1, now=NOW)
    return db


def claim(db: Database, size: int = 3, **options: Any) -> Claimed | None:
    """Claim of issue 1 for the provider "taker" as worker 1."""
    given: dict[str, Any] = {"provider": "taker", "account": "here", "worker": 1, "after": 0, "now": NOW}
    return ledger.claim_batch(db, 1, size=size, **(given | options))


def claimed(db: Database, size: int = 3, **options: Any) -> Claimed:
    batch = claim(db, size, **options)
    assert batch is not None
    return batch


def counts(db: Database) -> dict[str, int]:
    """The tally of issue 1, without what is zero."""
    return {name: count for name, count in ledger.tally(db, 1).items() if count}


def state(db: Database) -> str:
    return issues.find_issue(db, 1).state


def batches(db: Database, columns: str) -> list[tuple[Any, ...]]:
    return list(db.execute(f"SELECT {columns} FROM batches ORDER BY number").fetchall())


def event(db: Database, reader: int, kind: Kind = Kind.DELIVERED, *, at: datetime = NOW) -> None:
    db.execute(
        "INSERT INTO events (issue, subscriber, kind, at) VALUES (1, ?, ?, ?) ON CONFLICT DO NOTHING",
        [reader, int(kind), int(at.timestamp())],
    )


# Time -------------------------------------------------------------------------------------------------------------


class _Skipping(selectors.SelectSelector):
    """Does not wait for a timer, but puts the clock forward to it."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self.skipped += timeout
            timeout = 0
        return super().select(timeout)


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time is only counted; `now` is the clock on the wall, which may be put forward and back."""

    def __init__(self, start: datetime = NOW) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)
        self.start = start
        self.wrong_s = 0.0

    def time(self) -> float:
        return self._skipping.skipped

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.time() + self.wrong_s)

    async def leap(self, seconds: float) -> None:
        """Be so much later, without a turn of the loop: nights go by quickly, where one hand alone is at work."""
        self._skipping.skipped += seconds


class _Hurried(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout / HURRY if timeout else timeout)


class Hurry(asyncio.SelectorEventLoop):
    """A loop for real sockets on which a second lasts a twentieth of one, so that pauses do not."""

    def __init__(self) -> None:
        super().__init__(_Hurried())

    def time(self) -> float:
        return super().time() * HURRY

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.time())


# Workers ----------------------------------------------------------------------------------------------------------


class Hand(Worker):
    """A worker of a crew: locks tell processes apart, and the tests' workers are all in one."""

    def __init__(self, crew: set[int], number: int) -> None:
        self.number = number
        self._crew = crew
        crew.add(number)

    def lives(self, number: int) -> bool:
        return number in self._crew

    def dies(self) -> None:
        self._crew.discard(self.number)


# A provider -------------------------------------------------------------------------------------------------------

Act = Callable[["Taker", Batch], Answer]
"""What a provider does with a batch."""


def take(taker: Taker, batch: Batch) -> Answer:
    """Accept all of it."""
    return taker.accept(batch, (recipient.subscriber for recipient in batch.recipients))


def refuse(error: Exception) -> Act:
    """Accept nothing, and say so."""

    def act(taker: Taker, batch: Batch) -> Answer:
        raise error

    return act


def lose(accepted: int = 1_000_000, error: Exception | None = None) -> Act:
    """Accept the first ones of it, and let the line break before the answer."""

    def act(taker: Taker, batch: Batch) -> Answer:
        answer = taker.accept(batch, [recipient.subscriber for recipient in batch.recipients][:accepted])
        if taker.proof.replay_s and len(batch.recipients) <= accepted:
            taker.answers[batch.idempotency_key] = answer
        raise error or UncertainError("the line went dead")

    return act


def answer(accepted: Iterable[int] = (), **named: Any) -> Act:
    """Accept some, and give an answer about the others."""

    def act(taker: Taker, batch: Batch) -> Answer:
        return Answer(taker.accept(batch, accepted).message_ids, **named)

    return act


def refuse_bad(*bad: int, name: bool = False) -> Act:
    """Refuse a call that has one of these readers in it, and name them or not."""

    def act(taker: Taker, batch: Batch) -> Answer:
        found = {r.subscriber: f"{r.address} is no address" for r in batch.recipients if r.subscriber in bad}
        if found:
            raise BadCallError("there is a bad address in it", rejected=found if name else None)
        return take(taker, batch)

    return act


@dataclass
class Taker:
    """A provider that does as it is told, and keeps its own record of what it accepted.

    `acts` are what it does with its calls, one after the other; after the last one it does `always`.
    """

    acts: list[Act] = field(default_factory=list)
    always: Act = take
    name: str = "taker"
    account: str = "here"
    limit: int = 3
    pace: Pace = field(default_factory=lambda: Pace(connections=1))
    proof: Proof = ASKED
    takes_s: float = 0.0
    asks_s: float = 0.0
    unused: frozenset[str] = frozenset()
    open_error: Exception | None = None
    ask_errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.calls: list[Batch] = []
        self.began: list[float] = []
        self.asked: list[Batch] = []
        self.asked_at: list[float] = []
        self.accepted: list[tuple[int, int]] = []
        self.answers: dict[str, Answer] = {}
        self.opened: list[bool] = []
        self.closed = 0
        self.at_once = self.most_at_once = 0

    def accept(self, batch: Batch, readers: Iterable[int]) -> Answer:
        """Write down who of a batch is accepted; give the answer that says so."""
        taken = list(readers)
        self.accepted += [(batch.number, reader) for reader in taken]
        return Answer([f"{batch.number}-{reader}" for reader in taken])

    def readers(self) -> list[int]:
        """Those whose copies were accepted, in order of their numbers, as often as they were."""
        return sorted(reader for _, reader in self.accepted)

    def twice(self) -> list[int]:
        return [reader for reader, count in Counter(self.readers()).items() if count > 1]

    def keys(self) -> list[str]:
        return [batch.idempotency_key for batch in self.calls]

    async def open(self, *, begin: bool) -> None:
        self.opened.append(begin)
        if self.open_error:
            raise self.open_error

    async def hand_over(self, batch: Batch) -> Answer:
        self.calls.append(batch)
        self.began.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.takes_s)
            if batch.idempotency_key in self.answers:
                return self.answers[batch.idempotency_key]
            act = self.acts.pop(0) if self.acts else self.always
            given = act(self, batch)
            if self.proof.replay_s:
                self.answers[batch.idempotency_key] = given
            return given
        finally:
            self.at_once -= 1

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        self.asked.append(batch)
        self.asked_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.asks_s)
        if self.ask_errors:
            raise self.ask_errors.pop(0)
        there = {reader for _, reader in self.accepted}
        return {r.subscriber: f"asked-{r.subscriber}" for r in batch.recipients if r.subscriber in there}

    async def close(self) -> None:
        self.closed += 1


# Sending ----------------------------------------------------------------------------------------------------------


class Post:
    """A store and all who send its issue 1, one `send` after the other, each as a process of its own would."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock
        self.crew: set[int] = set()
        self.count = 0
        self.engine: Engine | None = None

    def hire(self) -> Hand:
        self.count += 1
        return Hand(self.crew, self.count)

    def make(self, *providers: Provider, settings: Settings = SETTINGS, **options: Any) -> Engine:
        given: dict[str, Any] = {"clock": self.clock.now, "draw": lambda: 0.5} | options
        return Engine(self.db, settings, list(providers), SIGNERS, self.hire(), **given)

    async def work(self, engine: Engine, *, early: bool = False) -> dict[str, int]:
        """Send, and die."""
        self.engine = engine
        try:
            return await engine.send(1, early=early)
        finally:
            assert isinstance(engine.worker, Hand)
            engine.worker.dies()

    def send(self, *providers: Provider, early: bool = False, **options: Any) -> dict[str, int]:
        """Send; give the tally, without what is zero."""
        tally = self.run(self.work(self.make(*providers, **options), early=early))
        return {name: count for name, count in tally.items() if count}

    def run(self, work: Awaitable[T]) -> T:
        return self.clock.run_until_complete(work)

    def crash(self, *providers: Provider, after_s: float, **options: Any) -> None:
        """Send, and be killed after a time, most likely in the middle of a call."""
        engine = self.make(*providers, **options)
        task = self.clock.create_task(self.work(engine))
        self.run(asyncio.sleep(after_s))
        assert not task.done(), "it was done before it could be killed"
        task.cancel()
        with suppress(asyncio.CancelledError):
            self.run(task)

    def pause(self) -> None:
        issues.pause(self.db, 1, now=self.clock.now())

    def resume(self) -> None:
        issues.resume(self.db, 1, now=self.clock.now())


def everyone(count: int = 10) -> list[int]:
    return list(range(1, count + 1))
