"""A letter is mailed once: promptly, through whoever takes it, and never twice by guessing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from sendings import (
    ASKED,
    DAY_S,
    HOUR_S,
    MUTE,
    REPLAYED,
    SIGNERS,
    Clock,
    Hand,
    Taker,
    answer,
    lose,
    refuse,
    take,
)
from sqlite_utils import Database

from conftest import NOW, memory_store
from digest import times
from digest.audience import letterbox, subscribers
from digest.audience.addresses import read_address
from digest.audience.letterbox import Kind
from digest.providers.interface import (
    AccountError,
    BadCallError,
    Batch,
    Pace,
    QuotaError,
    TryAgainError,
    UncertainError,
)
from digest.sending import pace
from digest.sending.postman import LOOK_AGAIN_S, LOOK_S, SHUT_S, TRIES, Postman
from digest.settings import Settings
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.server import running
from digest.store import open_store
from digest.tokens import TokenError

SETTINGS = Settings(provider="outbox", base_url="https://verdicts.example.com", unsubscribe_mailto="out@example.com")
READER = "ada@example.com"


def subscribe(db: Database, state: str = "pending", email: str = READER, name: str | None = "Ada") -> int:
    reader = subscribers.add(db, email, now=NOW, name=name)[0].id
    db.execute("UPDATE subscribers SET state = ? WHERE id = ?", [state, reader])
    return reader


def write(db: Database, reader: int, kind: Kind = "confirm", email: str = READER, **more: Any) -> int:
    return letterbox.post(db, kind, read_address(email), subscriber=reader, now=NOW, **more)


class Round:
    """A store in memory, letters in it, and postmen, each as a process of its own would be."""

    def __init__(self) -> None:
        self.db, self.clock = memory_store(), Clock()
        self.crew: set[int] = set()
        self.said: list[str] = []
        self.reader = subscribe(self.db)

    def post(self, kind: Kind = "confirm", **more: Any) -> int:
        return write(self.db, self.reader, kind, **more)

    def state(self, state: str) -> None:
        self.db.execute("UPDATE subscribers SET state = ? WHERE id = ?", [state, self.reader])

    def hire(self, *takers: Taker, settings: Settings = SETTINGS) -> Postman:
        names = dict(zip([settings.provider, settings.failover], takers, strict=False))
        for name, taker in names.items():
            taker.name = name
        return Postman(
            self.db,
            settings,
            SIGNERS,
            Hand(self.crew, len(self.crew) + 1),
            names.__getitem__,
            clock=self.clock.now,
            say=self.said.append,
            draw=lambda: 0.5,
        )

    def deliver(self, postman: Postman, times: int = 1, every_s: float = 1.0) -> Counter[str]:
        """Let the postman go his round so often, and give what came of it."""
        before = postman.done.copy()
        for turn in range(times):
            self.clock.run_until_complete(postman.deliver())
            if turn + 1 < times:
                self.later(every_s)
        return postman.done - before

    def later(self, seconds: float) -> None:
        self.clock.run_until_complete(self.clock.leap(seconds))

    def row(self, columns: str = "state, trouble") -> tuple[Any, ...]:
        (found,) = self.db.execute(f"SELECT {columns} FROM letters ORDER BY id DESC LIMIT 1").fetchall()
        return tuple(found)


@pytest.fixture
def post() -> Any:
    made = Round()
    yield made
    made.db.close()
    made.clock.close()


# A letter ----------------------------------------------------------------------------------------------------------


def the_call(taker: Taker) -> tuple[Batch, dict[str, str]]:
    (batch,) = taker.calls
    (copy,) = batch.recipients
    return batch, {name: value.fill(copy.values) for name, value in batch.message.headers.items()}


def test_a_due_letter_is_mailed_and_written_down(post: Round) -> None:
    post.post()
    taker = Taker()
    assert post.deliver(post.hire(taker)) == {"sent": 1}
    batch, headers = the_call(taker)
    assert [copy.address for copy in batch.recipients] == [READER]
    assert batch.message.subject == "Please confirm: Weekly AI Tool Verdicts"
    assert post.row("state, tries, provider, account, message_id, settled_at") == (
        "sent", 1, "outbox", "here", f"-1-{post.reader}", times.to_text(NOW),
    )  # fmt: skip
    assert headers["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in headers
    assert "Precedence" not in headers


def test_a_letter_of_which_the_time_has_not_come_waits(post: Round) -> None:
    post.post(not_before=NOW + timedelta(minutes=5))
    taker = Taker()
    postman = post.hire(taker)
    assert post.deliver(postman) == {}
    assert taker.opened == []
    post.later(301)
    assert post.deliver(postman) == {"sent": 1}


def test_the_button_of_a_confirmation_opens_what_was_signed_up_until_its_days_are_over(post: Round) -> None:
    post.post()
    taker = Taker()
    post.deliver(post.hire(taker))
    batch, _ = the_call(taker)
    text = batch.message.text.fill({})
    (token,) = [line.rpartition("/")[2] for line in text.splitlines() if "/confirm/" in line]
    assert SIGNERS.links.read("confirm", token) == (post.reader, int((NOW + timedelta(days=7)).timestamp()))


def test_who_is_no_reader_yet_is_sent_no_token_that_opens(post: Round) -> None:
    """Mailgun, for one, writes the token of a copy into a header of its own."""
    post.post()
    (change,) = post.db.execute(
        "INSERT INTO address_changes (subscriber, email, email_key, asked_at)"
        " VALUES (?, 'new@example.org', 'new@example.org', 'x') RETURNING id",
        [post.reader],
    ).fetchone()
    post.post("address", email="new@example.org", detail={"change": change})
    taker = Taker()
    assert post.deliver(post.hire(taker)) == {"sent": 2}
    for batch in taker.calls:
        with pytest.raises(TokenError):
            SIGNERS.links.read("copy", batch.recipients[0].values["token"])
    (token,) = [
        line.rpartition("/")[2]
        for batch in taker.calls
        for line in batch.message.text.fill({}).splitlines()
        if "/address/" in line
    ]
    assert SIGNERS.links.read("address", token)[0] == change


def test_a_welcome_says_how_to_leave_as_an_issue_does(post: Round) -> None:
    post.state("active")
    post.post("welcome")
    taker = Taker()
    assert post.deliver(post.hire(taker)) == {"sent": 1}
    batch, headers = the_call(taker)
    token = batch.recipients[0].values["token"]
    assert SIGNERS.links.read("copy", token) == (0, post.reader)
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Unsubscribe"] == (
        f"<https://verdicts.example.com/u/{token}>, <mailto:out@example.com?subject=unsubscribe%20{token}>"
    )
    assert "Welcome, Ada" in batch.message.text.fill({})
    assert f"/p/{token}" in batch.message.html.fill({})


def test_two_letters_never_have_one_name(post: Round) -> None:
    post.post()
    post.post()
    taker = Taker()
    post.deliver(post.hire(taker))
    assert len({batch.recipients[0].values["message"] for batch in taker.calls}) == 2
    assert len({batch.idempotency_key for batch in taker.calls}) == 2
    assert [batch.number for batch in taker.calls] == [-1, -2]


# Not mailed any more -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("confirm", "UPDATE subscribers SET state = 'active'", "it is confirmed already"),
        ("confirm", "INSERT INTO suppressions VALUES ('ada@example.com', 'complaint', 'x', NULL)", "complaint"),
        ("confirm", "INSERT INTO suppressions VALUES ('ada@example.com', 'hard bounce', 'x', NULL)", "hard bounce"),
        ("confirm", "UPDATE letters SET subscriber = NULL", "the reader is gone"),
        ("confirm", "UPDATE subscribers SET email_key = 'forgotten:x'", "another address"),
        ("welcome", "UPDATE subscribers SET state = 'unsubscribed'", "the reader has left"),
        ("goodbye", "UPDATE subscribers SET state = 'active'", "the reader has come back"),
        ("address", "DELETE FROM address_changes", "is not asked for any more"),
        ("notice", "UPDATE subscribers SET email_key = 'b@example.com'", "another address"),
    ],
)  # fmt: skip
def test_what_there_is_no_reason_for_any_more_is_dropped(post: Round, kind: Kind, change: str, why: str) -> None:
    post.post(kind, detail={"change": 1})
    post.db.execute(change)
    taker = Taker()
    postman = post.hire(taker)
    post.deliver(postman)
    assert taker.calls == []
    state, trouble = post.row()
    assert state == "dropped"
    assert why in trouble


def test_one_who_left_and_signs_up_again_gets_the_confirmation(post: Round) -> None:
    post.state("unsubscribed")
    subscribers.suppress(post.db, READER, "unsubscribed", now=NOW)
    post.post()
    assert post.deliver(post.hire(Taker())) == {"sent": 1}


def test_a_confirmation_is_not_mailed_after_its_button_has_ended(post: Round) -> None:
    post.post(not_before=NOW + timedelta(days=7, seconds=1))
    post.later(8 * DAY_S)
    taker = Taker()
    assert post.deliver(post.hire(taker)) == {"dropped": 1}
    assert taker.calls == []


# Refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [refuse(BadCallError("no such mailbox")), answer(rejected={1: "no such mailbox"})],
    ids=["the call", "the copy"],
)
def test_a_refused_address_fails_with_the_reason_and_is_not_suppressed(post: Round, act: Any) -> None:
    post.post()
    assert post.deliver(post.hire(Taker([act])), 5) == {"failed": 1}
    assert post.row() == ("failed", "no such mailbox")
    assert post.db.execute("SELECT count(*) FROM suppressions").fetchone() == (0,)


@pytest.mark.parametrize(
    "act",
    [refuse(TryAgainError("maintenance")), answer(again={1: "greylisted"})],
    ids=["the call", "the copy"],
)
def test_what_passes_is_tried_again_after_pauses_that_grow(post: Round, act: Any) -> None:
    post.post()
    taker = Taker([act] * 4)
    postman = post.hire(taker)
    assert post.deliver(postman, 600)["sent"] == 1
    gaps = [later - sooner for sooner, later in zip(taker.began, taker.began[1:], strict=False)]
    assert len(gaps) == 4
    for gap, pause in zip(gaps, (15, 30, 60, 120), strict=True):
        assert pause <= gap <= pause + 3
    assert len({batch.idempotency_key for batch in taker.calls}) == 1


def test_after_a_day_of_it_the_letter_fails(post: Round) -> None:
    post.post()
    taker = Taker(always=answer(again={1: "greylisted"}))
    postman = post.hire(taker)
    post.deliver(postman, 3000, every_s=30)
    state, trouble = post.row()
    assert state == "failed"
    assert trouble == f"given up after {TRIES} tries: greylisted"
    assert 0.9 * DAY_S < taker.began[-1] - taker.began[0] < 1.1 * DAY_S


def test_a_provider_that_says_when_is_not_asked_before_by_anybody(post: Round) -> None:
    post.post()
    taker = Taker([refuse(TryAgainError("slow down", after_s=120))])
    postman = post.hire(taker)
    post.deliver(postman)
    assert pace.wait_of(post.db, "outbox", now=post.clock.now()) == 120
    post.deliver(postman, 125)
    assert [round(at) for at in taker.began] == [0, 120]


@pytest.mark.parametrize("error", [AccountError("wrong key"), QuotaError("no credits")])
def test_what_a_person_must_mend_is_said_once_and_costs_no_letter(post: Round, error: Exception) -> None:
    post.post()
    post.post()
    taker = Taker(always=refuse(error))
    postman = post.hire(taker)
    post.deliver(postman, 200, every_s=60)
    assert post.said == [f"letters wait, because outbox takes nothing: {error}"]
    assert letterbox.tally(post.db) == {"queued": 2, "uncertain": 0, "failed": 0, "trouble": str(error)}
    assert len(taker.calls) < 200 * 60 / SHUT_S * 2 + 4
    taker.always = take
    assert post.deliver(postman, 10, every_s=60)["sent"] == 2


def test_another_provider_takes_over_what_the_first_proves_not_to_have(post: Round) -> None:
    post.post()
    first, second = Taker(always=refuse(AccountError("wrong key"))), Taker()
    settings = Settings(provider="outbox", failover="resend")
    assert post.deliver(post.hire(first, second, settings=settings)) == {"sent": 1}
    assert (len(first.calls), len(second.calls)) == (1, 1)
    assert post.row("provider, tries") == ("resend", 1)


def test_a_provider_that_cannot_be_made_ready_keeps_nothing_up(post: Round) -> None:
    post.post()
    first, second = Taker(open_error=AccountError("no such folder")), Taker()
    settings = Settings(provider="outbox", failover="resend")
    assert post.deliver(post.hire(first, second, settings=settings)) == {"sent": 1}
    assert post.said == ["letters wait, because outbox takes nothing: no such folder"]


def test_a_letter_that_cannot_be_written_waits_for_its_template(post: Round, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("{{ nonsense }}")
    post.post()
    taker = Taker()
    settings = Settings(provider="outbox", templates=tmp_path)
    postman = post.hire(taker, settings=settings)
    assert post.deliver(postman) == {"queued": 1}
    assert taker.calls == []
    assert "'nonsense' is undefined" in post.said[0]
    assert "'nonsense' is undefined" in post.row()[1]


# Uncertain ---------------------------------------------------------------------------------------------------------


def test_one_that_keeps_our_keys_is_called_again_with_the_same_bytes(post: Round) -> None:
    post.post()
    taker = Taker([lose()], proof=REPLAYED)
    postman = post.hire(taker)
    assert post.deliver(postman) == {"uncertain": 1}
    assert post.row()[0] == "uncertain"
    assert post.deliver(postman, int(LOOK_S) + 3) == {"sent": 1}
    first, second = taker.calls
    assert (first.idempotency_key, first.date, first.recipients) == (
        second.idempotency_key, second.date, second.recipients,
    )  # fmt: skip
    assert first.message == second.message
    assert len(taker.accepted) == 1


def test_one_that_can_be_asked_is_asked_in_its_time(post: Round) -> None:
    post.post()
    taker = Taker([lose()], proof=ASKED)
    postman = post.hire(taker)
    post.deliver(postman, 70)
    assert [round(at) for at in taker.asked_at] == [60]
    assert post.row("state, message_id") == ("sent", f"asked-{post.reader}")
    assert len(taker.accepted) == 1


def test_what_it_does_not_have_is_mailed(post: Round) -> None:
    post.post()
    taker = Taker([lose(accepted=0)], proof=ASKED)
    postman = post.hire(taker)
    post.deliver(postman, 120)
    assert post.row("state, tries") == ("sent", 2)
    assert len(taker.accepted) == 1


def test_what_nobody_can_say_is_left_and_never_mailed_twice(post: Round) -> None:
    post.post()
    taker = Taker([lose(accepted=0)], proof=MUTE)
    postman = post.hire(taker)
    post.deliver(postman, 100, every_s=HOUR_S)
    assert post.row() == ("uncertain", "its provider cannot say what it accepted")
    assert len(taker.calls) == 1
    (waiting,) = letterbox.waiting(post.db)
    assert (waiting.email, waiting.state) == (READER, "uncertain")


def test_one_that_cannot_say_now_is_asked_again_later(post: Round) -> None:
    post.post()
    taker = Taker([lose()], proof=ASKED, ask_errors=[UncertainError("later")])
    postman = post.hire(taker)
    post.deliver(postman, 400)
    assert taker.asked_at[1] - taker.asked_at[0] >= LOOK_AGAIN_S
    assert post.row()[0] == "sent"


def test_what_is_uncertain_and_not_needed_any_more_is_dropped(post: Round) -> None:
    post.post()
    taker = Taker([lose()], proof=REPLAYED)
    postman = post.hire(taker)
    post.deliver(postman)
    post.state("active")
    post.deliver(postman, 10)
    assert post.row()[0] == "dropped"
    assert len(taker.calls) == 1


def test_a_dead_process_left_it_in_the_middle(post: Round) -> None:
    post.post()
    taker = Taker(takes_s=1000.0, proof=ASKED)
    first = post.hire(taker)
    task = post.clock.create_task(first.deliver())
    post.clock.run_until_complete(asyncio.sleep(1))
    assert post.row()[0] == "claimed"
    second = post.hire(taker)
    assert post.deliver(second, 100) == {}, "the first one lives"
    # It dies without a word, and what it had handed over was accepted.
    taker.accept(taker.calls[0], [post.reader])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        post.clock.run_until_complete(task)
    post.db.execute("UPDATE letters SET state = 'claimed', worker = 1")
    assert isinstance(first.worker, Hand)
    first.worker.dies()
    assert post.deliver(second, 130)["sent"] == 1
    assert len(taker.accepted) == 1


def test_one_who_died_over_finding_out_keeps_nobody_waiting(post: Round) -> None:
    post.post()
    taker = Taker([lose()], proof=REPLAYED)
    post.deliver(post.hire(taker))
    post.later(LOOK_S)
    letterbox.claim_doubtful(post.db, provider="outbox", account="here", worker=99, now=post.clock.now())
    post.later(1)
    assert post.deliver(post.hire(taker), 3)["sent"] == 1
    assert len(taker.accepted) == 1


def test_what_the_postman_himself_dropped_on_the_floor_he_picks_up(post: Round) -> None:
    """Such as where the store could not be written to just then."""
    post.post()
    taker = Taker(proof=ASKED)
    postman = post.hire(taker)
    letterbox.claim(post.db, provider="outbox", account="here", worker=postman.worker.number, now=NOW)
    post.deliver(postman, 100)
    assert post.row()[0] == "sent"
    assert len(taker.accepted) == 1


def test_what_went_elsewhere_is_left_alone_and_says_where(post: Round) -> None:
    post.post()
    taker = Taker([lose()], proof=ASKED)
    post.deliver(post.hire(taker))
    other = Taker(account="elsewhere", proof=ASKED)
    postman = post.hire(other)
    post.deliver(postman, 100)
    state, trouble = post.row()
    assert state == "uncertain"
    assert trouble.startswith("it went to outbox (here)")
    assert other.asked == []


def test_two_postmen_at_once_mail_each_letter_once(post: Round) -> None:
    numbers = [post.post() for _ in range(40)]
    taker = Taker(takes_s=0.1, pace=Pace(connections=4))
    both = [post.hire(taker), post.hire(taker)]

    async def together() -> None:
        await asyncio.gather(*(postman.deliver() for postman in both))

    post.clock.run_until_complete(together())
    assert sorted(-number for number, _ in taker.accepted) == numbers
    assert all(postman.done["sent"] for postman in both)


def test_one_that_takes_a_call_at_a_time_gets_one(post: Round) -> None:
    for _ in range(5):
        post.post()
    taker = Taker(takes_s=0.1, pace=Pace(connections=1))
    assert post.deliver(post.hire(taker)) == {"sent": 5}
    assert taker.most_at_once == 1


def test_letters_keep_to_the_pace_of_their_provider(post: Round) -> None:
    for _ in range(5):
        post.post()
    taker = Taker(pace=Pace(calls_a_second=2, connections=4))
    assert post.deliver(post.hire(taker)) == {"sent": 5}
    assert taker.began[-1] - taker.began[0] >= 1.9


def test_a_postman_who_is_stopped_finishes_what_he_has_in_hand(post: Round) -> None:
    for _ in range(5):
        post.post()
    taker = Taker(takes_s=1.0, pace=Pace(connections=2))
    postman = post.hire(taker)
    postman.stopping = lambda: len(taker.calls) == 2
    assert post.deliver(postman) == {"sent": 2}
    assert letterbox.tally(post.db)["queued"] == 3


# The letterbox -----------------------------------------------------------------------------------------------------


def test_what_another_took_over_is_not_settled_by_the_first(post: Round) -> None:
    number = post.post()
    mine = letterbox.claim(post.db, provider="outbox", account="here", worker=1, now=NOW)
    assert mine is not None
    assert letterbox.adopt(post.db, number, before=1, worker=2, look_at=NOW)
    assert not letterbox.adopt(post.db, number, before=1, worker=3, look_at=NOW)
    assert not letterbox.settle(post.db, mine, "sent", now=NOW)
    assert not letterbox.queue_again(post.db, mine, "not accepted", not_before=NOW, counted=True)
    assert post.row()[0] == "uncertain"


def test_of_an_erased_letter_another_may_have_the_number(post: Round) -> None:
    post.post()
    mine = letterbox.claim(post.db, provider="outbox", account="here", worker=1, now=NOW)
    assert mine is not None
    post.db.execute("DELETE FROM letters")
    assert post.post() == mine.id
    letterbox.claim(post.db, provider="outbox", account="here", worker=1, now=NOW)
    assert not letterbox.settle(post.db, mine, "sent", now=NOW)
    assert post.row()[0] == "claimed"


def test_old_letters_are_deleted_and_those_that_wait_are_not(post: Round) -> None:
    for state, days in (("sent", 31), ("sent", 29), ("failed", 31), ("uncertain", 31), ("queued", 31)):
        number = post.post()
        old = times.to_text(NOW - timedelta(days=days))
        settled = old if state in ("sent", "failed") else None
        post.db.execute(
            "UPDATE letters SET state = ?, created_at = ?, settled_at = ? WHERE id = ?", [state, old, settled, number]
        )
    assert letterbox.delete_old(post.db, now=NOW) == 3
    assert {row["state"] for row in post.db["letters"].rows} == {"sent", "queued"}


def test_looking_for_due_letters_reads_an_index_alone(post: Round) -> None:
    seen: list[str] = []
    post.db.conn.set_trace_callback(seen.append)
    letterbox.due(post.db, now=NOW)
    letterbox.claimed(post.db)
    post.db.conn.set_trace_callback(None)
    for sql in seen:
        plan = " ".join(row[3] for row in post.db.conn.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "letters_open" in plan, plan


# Through real providers --------------------------------------------------------------------------------------------


def real(settings: Settings, *, now: datetime = NOW, rounds: int = 1) -> Postman:
    """Go a round with the providers of the settings, as `digest letters send` does."""
    from digest.sending.copies import Signers
    from digest.sending.workers import Worker

    with closing(open_store(settings.db)) as db, Worker(settings.db) as worker:
        postman = Postman.of(db, settings, Signers.of(db, settings, now=now), worker, clock=lambda: now)
        for _ in range(rounds):
            asyncio.run(postman.deliver())
    return postman


@pytest.mark.parametrize("name", ["resend", "postmark", "ses", "mailgun", "sendgrid", "brevo"])
def test_every_provider_takes_a_letter(name: str, db: Database, settings: Settings) -> None:
    write(db, subscribe(db, "active"), "welcome")
    write(db, subscribe(db, email="bob@example.com", name=None), "confirm", email="bob@example.com")
    simulator = simulate(name)
    with running(simulator) as (url, _):
        usage = simulator.usage(url)
        options = {key.partition(".")[2]: value for key, value in usage.items() if "." in key}
        postman = real(settings.model_copy(update={"letters_provider": name, "providers": {name: options}}))
    assert postman.done == {"sent": 2}
    by_address = {copy.address: copy for copy in simulator.record.accepted}
    welcome, confirm = by_address[READER], by_address["bob@example.com"]
    assert (welcome.subject, confirm.subject) == (
        "Welcome to Weekly AI Tool Verdicts", "Please confirm: Weekly AI Tool Verdicts",
    )  # fmt: skip
    assert "Welcome, Ada" in welcome.html
    headers = {key.lower(): value for key, value in welcome.headers.items()}
    assert headers["auto-submitted"] == "auto-generated"
    assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert "list-unsubscribe" not in {key.lower() for key in confirm.headers}


def test_letters_go_by_a_transactional_stream_of_postmark(db: Database, settings: Settings) -> None:
    write(db, subscribe(db))
    simulator = simulate("postmark", stream="outbound")
    with running(simulator) as (url, _):
        options = {"url": url, "token": "pm-simulated", "stream": "broadcast", "mode": "bulk"}
        real(settings.model_copy(update={"provider": "postmark", "providers": {"postmark": options}}))
    assert simulator.record.addresses() == {READER: 1}


def test_a_letter_in_the_outbox_is_a_whole_mail(db: Database, settings: Settings) -> None:
    reader = subscribe(db)
    write(db, reader)
    assert real(settings, rounds=2).done == {"sent": 1}
    (path,) = (settings.db.parent / settings.outbox / "new").iterdir()
    mail = message_from_bytes(path.read_bytes(), policy=SMTP)
    assert isinstance(mail, EmailMessage)
    assert mail["To"] == READER
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"].endswith("@verdicts.example.com>")
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_line_that_breaks_at_resend_gives_one_mail(db: Database, settings: Settings) -> None:
    write(db, subscribe(db))
    simulator = simulate("resend")
    with running(simulator, Faults(reset_after=1.0)) as (url, server):
        options = {"resend": {"url": url, "key": "re_simulated"}}
        ours = settings.model_copy(update={"provider": "resend", "providers": options})
        assert real(ours).done == {"uncertain": 1}
        server.misbehave(Faults())
        assert real(ours, now=NOW + timedelta(seconds=60)).done == {"sent": 1}
    assert simulator.record.calls == 2
    assert simulator.record.addresses() == {READER: 1}


# Killed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resend", "outbox"])
def test_killed_in_the_middle_of_a_hand_over_each_has_one_letter(name: str, tmp_path: Path) -> None:
    """A real SIGKILL of a real `digest letters send`, a few times, until all is settled."""
    path, count = tmp_path / "digest.db", 40
    with closing(open_store(path, create=True)) as db:
        for number in range(count):
            email = f"reader{number}@example.com"
            reader = subscribe(db, email=email)
            letterbox.post(db, "confirm", read_address(email), subscriber=reader, now=times.now())
    simulator = simulate("resend")
    with running(simulator, Faults(latency_s=0.05)) as (url, _):
        command = [
            sys.executable, "-m", "digest", "letters", "send", "--json", "--set", f"provider={name}",
            "--set", f"resend.url={url}", "--set", "resend.calls_a_second=0",
        ]  # fmt: skip
        environment = os.environ | {"DIGEST_RESEND_KEY": "re_simulated"}
        kills = left_open = 0
        with closing(sqlite3.connect(path)) as look:
            while kills < 3 or (not left_open and kills < 10):
                before = sent(look)
                with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as process:
                    while process.poll() is None and not (sent(look) >= before + 3 and in_hand(look)):
                        time.sleep(0.002)
                    os.kill(process.pid, signal.SIGKILL)
                kills += 1
                left_open += in_hand(look)
            deadline = time.monotonic() + 30
            while sent(look) < count and time.monotonic() < deadline:
                done = subprocess.run(
                    command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
                )
                assert done.returncode in (0, 3), done.stderr
                look.execute("SELECT 1")
            assert sent(look) == count, look.execute(
                "SELECT state, trouble FROM letters WHERE state <> 'sent'"
            ).fetchall()
    assert left_open, "no kill came between handing over and writing down"
    if name == "resend":
        given = simulator.record.addresses()
    else:
        mails = [message_from_bytes(file.read_bytes()) for file in (tmp_path / "outbox" / "new").iterdir()]
        given = Counter(str(mail["To"]) for mail in mails)
    assert given == {f"reader{number}@example.com": 1 for number in range(count)}


def in_hand(look: sqlite3.Connection) -> int:
    return int(look.execute("SELECT count(*) FROM letters WHERE state = 'claimed'").fetchone()[0])


def sent(look: sqlite3.Connection) -> int:
    return int(look.execute("SELECT count(*) FROM letters WHERE state = 'sent'").fetchone()[0])


def test_two_processes_at_once_share_the_letters(tmp_path: Path) -> None:
    path, count = tmp_path / "digest.db", 40
    with closing(open_store(path, create=True)) as db:
        for number in range(count):
            email = f"reader{number}@example.com"
            letterbox.post(db, "confirm", read_address(email), subscriber=subscribe(db, email=email), now=times.now())
    command = [sys.executable, "-m", "digest", "letters", "send", "--json"]
    both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    counts = [json.loads(process.communicate(timeout=60)[0])["sent"] for process in both]
    assert sum(counts) == count
    assert len(list((tmp_path / "outbox" / "new").iterdir())) == count
