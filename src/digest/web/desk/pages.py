"""Pages of the desk: nobody keeps one, no search engine lists one, and an error looks like the rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from digest.editors.sessions import Here
from digest.store import restores
from digest.web.desk.access import who_is_here
from digest.web.guard import security_headers
from digest.web.observing import numbered
from digest.web.state import State

OWN = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}


def page(
    request: Request,
    our: State,
    here: Here | None,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    now: datetime,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a page of templates/desk/, or with a part of one.

    Every template has `here` (None where nobody is signed in), `path`, `request`, `now`, and what a form must carry:
    ``<input type="hidden" name="csrf" value="{{ here.csrf }}">``.
    """
    every = {"request": request, "path": request.url.path, "here": here, "now": now, "restored": partial(_unread, our)}
    html = our.pages.desk.get_template(template).render(every | dict(context or {}))
    return Response(html, status, {**OWN, **(headers or {})}, "text/html; charset=utf-8")


def _unread(our: State) -> list[tuple[str, str]]:
    """Give the restores nobody has read about; asked by whole pages only, and 20 µs."""
    db = our.stores.take()
    try:
        return restores.unseen(db)
    finally:
        our.stores.give_back(db)


def done(to: str) -> Response:
    """Answer a form that did what it was to do: the browser goes on to a page (303)."""
    return RedirectResponse(to, 303, headers=OWN)


def wants_json(request: Request) -> bool:
    """Tell whether a script is asking, which is answered with JSON."""
    return "application/json" in request.headers.get("accept", "")


def desk_error(request: Request, error: Exception, status: int, words: str) -> Response:
    """Answer with what went wrong: as JSON where a script asks, a line where htmx does, else as a page."""
    our: State = request.app.state.digest
    headers = {**OWN, **(getattr(error, "headers", None) or {})}
    if status == HTTPStatus.SEE_OTHER:
        return Response(None, status, headers)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        # It is answered outside of the guard.
        headers |= security_headers(our.settings) | numbered(request.scope)
    words = words or HTTPStatus(status).phrase
    if wants_json(request):
        return JSONResponse({"error": words, **getattr(error, "more_json", {})}, status, headers)
    if "hx-request" in request.headers:
        return Response(words, status, headers, "text/plain; charset=utf-8")
    db = our.stores.take()
    try:
        here = who_is_here(request, db, our.clock())
    finally:
        our.stores.give_back(db)
    context = {"status": status, "heading": HTTPStatus(status).phrase, "words": words}
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        context["numbered"] = request.scope.get("digest.request", "")
    return page(request, our, here, "desk-error.html", context, now=our.clock(), status=status, headers=headers)
