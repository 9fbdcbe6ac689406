"""The settings an owner may change in the desk: what the newsletter is called, what an issue shows, who may sign up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.web.desk import settings_pages
from digest.web.desk.access import AsOwner, DeskForm
from digest.web.desk.pages import done, page
from digest.web.desk.settings_fields import where
from digest.web.desk.settings_pages import Asked, save, show
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter(prefix="/desk/settings")


@router.api_route("", methods=SEEN)
def to_the_settings(here: AsOwner) -> Response:
    """The settings' address as people type it."""
    return done("/desk/settings/")


@router.api_route("/", methods=SEEN)
def newsletter(request: Request, our: Our, db: Store, now: Now, here: AsOwner) -> Response:
    """What the newsletter is called, and whose it is."""
    return show(Asked(request, our, here, db, now), "newsletter", _zones)


@router.post("/")
def save_newsletter(request: Request, our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """Save it."""
    return save(Asked(request, our, here, db, now), form, "newsletter", _zones)


@router.api_route("/issue", methods=SEEN)
def issue(request: Request, our: Our, db: Store, now: Now, here: AsOwner) -> Response:
    """What an issue shows, and how it goes out."""
    return show(Asked(request, our, here, db, now), "issue")


@router.post("/issue")
def save_issue(request: Request, our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """Save it."""
    return save(Asked(request, our, here, db, now), form, "issue")


@router.api_route("/week", methods=SEEN)
def week(request: Request, our: Our, db: Store, now: Now, here: AsOwner) -> Response:
    """What happens by itself, and when."""
    return show(Asked(request, our, here, db, now), "week")


@router.post("/week")
def save_week(request: Request, our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """Save it."""
    return save(Asked(request, our, here, db, now), form, "week")


@router.api_route("/readers", methods=SEEN)
def readers(request: Request, our: Our, db: Store, now: Now, here: AsOwner) -> Response:
    """Letters to readers, and signing up."""
    return show(Asked(request, our, here, db, now), "readers")


@router.post("/readers")
def save_readers(request: Request, our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """Save it."""
    return save(Asked(request, our, here, db, now), form, "readers")


@router.post("/undo")
def undo(request: Request, our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """Put back what there was before a change."""
    return settings_pages.undo(Asked(request, our, here, db, now), form)


@router.api_route("/operator", methods=SEEN)
def operators(request: Request, our: Our, now: Now, here: AsOwner) -> Response:
    """What only the operator sets: to read, with how to set it; secrets are masked."""
    from digest.chosen import SECTION_OF
    from digest.sources import Loaded

    current, own = our.current, our.current.own.model_fields_set
    loaded = Loaded(current.held().settings, current.sources, current.own)
    rows = [
        (one, where(one.name, "" if one.source == "default" and one.name in own else one.source))
        for one in loaded.explain()
        if one.name not in SECTION_OF
    ]
    return page(request, our, here, "settings-operator.html", {"rows": rows, "section": "operator"}, now=now)


def _zones(asked: Asked, typed: Mapping[str, str]) -> Mapping[str, Any]:
    """Give the names of time zones, to choose from while typing."""
    return {"timezones": sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")}
