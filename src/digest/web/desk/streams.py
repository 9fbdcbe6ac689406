"""Server-sent events: what changes, told to a page that looks on.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from digest.editors import sessions
from digest.editors.sessions import Here
from digest.store import Database
from digest.web.state import State

EVERY_S = 0.4
"""How often the store is looked at for a page."""
ALIVE_S = 15.0
"""So often something is said, that proxies do not end the stream, and that one learns that the page has gone."""
LASTS_S = 600.0
"""After so long a stream ends, and the page asks for it anew: proxies and phones leave some open for nobody."""

Event = tuple[str, Any]
"""An event's name, and its data as JSON has it."""


def stream(
    state: State, here: Here, look: Callable[[Database], Iterable[Event]], *, every_s: float = EVERY_S
) -> StreamingResponse:
    """Answer with events for as long as the page looks on, and its session lasts.

    `look` is asked over and over, in a thread, with a connection that it may use for the call only; it gives what
    changed since it was asked last, and everything when it is asked first.

    Raises:
        HTTPException: 429, where as many look on as may.
    """
    if state.lookers.is_full(here.session):
        raise HTTPException(429, "there are too many windows of the desk; close some", {"Retry-After": "60"})
    return StreamingResponse(
        _told(state, here, look, every_s),
        media_type="text/event-stream",
        # nginx would keep it back otherwise: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _told(
    state: State, here: Here, look: Callable[[Database], Iterable[Event]], every_s: float
) -> AsyncIterator[str]:
    def looked() -> list[Event] | None:
        db = state.stores.take()
        try:
            # Each time: who was signed out or removed is told nothing more.
            return list(look(db)) if sessions.is_open(db, here.session, now=state.clock()) else None
        finally:
            state.stores.give_back(db)

    clock = asyncio.get_running_loop().time
    began = said = clock()
    with state.lookers.one_more(here.session):
        yield "retry: 1000\n\n"
        while not state.closing.is_set() and clock() - began < LASTS_S:
            events = await run_in_threadpool(looked)
            if events is None:
                return
            for name, data in events:
                said = clock()
                yield f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
            if clock() - said >= ALIVE_S:
                said = clock()
                yield ": alive\n\n"
            await asyncio.sleep(every_s)
