"""Four eyes: nobody approves their own last word, and nobody is stuck."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from conftest import NOW
from digest.editors import people
from digest.editors.audit import COMMAND_LINE, By
from digest.editors.people import Role
from digest.errors import StateError
from digest.issue import approval, changes, four_eyes, issues, subjects
from digest.settings import Settings
from digest.store import Database


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"four_eyes": True})


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Database:
    issues.draft(sample, settings, now=NOW)
    return sample


def hire(db: Database, name: str, role: Role = "publisher") -> By:
    return By(people.add(db, f"{name.lower()}@example.com", name=name, role=role, by=COMMAND_LINE, now=NOW).id, name)


def edit(db: Database, by: By, words: str) -> None:
    before = issues.load_draft(db, 1).subject
    changes.write(db, 1, "subject", words, base=before, by=by, now=NOW)


def approve(db: Database, settings: Settings, by: By) -> None:
    asyncio.run(approval.approve(db, settings, 1, now=NOW, network=False, by=by))


def may(db: Database) -> list[str]:
    return [one.name for one in four_eyes.approvers(db, 1)]


def test_who_has_not_edited_it_approves(draft: Database, settings: Settings) -> None:
    ann, bea = hire(draft, "Ann"), hire(draft, "Bea")
    edit(draft, ann, "Two editors, one winner")
    with pytest.raises(StateError, match="you edited it, so somebody else must approve it: Bea"):
        approve(draft, settings, ann)
    assert issues.find_issue(draft, 1).state == "draft"
    approve(draft, settings, bea)
    assert issues.approved_by(draft, 1) == "Bea"


def test_an_alternative_to_the_subject_is_an_edit_too(draft: Database, settings: Settings) -> None:
    ann, bea, carl = hire(draft, "Ann"), hire(draft, "Bea"), hire(draft, "Carl")
    subjects.add(draft, settings, 1, "Read this at once", by=ann, now=NOW)
    subjects.change(draft, settings, 1, 1, "Read this now", by=bea, now=NOW)
    assert may(draft) == ["Carl"]
    with pytest.raises(StateError, match="you edited it, so somebody else must approve it: Carl"):
        approve(draft, settings, ann)
    subjects.remove(draft, settings, 1, 1, by=carl, now=NOW + timedelta(minutes=1))
    assert may(draft) == ["Ann", "Bea"]


def test_an_issue_that_nobody_edited_may_be_approved_by_any_publisher(draft: Database, settings: Settings) -> None:
    approve(draft, settings, hire(draft, "Ann"))
    assert issues.find_issue(draft, 1).state == "approved"


def test_who_asked_does_not_approve(draft: Database, settings: Settings) -> None:
    ann, _ = hire(draft, "Ann"), hire(draft, "Bea")
    approval.ask(draft, settings, 1, by=ann, now=NOW)
    with pytest.raises(StateError, match="you asked for its approval, so somebody else must approve it: Bea"):
        approve(draft, settings, ann)


def test_where_all_edited_it_whoever_did_not_edit_it_last_approves(draft: Database, settings: Settings) -> None:
    ann, bea = hire(draft, "Ann"), hire(draft, "Bea")
    edit(draft, ann, "Two editors, one winner")
    edit(draft, bea, "Two editors, no winner")
    assert may(draft) == ["Ann"]
    with pytest.raises(StateError, match="you edited it, so somebody else must approve it: Ann"):
        approve(draft, settings, bea)
    approve(draft, settings, ann)


def test_one_alone_is_told_what_is_missing(draft: Database, settings: Settings) -> None:
    ann = hire(draft, "Ann", "owner")
    hire(draft, "Carl", "editor")
    edit(draft, ann, "Two editors, one winner")
    with pytest.raises(StateError, match="there is no other publisher; an owner can make somebody one"):
        approve(draft, settings, ann)


def test_one_who_was_removed_does_not_count(draft: Database) -> None:
    ann, bea = hire(draft, "Ann", "owner"), hire(draft, "Bea")
    assert bea.editor is not None
    people.remove(draft, bea.editor, by=COMMAND_LINE, now=NOW)
    edit(draft, ann, "Two editors, one winner")
    assert may(draft) == []


def test_without_the_setting_anybody_approves_their_own(draft: Database, settings: Settings) -> None:
    ann = hire(draft, "Ann")
    edit(draft, ann, "Two editors, one winner")
    approve(draft, settings.model_copy(update={"four_eyes": False}), ann)


def test_the_command_line_is_the_operators(draft: Database, settings: Settings) -> None:
    edit(draft, hire(draft, "Ann"), "Two editors, one winner")
    approve(draft, settings, COMMAND_LINE)
    assert issues.approved_by(draft, 1) == "the command line"
