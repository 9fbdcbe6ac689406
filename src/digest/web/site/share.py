"""The pictures of pages, and the icon."""

from __future__ import annotations

import io
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue.finding import find_comparison
from digest.issue import compose, issues
from digest.issue.archive import find_mailed
from digest.web import pictures
from digest.web.reading import SEEN
from digest.web.site.archive import Number
from digest.web.state import Now, Our, State, Store

router = APIRouter()
HOUR, WEEK = 3_600, 604_800


@router.api_route("/share.png", methods=SEEN)
def site(request: Request, our: Our) -> Response:
    """The picture of the site."""
    return _picture(request, our, 0, lambda: pictures.of_site(our.settings))


@router.api_route("/compare/{slug}/share.png", methods=SEEN)
def comparison(slug: str, request: Request, our: Our, db: Store, now: Now) -> Response:
    """The picture of a comparison, drawn anew when what is on it changes."""
    found = find_comparison(db, slug, now=now)
    shown = tuple((tool.name, tool.category, tool.panel_ship) for tool in (found.left, found.right))
    version = (shown, compose.verdict_line(found))
    return _picture(request, our, version, lambda: pictures.of_comparison(found, our.settings))


@router.api_route("/issues/{number}/share.png", methods=SEEN)
def issue(number: Number, request: Request, our: Our, db: Store) -> Response:
    """The picture of an issue that went out."""
    found = find_mailed(db, number)

    def make() -> bytes:
        draft = issues.snapshot_of(db, number)
        titles = [compose.title(item.comparison) for item in compose.shown(draft.placed)] if draft else []
        date = our.pages.day(found.cutoff)
        return pictures.of_issue(number, date, found.subject, titles, our.settings)

    return _picture(request, our, found.content_hash, make)


@router.api_route("/icon.png", methods=SEEN)
def icon(request: Request, our: Our) -> Response:
    """The icon of a home screen."""

    def make() -> bytes:
        written = io.BytesIO()
        pictures.icon(our.settings, 180).save(written, "PNG")
        return written.getvalue()

    return our.kept.answer(request, "/icon.png", make, version=0, media_type="image/png", seconds=WEEK)


def _picture(request: Request, our: State, version: object, make: Callable[[], bytes]) -> Response:
    return our.kept.answer(
        request, request.url.path, make, version=version, media_type="image/png", seconds=HOUR, headers=ANYWHERE
    )


ANYWHERE = {"Cross-Origin-Resource-Policy": "cross-origin"}
"""Other sites show the picture beside their link."""
