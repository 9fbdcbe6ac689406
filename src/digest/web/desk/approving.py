"""Approving from the desk: what stands against it, whom it goes to, when it goes; then the way back, and out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from digest import times
from digest.editors.sessions import Here
from digest.errors import DigestError, InputError, StateError
from digest.issue import approval, four_eyes, issues
from digest.issue.approval import BlockedError
from digest.issue.checks.names import name_of
from digest.issue.checks.run import IDS
from digest.issue.model import Issue
from digest.numbers import several
from digest.sending import steering, topics_words
from digest.sending.foresight import Foresight, foresee
from digest.store import Database
from digest.web.desk import moments
from digest.web.desk.access import AsEditor, AsPublisher, DeskForm
from digest.web.desk.checking import readiness
from digest.web.desk.findings import grouped
from digest.web.desk.moments import When, read_when, told
from digest.web.desk.pages import OWN, done, page, wants_json
from digest.web.forms import Form
from digest.web.reading import SEEN
from digest.web.site.archive import Number
from digest.web.state import Now, Our, State, Store

router = APIRouter()

REASON = 500
"""Characters a reason for an override may have."""
_OVERRIDE = "override-"
_NOTHING = Form([])


@router.api_route("/desk/issues/{number}/approval", methods=SEEN)
def approval_page(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """Where an issue stands with its approval: a part of the editing page for its script, or a page of its own."""
    part = "hx-request" in request.headers
    template = "issue-approval-part.html" if part else "issue-approval-page.html"
    return page(request, our, here, template, _context(our, db, here, number, now, checks=not part), now=now)


@router.api_route("/desk/issues/{number}/moment", methods=SEEN)
def moment(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """Say in words when an issue would go that is given this time; what is wrong with it is said as kindly."""
    issues.find_issue(db, number)
    lines, problem = [], ""
    try:
        when = read_when(Form(list(request.query_params.multi_items())), our.settings.zone, now=now)
        lines = told(when, our.settings.zone, now=now)
    except InputError as error:
        problem = error.message
    return page(request, our, here, "issue-moment.html", {"lines": lines, "problem": problem}, now=now)


@router.post("/desk/issues/{number}/approve")
def approve(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number
) -> Response:
    """Check a draft, with the network where it mails real people, and freeze it for its time.

    `content` is the hash of what the publisher looked at, `override-CHECK` a reason to pass a check over; `when` and
    what belongs to it as `read_when` takes them. What goes at once asks once more (`sure`).
    """
    try:
        when = read_when(form, our.settings.zone, now=now)
        content = form.text("content", longest=64)
        if not content:
            raise InputError("say what you looked at: its hash", field="content")
        if form.get("when") == "now" and form.get("sure") != "yes":
            return _ask_whether(request, our, db, here, number, form, now)
        approved = asyncio.run(
            approval.approve(
                db,
                our.settings,
                number,
                now=now,
                at=when.at,
                local=when.local,
                expected=content,
                overrides=_reasons(form),
                network=our.settings.mails_people,
                by=here.by,
                another_time=False,
            )
        )
    except (StateError, InputError) as error:
        return _refused(request, our, db, here, number, form, now, error)
    if wants_json(request):
        return JSONResponse({"state": approved.issue.state, "at": times.to_text(when.at)}, headers=OWN)
    return done(
        f"/desk/issues/{number}/sending" if when.at == now else f"/desk/issues/{number}?view=checks&done=approved"
    )


@router.post("/desk/issues/{number}/time")
def another_time(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number
) -> Response:
    """Give an approved issue another time; what was approved stays."""
    try:
        when = read_when(form, our.settings.zone, now=now)
        if form.get("when") == "now" and form.get("sure") != "yes":
            return _ask_whether(request, our, db, here, number, form, now)
        issues.reschedule(
            db,
            our.settings,
            number,
            now=now,
            at=when.at,
            local=when.local,
            expected=form.text("content", longest=64) or None,
            by=here.by,
        )
    except (StateError, InputError) as error:
        return _refused(request, our, db, here, number, form, now, error)
    return done(f"/desk/issues/{number}/sending" if when.at == now else f"/desk/issues/{number}?view=checks&done=time")


@router.post("/desk/issues/{number}/take-back")
def take_back(db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number) -> Response:
    """Make an approved issue a draft again."""
    approval.take_back(db, number, by=here.by, now=now)
    return done(f"/desk/issues/{number}?done=taken-back")


@router.post("/desk/issues/{number}/by-hand")
def by_hand(db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Say that only a person approves a draft (`is` = ``1``), which any editor may; a publisher takes it back."""
    is_so = form.get("is") == "1"
    if not is_so and not here.may("publisher"):
        raise HTTPException(403, "this is for a publisher")
    approval.leave_to_people(db, number, is_so, by=here.by, now=now)
    return done(f"/desk/issues/{number}?done={'by-hand' if is_so else 'by-itself'}")


@router.post("/desk/issues/{number}/drop")
def drop(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number
) -> Response:
    """Cancel an issue that is not being sent, once somebody said to be sure; its comparisons are free again."""
    issue = issues.find_issue(db, number)
    issues.expect(issue, "cancelled here", "draft", "approved")
    if form.get("sure") != "yes":
        return page(request, our, here, "issue-drop.html", {"number": number, "issue": issue}, now=now)
    steering.cancel(db, number, by=here.by, now=now)
    return done(f"/desk/issues/{number}?done=cancelled")


