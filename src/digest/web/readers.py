"""What the pages behind a reader's own link share: whose link it is, and what was done a moment ago."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.responses import RedirectResponse, Response

from digest.web.state import Our

OWN = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
"""The headers of what is one reader's own."""


@dataclass(frozen=True)
class Link:
    """Whose link it is: a reader's, in the copy of an issue; 0 is a letter."""

    token: str
    issue: int
    subscriber: int


async def _link(token: str, our: Our) -> Link:
    issue, subscriber = our.signers.links.read("copy", token)
    return Link(token, issue, subscriber)


Own = Annotated[Link, Depends(_link)]
"""What a route asks for whose path has a reader's `{token}`; a token that is not ours for this is refused (400)."""


def then(address: str) -> Response:
    """Send the browser on to the page that shows what a POST did: loading that again does nothing again."""
    return RedirectResponse(address, 303, OWN)
