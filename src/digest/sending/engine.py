"""The engine: works the ledger until an issue is settled.

As many hands as the provider takes calls at a time do the same over and over: settle an uncertain batch whose time
has come, or claim one and hand it over. What a call did is written down before the hand turns to the next thing.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache

from digest import times
from digest.editors.audit import ITSELF
from digest.errors import DigestError, StateError
from digest.issue import issues
from digest.issue.link_records import numbers_of
from digest.issue.model import Issue
from digest.issue.preview import message_of
from digest.issue.variant_records import content_of, ready
from digest.providers.interface import (
    Answer,
    BadCallError,
    Batch,
    NotAcceptedError,
    Provider,
    ProviderError,
    TryAgainError,
)
from digest.sending import beginning, doubts, ledger, pace, recalling, subject_test, timing
from digest.sending.clerk import Clerk
from digest.sending.copies import Signers, Writer
from digest.sending.handing_over import ask, hand_over
from digest.sending.ledger import Claimed
from digest.sending.pace import Health
from digest.sending.queue import Queue
from digest.sending.uncertain import CLOCKS_S, Elapsed, Step, next_step, seen
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database

PATIENCE_S = 900.0
"""What comes within a quarter of an hour is waited for; with `digest send --wait`, all is."""
BUSY_S = 0.02
"""How often a hand with nothing to do looks again while others are at work."""
SHUT_S = 60.0
"""Before it waits for longer, it looks whether anything is queued at all."""
PEEK_S = 1.0
"""So soon a provider is asked for the first time: what it shows by then need not be waited for."""
LOOK_S = 1.0
"""How often it looks whether it is decided which subject wins, where that is not."""
TRIES = 12
"""So often a run tries to settle one uncertain batch; then the next run may."""
MESSAGES = 16
"""Variants whose messages are kept at hand, of some 100 KB each: a run goes through them one after the other."""
ALONE, ALONE_LATER = 5, 25
"""After so many copies refused one by one, with nothing accepted in between, it is not the addresses: fewer where the
provider has accepted nothing at all of this run."""


class SendingError(DigestError):
    """Sending cannot go on; what is uncertain or queued is in the ledger, and the next run goes on from there."""


@dataclass
class Lane:
    """A provider at work: what it takes of each copy, how it has been doing, and why it takes nothing more."""

    provider: Provider
    health: Health = field(default_factory=Health)
    closed: str | None = None
    opened: bool = False
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    busy: int = 0
    last_error: str = ""
    alone: int = 0
    put_off: int = 0
    copies: int = 0

    @property
    def has_room(self) -> bool:
        """Whether it takes one more call at the same time."""
        return self.busy < self.provider.pace.connections

    def is_of(self, provider: str, account: str) -> bool:
        """Tell whether a batch that went there can be settled here."""
        return (self.provider.name, self.provider.account) == (provider, account)


@dataclass
class Doubt:
    """An uncertain batch that this run settles: when it looks next, by the loop's clock, and how often it has.

    `since`, by the same clock, is when this run took it up; `age_s` and `known_s` are how long ago it had been claimed
    and known to be uncertain by then, by the machine's clock, which may be put forward or back meanwhile.
    """

    lane: Lane
    batch: Claimed
    at: float
    since: float
    age_s: float
    known_s: float
    tries: int = 0
    peek: bool = False


@dataclass
class Engine:
    """Sends one issue.

    `providers` are the main one and, where there is one, the one that takes over. `progress` is called after every
    batch; `stopping` is asked before each. `done` counts what this run has seen come of copies, `later` is when there
    is more to do where it ends for that, and `undecided` whether copies wait for the subject that wins.
    `healths` is how providers have been doing, by their names: the next run is given it too, lest one that fails is
    taken for well again.
    """

    db: Database
    settings: Settings
    providers: Sequence[Provider]
    signers: Signers
    worker: Worker
    clock: Callable[[], datetime] = times.now
    progress: Callable[[], None] = lambda: None
    stopping: Callable[[], bool] = lambda: False
    patience_s: float = PATIENCE_S
    healths: dict[str, Health] = field(default_factory=dict)
    draw: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.lanes: list[Lane] = []
        self.trouble: str | None = None
        self.later: datetime | None = None
        self._doubts: dict[int, Doubt] = {}
        self._stranded: dict[int, str] = {}
        self._busy = 0
        self._waits_since: datetime | None = None
        self._enough = False
        self._clerk = Clerk(self.db)
        self._due: list[str] | None = None
        self._next_zone: datetime | None = None
        self.undecided = False
        self._asked, self._asked_at = False, -LOOK_S
        self._subject_wait: list[float] = []

    @property
    def waits_since(self) -> datetime | None:
        """Since when this run only waits for what is to come; None while anything is being done."""
        return None if self._busy else self._waits_since

    async def send(self, number: int, *, early: bool = False) -> dict[str, int]:
        """Send an approved issue, or go on with one that was begun; give the tally.

        What dead workers left open is settled, and the queue is worked until it is empty or `stopping`. Of an issue
        that is paused or cancelled, only what is uncertain is settled, as far as it can be without handing over.
        One approved for a later time is sent before it only where `early` says so.

        Raises:
            StateError: the issue is not approved, or its time has not come.
            SendingError: no provider takes it, or a batch went to one that is not among the settings.
        """
        try:
            issue = await self._begin(number, early=early)
            if issue.doubted_at is not None:
                if not await self._recall():
                    return ledger.tally(self.db, number)
                issue = issues.find_issue(self.db, number)
                if issue.state == "paused":
                    ledger.finish(self.db, number, now=self.clock())
                    return ledger.tally(self.db, number)
            await self._work_together()
            while await self._has_more():
                await self._work_together()
        finally:
            self._clerk.close()
            for provider in self.providers:
                await provider.close()
        done = ledger.finish(self.db, number, now=self.clock())
        if self.trouble and not done:
            after = "" if self._in_state("cancelled") else f", then `digest resume {number}` and `digest send {number}`"
            state = issues.find_issue(self.db, number).state
            raise SendingError(f"issue {number} is {state}: {self.trouble}; put that right{after}")
        if self._stranded:
            raise SendingError(next(iter(self._stranded.values())))
        if issue.state in ("paused", "cancelled") and ledger.open_batches(self.db, number):
            raise StateError(f"issue {number} is {issue.state}; what is uncertain of it stays so for now")
        return ledger.tally(self.db, number)

    async def _begin(self, number: int, *, early: bool) -> Issue:
        issue = issues.find_issue(self.db, number)
        begin = issue.state == "approved"
        if begin and issue.scheduled_at and issue.scheduled_at > self.clock() and not early:
            when = times.for_people(issue.scheduled_at, self.settings.zone)
            raise StateError(f"issue {number} is approved for {when}; send it then, or with --now")
        unsettled = issue.state in ("paused", "cancelled") and bool(ledger.open_batches(self.db, number))
        unsettled = unsettled or (issue.state == "paused" and issue.doubted_at is not None)
        if not begin and issue.state != "sending" and not unsettled:
            before = {"draft": "approve", "paused": "resume"}.get(issue.state)
            hint = f"; `digest {before} {number}` comes first" if before else ""
            why = f" ({issue.trouble})" if issue.trouble else ""
            raise StateError(f"issue {number} is {issue.state}{why}, so it cannot be sent{hint}")
        await self._open_first(number)
        if begin:
            beginning.begin(self.db, self.settings, number, now=self.clock())
            issue = issues.find_issue(self.db, number)
        self._issue = issue
        links = numbers_of(self.db, number)
        self._message = lru_cache(MESSAGES)(lambda variant: message_of(content_of(self.db, number, variant), links))
        self._tracking = issues.tracking_of(self.db, number)
        self._queue = Queue(ready(self.db, number))
        self.undecided = subject_test.copies_wait(self.db, number)
        self._local_time = None if early else issue.local_time
        self.progress()
        return issue

    async def _open_first(self, number: int) -> None:
        """Make the first provider ready that can be; where none can, nothing is begun."""
        self.lanes += [Lane(taker, self.healths.setdefault(taker.name, Health())) for taker in self.providers]
        for lane in self.lanes:
            lane.opened = True
            given = ledger.has_given(self.db, number, lane.provider.name, lane.provider.account)
            try:
                await lane.provider.open(begin=not given)
            except ProviderError as error:
                lane.closed = f"{lane.provider.name}: {error}"
            else:
                return
        why = "; ".join(lane.closed or "" for lane in self.lanes)
        raise SendingError(f"{why}; issue {number} stays as it is, put that right and run it again")

    async def _recall(self) -> bool:
        """Find out who got a copy of an issue that was brought back from a backup; tell whether that is known now."""
        issue, number = self._issue, self._issue.number
        wait = recalling.wait_s(issue, self.providers, now=self.clock())
        if wait > self.patience_s:
            self.later = self.clock() + times.seconds(wait)
            return False
        self._waits_since = self.clock()
        await self._rest(wait)
        self._waits_since = None
        if self.stopping():
            return False
        for lane in self.lanes:
            await self._open(lane)
        able = [lane.provider for lane in self.lanes if lane.closed is None]
        closed = next((lane.closed for lane in self.lanes if lane.closed), None)
        asked = recalling.Recall(
            self.db, self._clerk, issue, able, self.signers, clock=self.clock, turn=self._turn_to_ask
        )
        try:
            if closed is not None and asked.strict:
                raise recalling.RecallError(f"{closed}; who got issue {number} is found out when that is put right")
            return await asked.find_out()
        except recalling.RecallError as error:
            doubts.tell(self.db, number, str(error), now=self.clock())
            raise
        finally:
            self.progress()

    async def _turn_to_ask(self, provider: Provider) -> bool:
        """Wait for a provider's next slot for a call that hands over nothing; tell whether to make it."""
        wait = pace.reserve(self.db, provider.name, provider.pace, 0, now=self.clock())
        await self._rest(max(wait, pace.wait_of(self.db, provider.name, now=self.clock())))
        return not self.stopping()

    # The hands -------------------------------------------------------------------------------------------------

    async def _work_together(self) -> None:
        self._adopt_orphans()
        hands = max(lane.provider.pace.connections for lane in self.lanes)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(hands):
                    group.create_task(self._work())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _has_more(self) -> bool:
        """Look once more, when all hands have gone: tell whether anything is queued that they may hand over now.

        What the last call put off, and what a person queued again during it, came after they had looked.
        """
        lane = await self._open_lane()
        if self.stopping() or self._enough or lane is None or self._gate(lane) > 0 or not self._in_state("sending"):
            return False
        self._due = None
        self._look_at_zones()
        self._look_at_subjects(at_once=True)
        self._queue.swept(self._queue.since(), ledger.queued_variants(self.db, self._issue.number, zones=self._due))
        return not self._queue.through

    async def _work(self) -> None:
        while not self.stopping():
            wait = await self._step()
            if wait is None:
                return
            if wait:
                self._waits_since = None if self._busy else self._waits_since or self.clock()
                await self._rest(wait)
            else:
                self._waits_since = None

    async def _rest(self, seconds: float) -> None:
        """Rest, and wake where the run is to stop."""
        left = seconds
        while left > 0 and not self.stopping():
            await self.sleep(min(left, 0.25))
            left -= 0.25

    async def _step(self) -> float | None:
        """Do the next thing and give 0; or give the seconds until there may be one, or None where nothing comes."""
        now = self._time()
        due = next((doubt for doubt in self._doubts.values() if doubt.at <= now and doubt.lane.has_room), None)
        if due is not None:
            del self._doubts[due.batch.number]
            await self._settle(due)
            return 0
        waits = [doubt.at - now for doubt in self._doubts.values()]
        lane = await self._open_lane()
        if lane is not None and not self._enough and self._in_state("sending"):
            self._look_at_zones()
            shut = self._gate(lane)
            if shut <= 0 and lane.has_room and await self._claim(lane):
                return 0
            if shut > SHUT_S and not self._queue.through and not ledger.any_queued(self.db, self._issue.number):
                self._queue.swept(self._queue.since(), ())
            if not self._queue.through:
                waits.append(max(shut, BUSY_S))
            elif self._next_zone:
                waits.append(max(shut, (self._next_zone - self.clock()).total_seconds()))
            if self.undecided:
                waits += self._look_at_subjects()
                if not self.undecided:
                    return 0
        if self._busy:
            return BUSY_S
        if self._adopt_orphans():
            return 0
        return self._worth(waits)

    def _worth(self, waits: Sequence[float]) -> float | None:
        """Give the shortest wait, where it is not longer than the run's patience."""
        if not waits:
            return None
        shortest = max(0.0, min(waits))
        if shortest > self.patience_s:
            self.later = self.clock() + times.seconds(shortest)
            return None
        # A person may decide at any moment.
        return (min(shortest, LOOK_S) if self.undecided else shortest) or BUSY_S

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _in_state(self, *states: str) -> bool:
        row = self.db.conn.execute("SELECT state FROM issues WHERE number = ?", (self._issue.number,)).fetchone()
        return row is not None and row[0] in states

    async def _open_lane(self) -> Lane | None:
        """Give the first provider that still takes mail, made ready."""
        for lane in self.lanes:
            await self._open(lane)
            if lane.closed is None:
                return lane
        return None

    async def _open(self, lane: Lane) -> None:
        async with lane.opening:
            if lane.closed is None and not lane.opened:
                taker = lane.provider
                try:
                    given = ledger.has_given(self.db, self._issue.number, taker.name, taker.account)
                    await taker.open(begin=not given)
                except ProviderError as error:
                    self._close(lane, f"{taker.name}: {_words(error)}")
                lane.opened = True

    def _gate(self, lane: Lane, *, counted: bool = False) -> float:
        """Give the seconds until the lane may take copies: quiet hours, a told wait, the day's cap.

        For those that are `counted` for their day already there is room.
        """
        now = self.clock()
        until = timing.quiet_until(now, self.settings.quiet, self.settings.zone)
        if not counted and pace.room_today(self.db, lane.provider.name, lane.provider.pace, now=now) == 0:
            until = max(until or now, pace.tomorrow(now))
        wait = pace.wait_of(self.db, lane.provider.name, now=now)
        return max(wait, (until - now).total_seconds() if until else 0.0)

    # Claim, hand over, record ----------------------------------------------------------------------------------

    async def _claim(self, lane: Lane) -> bool:
        """Claim a batch and hand it over; tell whether there was anything to do."""
        if self._queue.through:
            return False
        provider = lane.provider
        size = min(self.settings.batch_size, provider.limit)
        if provider.pace.copies_a_second:
            size = max(1, min(size, int(provider.pace.copies_a_second)))
        self._busy += 1
        lane.busy += 1
        try:
            if self._queue.turn() is None:
                since = self._queue.since()
                left = await self._clerk.do(ledger.queued_variants, self._issue.number, zones=self._due)
                self._queue.swept(since, left)
                return not self._queue.through
            if not await self._slot(lane, size) or self._gate(lane) > 0:
                return True
            # While it waited, another hand may have put copies back, or claimed the last ones.
            self._look_at_zones()
            turn = self._queue.turn()
            if turn is None:
                return True
            # Nothing is claimed of which there is nothing to hand over.
            self._message(turn.variant)
            claimed = await self._clerk.do(
                ledger.claim_batch,
                self._issue.number,
                provider=provider.name,
                account=provider.account,
                worker=self.worker.number,
                size=size,
                after=turn.after,
                variant=turn.variant,
                now=self.clock(),
                zones=self._due,
                a_day=pace.cap_today(self.db, provider.name, provider.pace, now=self.clock()),
            )
            if claimed is None:
                if not self._in_state("sending") or self._gate(lane) > 0:
                    return False
                self._queue.went(turn, turn.after, more=False)
                return True
            self._queue.went(turn, claimed.last, more=claimed.more)
            if claimed.copies:
                await self._hand_over(lane, claimed)
            return True
        finally:
            self._busy -= 1
            lane.busy -= 1

    async def _slot(self, lane: Lane, copies: int) -> bool:
        """Wait for the lane's next slot; tell whether there is still something to use it for."""
        wait = pace.reserve(self.db, lane.provider.name, lane.provider.pace, copies, now=self.clock())
        if wait > 0:
            await self._rest(wait)
        return not self.stopping() and lane.closed is None and self._in_state("sending")

    def _look_at_zones(self) -> None:
        """Find the zones where the reader's time has come, when the last look is out of date."""
        wall = self._local_time
        if wall is None or (self._due is not None and (self._next_zone is None or self._next_zone > self.clock())):
            return
        queued = ledger.queued_by_zone(self.db, self._issue.number)
        self._due, self._next_zone = timing.parted(queued, wall, self.settings.timezone, self.clock())
        # Only those variants: each that is looked for in vain would cost a slot, where the pace is slow.
        self._queue.anew({variant for zone in self._due for variant in queued[zone]})

    def _look_at_subjects(self, *, at_once: bool = False) -> list[float]:
        """See whether it is decided which subject wins, and do what is due about it, every second.

        What is due is done when the queue is through, or `at_once`.

        Gives the seconds until it is to be decided, where that can be waited for.
        """
        through = self._queue.through or at_once
        if not self.undecided or (self._asked == through and self._time() - self._asked_at < LOOK_S):
            return self._subject_wait
        self._asked, self._asked_at, self._subject_wait, wait = through, self._time(), [], None
        # Until then some of the share have no copy yet, and looking for them takes long.
        if through:
            wait = subject_test.decide_due(self.db, self._issue.number, now=self.clock())
        if wait is None:
            self.undecided = subject_test.copies_wait(self.db, self._issue.number)
            if not self.undecided:
                self._queue.add(ready(self.db, self._issue.number))
        elif wait.until is not None:
            self._subject_wait = [max(0.0, (wait.until - self.clock()).total_seconds())]
        elif wait.by_person and self.patience_s > PATIENCE_S:
            self._subject_wait = [self.patience_s]
        return self._subject_wait

    def _back(self, claimed: Claimed) -> None:
        """Copies of a batch are queued again, in whatever zone."""
        self._due = None
        self._queue.back(claimed.variant, claimed.first)

    async def _hand_over(self, lane: Lane, claimed: Claimed) -> None:
        try:
            answer = await hand_over(lane.provider, self._batch(lane, claimed))
            await self._clerk.do(ledger.record, claimed, answer, now=self.clock())
        except NotAcceptedError as error:
            await self._refused(lane, claimed, error)
        except StateError:
            # Another process took it for dead and settled it: nothing is left to write down.
            pass
        except Exception as error:  # whatever it is, the batch may have been accepted
            self._doubt(lane, claimed, error)
        else:
            self._answered(lane, claimed, answer)
        self.progress()

    def _batch(self, lane: Lane, claimed: Claimed) -> Batch:
        message = self._message(claimed.variant)
        writer = Writer.of(
            claimed.issue,
            message,
            self.signers,
            nonce=self._issue.nonce,
            unused=lane.provider.unused,
            tracking=self._tracking,
        )
        recipients = writer.recipients(claimed.copies, ledger.copies_counted(self.db, claimed))
        return Batch(claimed.number, claimed.idempotency_key, message, recipients, claimed.claimed_at)

    def _answered(self, lane: Lane, claimed: Claimed, answer: Answer) -> None:
        open_ones = len(answer.again) + len(answer.uncertain)
        accepted = len(claimed.copies) - len(answer.rejected) - open_ones
        self.done.update(accepted=accepted, rejected=len(answer.rejected))
        lane.copies += accepted
        if accepted:
            lane.alone = lane.put_off = 0
        if answer.again and answer.trouble is not None:
            self._back(claimed)
        if answer.uncertain:
            self._doubt(lane, claimed, ProviderError(next(iter(answer.uncertain.values()))))
        if answer.trouble is not None:
            self._ill(lane, answer.trouble)
        elif not answer.uncertain:
            lane.health.well()
            if len(answer.again) == len(claimed.copies):
                self._put_off(lane)

    def _put_off(self, lane: Lane) -> None:
        """Every copy of a batch was put off one by one, such as by greylisting: pause longer each time, then stop.

        Those put off beside others that were accepted come up again when the queue is through.
        """
        lane.put_off += 1
        self._due = None
        self._queue.anew()
        if lane.put_off < TRIES:
            wait = min(pace.MOST_S, pace.BASE_S * 2**lane.put_off)
            pace.slow_down(self.db, lane.provider.name, wait, now=self.clock())
        else:
            self._enough = True
            self.later = self.clock() + times.seconds(PATIENCE_S)

    async def _refused(self, lane: Lane, claimed: Claimed, error: NotAcceptedError) -> None:
        """Nothing of the batch was accepted: split it, or queue it again and see to the provider."""
        now = self.clock()
        if not isinstance(error, BadCallError) or error.shared:
            ledger.release(self.db, claimed, _words(error), now=now)
            self._back(claimed)
            if isinstance(error, BadCallError):
                self._close(lane, f"{lane.provider.name} refuses the issue itself: {_words(error)}")
            else:
                self._ill(lane, error)
            return
        mine = {id_ for id_, _, _ in claimed.copies}
        named = {id_: _printable(reason) for id_, reason in error.rejected.items() if id_ in mine}
        parts = ledger.split(self.db, claimed, _words(error), rejected=named, worker=self.worker.number, now=now)
        alone = len(claimed.copies) == 1
        self.done["rejected"] += 1 if alone else len(named)
        lane.alone += alone and not named
        if lane.alone >= (ALONE_LATER if lane.copies else ALONE):
            self._close(
                lane,
                f"{lane.provider.name} refused {lane.alone} copies one after the other, which count as rejected"
                f" (`digest retry-rejected` queues them again): {_words(error)}",
            )
        for part in parts:
            if self._gate(lane, counted=True) <= 0 and await self._slot(lane, len(part.copies)):
                await self._hand_over(lane, part)
            else:
                ledger.release(self.db, part, "not handed over", now=self.clock())
                self._back(part)

    def _ill(self, lane: Lane, error: ProviderError) -> None:
        """Pause after a failure; close the lane where it cannot pass, or does not."""
        now = self.clock()
        lane.last_error = _words(error)
        told = error.after_s if isinstance(error, TryAgainError) else None
        wait = lane.health.ill(now=now, draw=self.draw(), told_s=told)
        if isinstance(error, NotAcceptedError) and not isinstance(error, TryAgainError | BadCallError):
            self._close(lane, f"{lane.provider.name} takes nothing: {_words(error)}")
        elif told is not None and told > pace.MOST_AHEAD_S:
            self._close(lane, f"{lane.provider.name} says to come back in {told / 60:.0f} minutes: {_words(error)}")
        elif lane.health.broken(now=now):
            self._close(lane, f"{lane.provider.name} failed {lane.health.troubles} times in a row: {_words(error)}")
        else:
            pace.slow_down(self.db, lane.provider.name, wait, now=now)

    def _close(self, lane: Lane, why: str) -> None:
        """Hand over nothing more to a provider; where no other takes over, the issue is paused."""
        if lane.closed is None:
            lane.closed = why
            self._queue.anew()
        if all(other.closed is not None for other in self.lanes) and self.trouble is None:
            self.trouble = "; ".join(other.closed or "" for other in self.lanes)
            # Another process may have paused it for the same reason.
            with suppress(StateError):
                issues.pause(self.db, self._issue.number, now=self.clock(), trouble=self.trouble, by=ITSELF)

    # Uncertain batches -----------------------------------------------------------------------------------------

    def _doubt(self, lane: Lane, claimed: Claimed, error: BaseException) -> None:
        """The call broke: from here on the batch is uncertain, and this run looks after it."""
        why = _words(error)
        batch = ledger.adopt(
            self.db, claimed.number, before=self.worker.number, worker=self.worker.number, trouble=why, now=self.clock()
        )
        self._ill(lane, ProviderError(why))
        if batch is not None:
            self._look_after(lane, batch)

    def _look_after(
        self, lane: Lane, batch: Claimed, *, before: Doubt | None = None, tries: int = 0, peeked: bool = False
    ) -> None:
        """Plan the next look at an uncertain batch; hold it where there is nothing to look at.

        A provider that can be asked is asked early for what it shows already, and in its time for what it does not.
        """
        if proven := seen(self.db, batch):
            shown: Mapping[int, None] = dict.fromkeys(
                (id_ for id_, _, _ in batch.copies) if lane.provider.proof.whole else proven
            )
            ledger.accept_some(self.db, batch, shown, by="events", now=self.clock())
            self.done["accepted"] += len(shown)
            rest = tuple(copy for copy in batch.copies if copy[0] not in shown)
            if not rest:
                return
            batch = replace(batch, copies=rest, unchanged=False)
        doubt = self._timed(lane, batch, before)
        step = self._next_step(doubt)
        if step.kind == "hold":
            ledger.hold(self.db, batch, step.why)
        elif step.kind != "leave" and tries < TRIES:
            peek = step.kind == "ask" and step.wait_s > PEEK_S and not peeked
            again_s = min(pace.MOST_S, pace.BASE_S * 2**tries) if tries else 0.0
            wait = max(PEEK_S if peek else step.wait_s, again_s)
            doubt.at, doubt.tries, doubt.peek = self._time() + wait, tries, peek
            self._doubts[batch.number] = doubt

    def _timed(self, lane: Lane, batch: Claimed, before: Doubt | None) -> Doubt:
        """Give a batch with the times of the doubt it was in before, or with new ones."""
        if before is not None:
            return replace(before, lane=lane, batch=batch)
        known = Elapsed.by_clock(batch, self.clock())
        return Doubt(lane, batch, self._time(), self._time(), known.age_s, max(0.0, known.known_s))

    def _next_step(self, doubt: Doubt) -> Step:
        now, more = self.clock(), self._time() - doubt.since
        newest = ledger.newest_claim(self.db)
        elapsed = Elapsed(
            age_s=max(Elapsed.by_clock(doubt.batch, now).age_s, doubt.age_s + more),
            known_s=doubt.known_s + more,
            sound=newest is None or (newest - now).total_seconds() <= CLOCKS_S,
        )
        return next_step(
            doubt.lane.provider.proof,
            doubt.batch,
            now=now,
            policy=self.settings.uncertain,
            sending=self._in_state("sending"),
            left=bool(ledger.gone(self.db, doubt.batch, now=now)),
            elapsed=elapsed,
        )

    async def _settle(self, doubt: Doubt) -> None:
        """Do what is to be done about an uncertain batch now; where that fails, plan another look."""
        lane, batch = doubt.lane, doubt.batch
        self._busy += 1
        lane.busy += 1
        step = self._next_step(doubt)
        try:
            if seen(self.db, batch):
                self._look_after(lane, batch, before=doubt, tries=doubt.tries, peeked=True)
            elif doubt.peek and step.kind == "ask":
                await self._peek(doubt)
            elif step.wait_s > 0 or step.kind in ("hold", "leave"):
                self._look_after(lane, batch, before=doubt, tries=doubt.tries)
            elif step.kind == "replay":
                await self._replay(doubt)
            elif step.kind == "ask":
                self._settled(batch, await self._ask(lane, batch), "asked")
            else:
                self._settled(batch, {}, "setting")
        except StateError:
            # Another process, or a person, settled it meanwhile.
            pass
        except Exception as error:  # it is as uncertain as before
            # A provider that cannot say yet is not ill for that.
            if step.kind != "ask" or isinstance(error, NotAcceptedError):
                self._ill(lane, error if isinstance(error, ProviderError) else ProviderError(str(error)))
            if lane.closed is None:
                self._look_after(lane, doubt.batch, before=doubt, tries=doubt.tries + 1, peeked=True)
        finally:
            self._busy -= 1
            lane.busy -= 1
            self.progress()

    async def _ask(self, lane: Lane, batch: Claimed) -> dict[int, str | None]:
        """Ask which copies of a batch were accepted."""
        found = await ask(lane.provider, self._batch(lane, batch))
        whole = lane.provider.proof.whole and found
        return {id_: found.get(id_) for id_, _, _ in batch.copies if whole or id_ in found}

    async def _peek(self, doubt: Doubt) -> None:
        """Ask early: what is there counts, what is not there yet is asked for again in its time."""
        lane, batch = doubt.lane, doubt.batch
        accepted = await self._ask(lane, batch)
        if accepted:
            ledger.accept_some(self.db, batch, accepted, by="asked", now=self.clock())
            self.done["accepted"] += len(accepted)
        rest = tuple(copy for copy in batch.copies if copy[0] not in accepted)
        if rest:
            # What is left of it is not what was handed over: it cannot be called for again.
            left = replace(batch, copies=rest, unchanged=batch.unchanged and not accepted)
            self._look_after(lane, left, before=doubt, peeked=True)

    def _settled(self, batch: Claimed, accepted: Mapping[int, str | None], by: ledger.Settled) -> None:
        ledger.settle(self.db, batch, accepted, by=by, now=self.clock())
        self.done["accepted"] += len(accepted)
        if len(accepted) < len(batch.copies):
            self._back(batch)

    async def _replay(self, doubt: Doubt) -> None:
        """Hand the same bytes over under the same key, in its turn like any other call."""
        lane = doubt.lane
        if (shut := self._gate(lane, counted=True)) > 0:
            doubt.at = self._time() + shut
            self._doubts[doubt.batch.number] = doubt
            return
        if not await self._slot(lane, len(doubt.batch.copies)):
            if not self.stopping() and lane.closed is None:
                self._look_after(lane, doubt.batch, before=doubt, tries=doubt.tries + 1)
            return
        # From here on it may be accepted anew, and what that shows takes its time again.
        batch = doubt.batch = ledger.doubt_anew(self.db, doubt.batch, now=self.clock())
        doubt.age_s, doubt.known_s, doubt.since = doubt.age_s + self._time() - doubt.since, 0.0, self._time()
        try:
            answer = await hand_over(lane.provider, self._batch(lane, batch))
        except BadCallError as error:
            # Had the first call been accepted, its key would have given its answer again.
            await self._refused(lane, batch, error)
            return
        ledger.record(self.db, batch, answer, by="replay", now=self.clock())
        self._answered(lane, batch, answer)

    def _adopt_orphans(self) -> bool:
        """Take up the open batches whose workers are dead; tell whether there was one to look after."""
        adopted = False
        for batch in ledger.open_batches(self.db, self._issue.number):
            if batch.number in self._doubts or batch.number in self._stranded:
                continue
            if batch.worker == self.worker.number or self.worker.lives(batch.worker):
                continue
            if batch.provider == doubts.UNKNOWN:
                # After a restore: only a person can tell, or events.
                continue
            lane = next((lane for lane in self.lanes if lane.is_of(batch.provider, batch.account)), None)
            if lane is None:
                decide = f"`digest resolve {self._issue.number} --batch {batch.number} --as accepted` or `--as resend`"
                self._stranded[batch.number] = (
                    f"batch {batch.number} went to {batch.provider} ({batch.account}) and is held: {batch.trouble};"
                    f" decide: {decide}"
                    if batch.state == "held"
                    else f"batch {batch.number} was being handed to {batch.provider} ({batch.account}) when its process"
                    f" died, and only that can say what it has; send with those settings first, or decide yourself:"
                    f" {decide}"
                )
                continue
            claimed = ledger.adopt(
                self.db,
                batch.number,
                before=batch.worker,
                worker=self.worker.number,
                trouble="its process died",
                now=self.clock(),
            )
            if claimed is not None:
                self._look_after(lane, claimed)
                adopted = adopted or claimed.number in self._doubts
        return adopted


def _words(error: BaseException) -> str:
    """Give an error's words, as they can be shown and kept."""
    return _printable(str(error) if isinstance(error, ProviderError) else f"{type(error).__name__}: {error}")


def _printable(text: str) -> str:
    """Take out what would steer a terminal: a provider's words are printed and kept."""
    return "".join(character if character.isprintable() else " " for character in text)[:500]
