"""An issue on its way, live: how far it is, what it waits for, what is uncertain or rejected, and what to do then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from digest.editors.sessions import Here
from digest.errors import InputError, NotFoundError
from digest.issue import issues
from digest.issue.model import Issue
from digest.numbers import several
from digest.sending import progress, steering
from digest.sending.steering import As
from digest.store import Database
from digest.web import sending_page
from digest.web.desk import subjects
from digest.web.desk.access import AsEditor, AsPublisher, DeskForm
from digest.web.desk.pages import OWN, done, page, wants_json
from digest.web.desk.streams import Event, stream
from digest.web.forms import Form
from digest.web.reading import SEEN
from digest.web.sending_page import Live
from digest.web.site.archive import Number
from digest.web.state import Now, Our, State, Store

router = APIRouter()

LISTED = 100
"""Addresses on a page of a list."""

After = Annotated[int, Query(ge=0, le=2**40)]
BatchNumber = Annotated[int, Path(ge=1, le=2**40)]


@router.api_route("/desk/issues/{number}/sending", methods=SEEN)
def sending_page_of(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """How far an issue is, and what there is to do about it."""
    context = _context(our, db, number, now, exact=True) | {"subjects": subjects.shown(our, db, number, now)}
    return page(request, our, here, "issue-sending.html", context, now=now)


@router.api_route("/desk/issues/{number}/sending/part", methods=SEEN)
def part(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """The same for the page's script, which puts it in the place of what it shows."""
    return page(request, our, here, "issue-sending-part.html", _context(our, db, number, now), now=now)


@router.get("/desk/issues/{number}/sending/live")
def live(our: Our, here: AsEditor, number: Number) -> Response:
    """Tell how far an issue is: `progress` whenever that changes."""
    db = our.stores.take()
    try:
        issues.find_issue(db, number)
    finally:
        our.stores.give_back(db)
    return stream(our, here, _looking(our, number))


@router.api_route("/desk/issues/{number}/sending/rejected", methods=SEEN)
def rejected(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, number: Number, after: After = 0
) -> Response:
    """The copies that the provider rejected, with its reasons, a page at a time."""
    issue = issues.find_issue(db, number)
    found = progress.rejected(db, number, limit=LISTED + 1, after=after)
    context = {
        "number": number,
        "issue": issue,
        "rejected": found[:LISTED],
        "after": after,
        "next": found[LISTED - 1].subscriber if len(found) > LISTED else None,
    }
    return page(request, our, here, "issue-rejected.html", context, now=now)


@router.api_route("/desk/issues/{number}/sending/batches/{batch}", methods=SEEN)
def batch_page(
    request: Request,
    our: Our,
    db: Store,
    now: Now,
    here: AsPublisher,
    number: Number,
    batch: BatchNumber,
    after: After = 0,
) -> Response:
    """The addresses of an uncertain batch, a page at a time."""
    found = _unsettled(our, db, number, batch)
    context = {
        "number": number,
        "batch": found.batch,
        "addresses": found.addresses[after : after + LISTED],
        "count": len(found.addresses),
        "after": after,
        "next": after + LISTED if after + LISTED < len(found.addresses) else None,
    }
    return page(request, our, here, "issue-batch.html", context, now=now)


# What a person decides ----------------------------------------------------------------------------------------------


@router.post("/desk/issues/{number}/sending/pause")
def pause(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number
) -> Response:
    """Stop handing over; what is in hand is finished."""
    issues.pause(db, number, now=now, by=here.by)
    return _did(request, number, "paused", "Paused.")


@router.post("/desk/issues/{number}/sending/resume")
def resume(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number
) -> Response:
    """Go on."""
    issues.resume(db, number, now=now, by=here.by)
    return _did(request, number, "resumed", "It goes on.")


@router.post("/desk/issues/{number}/sending/cancel")
def cancel(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number
) -> Response:
    """Cancel what is left, once somebody said to be sure."""
    issue = issues.find_issue(db, number)
    issues.expect(issue, "cancelled here", "sending", "paused")
    if not _is_sure(form):
        counts = our.counter.counts(db, issue, our.settings, now=now)
        context = {"act": "cancel", "copies": counts.to_go, "accepted": counts.accepted}
        return _ask(request, our, here, number, context, now)
    steering.stop(db, number, now=now, by=here.by)
    return _did(request, number, "cancelled", "Cancelled for good.")


