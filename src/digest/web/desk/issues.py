"""The issues of the desk: this week's, all of them, and the page on which one is made.

Words, order and forms are changed by the routes of `editing.py`; these here show, search, and make the next draft.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from digest import times
from digest.catalogue.queries import count_catalogue
from digest.editors.sessions import Here
from digest.errors import InputError
from digest.issue import adding, browsing, drafting, issues
from digest.issue.collect import came_in_since, collect
from digest.issue.compose import SUBJECT_LENGTH
from digest.issue.contents import contents, issue_before, version_of
from digest.issue.fit import Fitted
from digest.issue.issues import WORDS
from digest.issue.model import Issue
from digest.issue.model import State as IssueState
from digest.issue.together import together
from digest.numbers import several
from digest.schedule.coming import coming
from digest.sending.ledger import tally
from digest.store import Database
from digest.web.desk.access import AsEditor
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter()

Number = Annotated[int, Path(ge=1, le=2**31)]
PHONE_SUBJECT, PHONE_PREHEADER = 40, 90
"""Characters that a phone held upright shows, of a subject in one line and of a preheader in two.

Apple's Mail and Gmail's app show 35 to 45 of a subject, by the width of letters and phones:
https://www.litmus.com/blog/the-ultimate-guide-to-preview-text-support
"""

LISTED = 50
"""Issues of a page of the list: nearly a year."""

SEARCH_LENGTH = 200
UNDER_WAY: tuple[IssueState, ...] = ("sending", "paused", "approved")
_EMPTY = {
    "subject": "An issue needs a subject",
    "preheader": "Without one, inboxes show the first words of the mail",
    "intro": "Without one, the mail begins with the lead",
}
VIEWS = ("edit", "preview", "checks")


@dataclass(frozen=True)
class Words:
    """A field of words: what it says, whether a person wrote it, and how much of it a phone shows."""

    name: str
    text: str
    own: bool
    phone: int = 0
    longest: int = 0


@router.api_route("/desk/", methods=SEEN)
def this_week(request: Request, our: Our, db: Store, now: Now, here: AsEditor) -> Response:
    """Show this week: the draft where nothing else is open, where the issue stands, or what will come."""
    under_way = [issue for state in UNDER_WAY for issue in browsing.issues(db, limit=5, state=state)]
    drafts = browsing.issues(db, limit=1, state="draft")
    if drafts and not under_way:
        return done(f"/desk/issues/{drafts[0].number}")
    before = issue_before(db)
    return page(
        request,
        our,
        here,
        "this-week.html",
        {
            "under_way": [(issue, tally(db, issue.number)) for issue in under_way],
            "draft": drafts[0] if drafts else None,
            "catalogue": count_catalogue(db),
            "came_in": [] if drafts else collect(db, now=now).new,
            "last": issues.find_issue(db, before.number) if before else None,
            "next_day": day_of(coming(our.settings, now=now).goes_at.astimezone(our.settings.zone), now),
            **_words(our, now),
        },
        now=now,
    )


@router.post("/desk/draft")
def draft(our: Our, db: Store, now: Now, here: AsEditor) -> Response:
    """Make the next issue of what is new, or go to the draft that is open."""
    drafted = drafting.draft(db, our.settings, by=here.by, now=now)
    if drafted.issue is None:
        return done("/desk/?done=nothing-new")
    return done(f"/desk/issues/{drafted.issue.number}{'?done=drafted' if drafted.made else ''}")


@router.api_route("/desk/issues", methods=SEEN)
def to_all(here: AsEditor) -> Response:
    """The list's address as people type it."""
    return done("/desk/issues/")


@router.api_route("/desk/issues/", methods=SEEN)
def all_issues(
    request: Request,
    our: Our,
    db: Store,
    now: Now,
    here: AsEditor,
    before: Annotated[int | None, Query(ge=1, le=2**31)] = None,
) -> Response:
    """All issues, the newest first."""
    found = browsing.issues(db, limit=LISTED + 1, before=before)
    context = {
        "issues": [(issue, moment_of(issue)) for issue in found[:LISTED]],
        "more": found[LISTED - 1].number if len(found) > LISTED else None,
        "first": before is None,
        "came_in": came_in_since(db, now=now),
    }
    return page(request, our, here, "issue-list.html", context | _words(our, now), now=now)


@router.api_route("/desk/issues/{number}", methods=SEEN)
def editor(
    request: Request,
    our: Our,
    db: Store,
    now: Now,
    here: AsEditor,
    number: Number,
    view: str = "edit",
    q: str = "",
) -> Response:
    """The page on which an issue is made; of one that is no draft, how it was made."""
    context = _context(our, db, number, here, now)
    typed = _typed(q)
    context |= {
        "view": view if view in VIEWS else "edit",
        "typed": typed,
        "older": adding.find(db, typed, now=now, but=number),
    }
    return page(request, our, here, "issue-editor.html", context, now=now)


