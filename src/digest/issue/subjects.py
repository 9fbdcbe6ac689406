"""Subject alternatives of a draft: writing them, and saying how they are tried out.

They are part of the draft: each change counts its version up, and approval freezes them with the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from digest import times
from digest.editors import audit
from digest.editors.audit import COMMAND_LINE, By
from digest.errors import InputError, NotFoundError, StateError
from digest.issue import issues
from digest.issue.model import Alternative, Rule, SubjectTest
from digest.issue.subject_records import is_uncounted, subject_test_of
from digest.issue.tracked import Tracking
from digest.issue.words import NoDraftError, clean, expect_short
from digest.settings import Settings
from digest.store import Database, writing

MOST = 4
"""Alternatives beside the issue's own subject: with more, too few readers are left for each."""
SHARE, WAIT = 20, 120
"""What is chosen where nobody did: percent of the audience, and minutes."""
SHARES, WAITS = (5, 100), (5, 1_440)
"""From how much to how much they may be."""


class OtherWordsError(StateError):
    """Somebody else changed the alternative meanwhile; `more_json` has what it says now."""

    def __init__(self, number: int, theirs: Alternative | None) -> None:
        said = f"says “{theirs.subject}” now" if theirs else "was taken out"
        super().__init__(f"somebody changed this alternative of issue {number} meanwhile: it {said}; look again")
        self.more_json = {"theirs": theirs.subject if theirs else None}


def arrangement_of(db: Database, settings: Settings, number: int) -> SubjectTest:
    """Give how an issue's subjects are, or would be, tried out; without alternatives what is chosen by itself."""
    issues.find_issue(db, number)
    row = db.conn.execute("SELECT share, wait, rule FROM subject_tests WHERE issue = ?", (number,)).fetchone()
    test = subject_test_of(db, number)
    if row is not None:
        return test or SubjectTest(row[0], row[1], row[2], ())
    return SubjectTest(SHARE, WAIT, "person" if settings.tracking == "off" else "clicks", ())


def add(
    db: Database,
    settings: Settings,
    number: int,
    subject: str,
    preheader: str | None = None,
    *,
    now: datetime,
    by: By = COMMAND_LINE,
    reopen: bool = False,
) -> SubjectTest:
    """Write one more alternative to a draft's subject; give how they are tried out.

    Args:
        db: the store.
        settings: what is chosen by itself depends on whether clicks are counted.
        number: the issue.
        subject: the alternative.
        preheader: what stands after it; None or nothing for the issue's.
        now: the moment.
        by: who writes it.
        reopen: an approved issue goes back to draft.

    Raises:
        InputError: it is empty or too long, there are as many as there may be, or the issue has this subject.
        StateError: the issue is no draft.
    """
    words = _read(subject, preheader)
    with _edited(db, number, "added a subject to", now=now, by=by, reopen=reopen, subject=words.subject):
        test = arrangement_of(db, settings, number)
        if len(test.others) >= MOST:
            raise InputError(
                f"there are {MOST} alternatives already, which is as many as can be told apart", field="add"
            )
        _refuse_twice(db, number, words, test)
        db.conn.execute(
            "INSERT INTO subject_tests (issue, share, wait, rule) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (number, test.share, test.wait, test.rule),
        )
        db.conn.execute(
            "INSERT INTO subjects (issue, number, subject, preheader) VALUES (?, ?, ?, ?)",
            (number, len(test.others) + 1, words.subject, words.preheader),
        )
        return arrangement_of(db, settings, number)


def change(
    db: Database,
    settings: Settings,
    number: int,
    which: int,
    subject: str,
    preheader: str | None = None,
    *,
    was: str | None = None,
    now: datetime,
    by: By = COMMAND_LINE,
    reopen: bool = False,
) -> SubjectTest:
    """Write an alternative anew, the one numbered `which`; `was` is what it said when it was looked at.

    Raises:
        InputError: as `add` does.
        NotFoundError: there is none of this number.
        OtherWordsError: it says something else than it did.
        StateError: the issue is no draft.
    """
    words = _read(subject, preheader)
    with _edited(db, number, "changed a subject of", now=now, by=by, reopen=reopen, subject=words.subject):
        test = arrangement_of(db, settings, number)
        _expect(number, which, test, was)
        _refuse_twice(db, number, words, test, but=which)
        db.conn.execute(
            "UPDATE subjects SET subject = ?, preheader = ? WHERE issue = ? AND number = ?",
            (words.subject, words.preheader, number, which),
        )
        return arrangement_of(db, settings, number)


