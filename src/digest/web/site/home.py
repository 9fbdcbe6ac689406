"""The front page: the latest issue and the newest comparisons."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue.finding import categories, newest
from digest.issue.archive import mailed
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter()
SHOWN = 7
"""Comparisons on the front page: the lead, then two rows of three, or three of two."""


@router.api_route("/", methods=SEEN)
async def home(request: Request, our: Our, db: Store, now: Now) -> Response:
    """The front page."""

    def make() -> dict[str, Any]:
        return {
            "issue": next(iter(mailed(db, size=1).issues), None),
            "newest": newest(db, now=now, size=SHOWN),
            "categories": categories(db, now=now),
        }

    return await our.pages.shown(request, "home.html", make, db=db, now=now, asked="")
