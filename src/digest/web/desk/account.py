"""One's own account: name, mails, sessions, passkeys."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from digest.editors import passkeys, people, sessions
from digest.editors.passkeys import Site
from digest.editors.sessions import Here
from digest.errors import InputError, NotFoundError
from digest.sentences import capital
from digest.store import Database
from digest.web.desk.access import AsEditor, DeskForm
from digest.web.desk.pages import OWN, done, page
from digest.web.forms import Form
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/account")


@router.api_route("", methods=SEEN)
def account(request: Request, our: Our, db: Store, now: Now, here: AsEditor) -> Response:
    """All of it on one page."""
    return _page(request, our, db, now, here)


@router.post("")
def change(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm) -> Response:
    """Change the name, and which mails one gets."""
    try:
        people.change(
            db,
            here.editor.id,
            name=form.text("name"),
            told_trouble="told_trouble" in form,
            told_sent="told_sent" in form,
            told_week="told_week" in form,
            by=here.by,
            now=now,
        )
    except InputError as error:
        problem = capital(error.message)
        context = {"name": form.get("name", "")[:200], "problem": problem}
        return _page(request, our, db, now, here, context, status=422)
    return done("/desk/account?done=changed")


@router.post("/sessions/end")
def end_session(db: Store, now: Now, here: AsEditor, form: DeskForm) -> Response:
    """End one of one's sessions, such as that of a lost phone."""
    if not sessions.end(db, number_in(form, "session"), editor=here.editor.id, by=here.by, now=now):
        raise NotFoundError("this session has ended already")
    return done("/desk/account?done=ended")


@router.post("/sessions/end-others")
def end_other_sessions(db: Store, now: Now, here: AsEditor) -> Response:
    """End all of one's sessions but this."""
    sessions.end_others(db, here.session, editor=here.editor.id, by=here.by, now=now)
    return done("/desk/account?done=ended")


@router.post("/passkeys/begin")
def begin_passkey(our: Our, db: Store, now: Now, here: AsEditor) -> Response:
    """What the browser asks its device for, to add a passkey."""
    return JSONResponse(passkeys.begin_adding(db, _site(our), here, now=now), headers=OWN)


@router.post("/passkeys")
def add_passkey(our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm) -> Response:
    """Add the passkey that a device answered with; the script goes on to `next`."""
    answer = form.text("credential", longest=100_000)
    passkeys.add(db, _site(our), here, answer, name=form.text("name"), now=now)
    return JSONResponse({"next": "/desk/account?done=passkey#passkeys"}, headers=OWN)


@router.post("/passkeys/rename")
def rename_passkey(db: Store, here: AsEditor, form: DeskForm) -> Response:
    """Give a passkey another name."""
    passkeys.rename(db, form.text("passkey"), editor=here.editor.id, name=form.text("name"))
    return done("/desk/account?done=renamed#passkeys")


@router.api_route("/passkeys/remove", methods=SEEN)
def ask_to_remove(request: Request, our: Our, db: Store, now: Now, here: AsEditor, passkey: str = "") -> Response:
    """Ask whether a passkey is to be removed."""
    found = next((one for one in passkeys.of(db, here.editor.id) if one.id == passkey), None)
    if found is None:
        raise NotFoundError("you have no such passkey")
    return page(request, our, here, "passkey-remove.html", {"passkey": found}, now=now)


@router.post("/passkeys/remove")
def remove_passkey(db: Store, now: Now, here: AsEditor, form: DeskForm) -> Response:
    """Remove a passkey."""
    passkeys.remove(db, form.text("passkey"), editor=here.editor.id, by=here.by, now=now)
    return done("/desk/account?done=removed#passkeys")


def number_in(form: Form, name: str) -> int:
    """Give a number that a form carries unseen.

    Raises:
        HTTPException: 400, where it is none.
    """
    text = form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise HTTPException(400, f"the form's “{name}” is no number; load the page again")
    return int(text)


def _page(
    request: Request,
    our: State,
    db: Database,
    now: Now,
    here: Here,
    context: dict[str, Any] | None = None,
    *,
    status: int = 200,
) -> Response:
    known = {
        "sessions": sessions.of(db, here.editor.id, now=now),
        "passkeys": passkeys.of(db, here.editor.id),
        "with_passkeys": Site.of(our.settings) is not None,
        "name": here.editor.name,
        "problem": "",
    }
    return page(request, our, here, "account.html", known | (context or {}), now=now, status=status)


def _site(our: State) -> Site:
    site = Site.of(our.settings)
    if site is None:
        raise NotFoundError("passkeys need https, and a name instead of a number as the site's address")
    return site
