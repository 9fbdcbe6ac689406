"""A reader's own page: topics, a pause, name and time zone, not being counted, what is kept; and being forgotten."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from digest.audience import changing_address, preferences
from digest.audience.forgetting import forget
from digest.audience.topics import topics_of
from digest.errors import InputError, NotFoundError
from digest.web.forms import Form, Posted
from digest.web.guard import from_here
from digest.web.readers import OWN, Link, Own, then
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter()
ours = [Depends(from_here)]


@router.api_route("/p/{token}", methods=SEEN)
def look(link: Own, request: Request, our: Our, db: Store, now: Now, done: str = "") -> Response:
    """The page."""
    return _page(link, request, our, db, now, done=done)


@router.post("/p/{token}/topics", dependencies=ours)
def choose_topics(link: Own, form: Posted, request: Request, our: Our, db: Store, now: Now) -> Response:
    """Get some topics, or everything."""
    try:
        preferences.choose_topics(db, link.subscriber, form.all_of("topics"), now=now)
    except InputError as error:
        return _page(link, request, our, db, now, form=form, error=error)
    return then(f"/p/{link.token}?done=topics#topics")


@router.post("/p/{token}/pause", dependencies=ours)
def pause(link: Own, form: Posted, request: Request, our: Our, db: Store, now: Now) -> Response:
    """Get nothing for some weeks."""
    try:
        preferences.pause(db, link.subscriber, form.text("weeks"), now=now)
    except InputError as error:
        return _page(link, request, our, db, now, form=form, error=error)
    return then(f"/p/{link.token}?done=pause#pause")


@router.post("/p/{token}/resume", dependencies=ours)
def resume(link: Own, form: Posted, db: Store, now: Now) -> Response:
    """End the pause."""
    preferences.resume(db, link.subscriber, now=now)
    return then(f"/p/{link.token}?done=resume#pause")


@router.post("/p/{token}/you", dependencies=ours)
def about_you(link: Own, form: Posted, request: Request, our: Our, db: Store, now: Now) -> Response:
    """Be greeted by another name; be somewhere else. Both are written, or neither."""
    try:
        preferences.introduce(db, link.subscriber, name=form.text("name"), timezone=form.text("timezone"), now=now)
    except InputError as error:
        return _page(link, request, our, db, now, form=form, error=error)
    return then(f"/p/{link.token}?done=you#you")


@router.post("/p/{token}/address", dependencies=ours)
def change_address(link: Own, form: Posted, request: Request, our: Our, db: Store, now: Now) -> Response:
    """Ask for another address: a letter goes there."""
    try:
        asked = changing_address.ask(
            db,
            link.subscriber,
            form.text("email"),
            letters_a_day=our.settings.sign_ups_per_address,
            now=now,
        )
    except InputError as error:
        return _page(link, request, our, db, now, form=form, error=error)
    return then(f"/p/{link.token}?done={'address' if asked else 'same-address'}#address")


@router.post("/p/{token}/address/keep", dependencies=ours)
def keep_address(link: Own, form: Posted, db: Store) -> Response:
    """Keep the address there is."""
    changing_address.call_off(db, link.subscriber)
    return then(f"/p/{link.token}?done=same-address#address")


@router.post("/p/{token}/counting", dependencies=ours)
def counting(link: Own, form: Posted, db: Store, now: Now) -> Response:
    """Have opens and clicks counted or not: a box without its tick is not in the form."""
    uncounted = bool(form.text("uncounted"))
    preferences.count(db, link.subscriber, not uncounted, now=now)
    return then(f"/p/{link.token}?done={'uncounted' if uncounted else 'counted'}#counting")


@router.api_route("/p/{token}/data", methods=SEEN)
def data(link: Own, request: Request, our: Our, db: Store, now: Now) -> Response:
    """All that is kept about the reader, to look at."""
    try:
        kept = preferences.kept_about(db, link.subscriber)
    except NotFoundError:
        return our.pages.page(request, "gone.html", now=now)
    return our.pages.page(request, "kept.html", {"token": link.token, "kept": kept}, now=now)


@router.api_route("/p/{token}/data.json", methods=SEEN)
def download(link: Own, db: Store) -> Response:
    """The same, to take along (GDPR, article 20)."""
    kept = preferences.kept_about(db, link.subscriber)
    return JSONResponse(kept, headers={**OWN, "Content-Disposition": 'attachment; filename="what-is-kept.json"'})


@router.api_route("/p/{token}/forget", methods=SEEN)
def ask_once_more(link: Own, request: Request, our: Our, db: Store, now: Now) -> Response:
    """The page that asks once more."""
    try:
        reader = preferences.find_preferences(db, link.subscriber, now=now)
    except NotFoundError:
        return our.pages.page(request, "gone.html", now=now)
    return our.pages.page(request, "forget.html", {"token": link.token, "reader": reader}, now=now)


@router.post("/p/{token}/forget", dependencies=ours)
def forget_me(link: Own, form: Posted, db: Store, now: Now) -> Response:
    """Erase what is kept about the reader."""
    forget(db, link.subscriber, now=now)
    return then(f"/p/{link.token}?done=forgotten")


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
        reader = preferences.find_preferences(db, link.subscriber, now=now)
    except NotFoundError:
        return our.pages.page(request, "gone.html", {"done": done}, now=now)
    context: dict[str, Any] = {
        "token": link.token,
        "reader": reader,
        "topics": topics_of(db),
        "weeks": preferences.WEEKS,
        "zones": preferences.zones(),
        "done": done,
        "form": form or {},
        "chosen": form.all_of("topics") if form and error and error.field == "topics" else reader.topics,
        "error": error,
    }
    return our.pages.page(request, "preferences.html", context, now=now, status=400 if error else 200)
