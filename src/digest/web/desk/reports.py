"""Reports in the desk."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.web import reporting
from digest.web.desk.access import AsEditor
from digest.web.desk.pages import page
from digest.web.reporting import View
from digest.web.state import Now, Our


async def _look(here: AsEditor, request: Request, our: Our, now: Now) -> None:
    """Say how the shared pages are answered with here."""

    def answer(template: str, context: dict[str, Any]) -> Response:
        return page(request, our, here, template, context, now=now)

    request.state.reports = View("/desk/reports/", "desk-report.html", answer)


router = APIRouter(prefix="/desk/reports")
reporting.add_to(router, _look)
