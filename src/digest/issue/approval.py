"""Approving: an issue is checked, and frozen as it was checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.errors import InputError, StateError, nearest
from digest.issue import issues
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.run import IDS, run
from digest.issue.issues import Override
from digest.issue.model import Issue
from digest.settings import Settings
from digest.store import Database

_HASH = re.compile(r"[0-9a-f]{8,64}")


class BlockedError(StateError):
    """Checks stand against an issue; `findings` are those that block."""

    def __init__(self, number: int, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        names = ", ".join(dict.fromkeys(finding.check for finding in findings))
        first = findings[0]
        super().__init__(
            f"issue {number} is not approved; these checks block it: {names}. {first.check}: {first.what}."
            f' `digest check {number}` says what to do; `--override {first.check}="why"` approves it all the same'
        )


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
) -> Approved:
    """Check a draft and freeze it. What was checked is what is frozen, or nothing is.

    An issue that is approved already is only given another time.

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

    Raises:
        BlockedError: a check blocks, and no reason was given to pass it over.
        InputError: an override names no check, or gives no reason.
        StateError: it is not a draft, `at` has passed, or its content is not the expected.
    """
    reasons = dict(overrides or {})
    for name, reason in reasons.items():
        if name not in IDS:
            raise InputError(f"no check is called {name!r}{nearest(name, IDS)}", field="override")
        if not reason.strip():
            raise InputError(f'give a reason, such as {name}="why"', field="override")
    issue = issues.find_issue(db, number)
    if issue.state == "approved" and at is not None:
        if reasons:
            raise StateError(f"issue {number} is approved already; only its time can change, and nothing be overridden")
        whole = _whole(expected, issue.content_hash or "", number)
        return Approved(issues.reschedule(db, settings, number, now=now, at=at, local=local, expected=whole))
    issues.expect(issue, "approved", "draft")
    mail = mail_of(db, settings, number)
    checked = issues.content_hash(mail.content)
    _whole(expected, checked, number)
    findings = await run(mail, network=network)
    blocking = [finding for finding in findings if finding.level == "block"]
    if standing := [finding for finding in blocking if finding.check not in reasons]:
        raise BlockedError(number, standing)
    found: dict[str, list[str]] = {}
    for finding in blocking:
        found.setdefault(finding.check, []).append(finding.what)
    kept = tuple(Override(check, "; ".join(said), reasons[check].strip()) for check, said in found.items())
    frozen = issues.freeze(db, settings, number, now=now, at=at, local=local, expected=checked, overrides=kept)
    return Approved(frozen, tuple(findings), kept, tuple(name for name in reasons if name not in found))


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
