"""Changing a draft from the desk, by several people at a time; the page itself is in issues.py.

Everything is in the store, on the disk, before it is answered. A script is answered with JSON, a form with the way back
to the page. `base` of /words is the *text* that the page knew the field to have when the typing began (what the server
last answered or told it), never a version: by it another's words are merged, or told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from digest.editors.sessions import Here
from digest.errors import InputError
from digest.issue import arranging, changes, presence
from digest.issue.changes import ConflictError
from digest.issue.history import Told, history
from digest.issue.issues import find_issue
from digest.issue.set_aside import asides
from digest.issue.together import Together, stamp_of, together
from digest.issue.words import read_field
from digest.store import Database
from digest.web.desk.access import AsEditor, DeskForm
from digest.web.desk.pages import OWN, done, page, wants_json
from digest.web.desk.streams import Event, stream
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter()

Number = Annotated[int, Path(ge=1, le=2**31)]
LISTED = 100
"""Changes of a page of the history."""


@router.post("/desk/issues/{number}/words")
def words(request: Request, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Write words that were typed: `field`, `text`, and `base`, the text the page knew before.

    Answers {version, text, own, merged}; 409 with {theirs, by, at, aside, version} where somebody changed the same.
    """
    if "text" not in form or "base" not in form:
        raise InputError("is missing", field="text" if "text" not in form else "base")
    field = read_field(form.get("field", ""))
    try:
        written = changes.write(db, number, field, form["text"], base=form["base"], by=here.by, now=now)
    except ConflictError:
        if wants_json(request):
            raise
        return done(f"/desk/issues/{number}/history?done=aside")
    if wants_json(request):
        return _json({"version": written.version, "text": written.text, "own": written.own, "merged": written.merged})
    return _back(number, "saved")


