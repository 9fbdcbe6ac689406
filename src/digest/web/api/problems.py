"""What can go wrong with a call, as problem details (RFC 9457): a small list of kinds, told of where they lead to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from digest.audience.brake import BrakeError
from digest.errors import DigestError, InputError, NotFoundError, StateError
from digest.programs.answers import KeyBusyError, KeyReusedError
from digest.programs.api_tokens import RefusedTokenError
from digest.web.state import State

MEDIA_TYPE = "application/problem+json"
SHOWN = 50
"""Errors of one call that are told."""
LONGEST = 500
"""Characters of a message: what was sent is not sent back whole."""


@dataclass(frozen=True)
class Kind:
    """A kind of problem: the end of its address, its status, its title, and what to do about it."""

    name: str
    status: int
    title: str
    advice: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("not-json", 400, "The body is not JSON", "Send one JSON object in UTF-8, in which no key stands twice."),
        Kind("no-token", 401, "No token that is in force", "Send `Authorization: Bearer dgt_…`; see `digest tokens`."),
        Kind("scope-missing", 403, "The token may not do this", "Make a token with the scope that `detail` names."),
        Kind("not-found", 404, "There is no such thing", "Look at the address, or at the list it should be in."),
        Kind("method-not-allowed", 405, "Not with this method", "Use one of those that `Allow` names."),
        Kind(
            "conflict", 409, "It does not fit how things stand", "Read `detail`; the same call will be refused again."
        ),
        Kind("key-busy", 409, "A call with this key is being worked on", "Ask again after `Retry-After` seconds."),
        Kind("too-large", 413, "The body is too large", "Send it in parts."),
        Kind("address-too-long", 414, "The address is too long", "Ask for less in one call."),
        Kind("wrong-media-type", 415, "The body is of another type", "Send `Content-Type: application/json`."),
        Kind("invalid", 422, "Something is not as it should be", "Every one of `errors` has a field and a message."),
        Kind("key-reused", 422, "The key came before with another call", "A new call takes a new Idempotency-Key."),
        Kind("too-many-calls", 429, "Too many calls", "Ask again after `Retry-After` seconds."),
        Kind(
            "internal", 500, "Something is wrong with us", "Ask again; if it stays so, look at what the server printed."
        ),
        Kind("busy", 503, "The store is busy", "Ask again after `Retry-After` seconds; nothing was changed."),
    )
}
"""Every kind of problem. The first of a status is what stands for it."""

_OF_STATUS = {kind.status: kind for kind in reversed(KINDS.values())}


class ProblemError(Exception):
    """A call that cannot be answered as it should be."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors, self.headers = KINDS[kind], detail, tuple(errors), dict(headers or {})


def invalid(field: str, message: str) -> ProblemError:
    """Refuse one field: `pointer`-like for a body (``tools.0.name``), or the name of a parameter."""
    return ProblemError("invalid", f"{field}: {message}", errors=[(field, message)])


def answer_problems(api: FastAPI) -> None:
    """Have every error of an application answered as a problem."""
    for kind in (ProblemError, HTTPException, RequestValidationError, DigestError, sqlite3.Error, Exception):
        api.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    state: State = request.app.state.digest
    problem = _problem_of(error)
    headers = dict(problem.headers)
    if problem.kind.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods_at(request)))
    body: dict[str, Any] = {
        "type": f"{state.settings.base_url}/api/v1/#{problem.kind.name}",
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": _clean(problem.detail),
    }
    if problem.errors:
        body["errors"] = [
            {"field": _clean(field), "message": _clean(message)} for field, message in problem.errors[:SHOWN]
        ]
    headers["Cache-Control"] = "no-store"
    return Response(json.dumps(body, ensure_ascii=False).encode(), problem.kind.status, headers, MEDIA_TYPE)


def _problem_of(error: Exception) -> ProblemError:
    match error:
        case ProblemError():
            return error
        case RequestValidationError():
            found = list(_told(error))
            return ProblemError("invalid", "; ".join(f"{field}: {message}" for field, message in found), errors=found)
        case HTTPException():
            kind = _OF_STATUS.get(error.status_code, KINDS["internal" if error.status_code >= 500 else "invalid"])
            detail = str(error.detail) if error.detail != HTTPStatus(error.status_code).phrase else kind.advice
            return ProblemError(kind.name, detail, headers=error.headers)
        case RefusedTokenError():
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return ProblemError("no-token", str(error), headers=headers)
        case KeyBusyError():
            return ProblemError("key-busy", str(error), headers={"Retry-After": "1"})
        case KeyReusedError():
            return ProblemError("key-reused", str(error), errors=[("Idempotency-Key", str(error))])
        case InputError():
            found = [(_field_of(each), each.message) for each in (error, *error.more)]
            return ProblemError("invalid", f"{found[0][0]}: {found[0][1]}", errors=found)
        case NotFoundError():
            return ProblemError("not-found", str(error))
        case BrakeError():
            return ProblemError("too-many-calls", str(error), headers={"Retry-After": "3600"})
        case StateError():
            return ProblemError("conflict", str(error))
        case sqlite3.OperationalError():
            busy = "another process holds the store's lock; please ask again"
            return ProblemError("busy", busy, headers={"Retry-After": "5"})
        case _:
            return ProblemError("internal", "it was written to the server's own output")


def _told(error: RequestValidationError) -> Iterator[tuple[str, str]]:
    for each in error.errors():
        place = ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0])
        yield place, str(each["msg"])


def _field_of(error: InputError) -> str:
    pointer = (error.pointer or "").strip("/").replace("/", ".")
    return pointer or error.field or "body"


def _methods_at(request: Request) -> set[str]:
    """Give every method of an address: Starlette's own `Allow` has those of the first route only."""
    found = request.app.openapi()["paths"].items()
    methods = {
        method.upper()
        for path, operations in found
        if compile_path(path)[0].match(_path(request))
        for method in operations
    }
    return methods or {"GET"}


def _path(request: Request) -> str:
    path, root = request.scope["path"], request.scope.get("root_path", "")
    return str(path[len(root) :] if path.startswith(root) else path)


def _clean(text: str) -> str:
    """Give a text that is UTF-8 whatever was sent to us, and not long."""
    cut = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return cut.encode("utf-8", "backslashreplace").decode()
