"""The API's application."""

from __future__ import annotations

from fastapi import FastAPI

from digest.web.state import State


def create_api(state: State) -> FastAPI:
    """Make the application that is mounted under /api/v1."""
    api = FastAPI(title=f"{state.settings.newsletter_name}: the API", version="1", docs_url=None, redoc_url=None)
    api.state.digest = state
    return api
