"""A small real IMAP server on loopback: what of RFC 3501 a mailbox poll uses, and MOVE (RFC 6851) where it is wanted.

It refuses what a real one refuses: a wrong password, a command before its time, a folder there is not, a command it
does not know.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_SET = re.compile(r"[\d,:*]+")
_BEGINNING = re.compile(r"\(BODY\.PEEK\[\]<0\.(\d+)>\)")


@dataclass
class Mail:
    """A message in a folder."""

    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)


class Mailbox:
    """The folders of one user, and how the server serves them."""

    def __init__(
        self, *, user: str = "leave", password: str = "secret", move: bool = True, create: bool = True
    ) -> None:
        self.user, self.password, self.move, self.create = user, password, move, create
        self.folders: dict[str, list[Mail]] = {"INBOX": []}
        self.commands: list[str] = []
        self.fails: set[str] = set()
        self._uid = 0

    def deliver(self, raw: bytes, folder: str = "INBOX") -> Mail:
        """Put a message into a folder."""
        self._uid += 1
        mail = Mail(self._uid, raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        self.folders[folder].append(mail)
        return mail

    def subjects(self, folder: str = "INBOX") -> list[str]:
        """Give the subjects of a folder."""
        found = []
        for mail in self.folders.get(folder, []):
            match = re.search(rb"^Subject: (.*)$", mail.raw, re.MULTILINE)
            found.append(match[1].decode().strip() if match else "")
        return found


class _Refused(Exception):  # noqa: N818 (an answer, no error of ours)
    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


class _Session:
    def __init__(self, box: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.box, self.reader, self.writer = box, reader, writer
        self.logged_in = False
        self.folder = ""

    async def serve(self) -> None:
        self.send("* OK ready")
        while line := await self.reader.readline():
            text = line.decode().rstrip("\r\n")
            tag, _, rest = text.partition(" ")
            name, _, rest = rest.partition(" ")
            name = name.upper()
            if name == "UID":
                sub, _, rest = rest.partition(" ")
                name = f"UID {sub.upper()}"
            # A log of passwords would be none.
            self.box.commands.append(name if name == "LOGIN" else f"{name} {rest}".strip())
            try:
                done = await self.command(name, rest)
            except _Refused as refused:
                self.send(f"{tag} {refused.kind} {refused}")
                continue
            self.send(f"{tag} OK {done}")
            await self.writer.drain()
            if name == "LOGOUT":
                return

    def send(self, line: str) -> None:
        self.writer.write(line.encode() + b"\r\n")

    @property
    def mails(self) -> list[Mail]:
        return self.box.folders[self.folder]

    async def command(self, name: str, rest: str) -> str:
        if name in self.box.fails:
            raise _Refused("NO", f"{name} does not work today")
        if name == "CAPABILITY":
            self.send("* CAPABILITY IMAP4rev1" + (" MOVE" if self.box.move else ""))
            return "done"
        if name == "LOGOUT":
            self.send("* BYE")
            return "done"
        if name == "LOGIN":
            if shlex.split(rest) != [self.box.user, self.box.password]:
                raise _Refused("NO", "[AUTHENTICATIONFAILED] Authentication failed.")
            self.logged_in = True
            return "logged in"
        if not self.logged_in:
            raise _Refused("BAD", "log in first")
        if name in ("SELECT", "CREATE", "LIST"):
            return self.about_folders(name, shlex.split(rest))
        if not self.folder:
            raise _Refused("BAD", "select a folder first")
        return self.about_mails(name, rest)

    def about_folders(self, name: str, words: list[str]) -> str:
        folders = self.box.folders
        if name == "LIST":
            if words[1] in folders:
                self.send(f'* LIST (\\HasNoChildren) "/" "{words[1]}"')
        elif name == "CREATE":
            if not self.box.create or words[0] in folders:
                raise _Refused("NO", "it cannot be made")
            folders[words[0]] = []
        else:
            if words[0] not in folders:
                self.folder = ""
                raise _Refused("NO", f"[NONEXISTENT] there is no folder {words[0]}")
            self.folder = words[0]
            self.send(f"* {len(self.mails)} EXISTS")
            self.send("* OK [UIDVALIDITY 1]")
        return "[READ-WRITE] done" if name == "SELECT" else "done"

    def about_mails(self, name: str, rest: str) -> str:
        if name == "EXPUNGE":
            self.expunge([mail for mail in self.mails if r"\Deleted" in mail.flags])
            return "done"
        if name == "UID SEARCH":
            unknown = set(rest.split()) - {"UNSEEN", "UNFLAGGED", "ALL"}
            if unknown:
                raise _Refused("BAD", f"unknown criteria {unknown}")
            without = {r"\Seen"} & ({r"\Seen"} if "UNSEEN" in rest else set())
            without |= {r"\Flagged"} if "UNFLAGGED" in rest else set()
            self.send(" ".join(["* SEARCH", *(str(mail.uid) for mail in self.mails if not mail.flags & without)]))
            return "done"
        uids, _, rest = rest.partition(" ")
        if not _SET.fullmatch(uids):
            raise _Refused("BAD", "no set of messages")
        chosen = [mail for mail in self.mails if str(mail.uid) in uids.split(",")]
        if name == "UID FETCH":
            return self.fetch(chosen, rest)
        if name == "UID STORE":
            kind, _, flags = rest.partition(" ")
            for mail in chosen:
                given = set(flags.strip("()").split())
                mail.flags = mail.flags | given if kind.startswith("+") else mail.flags - given
            return "done"
        if name in ("UID COPY", "UID MOVE") and (self.box.move or name == "UID COPY"):
            (folder,) = shlex.split(rest)
            if folder not in self.box.folders:
                raise _Refused("NO", "[TRYCREATE] there is no such folder")
            for mail in chosen:
                self.box.deliver(mail.raw, folder).flags = mail.flags - {r"\Deleted"}
            if name == "UID MOVE":
                self.expunge(chosen)
            return "done"
        raise _Refused("BAD", f"unknown command {name}")

    def fetch(self, chosen: list[Mail], what: str) -> str:
        beginning = _BEGINNING.fullmatch(what)
        if what != "(BODY.PEEK[HEADER])" and beginning is None:
            raise _Refused("BAD", f"this server fetches headers or beginnings, not {what}")
        for mail in chosen:
            if beginning is None:
                named, part = b"[HEADER]", mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            else:
                named, part = b"[]<0>", mail.raw[: int(beginning[1])]
            place = self.mails.index(mail) + 1
            self.writer.write(b"* %d FETCH (UID %d BODY%b {%d}\r\n%b)\r\n" % (place, mail.uid, named, len(part), part))
        return "done"

    def expunge(self, gone: list[Mail]) -> None:
        for mail in gone:
            self.send(f"* {self.mails.index(mail) + 1} EXPUNGE")
            self.mails.remove(mail)


@contextmanager
def serving(box: Mailbox, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve a mailbox on 127.0.0.1 for a block, in a thread; give the port."""
    loop = asyncio.new_event_loop()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Session(box, reader, writer).serve()
        except (ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(connection, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:

        async def stop() -> None:
            server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
