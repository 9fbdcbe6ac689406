"""The process that sends: it ends when nothing is due, and with the server; what it left the next one takes up."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlite_utils import Database

from digest import times
from digest.audience import subscribers
from digest.issue import issues
from digest.sending import apart, ledger
from digest.sending.apart import Sender
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.server import running
from digest.store import open_store, writing


@pytest.fixture
def approved(sample: Database, settings: Settings) -> Database:
    """A store with issue 1 approved for now, and twenty readers."""
    now = times.now()
    issues.draft(sample, settings, now=now)
    with writing(sample):
        for number in range(20):
            subscribers.add(sample, f"reader{number}@example.com", now=now)
    issues.freeze(sample, settings, 1, now=now, at=now)
    return sample


@pytest.fixture
def worker(approved: Database, settings: Settings) -> Iterator[Worker]:
    with Worker(settings.db) as made:
        yield made


def state(db: Database) -> str:
    return issues.find_issue(db, 1).state


def test_what_is_due_is_sent_by_a_process_apart(approved: Database, settings: Settings, worker: Worker) -> None:
    sender = Sender(worker)
    assert sender.work(approved, settings)
    assert state(approved) == "sent"
    assert len(list((settings.outbox / "new").iterdir())) == 20
    assert not sender.work(approved, settings)


def test_no_secret_stands_on_its_command_line(
    approved: Database, settings: Settings, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    popen, commands = subprocess.Popen, []

    def seen(command: list[str], **more: Any) -> object:
        commands.append(command)
        return popen(command, **more)

    monkeypatch.setattr(subprocess, "Popen", seen)
    Sender(worker).work(approved, settings.model_copy(update={"secret_key": SecretStr("secret" * 10)}))
    assert state(approved) == "sent"
    assert not any("secret" in part for command in commands for part in command)


def test_it_goes_by_the_servers_clock(approved: Database, settings: Settings, worker: Worker) -> None:
    issues.reschedule(approved, settings, 1, now=times.now(), at=times.now() + timedelta(days=3))
    assert not Sender(worker).work(approved, settings)
    assert Sender(worker, clock=lambda: times.now() + timedelta(days=3, hours=1)).work(approved, settings)
    sent_at = issues.find_issue(approved, 1).sent_at
    assert sent_at is not None
    assert sent_at > times.now() + timedelta(days=3)


def test_it_finishes_the_call_in_hand_when_the_server_stops(
    approved: Database, settings: Settings, worker: Worker
) -> None:
    with running(simulate("resend"), Faults(latency_s=1.0)) as (url, _):
        options = {"resend": {"url": url, "key": "re_simulated", "connections": 1}}
        ours = settings.model_copy(update={"provider": "resend", "providers": options, "batch_size": 5})
        Sender(worker, stopping=when(settings, lambda db: ledger.tally(db, 1)["claimed"])).work(approved, ours)
    tally = ledger.tally(approved, 1)
    assert (state(approved), tally["accepted"], tally["claimed"]) == ("sending", 5, 0)


def test_a_call_that_does_not_end_is_broken_off_and_taken_up_by_the_next(
    approved: Database, settings: Settings, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "LEAVE_S", 0.5)
    with running(simulate("resend"), Faults(latency_s=30)) as (url, _):
        options = {"resend": {"url": url, "key": "re_simulated", "settling_s": 0}}
        ours = settings.model_copy(update={"provider": "resend", "providers": options})
        begun = time.monotonic()
        Sender(worker, stopping=when(settings, lambda db: ledger.tally(db, 1)["claimed"])).work(approved, ours)
        assert time.monotonic() - begun < 8
    (batch,) = ledger.open_batches(approved, 1)
    assert (batch.state, worker.lives(batch.worker)) == ("claimed", False)


def test_what_digest_send_has_in_hand_is_left_to_it(approved: Database, settings: Settings, worker: Worker) -> None:
    class Busy(Worker):
        def is_taken(self, issue: int) -> bool:
            return True

    assert not Sender(Busy(settings.db)).work(approved, settings)
    assert state(approved) == "approved"


def test_a_process_that_breaks_is_told_of_and_another_goes_on(
    approved: Database, settings: Settings, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(worker)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/bin/false")
        with pytest.raises(RuntimeError, match="the process that sends ended with 1"):
            sender.work(approved, settings)
    assert sender.work(approved, settings)
    assert state(approved) == "sent"


def when(settings: Settings, what: Callable[[Database], object]) -> Callable[[], bool]:
    """Tell to stop from when something is so in the store."""
    told: list[bool] = []

    def stopping() -> bool:
        if not told:
            with closing(open_store(settings.db)) as db:
                if what(db):
                    told.append(True)
        return bool(told)

    return stopping
