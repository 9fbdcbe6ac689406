"""The postman: takes due letters out of the letterbox and hands each over, in the same three steps as the ledger.

A letter is claimed, which is written down; handed over; and what came of it is written down. What breaks in between
leaves it uncertain: a provider that can be called again with the same key is, one that can be asked is, and for the
rest nothing is done, because a letter is never mailed twice by guessing. Who misses it can ask for it again.

Letters keep to the pace that the provider's sendings keep to. Quiet hours and a day's cap are not theirs: they answer
what somebody did just now, and a warm-up must not be taken to grow by them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from digest import times
from digest.audience import letterbox
from digest.audience.letterbox import Posted
from digest.errors import DigestError, SettingsError
from digest.providers import connect
from digest.providers.interface import (
    Answer,
    BadCallError,
    NotAcceptedError,
    Provider,
    ProviderError,
    TryAgainError,
)
from digest.sending import ledger, pace
from digest.sending.copies import Signers
from digest.sending.ledger import Claimed
from digest.sending.letter_writing import batch_of, ends_at
from digest.sending.pace import Health
from digest.sending.uncertain import CLOCKS_S, Elapsed, next_step
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
IN_HAND_S = 600.0
"""So long the one who looks has a letter for itself: longer than any provider takes to say."""
ELSEWHERE_S = 3600.0
"""So often it is looked at letters that went where the settings do not lead any more."""


@dataclass
class Lane:
    """A provider that letters go to, and how it has been doing. It is connected to only while there is work."""

    name: str
    health: Health = field(default_factory=Health)
    provider: Provider | None = None
    opened: bool = False
    shut_until: datetime | None = None
    why: str = ""

    def is_shut(self, now: datetime) -> bool:
        """Tell whether it takes nothing for now; a time far ahead is of a clock that was wrong."""
        return self.shut_until is not None and now < self.shut_until <= now + times.seconds(SHUT_S)


@dataclass
class Postman:
    """Mails letters for one process. `say` is given what a person must know, once for each trouble.

    `connected` makes a provider of a name; `stopping` is asked before each letter.
    """

    db: Database
    settings: Settings
    signers: Signers
    worker: Worker
    connected: Callable[[str], Provider]
    clock: Callable[[], datetime] = times.now
    say: Callable[[str], None] = lambda words: None
    stopping: Callable[[], bool] = lambda: False
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        first = self.settings.letters_provider or self.settings.provider
        self.lanes = [Lane(name) for name in dict.fromkeys((first, self.settings.failover)) if name]
        self.done: Counter[str] = Counter()
        self._in_hand: set[int] = set()

    @classmethod
    def of(cls, db: Database, settings: Settings, signers: Signers, worker: Worker, **more: object) -> Self:
        """Make one that connects to the providers of the settings."""
        return cls(db, settings, signers, worker, lambda name: connect_for_letters(name, settings), **more)  # type: ignore[arg-type]

    async def deliver(self) -> None:
        """Mail what is due, and find out about what is uncertain; `done` counts what became of letters."""
        now = self.clock()
        due, orphans = letterbox.due(self.db, now=now), self._orphans()
        names = {name for _, _, name, _ in orphans} | due.doubtful
        if not names and not (due.queued and any(self._wait(lane) <= PATIENCE_S for lane in self.lanes)):
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
                lane.provider, lane.opened = None, False

    # The hands -------------------------------------------------------------------------------------------------

    async def _work_together(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(HANDS):
                    group.create_task(self._work())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _work(self) -> None:
        while not self.stopping():
            if not await self._look() and not await self._mail():
                return

    async def _mail(self) -> bool:
        """Mail the next letter; tell whether there was anything to do."""
        if not letterbox.due(self.db, now=self.clock()).queued:
            return False
        lane = next((lane for lane in self.lanes if self._wait(lane) <= PATIENCE_S and await_none(lane)), None)
        return lane is not None
