"""The API's application."""

from __future__ import annotations

from importlib import import_module

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse

from digest.programs.answers import Underway
from digest.web.api.callers import Pace
from digest.web.api.problems import answer_problems
from digest.web.api.schema import describe
from digest.web.guard import refuse_too_large
from digest.web.state import State

SUBJECTS = ("front", "catalogue", "subscribers", "suppressions", "issues", "stats")


def create_api(state: State) -> FastAPI:
    """Make the application that is mounted under /api/v1."""
    api = FastAPI(
        title=f"{state.settings.newsletter_name}: the API",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(refuse_too_large)],
        default_response_class=_Json,
    )
    api.state.digest = state
    api.state.pace = Pace(state.settings.api_calls_a_minute)
    api.state.underway = Underway()
    for subject in SUBJECTS:
        api.include_router(import_module(f"digest.web.api.{subject}").router)
    api.openapi = describe(api)  # type: ignore[method-assign]
    answer_problems(api)
    return api


class _Json(JSONResponse):
    """Answers are about people: nobody on the way keeps them."""

    def init_headers(self, headers: object = None) -> None:
        super().init_headers(headers)  # type: ignore[arg-type]
        self.headers.setdefault("Cache-Control", "no-store")
