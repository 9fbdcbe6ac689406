"""A backup of a store in the middle of a sending, brought back where the machine and its store are lost.

The original is a `digest send` in a process of its own, the providers are real servers, and their record is the judge.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from conftest import import_sample
from digest import times
from digest.audience import subscribers
from digest.audience.subscribers import find_subscriber
from digest.issue import issues
from digest.safekeeping.restoring import restore
from digest.sending import ledger, steering
from digest.sending.copies import Signers
from digest.sending.doubts import UNKNOWN
from digest.sending.ledger_check import check_ledger
from digest.sending.running import Runner
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.simulators.faults import Faults
from digest.simulators.server import Server, running
from digest.simulators.simulator import Simulator
from digest.store import Database, back_up, open_store, writing

READERS, BACKED_UP, DIED = 200, 40, 110
ENDED = READERS
LEAVER = f"reader{READERS - 1}@example.com"
SLOW = Faults(latency_s=0.02)
WITH: dict[str, dict[str, Any]] = {
    "postmark": {"lag_s": 0.3},
    "mailgun": {"lag_s": 0.3},
    "brevo": {"log_lag_s": 0.3},
}
"""What shows later, within the settling time of 0.6 s."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an approved issue for everyone."""
    path = tmp_path_factory.mktemp("prepared") / "digest.db"
    settings, now = Settings(db=path), times.now()
    with closing(open_store(path, create=True)) as db:
        import_sample(db, settings, now=now)
        issues.draft(db, settings, now=now)
        issues.freeze(db, settings, 1, now=now)
        with writing(db):
            for number in range(READERS):
                subscribers.add(db, f"reader{number}@example.com", now=now)
    return path


