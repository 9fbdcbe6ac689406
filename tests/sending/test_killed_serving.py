"""A real SIGKILL while a real `digest serve` sends by itself: everyone has exactly one copy."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from email.parser import BytesHeaderParser
from pathlib import Path

import pytest

from digest import times
from digest.catalogue.importing import gather, import_files
from digest.issue import issues
from digest.resources import resource
from digest.sending import ledger
from digest.settings import Settings
from digest.store import open_store

READERS = 3_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an issue approved for now, and many readers."""
    settings, now = Settings(db=tmp_path / "digest.db"), times.now()
    with closing(open_store(settings.db, create=True)) as db:
        import_files(db, gather([str(resource("db", "sample"))], bytes), now=now, zone=settings.zone)
        issues.draft(db, settings, now=now)
        issues.freeze(db, settings, 1, now=now, at=now)
        db.conn.execute("BEGIN")
        db.conn.executemany(
            "INSERT INTO subscribers (email, email_key, state, source, created_at, updated_at)"
            " VALUES (?1, ?1, 'active', 'test', ?2, ?2)",
            ((f"reader{number}@example.com", times.to_text(now)) for number in range(READERS)),
        )
        db.conn.execute("COMMIT")
    return tmp_path


@pytest.fixture
def servers() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        end(process)


def serve(folder: Path) -> subprocess.Popen[bytes]:
    """Start a server in a group of its own, with whatever it starts."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "digest", "--set", "batch_size=20", "serve", "--port", str(port)]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a server and all it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def accepted(folder: Path) -> int:
    with closing(open_store(folder / "digest.db")) as db:
        return ledger.tally(db, 1)["accepted"]


def wait_until(folder: Path, count: int, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while accepted(folder) < count:
        assert time.monotonic() < until, f"{accepted(folder)} copies were accepted, not {count}"
        time.sleep(0.01)


def test_killed_in_the_middle_and_started_again_everyone_has_one_copy(
    folder: Path, servers: list[subprocess.Popen[bytes]]
) -> None:
    servers.append(serve(folder))
    wait_until(folder, 200)
    end(servers[0])
    assert accepted(folder) < READERS
    servers.append(serve(folder))
    wait_until(folder, READERS)
    mails = (BytesHeaderParser().parsebytes(path.read_bytes()) for path in (folder / "outbox" / "new").iterdir())
    copies = Counter(str(mail["To"]) for mail in mails)
    assert len(copies) == READERS
    assert set(copies.values()) == {1}
    with closing(open_store(folder / "digest.db")) as db:
        assert ledger.tally(db, 1)["uncertain"] == 0
