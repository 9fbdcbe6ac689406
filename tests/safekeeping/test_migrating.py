"""Migrating a live file: alone with it, a backup first, and a kill at any moment leaves all of it or nothing."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_taking_backups import _Usage

from conftest import NOW
from digest.cli import cli
from digest.errors import StateError, StoreError
from digest.safekeeping.migrating import Migrated, migrate_safely, up_to_date
from digest.settings import Settings
from digest.store import check_store, open_store, pending
from old_stores import store_with

BEFORE = ("0001_first", "0002_checks", "0003_sending", "0004_readers", "0005_events", "0006_desk")
PENDING = ("0007_subject_tests", "0008_running")

# At the statement of a number, or the one that begins so, it says so and waits to be killed.
_WAITS_AT = """
import sys
from digest.store import connection, migrations
from digest.cli import main
where, seen, connect = sys.argv.pop(1), [0], connection._connect
def watched(*args, **options):
    made = connect(*args, **options)
    def trace(statement):
        seen[0] += bool(seen[0] or statement.startswith("-- Running by itself"))
        if str(seen[0]) == where or (seen[0] and statement.startswith(where)):
            print("here", flush=True)
            sys.stdin.read()
    made.set_trace_callback(trace)
    return made
connection._connect = watched
main()
"""

_WORKS = (
    "import sys; from pathlib import Path; from digest.sending.workers import Worker\n"
    "with Worker(Path(sys.argv[1])): print('here', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def old(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the digest that had six migrations."""
    with store_with(BEFORE, settings, tmp_path / "migrations", monkeypatch, lambda db: None) as path:
        yield path


def started(*command: str | Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def backups_of(path: Path) -> list[Path]:
    return sorted(path.parent.glob("digest.db.*.backup"))


@pytest.mark.parametrize("where", ["9", "COMMIT"])
def test_a_kill_in_the_middle_leaves_the_store_as_it_was(old: Path, where: str) -> None:
    with started(_WAITS_AT, where, "--db", old, "db", "migrate") as process:
        process.send_signal(signal.SIGKILL)
    (backup,) = backups_of(old)
    for path in (old, backup):
        with closing(open_store(path, allow_pending=True)) as db:
            assert pending(db) == [*PENDING]
            assert check_store(db) == []
    with closing(open_store(old, allow_pending=True)) as db:
        done = migrate_safely(db, old, now=NOW)
        assert done.applied == PENDING
        assert check_store(db) == []


def test_nobody_is_at_work_meanwhile(old: Path) -> None:
    with started(_WORKS, old) as process, closing(open_store(old, allow_pending=True)) as db:
        with pytest.raises(StateError, match=r"another digest is at work on .*; stop `digest serve`"):
            migrate_safely(db, old, now=NOW, patience_s=0)
        assert backups_of(old) == []
        process.kill()
        process.wait()
        # It was about to end.
        assert migrate_safely(db, old, now=NOW).applied == PENDING
    # Nothing is pending: then nobody is in the way.
    with started(_WORKS, old) as process:
        assert up_to_date(old) == Migrated((), None)
        process.kill()


def test_of_two_at_once_one_does_it(old: Path) -> None:
    first = started(_WAITS_AT, "COMMIT", "--db", old, "db", "migrate")
    assert first.stdin is not None
    assert first.stdout is not None
    command = [sys.executable, "-m", "digest", "--db", str(old), "db", "migrate"]
    with first, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        first.stdin.close()
        assert second.stdout is not None
        assert first.stdout.read().startswith(
            f"{old} is up to date now: 0007_subject_tests, 0008_running. As it was before: "
        )
        assert second.stdout.read() == f"{old} is up to date.\n"
    assert len(backups_of(old)) == 1


def test_without_room_for_the_backup_nothing_is_touched(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_store(old, allow_pending=True)) as db:
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: _Usage(10**9, 10**9 - 1000, 1000))
        with pytest.raises(StoreError, match=r"migrating, with a backup first, needs \d\.\d MB"):
            migrate_safely(db, old, now=NOW)
        assert pending(db) == [*PENDING]
    assert backups_of(old) == []


def test_serving_brings_an_older_store_up_to_date_where_it_is_asked_to(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    serve = ["--db", str(old), "serve", "--port", "0"]
    refused = CliRunner().invoke(cli, serve)
    assert "is from an older digest; `digest db migrate` brings it up to date" in str(refused.exception)
    done = CliRunner().invoke(cli, [*serve, "--migrate"])
    assert done.exit_code == 0
    (backup,) = backups_of(old)
    assert f"digest: {old} is up to date now: 0007_subject_tests, 0008_running. Before: {backup}\n" in done.stderr
    assert up_to_date(old) == up_to_date(tmp_path / "none.db") == Migrated((), None)
    assert not (tmp_path / "none.db").exists()