@router.post("/desk/issues/{number}/ask")
def ask(our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Ask publishers by letter to approve a draft."""
    approval.ask(db, our.settings, number, by=here.by, now=now)
    return done(f"/desk/issues/{number}?view=checks&done=asked")


# What is shown -----------------------------------------------------------------------------------------------------


def _context(
    our: State, db: Database, here: Here, number: int, now: datetime, *, given: Form = _NOTHING, checks: bool = True
) -> dict[str, Any]:
    """Give what the approval shows; where `checks` also what they say. What they look at has its hash in it always."""
    issue, zone = issues.find_issue(db, number), our.settings.zone
    ready = readiness(our, db, number) if checks else None
    fitted = our.looks.laid_out(db, our.settings, number)
    assert fitted is not None  # noqa: S101 (only readers of some topics may get nothing)
    is_open = issue.state in ("draft", "approved")
    foresight = foresee(db, our.settings, fitted.draft, now=now) if is_open else None
    bars = our.settings.four_eyes and here.may("publisher") and issue.state == "draft"
    when = _stands(issue, zone)
    return {
        "number": number,
        "issue": issue,
        "ready": ready,
        "content": ready.content if ready else issues.content_hash(fitted.content),
        "foresight": foresight,
        "takes": takes(foresight) if foresight else "",
        "topics": topics_words.told(foresight.topics, coming=True) if foresight else [],
        "barred": four_eyes.barred(db, number, here.editor.id) if bars else None,
        "asked_for": approval.asked_for(db, number),
        "approved_by": issues.approved_by(db, number),
        "overrides": [(name_of(over.check), over.reason) for over in issues.overrides_of(db, number)],
        "told": told(when, zone, now=now) if when else [],
        "zones": moments.zones(),
        "zone": zone.key,
        "place": moments.place_of(zone),
        "offered": moments.suggested(our.settings, now=now),
        "given": {name.removeprefix(_OVERRIDE): value for name, value in given.items()},
        "form": given,
        "problem": "",
        "asked": None,
        "form_here": True,
    }


def _stands(issue: Issue, zone: ZoneInfo) -> When | None:
    """Give when an approved issue is to go; None where no time was given."""
    if issue.scheduled_at is None:
        return None
    if issue.local_time is not None:
        return When(issue.local_time.replace(tzinfo=zone), zone, local=True)
    return When(issue.scheduled_at, zone)


def takes(foresight: Foresight) -> str:
    """Tell by whom an issue goes, and about how long that takes."""
    name = foresight.provider
    if foresight.trouble:
        return f"{name} cannot be used: {foresight.trouble}"
    if foresight.today is not None and foresight.today < foresight.audience:
        return f"by {name}; {foresight.today:,} of them today, the rest on the days after: its limit a day"
    if foresight.seconds is None:
        return f"by {name}, as fast as it takes them"
    minutes = round(foresight.seconds / 60)
    about = "less than a minute" if foresight.seconds < 60 else f"about {several(minutes, 'minute')}"
    if minutes >= 120:
        about = f"about {several(round(foresight.seconds / 3600), 'hour')}"
    return f"by {name}, {about} at its limit"


def _reasons(form: Mapping[str, str]) -> dict[str, str]:
    """Give the reasons that were written beside checks; where none was, the check is not passed over."""
    found = {}
    for name, reason in form.items():
        check = name.removeprefix(_OVERRIDE)
        if name.startswith(_OVERRIDE) and check in IDS and reason.strip():
            if len(reason) > REASON:
                raise InputError(f"has {len(reason)} characters, more than the {REASON} a reason may have", field=name)
            found[check] = " ".join(reason.split())
    return found


def _ask_whether(
    request: Request, our: State, db: Database, here: Here, number: int, form: Form, now: datetime
) -> Response:
    """Ask once more, before what cannot be taken back: a script and a form without one come here."""
    if wants_json(request):
        raise StateError("it would go out at once; say that you are sure (sure=yes)")
    fields = [(name, value) for name, value in form.items() if name not in ("csrf", "sure")]
    context = _context(our, db, here, number, now, given=form, checks=False)
    context |= {"fields": fields, "to": request.url.path}
    return page(request, our, here, "issue-approve-sure.html", context, now=now)


def _refused(
    request: Request, our: State, db: Database, here: Here, number: int, form: Form, now: datetime, error: DigestError
) -> Response:
    """Say why it was not approved, beside what the publisher gave: nothing typed is lost."""
    status = 400 if isinstance(error, InputError) else 409
    words = error.message if isinstance(error, InputError) else str(error)
    blocks = list(error.findings) if isinstance(error, BlockedError) else []
    if blocks:
        names = ", ".join(dict.fromkeys(name_of(finding.check) for finding in blocks))
        words = f"issue {number} is not approved; what keeps it: {names}. Mend it, or give a reason beside it"
    if wants_json(request):
        checks = list(dict.fromkeys(finding.check for finding in blocks))
        return JSONResponse({"error": words, "blocks": checks}, status, OWN)
    context = _context(our, db, here, number, now, given=form)
    ready = context["ready"]
    # What the network said blocks it too, and is not among what the page asks by itself.
    remote = [finding for finding in blocks if finding.check not in {group.check for group in ready.found.blocks}]
    context |= {"problem": words, "asked": grouped(remote, ready.mail) if remote else None}
    return page(request, our, here, "issue-approval-page.html", context, now=now, status=status)
