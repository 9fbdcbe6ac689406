"""The site's icon: the tick of a verdict, in the newsletter's own colour."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.mail.theme import Palette
from digest.web.pictures import icon_file
from digest.web.state import Our

router = APIRouter()


@router.api_route("/icon.svg", methods=["GET", "HEAD"])
def icon(our: Our) -> Response:
    """The icon that pages name."""
    colors = Palette.of(our.settings)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<rect width="64" height="64" rx="14" fill="{colors.accent}"/>'
        '<path d="M17 34l10 11 20-27" fill="none" stroke-width="8" stroke-linecap="round" stroke-linejoin="round"'
        f' stroke="{colors.on_accent}"/></svg>'
    )
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})


@router.api_route("/favicon.ico", methods=["GET", "HEAD"])
def favicon(request: Request, our: Our) -> Response:
    """Where browsers and readers of feeds look that read no page: 16, 32 and 48 pixels."""
    return our.kept.answer(
        request,
        "/favicon.ico",
        lambda: icon_file(our.settings),
        version=0,
        media_type="image/vnd.microsoft.icon",
        seconds=86_400,
    )
