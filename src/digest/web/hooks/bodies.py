"""Reading the bodies of calls: anybody may send them, and they lie in memory until it is known whose they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

SMALL = 64 * 1024
"""So many bytes of each call are always read: what most providers send. There are only so many connections."""

MOST = 64 * 1024 * 1024
"""Bytes of all calls together, beyond those, that are held at the same time."""

LONGEST_S = 60.0


class Bodies:
    """Reads bodies, and knows how much of them is held. It is for the thread of the event loop."""

    def __init__(self) -> None:
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Read a body; it counts as held until the block ends.

        Raises:
            OSError: it takes too long, or too much is held already.
        """
        pieces, taken, held = [], 0, 0
        try:
            async with asyncio.timeout(LONGEST_S):
                async for piece in request.stream():
                    pieces.append(piece)
                    taken += len(piece)
                    more = max(0, taken - SMALL) - held
                    held, self._held = held + more, self._held + more
                    if more and self._held > MOST:
                        raise OSError("too many large calls at once")
            yield b"".join(pieces)
        finally:
            self._held -= held
