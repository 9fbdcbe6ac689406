"""POST /hooks/<provider>: verified, written to the spool as it came, answered; it is worked later.

A caller is told why it was refused in a word or two, so that who sets up a webhook sees what is wrong.
"""

from __future__ import annotations

from datetime import datetime

import httpx
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response

from digest.providers import hooks
from digest.providers.hooks.interface import Call, RefusedError, Verified
from digest.settings import Settings
from digest.tracking.hook_keys import digest_of
from digest.tracking.records import HookCall, encode
from digest.web.hooks.fetching import fetch
from digest.web.state import Now, Our

router = APIRouter(prefix="/hooks")

TRY_AGAIN_S = 60
"""After so long a provider may call again what could not be kept now."""


@router.post("/{provider}")
async def receive(provider: str, request: Request, our: Our, now: Now) -> Response:
    """Take a provider's call."""
    if provider not in hooks.names():
        raise HTTPException(404, f"no provider {provider!r} calls this site" if provider.isidentifier() else None)
    call = Call(
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.body(),
        query=dict(request.query_params),
    )
    try:
        verified = await hooks.hooks_of(provider).verify(call, options(our.settings, provider), now=now, fetch=fetch)
        if verified.key is not None and not await our.hook_keys.is_new(provider, verified.key, digest_of(call.body)):
            our.hook_counts.note(provider, "repeated", now)
            return _said("it came before")
    except RefusedError as error:
        our.hook_counts.note(provider, f"refused: {error}", now)
        return _said(str(error), error.status)
    except (OSError, httpx.HTTPError):
        our.hook_counts.note(provider, "failed: it could not be verified", now)
        return _later("it cannot be verified now")
    return await _keep(our, provider, call, verified, now)


async def _keep(our: Our, provider: str, call: Call, verified: Verified, now: datetime) -> Response:
    try:
        await our.spool.put(encode(HookCall(provider, call.body, verified.key, int(now.timestamp() * 1000))))
        if verified.answer is not None:
            await verified.answer()
    except (OSError, httpx.HTTPError):
        # Whatever of it is in the spool comes twice then, and counts once.
        if verified.key is not None:
            our.hook_keys.forget(provider, verified.key)
        our.hook_counts.note(provider, "failed: it could not be kept", now)
        return _later("it cannot be kept now")
    return _said("taken")


def options(settings: Settings, provider: str) -> dict[str, object]:
    """Give what is set about a provider's calls; whether we send by it as well does not matter."""
    kind = hooks.hooks_of(provider).Options
    given = settings.providers.get(provider, {})
    return dict(kind(**{name: value for name, value in given.items() if name in kind.model_fields}))


def _said(words: str, status: int = 200) -> Response:
    return PlainTextResponse(f"{words}\n", status)


def _later(words: str) -> Response:
    # 429 is the one status after which all of them try again: Brevo gives an event up at any other one of 4xx and 5xx.
    return PlainTextResponse(f"{words}\n", 429, {"Retry-After": str(TRY_AGAIN_S)})
