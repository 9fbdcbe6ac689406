"""The engine works the ledger until it is settled, whatever the provider does."""

from __future__ import annotations

import asyncio
import email
import email.policy
import mailbox
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlite_utils import Database

from conftest import NOW
from digest.audience import subscribers
from digest.errors import StateError
from digest.issue import editing, issues
from digest.providers import connect
from digest.providers.interface import Batch, Outcome, Provider
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.sending.engine import Engine, SendingError
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.tokens import Signer

LINKS = Signer(b"k" * 32)
SIGNERS = Signers(links=LINKS, messages=Signer(b"m" * 32))


class Faulty:
    """An outbox that fails after some of a batch were written, or gives an answer that does not fit."""

    def __init__(self, folder: Path, *, fail_at: int, written: int = 0, answer: bool = False) -> None:
        self.outbox = connect("outbox", {"db": folder, "outbox": folder})
        self.name, self.account, self.limit = self.outbox.name, self.outbox.account, 3
        self.fail_at, self.written, self.answer = fail_at, written, answer
        self.calls = 0

    def open(self) -> None:
        self.outbox.open()

    async def hand_over(self, batch: Batch) -> list[Outcome]:
        self.calls += 1
        if self.calls == self.fail_at:
            part = await self.outbox.hand_over(replace(batch, recipients=batch.recipients[: self.written]))
            if self.answer:
                return part
            raise ConnectionResetError("the line went dead")
        return await self.outbox.hand_over(batch)

    async def ask(self, batch: Batch) -> frozenset[int] | None:
        return await self.outbox.ask(batch)


class Mute(Faulty):
    """One that cannot be asked."""

    async def ask(self, batch: Batch) -> frozenset[int] | None:
        return None


@pytest.fixture
def store(sample: Database, settings: Settings) -> Database:
    """A store with issue 1 approved and ten readers."""
    issues.draft(sample, settings, now=NOW)
    issues.freeze(sample, settings, 1, now=NOW)
    for number in range(10):
        subscribers.add(sample, f"reader{number}@example.com", now=NOW, name=f"Reader {number}" if number % 2 else None)
    return sample


@pytest.fixture
def worker(settings: Settings) -> Iterator[Worker]:
    with Worker(settings.db) as held:
        yield held


@pytest.fixture
def send(store: Database, settings: Settings, worker: Worker) -> Callable[..., dict[str, int]]:
    def run(provider: Provider | None = None, **options: object) -> dict[str, int]:
        taker = provider or connect("outbox", settings.model_dump())
        early = bool(options.pop("early", False))
        engine = Engine(store, settings, taker, SIGNERS, worker, clock=lambda: NOW, **options)  # type: ignore[arg-type]
        return asyncio.run(engine.send(1, early=early))

    return run


def mails(folder: Path) -> list[email.message.EmailMessage]:
    box = mailbox.Maildir(folder, create=False)
    found = [email.message_from_bytes(box.get_bytes(key), policy=email.policy.default) for key in box.iterkeys()]
    return sorted(found, key=lambda mail: str(mail["To"]))


def readers(folder: Path) -> list[str]:
    return [str(mail["To"]) for mail in mails(folder)]


EVERYONE = [f"reader{number}@example.com" for number in range(10)]


def test_everyone_gets_one_copy_with_links_of_their_own(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings
) -> None:
    tally = send()
    assert (tally["audience"], tally["accepted"]) == (10, 10)
    assert issues.find_issue(store, 1).state == "sent"
    assert readers(settings.outbox) == EVERYONE
    ways_out = set()
    for number, mail in enumerate(mails(settings.outbox)):
        way_out = str(mail["List-Unsubscribe"]).strip("<>")
        token = way_out.removeprefix(f"{settings.base_url}/u/")
        subscriber = LINKS.read("copy", token)[1]
        row = store.execute("SELECT email FROM subscribers WHERE id = ?", [subscriber]).fetchone()
        assert row == (mail["To"],)
        for kind in ("plain", "html"):
            body = mail.get_body((kind,))
            assert body is not None
            assert way_out in body.get_content()
            assert ("Hello Reader" in body.get_content()) == bool(number % 2)
            assert "[[digest:" not in body.get_content()
        ways_out.add(way_out)
    assert len(ways_out) == 10