@router.api_route("/desk/issues/{number}/contents", methods=SEEN)
def listed(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """The comparisons of the editing page alone, for its script."""
    return page(request, our, here, "issue-contents.html", _context(our, db, number, here, now), now=now)


@router.api_route("/desk/issues/{number}/older", methods=SEEN)
def found(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number, q: str = "") -> Response:
    """The comparisons that could be added, found by a word; a part of the editing page."""
    typed = _typed(q)
    issue = issues.find_issue(db, number)
    context: dict[str, Any] = {
        "issue": issue,
        "number": number,
        "slugs": {placed.slug for placed in browsing.placed(db, number)},
        "typed": typed,
        "older": adding.find(db, typed, now=now, but=number),
    }
    return page(request, our, here, "issue-older.html", context | _words(our, now), now=now)


def _context(our: State, db: Database, number: int, here: Here, now: datetime) -> dict[str, Any]:
    # The version first: what changes meanwhile is told to the page by its stream.
    version = version_of(db, number)
    issue = issues.find_issue(db, number)
    fitted = issues.laid_out(db, our.settings, number)
    found = contents(db, fitted, now=now, is_draft=issue.state == "draft")
    return {
        "issue": issue,
        "number": number,
        "version": version,
        "together": together(db, number, editor=here.editor.id),
        "fitted": fitted,
        "contents": found,
        "slugs": found.slugs,
        "words": _fields(db, issue, fitted),
        "sender": fitted.content.envelope.sender_name,
        "tally": tally(db, number) if issue.sending_at else None,
        "by_hand": issues.is_by_hand(db, number),
        **_words(our, now),
    }


def _fields(db: Database, issue: Issue, fitted: Fitted) -> dict[str, Words]:
    own = issues.own_words(db, issue.number)
    phone = {"subject": PHONE_SUBJECT, "preheader": PHONE_PREHEADER}
    return {
        name: Words(name, getattr(fitted.draft, name), name in own, phone.get(name, 0), SUBJECT_LENGTH)
        for name in WORDS
    }


def _words(our: State, now: datetime) -> dict[str, Any]:
    return {
        "coming": coming(our.settings, now=now),
        "when": partial(when, now=now, zone=our.settings.zone),
        "at": partial(at, now=now, zone=our.settings.zone),
        "cut": cut,
        "advice": advice,
    }


def _typed(q: str) -> str:
    if len(q) > SEARCH_LENGTH:
        raise InputError(f"a search has {SEARCH_LENGTH} characters at most; type a word or two")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in q).split())


def cut(text: str, length: int) -> str:
    """Cut a line as a phone does: at a letter, with an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def when(moment: datetime | str, *, now: datetime, zone: ZoneInfo, clock: bool = False) -> str:
    """Say when something was, or will be, as one does: ``today``, ``Tuesday``, ``3 November``, ``3 November 2025``.

    A day of the week is one of the six before or after. With `clock` also the time: ``Tuesday, 14:05``.
    """
    at = (times.from_text(moment) if isinstance(moment, str) else moment).astimezone(zone)
    today = now.astimezone(zone).date()
    days = (at.date() - today).days
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}
    day = f"{at.day} {at:%B}" + ("" if at.year == today.year else f" {at.year}")
    said = near.get(days) or (f"{at:%A}" if abs(days) < 7 else day)
    return f"{said}, {at:%H:%M}" if clock else said


def at(moment: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """Say when something will be, with the clock: ``Thursday, 09:00 CET``."""
    return f"{when(moment, now=now, zone=zone, clock=True)} {moment.astimezone(zone):%Z}"


def day_of(local: datetime, now: datetime) -> str:
    """Write a day to come: ``Thursday, 26 November``."""
    said = f"{local:%A}, {local.day} {local:%B}"
    return f"today, {said}" if local.date() == now.astimezone(local.tzinfo).date() else said


def advice(field: Words) -> str:
    """Say how long a field's words are, and what of them a phone does not show; editor.js says the same."""
    count = len(field.text)
    if not count:
        return _EMPTY[field.name]
    said = several(count, "character")
    if not field.phone:
        return said
    if count <= field.phone:
        return f"{said}; a phone shows it whole"
    lost = field.text[field.phone - 1 :].strip()
    return f"{said}; a phone shows about {field.phone} and cuts “{cut(lost, 60)}”"


def moment_of(issue: browsing.Listed) -> tuple[str, str]:
    """Give what happened last to an issue, in words, and its moment as the store has it."""
    match issue.state:
        case "sent":
            return "sent", issue.sent_at or issue.cutoff
        case "sending" | "paused":
            return "sending since", issue.sending_at or issue.cutoff
        case "approved" if issue.scheduled_at:
            return "goes out", issue.scheduled_at
        case "approved":
            return "approved", issue.approved_at or issue.cutoff
        case "cancelled":
            return "cancelled", issue.cancelled_at or issue.cutoff
        case _:
            return "drafted", issue.cutoff
