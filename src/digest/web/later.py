"""Routes that are loaded when somebody first asks for them: a start does not wait for the pages of a few."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import NoReturn

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Match, NoMatchFound, Router
from starlette.types import Receive, Scope, Send


class Later(BaseRoute):
    """All addresses under a prefix; `load` makes what answers them, and is called once."""

    def __init__(self, prefix: str, load: Callable[[], Router]) -> None:
        self.prefix = prefix
        self._load = load
        self._lock = Lock()
        self._router: Router | None = None

    def loaded(self) -> Router:
        """Give what answers; from any thread, of which only the first loads it."""
        with self._lock:
            if self._router is None:
                self._router = self._load()
            return self._router

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take every address under the prefix, whether or not there is a page."""
        path = scope.get("path", "")
        is_under = path.startswith(self.prefix) and path[len(self.prefix) :][:1] in ("", "/")
        return (Match.FULL if is_under else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the first who asks waits meanwhile, and nobody else."""
        router = await run_in_threadpool(self.loaded) if self._router is None else self._router
        await router(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: object) -> NoReturn:
        """Know no address by a name: nobody asks for one."""
        raise NoMatchFound(name, path_params)


def load_rest(routes: Iterable[BaseRoute]) -> None:
    """Load what nobody asked for yet, so that nobody has to wait for it."""
    for route in routes:
        if isinstance(route, Later):
            route.loaded()