class Sending:
    """The original, until it is lost; then what its backup is brought back to."""

    def __init__(self, folder: Path, provider: str, simulator: Simulator | None, url: str) -> None:
        self.folder, self._simulator = folder, simulator
        self.backup = folder / "backup.db"
        options: dict[str, Any] = {"calls_a_second": 0, "settling_s": 0.6}
        for name, value in (simulator.usage(url) if simulator else {}).items():
            if name.startswith(f"{provider}."):
                options[name.partition(".")[2]] = value
        given = options if simulator else {}
        self.settings = Settings(
            db=folder / "digest.db", provider=provider, batch_size=5, providers={provider: given} if given else {}
        )

    def accepted(self) -> Counter[str]:
        """Count the copies of each address, as the provider has them."""
        if self._simulator:
            return self._simulator.record.addresses()
        found: Counter[str] = Counter()
        for file in (self.folder / "outbox" / "new").iterdir():
            to = next(line for line in file.read_bytes().splitlines() if line.lower().startswith(b"to:"))
            found[to.split()[-1].strip(b"<>").decode()] += 1
        return found

    def original(self, until: int) -> None:
        """Send until the machine dies, with a backup on the way."""
        given = self.folder / "given"
        given.write_bytes(pickle.dumps(self.settings))
        code = "import sys, pathlib; from test_restored import send_as_told; send_as_told(pathlib.Path(sys.argv[1]))"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = subprocess.Popen([sys.executable, "-c", code, str(given)], env=environment)
        try:
            self._wait(BACKED_UP, process)
            with closing(open_store(self.settings.db)) as db:
                back_up(db, self.backup)
            if until < READERS:
                self._wait(until, process)
                process.send_signal(signal.SIGKILL)
            process.wait()
            # What was written before it died the provider works all the same.
            time.sleep(0.2)
        finally:
            process.kill()
            process.wait()

    def _wait(self, copies: int, process: subprocess.Popen[bytes]) -> None:
        ends = time.monotonic() + 60
        while self._count() < copies and process.poll() is None and time.monotonic() < ends:
            time.sleep(0.002)
        assert self._count() >= copies, "the original did not send"

    def _count(self) -> int:
        if self._simulator:
            return len(self._simulator.record.accepted)
        folder = self.folder / "outbox" / "new"
        return len(list(folder.iterdir())) if folder.exists() else 0

    def brought_back(self) -> Database:
        """Lose the store, and bring the backup back where there is none."""
        for file in self.folder.glob("digest.db*"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        restored = restore(self.settings, self.backup, now=times.now())
        assert restored.in_doubt == [1]
        db = open_store(self.settings.db)
        assert check_ledger(db) == []
        assert ledger.tally(db, 1)["claimed"] == 0
        return db

    def work(self, db: Database, stopping: Callable[[], bool] = lambda: False) -> None:
        """Do what `digest serve` does by itself."""
        send(db, self.settings, stopping)


def send(db: Database, settings: Settings, stopping: Callable[[], bool] = lambda: False) -> None:
    signers = Signers.of(db, settings, now=times.now())
    asyncio.run(Runner(db, settings, signers, lambda: Worker(settings.db), stopping=stopping).work())


def send_as_told(given: Path) -> None:
    """Begin to send, in a process of its own."""
    settings: Settings = pickle.loads(given.read_bytes())
    with closing(open_store(settings.db)) as db:
        db.execute("UPDATE issues SET scheduled_at = ? WHERE state = 'approved'", [times.to_text(times.now())])
        send(db, settings)


@contextmanager
def provider_of(name: str) -> Iterator[tuple[Simulator | None, str, Server | None]]:
    if name == "outbox":
        yield None, "", None
        return
    simulator = import_module(f"digest.simulators.{name}").simulator(**WITH.get(name, {}))
    with running(simulator, SLOW) as (url, server):
        yield simulator, url, server


@contextmanager
def sending(name: str, prepared: Path, folder: Path) -> Iterator[tuple[Sending, Server | None]]:
    shutil.copy(prepared, folder / "digest.db")
    with provider_of(name) as (simulator, url, server):
        yield Sending(folder, name, simulator, url), server


@pytest.mark.parametrize(
    ("name", "until"), [("postmark", DIED), ("mailgun", DIED), ("resend", ENDED), ("outbox", DIED)]
)
def test_nobody_is_mailed_twice_after_a_restore_where_the_provider_can_be_asked(
    name: str, until: int, prepared: Path, tmp_path: Path
) -> None:
    with sending(name, prepared, tmp_path) as (one, server):
        one.original(until)
        had = one.accepted()
        assert BACKED_UP < len(had) <= READERS
        with closing(one.brought_back()) as db:
            assert ledger.tally(db, 1)["accepted"] < len(had)
            # Killed while it asks, and asked of one that fails half of the time.
            looks = iter(range(4))
            one.work(db, lambda: next(looks, None) is None)
            if server:
                server.misbehave(Faults(error_before=0.2, reset_after=0.2, garbage=0.1, seed=5))
            one.work(db)
            assert one.accepted() == had, "somebody was mailed before a person resumed it"
            tally = ledger.tally(db, 1)
            assert (tally["accepted"], tally["uncertain"]) == (len(had), 0)
            if server:
                server.misbehave(Faults())
            if until < READERS:
                reader = find_subscriber(db, LEAVER)
                db.execute("UPDATE subscribers SET state = 'unsubscribed' WHERE id = ?", [reader.id])
                issues.resume(db, 1, now=times.now())
                one.work(db)
            assert issues.find_issue(db, 1).state == "sent"
            assert check_ledger(db) == []
        everyone = Counter(f"reader{number}@example.com" for number in range(READERS))
        assert one.accepted() == (everyone - Counter([LEAVER]) if until < READERS else everyone)


@pytest.mark.parametrize(("name", "found"), [("ses", False), ("brevo", True)])
def test_who_may_have_it_is_listed_where_the_provider_cannot_say(
    name: str, found: bool, prepared: Path, tmp_path: Path
) -> None:
    with sending(name, prepared, tmp_path) as (one, _):
        one.original(DIED)
        had = one.accepted()
        with closing(one.brought_back()) as db:
            known = ledger.tally(db, 1)["accepted"]
            one.work(db)
            issues.resume(db, 1, now=times.now())
            one.work(db)
            assert one.accepted() == had
            tally = ledger.tally(db, 1)
            assert tally["accepted"] == (len(had) if found else known)
            assert tally["uncertain"] == READERS - tally["accepted"]
            unsure = steering.unsettled(db, 1)
            assert {batch.batch.provider for batch in unsure} == {UNKNOWN}
            listed = {address for batch in unsure for address in batch.addresses}
            sure = {
                email
                for (email,) in db.execute(
                    "SELECT email FROM deliveries JOIN subscribers ON id = subscriber WHERE deliveries.state = 2"
                )
            }
            assert set(had) <= listed | sure
            assert not listed & sure
            assert check_ledger(db) == []
