"""A real HTTP server on loopback that takes what it is posted and keeps it; and loggers put back as they were."""

from __future__ import annotations

import gzip
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from digest import logs


@contextmanager
def loggers_as_they_were() -> Iterator[None]:
    """Loggers are the whole process's: put back what a block sets up."""
    names = ("", "digest", "uvicorn", "uvicorn.error", "uvicorn.access", "apscheduler", logs.REQUESTS)
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    hooks = sys.excepthook, threading.excepthook
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
        sys.excepthook, threading.excepthook = hooks
        logging.captureWarnings(capture=False)
        logs.request_id.set("")


@dataclass(frozen=True)
class Posted:
    """One request: where to, its headers in lower case, its body without compression."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came, and where it is posted to."""

    url: str = ""
    posted: list[Posted] = field(default_factory=list)

    def wait(self, enough: Callable[[list[Posted]], bool], *, seconds: float = 20.0) -> list[Posted]:
        """Wait until enough has come, and give it."""
        until = time.monotonic() + seconds
        while not enough(self.posted):
            assert time.monotonic() < until, f"only this came: {self.posted}"
            time.sleep(0.01)
        return self.posted


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Take what is posted for the time of a block."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.posted.append(Posted(self.path, headers, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
