"""The HTTP server of the simulators: h11 on asyncio streams, so that a line can be broken at any byte.

`GET /_simulator` answers the figures of the record, `GET /_simulator/accepted` the addresses accepted in order, and
`POST /_simulator/faults` takes new faults as a JSON object.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from digest.simulators.faults import Chance, Faults, Kind
from digest.simulators.simulator import Reply, Request, Simulator

READ_BYTES = 256 * 1024


class _Broken(Exception):  # noqa: N818 (no error: it is meant)
    """The line is broken on purpose."""


class Server:
    """Serves one simulator."""

    def __init__(self, simulator: Simulator, faults: Faults | None = None) -> None:
        self.simulator = simulator
        self._chance = Chance(faults or Faults())

    def misbehave(self, faults: Faults) -> None:
        """From now on, do so."""
        self._chance = Chance(faults)

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Listen for the time of a block; give the URL. Port 0 takes any that is free."""
        server = await asyncio.start_server(self._connection, host, port, limit=READ_BYTES)
        try:
            yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._one(connection, reader, writer):
                connection.start_next_cycle()
        except (_Broken, ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
            # Cancelled is a connection that is still open when the server stops.
            writer.transport.abort()
        finally:
            writer.close()

    async def _one(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Read a request and answer it; tell whether the connection goes on."""
        request = await self._read(connection, reader)
        if request is None:
            return False
        reply, fault = await self._work(request)
        headers = [*reply.headers.items(), ("Content-Length", str(len(reply.body)))]
        head = connection.send(h11.Response(status_code=reply.status, headers=headers))
        data = connection.send(h11.Data(data=reply.body)) + connection.send(h11.EndOfMessage())
        whole = (head or b"") + data
        if fault == "half":
            writer.write(whole[: max(1, len(whole) - max(1, len(reply.body) // 2))])
            await writer.drain()
            # The half must be on its way before the reset, which drops what is not.
            await asyncio.sleep(0.01)
            raise _Broken
        if fault == "slow":
            for byte in whole:
                writer.write(bytes([byte]))
                await asyncio.sleep(self._chance.faults.slow_s / len(whole))
        else:
            writer.write(whole)
        await writer.drain()
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE

    async def _read(self, connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    connection.send(h11.InformationalResponse(status_code=100, headers=[]))
                connection.receive_data(await reader.read(READ_BYTES))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None  # noqa: S101 (h11 sees to it)
                return _request(head, bytes(body))
            else:
                return None

    async def _work(self, request: Request) -> tuple[Reply, Kind | None]:
        if request.path.startswith("/_simulator"):
            return self._control(request), None
        faults = self._chance.faults
        if faults.latency_s:
            await asyncio.sleep(faults.latency_s)
        if self._chance.too_many():
            self.simulator.record.refused["429"] += 1
            return self.simulator.too_many(faults.retry_after_s), None
        fault = self._chance.draw()
        if fault == "reset_before":
            raise _Broken
        failed = Reply(500, b"<html>Internal Server Error</html>", {"Content-Type": "text/html"})
        if fault == "error_before":
            return failed, None
        record = self.simulator.record
        if len(request.body) > self.simulator.most_bytes:
            reply = self.simulator.too_large()
        else:
            reply = self.simulator.answer(request, record.begin())
        if reply.status >= 400:
            record.refused[f"{reply.status}"] += 1
        if fault == "reset_after":
            raise _Broken
        if fault == "error_after":
            return failed, None
        if fault == "garbage":
            return Reply(reply.status, b'{"data": [{"id', {"Content-Type": "application/json"}), None
        return reply, fault

    def _control(self, request: Request) -> Reply:
        record = self.simulator.record
        match request.method, request.path.removeprefix("/_simulator"):
            case "GET", "":
                return Reply.json(200, record.summary() | {"faults": asdict(self._chance.faults)})
            case "GET", "/accepted":
                return Reply.json(200, [copy.address for copy in record.accepted])
            case "POST", "/faults":
                try:
                    self.misbehave(Faults.of({name: str(value) for name, value in request.json().items()}))
                except (ValueError, AttributeError) as error:
                    return Reply.json(400, {"message": str(error)})
                return Reply.json(200, asdict(self._chance.faults))
            case _:
                return Reply.json(404, {"message": "there is GET /_simulator, /_simulator/accepted, POST …/faults"})


def _request(head: h11.Request, body: bytes) -> Request:
    parts = urlsplit(head.target.decode())
    return Request(
        head.method.decode(),
        unquote(parts.path),
        dict(parse_qsl(parts.query, keep_blank_values=True)),
        {name.decode(): value.decode("latin-1") for name, value in head.headers},
        body,
    )


@contextmanager
def running(simulator: Simulator, faults: Faults | None = None) -> Iterator[tuple[str, Server]]:
    """Serve in a thread for the time of a block; give the URL and the server."""
    server = Server(simulator, faults)
    loop = asyncio.new_event_loop()
    ready: list[str] = []
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with server.listening() as url:
            ready.append(url)
            started.set()
            await stop.wait()
        for _ in range(3):
            # What was accepted a moment ago becomes a connection first: cancelled before, its socket would stay open.
            await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield ready[0], server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
