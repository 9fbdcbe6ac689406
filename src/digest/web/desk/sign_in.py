"""Signing in, by a mailed link or with a passkey, and signing out.

Nobody who asks here is known as yet: forms are held to the browser by its cookie (`browsers.Known`), and all are
answered alike whosever address it is. A GET changes nothing, so that scanners may follow the links of mails.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from digest.editors import passkeys, people, sessions, sign_in
from digest.editors.passkeys import Site
from digest.editors.sessions import Here
from digest.editors.sign_in import Entered, Link, Trouble, way_to
from digest.errors import InputError, NotFoundError
from digest.sentences import capital
from digest.store import Database
from digest.web.desk import browsers
from digest.web.desk.access import AsEditor, who_is_here
from digest.web.desk.browsers import Known, Slowly
from digest.web.desk.pages import OWN, done, page
from digest.web.forms import Posted
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter()

_STATUS: dict[Trouble, int] = {"cut": 400, "elsewhere": 403, "over": 410, "used": 410}


@router.api_route("/desk/sign-in", methods=SEEN)
def ask_page(request: Request, our: Our, db: Store, now: Now, next: str = "") -> Response:  # noqa: A002 (the address's)
    """The form; who is signed in goes where it would lead."""
    if who_is_here(request, db, now) is not None:
        return done(way_to(next))
    return _form(request, our, db, now, {"next": way_to(next)})


@router.post("/desk/sign-in", dependencies=[Depends(Slowly("ask"))])
def ask(request: Request, our: Our, db: Store, now: Now, form: Posted, browser: Known) -> Response:
    """Ask for a letter. The answer is the same whosever address it is."""
    try:
        email = form.text("email", longest=320)
        if not email:
            raise InputError("please type your address", field="email")
        sign_in.ask(db, our.signers.links, email, browser=browser.secret, next_=form.text("next"), now=now)
    except InputError as error:
        problem = capital(error.message)
        context = {"next": way_to(form.get("next", "")), "email": form.get("email", "")[:320], "problem": problem}
        return _form(request, our, db, now, context, status=422)
    return browser.remember(request, done("/desk/sign-in/sent"))


@router.api_route("/desk/sign-in/sent", methods=SEEN)
def sent(request: Request, our: Our, now: Now) -> Response:
    """What comes after the form: look into your mail."""
    return page(request, our, None, "sign-in-sent.html", {"minutes": _minutes()}, now=now)


@router.post("/desk/sign-in/passkey/begin", dependencies=[Depends(Slowly("try"))])
def begin_passkey(our: Our, db: Store, now: Now, browser: Known) -> Response:
    """What the browser asks its devices for."""
    options = passkeys.begin_signing_in(db, _site(our), browser=browser.secret, now=now)
    return JSONResponse(options, headers=OWN)


@router.post("/desk/sign-in/passkey", dependencies=[Depends(Slowly("try"))])
def use_passkey(request: Request, our: Our, db: Store, now: Now, form: Posted, browser: Known) -> Response:
    """Sign in with what a device answered; the script goes on to `next`."""
    secret = passkeys.enter(
        db,
        _site(our),
        form.text("credential", longest=20_000),
        browser=browser.secret,
        agent=browsers.name_of(request),
        instead_of=who_is_here(request, db, now),
        now=now,
    )
    return browsers.signed_in(request, JSONResponse({"next": way_to(form.text("next"))}, headers=OWN), secret)


@router.api_route("/desk/sign-in/{token}", methods=SEEN)
def link_page(request: Request, our: Our, db: Store, now: Now, token: str) -> Response:
    """The button that a mailed link leads to, or why there is none."""
    browser = browsers.browser_or_new(request)
    link = sign_in.look(db, token, browser=browser.secret, now=now)
    if not isinstance(link, Link):
        return _over(request, our, db, now, link)
    context = {"token": token, "editor": link.editor, "csrf": browser.csrf}
    return browser.remember(request, page(request, our, None, "sign-in-link.html", context, now=now))


@router.post("/desk/sign-in/{token}", dependencies=[Depends(Slowly("try"))])
def use_link(request: Request, our: Our, db: Store, now: Now, token: str, browser: Known) -> Response:
    """The press of the button."""
    entered = sign_in.enter(
        db,
        token,
        browser=browser.secret,
        agent=browsers.name_of(request),
        instead_of=who_is_here(request, db, now),
        now=now,
    )
    if not isinstance(entered, Entered):
        return _over(request, our, db, now, entered)
    return browsers.signed_in(request, done(entered.next), entered.secret)


@router.post("/desk/sign-out")
def sign_out(request: Request, db: Store, now: Now, here: AsEditor) -> Response:
    """End the session."""
    sessions.sign_out(db, here, now=now)
    return browsers.signed_out(request, done("/desk/sign-in?done=out"))


def _form(
    request: Request, our: State, db: Database, now: Now, context: dict[str, Any], *, status: int = 200
) -> Response:
    browser = browsers.browser_or_new(request)
    known = {
        "csrf": browser.csrf,
        "nobody": not people.has_any(db),
        "passkeys": Site.of(our.settings) is not None,
        "email": "",
        "problem": "",
    }
    answer = page(request, our, None, "sign-in.html", known | context, now=now, status=status)
    return browser.remember(request, answer)


def _over(request: Request, our: State, db: Database, now: Now, trouble: Trouble) -> Response:
    here: Here | None = who_is_here(request, db, now)
    return page(request, our, here, "sign-in-over.html", {"trouble": trouble}, now=now, status=_STATUS[trouble])


def _site(our: State) -> Site:
    site = Site.of(our.settings)
    if site is None:
        raise NotFoundError("passkeys need https, and a name instead of a number as the site's address")
    return site


def _minutes() -> int:
    return round(sign_in.LASTS.total_seconds() / 60)
