"""`digest schedule` and `digest run-due`: what is done by itself, by hand, and by cron."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import test_command_line
from test_command_line import Run

from digest import times
from digest.audience import letterbox, subscribers
from digest.audience.addresses import read_address
from digest.issue import issues
from digest.resources import resource
from digest.schedule import runs, week
from digest.settings import Settings
from digest.store import Database, open_store

digest = test_command_line.digest


@pytest.fixture
def filled(digest: Run) -> Run:
    """The command, in a folder with a store in which issue 1 is approved for now, and a letter waits."""
    digest("import", str(resource("db", "sample")))
    now = times.now()
    with closing(opened()) as db:
        reader = subscribers.add(db, "ada@example.com", now=now)[0].id
        letterbox.post(db, "welcome", read_address("ada@example.com"), subscriber=reader, now=now)
        issues.draft(db, Settings(), now=now)
        issues.freeze(db, Settings(), 1, now=now, at=now)
    return digest


def opened() -> Database:
    return open_store(Path("digest.db"))


def known_for_days(db: Database) -> None:
    """Have the schedule know its jobs for five days."""
    since = times.to_text(times.now() - timedelta(days=5))
    db.execute("UPDATE jobs SET since = ?", [since])


def test_cron_does_once_what_a_server_does_all_the_time(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # Known from here on; nothing from before is caught up.
    done = filled("run-due", "--json").data["done"]
    assert [(did["job"], did["state"], did["words"]) for did in done] == [
        ("sending", "done", "issue 1 is sent: 1 copy accepted"),
        ("letters", "done", "mailed 1 letter"),
    ]
    assert len(list(Path("outbox/new").iterdir())) == 2
    assert filled("run-due").out == ""
    with closing(opened()) as db:
        known_for_days(db)
    ran = filled("run-due", "--for", "1")
    said = ran.out
    assert "missed" not in said
    assert "backup: backed up to " in said
    assert "tidy: nothing of note was over" in said
    assert filled("run-due").out == ""


def test_cron_is_told_what_failed_and_what_is_not_sent(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(opened()) as db:
        # Its time was yesterday, while nothing ran.
        db.execute("UPDATE issues SET scheduled_at = ?", [times.to_text(times.now() - timedelta(days=1))])
    run = filled("run-due", "--set", "backup_to=digest.db/backups", code=1)
    assert "sending failed: issue 1: its time passed at " in run.out
    # It is told once; the letter is mailed.
    with closing(opened()) as db:
        known_for_days(db)
    assert "backup failed: " in filled("run-due", "--set", "backup_to=digest.db/backups", code=1).out


def test_the_schedule_is_shown_and_a_job_run_by_hand(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(week, "draft_due", lambda context: "drafted it")
    with closing(opened()) as db:
        at = times.now() + timedelta(days=1)
        issues.reschedule(db, Settings(), 1, now=times.now(), at=at)
    assert filled("schedule", "run", "draft").out == "draft: drafted it\n"
    shown = filled("schedule")
    assert "draft the next issue" in shown.out
    assert "done, by the command line: drafted it" in " ".join(shown.out.split())
    assert f"Issue 1 goes out {times.for_people(at, Settings().zone)}.\n" in shown.out
    data = filled("schedule", "--json").data
    assert data["issues"] == [{"number": 1, "at": times.to_text(at), "local": False}]
    draft = data["jobs"][0]
    assert (draft["job"], draft["times"], draft["state"]) == ("draft", "thursday 09:00", "waits")
    assert (draft["last"]["by"], draft["last"]["words"]) == ("the command line", "drafted it")
    assert {job["job"] for job in data["jobs"] if job["next_at"] is None} == {
        "approve", "summary", "unsubscriptions", "bounces",
    }  # fmt: skip
    filled("schedule", "run", "summary", "--set", "summary_to=", code=0)
    assert "did you mean 'draft'?" in filled("schedule", "run", "drft", code=1).err
    failed = filled("schedule", "run", "backup", "--set", "backup_to=digest.db/backups", code=1)
    assert failed.out.startswith("backup failed: ")
    with closing(opened()) as db:
        assert {run.by for run in runs.history(db, limit=9)} == {"the command line"}
    assert "backup_at: '25:00' is no time of the day" in filled("schedule", "--set", "backup_at=25:00", code=1).err
