"""The comparisons: all of them, and each one whole."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue.finding import comparison_of, find_comparison, newest, related
from digest.errors import NotFoundError
from digest.store import Database
from digest.web.reading import SEEN, PageNumber, address, asked, bare, moved, refuse_beyond
from digest.web.state import Now, Our, Store

router = APIRouter()


@router.api_route("/compare", methods=SEEN)
def compare(request: Request) -> Response:
    """The way to the list."""
    return moved(request, "/compare/")


@router.api_route("/compare/", methods=SEEN)
async def comparisons(request: Request, our: Our, db: Store, now: Now, number: PageNumber = 1) -> Response:
    """All comparisons, the newest first."""

    def make() -> dict[str, Any]:
        found = newest(db, now=now, page=number)
        refuse_beyond(number, found.last)
        return {"found": found}

    return await our.pages.shown(request, "comparisons.html", make, db=db, now=now, asked=asked(number))


@router.api_route("/compare/{slug}", methods=SEEN)
@router.api_route("/compare/{slug}/", methods=SEEN)
async def comparison(slug: str, request: Request, our: Our, db: Store, now: Now) -> Response:
    """One comparison."""

    def make() -> dict[str, Any]:
        found = find_comparison(db, slug, now=now)
        both = (found.left.category, found.right.category)
        return {
            "comparison": found,
            "categories": [*dict.fromkeys(category for category in both if category)],
            "related": related(db, found, now=now),
        }

    if request.url.path.endswith("/"):
        return moved(request, address("compare", slug))
    try:
        return await our.pages.shown(request, "compare.html", make, db=db, now=now, asked="")
    except NotFoundError:
        if (there := _elsewhere(db, slug, now)) is None:
            raise
        return moved(request, address("compare", there[0]), for_good=there[1])


def _elsewhere(db: Database, slug: str, now: Now) -> tuple[str, bool] | None:
    """Give the slug that is meant, and whether it is so for good: the other way round, a pair may yet have a page."""
    meant = bare(slug)
    if meant != slug:
        try:
            return find_comparison(db, meant, now=now).slug, True
        except NotFoundError:
            pass
    words = meant.split("-")
    for at, word in enumerate(words):
        if word == "vs" and (found := comparison_of(db, "-".join(words[:at]), "-".join(words[at + 1 :]), now=now)):
            return found, False
    return None
