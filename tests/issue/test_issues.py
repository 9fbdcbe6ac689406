"""An issue's life: draft, edit, approve, cancel."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.errors import InputError, NotFoundError, StateError
from digest.issue import editing, issues
from digest.issue.render import render
from digest.settings import Settings


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Database:
    """A store with issue 1 drafted."""
    issues.draft(sample, settings, now=NOW)
    return sample


def test_approval_freezes_content_and_names_its_hash(draft: Database, settings: Settings) -> None:
    content = render(issues.load_draft(draft, 1), settings)
    issue = issues.freeze(draft, settings, 1, now=NOW)
    assert issue.state == "approved"
    assert (issue.html, issue.text) == (content.html, content.text)
    assert issue.content_hash == issues.content_hash(content)
    assert issues.check_issues(draft) == []


def test_a_frozen_issue_that_was_tampered_with_is_found(draft: Database, settings: Settings) -> None:
    issues.freeze(draft, settings, 1, now=NOW)
    draft.execute("UPDATE issues SET text = text || 'x'")
    assert issues.check_issues(draft) == ["issue 1 is not what was approved: its content does not match its hash"]


def test_editing_an_approved_issue_puts_it_back_to_draft(draft: Database, settings: Settings) -> None:
    issues.freeze(draft, settings, 1, now=NOW, at=NOW + timedelta(hours=1))
    issue = editing.edit(draft, 1, now=NOW, subject="  A better\nsubject ", settings=settings)
    assert (issue.state, issue.subject) == ("draft", "A better subject")
    assert (issue.html, issue.content_hash, issue.scheduled_at, issue.approved_at) == (None, None, None, None)


def test_words_can_be_edited_one_by_one(draft: Database, settings: Settings) -> None:
    before = issues.find_issue(draft, 1)
    issue = editing.edit(draft, 1, now=NOW, preheader="Look", intro="One.\n\nTwo.", settings=settings)
    assert (issue.subject, issue.preheader, issue.intro) == (before.subject, "Look", "One.\n\nTwo.")
    text = render(issues.load_draft(draft, 1), settings).text
    assert "One.\n\nTwo.\n" in text


def test_an_empty_subject_is_refused(draft: Database, settings: Settings) -> None:
    with pytest.raises(InputError, match="subject: is empty"):
        editing.edit(draft, 1, now=NOW, subject="  ", settings=settings)


def test_another_lead_and_some_left_out(draft: Database, settings: Settings) -> None:
    slugs = [item.comparison.slug for item in issues.load_draft(draft, 1).placed]
    editing.edit(draft, 1, now=NOW, lead=slugs[4], out=[slugs[0], slugs[1]], settings=settings)
    placed = issues.load_draft(draft, 1).placed
    assert [item.comparison.slug for item in placed[:3]] == [slugs[4], slugs[2], slugs[3]]
    assert placed[0].form == "full"
    assert {item.comparison.slug for item in placed if item.form == "out"} == {slugs[0], slugs[1]}
    assert slugs[0] not in render(issues.load_draft(draft, 1), settings).html


def test_a_slug_that_is_not_in_the_issue_is_named_with_the_nearest(draft: Database, settings: Settings) -> None:
    slug = issues.load_draft(draft, 1).placed[0].comparison.slug
    with pytest.raises(InputError, match=f"did you mean '{slug}'"):
        editing.edit(draft, 1, now=NOW, lead=slug + "x", settings=settings)


def test_an_issue_cannot_lose_its_last_comparison(draft: Database, settings: Settings) -> None:
    slugs = [item.comparison.slug for item in issues.load_draft(draft, 1).placed]
    with pytest.raises(InputError, match="nothing would be left"):
        editing.edit(draft, 1, now=NOW, out=slugs, settings=settings)


def test_only_a_draft_can_be_approved(draft: Database, settings: Settings) -> None:
    issues.freeze(draft, settings, 1, now=NOW)
    with pytest.raises(StateError, match="issue 1 is approved already, by the command line at"):
        issues.freeze(draft, settings, 1, now=NOW)


def test_an_issue_is_not_approved_for_the_past(draft: Database, settings: Settings) -> None:
    with pytest.raises(StateError, match=r"Thu 26 Nov 2026, 08:00 UTC has passed"):
        issues.freeze(draft, settings, 1, now=NOW, at=NOW - timedelta(hours=1))


def test_a_cancelled_issue_stays_cancelled(draft: Database, settings: Settings) -> None:
    assert issues.cancel(draft, 1, now=NOW).state == "cancelled"
    with pytest.raises(StateError, match="issue 1 is cancelled"):
        issues.cancel(draft, 1, now=NOW)
    with pytest.raises(StateError, match="issue 1 is cancelled"):
        issues.freeze(draft, settings, 1, now=NOW)
    with pytest.raises(StateError, match="issue 1 is cancelled"):
        editing.edit(draft, 1, now=NOW, subject="Back", settings=settings)


def test_a_draft_left_with_nothing_says_what_to_do(draft: Database, settings: Settings) -> None:
    draft.execute("UPDATE comparisons SET published_at = '2030-01-01T00:00:00.000000Z'")
    with pytest.raises(StateError, match="`digest cancel 1` drops the draft"):
        issues.draft(draft, settings, now=NOW, refresh=True)
    assert len(issues.load_draft(draft, 1).placed) == 30


def test_an_issue_that_is_not_there(db: Database, draft: Database) -> None:
    with pytest.raises(NotFoundError, match="there is no issue 9; the last one is 1"):
        issues.find_issue(draft, 9)


def test_before_the_first_issue(db: Database) -> None:
    with pytest.raises(NotFoundError, match="there is none yet, `digest draft` makes one"):
        issues.find_issue(db, 1)


def test_words_nobody_wrote_follow_the_comparisons(draft: Database, settings: Settings) -> None:
    slugs = [item.comparison.slug for item in issues.load_draft(draft, 1).placed]
    before = issues.find_issue(draft, 1)
    after = editing.edit(draft, 1, now=NOW, out=slugs[:1], settings=settings)
    lead = issues.load_draft(draft, 1).placed[0].comparison
    assert after.subject.startswith(lead.title)
    assert lead.left.name in after.preheader
    assert "Twenty" not in before.intro
    assert after.intro.startswith("29 new pairs")


def test_words_an_editor_wrote_stay(draft: Database, settings: Settings) -> None:
    slugs = [item.comparison.slug for item in issues.load_draft(draft, 1).placed]
    editing.edit(draft, 1, now=NOW, subject="Mine", settings=settings)
    after = editing.edit(draft, 1, now=NOW, lead=slugs[3], settings=settings)
    assert after.subject == "Mine"
    assert issues.load_draft(draft, 1).placed[0].comparison.left.name in after.preheader


def test_the_lead_cannot_be_left_out_and_one_left_out_can_come_back(draft: Database, settings: Settings) -> None:
    slug = issues.load_draft(draft, 1).placed[2].comparison.slug
    with pytest.raises(InputError, match="cannot both lead and be left out"):
        editing.edit(draft, 1, now=NOW, lead=slug, out=[slug], settings=settings)
    editing.edit(draft, 1, now=NOW, out=[slug], settings=settings)
    editing.edit(draft, 1, now=NOW, lead=slug, settings=settings)
    placed = issues.load_draft(draft, 1).placed
    assert (placed[0].comparison.slug, placed[0].form) == (slug, "full")
    assert [item for item in placed if item.form == "out"] == []


def test_sender_and_headers_are_frozen_too(draft: Database, settings: Settings) -> None:
    issues.freeze(draft, settings, 1, now=NOW)
    other = settings.model_copy(update={"base_url": "https://other.example", "sender_name": "Other"})
    content = issues.laid_out(draft, other, 1).content
    assert content.envelope.sender_name == "Weekly AI Tool Verdicts"
    assert content.envelope.headers["List-Unsubscribe"] == "<https://verdicts.example.com/u/[[digest:token]]>"
    draft.execute("UPDATE issues SET envelope = replace(envelope, 'verdicts@', 'stranger@')")
    assert len(issues.check_issues(draft)) == 1
