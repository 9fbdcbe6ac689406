"""The panel: its reviewers in their order."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue import overview
from digest.editors import cataloguing
from digest.editors.catalogue_forms import ChangedMeanwhileError, ProblemsError, reviewer_fields
from digest.editors.sessions import Here
from digest.errors import InputError, NotFoundError
from digest.issue.standing import no_news
from digest.store import Database
from digest.web.desk.access import AsEditor, DeskForm
from digest.web.desk.catalogue_forms import Filled, Slug, again, filled, typed_in
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/catalogue")

FIELDS = ("name", "stance")
_STEPS = {"up": -1, "down": 1}


@router.api_route("/panel", methods=SEEN)
def panel(request: Request, our: Our, db: Store, now: Now, here: AsEditor) -> Response:
    """Everybody of the panel, and a form for one more."""
    return _page(request, our, db, now, here, "", Filled({}))


@router.post("/panel")
def add(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm) -> Response:
    """Add a reviewer."""
    typed = typed_in(form, FIELDS)
    try:
        cataloguing.save_reviewer(db, None, typed, by=here.by, now=now, zone=our.settings.zone)
    except ProblemsError as error:
        return _page(request, our, db, now, here, "", again(error, form, typed, {}))
    return done("/desk/catalogue/panel?done=added")


@router.post("/panel/{slug}")
def change(request: Request, our: Our, db: Store, now: Now, here: AsEditor, slug: Slug, form: DeskForm) -> Response:
    """Change name and stance of a reviewer."""
    typed = typed_in(form, FIELDS)
    try:
        cataloguing.save_reviewer(db, slug, typed, form.get("seen", ""), by=here.by, now=now, zone=our.settings.zone)
    except (ProblemsError, ChangedMeanwhileError) as error:
        place = next((one for one in overview.places(db) if one.reviewer.slug == slug), None)
        shown = reviewer_fields(place) if place else {}
        return _page(request, our, db, now, here, slug, again(error, form, typed, shown))
    return done("/desk/catalogue/panel?done=changed")


@router.post("/panel/{slug}/move")
def move(our: Our, db: Store, now: Now, here: AsEditor, slug: Slug, form: DeskForm) -> Response:
    """Move a reviewer up or down by one."""
    steps = _STEPS.get(form.text("to"))
    if steps is None:
        raise InputError("up or down", field="to")
    with no_news(db):
        cataloguing.move_reviewer(db, slug, steps, by=here.by, now=now, zone=our.settings.zone)
    return done(f"/desk/catalogue/panel#{slug}")


@router.api_route("/panel/{slug}/remove", methods=SEEN)
def ask_to_remove(request: Request, our: Our, db: Store, now: Now, here: AsEditor, slug: Slug) -> Response:
    """Ask whether a reviewer is to be removed."""
    found = next((one.reviewer for one in overview.places(db) if one.reviewer.slug == slug), None)
    if found is None:
        raise NotFoundError(f"there is no reviewer {slug!r}")
    context = {"kind": "reviewer", "slug": slug, "name": found.name}
    return page(request, our, here, "catalogue-remove.html", context, now=now)


@router.post("/panel/{slug}/remove")
def remove(db: Store, now: Now, here: AsEditor, slug: Slug) -> Response:
    """Remove a reviewer who has said nothing."""
    cataloguing.remove(db, "reviewer", slug, by=here.by, now=now)
    return done("/desk/catalogue/panel?done=removed")


def _page(request: Request, our: State, db: Database, now: Now, here: Here, open_: str, form: Filled) -> Response:
    """The page; `open_` is the reviewer whose form was posted, nobody's the one for a new reviewer."""
    context = {
        "places": [
            (place, form if place.reviewer.slug == open_ else filled(reviewer_fields(place)))
            for place in overview.places(db)
        ],
        "open": open_,
        "new": Filled({}) if open_ else form,
    }
    return page(request, our, here, "catalogue-panel.html", context, now=now, status=form.status)
