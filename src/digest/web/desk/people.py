"""The editors: who they are, what each may do, where they are signed in. For owners."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from digest.editors import passkeys, people, sessions, sign_in
from digest.editors.people import ROLES, Role
from digest.editors.sessions import Here
from digest.errors import InputError, StateError
from digest.sentences import capital
from digest.store import Database, writing
from digest.web.desk.access import AsOwner, DeskForm
from digest.web.desk.account import number_in
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/editors")

Id = Annotated[int, Path(ge=1, le=10**15)]

SESSIONS = 30
"""Sessions shown of one editor."""


@router.api_route("/", methods=SEEN)
def everyone(request: Request, our: Our, db: Store, now: Now, here: AsOwner) -> Response:
    """All editors, and a form for one more."""
    return _all(request, our, db, now, here)


@router.post("/add")
def add(request: Request, our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """Add an editor, and mail an invitation."""
    typed = {name: form.get(name, "")[:320] for name in ("email", "name", "role")}
    try:
        email, name, role = form.text("email", longest=320), form.text("name"), _role(form.text("role"))
        if not email:
            raise InputError("please type an address", field="email")
        # In one transaction: nobody is added whom no letter tells of it.
        with writing(db):
            added = people.add(db, email, name=name, role=role, by=here.by, now=now)
            sign_in.invite(db, our.signers.links, added.id, by=here.by, now=now)
    except InputError as error:
        problem = {error.field or "email": capital(error.message)}
        return _all(request, our, db, now, here, {"typed": typed, "problem": problem}, status=422)
    except StateError as error:
        return _all(request, our, db, now, here, {"typed": typed, "problem": {"email": f"{error}."}}, status=409)
    return done("/desk/editors/?done=added")


@router.api_route("/{editor}", methods=SEEN)
def one(request: Request, our: Our, db: Store, now: Now, here: AsOwner, editor: Id) -> Response:
    """One editor: name, role, sessions, the way out."""
    return _one(request, our, db, now, here, editor)


@router.post("/{editor}")
def change(request: Request, our: Our, db: Store, now: Now, here: AsOwner, editor: Id, form: DeskForm) -> Response:
    """Change name and role."""
    try:
        people.change(db, editor, name=form.text("name"), role=_role(form.text("role")), by=here.by, now=now)
    except InputError as error:
        problem = capital(error.message)
        context = {"name": form.get("name", "")[:200], "problem": problem}
        return _one(request, our, db, now, here, editor, context, status=422)
    # Who made somebody else the owner of it all may not see this page any more.
    is_owner = people.find(db, here.editor.id).may("owner")
    return done(f"/desk/editors/{editor}?done=changed" if is_owner else "/desk/")


@router.post("/{editor}/invite")
def invite(our: Our, db: Store, now: Now, here: AsOwner, editor: Id) -> Response:
    """Mail another invitation."""
    sign_in.invite(db, our.signers.links, editor, by=here.by, now=now)
    return done(f"/desk/editors/{editor}?done=invited")


@router.post("/{editor}/sessions/end")
def end_sessions(db: Store, now: Now, here: AsOwner, editor: Id, form: DeskForm) -> Response:
    """End one of an editor's sessions, or all of them where none is named; one's own, this one, stays."""
    if form.get("session"):
        sessions.end(db, number_in(form, "session"), editor=editor, by=here.by, now=now)
    else:
        sessions.end_others(db, here.session, editor=editor, by=here.by, now=now)
    return done(f"/desk/editors/{editor}?done=ended")


@router.api_route("/{editor}/remove", methods=SEEN)
def ask_to_remove(request: Request, our: Our, db: Store, now: Now, here: AsOwner, editor: Id) -> Response:
    """Ask whether an editor is to be removed."""
    return page(request, our, here, "person-remove.html", {"editor": people.find(db, editor)}, now=now)


@router.post("/{editor}/remove")
def remove(db: Store, now: Now, here: AsOwner, editor: Id) -> Response:
    """Remove an editor."""
    people.remove(db, editor, by=here.by, now=now)
    return done("/desk/editors/?done=removed" if editor != here.editor.id else "/desk/sign-in")


def _role(text: str) -> Role:
    for role in ROLES:
        if text == role:
            return role
    raise InputError("choose one of the three", field="role")


def _all(
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
        "editors": people.everyone(db, removed=True),
        "roles": ROLES,
        "typed": {"email": "", "name": "", "role": "editor"},
        "problem": {},
    }
    return page(request, our, here, "people.html", known | (context or {}), now=now, status=status)


def _one(
    request: Request,
    our: State,
    db: Database,
    now: Now,
    here: Here,
    id_: int,
    context: dict[str, Any] | None = None,
    *,
    status: int = 200,
) -> Response:
    editor = people.find(db, id_)
    known = {
        "editor": editor,
        "roles": ROLES,
        "sessions": sessions.history(db, id_, limit=SESSIONS),
        "passkeys": len(passkeys.of(db, id_)),
        "name": editor.name,
        "problem": "",
    }
    return page(request, our, here, "person.html", known | (context or {}), now=now, status=status)