@router.post("/desk/issues/{number}/sending/retry")
def retry(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number
) -> Response:
    """Queue the copies again that were rejected, once somebody said to be sure."""
    issue = issues.find_issue(db, number)
    issues.expect(issue, "mailed again to those rejected", "sending", "paused", "sent")
    if not _is_sure(form):
        counts = our.counter.counts(db, issue, our.settings, now=now)
        return _ask(request, our, here, number, {"act": "retry", "copies": counts.rejected}, now)
    count = steering.retry_rejected(db, number, now=now, by=here.by)
    said = f"{several(count, 'copy is', 'copies are')} queued again." if count else "None was rejected."
    return _did(request, number, "retried", said)


@router.post("/desk/issues/{number}/sending/resolve")
def resolve(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number
) -> Response:
    """Decide about an uncertain batch (`batch`): it was accepted, or is sent again (`as`); once somebody is sure."""
    as_, batch = form.text("as", longest=20), form.text("batch", longest=20)
    if as_ not in ("accepted", "resend"):
        raise InputError("say accepted or resend", field="as")
    if not (batch.isascii() and batch.isdigit()):
        raise InputError("say which", field="batch")
    found = _unsettled(our, db, number, int(batch))
    if not _is_sure(form):
        context = {"act": as_, "copies": len(found.addresses), "batch": found.batch}
        return _ask(request, our, here, number, context, now)
    count = steering.resolve(
        db,
        number,
        found.batch.number,
        cast("As", as_),
        lives=our.worker.lives,
        worker=our.worker.number,
        now=now,
        by=here.by,
    )
    copies = several(count, "copy", "copies")
    said = f"{copies} count as accepted." if as_ == "accepted" else f"{copies} are queued again."
    return _did(request, number, "resolved", said)


def _is_sure(form: Form) -> bool:
    return form.get("sure") == "yes"


def _ask(
    request: Request, our: State, here: Here, number: int, context: Mapping[str, object], now: datetime
) -> Response:
    """Ask whether somebody is sure, on a page; a script has asked already."""
    if wants_json(request):
        raise InputError("say that you are sure: yes", field="sure")
    return page(request, our, here, "issue-sending-ask.html", {"number": number, "batch": None, **context}, now=now)


def _did(request: Request, number: int, word: str, said: str) -> Response:
    return (
        JSONResponse({"said": said}, headers=OWN)
        if wants_json(request)
        else done(f"/desk/issues/{number}/sending?done={word}")
    )


def _unsettled(our: State, db: Database, number: int, batch: int) -> steering.Unsettled:
    for one in steering.unsettled(db, number, lives=our.worker.lives):
        if one.batch.number == batch:
            return one
    raise NotFoundError(f"issue {number} has no uncertain batch {batch} any more")


# What is shown -------------------------------------------------------------------------------------------------------


def _context(our: State, db: Database, number: int, now: datetime, *, exact: bool = False) -> dict[str, Any]:
    issue = issues.find_issue(db, number)
    counts = our.counter.counts(db, issue, our.settings, now=now, exact=exact)
    return {
        "number": number,
        "issue": issue,
        "counts": counts,
        "live": _live(our, db, issue, counts, now),
        "parts": sending_page.parts(db, our.settings, issue, counts, now=now, lives=our.worker.lives),
    }


def _live(our: State, db: Database, issue: Issue, counts: progress.Counts, now: datetime) -> Live:
    at_work = issue.state == "sending" and our.worker.is_taken(issue.number)
    return sending_page.live(db, our.settings, issue, counts, now=now, at_work=at_work, lives=our.worker.lives)


def _looking(our: State, number: int) -> Callable[[Database], Iterable[Event]]:
    before: Live | None = None

    def look(db: Database) -> Iterable[Event]:
        nonlocal before
        now = our.clock()
        issue = issues.find_issue(db, number)
        # What it came to in the end is not to be of a moment ago.
        new = before is not None and before.state != issue.state
        found = _live(our, db, issue, our.counter.counts(db, issue, our.settings, now=now, exact=new), now)
        if found != before:
            before = found
            yield "progress", asdict(found)

    return look
