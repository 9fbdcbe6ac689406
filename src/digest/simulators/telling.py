"""Telling what became of copies: a simulated provider calls, in any order, at times twice, and again when refused."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from digest.simulators.fates import Fates
from digest.simulators.hooks.caller import Caller, Happening
from digest.simulators.record import Accepted, Record

LOOK_EVERY_S = 0.05
TIMEOUT_S = 15.0
CALLS = 8
"""At the same time."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a copy; `again` where it is told once more."""

    number: int
    copy: Accepted
    what: Happening
    at: datetime
    again: bool = False


@dataclass
class Call:
    """A call: the events in it, its body, and how often it was tried."""

    number: int
    events: Sequence[Event]
    body: bytes
    tries: int = 0
    again: bool = False


@dataclass(order=True)
class _Due:
    at: float
    number: int
    what: Event | Call = field(compare=False)


class Teller:
    """Tells of all that a record has, and of what comes into it.

    `told` counts the events that were taken, each once; `calls` the tries by what they were answered; `given_up` the
    events that were not taken in the end.
    """

    def __init__(
        self,
        record: Record,
        caller: Caller,
        url: str,
        fates: Fates | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._record, self._caller, self._url, self._fates, self._clock = record, caller, url, fates or Fates(), clock
        self.told: Counter[Happening] = Counter()
        self.calls: Counter[str] = Counter()
        self.given_up = 0
        self._seen = self._count = 0
        self._due: list[_Due] = []
        self._busy = 0

    @property
    def waiting(self) -> int:
        """How much is still to be told: events, or calls that are tried again."""
        return len(self._due) + self._busy + len(self._record.accepted) - self._seen

    def usage(self) -> dict[str, str]:
        """Give the settings by which its calls are believed."""
        return self._caller.usage()

    async def tell(self, *, over: Callable[[], bool] = lambda: False) -> None:
        """Tell what is due, until `over` says so and nothing waits any more."""
        limits = httpx.Limits(max_connections=CALLS, max_keepalive_connections=CALLS)
        async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False) as client:
            free = asyncio.Semaphore(CALLS)
            async with asyncio.TaskGroup() as group:
                while True:
                    ending = over()
                    self._look()
                    for call in self._calls():
                        await free.acquire()
                        group.create_task(self._try(client, call)).add_done_callback(lambda _: free.release())
                    if ending and not self.waiting:
                        return
                    await asyncio.sleep(LOOK_EVERY_S)

    def summary(self) -> dict[str, Any]:
        """Give the figures."""
        return {
            "told": dict(sorted(self.told.items())),
            "calls": dict(sorted(self.calls.items())),
            "given_up": self.given_up,
            "waiting": self.waiting,
        }

    # What is due -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Draw what becomes of the copies that were accepted since."""
        accepted, now, steady = self._record.accepted, self._clock(), time.monotonic()
        while self._seen < len(accepted):
            copy = accepted[self._seen]
            self._seen += 1
            draw = self._fates.drawn_for(copy.address)
            for what, after in self._fates.story_of(copy.address, draw):
                self._count += 1
                event = Event(self._count, copy, what, now + timedelta(seconds=after))
                self._push(steady + after + draw.uniform(0, self._fates.late_s), event)
                if self._caller.most > 1 and draw.random() < self._fates.repeats:
                    again = Event(event.number, copy, what, event.at, again=True)
                    self._push(steady + after + draw.uniform(0, self._fates.late_s), again)

    def _push(self, at: float, what: Event | Call) -> None:
        heapq.heappush(self._due, _Due(at, what.number, what))

    def _calls(self) -> list[Call]:
        """Take what is due: calls that are tried again, and events, as many in a call as the provider has."""
        calls: list[Call] = []
        events: list[tuple[Event, dict[str, Any]]] = []
        now, steady = self._clock(), time.monotonic()
        while self._due and self._due[0].at <= steady:
            what = heapq.heappop(self._due).what
            if isinstance(what, Call):
                calls.append(what)
            elif (written := self._caller.event(what.copy, what.what, what.at, what.number)) is not None:
                events.append((what, written))
        for first in range(0, len(events), self._caller.most):
            lot = events[first : first + self._caller.most]
            body = self._caller.body([written for _, written in lot], now)
            calls.append(Call(lot[0][0].number, [event for event, _ in lot], body))
        self._busy += len(calls)
        return calls

    # Calls -------------------------------------------------------------------------------------------------------

    async def _try(self, client: httpx.AsyncClient, call: Call) -> None:
        headers = self._caller.headers(call.body, call.number, self._clock())
        status: int | None = None
        try:
            status = (await client.post(self._url, content=call.body, headers=headers)).status_code
        except httpx.TransportError:
            self.calls["no answer"] += 1
        else:
            self.calls[str(status)] += 1
        if status is not None and self._caller.is_taken(status):
            self._was_taken(call)
        elif call.tries < len(self._caller.pauses_s) and self._caller.comes_again(status, call.events[0].what):
            pause = self._caller.pauses_s[call.tries] / self._fates.hurry
            call.tries += 1
            self._push(time.monotonic() + pause, call)
        elif not call.again:
            self.given_up += sum(not event.again for event in call.events)
        self._busy -= 1

    def _was_taken(self, call: Call) -> None:
        if call.again:
            return
        self.told.update(event.what for event in call.events if not event.again)
        draw = self._fates.drawn_for(f"{call.number}")
        if self._caller.most == 1 and draw.random() < self._fates.repeats:
            # The same call: its answer may have been lost on the way.
            self._push(
                time.monotonic() + draw.uniform(0, self._fates.late_s),
                Call(call.number, call.events, call.body, again=True),
            )
