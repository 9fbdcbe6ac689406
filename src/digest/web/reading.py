"""What the reading pages share: pages of a list, and the one address that each thing has."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from slugify import slugify

from digest.errors import NotFoundError

PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]
"""Which page of a list is asked for, from 1."""

SEEN = ["GET", "HEAD"]
"""The methods of a page."""


def asked(number: int) -> str:
    """Give what of its query a list looks at, in one spelling."""
    return f"page={number}" if number > 1 else ""


def refuse_beyond(number: int, last: int) -> None:
    """Refuse a page after the last.

    Raises:
        NotFoundError: there are fewer.
    """
    if number > last:
        raise NotFoundError(
            f"there {'is one page' if last == 1 else f'are {last} pages'} of this, and no page {number}"
        )


def moved(request: Request, address: str, *, for_good: bool = True) -> Response:
    """Send a reader to the address a page has, with the query they came with."""
    query = f"?{request.url.query}" if request.url.query else ""
    headers = {"Cache-Control": "public, max-age=300"}
    return RedirectResponse(f"{address}{query}", 301 if for_good else 302, headers)


def address(room: str, slug: str) -> str:
    """Give the address of a thing by its slug: ``/tools/cursor``."""
    return f"/{room}/{quote(slug, safe='')}"


def bare(slug: str) -> str:
    """Give a slug as ours are written, of what somebody typed: ``Claude_Code/`` gives ``claude-code``.

    Raises:
        HTTPException: 404, for what is too long to be one.
    """
    if len(slug) > 200:
        raise HTTPException(404)
    return slugify(slug)
