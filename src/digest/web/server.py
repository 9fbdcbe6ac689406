"""The server of `digest serve`: uvicorn, which stops in order and tells systemd how it is."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from collections.abc import Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.routing import BaseRoute

from digest import systemd, watching
from digest.settings import Settings
from digest.web.later import load_rest
from digest.web.state import State

REST_AFTER_S = 1.0
"""So long after it began to answer the server loads what nobody asked for yet: whoever waited for it goes first."""

AT_ONCE = 500
"""Connections at the same time; more are answered with 503. Each may need three files, and a process has some 1,000."""

INTERRUPTED = 130
"""The exit code of one that was told twice to stop."""


class Server(uvicorn.Server):
    """Stops without a word of its own; the second signal stops at once, as that of `digest send` does.

    Where systemd asks for signs of life, it has them as long as this event loop turns and all that is done in the
    background is at work: what hangs is killed, and begun anew.
    """

    def __init__(self, config: uvicorn.Config, state: State, routes: Sequence[BaseRoute]) -> None:
        super().__init__(config)
        self._state, self._routes = state, routes
        self._every_s = systemd.watchdog_s()
        self._tell_at = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets=sockets)
        if self.started:
            systemd.tell(systemd.READY)
            rest = threading.Timer(REST_AFTER_S, self._load_rest)
            rest.daemon = True
            rest.start()

    def _load_rest(self) -> None:
        load_rest(self._routes)
        # What is loaded now stays: nobody needs to look through it for garbage.
        gc.freeze()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        now = time.monotonic()
        if self._every_s is not None and now >= self._tell_at and not self._state.pulse.silent():
            self._tell_at = now + self._every_s
            systemd.tell(systemd.ALIVE)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is in hand end, and hand over what those who watch do not know yet."""
        await super().shutdown(sockets=sockets)
        await asyncio.to_thread(watching.end)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order, and end with 0: uvicorn itself would end as the signal does, which looks like a failure."""
        if self.should_exit:
            # Uvicorn would print two traces. What was in hand is settled as that of any process that died.
            os._exit(INTERRUPTED)
        systemd.tell(systemd.STOPPING)
        self._state.closing.set()
        self.should_exit = True


def server_of(app: FastAPI, settings: Settings) -> Server:
    """Make the server of an application. Its log is ours: see `digest.logs`."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        limit_concurrency=AT_ONCE,
        timeout_graceful_shutdown=10,
    )
    return Server(config, app.state.digest, app.routes)
