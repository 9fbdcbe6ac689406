"""The way in: where the desk begins."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from digest.web.desk.access import AsEditor
from digest.web.desk.pages import done
from digest.web.reading import SEEN

router = APIRouter()


@router.api_route("/desk", methods=SEEN)
def to_the_desk(here: AsEditor) -> Response:
    """The desk's address as people type it."""
    return done("/desk/")
