"""Whether a worker lives is told by the kernel, the moment it dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from digest.sending.workers import Worker

HOLD = (
    "import sys, time; from pathlib import Path; from digest.sending.workers import Worker\n"
    "with Worker(Path(sys.argv[1])) as worker:\n"
    "    print(worker.number, flush=True)\n"
    "    sys.stdin.read()\n"
)


@contextmanager
def another(store: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process with a worker of its own; give it and the number."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def test_a_worker_lives_until_its_process_is_killed(tmp_path: Path) -> None:
    store = tmp_path / "digest.db"
    with Worker(store) as mine, another(store) as (process, number):
        assert mine.number != number
        assert mine.lives(number)
        assert mine.lives(number), "asking must not take its lock"
        process.kill()
        process.wait()
        assert not mine.lives(number)
        assert not mine.lives(number)


def test_a_worker_lives_for_itself_and_is_gone_when_it_is_done(tmp_path: Path) -> None:
    store = tmp_path / "digest.db"
    with another(store) as (process, number):
        with Worker(store) as mine:
            assert mine.lives(mine.number)
        assert mine.number == 0
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        with Worker(store) as mine:
            assert not mine.lives(number)


def test_it_is_the_same_store_whatever_link_leads_to_it(tmp_path: Path) -> None:
    store = tmp_path / "digest.db"
    store.touch()
    (tmp_path / "link.db").symlink_to(store)
    with another(tmp_path / "link.db") as (_, number), Worker(store) as mine:
        assert mine.lives(number)
        assert not (tmp_path / "link.db-workers").exists()


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o644])
def test_whoever_may_write_to_the_store_may_be_a_worker(tmp_path: Path, mode: int) -> None:
    store = tmp_path / "digest.db"
    store.touch()
    store.chmod(mode)
    before = os.umask(0o077)
    try:
        with Worker(store):
            assert (tmp_path / "digest.db-workers").stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_two_stores_have_workers_of_their_own(tmp_path: Path) -> None:
    with another(tmp_path / "one.db") as (_, number), Worker(tmp_path / "two.db") as mine:
        assert not mine.lives(number)
