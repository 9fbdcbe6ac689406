"""Votes: ship or skip, on a page by anybody's browser, and from a copy by its reader."""

from __future__ import annotations

import math
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from digest.audience import responses
from digest.audience.preferences import find_preferences
from digest.catalogue import voting
from digest.errors import NotFoundError
from digest.events import Kind
from digest.store import writing
from digest.tokens import TokenError
from digest.web.abuse.networks import networks_of
from digest.web.abuse.windows import Window
from digest.web.forms import Posted
from digest.web.guard import from_here
from digest.web.readers import OWN, Own, then
from digest.web.reading import SEEN, address
from digest.web.state import Now, Our, State, Store

router = APIRouter()

COOKIE = "voter"
YEAR_S = 365 * 24 * 3600
A_TOOL, AN_HOUR = 20, 60
"""Browsers that vote for the first time, from one network in an hour: on one tool, and all together. A class may vote;
a script that throws its cookie away is stopped."""

VOTES = 600
"""Votes that one network may give, change and take back in an hour. Each has every page made anew that is kept."""

_BACK = re.compile(r"/(compare|tools)/[A-Za-z0-9._~%-]{1,200}")
WITHDRAWN = "none"


# On a page ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Paces:
    """How many votes and new voters the networks brought in the last hour; kept in memory, and by nobody else."""

    tool: Window = field(default_factory=lambda: Window(A_TOOL, timedelta(hours=1)))
    all: Window = field(default_factory=lambda: Window(AN_HOUR, timedelta(hours=1)))
    votes: Window = field(default_factory=lambda: Window(VOTES, timedelta(hours=1)))

    def take(self, network: str, tool: str, now: datetime) -> timedelta | None:
        """Let a network bring one more; where it may not, give how long it must wait."""
        # All together first: who is stopped there makes us remember no more names of tools, which may be of no tool.
        return self.all.take(network, now) or self.tool.take(f"{network} {tool}", now)


def _network(request: Request) -> str:
    return networks_of(request.client.host if request.client else "")[0][0]


def _paces(request: Request) -> _Paces:
    paces: _Paces | None = getattr(request.app.state, "paces_of_votes", None)
    if paces is None:
        paces = request.app.state.paces_of_votes = _Paces()
    return paces


def _refuse(wait: timedelta | None) -> None:
    if wait is not None:
        raise HTTPException(
            429,
            "many have voted from your network in the last hour; please come back a little later",
            {"Retry-After": str(math.ceil(wait.total_seconds()))},
        )


async def _calmly(request: Request, now: Now) -> None:
    """Let a network vote once more, whoever it is there.

    Raises:
        HTTPException: 429, it voted very often.
    """
    _refuse(_paces(request).votes.take(_network(request), now))


def _known(request: Request, our: State) -> str | None:
    """Give the voter that this browser is, by its cookie; None where it has none of ours."""
    try:
        first, second = our.signers.links.read("voter", request.cookies.get(COOKIE, ""))
    except TokenError:
        return None
    return f"browser:{first:08x}{second:08x}"


@dataclass(frozen=True)
class _Voter:
    """A voter by the name its votes have, and the cookie that a new one is given."""

    name: str
    cookie: str | None = None


async def _voter(tool: str, request: Request, our: Our, now: Now) -> _Voter:
    """Give the voter that this browser is, or makes it one.

    Raises:
        HTTPException: 429, its network brought too many new ones.
    """
    if (name := _known(request, our)) is not None:
        return _Voter(name)
    _refuse(_paces(request).take(_network(request), tool[:200], now))
    first, second = secrets.randbits(32), secrets.randbits(32)
    return _Voter(f"browser:{first:08x}{second:08x}", our.signers.links.sign("voter", first, second))