def test_the_headers_bulk_mail_must_carry(send: Callable[..., dict[str, int]], settings: Settings) -> None:
    send()
    (mail, *_) = mails(settings.outbox)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == "<weekly.verdicts.example.com>"
    assert mail["Feedback-ID"] == "issue-1:weekly:digest:verdictsexample"
    assert mail["Message-ID"].endswith("@verdicts.example.com>")
    assert mail["Date"].datetime == NOW


def test_a_mailbox_for_leaving_is_offered_beside_the_link(
    store: Database, settings: Settings, send: Callable[..., dict[str, int]]
) -> None:
    editing.edit(store, 1, now=NOW, subject="Again", settings=settings)
    issues.freeze(store, settings.model_copy(update={"unsubscribe_mailto": "out@example.com"}), 1, now=NOW)
    send()
    (mail, *_) = mails(settings.outbox)
    assert ">, <mailto:out@example.com?subject=unsubscribe%20" in mail["List-Unsubscribe"]


def test_what_was_approved_goes_out_whatever_the_settings_say_by_then(
    store: Database, settings: Settings, worker: Worker
) -> None:
    changed = settings.model_copy(update={"base_url": "https://other.example", "sender_address": "x@other.example"})
    engine = Engine(store, changed, connect("outbox", changed.model_dump()), SIGNERS, worker, clock=lambda: NOW)
    asyncio.run(engine.send(1))
    for mail in mails(settings.outbox):
        assert mail["From"] == "Weekly AI Tool Verdicts <verdicts@example.com>"
        assert "other.example" not in mail.as_string()


@pytest.mark.parametrize("change", [{"outbox": Path("elsewhere")}, {"db": Path("/tmp/other/digest.db")}])
def test_an_uncertain_batch_is_asked_for_only_where_it_went(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings, worker: Worker, change: dict[str, Path]
) -> None:
    with pytest.raises(SendingError):
        send(Faulty(settings.outbox, fail_at=2, written=2))
    elsewhere = connect("outbox", {"db": settings.db, "outbox": Path("outbox"), **change})
    with pytest.raises(SendingError, match=r"handed to the outbox at .*/outbox when its process died"):
        send(elsewhere)
    assert ledger.tally(store, 1)["uncertain"] == 3
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE


def test_a_mailbox_that_is_not_there_does_not_count_as_empty(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings
) -> None:
    with pytest.raises(SendingError):
        send(Faulty(settings.outbox, fail_at=2, written=2))
    settings.outbox.rename(settings.outbox.with_name("unmounted"))
    with pytest.raises(SendingError, match="cannot say what it has of batch 2"):
        send()
    settings.outbox.with_name("unmounted").rename(settings.outbox)
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE


def test_another_key_for_links_does_not_hide_what_arrived(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings, worker: Worker
) -> None:
    before = Signers.of(store, settings, now=NOW)
    after = Signers.of(store, settings.model_copy(update={"secret_key": SecretStr("x" * 32)}), now=NOW)
    assert before.links.sign("copy", 1, 1) != after.links.sign("copy", 1, 1)
    assert before.messages.sign("message", 1, 1) == after.messages.sign("message", 1, 1)


def test_a_paused_issue_is_left_alone_until_it_is_resumed(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings
) -> None:
    def pause() -> None:
        if ledger.tally(store, 1)["accepted"] == 3:
            issues.pause(store, 1, now=NOW)

    tally = send(Faulty(settings.outbox, fail_at=0), progress=pause)
    assert (tally["accepted"], tally["queued"]) == (3, 7)
    with pytest.raises(StateError, match="is paused, so it cannot be sent; `digest resume 1` comes first"):
        send()
    issues.resume(store, 1, now=NOW)
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE


def test_a_paused_issue_can_be_ended_and_counts_as_mailed(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings
) -> None:
    def pause() -> None:
        if issues.find_issue(store, 1).state == "sending" and ledger.tally(store, 1)["accepted"]:
            issues.pause(store, 1, now=NOW)

    send(Faulty(settings.outbox, fail_at=0), progress=pause)
    issues.cancel(store, 1, now=NOW)
    assert len(readers(settings.outbox)) == 3
    assert issues.draft(store, settings, now=NOW).issue is None
    assert ledger.check_ledger(store) == []


