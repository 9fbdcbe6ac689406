"""Style sheets and scripts: addresses that change with their content, kept for a year."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response

from digest.resources import resource
from digest.web.state import Our

router = APIRouter()
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*\.(css|js|svg|png|ico|txt)")


@router.api_route("/static/theme.css", methods=["GET", "HEAD"])
def theme(our: Our) -> Response:
    """The newsletter's colours."""
    return Response(our.pages.theme, media_type="text/css", headers={"Cache-Control": "public, max-age=300"})


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
def asset(name: str, request: Request) -> Response:
    """A file of templates/site/static/."""
    path: Path = resource("templates", "site", "static") / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise HTTPException(404)
    age = "public, max-age=31536000, immutable" if request.query_params.get("v") else "public, max-age=300"
    return FileResponse(path, headers={"Cache-Control": age})
