"""The desk's own style sheets and scripts; they say nothing of anybody, so they need no session."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from digest.web.reading import SEEN
from digest.web.site.assets import file_of

router = APIRouter()


@router.api_route("/desk/static/{version}/{name}", methods=SEEN)
def asset(version: str, name: str) -> Response:
    """A file of templates/desk/static/; its version is that of the page that asks."""
    return file_of("desk", name, for_ever=True)
