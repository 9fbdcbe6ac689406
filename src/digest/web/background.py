"""What `digest serve` does beside answering: mail letters, end sign-ups nobody confirmed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from digest.web.state import State


@asynccontextmanager
async def background(state: State) -> AsyncIterator[None]:
    """Do what is due, over and over, while the block runs."""
    yield
