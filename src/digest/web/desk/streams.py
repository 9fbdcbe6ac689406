"""Server-sent events: what changes, told to a page that looks on.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from digest.store import Database
from digest.web.state import State

EVERY_S = 0.4
"""How often the store is looked at for a page."""
ALIVE_S = 15.0
"""So often something is said, that proxies do not end the stream, and that one learns that the page has gone."""
LASTS_S = 600.0
"""After so long a stream ends, and the page asks for it anew: its session may have ended meanwhile."""

Event = tuple[str, Any]
"""An event's name, and its data as JSON has it."""


def stream(state: State, look: Callable[[Database], Iterable[Event]], *, every_s: float = EVERY_S) -> StreamingResponse:
    """Answer with events for as long as the page looks on.

    `look` is asked over and over, in a thread, with a connection that it may use for the call only; it gives what
    changed since it was asked last, and everything when it is asked first.
    """
    return StreamingResponse(
        _told(state, look, every_s),
        media_type="text/event-stream",
        # nginx would keep it back otherwise: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _told(state: State, look: Callable[[Database], Iterable[Event]], every_s: float) -> AsyncIterator[str]:
    def looked() -> list[Event]:
        db = state.stores.take()
        try:
            return list(look(db))
        finally:
            state.stores.give_back(db)

    clock = asyncio.get_running_loop().time
    began = said = clock()
    yield "retry: 1000\n\n"
    while not state.closing.is_set() and clock() - began < LASTS_S:
        for name, data in await run_in_threadpool(looked):
            said = clock()
            yield f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
        if clock() - said >= ALIVE_S:
            said = clock()
            yield ": alive\n\n"
        await asyncio.sleep(every_s)
