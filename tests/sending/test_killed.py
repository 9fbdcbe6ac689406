"""A real SIGKILL in the middle of a real `digest send`: everyone has exactly one copy in the end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from digest.resources import resource

READERS = 20_000
KILLS = 4


def digest(folder: Path, *arguments: str) -> Any:
    """Run a command with --json, and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "digest", "--json", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an approved issue and 20,000 readers."""
    rows = ["email,name", *(f"reader{number}@example.com,Reader {number}" for number in range(READERS))]
    (tmp_path / "readers.csv").write_text("\n".join(rows))
    digest(tmp_path, "import", str(resource("db", "sample")))
    digest(tmp_path, "subscribers", "import", "readers.csv")
    digest(tmp_path, "draft", "--since", "-7d")
    digest(tmp_path, "approve", "1")
    return tmp_path


def arrived(folder: Path) -> list[Path]:
    return [path for name in ("new", "cur") for path in (folder / "outbox" / name).glob("*.digest*")]


def read_all(folder: Path) -> None:
    """Read the mailbox as a mail program does: what was read moves, so a second copy would lie beside it."""
    for path in (folder / "outbox" / "new").iterdir():
        path.rename(folder / "outbox" / "cur" / f"{path.name}:2,S")


def test_killed_again_and_again_everyone_has_one_copy(folder: Path) -> None:
    chance = random.Random(os.environ.get("PYTEST_SEED", "20261126"))
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "digest", "send", "1"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Until it is at work, then a moment nobody chose.
        before = len(arrived(folder))
        deadline = time.monotonic() + 30
        while len(arrived(folder)) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(chance.random() * 0.8)
        process.send_signal(signal.SIGKILL)
        process.wait()
        read_all(folder)
    assert 0 < len(arrived(folder)) < READERS, "the kills came too late to show anything"
    last = digest(folder, "send", "1")
    assert (last["state"], last["accepted"]) == ("sent", READERS)
    # Python's own parsing of 20,000 mails takes a minute; the To line of each is enough.
    addresses = Counter(_to(path) for path in arrived(folder))
    assert len(addresses) == READERS
    assert set(addresses.values()) == {1}
    assert digest(folder, "db", "check")["sound"]


def _to(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return next(line for line in file if line.startswith("To: ")).strip()


def test_two_at_once_share_the_work(folder: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "digest", "send", "1"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert digest(folder, "send", "1")["accepted"] == READERS
    assert len(arrived(folder)) == READERS
    workers = digest(folder, "status")["issues"][0]
    assert workers["uncertain"] == workers["claimed"] == 0
