"""Asks a server for things as fast as it answers, on connections that are kept; run by bench/web.py and events.py.

    python bench/load.py HOST PORT CONNECTIONS SECONDS < requests.jsonl

Each line of the input is a request: {"method", "path", "headers", "body"}. They are sent one after the other, by all
connections together, and begun anew at the end unless a line says {"once": true} first. Prints JSON: how many, their
statuses, and the times of the answers in milliseconds; where that line says {"name": true} too, also which of them were
answered with a success, by their place. A server that dies ends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count, cycle
from typing import Any


def encoded(request: dict[str, Any], host: str) -> bytes:
    """Write a request."""
    body: bytes = request.get("body", "").encode()
    headers = {"Host": host, **request.get("headers", {})}
    if request["method"] == "POST":
        headers["Content-Length"] = str(len(body))
    lines = [f"{request['method']} {request['path']} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status, length = int(head[9:12]), 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line[15:])
    if length and not request.startswith(b"HEAD"):
        await reader.readexactly(length)
    return status


async def load(
    host: str, port: int, connections: int, seconds: float, requests: Iterator[bytes], *, may_die: bool = False
) -> dict[str, Any]:
    """Send requests for so long, or until there are no more; give what came of them."""
    times: list[float] = []
    statuses: Counter[int] = Counter()
    answered: list[int] = []
    numbered = zip(requests, count(), strict=False)
    end = time.perf_counter() + seconds

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            for request, number in numbered:
                start = time.perf_counter()
                status = await _ask(reader, writer, request)
                statuses[status] += 1
                times.append(time.perf_counter() - start)
                if status < 400:
                    answered.append(number)
                if time.perf_counter() > end:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            if not may_die:
                raise
        finally:
            writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(connections)))
    took = time.perf_counter() - begun
    times.sort()
    return {
        "count": len(times),
        "seconds": took,
        "a_second": len(times) / took,
        "statuses": dict(statuses),
        "p50_ms": 1000 * times[len(times) // 2] if times else None,
        "p99_ms": 1000 * times[int(len(times) * 0.99)] if times else None,
        "answered": answered if may_die else None,
    }


def main() -> None:
    """Read the requests, send them, print."""
    host, port, connections, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    lines = [json.loads(line) for line in sys.stdin]
    once = bool(lines) and lines[0].get("once", False)
    requests = [encoded(line, f"{host}:{port}") for line in lines[1 if once else 0 :]]
    may_die = once and lines[0].get("name", False)
    asked = iter(requests) if once else cycle(requests)
    found = asyncio.run(load(host, port, connections, seconds, asked, may_die=may_die))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
