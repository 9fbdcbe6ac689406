"""Tracked links of a mail, and the picture at its end: written down, answered, judged later.

What asks is told only where a link of the issue leads, out of the table `links`; nothing in an address of ours can send
anybody anywhere else. No template, no thread and no connection to the store is on this way once an issue is known.
"""

from __future__ import annotations

import re
from base64 import b64decode
from functools import cache, partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.errors import NotFoundError
from digest.events import Kind
from digest.issue.tracked import HIDDEN
from digest.tokens import TokenError
from digest.tracking.agents import agent_of
from digest.tracking.intake import Tracked, tracked
from digest.tracking.records import Reading, encode
from digest.tracking.spool import SpoolError
from digest.web.reading import SEEN
from digest.web.state import State

router = APIRouter()

NOBODY = 0
"""The copy of one who wants no opens and clicks counted."""

_NUMBER = re.compile("0|[1-9][0-9]{0,8}")
_GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_OWN = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}
_PICTURE = {**_OWN, "Content-Type": "image/gif", "Cross-Origin-Resource-Policy": "cross-origin"}


async def click(request: Request) -> Response:
    """A link: the way on, or 204 for the one that no person sees."""
    our: State = request.app.state.digest
    issue, copy = our.signers.links.read("track", request.path_params["track"])
    number = int(found[0]) if (found := _NUMBER.fullmatch(request.path_params["number"])) else -1
    known = _issue(our, issue)
    to = known.locations.get(number)
    if not known.is_known or (to is None and number != HIDDEN):
        raise NotFoundError("this link of a mail leads nowhere that we know of; all our comparisons are on this site")
    try:
        if _is_noted(request, our, known, copy):
            await _note(request, our, issue, copy, Kind.CLICKED, number)
    except SpoolError as error:
        if to is None:
            raise
        context = {"status": 503, "heading": "Service Unavailable", "words": "", "onward": to}
        headers = {**_OWN, **error.headers}
        return our.pages.page(request, "error.html", context, now=our.clock(), status=503, headers=headers)
    return Response(None, 302, {**_OWN, "Location": to}) if to else Response(None, 204, _OWN)


async def picture(request: Request) -> Response:
    """The picture. It is answered with one whatever is asked: a mail must show nothing in its place."""
    our: State = request.app.state.digest
    try:
        issue, copy = our.signers.links.read("track", request.path_params["name"].removesuffix(".gif"))
        known = _issue(our, issue)
        if _is_noted(request, our, known, copy):
            await _note(request, our, issue, copy, Kind.OPENED, 0)
    except TokenError:
        return Response(_GIF, 404, _PICTURE)
    except SpoolError as error:
        return Response(_GIF, 503, {**_PICTURE, **error.headers})
    return Response(_GIF, 200 if known.is_known else 404, _PICTURE)


router.add_route("/c/{track}/{number}", click, methods=SEEN)
router.add_route("/o/{name:path}", picture, methods=SEEN)


def _issue(our: State, issue: int) -> Tracked:
    return our.destinations.of(issue, partial(_load, our), now=our.clock())


def _load(our: State, issue: int) -> Tracked:
    db = our.stores.take()
    try:
        return tracked(db, issue)
    finally:
        our.stores.give_back(db)


def _is_noted(request: Request, our: State, known: Tracked, copy: int) -> bool:
    """Tell whether this is written down: not of one who wants no such thing, by a setting of ours or of the browser.

    `DNT` is https://www.w3.org/TR/tracking-dnt/, `Sec-GPC` https://www.w3.org/TR/gpc/.
    """
    headers = request.headers
    wants_none = copy == NOBODY or headers.get("dnt") == "1" or headers.get("sec-gpc") == "1"
    return known.is_counted and our.settings.tracking != "off" and not wants_none


async def _note(
    request: Request, our: State, issue: int, copy: int, kind: Literal[Kind.OPENED, Kind.CLICKED], link: int
) -> None:
    """Write down that somebody asked.

    Raises:
        SpoolError: it could not be.
    """
    agent = agent_of(
        request.headers.get("user-agent", ""),
        head=request.method == "HEAD",
        address=request.client.host if request.client else None,
        networks=_networks(our.settings.machine_networks),
    )
    at = int(our.clock().timestamp() * 1000)
    await our.spool.put(encode(Reading(issue, copy, kind, link, at, agent)))


@cache
def _networks(written: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, written))
