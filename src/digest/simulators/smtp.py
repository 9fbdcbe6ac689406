"""An SMTP server as strict as those that take mail for others, by aiosmtpd (``pip install 'digest[simulate]'``).

It offers SIZE, 8BITMIME, SMTPUTF8, DSN, STARTTLS and AUTH PLAIN and LOGIN, and refuses what the real ones refuse:
mail without a login, addresses outside ASCII without SMTPUTF8, bare line feeds, 8-bit content, a message without
From, Date or Message-ID, too large a message, too many on one connection.

SMTP has no HTTP, so it has a way of its own to listen: `running_smtp`, or `SmtpSimulator.listening`.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal, cast

from digest.simulators.record import Accepted, Record
from digest.simulators.smtp_faults import Script, SmtpFaults, Stage, Step

try:
    from aiosmtpd.smtp import SMTP, Envelope, LoginPassword, Session
except ImportError as error:  # pragma: no cover
    raise ImportError("the SMTP simulator needs aiosmtpd: pip install 'digest[simulate]'") from error

NEEDED = ("from", "date", "message-id")
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


@dataclass(frozen=True)
class Received:
    """One message as it was accepted: `content` with CRLF line ends and without the dots that were put in."""

    sender: str
    sender_options: tuple[str, ...]
    address: str
    address_options: tuple[str, ...]
    content: bytes
    connection: int
    secure: bool
    login: str


class SmtpSimulator:
    """Takes messages and keeps a record of them; `received` has them whole, where the record keeps bodies."""

    name = "smtp"

    def __init__(
        self,
        *,
        tls: Literal["implicit", "starttls", "none"] = "none",
        certificate: Path | None = None,
        key: Path | None = None,
        username: str = "",
        password: str = "",
        logins: tuple[str, ...] = ("PLAIN", "LOGIN"),
        most_bytes: int = 10_240_000,
        utf8: bool = True,
        dsn: bool = True,
        most_messages: int = 0,
        script: Script | None = None,
        faults: SmtpFaults | None = None,
        record: Record | None = None,
    ) -> None:
        self.record = record or Record()
        self.received: list[Received] = []
        self.connections = 0
        self.commands: list[str] = []
        self.tls, self.username, self.password, self.logins = tls, username, password, logins
        self.most_bytes, self.utf8, self.dsn, self.most_messages = most_bytes, utf8, dsn, most_messages
        self.faults = faults or SmtpFaults()
        self.decide = script or self.faults.script()
        self.context: ssl.SSLContext | None = None
        if tls != "none":
            if certificate is None:
                raise ValueError("TLS needs a certificate")
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate, key)
        self._open: set[_Connection] = set()

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[tuple[str, int]]:
        """Listen for the time of a block; give the address. Port 0 takes any that is free."""
        loop = asyncio.get_running_loop()
        context = self.context if self.tls == "implicit" else None
        server = await loop.create_server(lambda: _Connection(self, loop), host, port, ssl=context)
        try:
            yield host, server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for connection in list(self._open):
                connection.cut()

    def usage(self, host: str, port: int) -> dict[str, Any]:
        """Give the settings by which digest hands over to this simulator."""
        return {"host": host, "port": port, "tls": self.tls} | ({"username": self.username} if self.username else {})

    def opened(self, connection: _Connection) -> int:
        """Count a connection, and give its number."""
        self._open.add(connection)
        self.connections += 1
        return self.connections

    def closed(self, connection: _Connection) -> None:
        """Forget a connection."""
        self._open.discard(connection)

    def accept(self, message: Received) -> str:
        """Write a message down, and give the id of the queue it is in."""
        call = self.record.begin()
        queue_id = f"4XYZ{call:08}"
        if self.record.bodies:
            self.received.append(message)
            self.record.add([_accepted(message, call, queue_id)])
        else:
            self.record.add([Accepted(message.address, call, queue_id)])
        return queue_id


def simulator(**options: Any) -> SmtpSimulator:
    """Make the simulator; the options are those of `SmtpSimulator`."""
    return SmtpSimulator(**options)


class _Connection(SMTP):
    """One connection. aiosmtpd answers; here is what it has not, and what goes wrong on purpose."""

    def __init__(self, simulator: SmtpSimulator, loop: asyncio.AbstractEventLoop) -> None:
        self._simulator = simulator
        self._number = simulator.opened(self)
        self._messages = 0
        self._sender_options: tuple[str, ...] = ()
        self._address_options: tuple[str, ...] = ()
        super().__init__(
            self,
            data_size_limit=simulator.most_bytes,
            enable_SMTPUTF8=simulator.utf8,
            hostname="smtp.example.com",
            ident="ESMTP simulator",
            tls_context=simulator.context if simulator.tls == "starttls" else None,
            auth_require_tls=simulator.tls != "implicit",
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - set(simulator.logins),
            auth_callback=self._knows,
            loop=loop,
        )
        # Not given above: aiosmtpd knows no TLS but STARTTLS, and warns of a login without it.
        self._auth_required = bool(simulator.username)

    def _letter(self) -> Envelope:
        assert self.envelope is not None  # noqa: S101 (aiosmtpd makes it with the connection)
        return self.envelope

    def cut(self) -> None:
        """Break the line at once."""
        if self.transport is not None:
            cast("asyncio.WriteTransport", self.transport).abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._simulator.closed(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        if await self._goes_wrong("connect"):
            self.cut()
        else:
            await super()._handle_client()

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's names)
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        offers = [line for line in responses if self._simulator.username or not line.startswith("250-AUTH")]
        return offers[:-1] + ["250-DSN"] * self._simulator.dsn + offers[-1:]

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        if not await self._goes_wrong("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        if not await self._goes_wrong("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802
        if not await self._goes_wrong("RSET"):
            await super().smtp_RSET(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        self._messages += 1
        most = self._simulator.most_messages
        if most and self._messages > most:
            await self._refuse("421 4.7.0 Too many messages on this connection")
            return
        arg, self._sender_options = self._without_dsn(arg, "RET", "ENVID")
        if not await self._goes_wrong("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        arg, self._address_options = self._without_dsn(arg, "NOTIFY", "ORCPT")
        address = (arg or "").partition(":")[2].strip().strip("<>")
        if await self._goes_wrong("RCPT", address):
            return
        local, _, domain = address.rpartition("@")
        if not local or "." not in domain:
            await self._refuse("501 5.1.3 Bad recipient address syntax")
        elif not address.isascii() and not self._letter().smtp_utf8:
            await self._refuse("553 5.6.7 An address outside ASCII needs SMTPUTF8")
        elif self._letter().rcpt_tos:
            await self._refuse("452 4.5.3 One recipient a message here")
        else:
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if await self._goes_wrong("DATA"):
            return
        if self._decision("body") == "drop" and self._letter().rcpt_tos:
            await self.push("354 Go ahead")
            await self._reader.read(100)
            await self._break_line()
        await super().smtp_DATA(arg)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        if self._simulator.faults.latency_s:
            await asyncio.sleep(self._simulator.faults.latency_s)
        action = self._decision("content", envelope.rcpt_tos[0])
        reply = fault = _flaw(content, utf8=envelope.smtp_utf8)
        if action == "drop":
            await self._break_line()
        elif action and action[0].isdigit():
            reply = fault = action
        elif fault is None:
            message = Received(
                envelope.mail_from or "",
                (*envelope.mail_options, *self._sender_options),
                envelope.rcpt_tos[0],
                (*envelope.rcpt_options, *self._address_options),
                content,
                self._number,
                self._tls_protocol is not None or self._simulator.tls == "implicit",
                session.auth_data.login.decode() if session.auth_data else "",
            )
            reply = f"250 2.0.0 Ok: queued as {self._simulator.accept(message)}"
        if fault:
            self._count(fault)
        if action in ("accept and drop", "half"):
            await self._break_line(after=b"25" if action == "half" else b"")
        if action == "slow":
            await asyncio.sleep(self._simulator.faults.slow_s)
        if fault and fault.startswith("421"):
            asyncio.get_running_loop().call_later(0.01, self.cut)
        return "what?" if action == "garbage" else reply or ""

    async def handle_exception(self, error: Exception) -> str:
        """Answer what went wrong in here, such as a client that breaks off when TLS begins."""
        return f"451 4.3.0 {type(error).__name__}"

    def _knows(self, mechanism: str, username: bytes, password: bytes) -> bool:
        known = LoginPassword(self._simulator.username.encode(), self._simulator.password.encode())
        return LoginPassword(username, password) == known

    def _decision(self, stage: Stage, address: str = "") -> str | None:
        return self._simulator.decide(Step(stage, self._number, self._messages, address))

    async def _goes_wrong(self, stage: Stage, address: str = "") -> bool:
        """Do what is to go wrong at this step; tell whether it is answered with that."""
        self._simulator.commands.append(stage)
        action = self._decision(stage, address)
        match action:
            case None:
                return False
            case "drop":
                await self._break_line()
            case "half":
                await self._break_line(after=b"25")
            case "garbage":
                await self.push("what?")
            case "slow":
                await asyncio.sleep(self._simulator.faults.slow_s)
                return False
            case reply:
                await self._refuse(reply)
        return True

    async def _refuse(self, reply: str) -> None:
        self._count(reply)
        await self.push(reply)
        if reply.startswith("421") and self.transport is not None:
            self.transport.close()

    def _count(self, reply: str) -> None:
        self._simulator.record.refused[reply[:3]] += 1

    async def _break_line(self, *, after: bytes = b"") -> None:
        """Break the line; this never returns, because the task ends with the connection."""
        if after:
            self._writer.write(after)
            await self._writer.drain()
            await asyncio.sleep(0.01)
        self.cut()
        await asyncio.Event().wait()

    def _without_dsn(self, arg: str | None, *names: str) -> tuple[str | None, tuple[str, ...]]:
        """Take the parameters of DSN out, which aiosmtpd does not know."""
        if arg is None or not self._simulator.dsn:
            return arg, ()
        head, bracket, options = arg.rpartition(">")
        taken = tuple(option for option in options.split() if option.partition("=")[0].upper() in names)
        left = [option for option in options.split() if option not in taken]
        return f"{head}{bracket} {' '.join(left)}".rstrip(), taken


def _flaw(content: bytes, *, utf8: bool) -> str | None:
    """Find out why a message is refused, if it is."""
    if _BARE.search(content):
        return "550 5.6.11 Bare line ends"
    if not content.isascii() and not utf8:
        return "554 5.6.1 8-bit content"
    names = [name.lower() for name in re.findall(rb"^([!-9;-~]+):", content.partition(b"\r\n\r\n")[0], re.MULTILINE)]
    for name in NEEDED:
        if names.count(name.encode()) != 1:
            return f"554 5.6.0 A message has one {name.title()} header"
    return None


def _accepted(message: Received, call: int, queue_id: str) -> Accepted:
    parsed = email.message_from_bytes(message.content.replace(b"\r\n", b"\n"), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)  # noqa: S101 (the policy's own class)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    return Accepted(
        message.address,
        call,
        queue_id,
        str(parsed["Subject"] or ""),
        html.get_content() if html else "",
        text.get_content() if text else "",
        {name: str(value) for name, value in parsed.items()},
    )


@contextmanager
def running_smtp(simulator: SmtpSimulator) -> Iterator[tuple[str, int]]:
    """Serve in a thread for the time of a block; give the host and the port."""
    loop = asyncio.new_event_loop()
    ready: list[tuple[str, int]] = []
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with simulator.listening() as address:
            ready.append(address)
            started.set()
            await stop.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
