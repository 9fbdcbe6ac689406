"""A tool's page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue.finding import find_tool, of_tools
from digest.errors import NotFoundError
from digest.web.reading import SEEN, PageNumber, address, asked, bare, moved, refuse_beyond
from digest.web.state import Now, Our, Store

router = APIRouter()


@router.api_route("/tools", methods=SEEN)
@router.api_route("/tools/", methods=SEEN)
def tools(request: Request) -> Response:
    """Tools are listed by their categories."""
    return moved(request, "/category/", for_good=False)


@router.api_route("/tools/{slug}", methods=SEEN)
@router.api_route("/tools/{slug}/", methods=SEEN)
async def tool(slug: str, request: Request, our: Our, db: Store, now: Now, number: PageNumber = 1) -> Response:
    """One tool, and where it was compared."""

    def make() -> dict[str, Any]:
        id_, found = find_tool(db, slug, now=now)
        where = of_tools(db, [id_], now=now, page=number, size=12)
        refuse_beyond(number, where.last)
        return {"tool": found, "found": where}

    if request.url.path.endswith("/"):
        return moved(request, address("tools", slug))
    try:
        return await our.pages.shown(request, "tool.html", make, db=db, now=now, asked=asked(number))
    except NotFoundError:
        meant = bare(slug)
        if meant == slug:
            raise
        find_tool(db, meant, now=now)
        return moved(request, address("tools", meant))
