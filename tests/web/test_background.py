"""What the server does beside answering: promptly, whatever else goes wrong, and to the end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlite_utils import Database

from conftest import NOW
from digest import times
from digest.audience import forgetting, letterbox, signing_up, subscribers
from digest.audience.addresses import read_address
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.server import running
from digest.web import background, scheduling
from imap_server import Mailbox, serving
from serving import Clock, served


def post(db: Database, email: str = "ada@example.com", now: datetime = NOW) -> None:
    reader = subscribers.add(db, email, now=now)[0].id
    db.execute("UPDATE subscribers SET state = 'pending' WHERE id = ?", [reader])
    letterbox.post(db, "confirm", read_address(email), subscriber=reader, now=now)


def state_of_letter(db: Database) -> str:
    return str(db.execute("SELECT state FROM letters ORDER BY id DESC").fetchone()[0])


def wait_for(what: Callable[[], Any], *, seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    with caplog.at_level(logging.WARNING, "digest"):
        yield lambda: [record.getMessage() for record in caplog.records if record.name == "digest"]


def test_a_letter_put_in_while_it_serves_is_mailed(db: Database, settings: Settings, clock: Clock) -> None:
    with served(settings, clock, work=True):
        time.sleep(0.1)
        post(db)
        wait_for(lambda: state_of_letter(db) == "sent")
    (path,) = (settings.db.parent / settings.outbox / "new").iterdir()
    assert message_from_bytes(path.read_bytes())["To"] == "ada@example.com"


def test_without_work_it_only_answers(db: Database, settings: Settings, clock: Clock) -> None:
    post(db)
    with served(settings, clock, work=False):
        time.sleep(1.3)
    assert state_of_letter(db) == "queued"


def test_what_is_over_is_ended(db: Database, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    def expire(db: Database, settings: Settings, now: datetime) -> int:
        asked.append(now)
        return 0

    monkeypatch.setattr(signing_up, "expire", expire)
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 0.05)
    post(db)
    old = times.to_text(NOW - timedelta(days=31))
    db.execute("UPDATE letters SET state = 'sent', settled_at = ?", [old])
    with served(settings, clock, work=True):
        wait_for(lambda: db["jobs"].count)
        clock.move_on(hours=1)
        wait_for(lambda: not db["letters"].count)
    assert asked == [NOW + timedelta(hours=1)]


def test_the_log_of_the_store_keeps_nobody_who_was_forgotten(
    db: Database, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = subscribers.add(db, "lovelace@example.com", now=NOW)[0].id
    forgetting.forget(db, ada, now=NOW)
    files = [settings.db, settings.db.with_name(f"{settings.db.name}-wal")]
    assert any(b"lovelace" in file.read_bytes() for file in files)
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 0.05)
    with served(settings, clock, work=True):
        wait_for(lambda: db["jobs"].count)
        clock.move_on(hours=1)
        wait_for(lambda: not any(b"lovelace" in file.read_bytes() for file in files))


def test_what_goes_wrong_in_one_stops_neither_the_others_nor_the_server(
    db: Database,
    settings: Settings,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    logged: Callable[[], list[str]],
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("one\ntwo")

    monkeypatch.setattr(signing_up, "expire", broken)
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 0.05)
    with served(settings, clock, work=True) as reader:
        wait_for(lambda: db["jobs"].count)
        clock.move_on(hours=1)
        wait_for(logged)
        post(db)
        wait_for(lambda: state_of_letter(db) == "sent")
        assert reader.get("/").status_code == 200
    assert logged() == ["tidy: RuntimeError: one two"]


def test_the_mailbox_is_read_where_there_is_one(
    db: Database,
    settings: Settings,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    logged: Callable[[], list[str]],
) -> None:
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 0.05)
    leaver = subscribers.add(db, "bob@example.com", now=NOW)[0].id
    token = Signers.of(db, settings, now=NOW).links.sign("copy", 0, leaver)
    box = Mailbox()
    box.deliver(f"From: bob@example.com\nSubject: unsubscribe {token}\n\n".encode())
    box.deliver(b"From: eve@example.com\nSubject: take me off\n\n")
    with serving(box) as port:
        ours = settings.model_copy(
            update={
                "unsubscribe_imap": f"imap://leave@127.0.0.1:{port}",
                "unsubscribe_imap_password": SecretStr("secret"),
            }
        )
        with served(ours, clock, work=True):
            wait_for(lambda: db["jobs"].count)
            clock.move_on(minutes=3)
            wait_for(lambda: box.subjects("Done"))
            wait_for(logged)
    assert db.execute("SELECT state FROM subscribers WHERE id = ?", [leaver]).fetchone() == ("unsubscribed",)
    assert logged() == ["unsubscriptions by mail: 1 mails are for a person to read"]


def test_a_call_that_does_not_end_is_broken_off_and_its_letter_uncertain(
    db: Database, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "FINISH_S", 0.4)
    post(db)
    with running(simulate("resend"), Faults(latency_s=20)) as (url, _):
        options = {"resend": {"url": url, "key": "re_simulated"}}
        ours = settings.model_copy(update={"provider": "resend", "providers": options})
        with served(ours, clock, work=True):
            wait_for(lambda: state_of_letter(db) == "claimed")
            begun = time.monotonic()
        assert time.monotonic() - begun < 8
    assert state_of_letter(db) == "uncertain"


def test_a_letter_in_hand_is_finished_when_the_server_stops(db: Database, settings: Settings, clock: Clock) -> None:
    post(db)
    with running(simulate("resend"), Faults(latency_s=1.0)) as (url, _):
        options = {"resend": {"url": url, "key": "re_simulated"}}
        ours = settings.model_copy(update={"provider": "resend", "providers": options})
        with served(ours, clock, work=True):
            wait_for(lambda: state_of_letter(db) == "claimed")
    assert state_of_letter(db) == "sent"


def test_a_provider_that_takes_nothing_is_told_in_one_line(
    db: Database, settings: Settings, clock: Clock, logged: Callable[[], list[str]]
) -> None:
    post(db)
    with served(settings.model_copy(update={"provider": "resend"}), clock, work=True):
        wait_for(logged)
        time.sleep(1.5)
    (line,) = logged()
    assert line.startswith("letters wait, because resend takes nothing: resend.key is missing")
    assert state_of_letter(db) == "queued"


def test_two_servers_at_once_mail_each_letter_once(db: Database, settings: Settings) -> None:
    """Real processes, each told to stop as a supervisor does."""
    count, folder = 30, settings.db.parent
    both = [Serving(folder), Serving(folder)]
    try:
        for server in both:
            server.wait()
        for number in range(count):
            post(db, f"reader{number}@example.com", times.now())
        wait_for(lambda: letterbox.tally(db)["queued"] == 0, seconds=30)
    finally:
        codes = [server.stop() for server in both]
    assert codes == [0, 0]
    assert letterbox.waiting(db) == []
    mails = [message_from_bytes(path.read_bytes()) for path in (folder / "outbox" / "new").iterdir()]
    assert Counter(str(mail["To"]) for mail in mails) == {f"reader{number}@example.com": 1 for number in range(count)}


class Serving:
    """A `digest serve` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "digest", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, env=os.environ, text=True)

    def wait(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            try:
                return httpx.get(f"http://127.0.0.1:{self.port}/").status_code < 500
            except httpx.HTTPError:
                return False

        wait_for(answers, seconds=40)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=12)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        return self.process.returncode
