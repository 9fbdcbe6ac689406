"""The way in: where the desk begins."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from digest.web.desk.access import AsEditor
from digest.web.desk.pages import OWN, done
from digest.web.reading import SEEN

router = APIRouter()


@router.api_route("/desk", methods=SEEN)
def to_the_desk(here: AsEditor) -> Response:
    """The desk's address as people type it."""
    return done("/desk/")


@router.api_route("/desk/form-token", methods=SEEN)
def form_token(here: AsEditor) -> Response:
    """What forms of this session carry, for a page that stayed open while its editor signed in anew."""
    return JSONResponse({"csrf": here.csrf, "name": here.editor.name}, headers=OWN)
