"""The postman: takes due letters out of the letterbox and hands each over, in the same three steps as the ledger.

A letter is claimed, which is written down; handed over; and what came of it is written down. What breaks in between
leaves it uncertain: a provider that can be called again with the same key is, one that can be asked is, and for the
rest nothing is done, because a letter is never mailed twice by guessing. Who misses it can ask for it again.

A test of an issue goes where issues go, though letters may have a provider, or a stream, of their own: it must arrive
as the issue will.

Letters keep to the pace that the provider's sendings keep to. Quiet hours and a day's cap are not theirs: they answer
what somebody did just now, and a warm-up must not be taken to grow by them.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from digest import times
from digest.audience import letterbox
from digest.audience.letterbox import Posted, Sort
from digest.errors import DigestError, SettingsError
from digest.providers import connect
from digest.providers.interface import (
    Answer,
    BadCallError,
    Batch,
    NotAcceptedError,
    Provider,
    ProviderError,
    TryAgainError,
)
from digest.sending import ledger, pace, trials
from digest.sending.copies import Signers
from digest.sending.handing_over import ask, hand_over
from digest.sending.ledger import Claimed
from digest.sending.letter_writing import batch_of, ends_at
from digest.sending.pace import Health
from digest.sending.uncertain import CLOCKS_S, Elapsed, Step, next_step
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database

HANDS = 4
"""Letters at the same time, where the provider takes so many calls."""
PAUSE_S, LONGEST_PAUSE_S, TRIES = 15.0, 3600.0, 32
"""Between these lies the pause before a letter is tried again, each twice as long as the last: 32 tries are a day."""
SHUT_S = 300.0
"""For so long nothing is tried at a provider that takes nothing at all: a person must act first."""
PATIENCE_S = 30.0
"""What comes within so long is waited for; the rest is left to a later round."""
LOOK_S, LOOK_AGAIN_S = 5.0, 300.0
"""So long after a line broke it is looked whether the letter went out; and after a look that failed."""
ELSEWHERE_S = 3600.0
"""So often it is looked at letters that went where the settings do not lead any more."""


@dataclass
class Lane:
    """A provider that letters go to, and how it has been doing. It is connected to only while there is work."""

    name: str
    connected: Callable[[str], Provider]
    health: Health = field(default_factory=Health)
    provider: Provider | None = None
    opened: bool = False
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    busy: int = 0
    shut_until: datetime | None = None
    told: str = ""

    @property
    def taker(self) -> Provider:
        """Its provider, while it is connected to."""
        assert self.provider is not None  # noqa: S101 (whoever asks has seen to it)
        return self.provider

    def is_shut(self, now: datetime) -> bool:
        """Tell whether it takes nothing for now; a time far ahead is of a clock that was wrong."""
        return self.shut_until is not None and now < self.shut_until <= now + times.seconds(SHUT_S)


@dataclass
class Postman:
    """Mails letters for one process. `say` is given what a person must know, once for each trouble.

    `connected` makes a provider of a name; `tested` does for tests of issues, where they go another way; `stopping` is
    asked before each letter.
    """

    db: Database
    settings: Settings
    signers: Signers
    worker: Worker
    connected: Callable[[str], Provider]
    tested: Callable[[str], Provider] | None = None
    clock: Callable[[], datetime] = times.now
    say: Callable[[str], None] = lambda words: None
    stopping: Callable[[], bool] = lambda: False
    draw: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        first = self.settings.letters_provider or self.settings.provider
        self.lanes = [Lane(name, self.connected) for name in dict.fromkeys((first, self.settings.failover)) if name]
        self.ways: dict[Sort, list[Lane]] = {"any": self.lanes}
        if self.tested is not None:
            names = dict.fromkeys((self.settings.provider, self.settings.failover))
            self.ways = {"letters": self.lanes, "tests": [Lane(name, self.tested) for name in names if name]}
            self.lanes = [*self.lanes, *self.ways["tests"]]
        self.done: Counter[str] = Counter()
        self._in_hand: set[int] = set()

    @classmethod
    def of(cls, db: Database, settings: Settings, signers: Signers, worker: Worker, **more: Any) -> Self:
        """Make one that connects to the providers of the settings."""
        more.setdefault("tested", _connected_for_tests(settings))
        return cls(db, settings, signers, worker, lambda name: connect_for_letters(name, settings), **more)

    async def deliver(self) -> None:
        """Mail what is due, and find out about what is uncertain; `done` counts what became of letters."""
        now = self.clock()
        due, orphans = letterbox.due(self.db, now=now), self._orphans()
        names = {name for _, _, name, _ in orphans} | due.doubtful
        if not names and not (due.queued and any(self._may_mail(sort) for sort in self.ways)):
            return
        try:
            for lane in self.lanes:
                if lane.name in names:
                    self._connect(lane)
            self._adopt(orphans)
            await self._work_together()
            if due.doubtful:
                places = [(lane.provider.name, lane.provider.account) for lane in self.lanes if lane.provider]
                until = now + times.seconds(ELSEWHERE_S)
                letterbox.put_off(self.db, places, now=now, until=until)
        finally:
            for lane in self.lanes:
                if lane.provider is not None:
                    await lane.provider.close()
                # Of the next round's loop, which may be another.
                lane.provider, lane.opened, lane.opening = None, False, asyncio.Lock()

    # The hands -------------------------------------------------------------------------------------------------

    async def _work_together(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(HANDS):
                    group.create_task(self._work())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _work(self) -> None:
        while not self.stopping() and (await self._look() or await self._mail()):
            pass

    async def _mail(self) -> bool:
        """Mail the next letter; tell whether there may be another."""
        for sort, lanes in self.ways.items():
            if letterbox.queued(self.db, sort, now=self.clock()) and await self._mail_by(lanes, sort):
                return True
        return False

    async def _mail_by(self, lanes: list[Lane], sort: Sort) -> bool:
        lane = await self._open_lane(lanes)
        if lane is None or lane.busy >= lane.taker.pace.connections:
            return False
        lane.busy += 1
        try:
            return await self._slot(lane) and await self._claim(lane, sort)
        finally:
            lane.busy -= 1

    async def _claim(self, lane: Lane, sort: Sort) -> bool:
        """Claim a letter and hand it over; tell whether there was one."""
        taker, worker, now = lane.taker, self.worker.number, self.clock()
        place = {"provider": taker.name, "account": taker.account}
        letter = letterbox.claim(self.db, **place, worker=worker, now=now, sort=sort)
        if letter is None:
            return False
        self._in_hand.add(letter.id)
        try:
            await self._hand_over(lane, letter)
        finally:
            self._in_hand.discard(letter.id)
        return True

    async def _open_lane(self, lanes: list[Lane]) -> Lane | None:
        """Give the first provider that takes mail, made ready."""
        for lane in lanes:
            if self._wait(lane) <= PATIENCE_S and await self._is_ready(lane):
                return lane
        return None

    def _may_mail(self, sort: Sort) -> bool:
        """Tell whether letters of a sort are due, and who takes them is not to be left alone."""
        waits = (self._wait(lane) for lane in self.ways[sort])
        return letterbox.queued(self.db, sort, now=self.clock()) and any(wait <= PATIENCE_S for wait in waits)

    def _wait(self, lane: Lane) -> float:
        now = self.clock()
        return float("inf") if lane.is_shut(now) else pace.wait_of(self.db, lane.name, now=now)

    def _connect(self, lane: Lane) -> None:
        try:
            lane.provider = lane.provider or lane.connected(lane.name)
        except SettingsError as error:
            self._shut(lane, str(error))

    async def _is_ready(self, lane: Lane) -> bool:
        async with lane.opening:
            self._connect(lane)
            if lane.provider is not None and not lane.opened:
                place = lane.provider.name, lane.provider.account
                given = letterbox.has_given(self.db, *place) or ledger.has_given(self.db, None, *place)
                try:
                    await lane.provider.open(begin=not given)
                except ProviderError as error:
                    self._shut(lane, _words(error))
                else:
                    lane.opened = True
        return lane.opened

    async def _slot(self, lane: Lane) -> bool:
        """Wait for the provider's next slot; tell whether to use it."""
        now = self.clock()
        await self._rest(pace.wait_of(self.db, lane.name, now=now))
        await self._rest(pace.reserve(self.db, lane.name, lane.taker.pace, 1, now=self.clock()))
        return not self.stopping() and self._wait(lane) <= PATIENCE_S

    async def _rest(self, seconds: float) -> None:
        while seconds > 0 and not self.stopping():
            await self.sleep(min(seconds, 0.25))
            seconds -= 0.25

    # Hand over, record -----------------------------------------------------------------------------------------

    async def _hand_over(self, lane: Lane, letter: Posted) -> None:
        now = self.clock()
        ends = ends_at(letter, self.settings)
        if ends is not None and now >= ends:
            self._settle(letter, "dropped", why="its button works no longer")
            return
        try:
            batch = self._batch(letter)
        except Exception as error:  # nothing was handed over: such as a template of the operator's that is wrong
            self._again(letter, _words(error))
            self._tell(lane, f"a letter cannot be written: {_words(error)}")
            return
        try:
            answer = await hand_over(lane.taker, batch, what=letter.kind)
        except NotAcceptedError as error:
            self._refused(lane, letter, error)
        except BaseException as error:  # whatever it is, the letter may have been accepted
            self._doubt(lane, letter, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._answered(lane, letter, answer)

    def _batch(self, letter: Posted) -> Batch:
        if letter.kind == "test":
            return trials.batch_of(self.db, letter, self.settings, self.signers)
        return batch_of(letter, self.settings, self.signers)

    def _answered(self, lane: Lane, letter: Posted, answer: Answer) -> None:
        reader = letter.subscriber
        if reader in answer.rejected:
            self._settle(letter, "failed", why=answer.rejected[reader])
        elif reader in answer.uncertain:
            self._doubt(lane, letter, ProviderError(answer.uncertain[reader]))
        elif reader in answer.again and answer.trouble is not None:
            self._refused(lane, letter, answer.trouble)
        elif reader in answer.again:
            # Put off for what is this address's own, such as greylisting.
            self._again(letter, answer.again[reader])
        else:
            lane.health.well()
            lane.told = ""
            self._settle(letter, "sent", message_id=next(iter(answer.message_ids), None))

    def _refused(self, lane: Lane, letter: Posted, error: NotAcceptedError) -> None:
        """The letter was not accepted: it fails for what is its own, and waits for what is not."""
        words = _words(error)
        match error:
            case BadCallError(shared=False):
                self._settle(letter, "failed", why=error.rejected.get(letter.subscriber, words))
            case BadCallError():
                # The sender or the words are to blame: a person may mend that within the day.
                self._tell(lane, f"{lane.name} refuses letters: {words}")
                self._again(letter, words)
            case TryAgainError():
                self._ill(lane, error, told_s=error.after_s)
                self._again(letter, words, told_s=error.after_s or 0.0)
            case _:
                self._shut(lane, words)
                # At once, where another provider takes over.
                letterbox.queue_again(self.db, letter, words, not_before=self.clock(), counted=False)

    def _again(self, letter: Posted, why: str, *, told_s: float = 0.0, at_once: bool = False) -> None:
        """Queue a letter again, after a pause that grows, unless `at_once`; give up after a day of it."""
        if letter.tries >= TRIES:
            self._settle(letter, "failed", why=f"given up after {letter.tries} tries: {why}")
            return
        wait = (
            0.0
            if at_once
            else max(min(LONGEST_PAUSE_S, told_s), min(LONGEST_PAUSE_S, PAUSE_S * 2 ** (letter.tries - 1)))
        )
        letterbox.queue_again(self.db, letter, why, not_before=self.clock() + times.seconds(wait), counted=True)
        self.done["queued"] += 1

    def _doubt(self, lane: Lane, letter: Posted, error: BaseException, *, look_s: float = LOOK_S) -> None:
        """The call broke: the letter may have been accepted, and is looked after when that can be known."""
        wait = max(look_s, lane.taker.proof.settling_s)
        letterbox.doubt(self.db, letter, _words(error), look_at=self.clock() + times.seconds(wait))
        self._ill(lane, error)
        self.done["uncertain"] += 1

    def _settle(
        self, letter: Posted, state: Literal["sent", "failed", "dropped"], *, message_id: str | None = None,
        why: str | None = None,
    ) -> None:  # fmt: skip
        if letterbox.settle(self.db, letter, state, message_id=message_id, why=why, now=self.clock()):
            self.done[state] += 1

    def _ill(self, lane: Lane, error: BaseException, *, told_s: float | None = None) -> None:
        """Pause after a failure, and leave a provider alone that fails again and again."""
        now = self.clock()
        wait = lane.health.ill(now=now, draw=self.draw(), told_s=told_s)
        pace.slow_down(self.db, lane.name, wait, now=now)
        if lane.health.broken(now=now):
            self._shut(lane, f"it failed {lane.health.troubles} times in a row: {_words(error)}")

    def _shut(self, lane: Lane, why: str) -> None:
        lane.shut_until = self.clock() + times.seconds(SHUT_S)
        self._tell(lane, f"letters wait, because {lane.name} takes nothing: {why}")

    def _tell(self, lane: Lane, words: str) -> None:
        if lane.told != words:
            lane.told = words
            self.say(words)

    # Uncertain letters -----------------------------------------------------------------------------------------

    async def _look(self) -> bool:
        """Find out about the next uncertain letter; tell whether there was one."""
        for lane in self.lanes:
            if lane.provider is None or lane.is_shut(self.clock()):
                continue
            taker, worker, now = lane.provider, self.worker.number, self.clock()
            letter = letterbox.claim_doubtful(
                self.db, provider=taker.name, account=taker.account, worker=worker, now=now
            )
            if letter is not None:
                self._in_hand.add(letter.id)
                try:
                    await self._find_out(lane, letter)
                finally:
                    self._in_hand.discard(letter.id)
                return True
        return False

    async def _find_out(self, lane: Lane, letter: Posted) -> None:
        step = self._next_step(lane, letter)
        try:
            if step.kind == "hold":
                letterbox.hold(self.db, letter, step.why)
            elif step.kind == "ask":
                found = await ask(lane.taker, self._batch(letter))
                if letter.subscriber in found:
                    self._settle(letter, "sent", message_id=found[letter.subscriber])
                else:
                    self._again(letter, f"{lane.name} does not have it", at_once=letter.tries == 1)
            elif await self._is_ready(lane) and await self._slot(lane):
                answer = await hand_over(lane.taker, self._batch(letter), what=letter.kind)
                self._answered(lane, letter, answer)
            else:
                self._doubt(lane, letter, ProviderError(lane.told or "the work was stopped"))
        except BadCallError as error:
            # Had the first call been accepted, its key would have given its answer again.
            self._refused(lane, letter, error)
        except Exception as error:  # it is as uncertain as before
            self._doubt(lane, letter, error, look_s=LOOK_AGAIN_S)

    def _next_step(self, lane: Lane, letter: Posted) -> Step:
        """Decide as about a batch of an issue, but that nothing is ever sent again by guessing."""
        now, reader = self.clock(), letter.subscriber
        newest = max(filter(None, (ledger.newest_claim(self.db), letterbox.newest_claim(self.db))))
        batch = Claimed(
            -letter.id, 0, letter.provider, letter.account, letter.idempotency_key, letter.claimed_at, reader, reader,
            ((reader, letter.email, None),),
        )  # fmt: skip
        proof = lane.taker.proof
        elapsed = Elapsed(
            age_s=(now - letter.claimed_at).total_seconds(),
            # It is not looked at before.
            known_s=proof.settling_s,
            sound=(newest - now).total_seconds() <= CLOCKS_S,
        )
        return next_step(proof, batch, now=now, policy="hold", sending=True, elapsed=elapsed)

    def _orphans(self) -> list[tuple[int, int, str, str]]:
        """Give the claimed letters that nobody has in hand, with the worker who had them, and where they went."""
        mine = self.worker.number
        return [
            (id_, worker, provider, account)
            for id_, worker, provider, account in letterbox.claimed(self.db)
            if (id_ not in self._in_hand if worker == mine else not self.worker.lives(worker))
        ]

    def _adopt(self, orphans: list[tuple[int, int, str, str]]) -> None:
        for id_, before, name, account in orphans:
            connected = [lane.provider for lane in self.lanes if lane.name == name and lane.provider is not None]
            mine = next((provider for provider in connected if provider.account == account), None)
            wait = mine.proof.settling_s if mine is not None else 0.0
            look_at = self.clock() + times.seconds(wait)
            letterbox.adopt(self.db, id_, before=before, worker=self.worker.number, look_at=look_at)


def connect_for_letters(name: str, settings: Settings) -> Provider:
    """Make the provider of a name, to take letters.

    Raises:
        SettingsError: its options are not whole.
    """
    try:
        return connect(name, settings.options_for(name).for_letters())
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None


def _connected_for_tests(settings: Settings) -> Callable[[str], Provider] | None:
    """Give what makes the provider of a name to take tests of issues; None where they go the way letters go."""

    def connected(name: str) -> Provider:
        try:
            return connect(name, settings.options_for(name))
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from None

    try:
        names = [name for name in (settings.provider, settings.failover) if name]
        own = [settings.options_for(name) != settings.options_for(name).for_letters() for name in names]
    except SettingsError:  # which is told when there is something to mail
        return connected
    elsewhere = settings.letters_provider not in ("", settings.provider)
    return connected if elsewhere or any(own) else None


def _words(error: BaseException) -> str:
    """Give an error's words, as they can be shown and kept."""
    own = isinstance(error, ProviderError | DigestError)
    words = str(error) if own else f"{type(error).__name__}: {error}".removesuffix(": ")
    return "".join(character if character.isprintable() else " " for character in words)[:500]
