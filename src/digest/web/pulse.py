"""Signs of life of what `digest serve` does beside answering: a thread that hangs or died is seen from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PATIENCE_S = 300.0
"""So long beyond its interval a task may say nothing. A wait for the store's lock takes a minute at most, a mailbox or
the count of a large issue some minutes."""


class Pulse:
    """Knows when each task was last seen at work; for any thread.

    Who does a task over and over says so with `beat`. Work that lasts asks again and again whether it is to stop, and
    `Stopping` takes that for a sign of life too.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}

    def expect(self, name: str, every_s: float) -> None:
        """Expect a task to show itself that often, from now on."""
        self._seen[name] = self._clock(), every_s

    def beat(self, name: str) -> None:
        """A task is at work; one that nobody expects is no matter."""
        if (found := self._seen.get(name)) is not None:
            self._seen[name] = self._clock(), found[1]

    def forget(self, name: str) -> None:
        """Expect a task no more: it has ended, as it was told to."""
        self._seen.pop(name, None)

    def ages(self) -> dict[str, float]:
        """Give for how many seconds each task was not seen."""
        now = self._clock()
        return {name: max(0.0, now - seen) for name, (seen, _) in sorted(self._seen.copy().items())}

    def silent(self) -> dict[str, float]:
        """Give those that were not seen for too long."""
        ages, expected = self.ages(), self._seen.copy()
        return {name: age for name, age in ages.items() if age > expected.get(name, (0.0, age))[1] + PATIENCE_S}


class Stopping(threading.Event):
    """Set when all is to stop; who asks is alive: threads are named after their tasks."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._pulse = pulse

    def is_set(self) -> bool:
        """Tell whether to stop."""
        self._pulse.beat(threading.current_thread().name)
        return super().is_set()
