"""Another file in the store's place: looked at beforehand, put there at once, and the old one kept.

There is no moment without a store: a `digest serve` that is started in it would make an empty one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from digest.errors import StoreError
from digest.store.backup import PAGES_A_STEP, beside_of, expect_room, sync
from digest.store.connection import explain

ENDING = ".restoring"
"""What the name of a file ends with that is about to become the store."""


def copy_to(file: Path, to: Path) -> None:
    """Copy a SQLite file, with what its write-ahead log has; the file stays as it is, and nothing is put beside it.

    Raises:
        StoreError: it is not there, no SQLite file, damaged, or there is no room for it.
    """
    if not file.is_file():
        raise StoreError(f"there is no file {file}; `digest db backups` lists the backups there are")
    try:
        # What a process was killed over is missing from the file itself, and has to be read with it.
        logged = any(side.exists() and side.stat().st_size for side in beside_of(file)[:2])
        expect_room(to.parent, file.stat().st_size, what="bringing it back")
        clear(to)
        to.touch(0o600)
        # Without a log nobody writes it. Said so, a file can be read in a folder that cannot be written to.
        mode = "mode=ro" if logged else "mode=ro&immutable=1"
        with (
            closing(sqlite3.connect(f"file:{quote(str(file.resolve()))}?{mode}", uri=True)) as source,
            closing(sqlite3.connect(to)) as copy,
        ):
            source.backup(copy, pages=PAGES_A_STEP)
            copy.execute("PRAGMA journal_mode = DELETE")
            # SQLite takes a file of no bytes for a store of no tables, which migrations would fill.
            is_empty = copy.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    except OSError as error:
        raise StoreError(
            f"{file} cannot be read, or {to} not written ({error.strerror}); nothing was changed"
        ) from None
    except sqlite3.Error as error:
        raise explain(error, file) from error
    if is_empty:
        raise StoreError(f"{file} is empty, and no backup; nothing was changed, take another")


def clear(path: Path) -> None:
    """Take away what a process left that was killed while it made this file."""
    for one in (path, *beside_of(path)):
        one.unlink(missing_ok=True)


@contextmanager
def to_itself(store: Path) -> Iterator[sqlite3.Connection | None]:
    """Have a store to oneself for a block, in one file without a log; None where there is none that can be read.

    Raises:
        StoreError: another process has it open: any, not only one that is at work.
    """
    if not store.is_file():
        yield None
        return
    with closing(sqlite3.connect(store, timeout=1.0, isolation_level=None)) as connection:
        try:
            # Only who is alone can leave WAL (https://sqlite.org/pragma.html#pragma_journal_mode).
            left = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete"
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                yield None
                return
            left = False
        except sqlite3.DatabaseError:
            # Damaged, or no SQLite file: then it cannot be asked, and is put aside as it lies.
            yield None
            return
        if not left:
            raise StoreError(
                f"another process has {store} open; stop `digest serve` and every other digest, and Litestream where it"
                " runs, then try again; nothing was changed"
            )
        yield connection


def put_in_place(new: Path, store: Path, *, aside: Path) -> bool:
    """Put a file in the store's place, and keep the store that was there under another name; tell whether one was.

    What SQLite left beside the old one goes with it: a log found beside another file would be taken for its own.
    """
    sync(new)
    was = store.exists()
    if was:
        for side, of_aside in zip(beside_of(store), beside_of(aside), strict=True):
            if side.exists():
                side.rename(of_aside)
        try:
            os.link(store, aside)
        except OSError:
            # The disk knows no second names: then it is a copy, and there is a store at every moment all the same.
            shutil.copy2(store, aside)
            sync(aside)
    else:
        for side in beside_of(store):
            side.unlink(missing_ok=True)
    new.replace(store)
    sync(store.parent)
    return was


def free_name(store: Path, at: datetime) -> Path:
    """Give a name for the store that is replaced at a moment, which nothing has yet."""
    name = f"{store.name}.replaced-{at:%Y%m%dT%H%M%SZ}"
    names = [store.with_name(name), *(store.with_name(f"{name}-{number}") for number in range(2, 100))]
    with suppress(StopIteration):
        return next(path for path in names if not path.exists())
    raise StoreError(f"too many files are called {name}; remove some")