@router.api_route("/vote/{tool}", methods=SEEN)
def look(tool: str, request: Request, our: Our, db: Store, now: Now, back: str = "") -> Response:
    """What this browser said of a tool: a page of its own, or for htmx the block of the page it is on.

    The pages of the catalogue are the same for everybody, so they cannot say it.
    """
    voter = _known(request, our)
    to_htmx = "hx-request" in request.headers
    if voter is None and to_htmx:
        return Response(status_code=204, headers=OWN)
    ballot = voting.ballot(db, tool, voter, now=now)
    back = back if _BACK.fullmatch(back) else address("tools", tool)
    context = {"tool": ballot.tool, "mine": ballot.own, "back": back, "asked": True}
    return our.pages.page(request, "vote.html" if to_htmx else "vote-page.html", context, now=now)


@router.post("/vote/{tool}", dependencies=[Depends(from_here), Depends(_calmly)])
def vote(
    tool: str,
    form: Posted,
    voter: Annotated[_Voter, Depends(_voter)],
    request: Request,
    our: Our,
    db: Store,
    now: Now,
) -> Response:
    """Vote, vote otherwise, or take the vote back."""
    value = form.text("value", longest=20)
    if value == WITHDRAWN:
        voting.withdraw(db, tool, voter.name, now=now)
    else:
        voting.vote(db, tool, voter.name, voting.read_verdict(value), now=now)
    back = form.text("back", longest=300)
    back = back if _BACK.fullmatch(back) else address("tools", tool)
    answer: Response
    if "hx-request" in request.headers:
        ballot = voting.ballot(db, tool, voter.name, now=now)
        context = {"tool": ballot.tool, "mine": ballot.own, "back": back, "asked": True}
        answer = our.pages.page(request, "vote.html", context, now=now)
    else:
        answer = RedirectResponse(f"{address('vote', tool)}?{urlencode({'back': back})}", 303, OWN)
    if voter.cookie is not None and value != WITHDRAWN:
        secure = our.settings.base_url.startswith("https:")
        answer.set_cookie(COOKIE, voter.cookie, YEAR_S, httponly=True, samesite="lax", secure=secure)
    return answer


# From a copy -------------------------------------------------------------------------------------------------------


@router.api_route("/v/{token}/{tool}", methods=SEEN)
@router.api_route("/v/{token}/{tool}/{verdict}", methods=SEEN)
def look_from_copy(
    link: Own, tool: str, request: Request, our: Our, db: Store, now: Now, verdict: str = ""
) -> Response:
    """The page with the button ready; without a verdict, what this reader said."""
    wanted = voting.read_verdict(verdict) if verdict else None
    ballot = voting.ballot(db, tool, _reader(link.subscriber), now=now)
    try:
        find_preferences(db, link.subscriber, now=now)
    except NotFoundError:
        return our.pages.page(request, "gone.html", {"ballot": ballot}, now=now)
    context = {"token": link.token, "ballot": ballot, "wanted": wanted}
    return our.pages.page(request, "vote-copy.html", context, now=now)


@router.post("/v/{token}/{tool}/{verdict}", dependencies=[Depends(from_here), Depends(_calmly)])
def vote_from_copy(
    link: Own, tool: str, verdict: str, form: Posted, request: Request, our: Our, db: Store, now: Now
) -> Response:
    """Vote as the reader of a copy."""
    reader = _reader(link.subscriber)
    try:
        with writing(db):
            # In here, so that nobody is forgotten in between and votes all the same.
            find_preferences(db, link.subscriber, now=now)
            if verdict == WITHDRAWN:
                voting.withdraw(db, tool, reader, now=now)
            else:
                voting.vote(db, tool, reader, voting.read_verdict(verdict), now=now)
                responses.note(db, Kind.VOTED, issue=link.issue, subscriber=link.subscriber, key=tool, now=now)
    except NotFoundError:
        # Of the reader, or of the tool: then the ballot says so.
        ballot = voting.ballot(db, tool, None, now=now)
        return our.pages.page(request, "gone.html", {"ballot": ballot}, now=now)
    return then(f"/v/{link.token}/{quote(tool, safe='')}")


def _reader(subscriber: int) -> str:
    return f"copy:{subscriber}"
