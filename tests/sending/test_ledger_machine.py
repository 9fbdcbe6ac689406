"""Whatever happens, and in whatever order: the four invariants of docs/design.md hold after every step.

A machine plays everything that can befall a sending: workers that start, stop and die at any access to the store or
in the middle of a call, providers that lose answers, people who pause, leave and decide, clocks that are put forward
and back. What was accepted is told by the providers' own records, not by the store.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sendings import (
    DAY_S,
    HOUR_S,
    SETTINGS,
    SIGNERS,
    Clock,
    Hand,
    address,
    choose,
    event,
    pause_reader,
    state,
    store_with,
    subscribe,
)
from sqlite_utils import Database

from conftest import NOW, remove
from digest.audience import subscribers
from digest.audience.addresses import read_address
from digest.errors import NotFoundError, StateError
from digest.events import Kind
from digest.issue import issues, subjects
from digest.issue.fit import Fitted
from digest.issue.model import Draft, Placed, Rendered, Rule
from digest.issue.render import render
from digest.issue.snapshot import Snapshot
from digest.issue.variant_records import content_of, cuts_of, ready
from digest.issue.variants import Cut, render_cut
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Pace,
    Proof,
    QuotaError,
    TryAgainError,
    UncertainError,
)
from digest.sending import ledger, steering, subject_plan, subject_test, topics
from digest.sending.engine import Engine, SendingError
from digest.sending.ledger_check import check_ledger
from digest.sending.subject_test import check_subject_tests
from digest.settings import Settings

WRONG_S = 40.0
"""So wrong the clock may be, either way."""
SETTLING_S, SHOWS_S = 120.0, 30.0
"""When a provider says that what it has shows, and when it does: between them is room for the clock."""
PATIENCE_S = 300.0
SLOW_S = 2 * SETTLING_S
"""A slow call takes longer than it would be waited for, were its process dead."""

KINDS = {
    "repeats": Proof(replay_s=23 * HOUR_S, whole=True),
    "repeats and answers": Proof(replay_s=23 * HOUR_S, ask_s=30 * DAY_S, settling_s=SETTLING_S, whole=True),
    "answers": Proof(ask_s=30 * DAY_S, settling_s=SETTLING_S),
    "answers for a while": Proof(ask_s=HOUR_S, settling_s=SETTLING_S),
    "mute": Proof(),
    "mute and whole": Proof(whole=True),
}


TRIALS: tuple[tuple[int, Rule] | None, ...] = (None, None, None, (40, "clicks"), (10, "person"), (100, "clicks"))
"""On how many percent an issue's subjects are tried, and who decides; None where it has one."""
OTHERS = ("One other subject", "Another one still")
TOPICS = ((), ("developer-tools",), ("voice-and-audio", "gardening"), ("gardening",))
RENDERED: dict[Cut, Fitted] = {}
"""Each variant is rendered once: all stores have the same issue."""
RENDERED_WITH: dict[tuple[tuple[Placed, ...], str], Rendered] = {}
"""So is each with another subject."""
PLACES = st.sampled_from([(0,), (0,), (0, 2), (2, 0), (1,)])
WHO = st.sampled_from([0, 0, 0, 1, 2])
CHANCE = random.Random()
TURNS = st.sampled_from([0.0, 0.5, 2.0, 20.0, 200.0])


