"""Subject alternatives of a draft: written, arranged, frozen with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlite_utils import Database

from conftest import NOW, troubles
from digest.editors import audit
from digest.editors.audit import By
from digest.errors import InputError, NotFoundError, StateError
from digest.issue import approval, issues, subjects
from digest.issue.checks.alternatives import check
from digest.issue.contents import version_of
from digest.issue.model import Alternative, SubjectTest
from digest.issue.subjects import OtherWordsError
from digest.issue.words import NoDraftError
from digest.settings import Settings

B, C = "Which of these would you ship?", "Nine critics fell out over this"


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Database:
    issues.draft(sample, settings, now=NOW)
    return sample


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"tracking": "counts"})


def add(db: Database, settings: Settings, words: str, *more: Any, **options: Any) -> SubjectTest:
    return subjects.add(db, settings, 1, words, *more, now=NOW, **options)


def test_a_draft_has_its_alternatives_and_nothing_without_one(draft: Database, settings: Settings) -> None:
    assert issues.load_draft(draft, 1).subject_test is None
    subjects.arrange(draft, settings, 1, share=40, now=NOW)
    assert issues.load_draft(draft, 1).subject_test is None
    add(draft, settings, f"  {B}\n ", "  ")
    add(draft, settings, C, " And  over that ")
    expected = SubjectTest(40, 120, "clicks", (Alternative(B), Alternative(C, "And over that")))
    assert issues.load_draft(draft, 1).subject_test == expected
    assert issues.laid_out(draft, settings, 1).content.subject_test == expected


def test_what_is_chosen_by_itself_depends_on_whether_clicks_are_counted(draft: Database, settings: Settings) -> None:
    assert subjects.arrangement_of(draft, settings, 1) == SubjectTest(20, 120, "clicks", ())
    off = settings.model_copy(update={"tracking": "off"})
    assert add(draft, off, B).rule == "person"
    with pytest.raises(InputError, match="only a person can decide"):
        subjects.arrange(draft, off, 1, rule="clicks", now=NOW)
    with pytest.raises(NotFoundError):
        subjects.arrangement_of(draft, settings, 2)


def test_taking_one_out_moves_the_others_up(draft: Database, settings: Settings) -> None:
    for words in ("one", "two", "three"):
        add(draft, settings, f"Number {words}")
    after = subjects.remove(draft, settings, 1, 1, was="Number one", now=NOW)
    assert [one.subject for one in after.others] == ["Number two", "Number three"]
    assert draft.execute("SELECT number FROM subjects ORDER BY number").fetchall() == [(1,), (2,)]
    with pytest.raises(NotFoundError, match="issue 1 has no alternative 3; it has 1 to 2"):
        subjects.remove(draft, settings, 1, 3, now=NOW)
    subjects.change(draft, settings, 1, 2, "Number four", "New", now=NOW)
    assert subjects.arrangement_of(draft, settings, 1).others[1] == Alternative("Number four", "New")


def test_another_preheader_alone_is_an_alternative(draft: Database, settings: Settings) -> None:
    own = issues.load_draft(draft, 1).subject
    with pytest.raises(InputError, match="is the issue’s own already"):
        add(draft, settings, own.upper())
    add(draft, settings, own, "Read what the critics said")
    with pytest.raises(InputError, match="is alternative B already"):
        add(draft, settings, own, "Read what the critics said")


def test_a_change_of_words_that_others_changed_is_refused(draft: Database, settings: Settings) -> None:
    add(draft, settings, B)
    with pytest.raises(OtherWordsError) as refused:
        subjects.change(draft, settings, 1, 1, "Mine", was="Before", now=NOW)
    assert refused.value.more_json == {"theirs": B}
    with pytest.raises(OtherWordsError, match="it was taken out"):
        subjects.remove(draft, settings, 1, 2, was=C, now=NOW)
    assert subjects.change(draft, settings, 1, 1, B, was=B, now=NOW).others == (Alternative(B),)


def test_each_change_counts_the_version_up_and_is_written_down(draft: Database, settings: Settings) -> None:
    ann, seen = By(None, "Ann"), [version_of(draft, 1)]
    changes: tuple[Callable[[], object], ...] = (
        lambda: add(draft, settings, B, by=ann),
        lambda: subjects.change(draft, settings, 1, 1, C, now=NOW, by=ann),
        lambda: subjects.arrange(draft, settings, 1, share=30, now=NOW, by=ann),
        lambda: subjects.remove(draft, settings, 1, 1, now=NOW, by=ann),
    )
    for change in changes:
        change()
        seen.append(version_of(draft, 1))
    assert seen == sorted(set(seen))
    done = audit.done(draft, limit=4)
    assert [(one.who, one.did) for one in reversed(done)] == [
        ("Ann", "added a subject to"),
        ("Ann", "changed a subject of"),
        ("Ann", "arranged the subjects of"),
        ("Ann", "took a subject out of"),
    ]
    assert done[0].detail == {"was": "draft", "subject": C}


def test_an_approved_issue_is_not_changed_by_accident(draft: Database, settings: Settings) -> None:
    add(draft, settings, B)
    issues.freeze(draft, settings, 1, now=NOW)
    with pytest.raises(NoDraftError, match="take it back to draft first"):
        add(draft, settings, C)
    assert add(draft, settings, C, reopen=True).others == (Alternative(B), Alternative(C))
    found = issues.find_issue(draft, 1)
    assert (found.state, found.content_hash) == ("draft", None)
    draft.execute("UPDATE issues SET state = 'cancelled'")
    with pytest.raises(NoDraftError):
        add(draft, settings, "Another", reopen=True)


def test_approval_keeps_them_and_its_hash_covers_how_they_are_tried(draft: Database, settings: Settings) -> None:
    hashes = []
    for share, wait, words in ((20, 60, B), (25, 60, B), (25, 90, B), (25, 90, C)):
        subjects.arrange(draft, settings, 1, share=share, wait=wait, now=NOW, reopen=True)
        if subjects.arrangement_of(draft, settings, 1).others:
            subjects.remove(draft, settings, 1, 1, now=NOW, reopen=True)
        add(draft, settings, words, reopen=True)
        hashes.append(issues.freeze(draft, settings, 1, now=NOW).content_hash)
    assert len(set(hashes)) == 4
    snapshot = issues.find_snapshot(draft, 1)
    assert snapshot is not None
    assert snapshot.draft.subject_test == SubjectTest(25, 90, "clicks", (Alternative(C),))
    frozen = issues.frozen(draft, 1)
    assert frozen is not None
    assert frozen.subject_test == snapshot.draft.subject_test
    assert issues.check_issues(draft) == []


def test_what_was_looked_at_is_what_is_approved(draft: Database, settings: Settings) -> None:
    looked_at = issues.content_hash(issues.laid_out(draft, settings, 1).content)
    add(draft, settings, B)
    with pytest.raises(StateError, match="issue 1 has changed since you looked at it"):
        issues.freeze(draft, settings, 1, now=NOW, expected=looked_at)


def test_the_check_looks_at_each_as_at_a_subject(draft: Database, settings: Settings) -> None:
    def found() -> list[tuple[str, str, str]]:
        mail = approval.mail_of(draft, settings, 1)
        return [(one.level, one.where, one.what) for one in troubles(check(mail))]

    assert found() == []
    add(draft, settings, B)
    assert found() == []
    add(draft, settings, "BUY THIS NOW!!!", "Short")
    junk, short = found()
    assert junk[:2] == ("warn", "alternative C, subject “BUY THIS NOW!!!”")
    assert "is how junk mail shouts" in junk[2]
    assert re.match("alternative C, preheader", short[1])
    draft.execute("UPDATE subjects SET subject = (SELECT subject FROM issues) WHERE number = 1")
    assert ("warn", "alternative B", "it says the same as the issue’s own subject") in found()
    off = settings.model_copy(update={"tracking": "off"})
    assert [one.level for one in troubles(check(approval.mail_of(draft, off, 1)))][-1] == "block"
