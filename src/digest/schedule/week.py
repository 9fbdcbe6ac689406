"""The editors' week by itself: the next issue is drafted, publishers are reminded of it, and it may approve itself.

Nothing here writes over anybody's words, and nothing is approved that a person would have to be asked about: where one
check does not pass, the issue stays a draft, and publishers are told why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from digest import times
from digest.audience import letterbox
from digest.audience.addresses import read_address
from digest.audience.letterbox import Kind
from digest.editors import people
from digest.editors.audit import ITSELF
from digest.editors.people import Editor
from digest.errors import DigestError, StateError
from digest.issue import approval, arranging, drafting, issues
from digest.issue.approval import NotWellError
from digest.issue.checks.model import Finding
from digest.issue.checks.names import name_of
from digest.issue.checks.run import run
from digest.issue.contents import issue_before
from digest.issue.model import Draft
from digest.numbers import several
from digest.schedule.coming import coming, last_usual_time, open_draft, told_of_draft, under_way, usual_time
from digest.schedule.context import Context
from digest.sentences import sentence
from digest.settings import Settings
from digest.store import Database, writing

A_WEEK = timedelta(days=6)
"""So long after a letter that there is nothing new, no second one is mailed: it is a day short of the next one's time."""
TYPING = timedelta(minutes=2)
"""While somebody typed so lately, an issue is not approved by itself: the words may be half a sentence."""
TOLD = 5
"""So many findings stand in a letter; the page has the rest."""


# Drafting --------------------------------------------------------------------------------------------------------


def draft_due(context: Context) -> str:
    """Make the next issue of what is new, and tell editors; give what came of it, for a person.

    A draft that is open already takes in what came since. Where an issue is approved or on its way, nothing is done.
    """
    db, settings, now = context.db, context.settings, context.now
    if (why := under_way(db, settings, now=now)) is not None:
        return f"{why}; nothing was drafted"
    drafted = drafting.draft(db, settings, by=ITSELF, now=now)
    if drafted.issue is None:
        return _nothing_new(db, now)
    number = drafted.issue.number
    taken = [] if drafted.made else arranging.take_in(db, settings, number, by=ITSELF, now=now)
    source = issues.load_draft(db, number)
    shown = [placed for placed in source.placed if placed.form != "out"]
    if drafted.made:
        said = f"drafted issue {number}: {several(len(shown), 'comparison')}"
        opening = f"“{source.subject}” is made of what is new."
    else:
        came = f"{several(len(taken), 'comparison')} that came in since" if taken else "nothing that came in since"
        said = f"issue {number} was a draft already, and took in {came}"
        opening = f"“{source.subject}” was a draft already. It took in {came}; nobody’s words were changed."
    lead = f" The lead is {shown[0].comparison.title}." if shown else ""
    updated = sum(placed.updated for placed in shown)
    detail = {
        "issue": number,
        "subject": source.subject,
        "before": [f"{opening}{lead}", told_of_draft(db, settings, number, now=now)],
        "figures": [
            ["Comparisons", f"{len(shown)}"],
            ["New", f"{len(shown) - updated}"],
            *([["Updated", f"{updated}"]] if updated else []),
        ],
        "after": _stand(db, settings, number),
    }
    # Once for a draft, and once for each week it stays one.
    about = f"drafted: {times.to_text(usual_time(settings, now=now))}"
    _tell_once(db, number, about, "drafted", _wanting(people.everyone(db)), detail, now)
    return said


def _nothing_new(db: Database, now: datetime) -> str:
    before = issue_before(db)
    since = f" since issue {before.number}, “{issues.find_issue(db, before.number).subject}”" if before else ""
    words = f"It was time to draft the next issue, and no comparison is new{since}."
    with writing(db):
        if not letterbox.count_since(db, "nothing-new", since=times.to_text(now - A_WEEK)):
            _post(db, "nothing-new", _wanting(people.everyone(db)), {"before": [words]}, now)
    return f"no comparison is new{f' since issue {before.number}' if before else ''}; nothing was drafted"


# Reminding -------------------------------------------------------------------------------------------------------


