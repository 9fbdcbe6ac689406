"""Litestream itself, while an issue is sent and the process killed: what it has is brought back and sent to its end.

The sending process is killed with SIGKILL, the store is gone with its machine, and the replica takes its place.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email import message_from_bytes
from pathlib import Path

import pytest

from conftest import NOW, import_sample
from digest.audience import subscribers
from digest.issue import issues
from digest.settings import Settings
from digest.store import Database, empty_log, writing

READERS = 400
LITESTREAM = Path(sys.executable).with_name("litestream")
DRILL = Path(__file__).parents[2] / "deploy" / "restore-drill.sh"


@contextmanager
def replicated(db: Path, to: Path) -> Iterator[Path]:
    """Have Litestream replicate a store into a folder; give its file of settings."""
    config = to.with_suffix(".yml")
    config.write_text(
        f"dbs:\n  - path: {db}\n    replica:\n      url: file://{to}\n      sync-interval: 50ms\n", encoding="utf-8"
    )
    with (
        to.with_suffix(".log").open("w") as log,
        subprocess.Popen([LITESTREAM, "replicate", "-config", config], stdout=log, stderr=log) as process,
    ):
        try:
            yield config
        finally:
            process.kill()


def digest(*args: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "digest", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*args: str | Path) -> str:
    with digest(*args) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, err + out
    return out


def until(is_so: Callable[[], object], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def copies(outbox: Path) -> Counter[str]:
    return Counter(str(message_from_bytes(path.read_bytes())["To"]) for path in outbox.glob("new/*"))


def rows(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT count(*) FROM {}"
        return [db.execute(sql.format(name)).fetchone()[0] for name in ("batches", "deliveries", "keys", "audit")] + [
            db.execute("SELECT count(*) FROM batches WHERE state = 'settled'").fetchone()[0]
        ]


@pytest.mark.skipif(not LITESTREAM.exists(), reason="litestream is not installed")
def test_a_replica_takes_the_place_of_a_store_that_was_lost_in_the_middle_of_a_sending(
    db: Database, settings: Settings, tmp_path: Path
) -> None:
    import_sample(db, settings)
    issues.draft(db, settings, now=NOW)
    issues.freeze(db, settings, 1, now=NOW)
    with writing(db):
        for number in range(READERS):
            subscribers.add(db, f"reader{number}@example.com", now=NOW)
    outbox, copy = tmp_path / "outbox", tmp_path / "copy.db"
    common = ("--set", f"outbox={outbox}", "--set", "postal_address=1 Sample Street", "--set", "batch_size=5")
    with replicated(settings.db, tmp_path / "replica") as config:
        until(lambda: list((tmp_path / "replica").rglob("*.ltx")))
        with digest("--db", settings.db, *common, "send", "1") as sending:
            try:
                until(lambda: len(list(outbox.glob("new/*"))) > READERS // 4)
                # What digest does every hour; while Litestream reads the log, it cannot be cut to nothing.
                empty_log(db)
            finally:
                sending.kill()
        assert 0 < len(list(outbox.glob("new/*"))) < READERS, "it was not killed in the middle"
        db.close()

        def is_there() -> bool:
            copy.unlink(missing_ok=True)
            command: list[str | Path] = [LITESTREAM, "restore", "-config", config, "-o", copy, settings.db]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.returncode == 0 and rows(copy) == rows(settings.db)

        until(is_there)
        drill: list[str | Path] = [DRILL, "--db", settings.db, "--litestream", config, "--exact", "--within", "0"]
        environment = {
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(tmp_path),
            "DRILL_DIGEST": str(LITESTREAM.with_name("digest")),
            "DRILL_LITESTREAM": str(LITESTREAM),
        }
        proof = subprocess.run(drill, capture_output=True, text=True, check=False, env=environment)
        assert proof.returncode == 0, proof.stdout + proof.stderr
        assert "deliveries                        400          400\n" in proof.stdout
        assert proof.stdout.endswith("The drill went well: this litestream can be brought back.\n")
        assert not list(tmp_path.glob("digest-drill*"))
    # The machine is gone.
    for path in tmp_path.glob("digest.db*"):
        path.unlink()
    shutil.rmtree(tmp_path / ".digest.db-litestream")
    said = json.loads(run("--db", settings.db, "db", "restore", copy, "--json"))
    assert (said["present"], said["in_doubt"]) == ("none", [1])
    run("--db", settings.db, "db", "check")
    run("--db", settings.db, *common, "resume", "1")
    run("--db", settings.db, *common, "send", "1")
    got = copies(outbox)
    assert len(got) == READERS
    assert set(got.values()) == {1}


@pytest.mark.parametrize("step", ["compare", "restore", "check", "doctor"])
def test_a_drill_in_which_a_step_fails_says_so_at_the_end(tmp_path: Path, step: str) -> None:
    stand_in = tmp_path / "digest"
    stand_in.write_text(f'#!/bin/sh\ncase "$*" in *" {step}"*) echo no && exit 1 ;; esac\n', encoding="utf-8")
    stand_in.chmod(0o755)
    command: list[str | Path] = [DRILL, "--db", tmp_path / "digest.db", "--backup", tmp_path / "backup.db"]
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "DRILL_DIGEST": str(stand_in)}
    proof = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert proof.returncode == 1
    assert proof.stderr.endswith("THE DRILL FAILED: do not rely on this backup.\n")
    assert not list(tmp_path.glob("digest-drill*"))
