"""Takes what is sent to it by HTTP, throws it away and answers as a provider would: fast, so that it measures others.

    python bench/sink.py            prints its address and takes requests until it is ended

A body is read into one buffer and never looked at. `POST …/emails/batch` is answered with a hundred ids, as Resend
does (send full batches); any other POST with one id, as Mailgun does; GET with no events, and `GET /count` with how
many requests and bytes came.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import uuid
from typing import cast

BUFFER = 1 << 20
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def reply(content: object) -> bytes:
    """Make a whole answer."""
    body = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


BATCHES = [reply({"data": [{"id": str(uuid.uuid4())} for _ in range(100)]}) for _ in range(32)]
"""Several, because ids that come again are smaller to keep."""
ONE = reply({"id": "<20261126090000.1.0123456789abcdef@mg.example.com>", "message": "Queued. Thank you."})
NO_EVENTS = reply({"items": [], "paging": {"next": "http://127.0.0.1/v3/mg.example.com/events/none"}})


class Sink(asyncio.BufferedProtocol):
    """One connection."""

    requests = 0
    received = 0

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._head = b""
        self._left = 0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the one buffer."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Count what came, and answer where a request is whole."""
        Sink.received += nbytes
        if nbytes < self._left:
            self._left -= nbytes
            return
        rest = bytes(self._view[self._left : nbytes])
        if self._left:
            self._done()
        while rest:
            rest = self._begin(rest)

    def _begin(self, data: bytes) -> bytes:
        """Read the head of a request; give what comes after the whole of it."""
        head, end, body = (self._head + data).partition(b"\r\n\r\n")
        if not end:
            self._head = head
            return b""
        self._head = b""
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        line = head[: head.index(b"\r")]
        if line.startswith(b"GET /count"):
            self._answer = reply({"requests": Sink.requests, "bytes": Sink.received})
        elif line.startswith(b"GET"):
            self._answer = NO_EVENTS
        else:
            self._answer = BATCHES[Sink.requests % len(BATCHES)] if b"/emails/batch" in line else ONE
            Sink.requests += 1
        self._left = length - min(length, len(body))
        if not self._left:
            self._done()
        return body[length:]

    def _done(self) -> None:
        self._left = 0
        self._transport.write(self._answer)


async def serve() -> None:
    """Listen until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    gc.disable()
    asyncio.run(serve())