def remind(context: Context) -> str:
    """Remind publishers of a draft some hours before it usually goes out; give what came of it, for a person."""
    db, settings, now = context.db, context.settings, context.now
    number = open_draft(db)
    if number is None:
        return "no draft is open; nothing to remind of"
    if (why := under_way(db, settings, now=now)) is not None:
        return f"{why}; nothing to remind of"
    plan = coming(settings, now=now)
    left = plan.goes_at - now
    if left > timedelta(hours=settings.remind_hours):
        return f"the usual time of issue {number} has passed; nobody was reminded"
    source, asked = issues.load_draft(db, number), approval.asked_for(db, number)
    when = f"{times.for_people(plan.goes_at, settings.zone)}, in {times.span(left)}"
    before = [f"Issue {number}, “{source.subject}”, usually goes out {when}. Nobody has approved it."]
    if asked:
        before.append(f"{asked[0]} asked for its approval on {_moment(asked[1], settings)}.")
    if not plan.approves:
        before.append("It goes out only once a publisher has approved it.")
    elif issues.is_by_hand(db, number):
        before.append("Somebody said that only a person approves this one: it goes out only once a publisher has.")
    else:
        before.append(
            "If every check passes then, digest approves it and sends it. To keep it from that, press “Only a person"
            " approves this one” on its page."
        )
    detail = {
        "issue": number,
        "subject": f"Issue {number} is still a draft",
        "heading": "It is still a draft",
        "before": before,
        "after": _stand(db, settings, number),
    }
    about = f"reminder: {times.to_text(plan.goes_at)}"
    posted = _tell_once(db, number, about, "reminder", _publishers(db, number), detail, now)
    if posted is None:
        return f"publishers were reminded of issue {number} already"
    return f"reminded {several(posted, 'publisher')} of issue {number}"


# Approving -------------------------------------------------------------------------------------------------------


def approve_by_itself(context: Context) -> str:
    """Approve the draft at its usual time, where every check passes; give what came of it, for a person.

    Raises:
        StateError: it cannot be approved at the moment, and may be in some minutes.
    """
    db, settings, now = context.db, context.settings, context.now
    due = last_usual_time(settings, now=now)
    number = open_draft(db, until=due)
    if not settings.auto_approve or settings.four_eyes:
        return "only people approve issues: auto_approve is off"
    if (why := under_way(db, settings, now=now)) is not None:
        return f"{why}; nothing else was approved"
    if number is None:
        return f"no draft was open on {times.for_people(due, settings.zone)}; nothing was approved"
    if issues.is_by_hand(db, number):
        return f"issue {number} stays a draft: somebody said that only a person approves it"
    grace = timedelta(hours=settings.sending_grace_hours)
    reasons = _reasons(db, settings, number, due, late=bool(grace) and now > due + grace)
    if not reasons:
        _expect_nobody_types(db, number, now)
        try:
            reasons = _approve(context, number)
        except NotWellError as error:
            if all(finding.level == "not run" for finding in error.findings):
                # A network that does not answer: it is tried again.
                raise
            reasons = [_said(finding) for finding in error.findings]
    if not reasons:
        return f"approved issue {number}, since every check passes; it goes out now"
    _tell_not_approved(db, settings, number, due, reasons, now)
    return f"issue {number} is not approved by itself: {'; '.join(reasons)}"


def _reasons(db: Database, settings: Settings, number: int, due: datetime, *, late: bool) -> list[str]:
    """Give why an issue is not even looked over; nothing where it may be."""
    if late:
        hours = several(settings.sending_grace_hours, "hour")
        return [f"its time, {times.for_people(due, settings.zone)}, passed more than {hours} ago"]
    if db.conn.execute("SELECT 1 FROM restores WHERE seen_at IS NULL").fetchone():
        return ["this store was brought back from a backup, and nobody has read what that means"]
    try:
        source = issues.load_draft(db, number)
    except DigestError as error:
        return [str(error)]
    return [] if _shown(source) else ["there is no comparison in it"]


