"""The schedule in a server: APScheduler wakes it in time, whatever the clock and the settings do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest import times
from digest.editors import choosing
from digest.editors.audit import COMMAND_LINE
from digest.schedule import housekeeping, week
from digest.schedule.context import Context
from digest.settings import Settings
from digest.web import background, scheduling
from serving import Clock, served


def wait_for(what: Callable[[], Any], *, seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def drafted(db: Database) -> list[tuple[str, str]]:
    return db.execute("SELECT due_at, words FROM runs WHERE job = 'draft' AND state = 'done'").fetchall()


@pytest.fixture(autouse=True)
def nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but APScheduler's timers wakes it after the first look."""
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 3600.0)


@pytest.fixture
def drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(week, "draft_due", lambda context: "drafted it")


def test_it_is_woken_at_the_moment_a_job_is_due(db: Database, settings: Settings, drafts: None) -> None:
    ahead = datetime(2026, 11, 26, 8, 59, 58, tzinfo=UTC) - times.now()
    with served(settings, lambda: times.now() + ahead, work=True):
        wait_for(lambda: drafted(db))
    assert drafted(db) == [("2026-11-26T09:00:00.000000Z", "drafted it")]
    (began,) = db.execute("SELECT began_at FROM runs WHERE job = 'draft'").fetchone()
    assert began < "2026-11-26T09:00:01"


def test_other_times_that_were_chosen_in_the_desk_count_without_a_restart(
    db: Database, settings: Settings, clock: Clock, drafts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 0.05)
    with served(settings, clock, work=True):
        wait_for(lambda: db["jobs"].count)
        choosing.choose(db, settings, {"draft_at": "thursday 11:30"}, by=COMMAND_LINE, now=NOW)
        rule = "SELECT rule FROM jobs WHERE name = 'draft'"
        wait_for(lambda: db.execute(rule).fetchone() == ("thursday 11:30 UTC",))
        clock.move_on(hours=2, minutes=31)
        wait_for(lambda: drafted(db))
    assert drafted(db) == [("2026-11-26T11:30:00.000000Z", "drafted it")]


def test_the_trigger_goes_by_our_clock_and_follows_the_settings(settings: Settings, clock: Clock) -> None:
    from digest.schedule.jobs import job_named

    trigger = scheduling.Times(job_named("draft", settings), settings, clock)
    machine = datetime(2031, 1, 1, tzinfo=UTC)
    # A week is too long for a timer, which stands still while a machine sleeps.
    assert trigger.get_next_fire_time(None, machine) == machine + timedelta(days=1)
    clock.move_on(days=7, minutes=-2)
    woken = trigger.get_next_fire_time(machine, machine)
    assert woken is not None
    assert timedelta(minutes=2) < woken - machine < timedelta(minutes=2, seconds=1)


def test_a_job_that_takes_long_holds_up_neither_the_others_nor_the_stop(
    db: Database, settings: Settings, clock: Clock, drafts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = threading.Event(), threading.Event()

    def endless(context: Context) -> str:
        begun.set()
        end.wait(30)
        return "done at last"

    monkeypatch.setattr(housekeeping, "tidy", endless)
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(background, "LEAVE_S", 0.5)
    try:
        with served(settings, clock, work=True) as reader:
            wait_for(lambda: db["jobs"].count)
            clock.move_on(days=7)
            assert begun.wait(10)
            wait_for(lambda: drafted(db))
            assert reader.get("/").status_code == 200
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 5
        # It is this process's until that ends, or the job does.
        assert db.execute("SELECT state FROM runs WHERE job = 'tidy'").fetchone() == ("running",)
    finally:
        end.set()
    wait_for(lambda: db.execute("SELECT state FROM runs WHERE job = 'tidy'").fetchone() == ("done",))
