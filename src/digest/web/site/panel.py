"""The panel, and each reviewer of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue import critics
from digest.errors import NotFoundError
from digest.web.reading import SEEN, PageNumber, address, asked, bare, moved, refuse_beyond
from digest.web.state import Now, Our, Store

router = APIRouter()
SIZE = 24
"""Verdicts on a page of one reviewer."""


@router.api_route("/panel/", methods=SEEN)
def to_panel(request: Request) -> Response:
    """The way to the panel."""
    return moved(request, "/panel")


@router.api_route("/panel", methods=SEEN)
async def panel(request: Request, our: Our, db: Store, now: Now) -> Response:
    """All reviewers."""

    def make() -> dict[str, Any]:
        return {"panel": critics.panel(db, now=now)}

    return await our.pages.shown(request, "panel.html", make, db=db, now=now, asked="")


@router.api_route("/panel/{slug}", methods=SEEN)
@router.api_route("/panel/{slug}/", methods=SEEN)
async def reviewer(slug: str, request: Request, our: Our, db: Store, now: Now, number: PageNumber = 1) -> Response:
    """One reviewer, and what they said of what."""

    def make() -> dict[str, Any]:
        critic = critics.find_critic(db, slug, now=now)
        last = max(1, -(-critic.reviews // SIZE))
        refuse_beyond(number, last)
        reviews = critics.reviews_by(db, critic, now=now, page=number, size=SIZE)
        return {"critic": critic, "reviews": reviews, "number": number, "last": last}

    if request.url.path.endswith("/"):
        return moved(request, address("panel", slug))
    try:
        return await our.pages.shown(request, "reviewer.html", make, db=db, now=now, asked=asked(number))
    except NotFoundError:
        meant = bare(slug)
        if meant == slug:
            raise
        critics.find_critic(db, meant, now=now)
        return moved(request, address("panel", meant))
