"""Counting how often something happened in the last hour, for each of many who do it.

Of the library `limits` only its store in memory would serve us, and an attack is what it cannot bear: it looks through
all it has after every count (40,000 networks: 3 ms each time), and keeps the names of those it has done with for ever.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime, timedelta

MOST = 100_000
"""Names that are counted for; those heard of least recently go first. With 20 moments each they take 40 MB."""


class Window:
    """Lets each name do something so many times in a span of time, which moves along with the clock.

    It is for one thread: the one of the event loop.
    """

    def __init__(self, count: int, span: timedelta) -> None:
        self._count, self._span = count, span
        self._done: OrderedDict[str, deque[datetime]] = OrderedDict()

    def take(self, name: str, now: datetime) -> timedelta | None:
        """Let a name do it once more; where it may not, give how long it must wait.

        An attempt in vain is not counted.
        """
        done = self._done.setdefault(name, deque(maxlen=self._count))
        if len(done) == self._count and now - done[0] < self._span:
            return self._span - (now - done[0])
        done.append(now)
        self._done.move_to_end(name)
        self._forget(now)
        return None

    def _forget(self, now: datetime) -> None:
        while self._done:
            name, done = next(iter(self._done.items()))
            if len(self._done) <= MOST and now - done[-1] < self._span:
                return
            del self._done[name]
