"""Any SMTP server that takes mail for others: a relay of one's own, a host's, or a provider's (RFC 6409).

One message for each recipient, over a few connections that are used again. The server says of every copy what became
of it, and what it said counts: 250 is accepted, 5yz rejected, 4yz goes again. A line that breaks between the final
dot and the answer leaves one copy uncertain, and nobody can be asked about it (RFC 1047).

What concerns more than one copy stops the batch: the rest of it goes again, and `Answer.trouble` says why.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Literal, Self

from pydantic import Field, FilePath, SecretStr, model_validator

from digest.providers.calls import fingerprint
from digest.providers.dkim_signing import Signer
from digest.providers.interface import (
    Answer,
    BadCallError,
    Batch,
    Message,
    NotAcceptedError,
    Proof,
    Recipient,
    Said,
    TryAgainError,
)
from digest.providers.mime import MimeMessage
from digest.providers.options import Options as BaseOptions
from digest.providers.smtp_replies import CLOSING, LostError, RefusedError, queue_id, shared_trouble
from digest.providers.submission import Line, Server, Submission, Tls

IMPLICIT_PORTS = (465, 2465)
IDLE_S = 30.0
"""A line that nobody uses is closed after this time; servers do it after some minutes (RFC 5321, 4.5.3.2.7)."""
MESSAGES = 16
"""Of so many messages, as they take turns, it is known that the server has accepted copies."""
TELLING = 3
"""So many copies refused for their content before any was accepted, and it is not the copies but the issue."""


class Options(BaseOptions):
    """What may be set about an SMTP server."""

    host: str = Field(min_length=1, description="The server's name.")
    port: int = Field(587, ge=1, le=65535, description="Its port: 587 for STARTTLS, 465 for TLS from the start.")
    tls: Literal["auto", "implicit", "starttls", "none"] = Field(
        "auto",
        description="How the line is secured. auto: implicit on port 465, none on this machine, starttls elsewhere.",
    )
    ca_file: FilePath | None = Field(None, description="Certificates to trust beside the system's own, in PEM.")
    username: str = Field("", description="The login; empty is without one. It is only used under TLS.")
    password: SecretStr = Field(SecretStr(""), description="Its password.")
    own_name: str = Field("", description="What this machine calls itself (EHLO); its own name where empty.")
    return_path: str = Field(
        "",
        pattern=r"^([^\s@<>{}]*(\{token\})?[^\s@<>{}]*@[^\s@<>{}]+)?$",
        description="Where bounces go, such as bounce+{token}@example.com; the sender's address where empty.",
    )
    dsn: bool = Field(True, description="Ask for bounces with headers only, where the server offers it (RFC 3461).")
    messages_per_connection: int = Field(100, ge=1, description="After so many a new connection is made.")
    timeout_s: float = Field(60, gt=0, le=600, description="Seconds without an answer to a command.")
    accept_timeout_s: float = Field(
        600, gt=0, le=3600, description="Seconds without an answer after a message; RFC 5321 asks for 10 minutes."
    )
    dkim_domain: str = Field("", description="Sign for this domain (DKIM); empty leaves it to the server.")
    dkim_selector: str = Field("", description="Where its public key is: SELECTOR._domainkey.DOMAIN.")
    dkim_key: FilePath | None = Field(None, description="The private key in PEM, RSA or Ed25519.")

    @property
    def security(self) -> Tls:
        """How the line is secured."""
        if self.tls != "auto":
            return self.tls
        if self.port in IMPLICIT_PORTS:
            return "implicit"
        return "none" if _is_this_machine(self.host) else "starttls"

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.username and self.security == "none":
            raise ValueError(
                "a password is only sent under TLS: set tls to implicit or starttls, or leave out username"
            )
        if len({bool(self.dkim_domain), bool(self.dkim_selector), bool(self.dkim_key)}) > 1:
            raise ValueError("dkim_domain, dkim_selector and dkim_key are only of use together")
        return self


def connect(options: Options) -> Smtp:
    """Make the provider.

    Raises:
        ValueError: a file that the options name is not what it should be.
    """
    return Smtp(options)


class Smtp:
    """Hands over one message at a time on each of its lines."""

    name = "smtp"
    limit = 50
    unused: frozenset[str] = frozenset()
    proof = Proof()

    def __init__(self, options: Options) -> None:
        self.pace = options.pace
        login = f", login {fingerprint(options.username)}" if options.username else ""
        self.account = f"{options.host}:{options.port}{login}"
        self._options = options
        self._server = _server(options)
        self._signer = _signer(options)
        # Signing is arithmetic under Python's lock: one thread leaves the loop its turns, and more add nothing.
        self._signing = ThreadPoolExecutor(1, "dkim")
        self._seats = asyncio.Semaphore(options.connections)
        self._idle: dict[Line, asyncio.TimerHandle] = {}
        self._quitting: set[asyncio.Task[None]] = set()
        self._encoded: tuple[Message, MimeMessage] | None = None
        self._accepted: deque[Message] = deque(maxlen=MESSAGES)

    async def open(self, *, begin: bool) -> None:
        """Connect and log in, so that a wrong password is found before anything is claimed."""
        async with self._seats:
            self._put_back(await self._take())

    async def probe(self) -> Said:
        """Connect, secure the line, log in and say good-bye: no mail is begun."""
        line = await Line.open(self._server)
        await line.quit()
        login = "logged in" if self._options.username else "without a login"
        secured = "in the open" if self._options.security == "none" else f"under TLS ({self._options.security})"
        return Said(f"{self._options.host}:{self._options.port} answers, {secured}, {login}")

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        """Nobody can be asked."""
        raise NotImplementedError("an SMTP server cannot be asked what it has accepted")

    async def close(self) -> None:
        """Say good-bye on all lines."""
        for line in list(self._idle):
            self._retire(line)
        if self._quitting:
            await asyncio.wait(self._quitting)
        self._signing.shutdown(wait=False)

    async def hand_over(self, batch: Batch) -> Answer:
        """Hand the copies over one after the other, and say of each what became of it."""
        try:
            mime = self._encode(batch.message)
        except ValueError as error:
            raise BadCallError(f"the issue cannot be written as a mail: {error}", shared=True) from error
        async with self._seats:
            run = _Run(batch)
            try:
                for recipient in batch.recipients:
                    if run.trouble is None:
                        await self._hand_one(run, mime, recipient)
                    else:
                        run.again[recipient.subscriber] = str(run.trouble)
                if run.line:
                    self._put_back(run.line)
                    run.line = None
            finally:
                if run.line:
                    run.line.cut()
        return run.answer()

    async def _hand_one(self, run: _Run, mime: MimeMessage, recipient: Recipient) -> None:
        try:
            submission = await self._write(mime, recipient, run.batch)
        except ValueError as error:
            self._unwanted(run, recipient.subscriber, f"it cannot be written as a mail: {error}")
            return
        try:
            while not await self._try(run, submission, recipient.subscriber):
                pass
        except ValueError as error:
            run.rejected[recipient.subscriber] = str(error)
        except NotAcceptedError as error:
            run.stop(recipient.subscriber, error)

    async def _try(self, run: _Run, submission: Submission, subscriber: int) -> bool:
        """Try to hand over one copy; tell whether that is settled, or a new line may do better.

        A line that has taken copies before may just be worn out: the server counts them, or has restarted. One
        that breaks at its first copy would break again.

        Raises:
            NotAcceptedError: there is no line.
        """
        line = run.line = await self._fresh(run.line)
        worn = line.used > 0
        try:
            words = await line.send(submission)
        except RefusedError as error:
            if worn and error.code == CLOSING:
                return False
            self._refused(run, subscriber, error)
        except LostError as error:
            if error.uncertain:
                run.uncertain[subscriber] = str(error)
                run.trouble = TryAgainError(str(error))
            elif worn:
                return False
            else:
                run.stop(subscriber, TryAgainError(str(error)))
        else:
            if not self._has_accepted(run.batch.message):
                self._accepted.append(run.batch.message)
            run.ids.append(queue_id(words))
        return True

    def _refused(self, run: _Run, subscriber: int, error: RefusedError) -> None:
        """Find out whom a refusal concerns: this copy, all of them, or the account."""
        if trouble := shared_trouble(error, proven=bool(self._accepted)):
            run.stop(subscriber, trouble)
        elif error.passes:
            run.again[subscriber] = str(error)
        elif error.about_content:
            self._unwanted(run, subscriber, str(error))
        else:
            run.rejected[subscriber] = str(error)

    def _unwanted(self, run: _Run, subscriber: int, reason: str) -> None:
        """Reject a copy for its content, or find that it is the issue's."""
        run.rejected[subscriber] = reason
        run.unwanted += 1
        wanted = run.ids or run.uncertain or self._has_accepted(run.batch.message)
        if run.unwanted >= TELLING and not wanted:
            run.trouble = BadCallError(reason, shared=True)

    def _has_accepted(self, message: Message) -> bool:
        return any(one is message for one in self._accepted)

    async def _write(self, mime: MimeMessage, recipient: Recipient, batch: Batch) -> Submission:
        content = mime.copy_for(recipient, batch.date).replace(b"\n", b"\r\n")
        if self._signer:
            content = await self._sign(self._signer, content, batch.date) + content
        token, name = recipient.values.get("token", ""), recipient.values.get("message", "")
        sender = self._options.return_path.replace("{token}", token) or batch.message.sender_address
        # Its letters and digits need no escaping (RFC 3461, section 4).
        envelope_id = f"{batch.idempotency_key}.{name}" if self._options.dsn else ""
        return Submission(sender, recipient.address, content, envelope_id)

    async def _sign(self, signer: Signer, content: bytes, moment: datetime) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._signing, signer.header_for, content, moment)

    def _encode(self, message: Message) -> MimeMessage:
        if self._encoded is None or self._encoded[0] is not message:
            self._encoded = (message, MimeMessage(message))
        return self._encoded[1]

    async def _fresh(self, line: Line | None) -> Line:
        """Give a line that can take another message: this one, or another."""
        if line and line.alive and line.used < self._options.messages_per_connection:
            return line
        if line and line.alive:
            self._retire(line)
        return await self._take()

    async def _take(self) -> Line:
        while self._idle:
            line, timer = self._idle.popitem()
            timer.cancel()
            if line.alive:
                return line
        return await Line.open(self._server)

    def _put_back(self, line: Line) -> None:
        if not line.alive:
            return
        if line.used >= self._options.messages_per_connection:
            self._retire(line)
        else:
            self._idle[line] = asyncio.get_running_loop().call_later(IDLE_S, self._retire, line)

    def _retire(self, line: Line) -> None:
        timer = self._idle.pop(line, None)
        if timer:
            timer.cancel()
        task = asyncio.get_running_loop().create_task(line.quit())
        self._quitting.add(task)
        task.add_done_callback(self._quitting.discard)


