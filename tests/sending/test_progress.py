"""How far an issue is: counted once for all who watch, and seldom where that is much work."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import pytest
from sendings import SETTINGS, claimed, sending, store_with
from sqlite_utils import Database

from conftest import NOW
from digest.issue import issues
from digest.providers.interface import Answer, Pace
from digest.sending import ledger, pace, progress, steering
from digest.sending.ledger import Delivery
from digest.sending.progress import Counter, Counts


class Stopwatch:
    """A clock that moves on by as much as counting is said to take."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, watch: Stopwatch) -> list[int]:
    """How often the copies of an issue were counted, which takes a tenth of a second."""
    times: list[int] = []
    tally = ledger.tally

    def slow(db: Database, number: int) -> dict[str, int]:
        times.append(number)
        watch.now += 0.1
        return tally(db, number)

    monkeypatch.setattr(ledger, "tally", slow)
    return times


def look(counter: Counter, db: Database, *, exact: bool = False) -> Counts:
    return counter.counts(db, issues.find_issue(db, 1), SETTINGS, now=NOW, exact=exact)


def test_it_is_counted_once_for_all_who_watch(watch: Stopwatch, counted: list[int]) -> None:
    db, counter = sending(5), Counter(watch)
    assert {look(counter, db).queued for _ in range(20)} == {5}
    assert counted == [1]


def test_where_nothing_changed_it_is_not_counted_again(watch: Stopwatch, counted: list[int]) -> None:
    db, counter = sending(5), Counter(watch)
    for _ in range(5):
        look(counter, db)
        watch.now += 60
    assert counted == [1]


def test_counting_takes_a_small_share_of_the_time(watch: Stopwatch, counted: list[int]) -> None:
    db, counter = sending(10), Counter(watch)
    begun = watch.now
    for _ in range(1000):
        issues.pause(db, 1, now=NOW)
        issues.resume(db, 1, now=NOW)
        look(counter, db)
        watch.now += 0.05
    assert 0.1 * len(counted) <= 1.1 * progress.SHARE * (watch.now - begun)
    assert len(counted) > 10


def test_what_changed_is_seen_once_its_time_has_come(watch: Stopwatch, counted: list[int]) -> None:
    db, counter = sending(10), Counter(watch)
    look(counter, db)
    ledger.record(db, claimed(db, 4), Answer(rejected={1: "no such mailbox"}), now=NOW)
    assert look(counter, db).accepted == 0
    assert look(counter, db, exact=True).accepted == 3
    steering.retry_rejected(db, 1, now=NOW + timedelta(seconds=1))
    watch.now += 60
    found = look(counter, db)
    assert (found.rejected, found.queued, found.to_go, found.done) == (0, 7, 7, 3)


def test_who_comes_while_it_is_counted_does_not_count_too(watch: Stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    db, counter, counted = sending(5), Counter(watch), []
    tally = ledger.tally

    def slow(store: Database, number: int) -> dict[str, int]:
        counted.append(number)
        if len(counted) == 2:
            # Whoever comes now is given what was known.
            assert look(counter, db).queued == 5
        return tally(store, number)

    monkeypatch.setattr(ledger, "tally", slow)
    look(counter, db)
    issues.pause(db, 1, now=NOW)
    watch.now += 60
    thread = Thread(target=lambda: None)
    thread.start()
    thread.join()
    look(counter, db)
    assert counted == [1, 1]


def test_the_pace_is_that_of_the_last_seconds() -> None:
    db = sending(10)
    for after, seconds in enumerate((60, 10, 5)):
        batch = claimed(db, 2, now=NOW - timedelta(seconds=seconds), after=2 * after)
        ledger.record(db, batch, Answer(), now=NOW - timedelta(seconds=seconds - 1))
    # Four copies since it went on ten seconds ago; what was before is long over.
    assert progress.rate_now(db, 1, now=NOW) == pytest.approx(4 / 10)
    assert progress.rate_now(db, 1, now=NOW + timedelta(minutes=5)) == 0
    assert progress.rate_now(store_with(2), 1, now=NOW) == 0


def test_a_provider_that_waits_says_until_when() -> None:
    db = sending(10)
    ledger.record(db, claimed(db, 6, provider="outbox"), Answer(), now=NOW)
    settings = SETTINGS.model_copy(update={"failover": "resend", "providers": {"outbox": {"a_day": 6}}})
    counts = Counter().counts(db, issues.find_issue(db, 1), settings, now=NOW)
    first, second = progress.ways(db, settings, counts, now=NOW)
    assert (first.name, first.today, first.cap, first.waits_until) == ("outbox", 6, 6, pace.tomorrow(NOW))
    assert second.problem is not None
    assert "resend.key" in second.problem
    assert progress.next_moment(settings, counts, first, now=NOW) == (pace.tomorrow(NOW), "the day’s cap")
    pace.slow_down(db, "outbox", 90, now=NOW)
    (way,) = progress.ways(db, SETTINGS, counts, now=NOW)
    assert way.waits_until == NOW + timedelta(seconds=90)
    assert way.pace == Pace(connections=1)
    quiet = SETTINGS.model_copy(update={"quiet_hours": "08:00-12:00"})
    assert progress.next_moment(quiet, counts, way, now=NOW) == (NOW + timedelta(hours=3), "quiet hours")


def test_reasons_are_grouped_and_name_nobody() -> None:
    db = sending(4)
    refused = {1: "reader1@example.com is full", 2: "reader2@example.com is full", 3: "", 4: "who?"}
    ledger.record(db, claimed(db, 4), Answer(rejected=refused), now=NOW)
    found = [(reason.words, reason.copies) for reason in progress.reasons(db, 1, Delivery.REJECTED)]
    assert found == [("… is full", 2), ("no reason was given", 1), ("who?", 1)]
    assert progress.reasons(db, 1, Delivery.SKIPPED) == []
