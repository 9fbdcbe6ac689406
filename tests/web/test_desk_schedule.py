"""The week by itself at the desk: what it says will happen, how a person keeps it, what ran, what a restore means."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from desk import Desk, at_the_desk
from digest import times
from digest.editors import audit
from digest.issue import issues
from digest.schedule import runs
from digest.settings import Settings
from digest.store import restores, writing
from serving import Clock, Reader, served


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"timezone": "Europe/Berlin", "backup_to": None, "summary_to": ()})


@pytest.fixture
def ann(reader: Reader, settings: Settings) -> Desk:
    return at_the_desk(reader, settings)


@pytest.fixture
def automatic(sample: Database, settings: Settings, clock: Clock) -> Iterator[Callable[..., Desk]]:
    """Sit down at a desk where issues are approved by themselves, as somebody."""
    with served(settings.model_copy(update={"auto_approve": True}), clock) as reader:
        yield lambda role, name: at_the_desk(reader, settings, role, name=name)


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


# This week


def test_this_week_says_what_comes_by_itself(ann: Desk) -> None:
    assert (
        "The next issue is drafted by itself 3 December, 09:00 CET; one usually goes out tomorrow, 09:00 CET."
        in words(ann.get("/desk/").text)
    )
    ann.submit("/desk/settings/week", {"draft_at": "", "was.draft_at": "thursday 09:00", "send_at": "Mon 17:30"})
    assert "No issue is drafted by itself; one usually goes out Monday, 17:30 CET." in words(ann.get("/desk/").text)
    ann.submit("/desk/draft")
    assert "It usually goes out Monday, 17:30 CET, once a publisher has approved it." in words(
        ann.get("/desk/issues/1").text
    )
    # The usual time is offered where it is approved.
    page = ann.get("/desk/issues/1/approval").text
    assert 'name="date" value="2026-11-30"' in page
    assert 'name="time" value="17:30"' in page


def test_a_person_keeps_an_issue_from_approving_itself(automatic: Callable[..., Desk], sample: Database) -> None:
    issues.draft(sample, Settings(), now=NOW)
    bea, pat = automatic("editor", "Bea"), automatic("publisher", "Pat")
    assert "If every check passes by then, digest approves it and sends it." in words(bea.get("/desk/issues/1").text)
    assert bea.submit("/desk/issues/1/by-hand", {"is": "1"}).headers["location"] == "/desk/issues/1?done=by-hand"
    assert issues.is_by_hand(sample, 1)
    page = words(bea.get("/desk/issues/1").text)
    assert "Only a person approves this one." in page
    assert "Let digest approve it" not in page
    assert bea.submit("/desk/issues/1/by-hand", {"is": "0"}).status_code == 403
    assert "Let digest approve it" in pat.get("/desk/issues/1").text
    pat.submit("/desk/issues/1/by-hand", {"is": "0"})
    assert not issues.is_by_hand(sample, 1)
    done = [(one.who, one.did) for one in audit.done(sample, limit=9, what="issue 1")]
    assert done == [("Pat", "let digest approve"), ("Bea", "kept for a person to approve")]
    issues.freeze(sample, Settings(), 1, now=NOW)
    assert bea.submit("/desk/issues/1/by-hand", {"is": "1"}).status_code == 409


# Settings


def test_two_people_and_none_do_not_go_together(ann: Desk) -> None:
    said = "an issue that two people must agree on is not approved by itself"
    saved = ann.ask("/desk/settings/week", {"auto_approve": "true", "was.auto_approve": "false"})
    assert saved.status_code == 200
    refused = ann.ask("/desk/settings/issue", {"four_eyes": "true", "was.four_eyes": "false"})
    assert refused.status_code == 422
    assert list(refused.json()["problems"]) == ["four_eyes"], "it is said at the field that was changed"
    assert said in refused.json()["error"].lower()
    ann.submit("/desk/settings/week", {"was.auto_approve": "true"})
    assert ann.ask("/desk/settings/issue", {"four_eyes": "true", "was.four_eyes": "false"}).status_code == 200
    refused = ann.ask("/desk/settings/week", {"auto_approve": "true", "was.auto_approve": "false"})
    assert list(refused.json()["problems"]) == ["auto_approve"]
    wrong = ann.ask("/desk/settings/week", {"send_at": "freitag", "was.send_at": "friday 09:00"})
    assert wrong.status_code == 422
    assert "send_at" in wrong.json()["problems"]


# The schedule


def test_an_owner_runs_a_job_now_and_sees_what_came_of_it(ann: Desk, reader: Reader, sample: Database) -> None:
    answer = ann.submit("/desk/schedule/run", job="draft")
    assert answer.headers["location"] == "/desk/schedule/?ran=draft"
    page = words(ann.get(answer.headers["location"]).text)
    assert "Done: draft the next issue. Drafted issue 1: 30 comparisons." in page
    assert "Next Thu 3 Dec 2026, 09:00 CET (thursday 09:00)" in page
    assert "Last Thu 26 Nov 2026, 10:00 CET, by Ann : drafted issue 1: 30 comparisons" in page
    assert next(iter(audit.done(sample, limit=1, what="job"))).who == "Ann"
    assert ann.submit("/desk/schedule/run", job="nothing").status_code == 404
    assert ann.submit("/desk/schedule/run").status_code == 400


def test_a_publisher_sees_what_was_missed_and_an_editor_does_not(
    reader: Reader, settings: Settings, sample: Database
) -> None:
    pat = at_the_desk(reader, settings, "publisher", name="Pat")
    due = NOW - timedelta(days=7)
    runs.known_since(sample, "draft", "thursday 09:00 Europe/Berlin", now=due - timedelta(days=1))
    runs.miss(sample, "draft", [due], "digest was not running", now=NOW)
    page = words(pat.get("/desk/schedule/").text)
    assert "digest was not running" in page
    assert "It was due Thu 19 Nov 2026, 10:00 CET." in page
    assert "Run now" not in page
    assert pat.submit("/desk/schedule/run", job="draft").status_code == 403
    bea = at_the_desk(reader, settings, "editor", name="Bea")
    assert bea.get("/desk/schedule/").status_code == 403
    assert "/desk/schedule/" not in bea.get("/desk/").text


def test_a_job_run_now_leaves_the_server_its_lock(ann: Desk, settings: Settings) -> None:
    # Asked in another process: the kernel refuses no lock to the one that has it.
    code = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    ask = [sys.executable, "-S", "-c", code, f"{settings.db.resolve()}-workers"]
    ann.submit("/desk/schedule/run", job="draft")
    assert b"BlockingIOError" in subprocess.run(ask, capture_output=True, check=False).stderr


# After a restore


def test_every_page_says_that_a_backup_was_brought_back_until_somebody_read_about_it(
    ann: Desk, reader: Reader, settings: Settings, sample: Database
) -> None:
    assert "brought back" not in ann.get("/desk/").text
    assert "It never was" in ann.get("/desk/restored/").text
    issues.draft(sample, settings, now=NOW)
    stamp = times.to_text(NOW - timedelta(hours=1))
    with writing(sample) as connection:
        connection.execute("INSERT INTO restores (at, source, knows_until) VALUES (?1, 'friday.db', ?1)", (stamp,))
        connection.execute("UPDATE issues SET doubted_at = ?", (stamp,))
    banner = "This store was brought back from a backup on Thu 26 Nov 2026, 09:00 CET."
    assert all(banner in words(ann.get(path).text) for path in ("/desk/issues/1", "/desk/account"))
    page = words(ann.get("/desk/restored/").text)
    assert "friday.db" in page
    assert "It may have gone out since the backup was made." in page
    bea = at_the_desk(reader, settings, "editor", name="Bea")
    assert bea.submit("/desk/restored/").status_code == 403
    assert ann.submit("/desk/restored/").headers["location"] == "/desk/restored/?done=read"
    assert restores.unseen(sample) == []
    assert banner not in words(ann.get("/desk/account").text)
    assert next(iter(audit.done(sample, limit=1))).did == "read what it means that"
