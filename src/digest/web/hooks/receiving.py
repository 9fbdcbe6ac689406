"""POST /hooks/<provider>: verified, written to the spool as it came, answered; it is worked later.

A caller is told why it was refused in a word or two, so that who sets up a webhook sees what is wrong.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from functools import partial

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response

from digest.providers import hooks
from digest.providers.hooks.interface import Call, RefusedError
from digest.settings import Settings
from digest.tokens import TokenError
from digest.tracking.hook_counting import UNCOUNTED
from digest.tracking.hook_keys import Seen, digest_of, look
from digest.tracking.records import HookCall, encode
from digest.tracking.spool import SpoolError
from digest.web.hooks.fetching import fetch
from digest.web.state import Now, Our, State
from digest.web.stores import Stores

router = APIRouter(prefix="/hooks")

TRY_AGAIN_S = 60
"""After so long a provider may call again what could not be taken now."""


@router.post("/{provider}")
async def receive(provider: str, request: Request, our: Our, now: Now) -> Response:
    """Take a provider's call: it is answered 200 once it is in the spool, or was before."""
    if provider not in hooks.names():
        raise HTTPException(404)
    try:
        async with our.hook_bodies.read(request) as body:
            await _take(provider, request, body, our, now)
    except RefusedError as error:
        if not _is_doctor(request, our):
            our.hook_counts.note(provider, f"refused: {error}", now)
        return PlainTextResponse(f"{error}\n", error.status)
    except (SpoolError, OSError, sqlite3.OperationalError):
        # A certificate cannot be had, or the disk is full. It comes again; what of it is in the spool counts once.
        our.hook_counts.note(provider, "failed", now)
        # After 429 they try again: Brevo gives an event up at any other status of 4xx and 5xx. Only Amazon does at 429.
        status = getattr(hooks.hooks_of(provider), "TRY_AGAIN", 429)
        return PlainTextResponse("it cannot be taken now\n", status, {"Retry-After": str(TRY_AGAIN_S)})
    return PlainTextResponse("taken\n")


def _is_doctor(request: Request, our: State) -> bool:
    """Tell whether it is `digest doctor` that looks whether this address can be reached; nobody is to count that."""
    try:
        return our.signers.links.read("copy", request.headers.get(UNCOUNTED, "")) == (0, 0)
    except TokenError:
        return False


async def _take(provider: str, request: Request, body: bytes, our: State, now: datetime) -> None:
    """Have a call in the spool, if it is the provider's own.

    Raises:
        RefusedError: it is not.
        Exception: it cannot be taken now.
    """
    call = Call(
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        query=dict(request.query_params),
    )
    verified = await hooks.hooks_of(provider).verify(call, options(our.settings, provider), now=now, fetch=fetch)
    record = encode(HookCall(provider, body, verified.key, int(now.timestamp() * 1000)))

    async def keep() -> None:
        await our.spool.put(record)
        if verified.answer is not None:
            await verified.answer()

    digest = digest_of(body)
    # Where the signature covers the body, the same call again changes nothing: it is enough to know it for a while.
    seen = partial(_look, our.stores, provider, verified.key, digest) if verified.key else None
    key = verified.key or f"body {digest.hex()}"
    if not await our.hook_keys.once(provider, key, digest, look=seen, keep=keep):
        our.hook_counts.note(provider, "repeated", now)


def _look(stores: Stores, provider: str, key: str, digest: bytes) -> Seen:
    db = stores.take()
    try:
        return look(db.conn, provider, key, digest)
    finally:
        stores.give_back(db)


def options(settings: Settings, provider: str) -> dict[str, object]:
    """Give what is set about a provider's calls; whether we send by it as well does not matter."""
    kind = hooks.hooks_of(provider).Options
    given = settings.providers.get(provider, {})
    return dict(kind(**{name: value for name, value in given.items() if name in kind.model_fields}))
