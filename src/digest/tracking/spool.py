"""The spool: what comes in is on the disk before it is answered, and is worked into the store later.

It is a folder beside the store. Each process appends to a file of its own there, which it holds locked (flock(2)). The
kernel lets go of the lock when the process dies, however it dies: so others see whether anything can still be added.
Nobody ever appends to a file of another, or to one in which a write failed: behind what a power cut leaves torn at the
end of a file there is nothing.

A record has a mark before it, its length, and a CRC-32 of both. Requests that come in while the disk is at work wait
for the next write together, and share one fdatasync(2).

How far a file is worked stands in the table `spools`, moved on in the transaction that works the records. The file goes
first, then its row: so no crash leaves a file whose records nobody remembers.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
import sqlite3
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from digest.errors import DigestError
from digest.store import Database, writing

MOST_BYTES, MOST_S = 16 * 1024 * 1024, 300.0
"""When a process begins another file: what a provider says names readers, and goes with the file once it is worked."""

AT_ONCE, BYTES_AT_ONCE = 5_000, 1024 * 1024
"""Records, and bytes of them, worked in one transaction: others wait for it who want to write."""

SUFFIX, FILES, NEW = "-spool", "*.spool", "*.new"

MARK = b"\xff\xd1\x9e\xfe"
"""Stands before each record. No text in UTF-8 has it, so that it is found again after something damaged."""
_HEAD = struct.Struct("<4sII")

Take = Callable[[sqlite3.Connection, list[bytes]], None]
"""Works records, in the transaction it is given. What it raises undoes all of it; they come again."""

log = logging.getLogger("digest")


class SpoolError(DigestError):
    """Something that came in could not be written down, and is as if it had never come; web pages answer 503."""

    headers: ClassVar = {"Retry-After": "60"}


def folder_of(store: Path) -> Path:
    """Give where the spool of a store lies: beside the file itself, whatever link leads to it."""
    store = store.resolve()
    return store.with_name(store.name + SUFFIX)


# Writing -----------------------------------------------------------------------------------------------------------


@dataclass
class _File:
    """The file a process writes. `size` is what of it is known to be on the disk."""

    path: Path
    descriptor: int
    size: int = 0


class Spool:
    """Writes records down, for one process on one event loop. It makes no file before there is a record."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES, most_s: float = MOST_S) -> None:
        self._folder, self._most_bytes, self._most_s = folder, most_bytes, most_s
        # All that touches the file is done in its one thread, and all else on the loop.
        self._thread = ThreadPoolExecutor(1, "spool")
        self._file: _File | None = None
        self._waiting: list[tuple[bytes, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_old = self._is_closed = False

    async def put(self, *records: bytes) -> None:
        """Write records down; when this returns, all of them are on the disk.

        Raises:
            SpoolError: they are not, because the disk is full or broken.
        """
        if self._is_closed:
            raise SpoolError("this site is being stopped; please try again in a minute")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((b"".join(map(framed, records)), done))
        if self._writing is None:
            # It begins after all that this round of the loop brings.
            self._writing = loop.create_task(self._write_all())
        if not await done:
            raise SpoolError("what came in could not be written down; please try again in a minute")

    async def close(self) -> None:
        """Write what waits, and close the file: from then on anybody may work all of it and remove it."""
        self._is_closed = True
        if self._writing is not None:
            await self._writing
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end)
        self._thread.shutdown()

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting or self._is_old:
                group, self._waiting = self._waiting, []
                ending, self._is_old = self._is_old, False
                data = b"".join([frames for frames, _ in group])
                is_written = await loop.run_in_executor(self._thread, self._try_to_write, data, ending)
                for _, done in group:
                    # Whoever waited may have gone.
                    if not done.done():
                        done.set_result(is_written)
                if self._timer is None and self._file is not None:
                    self._timer = loop.call_later(self._most_s, self._grow_old)
        finally:
            self._writing = None

    def _grow_old(self) -> None:
        self._timer, self._is_old = None, True
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_all())

    def _try_to_write(self, data: bytes, ending: bool) -> bool:
        try:
            self._write(data, ending)
        except Exception as error:  # whatever it is, those who wait must be told
            words = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            log.error("spool: nothing can be written to %s: %s", self._folder, words)
            return False
        return True

    def _write(self, data: bytes, ending: bool) -> None:
        if ending or (self._file is not None and os.fstat(self._file.descriptor).st_nlink == 0):
            self._end()
        if not data:
            return
        file = self._file = self._file or self._begin()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file.descriptor, view) :]
            os.fdatasync(file.descriptor)
        except OSError:
            self._give_up(file)
            raise
        file.size += len(data)
        if file.size >= self._most_bytes:
            self._end()

    def _begin(self) -> _File:
        """Make a file, where another process that tidies the folder may just have taken it away."""
        mode = self._make_folder()
        for _ in range(2):
            with suppress(BlockingIOError, FileNotFoundError):
                return self._make_file(mode)
        return self._make_file(mode)

    def _make_folder(self) -> int:
        """Make the folder, and give the mode of files in it: whoever may read the store may read them."""
        store = self._folder.with_name(self._folder.name.removesuffix(SUFFIX))
        mode = store.stat().st_mode & 0o666 if store.exists() else 0o600
        with suppress(FileExistsError):
            self._folder.mkdir(0o700)
            self._folder.chmod(mode | (mode & 0o444) >> 2)
        sync_folder(self._folder.parent)
        return mode

    def _make_file(self, mode: int) -> _File:
        """Make a file. It gets its name when it is locked: what has that name and no lock is nobody's any more."""
        name = f"{os.getpid()}-{secrets.token_hex(8)}"
        new, path = self._folder / f"{name}.new", self._folder / f"{name}.spool"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(descriptor, mode)
            new.rename(path)
            sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        return _File(path, descriptor)

    def _end(self) -> None:
        if self._file is not None:
            os.close(self._file.descriptor)
            self._file = None

    def _give_up(self, file: _File) -> None:
        """Take away what was not answered, and write no more to a file that may have been read beyond its end."""
        with suppress(OSError):
            if file.size:
                os.ftruncate(file.descriptor, file.size)
            else:
                file.path.unlink(missing_ok=True)
        self._end()


