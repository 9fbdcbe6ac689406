"""Who calls: a token in the Authorization header (RFC 6750), its scopes, and how often it may call."""

from __future__ import annotations

import math
import time
from typing import Annotated

from fastapi import Depends, Request, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from digest.programs import api_tokens
from digest.programs.api_tokens import ApiToken, Scope
from digest.web.api.problems import ProblemError
from digest.web.state import Now, Store

_bearer = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="dgt_…",
    description="A token of `digest tokens create`, which is shown once. The scopes beside an operation are needed.",
    auto_error=False,
)


class Pace:
    """Counts the calls of each token, in this process."""

    def __init__(self, a_minute: int) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(a_minute)

    def count(self, token: ApiToken) -> None:
        """Count a call.

        Raises:
            ProblemError: it is one too many.
        """
        if not self._limiter.hit(self._limit, str(token.id)):
            wait = self._limiter.get_window_stats(self._limit, str(token.id)).reset_time - time.time()
            raise ProblemError(
                "too-many-calls",
                f"a token may call {self._limit.amount} times a minute",
                headers={"Retry-After": str(max(1, math.ceil(wait)))},
            )


def _caller(
    request: Request,
    needed: SecurityScopes,
    shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    db: Store,
    now: Now,
) -> ApiToken:
    if shown is None:
        raise ProblemError(
            "no-token",
            "this call needs a token: Authorization: Bearer dgt_…",
            headers={"WWW-Authenticate": "Bearer"},
        )
    token = api_tokens.read(db, shown.credentials, now=now)
    pace: Pace = request.app.state.pace
    pace.count(token)
    missing = [scope for scope in needed.scopes if scope not in token.scopes]
    if missing:
        raise ProblemError(
            "scope-missing",
            f"the token {token.name!r} has not the scope {' '.join(missing)}",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{" ".join(needed.scopes)}"'},
        )
    _know_its_query(request)
    request.state.caller = token
    return token


def allowed(*scopes: Scope) -> params.Security:
    """Give what a route lists among its dependencies, first of all: a caller with these scopes."""
    return params.Security(_caller, scopes=list(scopes))


def _know_its_query(request: Request) -> None:
    """Refuse a parameter that the address does not have: misspelled, it would do nothing and not say so.

    Raises:
        ProblemError: naming it.
    """
    if not request.url.query:
        return
    operation = request.app.openapi()["paths"].get(request.scope["route"].path, {}).get(request.method.lower(), {})
    known = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            there = f"; there is {', '.join(sorted(known))}" if known else ""
            raise ProblemError(
                "invalid", f"{name}: there is no such parameter{there}", errors=[(name, "there is no such parameter")]
            )
        if given.count(name) > 1:
            raise ProblemError("invalid", f"{name}: it stands twice", errors=[(name, "it stands twice")])
