"""What is noted of every request: counted by its route, written to the log where that is wanted, traced, and numbered.

A request's own address is noted nowhere: the links of readers and editors have their tokens in it. What stands in its
place is the route, such as ``/u/{token}``, and in the log an address in which only harmless parts are as they came.
"""

from __future__ import annotations

import logging
import random
from bisect import bisect_left
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest import logs, tracing

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from a page that is kept to one that makes somebody go away."""

NO_ROUTE = "(none)"
"""The route of what leads nowhere: whatever a stranger asks for is one route."""

GONE = 499
"""The status of one who went away before there was an answer, as nginx writes it."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PLAIN = frozenset({"slug", "number", "issue", "provider", "page", "day", "field", "check", "version", "variant"})
"""Parts of an address that name what everybody may know; all others are written as the route has them."""

log = logging.getLogger(logs.REQUESTS)


class Requests:
    """Counts requests; filled by the event loop alone, read by any thread."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str, str], int] = {}
        self.durations: dict[str, list[float]] = {}

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request: how long it took until its answer began stands by its route."""
        key = (route, method if method in _METHODS else "other", str(status))
        self.counts[key] = self.counts.get(key, 0) + 1
        row = self.durations.get(route)
        if row is None:
            # The last two are what took longer than any bucket, and the sum of all.
            row = self.durations[route] = [0] * (len(BUCKETS) + 1) + [0.0]
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds


class Observed:
    """ASGI middleware: the outermost of ours, so that it sees every answer."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 (ASGI's own)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, took = perf_counter(), 0, 0.0
        number = _number(scope)
        logs.request_id.set(number)
        scope["digest.request"] = number
        header = (b"x-request-id", number.encode())

        async def noted(message: Message) -> None:
            nonlocal status, took
            if message["type"] == "http.response.start":
                status, took = message["status"], perf_counter() - began
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        with tracing.span(scope["method"], kind="server") as span:
            try:
                await self._app(scope, receive, noted)
            except Exception as error:
                # The page that says so is made outside of here.
                status = status or 500
                span.failed(error)
                raise
            finally:
                route = route_of(scope)
                status, took = status or GONE, took or perf_counter() - began
                self._requests.note(route, scope["method"], status, took)
                if span is not tracing.NOTHING:
                    span.named(f"{scope['method']} {route}")
                    span.set(http__request__method=scope["method"], http__route=route)
                    span.set(http__response__status_code=status)
                if log.isEnabledFor(logging.INFO):
                    _write(scope, route, status, took, span.ids)


def route_of(scope: Scope) -> str:
    """Give the route that answered, as it was written down; `NO_ROUTE` where none did."""
    path = getattr(scope.get("route"), "path", None)
    if path is not None:
        return f"{scope.get('root_path', '')}{path}" or "/"
    if scope.get("endpoint") is None:
        return NO_ROUTE
    # Routes without FastAPI's help tell only what stood for their parameters.
    return _rewritten(scope, frozenset())


def path_of(scope: Scope, route: str) -> str:
    """Give an address as the log may have it: parts that may be a reader's, or a token, as the route has them."""
    if route == NO_ROUTE:
        parts = str(scope["path"])[:200].split("/")
        return logs.visible(logs.clean("/".join(part if len(part) < 16 else "…" for part in parts)))
    # A line break that somebody asks for would begin a line of the log.
    return logs.visible(_rewritten(scope, _PLAIN))


def _rewritten(scope: Scope, plain: frozenset[str]) -> str:
    """Put the names of parameters into an address in place of their values, but for those that are plain."""
    left, done = str(scope["path"]), ""
    for name, value in (scope.get("path_params") or {}).items():
        before, found, after = left.partition(f"/{value}")
        if not found:
            return NO_ROUTE
        done += f"{before}/{value if name in plain and len(str(value)) <= 100 else f'{{{name}}}'}"
        left = after
    return done + left


def numbered(scope: Scope) -> dict[str, str]:
    """Give the header with a request's number, for an answer that is made outside of what numbers all others."""
    found = scope.get("digest.request", "")
    return {"X-Request-Id": found} if found else {}


def _number(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if logs.is_sane(given):
                return str(given)
            break
    return f"{random.getrandbits(64):016x}"


def _write(scope: Scope, route: str, status: int, took: float, ids: dict[str, str]) -> None:
    method, path, spent = scope["method"][:20], path_of(scope, route), round(took * 1000, 1)
    fields = {"method": method, "route": route, "path": path, "status": status, "duration_ms": spent, **ids}
    log.info("%s %s %s in %s ms", method, path, status, spent, extra=fields)
