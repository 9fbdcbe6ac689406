"""The Idempotency-Key header: a POST that is made again does nothing again, and is answered as the first one was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from digest.programs.answers import KEY_LENGTH, Answer, Call, Underway, once
from digest.store import Database
from digest.web.state import Now, Store


@dataclass(frozen=True)
class Once:
    """Does the work of a POST, once for each key."""

    db: Database
    now: datetime
    call: Call | None
    underway: Underway

    def __call__(self, work: Callable[[], Answer]) -> Response:
        """Give the answer of `work`, or that of the first call with this key.

        All that `work` writes belongs to one transaction with its answer, so it must not wait for the network.
        """
        if self.call is None:
            return _response(work())
        with self.underway.hold(self.call):
            return _response(once(self.db, self.call, work, now=self.now))


def answer(status: int, body: BaseModel | None, *, location: str | None = None) -> Answer:
    """Make an answer of a model."""
    return Answer(status, b"" if body is None else body.model_dump_json().encode(), location)


def _response(made: Answer) -> Response:
    headers = {"Cache-Control": "no-store"}
    if made.location:
        headers["Location"] = made.location
    if made.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(made.body or None, made.status, headers, "application/json" if made.body else None)


async def _once(
    request: Request,
    db: Store,
    now: Now,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=KEY_LENGTH,
            pattern=r"^[!-~]+$",
            description=(
                "Any name of your own for this call, such as a UUID. The same call with the same key within 24 hours"
                " does nothing and is answered as the first one was, with `Idempotency-Replayed: true`."
            ),
        ),
    ] = None,
) -> Once:
    call = None
    if idempotency_key is not None:
        whole = hashlib.sha256()
        for part in (request.method.encode(), request.url.path.encode(), request.url.query.encode()):
            whole.update(part + b"\n")
        whole.update(await request.body())
        call = Call(request.state.caller.id, idempotency_key, whole.digest())
    return Once(db, now, call, request.app.state.underway)


Repeatable = Annotated[Once, Depends(_once)]
"""What a POST asks for."""
