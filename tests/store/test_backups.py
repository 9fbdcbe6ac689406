"""Which backups are kept, and what may be removed: nothing but what has a name of ours, and never the newest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import NOW
from digest.store.backups import found_in, name_of, remove_old, superfluous

BERLIN = ZoneInfo("Europe/Berlin")
STORE = Path("digest.db")


def daily_since(days: int) -> list[datetime]:
    return [NOW - timedelta(days=day) for day in range(days)]


def kept(moments: list[datetime], *, daily: int = 7, weekly: int = 4, monthly: int = 6) -> list[datetime]:
    old = superfluous(moments, daily=daily, weekly=weekly, monthly=monthly, zone=BERLIN, now=NOW)
    return sorted(set(moments) - old, reverse=True)


def test_of_two_years_of_days_those_stay_that_were_asked_for() -> None:
    days = [moment.date().isoformat() for moment in kept(daily_since(700))]
    assert days == [
        "2026-11-26", "2026-11-25", "2026-11-24", "2026-11-23", "2026-11-22", "2026-11-21", "2026-11-20",
        "2026-11-15", "2026-11-08", "2026-10-31", "2026-09-30", "2026-08-31", "2026-07-31", "2026-06-30",
    ]  # fmt: skip


def test_backups_taken_every_day_and_let_go_every_day_come_to_the_same_as_at_once() -> None:
    left: list[datetime] = []
    for moment in reversed(daily_since(400)):
        left = kept([*left, moment])
        assert moment in left or moment < NOW - timedelta(days=1)
    assert left == kept(daily_since(400))


def test_of_several_in_a_day_the_newest_stays() -> None:
    hours = [NOW - timedelta(days=2, hours=hour) for hour in range(9)]
    assert kept([NOW, *hours]) == [NOW, hours[0]]


def test_what_was_taken_within_a_day_stays() -> None:
    hours = [NOW - timedelta(hours=hour) for hour in range(0, 30, 5)]
    assert kept(hours, daily=1, weekly=0, monthly=0) == hours[:5]


def test_a_machine_that_was_off_for_a_year_loses_none() -> None:
    old = [moment - timedelta(days=365) for moment in daily_since(5)]
    assert kept([NOW, *old]) == [NOW, *old]


def test_one_from_the_future_is_left_alone_and_does_not_count() -> None:
    future = NOW + timedelta(days=3)
    assert kept([future, NOW, NOW - timedelta(days=1)], daily=1, weekly=0, monthly=0) == [future, NOW]


moments = st.lists(st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)), max_size=60)


@hypothesis_settings(max_examples=60, deadline=None)
@given(moments, st.integers(1, 9), st.integers(0, 5), st.integers(0, 7))
def test_never_the_newest_and_never_more_than_need_be(
    taken: list[datetime], daily: int, weekly: int, monthly: int
) -> None:
    stay = kept(taken, daily=daily, weekly=weekly, monthly=monthly)
    past = [moment for moment in taken if moment <= NOW]
    if past:
        assert max(past) in stay
    assert len([moment for moment in stay if moment <= NOW - timedelta(days=1)]) <= daily + weekly + monthly
    assert kept(stay, daily=daily, weekly=weekly, monthly=monthly) == stay


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for moment in daily_since(20):
        (tmp_path / name_of(STORE, moment)).write_text("a backup")
    return tmp_path


def test_names_sort_and_say_the_moment_in_utc(folder: Path) -> None:
    assert name_of(STORE, NOW.astimezone(BERLIN)) == "digest-20261126T090000Z.db"
    found = found_in(folder, STORE)
    assert [one.path.name for one in found] == sorted((path.name for path in folder.iterdir()), reverse=True)
    assert (found[0].at, found[0].size) == (NOW, 8)


def test_nothing_is_removed_that_has_no_name_of_ours(folder: Path) -> None:
    old = NOW - timedelta(days=300)
    others = [
        name_of(Path("another.db"), old), "my-" + name_of(STORE, old), "digest-2026.db",
        "digest-20260101T033000Z.db.gz",
        "digest-20269901T033000Z.db", "digest.db", "notes.txt",
    ]  # fmt: skip
    for name in others:
        (folder / name).write_text("precious")
    (folder / name_of(STORE, old)).symlink_to(folder / "notes.txt")
    (folder / name_of(STORE, old - timedelta(days=1))).mkdir()
    gone = remove_old(folder, STORE, daily=3, weekly=1, monthly=0, zone=BERLIN, now=NOW, key=b"ours")
    assert len(gone) == 20 - 3
    assert {path.name for path in folder.iterdir()} == {
        *others, *(name_of(STORE, moment) for moment in daily_since(3)), name_of(STORE, old),
        name_of(STORE, old - timedelta(days=1)),
    }  # fmt: skip


def test_what_a_killed_process_left_goes_but_not_what_another_is_at(tmp_path: Path) -> None:
    dead, living = NOW - timedelta(days=1), NOW - timedelta(hours=1)
    for moment in (dead, living):
        for side in (".part", ".part-journal", ".part-wal"):
            (tmp_path / (name_of(STORE, moment) + side)).write_text("half")
    (tmp_path / "mine.part").write_text("precious")
    assert remove_old(tmp_path, STORE, daily=1, weekly=0, monthly=0, zone=BERLIN, now=NOW, key=b"ours") == []
    left = name_of(STORE, living)
    assert {path.name for path in tmp_path.iterdir()} == {
        "mine.part", f"{left}.part", f"{left}.part-journal", f"{left}.part-wal",
    }  # fmt: skip
