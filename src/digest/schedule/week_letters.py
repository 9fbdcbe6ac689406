"""The letters of the editors' week: who gets them, once for what they are about, and how the checks stand in words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.audience.letterbox import Kind
from digest.editors import people
from digest.editors.people import Editor
from digest.errors import DigestError
from digest.issue import approval, issues
from digest.issue.checks.model import Finding
from digest.issue.checks.names import name_of
from digest.issue.checks.run import run
from digest.sentences import sentence
from digest.settings import Settings
from digest.store import Database, writing

TOLD = 5
"""So many findings stand in a letter; the page has the rest."""


def stand(db: Database, settings: Settings, number: int) -> list[str]:
    """Say how the checks of a draft stand, those that ask nobody: what keeps it from going out, and what warns."""
    try:
        findings = asyncio.run(run(approval.mail_of(db, settings, number), network=False))
    except DigestError as error:
        return [f"It cannot be looked over: {error}."]
    blocks = [f"It cannot go out as it is. {said(finding)}" for finding in findings if finding.level == "block"]
    warns = dict.fromkeys(name_of(finding.check) for finding in findings if finding.level == "warn")
    if warns and not blocks and settings.auto_approve and not (settings.four_eyes or issues.is_by_hand(db, number)):
        return [f"As it is, digest does not approve it; a publisher can. Could be better: {', '.join(warns)}."]
    standing = short([sentence(words) for words in blocks]) or ["Nothing that was looked at keeps it from going out."]
    return [*standing, f"Could be better: {', '.join(warns)}."] if warns else standing


def said(finding: Finding) -> str:
    """Say what a check found, under the name people know it by."""
    return f"{name_of(finding.check)}: {finding.what}"


def short(lines: Sequence[str]) -> list[str]:
    """Give as many lines as a letter has, and how many more there are."""
    more = len(lines) - TOLD
    return [*lines[:TOLD], f"And {more} more."] if more > 0 else list(lines)


def wanting(db: Database) -> list[Editor]:
    """Give the editors who want to know of the week."""
    return [one for one in people.everyone(db) if one.told_week]


def publishers(db: Database, number: int, *, trouble: bool = False) -> list[Editor]:
    """Give the publishers who want to know of the week, and those who were asked to approve the issue."""
    asked = approval.asked_for(db, number)
    fates = letterbox.fates(db, "approval", "issue", number, since=asked[1]) if asked else []
    personally = {fate.email for fate in fates}
    return [
        one
        for one in people.everyone(db)
        if one.may("publisher")
        and (one.told_week or (trouble and one.told_trouble) or read_address(one.email).email in personally)
    ]


def tell_once(
    db: Database, number: int, about: str, kind: Kind, to: Iterable[Editor], detail: Mapping[str, Any], now: datetime
) -> int | None:
    """Put a letter to these into the letterbox, once for what it is about; give how many, None where it was told."""
    with writing(db) as connection:
        is_new = connection.execute(
            "INSERT INTO notices (issue, about, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
            (number, about, times.to_text(now)),
        ).fetchone()
        return post(db, kind, to, detail, now) if is_new else None


def post(db: Database, kind: Kind, to: Iterable[Editor], detail: Mapping[str, Any], now: datetime) -> int:
    """Put a letter to these into the letterbox; give how many."""
    found = list(to)
    for one in found:
        letterbox.post(db, kind, read_address(one.email), subscriber=None, now=now, detail=detail)
    return len(found)
