"""A real SIGKILL in the middle of a real `digest send`: everyone has exactly one copy, or is named uncertain.

`bench/kill.py` does it, with a provider simulated in a process of its own; here are short runs of it.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from digest.resources import resource

KILL = Path(__file__).parents[2] / "bench" / "kill.py"
READERS = 600
KILLS = 3
SHARED = 6_000


def killed(provider: str, *arguments: str) -> Any:
    """Run `bench/kill.py`, and give what it found."""
    seed = os.environ.get("PYTEST_SEED", "20261126")
    command = [
        sys.executable,
        str(KILL),
        "--provider",
        provider,
        "--recipients",
        str(READERS),
        "--seed",
        seed,
        "--json",
    ]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("provider", "arguments"),
    [
        ("resend", ("--topics", "5")),
        ("postmark", ("--workers", "2")),
        ("outbox", ("--recipients", "3000", "--set", "batch_size=50", "--topics", "5")),
    ],
    ids=["handed over again under its key", "asked, of two at once", "asked of its folder"],
)
def test_killed_again_and_again_everyone_has_one_copy(provider: str, arguments: tuple[str, ...]) -> None:
    found = killed(provider, "--kills", str(KILLS), *arguments)
    assert found["kills"] >= KILLS
    assert found["batches_left_open"], "no kill came between handing over and writing down"
    assert (found["state"], found["accepted"]) == ("sent", found["recipients"])
    assert found["lost"] == found["twice"] == found["others"] == found["uncertain"] == []


def test_what_nobody_can_find_out_after_a_kill_is_held_and_named_by_address() -> None:
    found = killed("ses", "--kills", str(KILLS))
    assert found["batches_left_open"], "no kill came between handing over and writing down"
    assert found["lost"] == found["twice"] == []
    assert found["uncertain"]
    assert found["uncertain_unlisted"] == 0
    assert found["state"] == "sending"
    assert found["accepted"] == READERS - len(found["uncertain"]) + found["uncertain_accepted"]


def test_with_lines_that_break_and_servers_that_fail_everyone_has_one_copy() -> None:
    faults = "reset_before=0.05,reset_after=0.1,half=0.05,error_before=0.05,error_after=0.1,burst=25,retry_after_s=0.1"
    found = killed("resend", "--kills", "0", "--set", "batch_size=15", "--faults", faults)
    assert found["calls"] > READERS / 15, "nothing went wrong"
    assert (found["state"], found["accepted"]) == ("sent", READERS)
    assert found["lost"] == found["twice"] == found["uncertain"] == []


def digest(folder: Path, *arguments: str) -> Any:
    """Run a command with --json, and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "digest", "--json", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def drafted(folder: Path, readers: int) -> Path:
    """Make a draft and so many readers in a folder."""
    rows = ["email,name", *(f"reader{number}@example.com,Reader {number}" for number in range(readers))]
    (folder / "readers.csv").write_text("\n".join(rows))
    digest(folder, "import", str(resource("db", "sample")))
    digest(folder, "subscribers", "import", "readers.csv")
    digest(folder, "draft", "--since", "-7d")
    return folder


def test_two_at_once_share_the_work(tmp_path: Path) -> None:
    folder = drafted(tmp_path, SHARED)
    digest(folder, "approve", "1")
    command = [sys.executable, "-m", "digest", "--set", "batch_size=50", "send", "1"]
    both = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert digest(folder, "send", "1")["accepted"] == SHARED
    assert len(list((folder / "outbox" / "new").iterdir())) == SHARED
    with closing(sqlite3.connect(folder / "digest.db")) as db:
        shares = Counter(worker for (worker,) in db.execute("SELECT worker FROM batches WHERE state = 'settled'"))
    assert len(shares) == 2, "one of them did everything"


def test_killed_while_subjects_are_tried_everyone_has_one_copy_with_the_subject_dealt_to_them(tmp_path: Path) -> None:
    folder, readers = drafted(tmp_path, READERS), READERS
    other = "Which of these would you ship?"
    digest(folder, "subjects", "add", "1", other)
    digest(folder, "subjects", "arrange", "1", "--share", "50", "--rule", "person")
    digest(folder, "approve", "1")
    chance = random.Random(os.environ.get("PYTEST_SEED", "20261126"))
    path = folder / "digest.db"

    def count(where: str) -> int:
        with closing(sqlite3.connect(path)) as db:
            return int(db.execute(f"SELECT count(*) FROM deliveries WHERE {where}").fetchone()[0])

    def kill(more: int) -> None:
        """Kill a sending after it has handed over some more."""
        done = count("state = 2")
        command = [sys.executable, "-m", "digest", "--set", "batch_size=5", "send", "1"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and count("state = 2") < done + more:
            time.sleep(0.002)
        time.sleep(chance.random() / 50)
        process.kill()
        process.wait()

    def go_on() -> int:
        command = [sys.executable, "-m", "digest", "send", "1"]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode

    kill(20)
    kill(60)
    assert go_on() == 3
    assert (count("state = 2"), count("state = 0")) == (readers // 2, readers // 2)
    digest(folder, "subjects", "decide", "1", "--winner", "1")
    kill(40)
    kill(80)
    assert go_on() == 0
    assert digest(folder, "db", "check")["sound"]
    with closing(sqlite3.connect(path)) as db:
        own = db.execute("SELECT subject FROM issues").fetchone()[0]
        rows = db.execute("SELECT email, variant FROM deliveries JOIN subscribers ON id = subscriber").fetchall()
    mailed = Counter[tuple[str, str]]()
    for file in (folder / "outbox" / "new").iterdir():
        head = message_from_bytes(file.read_bytes().partition(b"\r\n\r\n")[0] + b"\r\n\r\n", policy=default)
        mailed[str(head["To"]).strip("<>").rpartition("<")[2], str(head["Subject"])] += 1
    assert mailed == Counter((email, other if variant else own) for email, variant in rows)