@pytest.mark.parametrize(
    ("written", "answer"),
    [(0, False), (1, False), (3, False), (0, True), (1, True)],
    ids=["nothing arrived", "some arrived", "all arrived", "no answers", "too few answers"],
)
def test_a_broken_hand_over_is_settled_by_the_next_run(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings, written: int, answer: bool
) -> None:
    with pytest.raises(SendingError, match="batch 2"):
        send(Faulty(settings.outbox, fail_at=2, written=written, answer=answer))
    assert ledger.tally(store, 1)["uncertain"] == 3
    tally = send()
    assert (tally["accepted"], tally["uncertain"]) == (10, 0)
    assert readers(settings.outbox) == EVERYONE
    assert ledger.check_ledger(store) == []


def test_where_a_provider_cannot_be_asked_the_batch_is_held(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings
) -> None:
    with pytest.raises(SendingError):
        send(Mute(settings.outbox, fail_at=2, written=1))
    tally = send(Mute(settings.outbox, fail_at=0))
    assert (tally["accepted"], tally["uncertain"], tally["queued"]) == (7, 3, 0)
    assert issues.find_issue(store, 1).state == "sending"
    assert len(readers(settings.outbox)) == 8


def test_stopping_finishes_the_batch_in_hand(send: Callable[..., dict[str, int]], settings: Settings) -> None:
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    tally = send(Faulty(settings.outbox, fail_at=0), stopping=stopping)
    assert 0 < tally["accepted"] < 10
    assert tally["claimed"] == tally["uncertain"] == 0
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE


def test_a_reader_who_leaves_during_the_send_gets_no_copy(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings
) -> None:
    left: list[bool] = []

    def leave() -> None:
        if not left and ledger.tally(store, 1)["accepted"]:
            subscribers.remove(store, "reader9@example.com", now=NOW)
            left.append(True)

    tally = send(Faulty(settings.outbox, fail_at=0), progress=leave)
    assert (tally["accepted"], tally["skipped"]) == (9, 1)
    assert "reader9@example.com" not in readers(settings.outbox)


def test_an_issue_waits_for_its_time(store: Database, settings: Settings, send: Callable[..., dict[str, int]]) -> None:
    editing.edit(store, 1, now=NOW, settings=settings)
    issues.freeze(store, settings, 1, now=NOW, at=NOW + timedelta(hours=1))
    with pytest.raises(StateError, match="approved for Thu 26 Nov 2026, 10:00 UTC"):
        send()
    assert not settings.outbox.exists()
    assert send(early=True)["accepted"] == 10


def test_a_draft_is_not_sent(store: Database, settings: Settings, send: Callable[..., dict[str, int]]) -> None:
    editing.edit(store, 1, now=NOW, settings=settings)
    with pytest.raises(StateError, match="is draft, so it cannot be sent; `digest approve 1` comes first"):
        send()


def test_a_batch_of_a_living_worker_is_left_to_it(
    send: Callable[..., dict[str, int]], store: Database, settings: Settings
) -> None:
    connect("outbox", settings.model_dump()).open()
    ledger.freeze_audience(store, 1, now=NOW)
    number = _other_process_claims(settings.db)
    try:
        tally = send()
        assert (tally["accepted"], tally["claimed"]) == (6, 4)
        assert issues.find_issue(store, 1).state == "sending"
    finally:
        number.kill()
        number.wait()
        assert number.stdout is not None
        number.stdout.close()
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE


def _other_process_claims(path: Path) -> subprocess.Popen[bytes]:
    """Start a process that claims four deliveries and then waits to be killed."""
    script = (
        "import sys, time; from pathlib import Path; from digest import times; from digest.store import open_store;"
        "from digest.sending import ledger; from digest.sending.workers import Worker;"
        "path = Path(sys.argv[1]); db = open_store(path); worker = Worker(path).__enter__();"
        "ledger.claim_batch(db, 1, provider='outbox', account=sys.argv[2], worker=worker.number, size=4, after=0,"
        " now=times.now());"
        "print('claimed', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path), str(path.parent / "outbox")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"claimed\n"
    return process