@router.post("/desk/issues/{number}/own")
def own(request: Request, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Give the words of a `field` back to digest; answers as /words does."""
    written = changes.give_back(db, number, read_field(form.get("field", "")), by=here.by, now=now)
    if wants_json(request):
        return _json({"version": written.version, "text": written.text, "own": written.own, "merged": False})
    return _back(number, "saved")


@router.post("/desk/issues/{number}/order")
def order(request: Request, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Move a `comparison` `to` a place among those shown, from 0."""
    place = form.text("to", longest=10)
    if not (place.isascii() and place.isdigit()):
        raise InputError(f"{place!r} is no place; the first one is 0", field="to")
    arranging.move(db, number, form.text("comparison"), int(place), by=here.by, now=now)
    return _changed(request, db, here, number)


@router.post("/desk/issues/{number}/form")
def form_of(request: Request, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Show a `comparison` in a `form`, or leave it out."""
    arranging.set_form(db, number, form.text("comparison"), form.text("form"), by=here.by, now=now)
    return _changed(request, db, here, number)


@router.post("/desk/issues/{number}/add")
def add(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Add a `comparison`; `mailed` is the last issue it went out in, where there is one."""
    added = arranging.add(db, our.settings, number, form.text("comparison"), by=here.by, now=now)
    mailed = {"issue": added.mailed.number, "at": added.mailed.at.isoformat()} if added.mailed else None
    return _changed(request, db, here, number, mailed=mailed)


@router.post("/desk/issues/{number}/collect")
def collect(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """Take in what came since the draft was made; `added` are the slugs."""
    added = arranging.take_in(db, our.settings, number, by=here.by, now=now)
    return _changed(request, db, here, number, done_word="collected" if added else "", added=added)


@router.post("/desk/issues/{number}/undo")
def undo(request: Request, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """Take back the newest of one's own changes; `field` is what it was of."""
    field = changes.undo(db, number, by=here.by, now=now)
    return _changed(request, db, here, number, done_word="undone", field=field)


@router.post("/desk/issues/{number}/redo")
def redo(request: Request, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """Do again what was undone last; `field` is what it was of."""
    field = changes.redo(db, number, by=here.by, now=now)
    return _changed(request, db, here, number, done_word="redone", field=field)


@router.post("/desk/issues/{number}/aside/{id_}")
def aside(
    request: Request, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number, id_: Number
) -> Response:
    """Use words that were set aside, or throw them away, or do not: `what` is ``use``, ``drop`` or ``keep``."""
    match form.get("what"):
        case "use":
            changes.use_aside(db, number, id_, by=here.by, now=now)
            said = "used"
        case "drop":
            changes.drop_aside(db, number, id_, now=now)
            said = f"dropped&aside={id_}"
        case "keep":
            changes.keep_aside(db, number, id_)
            said = "kept"
        case _:
            raise InputError("is not use, drop or keep", field="what")
    if wants_json(request):
        return _changed(request, db, here, number)
    return done(f"/desk/issues/{number}/history?done={said}")


@router.post("/desk/issues/{number}/here")
def is_here(our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Say that a `page` is there, and the `field` in hand; with `left`, that it is being closed.

    It is said every five seconds or so: who says nothing for fifteen is not here any more.
    """
    if form.get("left"):
        presence.leave(db, number, here.session, form.get("page", ""))
    else:
        presence.here(db, number, here.session, form.get("page", ""), form.get("field", ""), now=now)
    return Response(status_code=204, headers=OWN)


@router.get("/desk/issues/{number}/live")
def live(our: Our, here: AsEditor, number: Number) -> Response:
    """Tell what changes: `issue` when it or its comparisons do, `here` when people come, go, or take up a field."""
    db = our.stores.take()
    try:
        find_issue(db, number)
    finally:
        our.stores.give_back(db)
    return stream(our, here, looking(number, here, our.clock))


@router.api_route("/desk/issues/{number}/history", methods=SEEN)
def changes_of(
    request: Request,
    our: Our,
    db: Store,
    now: Now,
    here: AsEditor,
    number: Number,
    before: Annotated[int | None, Query(ge=1, le=2**31)] = None,
    aside: Annotated[int | None, Query(ge=1, le=2**31)] = None,
) -> Response:
    """Who changed what, the newest first, and the words that were set aside."""
    issue = find_issue(db, number)
    told = history(db, number, limit=LISTED + 1, before=before)
    zone = our.settings.zone
    days: dict[str, list[tuple[str, Told]]] = {}
    for change in told[:LISTED]:
        local = change.at.astimezone(zone)
        days.setdefault(f"{local:%A}, {local.day} {local:%B %Y}", []).append((f"{local:%H:%M}", change))
    context = {
        "issue": issue,
        "number": number,
        "days": days,
        "more": told[LISTED - 1].number if len(told) > LISTED else None,
        "first": before is None,
        "asides": asides(db.conn, number),
        "dropped": aside,
        "together": together(db, number, editor=here.editor.id),
    }
    return page(request, our, here, "issue-history.html", context, now=now)


def looking(number: int, here: Here, clock: Callable[[], datetime]) -> Callable[[Database], Iterator[Event]]:
    """Give what a stream asks over and over: all at first, then what has changed."""
    stamp: tuple[object, ...] | None = None
    present: list[dict[str, Any]] | None = None

    def look(db: Database) -> Iterator[Event]:
        nonlocal stamp, present
        now_stamp = stamp_of(db, number)
        if now_stamp is not None and now_stamp != stamp:
            stamp = now_stamp
            yield "issue", told(together(db, number, editor=here.editor.id), here)
        now_present = [
            {"name": one.name, "field": one.field, "me": one.session == here.session, "page": one.page}
            for one in presence.who_is_here(db, number, now=clock())
        ]
        if now_present != present:
            present = now_present
            yield "here", present

    return look


def told(issue: Together, here: Here) -> dict[str, Any]:
    """Give an issue as the scripts of the page read it."""
    last = issue.last
    return {
        "version": issue.version,
        "catalogue": issue.catalogue,
        "state": issue.state,
        **{name: {"text": text, "own": name in issue.own} for name, text in issue.words.items()},
        "comparisons": [
            {"slug": one.slug, "title": one.title, "form": one.form, "updated": one.updated, "position": position}
            for position, one in enumerate(issue.comparisons)
        ],
        "last": {"by": last.by, "at": last.at, "field": last.field, "me": last.editor == here.editor.id}
        if last
        else None,
        "can_undo": issue.can_undo,
        "can_redo": issue.can_redo,
        "aside": [
            {
                "id": one.id,
                "field": one.field,
                "words": one.words,
                "by": one.by,
                "at": one.at,
                "me": one.editor == here.editor.id,
            }
            for one in issue.asides
        ],
    }


def _changed(
    request: Request, db: Database, here: Here, number: int, *, done_word: str = "saved", **more: object
) -> Response:
    """Answer a change with all that the page shows, or with the way back to it."""
    if wants_json(request):
        return _json({**told(together(db, number, editor=here.editor.id), here), **more})
    return _back(number, done_word)


def _back(number: int, done_word: str) -> Response:
    return done(f"/desk/issues/{number}" + (f"?done={done_word}" if done_word else ""))


def _json(content: dict[str, Any]) -> Response:
    return JSONResponse(content, headers=OWN)
