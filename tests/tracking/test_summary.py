"""The week in a letter: on Mondays, once, to those who are named."""

from __future__ import annotations

import asyncio
import json
import mailbox
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path

import pytest

from conftest import NOW
from digest import times
from digest.audience import subscribers
from digest.sending.copies import Signers
from digest.sending.postman import Postman
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database, writing
from digest.tracking.summary import GRACE, post_due
from digest.tracking.weeks import week

MONDAY = datetime(2026, 11, 30, 14, 0, tzinfo=UTC)  # nine in the morning in New York
TO = ("ann@example.com", "Bob.Ö@example.com")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"summary_to": TO, "timezone": "America/New_York"})


def posted(db: Database) -> list[tuple[str, object]]:
    return db.execute("SELECT email, json(detail) FROM letters WHERE kind = 'summary' ORDER BY id").fetchall()


def an_issue(db: Database, at: datetime) -> None:
    stamp = times.to_text(at)
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, content_hash, html, text, envelope,"
            " created_at, updated_at, sending_at, sent_at, tracking)"
            " VALUES (7, 'sent', 'Two editors', '', '', ?1, 'h', '', '', '{}', ?1, ?1, ?1, ?1, ?2)",
            (stamp, json.dumps({"mode": "counts"})),
        )
        connection.executemany(
            "INSERT INTO figures (issue, measure, count) VALUES (7, ?, ?)",
            [
                ("audience", 1000),
                ("accepted copies", 990),
                ("delivered", 980),
                ("clicked", 120),
                ("clicked people", 98),
            ],
        )


def test_it_is_posted_on_monday_morning_once_to_everybody(db: Database, settings: Settings) -> None:
    assert post_due(db, settings, now=MONDAY - timedelta(seconds=1)) == 0
    assert post_due(db, settings, now=MONDAY) == 2
    assert [email for email, _ in posted(db)] == list(TO)
    for later in (timedelta(minutes=10), timedelta(hours=30), timedelta(days=3)):
        assert post_due(db, settings, now=MONDAY + later) == 0
    assert post_due(db, settings, now=MONDAY + timedelta(days=7)) == 2


def test_a_machine_that_was_off_on_monday_makes_up_for_it_within_its_grace(db: Database, settings: Settings) -> None:
    assert post_due(db, settings, now=MONDAY + GRACE) == 0
    assert post_due(db, settings, now=MONDAY + GRACE - timedelta(hours=1)) == 2


def test_nobody_named_nobody_mailed(db: Database, settings: Settings) -> None:
    assert post_due(db, settings.model_copy(update={"summary_to": ()}), now=MONDAY) == 0
    assert db.execute("SELECT count(*) FROM summaries").fetchone() == (0,)


def test_it_says_what_was_sent_and_who_came_and_went(db: Database, settings: Settings) -> None:
    an_issue(db, NOW)
    for name in ("ada", "bea", "cyd"):
        subscribers.add(db, f"{name}@example.org", now=NOW)
    post_due(db, settings, now=MONDAY)
    said = json.loads(str(posted(db)[0][1]))
    assert said["subject"] == f"{settings.newsletter_name}: 3 joined, 0 left; issue 7 reached 990"
    assert said["before"] == [
        "Issue 7, “Two editors”: 990 of 1,000 copies accepted, 980 delivered, 98 people clicked (10%)."
    ]
    assert ["Joined", "3"] in said["figures"]
    assert ["Subscribed now", "3"] in said["figures"]
    assert week(db, now=MONDAY).joined == 3


def test_a_week_without_an_issue_says_so(db: Database, settings: Settings) -> None:
    post_due(db, settings, now=MONDAY)
    assert json.loads(str(posted(db)[0][1]))["before"] == ["No issue went out in these seven days."]


def test_the_postman_mails_it_and_its_link_shows_the_reports(db: Database, settings: Settings, tmp_path: Path) -> None:
    an_issue(db, NOW)
    ours = settings.model_copy(update={"outbox": tmp_path / "letters"})
    post_due(db, ours, now=MONDAY)
    signers = Signers.of(db, ours, now=MONDAY)
    with Worker(ours.db) as worker:
        postman = Postman.of(db, ours, signers, worker, clock=lambda: MONDAY)
        asyncio.run(postman.deliver())
    assert postman.done["sent"] == 2
    mails: list[Message] = list(mailbox.Maildir(tmp_path / "letters", create=False))
    assert len(mails) == 2
    (text,) = {part.get_payload(decode=True).decode() for mail in mails for part in mail.walk()  # type: ignore[union-attr]
               if part.get_content_type() == "text/plain"}  # fmt: skip
    assert "98 people clicked" in " ".join(text.split())
    token = text.split(f"{ours.base_url}/reports/")[1].split("/")[0]
    until, _ = signers.links.read("report", token)
    assert until == int((MONDAY + timedelta(days=14)).timestamp())