def remove(
    db: Database,
    settings: Settings,
    number: int,
    which: int,
    *,
    was: str | None = None,
    now: datetime,
    by: By = COMMAND_LINE,
    reopen: bool = False,
) -> SubjectTest:
    """Take an alternative out, the one numbered `which`; those behind it move up.

    Raises:
        NotFoundError: there is none of this number.
        OtherWordsError: it says something else than it did.
        StateError: the issue is no draft.
    """
    with _edited(db, number, "took a subject out of", now=now, by=by, reopen=reopen) as detail:
        test = arrangement_of(db, settings, number)
        detail["subject"] = _expect(number, which, test, was).subject
        db.conn.execute("DELETE FROM subjects WHERE issue = ? AND number = ?", (number, which))
        for behind in range(which + 1, len(test.others) + 1):
            db.conn.execute(
                "UPDATE subjects SET number = ? WHERE issue = ? AND number = ?", (behind - 1, number, behind)
            )
        return arrangement_of(db, settings, number)


def arrange(
    db: Database,
    settings: Settings,
    number: int,
    *,
    share: int | None = None,
    wait: int | None = None,
    rule: Rule | None = None,
    now: datetime,
    by: By = COMMAND_LINE,
    reopen: bool = False,
) -> SubjectTest:
    """Say on how many percent a draft's subjects are tried, for how many minutes, and who decides.

    Raises:
        InputError: a number is out of its range, or clicks are to decide and are not counted.
        StateError: the issue is no draft.
    """
    if share is not None and not SHARES[0] <= share <= SHARES[1]:
        raise InputError(f"{share} is none it may be: {SHARES[0]} to {SHARES[1]} percent", field="share")
    if wait is not None and not WAITS[0] <= wait <= WAITS[1]:
        raise InputError(
            f"{wait:,} is none it may be: {WAITS[0]} to {WAITS[1]:,} minutes, which are a day", field="wait"
        )
    if rule is not None and is_uncounted(rule, Tracking.of(settings, number)):
        raise InputError("clicks are not counted (`tracking` is off), so only a person can decide", field="rule")
    with _edited(db, number, "arranged the subjects of", now=now, by=by, reopen=reopen) as detail:
        test = arrangement_of(db, settings, number)
        new = (
            test.share if share is None else share,
            test.wait if wait is None else wait,
            test.rule if rule is None else rule,
        )
        db.conn.execute(
            "INSERT INTO subject_tests (issue, share, wait, rule) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT DO UPDATE SET share = ?2, wait = ?3, rule = ?4",
            (number, *new),
        )
        detail |= dict(zip(("share", "wait", "rule"), new, strict=True))
        return arrangement_of(db, settings, number)


@contextmanager
def _edited(
    db: Database, number: int, did: str, *, now: datetime, by: By, reopen: bool, **detail: Any
) -> Iterator[dict[str, Any]]:
    """Change the alternatives of a draft in one transaction; an approved one becomes a draft again, if it may."""
    with writing(db) as connection:
        issue = issues.find_issue(db, number)
        if issue.state == "approved" and reopen:
            issues.thaw(connection, number)
        elif issue.state != "draft":
            raise NoDraftError(number, issue.state)
        yield detail
        connection.execute("UPDATE issues SET updated_at = ? WHERE number = ?", (times.to_text(now), number))
        audit.note(connection, by, did, f"issue {number}", now=now, was=issue.state, **detail)


def _read(subject: str, preheader: str | None) -> Alternative:
    subject, preheader = clean("subject", subject), clean("preheader", preheader or "")
    if not subject:
        raise InputError("it is empty; an alternative needs words", field="subject")
    expect_short("subject", subject)
    expect_short("preheader", preheader)
    return Alternative(subject, preheader or None)


def _refuse_twice(db: Database, number: int, words: Alternative, test: SubjectTest, but: int = 0) -> None:
    """Refuse a subject that the issue has: readers of two that say the same tell nothing."""
    own = Alternative(issues.load_draft(db, number).subject)
    for at, other in enumerate((own, *test.others)):
        same = (other.subject.casefold(), other.preheader) == (words.subject.casefold(), words.preheader)
        if same and (at != but or not but):
            whose = "the issue’s own" if not at else f"alternative {'ABCDE'[at]}"
            raise InputError(f"“{words.subject}” is {whose} already; say it in another way", field="subject")


def _expect(number: int, which: int, test: SubjectTest, was: str | None) -> Alternative:
    if not 1 <= which <= len(test.others):
        if was is not None:
            raise OtherWordsError(number, None)
        there = f"it has 1 to {len(test.others)}" if test.others else "it has none"
        raise NotFoundError(f"issue {number} has no alternative {which}; {there}")
    found = test.others[which - 1]
    if was is not None and was != found.subject:
        raise OtherWordsError(number, found)
    return found
