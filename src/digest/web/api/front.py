"""What the API says of itself: a page for people, and its description for programs. Neither needs a token."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from digest.web.api.problems import KINDS
from digest.web.state import Now, Our

router = APIRouter(include_in_schema=False)


@router.get("/")
def page(request: Request, our: Our, now: Now) -> Response:
    """A page that lists the calls, and the kinds of problems: where the `type` of each leads to."""
    subjects: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path, operations in request.app.openapi()["paths"].items():
        for method, operation in operations.items():
            scopes = [scope for each in operation.get("security", ()) for scope in each.get("bearer", ())]
            subjects[operation["tags"][0]].append(
                {
                    "method": method.upper(),
                    "path": path,
                    "summary": operation["summary"],
                    "description": " ".join(operation["description"].replace("`", "").split()),
                    "scopes": scopes,
                }
            )
    context = {"subjects": list(subjects.items()), "kinds": KINDS.values()}
    return our.pages.page(request, "programs.html", context, now=now)


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """The description, OpenAPI 3.1."""
    return JSONResponse(request.app.openapi(), headers={"Cache-Control": "public, max-age=300"})
