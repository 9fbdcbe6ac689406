"""Bringing back a backup: checked wholly, told what it does not know, and put in the store's place at once.

A backup is a store of some hours ago. What went out since it does not know, and must not go out again; who left since
must not be mailed again. So where the store that it replaces can be read, that is asked, and what may not be lost is
carried over. For the rest it is written down what is in doubt, and a person or the provider is asked.

All of it is done to a copy beside the store. The store changes in one moment at the end, and is kept under another
name.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from digest import times
from digest.audience import carrying_over as readers
from digest.audience import letterbox
from digest.audience.carrying_over import Readers
from digest.editors import audit
from digest.editors import carrying_over as people
from digest.editors.audit import COMMAND_LINE
from digest.errors import StateError, StoreError
from digest.issue.after_restore import to_a_person
from digest.programs import carrying_over as programs
from digest.safekeeping.checking import problems_of
from digest.safekeeping.knowing import knows_until
from digest.sending import carrying_over as sending
from digest.sending import doubts
from digest.sending.carrying_over import Issues
from digest.sending.workers import alone
from digest.settings import Settings
from digest.store import Database, explain, migrate, open_store, writing
from digest.store.backup import belong_with
from digest.store.check import check_schema
from digest.store.restore import ENDING, clear, copy_to, free_name, put_in_place, to_itself
from digest.tracking import spool

Present = Literal["carried over", "none", "cannot be read", "of another newsletter"]
"""What became of what the replaced store knows."""

MAILED = "it waited in a backup that was brought back, and was mailed since, as far as we know"

T = TypeVar("T")


@dataclass
class Restored:
    """What bringing back a backup did, or would do."""

    source: Path
    knows_until: datetime
    present: Present = "none"
    aside: Path | None = None  # where the replaced store is kept
    migrated: list[str] = field(default_factory=list)
    readers: Readers = field(default_factory=Readers)
    issues: Issues = field(default_factory=Issues)
    to_a_person: list[int] = field(default_factory=list)
    in_doubt: list[int] = field(default_factory=list)
    letters_dropped: int = 0
    shut_out: int = 0  # editors, passkeys and tokens
    sessions: int = 0
    troubles: list[str] = field(default_factory=list)  # what could not be carried over, and why


def restore(
    settings: Settings, file: Path, *, now: datetime, keep_letters: bool = False, dry_run: bool = False
) -> Restored:
    """Bring a backup back, or a file that `litestream restore` made; give what came of it.

    Args:
        settings: whose `db` is replaced; there need not be one.
        file: the backup, which stays as it is.
        now: the moment.
        keep_letters: mail the letters that waited in the backup, though they were mailed since, as far as we know.
        dry_run: find out what would happen, and change nothing; others may be at work on the store meanwhile.

    Raises:
        StateError: others are at work on the store.
        StoreError: the backup is not there or does not pass its check, or there is no room. Nothing was changed.
    """
    store = settings.db.resolve()
    if file.exists() and store.exists() and file.samefile(store):
        raise StoreError(f"{file} is the store itself, not a backup of it")
    if not store.parent.is_dir():
        raise StoreError(f"the folder {store.parent} does not exist; make it, or give another --db")
    scratch = store.with_name(store.name + (".dry-run" if dry_run else ENDING))
    with ExitStack() as stack:
        if not dry_run and not stack.enter_context(alone(store)):
            raise StateError(
                f"another digest is at work on {store}; stop `digest serve`, `digest send` and the like, then try again"
            )
        stack.callback(clear, scratch)
        copy_to(file, scratch)
        with _opened(scratch, file) as db:
            migrated = _checked(db, file)
            old = stack.enter_context(_looked_at(store) if dry_run else to_itself(store))
            found = Restored(
                file, knows_until(db, now=now), _present(db, old, is_there=store.exists()), migrated=migrated
            )
            _make_true(db, old, found, now=now, keep_letters=keep_letters)
            db.conn.execute("PRAGMA journal_mode = DELETE")
        if not dry_run:
            belong_with(scratch, store if store.exists() else store.parent)
            aside = free_name(store, now)
            if put_in_place(scratch, store, aside=aside):
                found.aside = aside
            _put_spool_aside(store, aside, found.present)
    return found


@contextmanager
def _opened(scratch: Path, file: Path) -> Iterator[Database]:
    """Open the copy; what is wrong with it is said of the backup."""
    try:
        with closing(open_store(scratch, allow_pending=True)) as db:
            yield db
    except StoreError as error:
        raise StoreError(str(error).replace(str(scratch), str(file))) from None
    except sqlite3.Error as error:
        raise explain(error, file) from error


@contextmanager
def _looked_at(store: Path) -> Iterator[sqlite3.Connection | None]:
    """Read a store that others may be writing; None where it cannot be."""
    if not store.is_file():
        yield None
        return
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        try:
            # Opened as any store is: one that only reads would leave a log behind that it may not tidy away.
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error:
            yield None
            return
        yield connection


def _checked(db: Database, file: Path) -> list[str]:
    """Bring the copy up to date and check it; give the migrations it had."""
    migrated = migrate(db)
    if problems := check_schema(db) or problems_of(db):
        raise StoreError(f"{file} does not pass its check ({problems[0]}); nothing was changed, take another backup")
    return migrated


def _make_true(
    db: Database, old: sqlite3.Connection | None, found: Restored, *, now: datetime, keep_letters: bool
) -> None:
    """Write into the copy, whole or not at all, what follows from its age and what the present store knows."""
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO restores (at, source, knows_until) VALUES (?, ?, ?)",
            (times.to_text(now), found.source.name, times.to_text(found.knows_until)),
        )
        found.sessions = people.end_all_sessions(db, now=now)
        doubts.doubt_all(db, now)
        waits: set[str] = set()
        if found.present == "carried over" and old is not None:
            waits = _carry_over(db, old, found, now)
        else:
            readers.leave_out_numbers(db, now=now)
        found.to_a_person = to_a_person(db, now=now)
        if not keep_letters:
            found.letters_dropped = letterbox.drop_queued(db, MAILED, but=waits, now=now)
        found.in_doubt = [
            number
            for (number,) in connection.execute(
                "SELECT number FROM issues WHERE doubted_at IS NOT NULL AND state IN ('sending', 'paused')"
                " ORDER BY number"
            )
        ]
        audit.note(
            connection,
            COMMAND_LINE,
            "brought back",
            "a backup",
            now=now,
            file=found.source.name,
            knows_until=times.to_text(found.knows_until),
        )


def _present(db: Database, old: sqlite3.Connection | None, *, is_there: bool) -> Present:
    if old is None:
        return "cannot be read" if is_there else "none"
    sql = "SELECT value FROM keys WHERE name = 'messages'"
    try:
        theirs = old.execute(sql).fetchone()
    except sqlite3.DatabaseError:
        return "cannot be read"
    return "carried over" if theirs == db.conn.execute(sql).fetchone() else "of another newsletter"


def _carry_over(db: Database, old: sqlite3.Connection, found: Restored, now: datetime) -> set[str]:
    """Carry over what may not be lost, part by part: one that cannot be read keeps back none of the others.

    Gives the letters that wait there still, and so were not mailed.
    """

    def part(what: str, carry: Callable[[], T], otherwise: T) -> T:
        try:
            with writing(db):
                return carry()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR")):
                raise
            found.troubles.append(f"{what}: {error}")
            return otherwise

    found.readers = part("who left or was forgotten", lambda: readers.carry_over(old, db, now=now), Readers())
    found.issues = part("issues that were sent", lambda: sending.carry_over(old, db), Issues())
    found.shut_out = part("editors who were removed", lambda: people.carry_over(old, db), 0)
    found.shut_out += part("tokens that were revoked", lambda: programs.carry_over(old, db), 0)
    if found.troubles:
        readers.leave_out_numbers(db, now=now)
    return part("letters that wait", lambda: letterbox.still_queued(old), set())


def _put_spool_aside(store: Path, aside: Path, present: Present) -> None:
    """Put away what came in for another newsletter's store.

    That of the same store stays: how far each file is worked, as the backup knows it, stands in the backup.
    """
    if present == "of another newsletter":
        with suppress(FileNotFoundError):
            shutil.move(spool.folder_of(store), aside.with_name(aside.name + spool.SUFFIX))
