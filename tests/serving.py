"""The web application on a real socket, in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import httpx
import uvicorn

from digest.settings import Settings
from digest.store import Database
from digest.web import background
from digest.web.app import create_app

# Nobody waits for a start here: what is done in the background need not let others go first.
background.FIRST_AFTER_S = 0.0


class Clock:
    """A clock that stands still until it is moved on."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move_on(self, **span: float) -> None:
        """Move on by some `seconds=`, `hours=`, `days=` …"""
        self.now += timedelta(**span)


class Reader(httpx.Client):
    """A browser without JavaScript: keeps cookies, follows no redirect by itself, says where a POST comes from."""

    _others: tuple[Reader, ...] = ()

    def another(self, **headers: str) -> Reader:
        """Give another browser of the same site, closed with this one."""
        found = Reader(base_url=self.base_url, timeout=30, headers=headers)
        self._others = (*self._others, found)
        return found

    def close(self) -> None:
        """Close it, and the others."""
        for other in self._others:
            other.close()
        super().close()

    def submit(self, address: str, fields: dict[str, str] | None = None, **more: str) -> httpx.Response:
        """Post a form as the site's own page does."""
        headers = {"Origin": str(self.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
        return self.post(address, data={**(fields or {}), **more}, headers=headers)

    def moment(self, address: str = "/") -> str:
        """Read the moment out of the sign-up form of a page."""
        found = re.search(r'name="moment" value="([^"]+)"', self.get(address).text)
        assert found is not None, f"{address} has no sign-up form"
        return found[1]


class Prompt(uvicorn.Server):
    """Ends at once: uvicorn looks ten times a second whether it is to, which adds up over a thousand tests."""

    async def main_loop(self) -> None:
        """Serve until it is to stop."""
        await self.on_tick(0)
        while not self.should_exit:  # noqa: ASYNC110 (what sets it is no event)
            await asyncio.sleep(0.005)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing more, let what is in hand end, and end the application."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for _ in range(2_000):
            if not (self.server_state.connections or self.server_state.tasks):
                break
            await asyncio.sleep(0.005)
        await self.lifespan.shutdown()


@contextmanager
def served(settings: Settings, clock: Callable[[], datetime], *, work: bool = False, port: int = 0) -> Iterator[Reader]:
    """Serve a store for a block, without background work unless `work` says so; give a reader of it.

    Any address of 127.0.0.0/8 can ask, and is believed when it forwards for another (X-Forwarded-For).
    """
    app = create_app(settings, clock=clock, work=work)
    # Of this protocol by name: asyncio turns Nagle's algorithm off for no other, and each answer would take 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(128)
    server = Prompt(
        uvicorn.Config(app, log_level="error", loop="asyncio", proxy_headers=True, forwarded_allow_ips="127.0.0.1")
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            threading.Event().wait(0.005)
        with Reader(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as reader:
            try:
                yield reader
            finally:
                reader.close()
    finally:
        app.state.digest.closing.set()
        server.should_exit = True
        thread.join(10)
        listening.close()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def dump(db: Database, *, but: tuple[str, ...] = ()) -> dict[str, list[tuple[object, ...]]]:
    """Give every row of every table, to see that nothing changed."""
    names = [name for name in db.table_names() if name not in but and not name.startswith(("sqlite_", "tool_words"))]
    return {name: db.conn.execute(f"SELECT * FROM [{name}]").fetchall() for name in names}
