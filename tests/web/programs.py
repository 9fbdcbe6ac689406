"""A program that calls the API, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx

from digest.programs import api_tokens
from digest.programs.api_tokens import SCOPES
from digest.store import Database

CONSENT = {"source": "https://shop.example.org", "words": "Yes, send it.", "at": "2026-11-20T09:00:00Z"}
"""What a reader agreed to elsewhere."""

LOGS = ("api_tokens", "answers")
"""The tables that a call writes to beside its effect."""


class Program(httpx.Client):
    """Calls the API with a token, and holds every refusal to be a problem (RFC 9457)."""

    def request(self, *args: Any, **kwargs: Any) -> httpx.Response:
        answer = super().request(*args, **kwargs)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail"} <= answer.json().keys()
            assert answer.json()["status"] == answer.status_code
        if answer.status_code == 422:
            assert answer.json()["errors"]
        return answer

    def at(self, address: str) -> httpx.Response:
        """Get an address as the server gave it."""
        return self.get(self.base_url.join(address))


@contextmanager
def program(db: Database, server: httpx.URL, now: datetime, *scopes: str, name: str = "site") -> Iterator[Program]:
    """A program with a token of some scopes, or of all."""
    token, _ = api_tokens.create(db, name, scopes or SCOPES, now=now)
    with Program(base_url=server.join("/api/v1/"), headers={"Authorization": f"Bearer {token}"}, timeout=30) as found:
        yield found


def fields(answer: httpx.Response) -> list[str]:
    """The fields that a refusal names."""
    return [error["field"] for error in answer.json()["errors"]]


def walk(site: Program, address: str, limit: int, **filters: str) -> list[dict[str, Any]]:
    """Follow the Link headers from the first page to the last."""
    found: list[dict[str, Any]] = []
    answer = site.get(address, params={"limit": limit, **filters})
    while True:
        page = answer.json()
        found += page["items"]
        assert len(page["items"]) <= limit
        if page["next"] is None:
            assert "link" not in answer.headers
            return found
        assert answer.links["next"]["url"].startswith("/api/v1/")
        answer = site.at(answer.links["next"]["url"])
