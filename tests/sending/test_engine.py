"""The engine works the ledger until it is settled, with the local outbox: the whole way to the reader's mailbox."""

from __future__ import annotations

import asyncio
import email
import email.policy
import mailbox
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sendings import LINKS, SIGNERS, Clock, subscribe
from sqlite_utils import Database

from conftest import NOW, remove
from digest.audience import subscribers
from digest.errors import StateError
from digest.issue import editing, issues
from digest.providers import connect
from digest.providers.interface import Answer, Batch, Pace, Proof, Provider
from digest.providers.outbox import Outbox
from digest.sending import ledger, steering
from digest.sending.engine import Engine, SendingError
from digest.sending.ledger_check import check_ledger
from digest.sending.workers import Worker
from digest.settings import Settings

EVERYONE = [f"reader{number}@example.com" for number in range(1, 11)]


class Faulty(Outbox):
    """An outbox that takes three a call; at its second call only some of them arrive, and the line breaks."""

    name = "outbox"
    limit = 3

    def __init__(self, settings: Settings, *, written: int | None = None, answer: bool = False) -> None:
        given = connect("outbox", settings.options_for("outbox"))
        assert isinstance(given, Outbox)
        self.__dict__.update(given.__dict__)
        self.pace = Pace(connections=1)
        self.written, self.answer = written, answer
        self.calls = 0

    async def hand_over(self, batch: Batch) -> Answer:
        self.calls += 1
        if self.calls == 2 and self.written is not None:
            part = replace(batch, recipients=batch.recipients[: self.written])
            await super().hand_over(part)
            if self.answer:
                return Answer([f"id {recipient.subscriber}" for recipient in part.recipients] + ["one too many"] * 9)
            raise ConnectionResetError("the line went dead")
        return await super().hand_over(batch)


class Mute(Faulty):
    """One that cannot be asked."""

    proof = Proof()

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        raise AssertionError("it is asked, though it cannot be")


Send = Callable[..., dict[str, int]]


@pytest.fixture
def store(sample: Database, settings: Settings) -> Database:
    """A store with issue 1 approved and ten readers."""
    issues.draft(sample, settings, now=NOW)
    issues.freeze(sample, settings, 1, now=NOW)
    subscribe(sample, 10)
    return sample


@pytest.fixture
def clock() -> Iterator[Clock]:
    with_time = Clock()
    yield with_time
    with_time.close()


@pytest.fixture
def send(store: Database, settings: Settings, clock: Clock) -> Send:
    def run(provider: Provider | None = None, *, early: bool = False, **options: Any) -> dict[str, int]:
        taker = provider or connect("outbox", settings.options_for("outbox"))
        with Worker(settings.db) as worker:
            engine = Engine(
                store, options.pop("settings", settings), [taker], SIGNERS, worker, clock=clock.now, **options
            )
            return clock.run_until_complete(engine.send(1, early=early))

    return run


def mails(folder: Path) -> list[email.message.EmailMessage]:
    box = mailbox.Maildir(folder, create=False)
    found = [email.message_from_bytes(box.get_bytes(key), policy=email.policy.default) for key in box.iterkeys()]
    return sorted(found, key=lambda mail: EVERYONE.index(str(mail["To"])))


def readers(folder: Path) -> list[str]:
    return [str(mail["To"]) for mail in mails(folder)]


def test_everyone_gets_one_copy_with_links_of_their_own(send: Send, store: Database, settings: Settings) -> None:
    tally = send()
    assert (tally["audience"], tally["accepted"]) == (10, 10)
    assert issues.find_issue(store, 1).state == "sent"
    assert readers(settings.outbox) == EVERYONE
    ways_out = set()
    for number, mail in enumerate(mails(settings.outbox), 1):
        way_out = str(mail["List-Unsubscribe"]).strip("<>")
        token = way_out.removeprefix(f"{settings.base_url}/u/")
        assert LINKS.read("copy", token) == (1, number)
        for kind in ("plain", "html"):
            body = mail.get_body((kind,))
            assert body is not None
            assert way_out in body.get_content()
            assert ("Hello Reader" in body.get_content()) == bool(number % 2)
            assert "[[digest:" not in body.get_content()
        ways_out.add(way_out)
    assert len(ways_out) == 10


