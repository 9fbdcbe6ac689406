"""For machines that watch: whether the process lives, whether it can do its work, and its figures."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import Any

import orjson
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from digest import __version__
from digest.web.metrics import MEDIA_TYPE
from digest.web.readiness import unready
from digest.web.reading import SEEN
from digest.web.state import Our, State, Store

router = APIRouter()

_OWN = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}

FORWARDING = frozenset(
    {
        "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-server",
        "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "fly-client-ip", "x-cluster-client-ip",
    }
)  # fmt: skip
"""What a proxy adds: who carries one of these speaks for another."""


@router.api_route("/healthz", methods=SEEN)
async def lives() -> Response:
    """That the process lives: it looks at nothing, so that a busy store gets nobody killed."""
    return _answer({"status": "ok", "version": __version__})


@router.api_route("/readyz", methods=SEEN)
def ready(our: Our) -> Response:
    """That it can do its work; 503 where a part cannot, and which."""
    found = unready(our)
    said = {"status": "not ready" if found else "ok", "version": __version__, "not_ready": found}
    return _answer(said, 503 if found else 200)


@router.api_route("/metrics", methods=SEEN)
def metrics(request: Request, our: Our, db: Store) -> Response:
    """The figures, for those who may have them; for others there is no such page.

    Raises:
        HTTPException: 404.
    """
    if not _may_read(request, our):
        raise HTTPException(404)
    return Response(our.metrics.written(our, db), 200, _OWN, MEDIA_TYPE)


def _answer(said: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(said) + b"\n", status, _OWN, "application/json")


def _may_read(request: Request, our: State) -> bool:
    """Tell whether figures may be read: with the token, or of a site that is not public, from this machine itself.

    A public site has a proxy before it, which asks from here for all the world: there only the token counts. A proxy
    that nobody told us of is known by what it adds, or by the HTTP/1.0 that nginx speaks where nothing else is said.
    """
    token = our.settings.metrics_token
    if token is not None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode(), token.get_secret_value().encode()
        )
    if not _is_local(our.settings.host):
        return False
    if FORWARDING & {*request.headers.keys()} or request.scope.get("http_version") == "1.0":
        return False
    return _is_local(request.client.host if request.client else "") and _is_local(request.url.hostname or "")


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
