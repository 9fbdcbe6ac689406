"""The daily backup: what was answered before it is in it, and nothing goes unless a new one is whole."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import NOW
from digest.errors import DigestError, SettingsError, StoreError
from digest.safekeeping import backups
from digest.safekeeping.checking import check_backup
from digest.settings import Settings
from digest.store import Database, open_store
from digest.store.backup import StoppedError
from digest.tracking import spool


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def take(db: Database, settings: Settings, days: int = 0, **options: object) -> backups.Taken:
    return backups.take(db, settings, now=NOW + timedelta(days=days), **options)  # type: ignore[arg-type]


def test_each_day_one_comes_and_the_oldest_goes(sample: Database, settings: Settings) -> None:
    settings = settings.model_copy(update={"backups_daily": 2, "backups_weekly": 0, "backups_monthly": 0})
    assert backups.newest_backup(settings) is None
    settings.db.chmod(0o640)
    for day in range(3):
        taken = take(sample, settings, day)
    assert (
        str(taken)
        == f"backed up to digest-20261128T090000Z.db ({taken.size / 1e6:.1f} MB), opened and checked; 1 old removed"
    )
    folder = settings.db.parent / "backups"
    assert names(folder) == ["digest-20261127T090000Z.db", "digest-20261128T090000Z.db"]
    newest = backups.newest_backup(settings)
    assert newest is not None
    assert (newest.path, newest.at, newest.size) == (taken.path, NOW + timedelta(days=2), taken.size)
    assert check_backup(newest.path) == []
    # Whoever may not read the store may not read its copies.
    assert (folder.stat().st_mode & 0o777, newest.path.stat().st_mode & 0o777) == (0o750, 0o640)
    # Of another store of the same name, which has the folder too by mistake, nothing is let go, and nothing counts.
    with closing(sqlite3.connect(taken.path)) as connection, connection:
        connection.execute("UPDATE keys SET value = x'00' WHERE name = 'messages'")
    assert take(sample, settings, 3).removed == ()
    assert len(take(sample, settings, 4).removed) == 1
    assert taken.path.exists()


def test_what_came_in_before_is_in_it(db: Database, settings: Settings) -> None:
    folder = spool.folder_of(settings.db)
    folder.mkdir()
    (folder / "1-left.spool").write_bytes(spool.framed(b"what nobody can read"))
    taken = take(db, settings)
    with closing(open_store(taken.path)) as copy:
        assert copy.execute("SELECT kind, raw FROM unknown_events").fetchall() == [
            ("unreadable", "what nobody can read")
        ]
    assert names(folder) == []


def test_nothing_is_removed_for_one_that_failed(
    sample: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings.model_copy(update={"backups_daily": 1, "backups_weekly": 0, "backups_monthly": 0})
    take(sample, settings)
    before = names(settings.db.parent / "backups")

    def fails(said: type[DigestError], words: str, **options: object) -> None:
        with pytest.raises(said, match=words):
            take(sample, settings, 1, **options)
        assert names(settings.db.parent / "backups") == before

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: _Usage(10**9, 10**9 - 1000, 1000))
        fails(
            StoreError, r"a copy of the store needs \d\.\d MB, and the disk of .* has 0\.0 MB left; nothing was begun"
        )
    steps = iter(range(100))
    monkeypatch.setattr("digest.store.backup.PAGES_A_STEP", 20)
    # In the middle of copying, and while the copy is checked.
    fails(StoppedError, "broken off, because digest is being stopped", stopping=lambda: next(steps) > 4)
    looks = iter(range(1000))
    monkeypatch.setattr("digest.store.backup.LOOK_EVERY", 100)
    copied = sample.execute("PRAGMA page_count").fetchone()[0] // 20 + 3
    fails(StoppedError, "broken off", stopping=lambda: next(looks) > copied)
    sample.execute("PRAGMA foreign_keys = OFF")
    sample.execute("INSERT INTO votes VALUES (7777, 'someone', 'ship', '')")
    fails(StoreError, "the backup did not pass its check")


def test_a_folder_that_cannot_be_is_named(db: Database, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for to, words in (
        (tmp_path / "no" / "where", "cannot be made (No such file or directory); make it, or mount its disk"),
        (tmp_path / "file", "is no folder, and backups cannot go into it"),
    ):
        with pytest.raises(StoreError) as error:
            take(db, settings.model_copy(update={"backup_to": to}))
        assert words in str(error.value)
    none = Settings(db=settings.db, backup_to="")
    assert none.backup_folder is None
    assert backups.all_backups(none) == []
    with pytest.raises(SettingsError, match="backup_to is empty"):
        take(db, none)


def test_a_backup_that_rotted_is_found_to_have(sample: Database, settings: Settings) -> None:
    path = take(sample, settings).path
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 4096 * 3)
    assert check_backup(path) != []
    assert names(path.parent) == [path.name]
    assert check_backup(path.with_name("gone.db")) == [
        f"there is no file {path.with_name('gone.db')}; `digest db backups` lists the backups there are"
    ]
