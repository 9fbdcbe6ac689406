"""Whose words an issue has: those nobody wrote follow the comparisons, those a person wrote stay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.issue import approval, editing, issues
from digest.issue.compose import words_for
from digest.issue.issues import WORDS
from digest.issue.model import Issue
from digest.settings import Settings

MINE: dict[str, Any] = {"subject": "My own subject line", "preheader": "My own preheader", "intro": "My own intro."}


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Database:
    """A store with issue 1 drafted."""
    issues.draft(sample, settings, now=NOW)
    return sample


def change_the_lead(db: Database) -> str:
    """The panel comes to skip the first tool of the lead; give the tool's name."""
    tool = issues.load_draft(db, 1).placed[0].comparison.left
    db.execute("UPDATE reviews SET verdict = 'skip' WHERE tool = (SELECT id FROM tools WHERE slug = ?)", [tool.slug])
    return tool.name


def approve(db: Database, settings: Settings) -> Issue:
    return asyncio.run(approval.approve(db, settings, 1, now=NOW, network=False)).issue


def words(db: Database) -> dict[str, str]:
    """The words that a draft would be mailed with."""
    draft = issues.load_draft(db, 1)
    return {name: getattr(draft, name) for name in WORDS}


def composed(db: Database) -> dict[str, str]:
    """The words that its comparisons, as they are now, would be given."""
    return words_for(issues.load_draft(db, 1).placed)


def slugs(db: Database) -> list[str]:
    return [item.comparison.slug for item in issues.load_draft(db, 1).placed]


# Words nobody wrote --------------------------------------------------------------------------------------------------


def test_of_a_new_draft_nobody_wrote_anything(draft: Database) -> None:
    assert issues.own_words(draft, 1) == []
    assert words(draft) == composed(draft)


def test_an_approved_issue_says_the_verdict_of_that_moment(draft: Database, settings: Settings) -> None:
    before = issues.find_issue(draft, 1).preheader
    assert before.startswith("Panel ships ")
    name = change_the_lead(draft)
    issue = approve(draft, settings)
    assert issue.preheader.startswith(f"Panel skips {name} 6–0")
    assert issue.preheader != before
    assert issue.html is not None
    assert f"Panel skips {name} 6–0" in issue.html
    assert before not in issue.html


def test_what_an_approved_issue_says_no_longer_follows(draft: Database, settings: Settings) -> None:
    issue = approve(draft, settings)
    change_the_lead(draft)
    assert words(draft) == {name: getattr(issue, name) for name in WORDS}
    assert issues.laid_out(draft, settings, 1).content.preheader == issue.preheader
    assert issues.check_issues(draft) == []


def test_an_approved_issue_that_is_edited_follows_again(draft: Database, settings: Settings) -> None:
    approve(draft, settings)
    name = change_the_lead(draft)
    issue = editing.edit(draft, 1, now=NOW, subject=MINE["subject"], settings=settings)
    assert issue.subject == MINE["subject"]
    assert issue.preheader.startswith(f"Panel skips {name} 6–0")


def test_another_lead_composes_them_anew(draft: Database, settings: Settings) -> None:
    before = words(draft)
    issue = editing.edit(draft, 1, now=NOW, lead=slugs(draft)[4], settings=settings)
    lead = issues.load_draft(draft, 1).placed[0].comparison
    assert issue.subject.startswith(f"{lead.left.name} vs {lead.right.name}")
    assert lead.left.name in issue.preheader
    assert (issue.subject, issue.preheader) != (before["subject"], before["preheader"])
    assert issue.intro == before["intro"]
    assert words(draft) == composed(draft)


# Words a person wrote ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORDS)
def test_what_a_person_wrote_stays_and_the_others_follow(draft: Database, settings: Settings, name: str) -> None:
    editing.edit(draft, 1, now=NOW, settings=settings, **{name: MINE[name]})
    assert issues.own_words(draft, 1) == [name]
    change_the_lead(draft)
    editing.edit(draft, 1, now=NOW, lead=slugs(draft)[3], out=slugs(draft)[:1], settings=settings)
    assert words(draft) == composed(draft) | {name: MINE[name]}
    issue = approve(draft, settings)
    assert {word: getattr(issue, word) for word in WORDS} == composed(draft) | {name: MINE[name]}


def test_what_was_written_one_after_the_other_all_stays(draft: Database, settings: Settings) -> None:
    for name in WORDS:
        editing.edit(draft, 1, now=NOW, settings=settings, **{name: MINE[name]})
    change_the_lead(draft)
    editing.edit(draft, 1, now=NOW, lead=slugs(draft)[3], settings=settings)
    assert words(draft) == MINE
    assert sorted(issues.own_words(draft, 1)) == sorted(WORDS)


def test_words_and_a_lead_given_at_once_both_count(draft: Database, settings: Settings) -> None:
    issue = editing.edit(draft, 1, now=NOW, lead=slugs(draft)[3], subject=MINE["subject"], settings=settings)
    lead = issues.load_draft(draft, 1).placed[0].comparison
    assert issue.subject == MINE["subject"]
    assert lead.left.name in issue.preheader


def test_a_preheader_or_an_intro_may_be_emptied_and_stays_so(draft: Database, settings: Settings) -> None:
    editing.edit(draft, 1, now=NOW, preheader="", intro="", settings=settings)
    issue = editing.edit(draft, 1, now=NOW, lead=slugs(draft)[3], settings=settings)
    assert (issue.preheader, issue.intro) == ("", "")


def test_what_a_person_wrote_survives_an_approval_and_the_next_edit(draft: Database, settings: Settings) -> None:
    editing.edit(draft, 1, now=NOW, intro=MINE["intro"], settings=settings)
    approve(draft, settings)
    issue = editing.edit(draft, 1, now=NOW, lead=slugs(draft)[3], settings=settings)
    assert issue.intro == MINE["intro"]
    assert issues.own_words(draft, 1) == ["intro"]


def test_a_draft_made_anew_forgets_them(draft: Database, settings: Settings) -> None:
    editing.edit(draft, 1, now=NOW, settings=settings, **MINE)
    done = issues.draft(draft, settings, now=NOW, refresh=True)
    assert done.refreshed
    assert issues.own_words(draft, 1) == []
    name = change_the_lead(draft)
    assert words(draft) == composed(draft)
    assert words(draft)["preheader"].startswith(f"Panel skips {name}")


def test_an_open_draft_that_is_asked_for_again_keeps_them(draft: Database, settings: Settings) -> None:
    editing.edit(draft, 1, now=NOW, settings=settings, **MINE)
    assert not issues.draft(draft, settings, now=NOW).made
    assert words(draft) == MINE
