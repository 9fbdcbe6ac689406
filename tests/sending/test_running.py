"""Sending by itself: what is due is sent, once, and what keeps it from that is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import pytest
from sendings import (
    ASKED,
    MUTE,
    SETTINGS,
    SIGNERS,
    Clock,
    Hand,
    Post,
    Taker,
    answer,
    everyone,
    lose,
    refuse,
    state,
    store_with,
)
from sqlite_utils import Database

from conftest import NOW
from digest import times
from digest.errors import SettingsError
from digest.issue import issues
from digest.providers.interface import AccountError, Pace, TryAgainError
from digest.sending import ledger, running, steering
from digest.sending.engine import Engine
from digest.sending.running import Runner
from digest.settings import Settings

SOON = NOW + timedelta(minutes=10)


class Hired(Hand):
    """A worker of a crew that takes issues in hand."""

    def __init__(self, crew: set[int], number: int, taken: dict[int, int]) -> None:
        super().__init__(crew, number)
        self.taken = taken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dies()
        for issue in [issue for issue, worker in self.taken.items() if worker == self.number]:
            del self.taken[issue]

    def takes(self, issue: int) -> bool:
        return self.taken.setdefault(issue, self.number) == self.number


class Serve:
    """A `digest serve` with its runner: it looks what is due every second, or less often where that takes hours."""

    def __init__(self, db: Database, clock: Clock, *takers: Taker, settings: Settings = SETTINGS, **more: Any) -> None:
        self.post = Post(db, clock)
        self.taken: dict[int, int] = {}
        given: dict[str, Any] = {"connected": lambda settings: list(takers), "clock": clock.now} | more
        self.runner = Runner(db, settings, SIGNERS, self.hire, **given)

    def hire(self) -> Hired:
        self.post.count += 1
        return Hired(self.post.crew, self.post.count, self.taken)

    def run(self, **span: float) -> None:
        """Serve for so long."""
        clock = self.post.clock
        seconds = timedelta(**span).total_seconds()
        until, look_s = clock.time() + seconds, 1 if seconds < 5000 else 20

        async def serving() -> None:
            while clock.time() < until and not self.runner.stopping():
                if not await self.runner.go():
                    await asyncio.sleep(look_s)

        self.post.run(serving())


@pytest.fixture
def clock() -> Iterator[Clock]:
    loop = Clock()
    yield loop
    loop.close()


@pytest.fixture
def db() -> Database:
    """A store with ten readers, and issue 1 approved for ten minutes later."""
    made = store_with()
    issues.reschedule(made, SETTINGS, 1, now=NOW, at=SOON)
    return made


def second_issue(db: Database, at: datetime) -> None:
    """Approve another issue, of the same content, for a moment."""
    columns = [str(row[1]) for row in db.execute("PRAGMA table_info(issues)") if row[1] not in ("number", "nonce")]
    db.execute(f"INSERT INTO issues (number, {', '.join(columns)}) SELECT 2, {', '.join(columns)} FROM issues")
    issues.reschedule(db, SETTINGS, 2, now=NOW, at=at)


def trouble(db: Database, number: int = 1) -> str:
    return issues.find_issue(db, number).trouble or ""


# What is due --------------------------------------------------------------------------------------------------------


def test_it_is_sent_when_its_time_has_come_and_not_before(db: Database, clock: Clock) -> None:
    taker = Taker()
    serve = Serve(db, clock, taker)
    serve.run(minutes=9)
    assert (state(db), taker.opened) == ("approved", [])
    serve.run(minutes=2)
    assert (state(db), taker.readers()) == ("sent", everyone())
    assert min(taker.began) == pytest.approx(600, abs=2)


def test_what_was_approved_without_a_time_is_left_to_digest_send(clock: Clock) -> None:
    db = store_with()
    Serve(db, clock, Taker()).run(hours=1)
    assert state(db) == "approved"


def test_what_a_dead_process_left_is_sent_to_its_end(db: Database, clock: Clock) -> None:
    taker = Taker(takes_s=10)
    issues.reschedule(db, SETTINGS, 1, now=NOW, at=NOW)
    serve = Serve(db, clock, taker)
    serve.post.crash(taker, after_s=15)
    assert ledger.tally(db, 1)["claimed"] == 3
    serve.run(minutes=5)
    assert (state(db), taker.readers(), taker.twice()) == ("sent", everyone(), [])


def test_readers_get_it_at_their_own_time(db: Database, clock: Clock) -> None:
    db.execute("UPDATE subscribers SET timezone = 'America/New_York' WHERE id > 5")
    issues.reschedule(db, SETTINGS, 1, now=NOW, at=NOW + timedelta(hours=1), local=True)
    taker = Taker()
    serve = Serve(db, clock, taker)
    serve.run(hours=2)
    assert taker.readers() == [1, 2, 3, 4, 5]
    serve.run(hours=5)
    assert (state(db), taker.readers()) == ("sent", everyone())


def test_it_goes_on_the_next_day_after_a_days_cap(db: Database, clock: Clock) -> None:
    taker = Taker(pace=Pace(connections=1, a_day=6))
    serve = Serve(db, clock, taker)
    serve.run(hours=3)
    assert taker.readers() == everyone(6)
    serve.run(hours=13)
    assert (state(db), taker.readers(), trouble(db)) == ("sent", everyone(), "")


def test_what_another_process_has_in_hand_is_left_to_it(db: Database, clock: Clock) -> None:
    taker = Taker()
    serve = Serve(db, clock, taker)
    serve.taken[1] = -1
    serve.run(minutes=20)
    assert state(db) == "approved"
    del serve.taken[1]
    serve.run(minutes=1)
    assert state(db) == "sent"


def test_pausing_and_resuming_goes_on_by_itself(db: Database, clock: Clock) -> None:
    taker = Taker(takes_s=5)
    serve = Serve(db, clock, taker)
    clock.call_later(606, lambda: issues.pause(db, 1, now=clock.now()))
    serve.run(minutes=20)
    assert (state(db), len(taker.readers())) == ("paused", 6)
    issues.resume(db, 1, now=clock.now())
    serve.run(minutes=1)
    assert (state(db), taker.readers(), taker.twice()) == ("sent", everyone(), [])


def test_what_is_uncertain_of_a_paused_issue_is_found_out(db: Database, clock: Clock) -> None:
    issues.reschedule(db, SETTINGS, 1, now=NOW, at=NOW)
    taker = Taker(takes_s=10)
    serve = Serve(db, clock, taker)
    serve.post.crash(taker, after_s=15)
    issues.pause(db, 1, now=clock.now())
    serve.run(minutes=5)
    tally = ledger.tally(db, 1)
    assert (state(db), tally["claimed"], tally["uncertain"], len(taker.calls)) == ("paused", 0, 0, 2)


def test_those_rejected_are_mailed_again_while_it_waits_for_others(db: Database, clock: Clock) -> None:
    db.execute("UPDATE subscribers SET timezone = 'America/New_York' WHERE id = 10")
    issues.reschedule(db, SETTINGS, 1, now=NOW, at=NOW + timedelta(hours=5), local=True)
    clock.start = NOW + timedelta(hours=9, minutes=50)
    taker = Taker([answer([1, 2], rejected={3: "mailbox full"})])
    serve = Serve(db, clock, taker, settings=SETTINGS.model_copy(update={"sending_grace_hours": 0}))
    clock.call_later(60, lambda: steering.retry_rejected(db, 1, now=clock.now()))
    serve.run(seconds=70)
    (at,) = [
        began
        for began, batch in zip(taker.began, taker.calls, strict=True)
        if began > 30 and batch.recipients[0].subscriber == 3
    ]
    assert at < 70, "it was not looked at before the next zone's time"


# What comes too late ------------------------------------------------------------------------------------------------


def test_what_was_overslept_is_not_sent_by_surprise(db: Database, clock: Clock) -> None:
    clock.start = SOON + timedelta(hours=3, minutes=1)
    taker = Taker()
    serve = Serve(db, clock, taker)
    serve.run(hours=30)
    assert (state(db), taker.opened) == ("approved", [])
    assert trouble(db) == (
        "its time passed at Thu 26 Nov 2026, 09:10 UTC while digest was not running;"
        " send it now or give it another time"
    )
    issues.reschedule(db, SETTINGS, 1, now=clock.now(), at=clock.now())
    assert trouble(db) == ""
    serve.run(minutes=1)
    assert state(db) == "sent"


def test_within_the_grace_it_is_sent_late(db: Database, clock: Clock) -> None:
    clock.start = SOON + timedelta(hours=2, minutes=59)
    Serve(db, clock, Taker()).run(minutes=1)
    assert state(db) == "sent"


def test_with_no_grace_set_it_is_sent_however_late(db: Database, clock: Clock) -> None:
    clock.start = SOON + timedelta(days=3)
    Serve(db, clock, Taker(), settings=SETTINGS.model_copy(update={"sending_grace_hours": 0})).run(minutes=1)
    assert state(db) == "sent"


def test_at_readers_own_time_it_is_late_by_the_newsletters_clock(db: Database, clock: Clock) -> None:
    issues.reschedule(db, SETTINGS, 1, now=NOW, at=NOW + timedelta(hours=20), local=True)
    clock.start = NOW + timedelta(hours=22)
    Serve(db, clock, Taker()).run(minutes=1)
    assert state(db) == "sent"


def test_one_that_waited_in_line_was_not_overslept(db: Database, clock: Clock) -> None:
    second_issue(db, SOON + timedelta(minutes=5))
    taker = Taker(takes_s=4000)
    Serve(db, clock, taker).run(hours=9)
    assert [issues.find_issue(db, number).state for number in (1, 2)] == ["sent", "sent"]


def test_one_that_waits_gives_way_to_others(db: Database, clock: Clock) -> None:
    second_issue(db, SOON)
    issues.reschedule(db, SETTINGS, 1, now=NOW, at=SOON, local=True)
    issues.reschedule(db, SETTINGS, 2, now=NOW, at=NOW + timedelta(minutes=5))
    Serve(db, clock, Taker()).run(minutes=11)
    first, second = (issues.find_issue(db, number) for number in (1, 2))
    assert first.sending_at == NOW, "it did not wait for its readers"
    assert second.sent_at is not None
    assert second.sent_at < NOW + timedelta(minutes=5, seconds=10)
    assert (first.state, first.trouble) == ("sent", None)


# What keeps it from being sent ----------------------------------------------------------------------------------------


def test_a_provider_that_cannot_be_reached_is_told_once_and_tried_again(
    db: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    taker = Taker(open_error=TryAgainError("no connection"))
    serve = Serve(db, clock, taker)
    with caplog.at_level(logging.WARNING, "digest"):
        serve.run(hours=2)
    assert (state(db), trouble(db)) == ("approved", "taker: no connection; it is tried again by itself")
    since = db.conn.execute("SELECT trouble_at FROM issues WHERE number = 1").fetchone()[0]
    assert times.from_text(since) < SOON + timedelta(seconds=5)
    assert len(caplog.messages) == 1
    assert 8 < len(taker.opened) < 20
    taker.open_error = None
    serve.run(minutes=11)
    assert (state(db), trouble(db)) == ("sent", "")


def test_what_could_not_be_sent_for_too_long_is_left_to_a_person(db: Database, clock: Clock) -> None:
    taker = Taker(open_error=TryAgainError("no connection"))
    serve = Serve(db, clock, taker)
    serve.run(hours=4)
    assert trouble(db) == (
        "its time, Thu 26 Nov 2026, 09:10 UTC, has passed, and it could not be sent: taker: no connection;"
        " send it now or give it another time"
    )
    taker.open_error = None
    serve.run(hours=1)
    assert state(db) == "approved"


def test_wrong_settings_of_a_provider_are_told(db: Database, clock: Clock) -> None:
    def wrong(settings: Settings) -> list[Any]:
        raise SettingsError("resend.key is missing")

    serve = Serve(db, clock, connected=wrong)
    serve.run(hours=1)
    assert (state(db), trouble(db)) == ("approved", "resend.key is missing; it is tried again by itself")


def test_where_nobody_is_subscribed_that_is_told(clock: Clock) -> None:
    db = store_with(0)
    issues.reschedule(db, SETTINGS, 1, now=NOW, at=SOON)
    Serve(db, clock, Taker()).run(hours=1)
    assert state(db) == "approved"
    assert trouble(db).startswith("nobody is subscribed")


def test_a_provider_that_takes_nothing_pauses_it_until_a_person_resumes_it(db: Database, clock: Clock) -> None:
    taker = Taker(always=refuse(AccountError("the domain is not verified")))
    serve = Serve(db, clock, taker)
    serve.run(hours=1)
    assert (state(db), trouble(db)) == ("paused", "taker takes nothing: the domain is not verified")
    assert len(taker.calls) == 1
    taker.always = Taker().always
    issues.resume(db, 1, now=clock.now())
    serve.run(minutes=1)
    assert (state(db), trouble(db), taker.readers()) == ("sent", "", everyone())


def test_a_provider_that_always_fails_stops_both_of_two_issues(db: Database, clock: Clock) -> None:
    second_issue(db, SOON)
    taker = Taker(always=refuse(TryAgainError("maintenance")))
    Serve(db, clock, taker).run(hours=1)
    assert [issues.find_issue(db, number).state for number in (1, 2)] == ["paused", "paused"]
    assert "failed" in trouble(db)
    assert len(taker.calls) < 200


def test_what_only_a_person_can_decide_is_told_once(
    db: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    taker = Taker([lose()], proof=MUTE)
    serve = Serve(db, clock, taker)
    with caplog.at_level(logging.WARNING, "digest"):
        serve.run(hours=30)
    assert (state(db), len(caplog.messages)) == ("sending", 1)
    assert trouble(db).startswith("of 3 copies in 1 batch nobody can find out whether they were accepted")
    steering.resolve(db, 1, 1, "accepted", lives=serve.post.crew.__contains__, worker=0, now=clock.now())
    assert (state(db), trouble(db)) == ("sent", "")


def test_when_copies_go_again_the_trouble_is_over(db: Database, clock: Clock) -> None:
    taker = Taker([lose()], proof=MUTE, takes_s=20)
    serve = Serve(db, clock, taker)
    serve.run(minutes=20)
    assert trouble(db)
    steering.resolve(db, 1, 1, "resend", lives=serve.post.crew.__contains__, worker=0, now=clock.now())
    serve.run(minutes=1)
    assert (state(db), trouble(db)) == ("sent", "")


def test_what_breaks_in_one_issue_does_not_stop_another(
    db: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    second_issue(db, SOON)
    send = Engine.send

    async def breaks(engine: Engine, number: int, *, early: bool = False) -> dict[str, int]:
        if number == 1:
            raise ZeroDivisionError("by nought")
        return await send(engine, number, early=early)

    monkeypatch.setattr(Engine, "send", breaks)
    Serve(db, clock, Taker(proof=ASKED)).run(minutes=15)
    assert [issues.find_issue(db, number).state for number in (1, 2)] == ["approved", "sent"]
    assert trouble(db) == "ZeroDivisionError: by nought; it is tried again by itself"


# Stopping -----------------------------------------------------------------------------------------------------------


def test_when_it_is_to_stop_the_call_in_hand_is_finished(db: Database, clock: Clock) -> None:
    told: list[int] = []
    taker = Taker(takes_s=4)
    serve = Serve(db, clock, taker, stopping=lambda: bool(told))
    clock.call_later(602, lambda: told.append(1))
    serve.run(minutes=20)
    assert clock.time() < 610
    tally = ledger.tally(db, 1)
    assert (tally["accepted"], tally["claimed"], tally["uncertain"]) == (3, 0, 0)


def test_a_call_that_does_not_end_is_broken_off_and_found_out_later(db: Database, clock: Clock) -> None:
    told: list[int] = []
    taker = Taker(takes_s=1000)
    serve = Serve(db, clock, taker, stopping=lambda: bool(told))
    clock.call_later(602, lambda: told.append(1))
    serve.run(minutes=20)
    assert clock.time() < 602 + running.FINISH_S + 2
    assert ledger.tally(db, 1)["claimed"] == 3
    told.clear()
    taker.takes_s = 0
    serve.run(minutes=5)
    assert (state(db), taker.readers()) == ("sent", everyone())
