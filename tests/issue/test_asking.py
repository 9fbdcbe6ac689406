"""Asking for approval, taking an issue back to draft, and what the audit has of all that."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from conftest import NOW
from digest.editors import audit, people
from digest.editors.audit import COMMAND_LINE, By
from digest.editors.people import Role
from digest.errors import StateError
from digest.issue import approval, editing, issues
from digest.sending import steering
from digest.settings import Settings
from digest.store import Database


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Database:
    issues.draft(sample, settings, now=NOW)
    return sample


def hire(db: Database, name: str, role: Role = "publisher") -> By:
    return By(people.add(db, f"{name.lower()}@example.com", name=name, role=role, by=COMMAND_LINE, now=NOW).id, name)


def approve(db: Database, settings: Settings, by: By, **more: object) -> None:
    asyncio.run(approval.approve(db, settings, 1, now=NOW, network=False, by=by, **more))  # type: ignore[arg-type]


def did(db: Database) -> list[tuple[str, str]]:
    return [(one.who, one.did) for one in reversed(audit.done(db, limit=20, what="issue 1"))]


def letters(db: Database) -> list[str]:
    return [email for (email,) in db.execute("SELECT email FROM letters WHERE kind = 'approval' ORDER BY email")]


def test_publishers_are_asked_by_letter(draft: Database, settings: Settings) -> None:
    carl = hire(draft, "Carl", "editor")
    hire(draft, "Ann", "owner")
    hire(draft, "Bea")
    hire(draft, "Dora", "editor")
    asked = approval.ask(draft, settings, 1, by=carl, now=NOW)
    assert [one.name for one in asked] == ["Ann", "Bea"]
    assert letters(draft) == ["ann@example.com", "bea@example.com"]
    assert approval.asked_for(draft, 1) == ("Carl", "2026-11-26T09:00:00.000000Z")
    assert did(draft) == [("Carl", "asked for approval of")]


def test_it_is_not_asked_again_at_once(draft: Database, settings: Settings) -> None:
    carl = hire(draft, "Carl", "editor")
    hire(draft, "Ann")
    approval.ask(draft, settings, 1, by=carl, now=NOW)
    with pytest.raises(StateError, match="Carl asked for approval of issue 1 just now"):
        approval.ask(draft, settings, 1, by=carl, now=NOW + timedelta(minutes=9))
    assert len(letters(draft)) == 1
    approval.ask(draft, settings, 1, by=carl, now=NOW + timedelta(minutes=10))
    assert len(letters(draft)) == 2


def test_where_there_is_nobody_to_ask_it_is_said(draft: Database, settings: Settings) -> None:
    ann = hire(draft, "Ann")
    with pytest.raises(StateError, match="there is no other publisher to ask"):
        approval.ask(draft, settings, 1, by=ann, now=NOW)
    assert approval.asked_for(draft, 1) is None


def test_what_is_approved_cannot_be_asked_for(draft: Database, settings: Settings) -> None:
    ann = hire(draft, "Ann")
    hire(draft, "Bea")
    approve(draft, settings, ann)
    with pytest.raises(StateError, match="issue 1 is approved"):
        approval.ask(draft, settings, 1, by=ann, now=NOW)


def test_approval_answers_the_question(draft: Database, settings: Settings) -> None:
    carl, ann = hire(draft, "Carl", "editor"), hire(draft, "Ann")
    approval.ask(draft, settings, 1, by=carl, now=NOW)
    approve(draft, settings, ann)
    assert approval.asked_for(draft, 1) is None
    assert issues.approved_by(draft, 1) == "Ann"


def test_taken_back_it_is_a_draft_like_any(draft: Database, settings: Settings) -> None:
    ann = hire(draft, "Ann")
    editing.edit(draft, 1, now=NOW, subject="Hello {{ name }}, ship or skip?", settings=settings)
    before = issues.load_draft(draft, 1)
    approve(draft, settings, ann, at=NOW + timedelta(days=1), local=True, overrides={"subject": "a joke"})
    issue = approval.take_back(draft, 1, by=ann, now=NOW)
    assert (issue.state, issue.content_hash, issue.html) == ("draft", None, None)
    assert (issue.scheduled_at, issue.local_time, issue.approved_at) == (None, None, None)
    assert issues.overrides_of(draft, 1) == []
    assert issues.load_draft(draft, 1) == before
    assert did(draft)[-2:] == [("Ann", "approved"), ("Ann", "took back to draft")]
    approve(draft, settings, ann, overrides={"subject": "a joke"})


@pytest.mark.parametrize("state", ["draft", "sending", "paused", "sent", "cancelled"])
def test_only_what_is_approved_is_taken_back(draft: Database, settings: Settings, state: str) -> None:
    approve(draft, settings, hire(draft, "Ann"))
    draft.execute("UPDATE issues SET state = ?", [state])
    with pytest.raises(StateError, match=f"issue 1 is {state}; only one that is approved can be taken back to draft"):
        approval.take_back(draft, 1, by=hire(draft, "Bea"), now=NOW)


def test_of_two_who_approve_one_wins_and_the_other_is_told(draft: Database, settings: Settings) -> None:
    ann, bea = hire(draft, "Ann"), hire(draft, "Bea")
    at = NOW + timedelta(days=1)
    approve(draft, settings, ann, at=at, another_time=False)
    with pytest.raises(StateError, match="issue 1 is approved already, by Ann at Thu 26 Nov 2026, 09:00 UTC"):
        approve(draft, settings, bea, at=at + timedelta(hours=1), another_time=False)
    assert issues.find_issue(draft, 1).scheduled_at == at


def test_the_audit_says_who_did_what(draft: Database, settings: Settings) -> None:
    ann = hire(draft, "Ann")
    approve(draft, settings, ann, at=NOW + timedelta(days=1))
    issues.reschedule(draft, settings, 1, now=NOW, at=NOW + timedelta(days=2), by=ann)
    steering.cancel(draft, 1, now=NOW)
    assert did(draft) == [("Ann", "approved"), ("Ann", "gave another time"), ("the command line", "cancelled")]
    approved = audit.done(draft, limit=9, what="issue 1")[-1]
    assert approved.detail["at"] == "2026-11-27T09:00:00.000000Z"
    assert (issues.find_issue(draft, 1).content_hash or "").startswith(approved.detail["content"])
