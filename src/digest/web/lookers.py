"""How many pages look on: each holds a connection, and is looked into the store for several times a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

OF_A_SESSION = 12
"""Streams one session may have: six windows with two each."""

OF_ALL = 120
"""Streams of everybody: `digest serve` has 500 connections, and most of them are for readers."""


class Lookers:
    """Counts the streams that are open, in this process. It is for the thread of the event loop."""

    def __init__(self) -> None:
        self._open: Counter[int] = Counter()

    def is_full(self, session: int) -> bool:
        """Tell whether there are as many streams of a session, or of all, as there may be."""
        return self._open[session] >= OF_A_SESSION or self._open.total() >= OF_ALL

    @contextmanager
    def one_more(self, session: int) -> Iterator[None]:
        """Count a stream of a session for a block."""
        self._open[session] += 1
        try:
            yield
        finally:
            self._open[session] -= 1
            if not self._open[session]:
                del self._open[session]