@pytest.fixture(autouse=True, scope="module")
def render_once() -> Iterator[None]:
    def rendered(snapshot: Snapshot, cut: Cut, settings: Settings) -> Fitted:
        if cut not in RENDERED:
            RENDERED[cut] = render_cut(snapshot, cut, settings)
        return RENDERED[cut]

    def retitled(draft: Draft, settings: Settings) -> Rendered:
        content = RENDERED_WITH.get((draft.placed, draft.subject))
        if content is None:
            content = RENDERED_WITH[draft.placed, draft.subject] = render(draft, settings)
        # An alternative has the same words for all: so it can be told of which set of topics it is.
        return replace(content, subject=" ".join((draft.subject, *(item.comparison.slug for item in draft.placed))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_bytes", CHANCE.randbytes)
        patch.setattr(secrets, "token_hex", lambda count: CHANCE.randbytes(count).hex())
        patch.setattr(topics, "render_cut", rendered)
        patch.setattr(topics, "is_still", lambda *given: True)
        patch.setattr(subject_plan, "is_still", lambda *given: True)
        patch.setattr(subject_plan, "render", retitled)
        yield


def store_trying(readers: int, trial: tuple[int, Rule] | None) -> Database:
    """A store in memory with issue 1 approved, its subjects to be tried or not, and so many readers."""
    if trial is None:
        return store_with(readers)
    db = Database(sqlite3.connect(":memory:", isolation_level=None))
    _trying(trial).conn.backup(db.conn)
    db.conn.execute("PRAGMA foreign_keys = ON")
    subscribe(db, readers)
    return db


@cache
def _trying(trial: tuple[int, Rule]) -> Database:
    db, (share, rule) = store_with(0), trial
    settings = SETTINGS.model_copy(update={"tracking": "readers"})
    for words in OTHERS:
        subjects.add(db, settings, 1, words, now=NOW, reopen=True)
    subjects.arrange(db, settings, 1, share=share, wait=5, rule=rule, now=NOW)
    issues.freeze(db, settings, 1, now=NOW)
    return db


class Killed(BaseException):
    """The process is dead."""


class Mortal(Database):
    """A store as one process sees it, which may die whenever it touches it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.left: int | None = None
        self.dead = False
        super().__init__(connection)

    @property
    def conn(self) -> sqlite3.Connection:
        if self.left is not None:
            self.left -= 1
            if self.left < 0 and not self.dead:
                self.dies()
        if self.dead:
            raise Killed
        return self._connection

    @conn.setter
    def conn(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def dies(self) -> None:
        self.dead = True
        if self._connection.in_transaction:
            self._connection.rollback()


@dataclass(frozen=True)
class Mishap:
    """What a call comes to. `share` of the batch is accepted before it does, where a call may be taken in part.

    A slow one takes long to arrive where its share is 0, and its answer takes long where it is not.
    """

    kind: str
    share: float = 0.0


MISHAPS = st.builds(
    Mishap,
    st.sampled_from(
        ["lost", "lost", "lost", "slow", "again", "quota", "account", "bad call", "bad content", "in part", "nonsense"]
    ),
    st.sampled_from([0.0, 0.5, 1.0]),
)


@dataclass
class Judge:
    """A provider with a record of its own. `wrong` is what should never have been handed to it."""

    name: str
    account: str
    proof: Proof
    everywhere: Counter[int]
    clock: Clock
    pace: Pace
    sending: Callable[[], bool]
    subject_for: Callable[[int], str]
    limit: int = 3
    unused: frozenset[str] = frozenset()
    mishaps: list[Mishap] = field(default_factory=list)
    deaf: int = 0
    locked: bool = False
    bad: set[int] = field(default_factory=set)
    names_the_bad: bool = False
    under_way: int = 0

    def __post_init__(self) -> None:
        self.shows_at: dict[int, float] = {}
        self.first_calls: dict[str, tuple[float, tuple[Any, ...], Answer]] = {}
        self.wrong: list[str] = []

    async def open(self, *, begin: bool) -> None:
        if self.locked:
            raise AccountError("the key is wrong")

    async def close(self) -> None:
        """Nothing is open."""

    async def hand_over(self, batch: Batch) -> Answer:
        self.under_way += 1
        if not self.sending():
            self.wrong.append(f"batch {batch.number} is handed over, though its issue is not being sent")
        for recipient in batch.recipients:
            if batch.message.subject != self.subject_for(recipient.subscriber):
                self.wrong.append(f"batch {batch.number} brings reader {recipient.subscriber} what others chose")
        slow = self.mishaps.pop(0) if self.mishaps and self.mishaps[0].kind == "slow" else None
        try:
            await asyncio.sleep(SLOW_S if slow and not slow.share else 0.4)
            answer = self._work(batch)
            await asyncio.sleep(SLOW_S if slow and slow.share else 0.4)
        finally:
            self.under_way -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _work(self, batch: Batch) -> Answer | Exception:
        known = self.first_calls.get(batch.idempotency_key)
        if self.proof.replay_s and known and self.clock.time() - known[0] < DAY_S:
            if known[1] != (batch.message, batch.recipients):
                return UncertainError("the same key with another content")
            return known[2]
        if self.locked:
            return AccountError("the key is wrong")
        if found := {r.subscriber: "no such address" for r in batch.recipients if r.subscriber in self.bad}:
            return BadCallError("a bad address", rejected=found if self.names_the_bad else None)
        mishap = self.mishaps.pop(0) if self.mishaps else Mishap("well")
        readers = [recipient.subscriber for recipient in batch.recipients]
        match mishap.kind:
            case "again":
                return TryAgainError("too many", after_s=2 * mishap.share or None)
            case "quota":
                return QuotaError("no credits")
            case "account":
                return AccountError("suspended")
            case "bad call":
                return BadCallError("something in it")
            case "bad content":
                return BadCallError("the subject", shared=True)
            case "lost" | "nonsense":
                whole = self.proof.whole or mishap.share == 1
                taken = readers[: int(mishap.share * len(readers) + 0.5)] if not whole else readers * (mishap.share > 0)
                self._accept(batch, taken)
                return UncertainError("the line broke") if mishap.kind == "lost" else Answer(["one"] * 99)
            case "in part" if not self.proof.whole:
                return self._in_part(batch, readers)
        return self._accept(batch, readers)

    def _in_part(self, batch: Batch, readers: list[int]) -> Answer:
        """Accept the first, reject the second, put off the third, and know nothing of the fourth, which is accepted."""
        sorts = [readers[place::4] for place in range(4)]
        self._accept(batch, sorts[0] + sorts[3])
        return Answer(
            [f"{batch.number}-{reader}" for reader in sorts[0]],
            rejected=dict.fromkeys(sorts[1], "mailbox full"),
            again=dict.fromkeys(sorts[2], "throttled"),
            uncertain=dict.fromkeys(sorts[3], "no answer"),
            trouble=TryAgainError("throttled") if sorts[2] else None,
        )

    def _accept(self, batch: Batch, readers: Iterable[int]) -> Answer:
        now, taken = self.clock.time(), list(readers)
        for reader in taken:
            if self.everywhere[reader]:
                self.wrong.append(f"batch {batch.number} brings reader {reader} a second copy")
            self.everywhere[reader] += 1
            self.shows_at[reader] = now + SHOWS_S
        answer = Answer([f"{batch.number}-{reader}" for reader in taken])
        if len(taken) == len(batch.recipients):
            self.first_calls[batch.idempotency_key] = (now, (batch.message, batch.recipients), answer)
        return answer

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        await asyncio.sleep(0.2)
        if self.deaf:
            self.deaf -= 1
            raise UncertainError("it does not answer")
        shown = {reader for reader, at in self.shows_at.items() if at <= self.clock.time()}
        return {r.subscriber: None for r in batch.recipients if r.subscriber in shown}


@dataclass
class Process:
    """A `digest send` at work."""

    worker: Hand
    db: Mortal
    task: asyncio.Task[dict[str, int]]
    stopping: bool = False


class Sending(RuleBasedStateMachine):
    """Everything that can befall a sending."""

    at_work: ClassVar[Callable[[Any], bool]] = lambda self: bool(self.processes)

    def __init__(self) -> None:
        super().__init__()
        # What is drawn by chance decides who gets which subject: the same again where an example is run again.
        CHANCE.seed(1)
        self.clock = Clock()
        self.crew: set[int] = set()
        self.workers = 0
        self.processes: list[Process] = []
        self.accepted: Counter[int] = Counter()

    @initialize(
        readers=st.integers(1, 16),
        first=st.sampled_from(sorted(KINDS)),
        second=st.sampled_from(sorted(KINDS)),
        connections=st.integers(1, 3),
        calls_a_second=st.sampled_from([0.0, 0.0, 0.5]),
        bad=st.just(set[int]()) | st.sets(st.integers(1, 9), max_size=3),
        names_the_bad=st.booleans(),
        mishaps=st.lists(MISHAPS, max_size=4),
        places=PLACES,
        two=st.booleans(),
        chosen=st.just([()]) | st.lists(st.sampled_from(TOPICS), min_size=1, max_size=8),
        at_the_end=st.sampled_from(["at once", "much later", "word comes"]),
        trial=st.sampled_from(TRIALS),
    )
    def begin(
        self,
        readers: int,
        first: str,
        second: str,
        connections: int,
        calls_a_second: float,
        bad: set[int],
        names_the_bad: bool,
        mishaps: list[Mishap],
        places: tuple[int, ...],
        two: bool,
        chosen: list[tuple[str, ...]],
        at_the_end: str,
        trial: tuple[int, Rule] | None,
    ) -> None:
        self.db, self.trial = store_trying(readers, trial), trial
        choose(self.db, {reader: chosen[reader % len(chosen)] for reader in range(1, readers + 1)})
        self.subjects: dict[int, str] = {}
        self.variants: dict[int, int] = {}
        # What is claimed, in whatever way, of those who are gone or of an issue that is not being sent.
        self.db.conn.executescript(
            "CREATE TEMP TABLE wrong (subscriber, batch);"
            "CREATE TEMP TRIGGER claims AFTER UPDATE ON deliveries WHEN new.state = 1 AND new.batch IS NOT old.batch"
            " AND (EXISTS (SELECT 1 FROM subscribers s LEFT JOIN suppressions x USING (email_key)"
            " WHERE s.id = new.subscriber AND (s.state <> 'active' OR x.reason IS NOT NULL"
            " OR s.paused_until > (SELECT claimed_at FROM batches WHERE number = new.batch)))"
            " OR (SELECT state FROM issues WHERE number = new.issue) <> 'sending')"
            " BEGIN INSERT INTO wrong VALUES (new.subscriber, new.batch); END;"
        )
        self.readers, self.at_the_end = readers, at_the_end
        self.judges = [
            Judge(
                name, account, KINDS[kind], self.accepted, self.clock, Pace(calls_a_second, connections=connections),
                lambda: state(self.db) == "sending", self._subject_for, bad=set(bad), names_the_bad=names_the_bad,
            )
            for name, account, kind in (("one", "here", first), ("one", "elsewhere", first), ("two", "here", second))
        ]  # fmt: skip
        self.judges[places[0]].mishaps += mishaps
        self._begin(places)
        self._go_on(0.5)
        if two:
            self._begin(places)

    def teardown(self) -> None:
        if hasattr(self, "db"):
            try:
                self._run_to_the_end()
            finally:
                self._kill(self.processes)
                self.clock.close()
                self.db.close()
        else:
            self.clock.close()

    # What processes do ---------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.processes) < 2)
    @rule(places=PLACES, resume=st.booleans(), seconds=TURNS)
    def start(self, places: tuple[int, ...], resume: bool, seconds: float) -> None:
        if resume and state(self.db) == "paused":
            issues.resume(self.db, 1, now=self.clock.now())
        self._begin(places)
        self._go_on(seconds)

    def _begin(self, places: tuple[int, ...]) -> Process:
        self.workers += 1
        worker = Hand(self.crew, self.workers)
        db = Mortal(self.db.conn)
        process: Process
        engine = Engine(
            db,
            SETTINGS,
            [self.judges[place] for place in places],
            SIGNERS,
            worker,
            clock=self.clock.now,
            stopping=lambda: process.stopping,
            patience_s=PATIENCE_S,
            draw=lambda: 0.5,
        )
        process = Process(worker, db, self.clock.create_task(engine.send(1)))
        self.processes.append(process)
        return process

    @precondition(at_work)
    @rule(seconds=TURNS)
    def go_on(self, seconds: float) -> None:
        """Time passes, and everyone does their work."""
        self._go_on(seconds)

    def _go_on(self, seconds: float) -> None:
        self.clock.run_until_complete(asyncio.sleep(seconds))
        # Another end than these is a mistake in the engine.
        self._kill(process for process in self.processes if process.task.done() or process.db.dead)

    @precondition(at_work)
    @rule(
        which=st.integers(0, 1),
        how=st.sampled_from(["at once", "at once", "soon", "stop"]),
        accesses=st.integers(0, 60),
        seconds=TURNS,
    )
    def end(self, which: int, how: str, accesses: int, seconds: float) -> None:
        """Die, most likely in the middle of a call; or at one of the next accesses to the store; or be told to stop."""
        process = self.processes[which % len(self.processes)]
        if how == "at once":
            self._kill([process])
            return
        if how == "soon":
            process.db.left = accesses
        else:
            process.stopping = True
        self._go_on(seconds)

    def _kill(self, some: Iterable[Process]) -> None:
        for process in list(some):
            process.db.dies()
            process.task.cancel()
            process.worker.dies()
            with suppress(asyncio.CancelledError, Killed, SendingError, StateError):
                self.clock.run_until_complete(process.task)
            self.processes = [other for other in self.processes if other is not process]

    # What providers do ---------------------------------------------------------------------------------------------

    @rule(which=WHO, mishaps=st.lists(MISHAPS, min_size=1, max_size=4))
    def go_wrong(self, which: int, mishaps: list[Mishap]) -> None:
        self.judges[which].mishaps += mishaps

    @rule(which=WHO, deaf=st.sampled_from([0, 1, 15]), locked=st.booleans())
    def take_and_answer_nothing(self, which: int, deaf: int, locked: bool) -> None:
        self.judges[which].deaf, self.judges[which].locked = deaf, locked

    @precondition(lambda self: bool(self._unknown()))
    @rule(which=st.integers(0, 15), kind=st.sampled_from([Kind.ACCEPTED, Kind.DELIVERED, Kind.BOUNCED]))
    def tell_of(self, which: int, kind: Kind) -> None:
        """A provider sends word of a copy it took, of which the ledger does not know."""
        found = self._unknown()
        event(self.db, found[which % len(found)], kind, at=self.clock.now())

    def _subject_for(self, reader: int) -> str:
        """The subject of the variant that was frozen for a reader, as it was when it was first known."""
        variant = self.variants[reader]
        if variant not in self.subjects:
            try:
                self.subjects[variant] = content_of(self.db, 1, variant).subject
            except NotFoundError:
                return "none: it is not decided which one wins"
        return self.subjects[variant]

    def _unknown(self) -> list[int]:
        return [reader for reader in self._readers(1, 4) if self.accepted[reader]]

    def _readers(self, *states: int) -> list[int]:
        rows = self.db.execute("SELECT subscriber, state FROM deliveries").fetchall()
        return [reader for reader, number in rows if number in states]

    # What people do ------------------------------------------------------------------------------------------------

    @precondition(lambda self: state(self.db) in ("sending", "paused"))
    @rule(cancel=st.sampled_from([False, False, False, True]))
    def pause_resume_or_cancel(self, cancel: bool) -> None:
        if state(self.db) == "sending":
            issues.pause(self.db, 1, now=self.clock.now())
        elif cancel:
            steering.cancel(self.db, 1, now=self.clock.now())
        else:
            issues.resume(self.db, 1, now=self.clock.now())

    @rule(which=st.integers(0, 15), how=st.sampled_from(["unsubscribe", "bounce", "rename", "pause", "choose"]))
    def leave_or_change(self, which: int, how: str) -> None:
        """A reader does, rather one who has no copy yet."""
        now, some = self.clock.now(), self._readers(0, 1, 4) or list(range(1, self.readers + 1))
        reader = some[which % len(some)]
        if how == "rename":
            self.db.execute("UPDATE subscribers SET name = coalesce(name, '') || 'x' WHERE id = ?", [reader])
        elif how == "pause":
            pause_reader(self.db, reader, now + timedelta(seconds=90) * (which + 1))
        elif how == "choose":
            # What was frozen for them stays.
            choose(self.db, {reader: TOPICS[which % len(TOPICS)]})
        elif how == "bounce":
            subscribers.suppress(self.db, read_address(address(reader)).key, "hard bounce", now=now)
        else:
            remove(self.db, address(reader), now=now)

    @precondition(lambda self: bool(self.trial))
    @rule(which=st.integers(0, len(OTHERS)), clicked=st.integers(1, 8), choose=st.booleans())
    def click_or_choose_a_subject(self, which: int, clicked: int, choose: bool) -> None:
        """Readers click on what has a subject, or a person chooses it: once and for all."""
        if choose:
            self._choose_a_subject(which)
        else:
            self.db.execute(
                "INSERT OR REPLACE INTO figures VALUES (1, 'clicked people', 'subject', ?, ?)", [str(which), clicked]
            )

    def _choose_a_subject(self, which: int) -> None:
        with suppress(StateError):
            subject_test.decide(self.db, 1, which, now=self.clock.now())

    @precondition(lambda self: state(self.db) in ("sending", "paused", "sent") and bool(self._readers(3)))
    @rule()
    def retry_rejected(self) -> None:
        steering.retry_rejected(self.db, 1, now=self.clock.now())

    @precondition(lambda self: bool(self._readers(1, 4)))
    @rule(which=st.integers(0, 3))
    def decide(self, which: int) -> None:
        """A person looks the copies of an uncertain batch up, and says how it is, where all of them are alike."""
        if found := steering.unsettled(self.db, 1):
            one = found[which % len(found)]
            there = {self.accepted[int("".join(filter(str.isdigit, name.partition("@")[0])))] for name in one.addresses}
            if len(there) == 1:
                self.workers += 1
                worker = Hand(self.crew, self.workers)
                with suppress(StateError):
                    steering.resolve(
                        self.db, 1, one.batch.number, "accepted" if 1 in there else "resend",
                        lives=worker.lives, worker=worker.number, now=self.clock.now(),
                    )  # fmt: skip
                worker.dies()

    # What clocks do ------------------------------------------------------------------------------------------------

    @rule(wrong_s=st.sampled_from([0.0, WRONG_S, -WRONG_S]))
    def put_the_clock(self, wrong_s: float) -> None:
        self.clock.wrong_s = wrong_s

    @precondition(lambda self: not any(judge.under_way for judge in self.judges))
    @rule(seconds=st.sampled_from([60.0, 2 * HOUR_S, 30 * HOUR_S]))
    def sleep(self, seconds: float) -> None:
        """The machine is asleep, with everyone on it."""
        self.clock.run_until_complete(self.clock.leap(seconds))

    # What holds ----------------------------------------------------------------------------------------------------

    @invariant()
    def the_ledger_keeps_its_rules(self) -> None:
        if not hasattr(self, "db"):
            return
        tally = ledger.tally(self.db, 1)
        parts = ("queued", "claimed", "accepted", "rejected", "skipped", "uncertain")
        assert tally["audience"] == sum(tally[name] for name in parts)
        assert state(self.db) != "approved" or not cuts_of(self.db, 1)
        assert tally["audience"] in ((0,) if state(self.db) == "approved" else range(1, self.readers + 1))
        if state(self.db) == "sent":
            assert tally["queued"] == tally["claimed"] == tally["uncertain"] == 0
        assert check_ledger(self.db) == []
        assert check_subject_tests(self.db) == []
        self._everyone_keeps_their_variant()

    def _everyone_keeps_their_variant(self) -> None:
        rows = dict(self.db.execute("SELECT subscriber, variant FROM deliveries").fetchall())
        if self.variants:
            assert rows == self.variants
        elif rows:
            self.variants = rows
            known = [content_of(self.db, 1, variant).subject for variant in ready(self.db, 1)]
            assert len(set(known)) == len(known), (
                "no two variants have the same subject, so that they can be told apart"
            )

    @invariant()
    def nobody_has_two_copies(self) -> None:
        if hasattr(self, "db"):
            assert [judge.wrong for judge in self.judges if judge.wrong] == []
            assert max(self.accepted.values(), default=0) <= 1

    @invariant()
    def what_the_ledger_says_is_so(self) -> None:
        """Accepted: by a provider's record too. Queued, rejected or skipped: never accepted by any."""
        if hasattr(self, "db"):
            for reader, number in self.db.execute("SELECT subscriber, state FROM deliveries").fetchall():
                if number == ledger.Delivery.ACCEPTED:
                    assert self.accepted[reader] == 1, f"reader {reader} is lost"
                elif number in (ledger.Delivery.QUEUED, ledger.Delivery.REJECTED, ledger.Delivery.SKIPPED):
                    assert self.accepted[reader] == 0, f"reader {reader} has a copy that the ledger does not know of"

    @invariant()
    def nothing_is_claimed_that_must_not_be(self) -> None:
        if hasattr(self, "db"):
            assert self.db.execute("SELECT * FROM wrong").fetchall() == []

    def _run_to_the_end(self) -> None:
        """Whatever came before: all processes die, the providers are well again, and sending goes on to its end."""
        self._kill(self.processes)
        # One more dies in the middle of its first calls, which have arrived by then.
        self._begin((0,))
        self._go_on(0.5)
        self._kill(self.processes)
        for judge in self.judges:
            judge.mishaps, judge.deaf, judge.locked = [], 0, False
        if self.at_the_end == "much later":
            self.sleep(30 * HOUR_S)
        elif self.at_the_end == "word comes" and self._unknown():
            self.tell_of(0, Kind.DELIVERED)
        before: dict[str, int] = {}
        for run in range(30):
            before = ledger.tally(self.db, 1) if run % 3 == 0 else before
            # First what can be settled of one that is paused, then the rest.
            if run > 2 and state(self.db) == "paused":
                issues.resume(self.db, 1, now=self.clock.now())
            if self.trial and self.trial[1] == "person":
                self._choose_a_subject(run % 2)
            # Each account by itself in turn: a batch is settled only where it went.
            process = self._begin((run % 3,))
            with suppress(SendingError, StateError):
                self.clock.run_until_complete(process.task)
            self._kill([process])
            self._all_holds()
            if run % 3 == 2 and state(self.db) != "paused" and before == ledger.tally(self.db, 1):
                break
        tally, held = ledger.tally(self.db, 1), steering.unsettled(self.db, 1)
        assert tally["queued"] == tally["claimed"] == 0
        assert sum(len(one.addresses) for one in held) == tally["uncertain"]
        if tally["audience"] == 0:
            assert state(self.db) == "approved", "all had left before it began"
        elif state(self.db) != "cancelled":
            assert state(self.db) == ("sending" if held else "sent")
            assert all(one.batch.state == "held" for one in held)

    def _all_holds(self) -> None:
        self.the_ledger_keeps_its_rules()
        self.nobody_has_two_copies()
        self.what_the_ledger_says_is_so()
        self.nothing_is_claimed_that_must_not_be()


TestSending = Sending.TestCase
TestSending.settings = hypothesis_settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