def _approve(context: Context, number: int) -> list[str]:
    """Approve an issue, if every check passes; give why not where it cannot be looked over."""
    try:
        asyncio.run(
            approval.approve(
                context.db,
                context.settings,
                number,
                now=context.now,
                at=context.now,
                network=context.settings.mails_people,
                by=ITSELF,
                another_time=False,
                all_well=True,
            )
        )
    except NotWellError:
        raise
    except DigestError as error:
        return [str(error)]
    return []


def _expect_nobody_types(db: Database, number: int, now: datetime) -> None:
    row = db.conn.execute(
        "SELECT p.name FROM edits e JOIN editors p ON p.id = e.editor WHERE e.issue = ? AND e.at > ? AND e.at <= ?"
        " ORDER BY e.at DESC LIMIT 1",
        (number, times.to_text(now - TYPING), times.to_text(now)),
    ).fetchone()
    if row is not None:
        raise StateError(f"{row[0]} is at work on issue {number}; it is looked at again in some minutes")


def _tell_not_approved(
    db: Database, settings: Settings, number: int, due: datetime, reasons: Sequence[str], now: datetime
) -> None:
    source = issues.load_draft(db, number)
    detail = {
        "issue": number,
        "subject": f"Issue {number} was not approved by itself",
        "heading": "It was not approved",
        "before": [
            f"Issue {number}, “{source.subject}”, was to be approved by itself on"
            f" {times.for_people(due, settings.zone)}. It was not: it is still a draft, and nobody was mailed it.",
            "Once that is put right, a publisher approves it. digest does not try again before the next usual time.",
        ],
        "after": _short([sentence(reason) for reason in reasons]),
    }
    about = f"not approved: {times.to_text(due)}"
    _tell_once(db, number, about, "reminder", _publishers(db, number, trouble=True), detail, now)


# Letters ---------------------------------------------------------------------------------------------------------


def _stand(db: Database, settings: Settings, number: int) -> list[str]:
    """Say how the checks of a draft stand, those that ask nobody: what keeps it from going out, and what warns."""
    try:
        findings = asyncio.run(run(approval.mail_of(db, settings, number), network=False))
    except DigestError as error:
        return [f"It cannot be looked over: {error}."]
    blocks = [f"It cannot go out as it is. {_said(finding)}" for finding in findings if finding.level == "block"]
    warns = dict.fromkeys(name_of(finding.check) for finding in findings if finding.level == "warn")
    said = _short([sentence(words) for words in blocks]) or ["Nothing that was looked at keeps it from going out."]
    return [*said, f"Could be better: {', '.join(warns)}."] if warns else said


def _said(finding: Finding) -> str:
    return f"{name_of(finding.check)}: {finding.what}"


def _short(lines: Sequence[str]) -> list[str]:
    more = len(lines) - TOLD
    return [*lines[:TOLD], f"And {more} more."] if more > 0 else list(lines)


def _shown(source: Draft) -> bool:
    return any(placed.form != "out" for placed in source.placed)


def _moment(stamp: str, settings: Settings) -> str:
    return times.for_people(times.from_text(stamp), settings.zone)


def _wanting(editors: Iterable[Editor]) -> list[Editor]:
    return [one for one in editors if one.told_week]


def _publishers(db: Database, number: int, *, trouble: bool = False) -> list[Editor]:
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


def _tell_once(
    db: Database, number: int, about: str, kind: Kind, to: Iterable[Editor], detail: Mapping[str, Any], now: datetime
) -> int | None:
    """Put a letter to these into the letterbox, once for what it is about; give how many, None where it was told."""
    with writing(db) as connection:
        is_new = connection.execute(
            "INSERT INTO notices (issue, about, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
            (number, about, times.to_text(now)),
        ).fetchone()
        return _post(db, kind, to, detail, now) if is_new else None


def _post(db: Database, kind: Kind, to: Iterable[Editor], detail: Mapping[str, Any], now: datetime) -> int:
    found = list(to)
    for one in found:
        letterbox.post(db, kind, read_address(one.email), subscriber=None, now=now, detail=detail)
    return len(found)
