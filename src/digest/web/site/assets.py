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
def theme(our: Our, request: Request) -> Response:
    """The newsletter's colours: for ever under the address that is theirs."""
    pages = our.pages
    # Another process may have given an address of colours that this one does not know yet.
    if f"{request.url.path}?{request.url.query}" == pages.theme_address:
        age = "public, max-age=31536000, immutable"
    else:
        age = "no-store" if request.url.query else "public, max-age=300"
    return Response(pages.theme, media_type="text/css", headers={"Cache-Control": age})


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
def asset(name: str, request: Request) -> Response:
    """A file of templates/site/static/."""
    return file_of("site", name, for_ever=bool(request.query_params.get("v")))


def file_of(part: str, name: str, *, for_ever: bool) -> Response:
    """Answer with a file of templates/<part>/static/; `for_ever` says that its address changes with it."""
    path: Path = resource("templates", part, "static") / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise HTTPException(404)
    age = "public, max-age=31536000, immutable" if for_ever else "public, max-age=300"
    return FileResponse(path, headers={"Cache-Control": age})
