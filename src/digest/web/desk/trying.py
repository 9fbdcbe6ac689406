"""Test sends from the desk: the issue as it is now, in the mailboxes one chooses, and what became of each copy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from digest import times
from digest.audience.letterbox import Fate
from digest.audience.topics import Topic, topics_of
from digest.errors import InputError, NotFoundError
from digest.issue import issues
from digest.issue.variants import topics_in
from digest.sending import trials
from digest.sending.trials import MOST, TooManyError, Trial, read_addresses
from digest.store import Database
from digest.web.desk.access import AsEditor, DeskForm
from digest.web.desk.pages import OWN, done, page, wants_json
from digest.web.reading import SEEN
from digest.web.site.archive import Number
from digest.web.state import Now, Our, State, Store

router = APIRouter()

LONG = timedelta(seconds=20)
"""Letters are mailed every second: what waits for longer, without a reason, waits for a server that mails letters."""

_STATES = {
    "queued": "waits to be handed over",
    "claimed": "is being handed over",
    "sent": "accepted",
    "uncertain": "nobody knows whether it was accepted",
    "failed": "refused",
    "dropped": "not mailed",
}
SETTLED = ("sent", "failed", "dropped", "uncertain")


@router.api_route("/desk/issues/{number}/tests", methods=SEEN)
def form_page(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """Ask to whom a test is to go: a part of the editing page for its script, or a page of its own."""
    template = "issue-test-form.html" if "hx-request" in request.headers else "issue-test-page.html"
    return page(request, our, here, template, _context(our, db, number), now=now)


@router.post("/desk/issues/{number}/tests")
def send(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Send a test `to` addresses, as a reader of a `name` who chose `topic`s gets it."""
    try:
        trial = trials.send(
            db,
            our.settings,
            number,
            read_addresses(form.text("to", longest=4_000)),
            name=form.text("name", longest=1_000),
            topics=form.all_of("topic"),
            by=here.by,
            now=now,
        )
    except TooManyError as error:
        raise HTTPException(429, str(error), {"Retry-After": "600"}) from None
    except InputError as error:
        if wants_json(request):
            raise
        context = _context(our, db, number) | {"form": form, "problem": error.message, "field": error.field}
        return page(request, our, here, "issue-test-page.html", context, now=now, status=400)
    way = f"/desk/issues/{number}/tests/{trial}"
    return JSONResponse({"test": trial, "at": way}, headers=OWN) if wants_json(request) else done(way)


@router.api_route("/desk/issues/{number}/tests/{test}", methods=SEEN)
def result(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number, test: int) -> Response:
    """What became of each copy of a test: a part for the script, which asks until all is settled, or a page."""
    if not 0 < test < 2**31:
        raise NotFoundError("there is no such test")
    trial = trials.find(db, test)
    if trial.issue != number:
        raise NotFoundError(f"issue {number} has no such test")
    fates = trials.fates(db, test)
    context = {"number": number, "trial": trial, "copies": [_told(fate) for fate in fates]}
    context |= {"is_over": all(fate.state in SETTLED for fate in fates), "is_slow": _is_slow(trial, fates, now)}
    template = "issue-test-part.html" if "hx-request" in request.headers else "issue-test-result.html"
    return page(request, our, here, template, context, now=now)


def _context(our: State, db: Database, number: int) -> dict[str, Any]:
    issue = issues.find_issue(db, number)
    return {"number": number, "issue": issue, "topics": topics_to_try(our, db, number), "most": MOST, "form": {}} | {
        "problem": "",
        "field": None,
    }


def topics_to_try(our: State, db: Database, number: int) -> list[Topic]:
    """Give the topics that an issue has something on."""
    fitted = our.looks.laid_out(db, our.settings, number)
    there = topics_in(fitted.draft) if fitted else frozenset()
    return [topic for topic in topics_of(db) if topic.slug in there]


def _told(fate: Fate) -> tuple[str, str, str, str]:
    """Give an address, its state, that in words, and why."""
    return fate.email, fate.state, _STATES[fate.state], fate.trouble or ""


def _is_slow(trial: Trial, fates: list[Fate], now: datetime) -> bool:
    waits = any(fate.state == "queued" and not fate.trouble for fate in fates)
    return waits and now > times.from_text(trial.created_at) + LONG
