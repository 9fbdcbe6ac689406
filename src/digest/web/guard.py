"""What holds for every request and every answer: sizes, origins, headers."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest.settings import Settings
from digest.web.pages import origin_of

BODY = 64 * 1024
"""Bytes a form may have."""

ADDRESS = 8_000
"""Characters an address may have: what RFC 9110 (4.1) recommends that everybody takes."""

BODY_OF_API = 5 * 1024 * 1024
"""Bytes a call of the API may have."""

BODY_OF_HOOK = 5 * 1024 * 1024
"""Bytes a provider's call may have: SendGrid's, of a thousand events, are the largest."""


BODY_OF_DESK = 256 * 1024
"""Bytes a form of the desk may have: an introduction is longer than anything readers type."""

BODY_OF_IMPORT = 200 * 1024 * 1024
"""Bytes of the files an editor may bring at once: two million readers as CSV."""

BODY_OF_CATALOGUE = 5 * 1024 * 1024
"""Bytes of files for the catalogue, which hold the write lock while they are judged: as many as by the API."""

IMPORTS = {
    "/desk/catalogue/import": BODY_OF_CATALOGUE,
    "/desk/subscribers/import": BODY_OF_IMPORT,
    "/desk/subscribers/suppressions/import": BODY_OF_IMPORT,
}
"""What files may have, by the address. Each asks who it is before anything is read, and what is no file stays in
memory: so only a form with files may be so large."""


def security_headers(settings: Settings) -> dict[str, str]:
    """Give the headers of every answer that has no other of the same name."""
    pictures = f" {origin_of(settings.logo_url)}" if settings.logo_url else ""
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self';"
        f" img-src 'self' data:{pictures}; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        # Tokens stand in addresses: other sites learn none. `no-referrer` would hide the Origin of our own forms.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    }
    if settings.base_url.startswith("https:"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


class Guard:
    """ASGI middleware: refuses bodies that are too large, and sets the security headers of the settings in force."""

    def __init__(self, app: ASGIApp, settings: Callable[[], Settings]) -> None:
        self._app, self._settings = app, settings
        self._headers: tuple[Settings | None, dict[str, str]] = (None, {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 (ASGI's own)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope)
        limit = _limit(scope["method"], scope["path"], given.get("content-type", ""))
        stated = given.get("content-length", "0")
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(413, f"it is larger than the {limit // 1024} KB that are taken")
            return message

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers_now().items():
                    headers.setdefault(name, value)
            await send(message)

        if stated.isdigit() and int(stated) > limit:
            scope["digest.too_large"] = limit
        await self._app(scope, limited, headed)

    def _headers_now(self) -> dict[str, str]:
        settings, headers = self._settings(), self._headers
        if headers[0] is not settings:
            headers = self._headers = (settings, security_headers(settings))
        return headers[1]


def _limit(method: str, path: str, kind: str) -> int:
    if path.startswith("/api/"):
        return BODY_OF_API
    if path.startswith("/desk/"):
        has_files = kind.strip().lower().startswith("multipart/form-data")
        return IMPORTS.get(path, BODY_OF_DESK) if has_files else BODY_OF_DESK
    return BODY_OF_HOOK if method == "POST" and path.startswith("/hooks/") else BODY


async def refuse_too_large(request: Request) -> None:
    """Refuse a request whose address, or whose body's stated size, is beyond the limit, before the body is read.

    Raises:
        HTTPException: 413, 414.
    """
    if len(request.scope["query_string"]) + len(request.scope["path"]) > ADDRESS:
        raise HTTPException(414)
    if (limit := request.scope.get("digest.too_large")) is not None:
        raise HTTPException(413, f"it is larger than the {limit // 1024} KB that are taken")


async def from_here(request: Request) -> None:
    """Refuse a POST that another site's page makes in a reader's name.

    A browser says where a POST comes from (`Origin`, `Sec-Fetch-Site`); what says nothing is no browser of today, and
    carries no cookie of a reader.

    Raises:
        HTTPException: 403.
    """
    origin = request.headers.get("origin")
    fetched = request.headers.get("sec-fetch-site", "same-origin")
    ours = {origin_of(request.app.state.digest.settings.base_url), origin_of(str(request.base_url))}
    if (origin is not None and origin.lower() not in ours) or fetched not in ("same-origin", "none"):
        raise HTTPException(403, "this form was sent from another site; open the page here and press its button again")
