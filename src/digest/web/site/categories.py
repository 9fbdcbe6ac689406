"""The categories, and what is in each."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue import finding
from digest.catalogue.queries import load_tools
from digest.errors import NotFoundError
from digest.web.reading import SEEN, PageNumber, address, asked, bare, moved, refuse_beyond
from digest.web.state import Now, Our, Store

router = APIRouter()
TOOLS = 200
"""Tools that a category's page lists at most; the search has all."""


@router.api_route("/category", methods=SEEN)
def to_categories(request: Request) -> Response:
    """The way to the list."""
    return moved(request, "/category/")


@router.api_route("/category/", methods=SEEN)
async def categories(request: Request, our: Our, db: Store, now: Now) -> Response:
    """All categories."""

    def make() -> dict[str, Any]:
        return {"categories": finding.categories(db, now=now)}

    return await our.pages.shown(request, "categories.html", make, db=db, now=now, asked="")


@router.api_route("/category/{slug}", methods=SEEN)
@router.api_route("/category/{slug}/", methods=SEEN)
async def category(slug: str, request: Request, our: Our, db: Store, now: Now, number: PageNumber = 1) -> Response:
    """One category: its comparisons, and on the first page its tools."""

    def make() -> dict[str, Any]:
        found = finding.find_category(db, slug, now=now)
        ids = finding.tool_ids(db, slug, now=now)
        page = finding.of_tools(db, ids, now=now, page=number)
        refuse_beyond(number, page.last)
        first = ids[:TOOLS] if number == 1 else []
        tools = load_tools(db, first)
        return {"category": found, "found": page, "tools": [tools[id_] for id_ in first]}

    if request.url.path.endswith("/"):
        return moved(request, address("category", slug))
    try:
        return await our.pages.shown(request, "category.html", make, db=db, now=now, asked=asked(number))
    except NotFoundError:
        meant = bare(slug)
        if meant == slug:
            raise
        finding.find_category(db, meant, now=now)
        return moved(request, address("category", meant))
