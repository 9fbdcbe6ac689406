"""Reports for whom an editor gave a signed link that ends.

Nobody keeps a page, no search engine lists it, and its link, being in its address, is told to no other site.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from digest import times
from digest.tokens import TokenError
from digest.web import reporting
from digest.web.readers import then
from digest.web.reading import SEEN
from digest.web.reporting import View
from digest.web.state import Now, Our, State


class _Behind(APIRoute):
    """A route that is answered only where the link's token is ours and has not ended."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def behind(request: Request) -> Response:
            return _refused(request) or await handle(request)

        return behind


def _refused(request: Request) -> Response | None:
    """Give the page that says what is wrong with a link, where something is."""
    our: State = request.app.state.digest
    now = our.clock()
    try:
        ends, _ = our.signers.links.read("report", request.path_params["token"])
    except TokenError:
        context = {
            "heading": "This link is not whole",
            "words": "Part of it is missing, or it was changed on the way. Please copy all of it.",
        }
        return our.pages.page(request, "report-over.html", context, now=now, status=400)
    if ends <= now.timestamp():
        context = {
            "heading": "This link has run out",
            "words": f"It showed the reports until {our.pages.readable(_ends(ends))}.",
        }
        return our.pages.page(request, "report-over.html", context, now=now, status=410)
    return None


def _ends(seconds: int) -> str:
    return times.to_text(datetime.fromtimestamp(seconds, UTC))


async def _look(request: Request, our: Our, now: Now) -> None:
    """Say how the shared pages are answered with here."""
    token = request.path_params["token"]
    ends, _ = our.signers.links.read("report", token)

    def answer(template: str, context: dict[str, Any]) -> Response:
        return our.pages.page(request, template, {"ends": _ends(ends)} | context, now=now)

    request.state.reports = View(f"/reports/{token}/", "report.html", answer)


router = APIRouter(prefix="/reports/{token}", route_class=_Behind)


@router.api_route("", methods=SEEN)
def to_overview(token: str) -> Response:
    """The way to the page of all issues."""
    return then(f"/reports/{token}/")


reporting.add_to(router, _look)
