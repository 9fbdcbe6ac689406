"""The browser that asks: the cookies it has from us, and what it is called.

Before anybody is signed in, a browser is known by a cookie of chance. To it are bound the links it asks for, what its
passkeys are to sign, and its forms, so that no other site can sign somebody in as somebody else (OWASP, “Login CSRF”).
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.responses import Response

from digest.editors import sessions
from digest.web.abuse.sign_ins import Attempt
from digest.web.desk.access import CSRF_FIELD, CSRF_HEADER, cookie_name, is_secure
from digest.web.forms import Posted
from digest.web.guard import from_here
from digest.web.state import Now, Our

KNOWN_FOR = timedelta(days=1)
"""Longer than any link that was asked for works; a cookie without an end would be gone when a phone closes its browser
to open the mail."""

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"), ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True)
class Browser:
    """A browser that is not signed in, as yet: the secret of its cookie."""

    secret: str

    @property
    def csrf(self) -> str:
        """What its forms must carry."""
        return sessions.csrf_of(self.secret)

    def remember(self, request: Request, answer: Response) -> Response:
        """Put the cookie into an answer."""
        return _with_cookie(request, answer, "browser", self.secret, KNOWN_FOR)


def browser_of(request: Request) -> Browser | None:
    """Give the browser by its cookie; None where it has none, or one that is not as ours are."""
    secret = request.cookies.get(cookie_name("browser", secure=is_secure(request)), "")
    return Browser(secret) if _SECRET.fullmatch(secret) else None


def browser_or_new(request: Request) -> Browser:
    """Give the browser by its cookie, or one to be remembered."""
    return browser_of(request) or Browser(secrets.token_urlsafe(32))


def known_browser(request: Request, form: Posted, _: Annotated[None, Depends(from_here)]) -> Browser:
    """Give the browser whose form this is.

    Raises:
        HTTPException: 403, for a form of another site, of another browser, of one that keeps no cookies.
    """
    browser = browser_of(request)
    given = request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD, "")
    if browser is None or not hmac.compare_digest(given.encode(), browser.csrf.encode()):
        raise HTTPException(
            403,
            "this page is too old, or your browser keeps no cookies of this site: open the desk again, and if it says"
            " the same, allow cookies for this site",
        )
    return browser


Known = Annotated[Browser, Depends(known_browser)]
"""What a form that needs no session asks for."""


class Slowly:
    """A dependency that keeps a network from trying too often."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt: Attempt = attempt

    async def __call__(self, request: Request, our: Our, now: Now) -> None:
        """Count an attempt.

        Raises:
            HTTPException: 429.
        """
        address = request.client.host if request.client else ""
        if (wait := our.sign_ins.take(self._attempt, address, now=now)) is not None:
            minutes = max(1, round(wait / timedelta(minutes=1)))
            raise HTTPException(
                429,
                "there were very many attempts from your network; please try again in"
                f" {'a minute' if minutes == 1 else f'{minutes} minutes'}",
                headers={"Retry-After": str(max(1, round(wait.total_seconds())))},
            )


def signed_in(request: Request, answer: Response, secret: str) -> Response:
    """Put the cookie of a session into an answer, and take away the one from before, which has done its work."""
    _forget(request, answer, "browser")
    return _with_cookie(request, answer, "desk", secret, sessions.LASTS)


def signed_out(request: Request, answer: Response) -> Response:
    """Take the cookie of a session away."""
    return _forget(request, answer, "desk")


def name_of(request: Request) -> str:
    """Give what a browser calls itself: ``Firefox on Linux``."""
    agent = request.headers.get("user-agent", "")
    browser = next((name for mark, name in _BROWSERS if mark in agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{browser} on {system}" if system else browser


def _with_cookie(request: Request, answer: Response, name: str, value: str, lasts: timedelta) -> Response:
    secure = is_secure(request)
    # Lax and not Strict: who follows the link of a mail comes from another site, and must be known.
    answer.set_cookie(
        cookie_name(name, secure=secure),
        value,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )
    return answer


def _forget(request: Request, answer: Response, name: str) -> Response:
    secure = is_secure(request)
    answer.delete_cookie(cookie_name(name, secure=secure), path="/", secure=secure, httponly=True, samesite="lax")
    return answer