@dataclass
class _Run:
    """What has become of a batch so far. Once there is `trouble`, the rest of it goes again."""

    batch: Batch
    line: Line | None = None
    ids: list[str] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)
    again: dict[int, str] = field(default_factory=dict)
    uncertain: dict[int, str] = field(default_factory=dict)
    trouble: NotAcceptedError | None = None
    unwanted: int = 0

    def stop(self, subscriber: int, trouble: NotAcceptedError) -> None:
        self.again[subscriber] = str(trouble)
        self.trouble = trouble

    def answer(self) -> Answer:
        """Give the answer, or raise what went wrong where that is all that came of it."""
        if isinstance(self.trouble, BadCallError):
            raise self.trouble
        if self.again and not (self.ids or self.rejected or self.uncertain):
            reason = next(iter(self.again.values()))
            raise self.trouble or TryAgainError(f"{len(self.again)} put off, the first because of {reason}")
        return Answer(
            message_ids=self.ids if any(self.ids) else (),
            rejected=self.rejected,
            again=self.again,
            trouble=self.trouble,
            uncertain=self.uncertain,
        )


def _server(options: Options) -> Server:
    context = None
    if options.security != "none":
        context = ssl.create_default_context()
        if options.ca_file:
            try:
                context.load_verify_locations(options.ca_file)
            except ssl.SSLError as error:
                raise ValueError(f"{options.ca_file} has no certificates in PEM ({error.reason})") from error
    return Server(
        options.host,
        options.port,
        options.security,
        context,
        options.username,
        options.password,
        options.own_name,
        options.timeout_s,
        options.accept_timeout_s,
    )


def _signer(options: Options) -> Signer | None:
    if not options.dkim_key:
        return None
    try:
        return Signer(options.dkim_domain, options.dkim_selector, options.dkim_key.read_bytes())
    except (ValueError, OSError) as error:
        raise ValueError(f"{options.dkim_key} is no key to sign with: {error}") from error


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