def test_the_headers_bulk_mail_must_carry(send: Send, settings: Settings) -> None:
    send()
    (mail, *_) = mails(settings.outbox)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == "<weekly.verdicts.example.com>"
    assert mail["Feedback-ID"] == "issue-1:weekly:digest:verdictsexample"
    assert mail["Message-ID"].endswith("@verdicts.example.com>")
    assert abs(mail["Date"].datetime - NOW) < timedelta(seconds=10)


def test_a_mailbox_for_leaving_is_offered_beside_the_link(store: Database, settings: Settings, send: Send) -> None:
    editing.edit(store, 1, now=NOW, subject="Again", settings=settings)
    issues.freeze(store, settings.model_copy(update={"unsubscribe_mailto": "out@example.com"}), 1, now=NOW)
    send()
    (mail, *_) = mails(settings.outbox)
    assert ">, <mailto:out@example.com?subject=unsubscribe%20" in mail["List-Unsubscribe"]


def test_what_was_approved_goes_out_whatever_the_settings_say_by_then(send: Send, settings: Settings) -> None:
    changed = {"base_url": "https://other.example", "sender_address": "x@other.example"}
    send(settings=settings.model_copy(update=changed))
    for mail in mails(settings.outbox):
        assert mail["From"] == "Weekly AI Tool Verdicts <verdicts@example.com>"
        assert "other.example" not in mail.as_string()


@pytest.mark.parametrize(
    ("written", "answer"),
    [(0, False), (1, False), (3, False), (1, True), (3, True)],
    ids=["nothing arrived", "some arrived", "all arrived", "some and a wrong answer", "all and a wrong answer"],
)
def test_a_broken_hand_over_is_settled_by_asking_in_the_same_run(
    send: Send, store: Database, settings: Settings, written: int, answer: bool
) -> None:
    tally = send(Faulty(settings, written=written, answer=answer))
    assert (tally["accepted"], tally["uncertain"]) == (10, 0)
    assert readers(settings.outbox) == EVERYONE
    assert check_ledger(store) == []
    (trouble, settled_by) = store.execute("SELECT trouble, settled_by FROM batches WHERE number = 2").fetchone()
    assert settled_by == "asked"
    assert ("message ids" if answer else "ConnectionResetError: the line went dead") in trouble


def test_where_a_provider_cannot_be_asked_the_batch_is_held(send: Send, store: Database, settings: Settings) -> None:
    tally = send(Mute(settings, written=1))
    assert (tally["accepted"], tally["uncertain"], tally["queued"]) == (7, 3, 0)
    assert issues.find_issue(store, 1).state == "sending"
    (held,) = steering.unsettled(store, 1)
    assert held.addresses == tuple(EVERYONE[3:6])
    assert (held.batch.state, held.batch.trouble) == ("held", "its provider cannot say what it accepted")
    assert send(Mute(settings))["uncertain"] == 3
    assert len(readers(settings.outbox)) == 8


def orphaned(store: Database, account: Path) -> None:
    """Begin, and let a worker die with the first three copies in its hands, of which one arrived."""
    ledger.freeze_audience(store, 1, now=NOW)
    ledger.claim_batch(store, 1, provider="outbox", account=str(account), worker=7, size=3, after=0, now=NOW)


def test_an_uncertain_batch_is_asked_for_only_where_it_went(send: Send, store: Database, settings: Settings) -> None:
    send(Faulty(settings), stopping=lambda: True)
    orphaned(store, settings.outbox)
    elsewhere = settings.model_copy(update={"outbox": Path("elsewhere")})
    box = connect("outbox", elsewhere.options_for("outbox"))
    asyncio.run(box.open(begin=True))
    with pytest.raises(SendingError, match=r"batch 1 was being handed to outbox \(.*/outbox\) when its process"):
        send(box)
    assert len(readers(settings.db.parent / "elsewhere")) == 7
    assert ledger.tally(store, 1)["claimed"] == 3
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE[:3]


def test_a_mailbox_that_is_not_there_does_not_count_as_empty(send: Send, store: Database, settings: Settings) -> None:
    send(Faulty(settings), stopping=lambda: True)
    orphaned(store, settings.outbox)
    settings.outbox.rename(settings.outbox.with_name("unmounted"))
    with pytest.raises(SendingError, match=r"is not there, or is no Maildir; is its disk mounted\?; put that right"):
        send()
    tally = ledger.tally(store, 1)
    assert (tally["uncertain"], tally["queued"]) == (3, 7)
    assert not settings.outbox.exists()
    issues.resume(store, 1, now=NOW)
    settings.outbox.with_name("unmounted").rename(settings.outbox)
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE


