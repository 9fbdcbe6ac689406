"""Leaving: by one click of a mail program (RFC 8058), or by the button of a page; and coming back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from digest.audience.leaving import WHY, WORDS, Way, come_back, give_reason, leave
from digest.audience.preferences import find_preferences
from digest.errors import InputError, NotFoundError
from digest.web.forms import Form, Posted, read_form
from digest.web.guard import from_here
from digest.web.readers import OWN, Link, Own, then
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter()
FORMS = ("", "application/x-www-form-urlencoded", "multipart/form-data")


async def _one_click(request: Request) -> Form:
    """Read what a mail program posts.

    RFC 8058 (3.2) has it as a URL-encoded or multipart form. A body under another name is not looked at: the address
    has said it all, and who asks to leave is not refused for how.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in FORMS:
        await request.body()
        return Form([])
    return await read_form(request)


@router.api_route("/u/{token}", methods=SEEN)
def look(link: Own, request: Request, our: Our, db: Store, now: Now, done: str = "") -> Response:
    """The page with one button, or with the way back for one who has left."""
    return _page(link, request, our, db, now, done=done)


@router.post("/u/{token}")
def post(link: Own, form: Annotated[Form, Depends(_one_click)], our: Our, db: Store, now: Now) -> Response:
    """Leave. Mail programs have no cookie and no origin, follow no redirect, and are all treated alike."""
    by_hand = form.get("from") == "page"
    way: Way = "page" if by_hand else "one-click"
    leave(db, link.subscriber, way=way, issue=link.issue, goodbye=our.settings.goodbye_letter, now=now)
    if by_hand:
        return then(f"/u/{link.token}?done=left")
    return PlainTextResponse("You have left. No further issue will come.\n", headers=OWN)


@router.post("/u/{token}/back", dependencies=[Depends(from_here)])
def back(link: Own, form: Posted, db: Store, now: Now) -> Response:
    """Undo leaving."""
    come_back(db, link.subscriber, now=now)
    return then(f"/p/{link.token}?done=back")


@router.post("/u/{token}/reason", dependencies=[Depends(from_here)])
def reason(link: Own, form: Posted, request: Request, our: Our, db: Store, now: Now) -> Response:
    """Say why, or nothing."""
    try:
        words = form.text("words", longest=WORDS)
        give_reason(db, link.subscriber, reason=form.text("reason", longest=20), words=words)
    except InputError as error:
        return _page(link, request, our, db, now, form=form, error=error)
    return then(f"/u/{link.token}?done=reason")


def _page(
    link: Link,
    request: Request,
    our: Our,
    db: Store,
    now: Now,
    *,
    done: str = "",
    form: Form | None = None,
    error: InputError | None = None,
) -> Response:
    try:
        reader = find_preferences(db, link.subscriber, now=now)
    except NotFoundError:
        return our.pages.page(request, "gone.html", now=now)
    context = {"token": link.token, "reader": reader, "done": done, "why": WHY, "form": form or {}, "error": error}
    template = "left.html" if reader.state == "unsubscribed" else "leave.html"
    return our.pages.page(request, template, context, now=now, status=400 if error else 200)
