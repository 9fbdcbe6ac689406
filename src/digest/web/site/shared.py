"""A preview that an editor shared: an issue that has not gone out, as it is now, for whoever has the link.

Nothing of any reader is in it, and nothing of the desk. It stands in no search engine, nobody keeps it, and no link of
it tells where it was clicked.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from digest import times
from digest.issue import shares
from digest.issue.archive import pages_of_tools
from digest.issue.clients.schemes import in_new_tabs, in_scheme
from digest.issue.model import Rendered
from digest.issue.shares import Share
from digest.store import Database
from digest.web.framing import OWN, document_headers, mail_headers
from digest.web.impersonal import impersonal
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter()

Show = Literal["wide", "phone", "text"]
Scheme = Literal["light", "dark"]


@router.api_route("/shared/{token}", methods=SEEN)
def shared(
    token: str, request: Request, our: Our, db: Store, now: Now, show: Show = "wide", scheme: Scheme = "light"
) -> Response:
    """The page around the preview: what it is, until when, and in which ways one can look."""
    share = _find(db, token, now)
    context: dict[str, Any] = {"share": share, "ends": times.for_people(share.ends_at, our.settings.zone)}
    if share.ended is not None:
        return our.pages.page(request, "shared-over.html", context, now=now, status=410, headers=OWN)
    content = _content(our, db, share)
    context |= {"token": token, "show": show, "scheme": scheme, "content": content}
    return our.pages.page(request, "shared.html", context, now=now, headers=OWN)


@router.api_route("/shared/{token}/mail", methods=SEEN)
def mail(
    token: str, request: Request, our: Our, db: Store, now: Now, show: Show = "wide", scheme: Scheme = "light"
) -> Response:
    """The mail itself, or its text, for the frame of the page."""
    share = _find(db, token, now)
    if share.ended is not None:
        raise HTTPException(410, "this preview is over")
    content = _content(our, db, share)
    pages = pages_of_tools(db, share.issue)
    if show == "text":
        words = impersonal(content.text, our.settings.base_url, pages)
        return our.pages.page(request, "shared-text.html", {"words": words}, now=now, headers=document_headers())
    html = in_new_tabs(in_scheme(impersonal(content.html, our.settings.base_url, pages), scheme))
    return Response(html, 200, mail_headers(our.settings), "text/html; charset=utf-8")


def _find(db: Database, token: str, now: Now) -> Share:
    share = shares.find(db, token, now=now)
    if share is None:
        raise HTTPException(404, "there is no preview at this address; ask whoever gave it to you for the whole of it")
    return share


def _content(our: State, db: Database, share: Share) -> Rendered:
    fitted = our.looks.laid_out(db, our.settings, share.issue)
    if fitted is None:
        raise HTTPException(404)
    return fitted.content
