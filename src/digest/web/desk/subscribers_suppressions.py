"""The addresses that must not be mailed: look, add, take off. For publishers.

No address stands in the address of a page: what names one is posted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from digest.audience import browsing
from digest.audience.health import health
from digest.audience.subscribers import Reason
from digest.audience.suppression import ADDABLE, find_suppression
from digest.editors import looking_after
from digest.editors.sessions import Here
from digest.errors import InputError
from digest.sentences import sentence
from digest.store import Database
from digest.web.desk.access import AsPublisher, DeskForm
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN, PageNumber
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/subscribers/suppressions")

LINES = 50


@router.api_route("", methods=SEEN)
def shown(
    request: Request,
    our: Our,
    db: Store,
    now: Now,
    here: AsPublisher,
    number: PageNumber = 1,
    reason: Annotated[Reason | Literal[""], Query()] = "",
) -> Response:
    """The list, by address."""
    found = browsing.barred(db, limit=LINES + 1, skip=(number - 1) * LINES, reason=reason or None)
    context = {"found": found[:LINES], "more": len(found) > LINES, "number": number, "reason": reason}
    return _shown(request, our, db, here, context, now=now)


@router.post("/find")
def find(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Those whose address begins with something."""
    words = form.text("words", longest=320)
    if not words:
        return done("/desk/subscribers/suppressions")
    found = browsing.barred(db, limit=LINES + 1, beginning=words.lower())
    context = {"found": found[:LINES], "too_many": len(found) > LINES, "words": words}
    return _shown(request, our, db, here, context, now=now)


@router.post("/add")
def add(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Put an address on it."""
    email, reason = form.get("email", "")[:320], form.get("reason", "")[:40]
    try:
        changed = looking_after.suppress(
            db, form.text("email", longest=320), form.text("reason", longest=40), by=here.by, now=now
        )
    except InputError as error:
        found = browsing.barred(db, limit=LINES + 1)
        context = {
            "found": found[:LINES],
            "more": len(found) > LINES,
            "typed": {"email": email, "reason": reason},
            "problem": {error.field or "email": sentence(error.message)},
        }
        return _shown(request, our, db, here, context, now=now, status=422)
    return done(f"/desk/subscribers/suppressions?done={'added' if changed else 'same'}")


@router.post("/ask")
def ask(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Ask whether an address is to be taken off."""
    entry = find_suppression(db, form.text("email", longest=320), now=now)
    return page(request, our, here, "subscriber-lift.html", {"entry": entry, "problem": ""}, now=now)


@router.post("/lift")
def lift(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Take an address off."""
    email = form.text("email", longest=320)
    try:
        looking_after.lift(db, email, sure="sure" in form, by=here.by, now=now)
    except InputError as error:
        if error.field != "sure":
            raise
        context = {
            "entry": find_suppression(db, email, now=now),
            "problem": sentence(error.message),
        }
        return page(request, our, here, "subscriber-lift.html", context, now=now, status=422)
    return done("/desk/subscribers/suppressions?done=lifted")


def _shown(
    request: Request,
    our: State,
    db: Database,
    here: Here,
    context: dict[str, Any],
    *,
    now: datetime,
    status: int = 200,
) -> Response:
    known = {
        "words": "",
        "too_many": False,
        "more": False,
        "number": 1,
        "reason": "",
        "reasons": ADDABLE,
        "suppressed": health(db, now=now).suppressed,
        "typed": {"email": "", "reason": "unsubscribed"},
        "problem": {},
    }
    return page(request, our, here, "subscriber-suppressions.html", known | context, now=now, status=status)