def framed(record: bytes) -> bytes:
    """Write a record as it stands in a file."""
    length = len(record)
    return _HEAD.pack(MARK, length, _code(length, record)) + record


def _code(length: int, record: bytes) -> int:
    # The length as bytes: of no length and no record the code would be zero, as all that was never written.
    return zlib.crc32(record, zlib.crc32(length.to_bytes(4, "little")))


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Working -----------------------------------------------------------------------------------------------------------


def drain(
    folder: Path, db: Database, take: Take, *, most: int = AT_ONCE, stopping: Callable[[], bool] = lambda: False
) -> int:
    """Work what lies in the spool, all that is there when this begins; give how many records that were.

    Each record is worked exactly once, whatever dies in between and however many processes do this at once: what `take`
    does happens in one transaction with the note of how far its file is worked.

    Args:
        folder: where the spool lies: see `folder_of`.
        db: the store, not in a transaction.
        take: works some records.
        most: how many at once.
        stopping: asked before each transaction; the rest is left for the next time where it says so.
    """
    taken = 0
    for path in _files(folder):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # another process worked it meanwhile
        with file:
            taken += _work(path, file, db, take, most, stopping)
    _forget_files(folder, db)
    return taken


def _files(folder: Path) -> list[Path]:
    """Give the files, those written to last at the end."""
    found = {}
    for path in folder.glob(FILES):
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return sorted(found, key=lambda path: found[path])


def _work(path: Path, file: BinaryIO, db: Database, take: Take, most: int, stopping: Callable[[], bool]) -> int:
    # Asked first: what has no lock now will not grow any more.
    is_ended = _lock(file)
    end, taken = os.fstat(file.fileno()).st_size, 0
    while (done := _done(db.conn, path)) < end:
        if stopping():
            return taken
        records, reached = _read(file, done, end, most, is_ended)
        if reached == done:
            return taken
        with writing(db) as connection:
            # Another process may have worked these meanwhile, and even have removed the file, and then its row.
            if not path.exists():
                return taken
            if _done(connection, path) != done:
                continue
            if records:
                take(connection, records)
            connection.execute(
                "INSERT INTO spools (name, done) VALUES (?, ?) ON CONFLICT DO UPDATE SET done = excluded.done",
                (path.name, reached),
            )
        taken += len(records)
    if is_ended:
        path.unlink(missing_ok=True)
    return taken


def _lock(file: BinaryIO) -> bool:
    """Tell whether nobody writes a file; nobody else removes it while it is open here."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _done(connection: sqlite3.Connection, path: Path) -> int:
    row = connection.execute("SELECT done FROM spools WHERE name = ?", (path.name,)).fetchone()
    return int(row[0]) if row else 0


def _read(file: BinaryIO, start: int, end: int, most: int, is_ended: bool) -> tuple[list[bytes], int]:
    """Read some records, and give where they end.

    What is not whole at the end of a file that is being written is left for the next time. In one that has ended it
    never will be whole: it is left out.
    """
    file.seek(start)
    records: list[bytes] = []
    at, left_out = start, 0
    while at < end and len(records) < most and at - start < BYTES_AT_ONCE:
        record = _record(file, end - at)
        if record is not None:
            records.append(record)
            at += _HEAD.size + len(record)
        elif is_ended:
            found = _next_mark(file, at + 1, end)
            left_out += found - at
            at = found
        else:
            break
    if left_out:
        log.warning("spool: %d bytes of %s are not whole, and are left out", left_out, file.name)
    return records, at


def _record(file: BinaryIO, left: int) -> bytes | None:
    """Read the next record; None where none begins here, or it is not whole or damaged."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    mark, length, code = _HEAD.unpack(head)
    if mark != MARK or _HEAD.size + length > left:
        return None
    record = file.read(length)
    return record if len(record) == length and _code(length, record) == code else None


def first_record(path: Path, start: int) -> bytes | None:
    """Give the record of a file that begins at a place; None where none does, or it is not whole.

    Raises:
        FileNotFoundError: another process worked all of it meanwhile.
    """
    with path.open("rb") as file:
        file.seek(start)
        return _record(file, os.fstat(file.fileno()).st_size - start)


def _next_mark(file: BinaryIO, start: int, end: int) -> int:
    file.seek(start)
    found = file.read(end - start).find(MARK)
    at = end if found < 0 else start + found
    file.seek(at)
    return at


def _forget_files(folder: Path, db: Database) -> None:
    """Delete the rows of files that are gone, and what a process left that died while it made a file."""
    for path in folder.glob(NEW):
        with suppress(FileNotFoundError), path.open("rb") as file:
            if _lock(file):
                path.unlink(missing_ok=True)
    # In this order: a file that has a row then is not there any more, or is seen.
    worked = {str(name) for (name,) in db.conn.execute("SELECT name FROM spools")}
    gone = worked - {path.name for path in folder.glob(FILES)}
    if not gone or not folder.is_dir():
        return
    # Whoever removed them may not have come to this: a power cut must not bring back a file without its row.
    sync_folder(folder)
    with writing(db) as connection:
        connection.executemany("DELETE FROM spools WHERE name = ?", [(name,) for name in gone])
