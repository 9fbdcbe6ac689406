"""A case for the doctor, and what a subject says of it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from conftest import NOW
from digest.doctor.model import Case, Finding, Level
from digest.doctor.run import subject
from digest.settings import Settings
from digest.sources import Loaded


def case_of(settings: Settings, *, sources: dict[str, str] | None = None, now: datetime = NOW, **more: Any) -> Case:
    """A case with these settings, at a moment that stands still."""
    return Case(Loaded(settings, sources or {}, settings), **{"clock": lambda: now, **more})


def with_settings(case: Case, **changes: object) -> Case:
    """The same case with other settings."""
    settings = Settings(**{**dict(case.settings), **changes})
    return replace(case, loaded=Loaded(settings, case.loaded.sources, settings))


def look(name: str, case: Case) -> list[Finding]:
    """What a subject says."""
    return list(subject(name).look(case))


def levels(found: list[Finding]) -> dict[str, Level]:
    """The worst level of each check."""
    order: tuple[Level, ...] = ("pass", "not looked at", "warn", "bad")
    worst: dict[str, Level] = {}
    for one in found:
        worst[one.check] = max(worst.get(one.check, "pass"), one.level, key=order.index)
    return worst


def words(found: list[Finding], check: str) -> str:
    """What is said of a check, and what to do about it."""
    return "; ".join(f"{one.what} | {one.todo} | {one.command}" for one in found if one.check == check)


Answer = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes]]
"""Of a method, a path and a body: a status, headers, a body."""


@contextmanager
def answering(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve what is not us, on 127.0.0.1; give the port."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, headers, content = answer(self.command, self.path, body)
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else content)

        do_GET = do_POST = do_HEAD = _answer  # noqa: N815 (the library's own)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
