"""One connection to an SMTP server: opened, secured and logged in, then one message after the other.

aiosmtplib does the talking (https://aiosmtplib.readthedocs.io), but for the message itself: its `data()` ends in the
same exception whether the line broke before the final dot, when nobody has the message, or after it, when the server
may have. So here the message, the dot and the answer are steps of their own.

Sources: RFC 5321 (4.2.1 replies, 4.5.2 dots, 4.5.3.2 time-outs), RFC 1047 (why a message arrives twice), RFC 3207
(STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE), RFC 3461 (DSN), RFC 6531 (SMTPUTF8), RFC 8314 (TLS from the start).
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Literal, Self, cast

import aiosmtplib
from pydantic import SecretStr

from digest.providers.interface import AccountError, NotAcceptedError, TryAgainError
from digest.providers.smtp_replies import CLOSING, TOO_LARGE, LostError, RefusedError, Stage

Tls = Literal["implicit", "starttls", "none"]

POLL_S = 0.01
QUIT_S = 5.0
REASON_LENGTH = 300


@dataclass(frozen=True)
class Server:
    """Where to hand messages over, and how. Time-outs are in seconds; `accept_timeout_s` is the one after the dot."""

    host: str
    port: int
    tls: Tls
    context: ssl.SSLContext | None
    username: str
    password: SecretStr
    own_name: str
    timeout_s: float
    accept_timeout_s: float

    def clean(self, text: str) -> str:
        """Put a server's words on one line, without what it may have echoed of the password."""
        for secret in self._secrets():
            text = text.replace(secret, "…")
        return " ".join(text.split())[:REASON_LENGTH]

    def _secrets(self) -> Iterator[str]:
        password = self.password.get_secret_value()
        if password:
            # As AUTH PLAIN and AUTH LOGIN write it. The longest goes first: it contains the others.
            yield b64encode(f"\0{self.username}\0{password}".encode()).decode()
            yield b64encode(password.encode()).decode()
            yield password


@dataclass(frozen=True)
class Submission:
    """One message for one recipient, with CRLF line ends. `envelope_id` is what a bounce is to quote."""

    sender: str
    address: str
    content: bytes
    envelope_id: str = ""

    def check(self) -> None:
        """Refuse what cannot stand in a command.

        Raises:
            ValueError: an address is none, or more than one.
        """
        for address in (self.sender, self.address):
            if "@" not in address or parseaddr(address)[1] != address:
                raise ValueError(f"{address!r} is not one address")

    @property
    def international(self) -> bool:
        """Whether it needs a server with SMTPUTF8."""
        return not (self.content.isascii() and self.address.isascii() and self.sender.isascii())