def test_a_paused_issue_is_left_alone_until_it_is_resumed(send: Send, store: Database, settings: Settings) -> None:
    def pause() -> None:
        if ledger.tally(store, 1)["accepted"] == 3:
            issues.pause(store, 1, now=NOW)

    tally = send(Faulty(settings), progress=pause)
    assert (tally["accepted"], tally["queued"]) == (3, 7)
    with pytest.raises(StateError, match="is paused, so it cannot be sent; `digest resume 1` comes first"):
        send()
    issues.resume(store, 1, now=NOW)
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE


def test_a_paused_issue_can_be_ended_and_counts_as_mailed(send: Send, store: Database, settings: Settings) -> None:
    def pause() -> None:
        if issues.find_issue(store, 1).state == "sending" and ledger.tally(store, 1)["accepted"]:
            issues.pause(store, 1, now=NOW)

    send(Faulty(settings), progress=pause)
    steering.cancel(store, 1, now=NOW)
    assert len(readers(settings.outbox)) == 3
    assert issues.draft(store, settings, now=NOW).issue is None
    assert check_ledger(store) == []
    with pytest.raises(StateError, match=r"issue 1 is cancelled, so it cannot be sent$"):
        send()


def test_stopping_finishes_the_batch_in_hand(send: Send, store: Database, settings: Settings) -> None:
    tally = send(Faulty(settings), stopping=lambda: ledger.tally(store, 1)["accepted"] > 0)
    assert (tally["accepted"], tally["queued"]) == (3, 7)
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE


@pytest.mark.parametrize("way", ["unsubscribed", "hard bounce"])
def test_a_reader_who_leaves_during_the_send_gets_no_copy(
    send: Send, store: Database, settings: Settings, way: str
) -> None:
    def leave() -> None:
        if ledger.tally(store, 1)["accepted"]:
            if way == "unsubscribed":
                remove(store, EVERYONE[9], now=NOW)
            else:
                subscribers.suppress(store, EVERYONE[9], "hard bounce", now=NOW)

    tally = send(Faulty(settings), progress=leave)
    assert (tally["accepted"], tally["skipped"]) == (9, 1)
    assert readers(settings.outbox) == EVERYONE[:9]
    assert store.execute("SELECT reason FROM deliveries WHERE state = 5").fetchall() == [(way,)]


def test_an_issue_waits_for_its_time(store: Database, settings: Settings, send: Send) -> None:
    editing.edit(store, 1, now=NOW, settings=settings)
    issues.freeze(store, settings, 1, now=NOW, at=NOW + timedelta(hours=1))
    with pytest.raises(StateError, match="approved for Thu 26 Nov 2026, 10:00 UTC"):
        send()
    assert not settings.outbox.exists()
    assert send(early=True)["accepted"] == 10


def test_a_draft_is_not_sent(store: Database, settings: Settings, send: Send) -> None:
    editing.edit(store, 1, now=NOW, settings=settings)
    with pytest.raises(StateError, match="is draft, so it cannot be sent; `digest approve 1` comes first"):
        send()


def test_with_nobody_to_mail_it_is_not_begun(store: Database, send: Send) -> None:
    store.execute("UPDATE subscribers SET state = 'pending'")
    with pytest.raises(StateError, match="nobody is subscribed"):
        send()
    assert issues.find_issue(store, 1).state == "approved"


def test_a_batch_of_a_living_worker_is_left_to_it(send: Send, store: Database, settings: Settings) -> None:
    send(Faulty(settings), stopping=lambda: True)
    process = _other_process_claims(settings)
    try:
        tally = send()
        assert (tally["accepted"], tally["claimed"]) == (6, 4)
        assert issues.find_issue(store, 1).state == "sending"
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert send()["accepted"] == 10
    assert readers(settings.outbox) == EVERYONE


def _other_process_claims(settings: Settings) -> subprocess.Popen[bytes]:
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
        [sys.executable, "-c", script, str(settings.db), str(settings.outbox)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"claimed\n"
    return process
