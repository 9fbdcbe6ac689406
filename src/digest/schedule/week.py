"""The editors' week by itself: the next issue is drafted, publishers are reminded of it, and it may approve itself.

Nothing here writes over anybody's words, and nothing is approved that a person would have to be asked about: where one
check does not pass, the issue stays a draft, and publishers are told why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from digest import times
from digest.audience import letterbox
from digest.editors.audit import ITSELF
from digest.errors import StateError
from digest.issue import approval, arranging, drafting, issues
from digest.issue.approval import NotWellError
from digest.issue.contents import issue_before
from digest.issue.model import Draft
from digest.numbers import several
from digest.recurring import latest, read_weekly
from digest.schedule.coming import coming, last_usual_time, open_draft, told_of_draft, under_way, usual_time
from digest.schedule.context import Context
from digest.schedule.week_letters import post, publishers, said, short, stand, tell_once, wanting
from digest.sentences import sentence
from digest.settings import Settings
from digest.store import Database, writing

A_WEEK = timedelta(days=6)
"""So long after a letter that there is nothing new no second one is mailed: a day short of when the next is due."""
A_FEW_DAYS = timedelta(days=3)
"""Where nothing is drafted by itself, an issue that went out so lately is this week's."""
TYPING = timedelta(minutes=2)
"""While somebody typed so lately, an issue is not approved by itself: the words may be half a sentence."""


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
        words = f"drafted issue {number}: {several(len(shown), 'comparison')}"
        opening = f"“{source.subject}” is made of what is new."
    else:
        came = f"{several(len(taken), 'comparison')} that came in since" if taken else "nothing that came in since"
        words = f"issue {number} was a draft already, and took in {came}"
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
        "after": stand(db, settings, number),
    }
    # Once for a draft, and once for each week it stays one.
    about = f"drafted: {times.to_text(usual_time(settings, now=now))}"
    tell_once(db, number, about, "drafted", wanting(db), detail, now)
    return words


def _nothing_new(db: Database, now: datetime) -> str:
    before = issue_before(db)
    since = f" since issue {before.number}, “{issues.find_issue(db, before.number).subject}”" if before else ""
    words = f"It was time to draft the next issue, and no comparison is new{since}."
    with writing(db):
        if not letterbox.count_since(db, "nothing-new", since=times.to_text(now - A_WEEK)):
            post(db, "nothing-new", wanting(db), {"before": [words]}, now)
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
        before.append("Only a person approves this one: it goes out only once a publisher has.")
    else:
        before.append(
            "If every check passes then, digest approves it and sends it. To keep it from that, press “Only a person"
            " approves this one” on its page."
        )
    detail = {
        "issue": number,
        "subject": f"Issue {number} is still a draft",
        "heading": "It is still a draft",
        "before": [*before, *stand(db, settings, number)],
    }
    about = f"reminder: {times.to_text(plan.goes_at)}"
    posted = tell_once(db, number, about, "reminder", publishers(db, number), detail, now)
    if posted is None:
        return f"publishers were reminded of issue {number} already"
    return f"reminded {several(posted, 'publisher')} of issue {number}"


# Approving -------------------------------------------------------------------------------------------------------


def approve_by_itself(context: Context) -> str:
    """Approve the draft at its usual time, where every check passes; give what came of it, for a person.

    Raises:
        StateError: it cannot be approved at the moment, such as because somebody is typing; it may be in some minutes.
        DigestError: it cannot even be looked over.
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
        return f"issue {number} stays a draft: only a person approves it"
    grace = timedelta(hours=settings.sending_grace_hours)
    if grace and now > due + grace:
        when, hours = times.for_people(due, settings.zone), several(settings.sending_grace_hours, "hour")
        return f"the usual time of issue {number}, {when}, passed more than {hours} ago; nothing was approved"
    went = _went_out(db, settings, due)
    if went and went[1] < _made_at(db, number):
        return f"issue {went[0]} went out this week already, and issue {number} is the next week’s"
    reasons = _reasons(db, number, went[0] if went else None)
    if not reasons:
        _expect_nobody_types(db, number, now)
        try:
            _approve(context, number)
        except NotWellError as error:
            if all(finding.level == "not run" for finding in error.findings):
                # A network that does not answer: it is tried again.
                raise
            reasons = [said(finding) for finding in error.findings]
    if not reasons:
        return f"approved issue {number}, since every check passes; it goes out now"
    _tell_not_approved(db, settings, number, due, reasons, now)
    return f"issue {number} is not approved by itself: {'; '.join(reasons)}"


def _reasons(db: Database, number: int, went: int | None) -> list[str]:
    """Give why an issue is not even looked over; nothing where it may be. `went` is one that went out this week."""
    if went is not None:
        return [f"issue {went} went out this week already"]
    if db.conn.execute("SELECT 1 FROM restores WHERE seen_at IS NULL").fetchone():
        return ["this store was brought back from a backup, and nobody has read what that means"]
    return [] if _shown(issues.load_draft(db, number)) else ["there is no comparison in it"]


def _went_out(db: Database, settings: Settings, due: datetime) -> tuple[int, str] | None:
    """Give the issue that went out since the week's was to be drafted, and when; None where none did."""
    since = latest(read_weekly(settings.draft_at), settings.zone, due) if settings.draft_at else due - A_FEW_DAYS
    row: tuple[int, str] | None = db.conn.execute(
        "SELECT number, sending_at FROM issues WHERE state = 'sent' AND sending_at > ?"
        " ORDER BY sending_at DESC LIMIT 1",
        (times.to_text(since),),
    ).fetchone()
    return row


def _made_at(db: Database, number: int) -> str:
    row = db.conn.execute("SELECT created_at FROM issues WHERE number = ?", (number,)).fetchone()
    return str(row[0])


def _approve(context: Context, number: int) -> None:
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
            *short([sentence(reason) for reason in reasons]),
            "Once that is put right, a publisher approves it. digest does not try again before the next usual time.",
        ],
    }
    about = f"not approved: {times.to_text(due)}"
    tell_once(db, number, about, "reminder", publishers(db, number, trouble=True), detail, now)


def _shown(source: Draft) -> bool:
    return any(placed.form != "out" for placed in source.placed)


def _moment(stamp: str, settings: Settings) -> str:
    return times.for_people(times.from_text(stamp), settings.zone)