class Line:
    """A connection that is ready to take messages. `used` counts those it was given."""

    def __init__(self, server: Server, client: aiosmtplib.SMTP) -> None:
        self._server, self._client = server, client
        self.used = 0
        size = client.esmtp_extensions.get("size", "")
        self._most_bytes = int(size) if size.isdigit() else 0

    @classmethod
    async def open(cls, server: Server) -> Self:
        """Connect, secure the line and log in.

        Raises:
            AccountError: the certificate is not valid, the password is wrong, TLS or AUTH is not offered.
            TryAgainError: anything else.
        """
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "implicit",
            start_tls=False,
            tls_context=server.context,
            local_hostname=server.own_name or None,
            timeout=server.timeout_s,
        )
        opened: Self | None = None
        try:
            await client.connect()
            await client.ehlo()
            if server.tls == "starttls":
                if not client.supports_extension("starttls"):
                    raise AccountError(f"{_place(server)} offers no STARTTLS; nothing is sent in the open")
                await client.starttls()
                await client.ehlo()
            if server.username:
                await _log_in(server, client)
            opened = cls(server, client)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _unopened(server, error) from error
        finally:
            if opened is None:
                _cut(client, client.transport)
        return opened

    @property
    def alive(self) -> bool:
        """Whether the line is there, as far as is known."""
        return self._client.is_connected

    async def send(self, message: Submission) -> str:
        """Hand one message over; give what the server said when it accepted it.

        Raises:
            ValueError: an address cannot be put into a command. Nothing was accepted.
            RefusedError: the server said no. The line can be used on, if `alive`.
            LostError: the line broke, or the server's answer makes no sense.
        """
        message.check()
        self._check_offers(message)
        self.used += 1
        client = self._client
        stage: Stage = "MAIL"
        encoding = "utf-8" if message.international else "ascii"
        try:
            await client.mail(message.sender, options=self._mail_options(message), encoding=encoding)
            stage = "RCPT"
            notify = ["NOTIFY=FAILURE"] if self._notifies(message) else []
            await client.rcpt(message.address, options=notify, encoding=encoding)
            stage = "DATA"
            code, text = await client.execute_command(b"DATA")
        except aiosmtplib.SMTPResponseException as error:
            code, text = error.code, error.message
        except (aiosmtplib.SMTPException, OSError) as error:
            self.cut()
            raise LostError(f"the line broke at {stage}: {_words(error)}") from error
        except BaseException:
            self.cut()  # It may have begun a message that the next one would run into.
            raise
        if code != aiosmtplib.SMTPStatus.start_input:
            raise await self._no(stage, code, text)
        return await self._content(message.content)

    async def reset(self) -> None:
        """Begin anew (RSET), so that nothing of a refused message is left; the line is cut where that fails."""
        ready = False
        try:
            await self._client.rset()
            ready = True
        except (aiosmtplib.SMTPException, OSError):
            pass
        finally:
            if not ready:
                self.cut()

    async def quit(self) -> None:
        """Say good-bye and close; a server that does not answer is left without."""
        transport = self._client.transport
        with suppress(aiosmtplib.SMTPException, OSError):
            await self._client.quit(timeout=min(QUIT_S, self._server.timeout_s))
        _cut(self._client, transport)

    def cut(self) -> None:
        """Close at once."""
        _cut(self._client, self._client.transport)

    def _check_offers(self, message: Submission) -> None:
        """Refuse here what the server has said it would refuse."""
        if message.international and not self._client.supports_extension("smtputf8"):
            raise RefusedError("RCPT", 0, "the server takes no address with letters outside ASCII (it has no SMTPUTF8)")
        if 0 < self._most_bytes < len(message.content):
            text = f"the message has {len(message.content)} bytes and the server takes {self._most_bytes}"
            raise RefusedError("content", TOO_LARGE, text)

    def _mail_options(self, message: Submission) -> list[str]:
        options = []
        if self._client.supports_extension("size"):
            options.append(f"SIZE={len(message.content)}")
        if message.international:
            options.append("SMTPUTF8")
            options += ["BODY=8BITMIME"] if self._client.supports_extension("8bitmime") else []
        if self._notifies(message):
            options += ["RET=HDRS", f"ENVID={message.envelope_id}"]
        return options

    def _notifies(self, message: Submission) -> bool:
        return bool(message.envelope_id) and self._client.supports_extension("dsn")

    async def _content(self, content: bytes) -> str:
        protocol, transport = self._client.protocol, cast("asyncio.WriteTransport", self._client.transport)
        if protocol is None:
            raise LostError("the line broke before the message")
        reading = asyncio.create_task(protocol.read_response())
        dotted = False
        try:
            await asyncio.sleep(0)  # What comes while nobody reads is thrown away.
            protocol.write(content.replace(b"\r\n.", b"\r\n.."))
            async with asyncio.timeout(self._server.timeout_s):
                await _written(transport, reading)
            if not reading.done():
                dotted = True
                protocol.write(b".\r\n")
            async with asyncio.timeout(self._server.accept_timeout_s):
                code, text = await reading
        except (aiosmtplib.SMTPException, OSError) as error:
            self.cut()
            where = "after the final dot" if dotted else "in the message"
            raise LostError(f"the line broke {where}: {_words(error)}", uncertain=dotted) from error
        finally:
            reading.cancel()
        if dotted and code // 100 == 2:
            return self._server.clean(text)
        if not dotted:
            self.cut()  # It has half of a message, and takes what comes next for the other half.
        raise await self._no("content", code, text)

    async def _no(self, stage: Stage, code: int, text: str) -> RefusedError | LostError:
        """Make the error of an answer that is not the one hoped for, and leave the line ready for the next message."""
        text = self._server.clean(text)
        if code // 100 not in (4, 5):
            self.cut()
            return LostError(f"an answer that makes no sense: {code} {text}", uncertain=stage == "content")
        if code == CLOSING:
            self.cut()
        elif stage in ("RCPT", "DATA") and self.alive:
            await self.reset()
        return RefusedError(stage, code, text)


async def _log_in(server: Server, client: aiosmtplib.SMTP) -> None:
    """Log in by the first of PLAIN and LOGIN; a second try with the same password could lock the account."""
    password = server.password.get_secret_value()
    if "plain" in client.server_auth_methods:
        await client.auth_plain(server.username, password)
    elif "login" in client.server_auth_methods:
        await client.auth_login(server.username, password)
    else:
        offered = " ".join(client.server_auth_methods) or "nothing"
        raise AccountError(f"{_place(server)} offers neither AUTH PLAIN nor AUTH LOGIN, but {server.clean(offered)}")


async def _written(transport: asyncio.WriteTransport, reading: asyncio.Task[aiosmtplib.SMTPResponse]) -> None:
    """Wait until all is on its way, or the server answers before its time."""
    while transport.get_write_buffer_size() and not reading.done():
        await asyncio.wait({reading}, timeout=POLL_S)


def _unopened(server: Server, error: Exception) -> NotAcceptedError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return AccountError(f"the certificate of {_place(server)} is not valid: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError):
        return TryAgainError(f"no TLS with {_place(server)}: {_words(cause)}; is smtp.tls right for this port?")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        reason = f"{_place(server)} says {error.code} {server.clean(error.message)}"
        return AccountError(reason) if error.code // 100 == 5 else TryAgainError(reason)
    return TryAgainError(f"no connection to {_place(server)}: {_words(error)}")


def _cut(client: aiosmtplib.SMTP, transport: asyncio.BaseTransport | None) -> None:
    client.close()
    if transport is not None:
        # Closing alone waits for the other side to close TLS, which it may never do.
        cast("asyncio.WriteTransport", transport).abort()


def _place(server: Server) -> str:
    return f"{server.host}:{server.port}"


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:REASON_LENGTH] or type(error).__name__
