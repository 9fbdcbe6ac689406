"""What is asked of this machine and of the store: each trouble is found, and says what to do."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from looked import case_of, levels, look, with_settings, words
from sqlite_utils import Database

from conftest import NOW
from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.doctor.subjects import clock, disk
from digest.doctor.subjects import settings as of_settings
from digest.doctor.subjects.versions import has_wal_reset_bug
from digest.editors import audit
from digest.issue import issues
from digest.programs import webhooks
from digest.safekeeping.backups import take
from digest.schedule import runs
from digest.settings import Settings
from digest.sources import Loaded
from digest.store import open_store, writing
from digest.tracking.spool import folder_of, framed

PEOPLE = {"provider": "postmark", "providers": {"postmark": {"token": "a-token"}}}


# Settings ----------------------------------------------------------------------------------------------------------


def test_settings_that_mail_people_in_vain_are_bad_and_with_the_outbox_only_told(settings: Settings) -> None:
    unfit = {"base_url": "http://localhost:8000", "postal_address": "", "sender_address": "verdicts@example.com"}
    case = with_settings(case_of(settings), **unfit)
    checks = ("base-url", "postal-address", "sender")
    assert {levels(look("settings", case))[check] for check in checks} == {"warn"}
    assert {levels(look("settings", with_settings(case, **PEOPLE)))[check] for check in checks} == {"bad"}
    fit = {"base_url": "https://weekly.digest.press", "sender_address": "a@digest.press", "postal_address": "1 Street"}
    found = look("settings", with_settings(case, **PEOPLE, **fit))
    assert {levels(found)[check] for check in checks} == {"pass"}
    plain = look("settings", with_settings(case, **PEOPLE, **fit | {"base_url": "http://weekly.digest.press"}))
    assert "RFC 8058" in words(plain, "base-url")


def test_a_provider_that_is_not_set_up_and_what_is_passed_over_are_told(settings: Settings) -> None:
    case = with_settings(case_of(settings), provider="resend")
    loaded = Loaded(case.settings, {}, case.settings, ("DIGEST_NONSENSE is ignored",))
    found = list(of_settings.look(case_of(case.settings).__class__(loaded)))
    assert "digest providers resend" in words(found, "options")
    assert levels(found)["options"] == "bad"
    assert "DIGEST_NONSENSE is ignored" in words(found, "passed-over")
    asked = {"auto_approve": True}
    assert "at its usual time" in words(look("settings", with_settings(case, **asked)), "approval")


def test_files_that_others_can_read_are_named_with_the_command(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = settings.db.parent
    config, key, token = here / "digest.toml", here / "key", here / "token"
    config.write_text(f'[postmark]\ntoken_file = "{token}"\n[resend]\nkey = "re_1"\n')
    for file in (key, token):
        file.write_text("secret")
    monkeypatch.setenv("DIGEST_SECRET_KEY_FILE", str(key))
    sources = {"postmark.token": str(config), "resend.key": str(config), "provider": str(config)}
    case = case_of(settings, sources=sources)
    # Pytest's folders are their owner's alone, through which nobody else comes.
    for folder in (here, *here.parents):
        if not folder.stat().st_mode & 0o001:
            monkeypatch.setattr(Path, "parents", property(lambda path: ()))
            break
    for file in (settings.db, config, key, token):
        file.chmod(0o644)
    found = [one for one in look("settings", case) if one.check == "permissions"]
    assert [one.command for one in found] == [f"chmod 600 {file}" for file in (settings.db, config, key, token)]
    assert {one.level for one in found} == {"warn"}
    for file in (settings.db, config, key, token):
        file.chmod(0o600)
    assert levels(look("settings", case))["permissions"] == "pass"


def test_a_file_in_a_folder_that_others_cannot_enter_is_safe(tmp_path: Path) -> None:
    secret = tmp_path / "closed" / "key"
    secret.parent.mkdir(0o700)
    secret.write_text("")
    secret.chmod(0o644)
    assert not of_settings.is_open(secret)
    assert not of_settings.is_open(tmp_path / "nothing")


# Versions, disk, clock -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "has_it"),
    [((3, 40, 1), True), ((3, 44, 6), False), ((3, 45, 0), True), ((3, 50, 7), False), ((3, 51, 2), True)],
)
def test_which_sqlite_has_the_bug_of_resetting_its_log(version: tuple[int, ...], has_it: bool) -> None:
    assert has_wal_reset_bug(version) == has_it
    assert not has_wal_reset_bug((3, 51, 3))


def test_versions_are_told_and_an_old_python_is(settings: Settings) -> None:
    assert levels(look("versions", case_of(settings)))["python"] == "pass"
    assert levels(look("versions", case_of(settings, now=NOW.replace(year=2040))))["python"] == "warn"


def test_little_room_a_read_only_folder_and_a_disk_of_the_network(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(settings)
    found = look("disk", case)
    assert levels(found)["writable"] == "pass"
    sizes = os.statvfs(settings.db.parent)

    def little(bytes_: int) -> object:
        fields = [*sizes]
        fields[0] = fields[1] = 1
        fields[4] = bytes_
        fields[5], fields[7] = 1_000_000, 5
        return os.statvfs_result(fields)

    for free, level in ((40_000_000, "bad"), (400_000_000, "warn"), (600_000_000, "pass")):
        monkeypatch.setattr("os.statvfs", lambda folder, free=free: little(free))
        found = look("disk", case)
        assert levels(found)["free-space"] == level
        assert "5 more files" in words(found, "files")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    monkeypatch.setattr(disk, "kind_of", lambda folder: "nfs4")
    found = look("disk", case)
    assert {levels(found)["writable"], levels(found)["kind"]} == {"bad"}
    assert "a disk of the network (nfs4), where locks do not hold" in words(found, "kind")


def test_the_kind_of_a_disk_is_that_of_the_mount_nearest_above(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 0:1 / / rw - ext4 /dev/sda rw\n23 22 0:2 / /srv rw shared:1 - xfs /dev/sdb rw\n"
        "24 23 0:3 / /srv/with\\040space rw - nfs4 server:/ rw\nno mount\n"
    )
    assert disk.kind_of(Path("/srv/digest"), mounts) == "xfs"
    assert disk.kind_of(Path("/srv/with space/digest"), mounts) == "nfs4"
    assert disk.kind_of(Path("/home"), mounts) == "ext4"
    assert disk.kind_of(Path("/home"), tmp_path / "none") is None


@pytest.mark.parametrize(("off", "level"), [(0, "pass"), (29, "pass"), (45, "warn"), (-45, "warn"), (-3600, "bad")])
def test_a_clock_that_is_far_from_anothers_is_told(off: int, level: str) -> None:
    found = clock.compared("api.example.org", NOW + timedelta(seconds=off), NOW, NOW + timedelta(seconds=0.5))
    assert found.level == level
    assert ("behind" in found.what) == (off > 30)


def test_a_moment_of_the_store_that_is_to_come_is_told(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kept, level in ((True, "pass"), (False, "warn"), (None, "not looked at")):
        monkeypatch.setattr(clock, "kernel_keeps_it", lambda kept=kept: kept)
        assert levels(look("clock", case_of(settings, network=False)))["kept"] == level
    with writing(db) as connection:
        audit.note(connection, audit.COMMAND_LINE, "chose", "the settings", now=NOW)
    assert levels(look("clock", case_of(settings, network=False)))["store"] == "pass"
    before = case_of(settings, network=False, now=NOW - timedelta(hours=1))
    assert levels(look("clock", before))["store"] == "warn"


# The store, the schedule, backups ------------------------------------------------------------------------------------


def test_a_store_that_is_sound_says_so_and_quick_counts_nothing_again(db: Database, settings: Settings) -> None:
    case = case_of(settings)
    assert set(levels(look("store", case)).values()) == {"pass"}
    quick = look("store", case_of(settings, quick=True))
    assert levels(quick) == {"store": "pass", "ledger": "pass", "waiting": "pass", "figures": "not looked at"}


def test_no_store_a_broken_one_and_one_of_something_else(db: Database, settings: Settings, tmp_path: Path) -> None:
    db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.conn.execute("CREATE INDEX broken ON audit (at)")
    db.conn.execute("PRAGMA writable_schema = ON")
    db.conn.execute("UPDATE sqlite_schema SET sql = 'CREATE INDEX broken ON audit (who)' WHERE name = 'broken'")
    db.conn.execute("PRAGMA writable_schema = OFF")
    with writing(db) as connection:
        connection.execute("INSERT INTO audit (at, who, did, what) VALUES ('2026', 'x', 'y', 'z')")
    db.close()
    found = look("store", case_of(settings))
    assert levels(found) == {"store": "bad"}
    assert "bring back a backup" in words(found, "store")
    assert levels(look("store", with_settings(case_of(settings), db=tmp_path / "none.db"))) == {"store": "bad"}
    # Others only say that they could not look.
    with pytest.raises(Exception, match="there is no store"):
        look("clock", with_settings(case_of(settings), db=tmp_path / "none.db"))


def test_all_that_waits_for_a_person_is_named_with_what_to_do(sample: Database, settings: Settings) -> None:
    db, stamp = sample, times.to_text(NOW - timedelta(days=3))
    issues.draft(db, settings, now=NOW)
    issues.freeze(db, settings, 1, now=NOW)
    with writing(db) as connection:
        connection.execute(
            "UPDATE issues SET state = 'paused', trouble = 'the quota is used up', trouble_at = ?1, doubted_at = ?1",
            (stamp,),
        )
        restored = "INSERT INTO restores (at, source, knows_until) VALUES (?1, 'digest-1.db', ?1)"
        connection.execute(restored, (stamp,))
        for number, state in ((1, "held"), (2, "uncertain")):
            connection.execute(
                "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last,"
                " size, claimed_at, uncertain_at) VALUES (?, 1, 'smtp', 'x', ?, 1, ?, 1, 5, 5, ?, ?)",
                (number, str(number), state, stamp, stamp),
            )
    webhooks.add(db, "https://hooks.example.org/", ["issue.sent"], now=NOW)
    for state in ("failed", "uncertain", "queued"):
        letter = letterbox.post(db, "welcome", read_address(f"{state}@example.org"), subscriber=None, now=NOW)
        with writing(db) as connection:
            connection.execute("UPDATE letters SET state = ?, trouble = 'no line' WHERE id = ?", (state, letter))
            connection.execute("UPDATE webhooks SET disabled_at = ?, trouble = 'HTTP 500'", (stamp,))
    folder = folder_of(settings.db)
    folder.mkdir()
    (folder / "1-x.spool").write_bytes(framed(b"one record"))
    os.utime(folder / "1-x.spool", (0, 0))
    found = look("store", case_of(settings, quick=True))
    assert {one.check: one.level for one in found if one.level != "pass"} == dict.fromkeys(
        ("restored", "held", "uncertain", "issues", "letters", "programs", "spool"), "warn"
    ) | {"figures": "not looked at", "ledger": "bad"}
    assert "digest resolve 1" in words(found, "held")
    assert "the quota is used up" in words(found, "issues")
    assert "digest-1.db" in words(found, "restored")
    assert "of issue 1 nobody knows" in words(found, "restored")
    assert "HTTP 500" in words(found, "programs")
    assert "events work" in words(found, "spool")


def test_a_schedule_that_nobody_keeps_that_failed_or_missed_is_told(db: Database, settings: Settings) -> None:
    case = case_of(settings)
    assert "nothing ever ran by itself" in words(look("schedule", case), "runs")
    # A server that began a minute ago had nothing to do yet; what a person ran does not stand for it.
    runs.known_since(db, "tidy", "every hour", now=NOW)
    assert runs.claim(db, "care", NOW, worker=1, lives=lambda worker: True, now=NOW, by="a person") is not None
    assert "nothing was due yet" in words(look("schedule", case), "runs")
    run = runs.claim(db, "tidy", NOW - timedelta(minutes=30), worker=1, lives=lambda worker: True, now=NOW)
    assert run is not None
    runs.end(db, run, "done", "", now=NOW)
    runs.miss(db, "draft", [NOW - timedelta(days=1)], "nothing ran", now=NOW)
    failed = runs.claim(db, "backup", NOW - timedelta(hours=2), worker=1, lives=lambda worker: True, now=NOW)
    assert failed is not None
    runs.end(db, failed, "failed", "the disk is full", now=NOW)
    found = look("schedule", case)
    assert levels(found)["runs"] == "pass"
    assert "digest schedule run draft" in words(found, "missed")
    assert "the disk is full" in words(found, "failed")
    later = look("schedule", case_of(settings, now=NOW + timedelta(hours=4)))
    assert levels(later)["runs"] == "warn"
    assert (
        levels(look("schedule", with_settings(case_of(settings, now=NOW + timedelta(hours=4)), **PEOPLE)))["runs"]
        == "bad"
    )


def test_backups_none_fresh_old_on_the_same_disk_and_broken(db: Database, settings: Settings) -> None:
    case = case_of(settings)
    assert "digest schedule run backup" in words(look("backups", case), "fresh")
    taken = take(db, settings, now=NOW - timedelta(hours=2))
    found = look("backups", case)
    assert levels(found) == {"fresh": "pass", "place": "warn", "restorable": "pass"}
    assert "both are gone" in words(found, "place")
    (settings.db.parent / f".{settings.db.name}-litestream").mkdir()
    assert levels(look("backups", case)) == {"replica": "pass", "fresh": "pass", "restorable": "pass"}
    old = case_of(settings, now=NOW + timedelta(days=2), quick=True)
    assert levels(look("backups", old)) == {"replica": "pass", "fresh": "warn", "restorable": "not looked at"}
    assert levels(look("backups", with_settings(old, **PEOPLE)))["fresh"] == "bad"
    with taken.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"x" * 20_000)
    assert levels(look("backups", case))["restorable"] == "bad"
    assert levels(look("backups", with_settings(case, backup_to=None)))["fresh"] == "pass"


def test_a_backup_is_not_tried_where_there_is_no_room_for_it(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(db, settings, now=NOW)
    full = shutil.disk_usage("/")._replace(free=10)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: full)
    assert levels(look("backups", case_of(settings)))["restorable"] == "not looked at"


def test_the_doctor_changes_nothing_of_the_store(db: Database, settings: Settings) -> None:
    with closing(open_store(settings.db)) as other:
        before = list(other.conn.iterdump())
        for name in ("settings", "versions", "disk", "clock", "store", "schedule", "backups"):
            look(name, case_of(settings, network=False))
        assert list(other.conn.iterdump()) == before
