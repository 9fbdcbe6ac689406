"""Who may come in: every route of the desk asks for one of these, and test_desk_doors.py finds one that does not.

`def page(here: AsEditor, …)`: with no session the way leads to the sign-in; a role that is not enough is refused; a
POST must come from our own page and carry the token of its session.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, ClassVar
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from digest.editors import sessions
from digest.editors.people import Role
from digest.editors.sessions import Here
from digest.store import Database
from digest.web.forms import Form, read_form_with_files
from digest.web.guard import from_here
from digest.web.state import Now, Our, State

CSRF_FIELD, CSRF_HEADER = "csrf", "X-CSRF-Token"
_SAFE = ("GET", "HEAD")


def cookie_name(name: str, *, secure: bool) -> str:
    """Give the name of a cookie of the desk: with https, one that no other host and no plain page can set.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
    """
    return f"__Host-digest-{name}" if secure else f"digest-{name}"


def is_secure(request: Request) -> bool:
    """Tell whether the site's public address is https."""
    return bool(request.app.state.digest.settings.base_url.startswith("https:"))


async def _signed_in(request: Request, our: Our, now: Now) -> Here:
    """Give whose session it is, before anything of a form is read: only ours may bring large ones.

    Raises:
        HTTPException: 303 or 401 without a session, 403 where another site's page asks.
    """
    here = await run_in_threadpool(_looked_up, request, our, now)
    if here is None:
        raise _sign_in_first(request)
    if request.method not in _SAFE:
        await from_here(request)
    return here


def _looked_up(request: Request, our: State, now: datetime) -> Here | None:
    # A connection of its own, given back at once: a route that streams holds none while somebody looks on.
    db = our.stores.take()
    try:
        return who_is_here(request, db, now)
    finally:
        our.stores.give_back(db)


SignedIn = Annotated[Here, Depends(_signed_in)]


async def _desk_form(request: Request, here: SignedIn) -> AsyncIterator[Form]:
    form = Form([]) if request.method in _SAFE else await read_form_with_files(request)
    try:
        yield form
    finally:
        # Else they lie on the disk until the garbage is collected.
        for file in form.files:
            await file.close()


DeskForm = Annotated[Form, Depends(_desk_form)]
"""What a route of the desk that takes a form asks for; it is read once."""


class StaleError(HTTPException):
    """A form of another session: its page asks for the token of this one, and does it once more."""

    more_json: ClassVar = {"stale": True}

    def __init__(self) -> None:
        super().__init__(403, "this page is from another session; load it again and do it once more")


class Door:
    """A dependency that gives who is here, and lets nobody pass whose role is not enough."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    async def __call__(self, request: Request, here: SignedIn, form: DeskForm) -> Here:
        """Give who is here.

        Raises:
            HTTPException: 403 where it may not, or the form is not of this session.
        """
        if request.method not in _SAFE:
            given = request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD, "")
            if not hmac.compare_digest(given.encode(), here.csrf.encode()):
                raise StaleError
        if not here.may(self.role):
            raise HTTPException(403, f"this is for {'an' if self.role in ('editor', 'owner') else 'a'} {self.role}")
        return here


def who_is_here(request: Request, db: Database, now: datetime) -> Here | None:
    """Give whose session the request's cookie is; None where there is none."""
    secret = request.cookies.get(cookie_name("desk", secure=is_secure(request)))
    return sessions.here(db, secret, now=now) if secret else None


def _sign_in_first(request: Request) -> HTTPException:
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    way = f"/desk/sign-in?next={quote(path, safe='/')}"
    if request.method in _SAFE and "application/json" not in request.headers.get("accept", ""):
        if "hx-request" in request.headers:
            return HTTPException(401, "sign in first", headers={"HX-Redirect": "/desk/sign-in"})
        return HTTPException(303, headers={"Location": way})
    return HTTPException(401, "your session has ended; sign in again in another tab, and go on here")


AsEditor = Annotated[Here, Depends(Door("editor"))]
AsPublisher = Annotated[Here, Depends(Door("publisher"))]
AsOwner = Annotated[Here, Depends(Door("owner"))]
