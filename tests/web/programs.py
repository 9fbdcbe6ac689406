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


@contextmanager
def program(db: Database, server: httpx.URL, now: datetime, *scopes: str, name: str = "site") -> Iterator[Program]:
    """A program with a token of some scopes, or of all."""
    token, _ = api_tokens.create(db, name, scopes or SCOPES, now=now)
    with Program(base_url=server.join("/api/v1/"), headers={"Authorization": f"Bearer {token}"}, timeout=30) as found:
        yield found
