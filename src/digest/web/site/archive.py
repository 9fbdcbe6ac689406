"""The issues that went out: all of them, each as a page of the site, and each as the mail it was."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from digest.issue import compose, issues
from digest.issue.archive import beside, find_mailed, frozen_html, mailed, pages_of_tools
from digest.web.guard import security_headers
from digest.web.impersonal import impersonal
from digest.web.pages import version_of
from digest.web.reading import SEEN, PageNumber, asked, moved, refuse_beyond
from digest.web.state import Now, Our, State, Store

router = APIRouter()


def _number(number: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", number):
        raise HTTPException(404)
    return int(number)


Number = Annotated[int, Depends(_number)]
"""The number of an issue in an address, in the one spelling it has."""


@router.api_route("/issues", methods=SEEN)
def to_issues(request: Request) -> Response:
    """The way to the list."""
    return moved(request, "/issues/")


@router.api_route("/issues/", methods=SEEN)
def archive(request: Request, our: Our, db: Store, now: Now, number: PageNumber = 1) -> Response:
    """The issues that went out, the newest first."""

    def make() -> dict[str, Any]:
        shelf = mailed(db, page=number)
        refuse_beyond(number, shelf.last)
        return {"shelf": shelf}

    return our.pages.public(request, "issues.html", make, version=version_of(db, now), now=now, asked=asked(number))


@router.api_route("/issues/{number}", methods=SEEN)
def issue(number: Number, request: Request, our: Our, db: Store, now: Now) -> Response:
    """An issue as a page: its comparisons as they were when it was approved."""
    found = find_mailed(db, number)

    def make() -> dict[str, Any]:
        if (draft := issues.snapshot_of(db, number)) is None:
            raise _NoPageError
        before, after = beside(db, number)
        shown = compose.shown(draft.placed)
        return {"issue": found, "draft": draft, "shown": shown, "before": before, "after": after}

    try:
        return our.pages.public(request, "issue.html", make, version=version_of(db, now), now=now, asked="")
    except _NoPageError:
        return RedirectResponse(f"/issues/{number}/mail", 302, {"Cache-Control": "public, max-age=300"})


class _NoPageError(Exception):
    """What a page would show was not kept, or cannot be read any more."""


@router.api_route("/issues/{number}/", methods=SEEN)
def to_issue(number: Number, request: Request) -> Response:
    """The way to an issue."""
    return moved(request, f"/issues/{number}")


@router.api_route("/issues/{number}/mail", methods=SEEN)
def mail(number: Number, request: Request, our: Our, db: Store) -> Response:
    """An issue as the mail it was, with nothing of any reader in it."""
    found = find_mailed(db, number)

    def make() -> bytes:
        return impersonal(frozen_html(db, number), our.settings.base_url, pages_of_tools(db, number)).encode()

    version, media_type = found.content_hash, "text/html; charset=utf-8"
    headers = mail_headers(our, number)
    return our.kept.answer(request, request.url.path, make, version=version, media_type=media_type, headers=headers)


def mail_headers(our: State, number: int) -> dict[str, str]:
    """Give what a mail is shown under: its own styles and pictures, no script, no form, and no place in a search."""
    site_policy = security_headers(our.settings)["Content-Security-Policy"]
    pictures = next(part.strip() for part in site_policy.split(";") if part.strip().startswith("img-src"))
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; {pictures}; form-action 'none'; base-uri 'none';"
        " frame-ancestors 'self';"
        " sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
    )
    canonical = f'<{our.settings.base_url}/issues/{number}>; rel="canonical"'
    return {"Content-Security-Policy": policy, "X-Robots-Tag": "noindex", "Link": canonical}
