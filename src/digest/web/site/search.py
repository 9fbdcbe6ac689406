"""The search over the catalogue."""

from __future__ import annotations

import unicodedata
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue.searching import SHOWN, Found, search
from digest.errors import InputError
from digest.web.reading import SEEN, moved
from digest.web.state import Now, Our, Store

router = APIRouter()
LONGEST = 200
"""Characters that may be typed."""


@router.api_route("/search/", methods=SEEN)
def to_search(request: Request) -> Response:
    """The way to the search."""
    return moved(request, "/search")


@router.api_route("/search", methods=SEEN)
async def find(request: Request, our: Our, db: Store, now: Now, q: str = "") -> Response:
    """What is found for what was typed; the same page without JavaScript and, a part of it, for htmx."""
    typed = _clean(q)

    def make() -> dict[str, Any]:
        return {"typed": typed, "found": search(db, typed, now=now) if typed else Found(), "most": SHOWN}

    asked = urlencode({"q": typed})
    return await our.pages.shown(request, "search.html", make, db=db, now=now, asked=asked)


def _clean(typed: str) -> str:
    if len(typed) > LONGEST:
        raise InputError(f"a search has {LONGEST} characters at most; type a word or two")
    if "\N{REPLACEMENT CHARACTER}" in typed or any(unicodedata.category(character) == "Cc" for character in typed):
        raise InputError("the search has characters in it that are no text; type a word or two")
    return " ".join(typed.split())
