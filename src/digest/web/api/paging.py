"""Long lists, a page at a time: by a cursor that holds where the page before ended, so that nothing is told twice."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from digest.web.api.problems import invalid

MOST = 100
T = TypeVar("T")
_CURSOR = r"^[A-Za-z0-9_-]{2,2000}$"

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at the most.")]
Cursor = Annotated[
    str | None,
    Query(pattern=_CURSOR, description="The `next` of the page before. It has no meaning of its own."),
]


class Page(BaseModel, Generic[T]):
    """Some of a list, and where it goes on."""

    model_config = ConfigDict(extra="forbid")

    items: list[T]
    next: str | None = Field(description="The `cursor` of the page after this one; null where there is none.")


P = TypeVar("P", bound=Page[Any])


def cursor_of(*place: str | int) -> str:
    """Write down where a page ended."""
    return urlsafe_b64encode(json.dumps(place, ensure_ascii=False, separators=(",", ":")).encode()).decode().rstrip("=")


def place_of(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """Read where the page before ended; None for the first page.

    Raises:
        ProblemError: it is no cursor of this list.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = json.loads(urlsafe_b64decode(padded)) if re.fullmatch(_CURSOR, cursor) else None
    except (ValueError, RecursionError):
        place = None
    if (
        not isinstance(place, list)
        or len(place) != len(kinds)
        or not all(type(part) is kind for part, kind in zip(place, kinds, strict=True))
        or any(isinstance(part, int) and not 0 <= part < 2**62 for part in place)
        # No half surrogate pair and no NUL, which no text of the store has.
        or any(isinstance(part, str) and not part.isprintable() for part in place)
    ):
        raise invalid("cursor", "it is not the `next` of a page of this list")
    return tuple(place)


def page_of(
    kind: type[P],
    request: Request,
    response: Response,
    found: Sequence[BaseModel],
    limit: int,
    ends: Sequence[tuple[str | int, ...]],
) -> P:
    """Give a page of what was found, one more than `limit` being asked for to know whether there is more.

    Args:
        kind: of what it is a page.
        request: whose address the next page has too.
        response: gets a Link header (RFC 8288) to the next page.
        found: up to one more than `limit`.
        limit: how many a page has.
        ends: the place of each.
    """
    more = len(found) > limit
    next_ = cursor_of(*ends[limit - 1]) if more else None
    if next_ is not None:
        query = {**request.query_params, "cursor": next_}
        response.headers["Link"] = f'<{request.url.path}?{urlencode(query)}>; rel="next"'
    return kind(items=list(found[:limit]), next=next_)
