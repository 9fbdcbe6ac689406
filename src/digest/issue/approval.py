"""Approving: an issue is checked, and frozen as it was checked; asking for it, and taking it back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.editors import audit, people
from digest.editors.audit import COMMAND_LINE, By
from digest.editors.people import Editor
from digest.errors import InputError, StateError, nearest
from digest.issue import four_eyes, issues
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.names import name_of
from digest.issue.checks.run import IDS, run
from digest.issue.issues import Override
from digest.issue.model import Issue
from digest.settings import Settings
from digest.store import Database, writing

ASK_AGAIN = timedelta(minutes=10)
"""So soon nobody asks for approval again: publishers have the letter already."""

_HASH = re.compile(r"[0-9a-f]{8,64}")


class BlockedError(StateError):
    """Checks stand against an issue; `findings` are those that block."""

    def __init__(self, number: int, findings: Sequence[Finding]) -> None:
        self.number, self.findings = number, tuple(findings)
        names = ", ".join(dict.fromkeys(finding.check for finding in findings))
        first = findings[0]
        super().__init__(
            f"issue {number} is not approved; these checks block it: {names}. {first.check}: {first.what}."
            f' `digest check {number}` says what to do; `--override {first.check}="why"` approves it all the same'
        )


class NotWellError(StateError):
    """Not every check passes, and nobody is there to say that it goes out all the same; `findings` are what stands."""

    def __init__(self, number: int, findings: Sequence[Finding]) -> None:
        self.number, self.findings = number, tuple(findings)
        said = "; ".join(f"{name_of(finding.check)}: {finding.what}" for finding in findings[:3])
        more = f"; and {len(findings) - 3} more" if len(findings) > 3 else ""
        super().__init__(f"issue {number} is not approved by itself, since not every check passes. {said}{more}")


@dataclass(frozen=True)
class Approved:
    """An approved issue, what the checks found of it, and what was overridden.

    `needless` are overrides of checks that do not block; they are not kept.
    """

    issue: Issue
    findings: tuple[Finding, ...] = ()
    overrides: tuple[Override, ...] = ()
    needless: tuple[str, ...] = ()


def mail_of(db: Database, settings: Settings, number: int) -> Mail:
    """Give an issue for the checks to look at, as it is or would be mailed."""
    fitted = issues.laid_out(db, settings, number)
    frozen = issues.find_issue(db, number).content_hash is not None
    return Mail(fitted.draft, fitted.content, settings, fitted.moved, frozen)


async def approve(
    db: Database,
    settings: Settings,
    number: int,
    *,
    now: datetime,
    at: datetime | None = None,
    local: bool = False,
    expected: str | None = None,
    overrides: Mapping[str, str] | None = None,
    network: bool,
    by: By = COMMAND_LINE,
    another_time: bool = True,
    all_well: bool = False,
) -> Approved:
    """Check a draft and freeze it. What was checked is what is frozen, or nothing is.

    An issue that is approved already is only given another time, unless `another_time` is False: then it is told that
    somebody was faster.

    Args:
        db: the store.
        settings: what it is rendered with.
        number: the issue.
        now: the moment of approval.
        at: when it may be sent; at once where it is None.
        local: to each reader when clocks where they are show the time that `at` is in the newsletter's zone.
        expected: the beginning of the hash of the content that was looked at, where one was.
        overrides: reasons, by the names of checks that may block and are to be passed over.
        network: whether the checks may ask the DNS and a spam filter.
        by: who approves it.
        another_time: whether an approved one may be given another time.
        all_well: whether a warning keeps it too, and a check that could have been run and was not.

    Raises:
        NotWellError: it was to be `all_well`, and is not.
        BlockedError: a check blocks, and no reason was given to pass it over.
        InputError: an override names no check, or gives no reason.
        StateError: it is not a draft, `at` has passed, its content is not the expected, or somebody else must approve.
    """
    reasons = dict(overrides or {})
    for name, reason in reasons.items():
        if name not in IDS:
            raise InputError(f"no check is called {name!r}{nearest(name, IDS)}", field="override")
        if not reason.strip():
            raise InputError(f'give a reason, such as {name}="why"', field="override")
    issue = issues.find_issue(db, number)
    if issue.state == "approved" and at is not None and another_time:
        if reasons:
            raise StateError(f"issue {number} is approved already; only its time can change, and nothing be overridden")
        whole = _whole(expected, issue.content_hash or "", number)
        return Approved(issues.reschedule(db, settings, number, now=now, at=at, local=local, expected=whole, by=by))
    issues.expect_approvable(db, settings, issue, by)
    mail = mail_of(db, settings, number)
    checked = issues.content_hash(mail.content)
    _whole(expected, checked, number)
    findings = await run(mail, network=network)
    if all_well and (wrong := [finding for finding in findings if not finding.is_well]):
        raise NotWellError(number, wrong)
    blocking = [finding for finding in findings if finding.level == "block"]
    if standing := [finding for finding in blocking if finding.check not in reasons]:
        raise BlockedError(number, standing)
    found: dict[str, list[str]] = {}
    for finding in blocking:
        found.setdefault(finding.check, []).append(finding.what)
    kept = tuple(Override(check, "; ".join(said), reasons[check].strip()) for check, said in found.items())
    frozen = issues.freeze(db, settings, number, now=now, at=at, local=local, expected=checked, overrides=kept, by=by)
    return Approved(frozen, tuple(findings), kept, tuple(name for name in reasons if name not in found))


def leave_to_people(db: Database, number: int, is_so: bool, *, by: By, now: datetime) -> bool:
    """Say that only a person approves a draft, whatever `auto_approve` says, or take that back; tell if it changed.

    Raises:
        StateError: it is no draft.
    """
    with writing(db) as connection:
        issues.expect(issues.find_issue(db, number), "kept for a person to approve", "draft")
        if issues.is_by_hand(db, number) == is_so:
            return False
        connection.execute(
            "UPDATE issues SET by_hand = ?, updated_at = ? WHERE number = ?", (is_so, times.to_text(now), number)
        )
        did = "kept for a person to approve" if is_so else "let digest approve"
        audit.note(connection, by, did, f"issue {number}", now=now)
        return True


def take_back(db: Database, number: int, *, by: By, now: datetime) -> Issue:
    """Make an approved issue a draft again, to be edited; its approval, its time and its overrides are gone.

    Raises:
        StateError: it is not approved, such as because its sending has begun.
    """
    with writing(db) as connection:
        issues.expect(issues.find_issue(db, number), "taken back to draft", "approved")
        issues.thaw(connection, number)
        connection.execute("UPDATE issues SET updated_at = ? WHERE number = ?", (times.to_text(now), number))
        audit.note(connection, by, "took back to draft", f"issue {number}", now=now)
        return issues.find_issue(db, number)


def ask(db: Database, settings: Settings, number: int, *, by: By, now: datetime) -> list[Editor]:
    """Ask publishers by letter to approve a draft; give whom.

    Raises:
        StateError: it is not a draft, it was asked for just now, or there is no publisher to ask.
    """
    with writing(db) as connection:
        issue = issues.find_issue(db, number)
        issues.expect(issue, "asked to be approved", "draft")
        before = asked_for(db, number)
        if before is not None and now < times.from_text(before[1]) + ASK_AGAIN:
            raise StateError(f"{before[0]} asked for approval of issue {number} just now; give them some minutes")
        connection.execute(
            "UPDATE issues SET asked_by = ?, asked_at = ? WHERE number = ?", (by.editor, times.to_text(now), number)
        )
        able = four_eyes.approvers(db, number) if settings.four_eyes else people.everyone(db)
        asked = [one for one in able if one.may("publisher") and one.id != by.editor]
        if not asked:
            raise StateError("there is no other publisher to ask; an owner can make somebody one")
        detail = {"issue": number, "who": by.who, "subject": issues.load_draft(db, number).subject}
        for one in asked:
            letterbox.post(db, "approval", read_address(one.email), subscriber=None, now=now, detail=detail)
        audit.note(connection, by, "asked for approval of", f"issue {number}", now=now, of=[one.id for one in asked])
        return asked


def asked_for(db: Database, number: int) -> tuple[str, str] | None:
    """Tell who asked for the approval of a draft, and when, as UTC text; None where nobody did."""
    row = db.conn.execute(
        "SELECT e.name, i.asked_at FROM issues i JOIN editors e ON e.id = i.asked_by WHERE i.number = ?", (number,)
    ).fetchone()
    return (row[0], row[1]) if row else None


def _whole(expected: str | None, found: str, number: int) -> str | None:
    """Give the whole hash of a content, where its beginning is what somebody looked at.

    Raises:
        InputError: what was given is no beginning of a hash that could tell two contents apart.
        StateError: it is the beginning of another.
    """
    if expected is None:
        return None
    given = expected.strip().casefold()
    if not _HASH.fullmatch(given):
        raise InputError(f"{expected!r} is no content hash; `digest check {number}` prints it", field="content")
    if not found.startswith(given):
        raise issues.changed(number, found, given)
    return found
