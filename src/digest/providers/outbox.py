"""The local outbox: a Maildir that any mail program can open, for trying things out and for tests.

A message's file is named after the copy it is, so that what was delivered can be asked of the folder itself.

Limits and quirks:
 - a message that is deleted from the folder between a crash and the next run looks as if it had never come,
   and is written again;
 - an address with a local part outside ASCII gets a message with UTF-8 headers (RFC 6532).

Source: the Maildir format, https://cr.yp.to/proto/maildir.html.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import parseaddr
from itertools import islice
from pathlib import Path

from pydantic import Field

from digest.providers.interface import AccountError, Answer, Batch, Found, Message, Proof, Recipient, Said
from digest.providers.mime import MimeMessage
from digest.providers.options import Options as BaseOptions

WRITERS = 4
"""Threads that write and sync: the disk takes several syncs as one, so four double the pace and more add nothing."""


PAGE, HEAD_BYTES = 1000, 16 * 1024
ALWAYS_S = 100 * 365 * 24 * 3600.0
"""A folder can be asked for as long as it is there."""


class Options(BaseOptions):
    """What may be set about the outbox."""

    folder: Path = Field(description="The Maildir; the setting `outbox` names it.")
    connections: int = Field(1, ge=1, le=64, description="Batches written at the same time.")


def connect(options: Options) -> Outbox:
    """Make the provider."""
    return Outbox(options)


class Outbox:
    """Writes each copy into a Maildir: whole in `tmp`, synced, then moved to `new`."""

    name = "outbox"
    limit = 10_000
    unused: frozenset[str] = frozenset()

    proof = Proof(ask_s=ALWAYS_S, recall_s=ALWAYS_S)

    def __init__(self, options: Options) -> None:
        self.pace = options.pace
        self._folder = options.folder.absolute()
        self.account = str(self._folder)
        self._encoded: tuple[Message, MimeMessage] | None = None

    async def open(self, *, begin: bool) -> None:
        """Make the folder where there is none; only at the beginning: later, one that is missing proves nothing."""
        if not begin:
            return
        try:
            for name in ("tmp", "new", "cur"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AccountError(f"{self._folder} cannot be made: {error.strerror}") from error

    async def probe(self) -> Said:
        """Look whether the folder, or the one it would be made in, can be written to."""
        place = next(one for one in (self._folder / "new", self._folder, *self._folder.parents) if one.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise AccountError(f"{place} cannot be written to")
        return Said(f"the folder {self._folder}; it mails nobody")

    async def close(self) -> None:
        """Nothing is open."""

    async def hand_over(self, batch: Batch) -> Answer:
        """Write the batch's messages; all are on the disk when this returns."""
        return await asyncio.to_thread(self._deliver, batch)

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        """Look which of the batch's messages are in the folder, read (`cur`) or not (`new`).

        Raises:
            FileNotFoundError: the folder is not there, so it proves nothing: it may be a disk that is not mounted.
        """
        return await asyncio.to_thread(self._find, batch)

    async def recall(self, since: datetime) -> AsyncGenerator[Sequence[Found], None]:
        """List the messages in the folder, by their names and their headers.

        Raises:
            FileNotFoundError: the folder is not there.
        """
        listed = self._listed()
        while page := await asyncio.to_thread(lambda: list(islice(listed, PAGE))):
            yield page

    def _listed(self) -> Iterator[Found]:
        for folder in ("new", "cur"):
            for path in (self._folder / folder).iterdir():
                with path.open("rb") as file:
                    start = file.read(HEAD_BYTES).partition(b"\r\n\r\n")[0]
                head = BytesHeaderParser(policy=compat32).parsebytes(start)
                at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                subject = str(make_header(decode_header(str(head["Subject"] or ""))))
                name = path.name.partition(".digest")[0]
                yield Found(parseaddr(str(head["To"] or ""))[1], subject, at, (name,))

    def _deliver(self, batch: Batch) -> Answer:
        if not all((self._folder / name).is_dir() for name in ("tmp", "new")):
            raise AccountError(f"the folder {self._folder} is not there, or is no Maildir; is its disk mounted?")
        message = self._encode(batch.message)

        def deliver(recipient: Recipient) -> None:
            name = _name(recipient)
            _write(self._folder / "tmp" / name, message.copy_for(recipient, batch.date))
            (self._folder / "tmp" / name).rename(self._folder / "new" / name)

        with ThreadPoolExecutor(WRITERS) as pool:
            for _ in pool.map(deliver, batch.recipients):
                pass
        _sync_folder(self._folder / "new")
        return Answer()

    def _encode(self, message: Message) -> MimeMessage:
        # Batches of other variants are written in other threads: what is looked at is what is given.
        encoded = self._encoded
        if encoded is None or encoded[0] is not message:
            encoded = self._encoded = (message, MimeMessage(message))
        return encoded[1]

    def _find(self, batch: Batch) -> Mapping[int, str | None]:
        there = set(self._delivered())
        return {r.subscriber: None for r in batch.recipients if _name(r) in there}

    def _delivered(self) -> Iterator[str]:
        for folder in ("new", "cur"):
            with os.scandir(self._folder / folder) as entries:
                # A mail program adds flags after a colon when it moves a message to `cur`.
                yield from (entry.name.partition(":")[0] for entry in entries)


def _name(recipient: Recipient) -> str:
    return f"{recipient.values['message']}.digest"


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
