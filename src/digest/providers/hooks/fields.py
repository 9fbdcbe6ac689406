"""Reading what a provider wrote: nothing in it is taken to be there, or to be of the kind that its pages promise."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

UNTOLD = datetime.max.replace(tzinfo=UTC)
"""When an event says no moment, or an absurd one: what lies after the call itself counts as the moment of the call."""

LONGEST = 500
"""Characters kept of a server's words, and of any other text."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)", re.ASCII)
_BASIC = re.compile(r"(?<![\d.])([245][0-5]\d)(?![\d.]*\d)", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NAME = re.compile(r"\s*<?([A-Za-z0-9_-]{24})@", re.ASCII)


def loads(body: bytes) -> Any:
    """Read JSON; None where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def raw_of(value: object, body: bytes) -> str:
    """Write a part of a body again, to be kept; all of the body where that cannot be done, or it is no JSON."""
    try:
        return orjson.dumps(value).decode() if value is not None else body.decode(errors="replace")
    except (orjson.JSONEncodeError, RecursionError):
        return body.decode(errors="replace")


def part(value: object, *path: str) -> dict[str, Any]:
    """Follow names into objects; an empty object where one is missing, or is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: object, *path: str) -> str:
    """Follow names to a text, or to the first text of a list; give it on one line, and not too long.

    Numbers are texts too. It is empty where there is none.
    """
    if path:
        value = part(value, *path[:-1]).get(path[-1])
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, str) and one), None)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return " ".join(_CONTROL.sub(" ", str(value)[: LONGEST * 2]).split())[:LONGEST]


def together(*words: str) -> str:
    """Give texts as one, not too long; those that are empty are left out."""
    return ": ".join(filter(None, words))[:LONGEST]


def moment(value: object) -> datetime:
    """Read a moment in ISO 8601; one without a zone is in UTC."""
    if not isinstance(value, str):
        return UNTOLD
    try:
        found = datetime.fromisoformat(value.strip())
        return _likely((found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return UNTOLD


def since_1970(value: object, *, per_second: int = 1) -> datetime:
    """Read a moment that is a number since 1970: of seconds, or of so many a second."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < LONGEST:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return UNTOLD
    try:
        return _likely(_EPOCH + timedelta(seconds=value / per_second))
    except (ValueError, OverflowError):
        return UNTOLD


def code_of(words: str) -> str:
    """Find the code in a server's words: the enhanced one (RFC 3463), or else that of SMTP (RFC 5321)."""
    found = _ENHANCED.search(words) or _BASIC.search(words)
    return found[1] if found else ""


def name_of(message_id: str) -> str | None:
    """Give what names a copy in its Message-ID; None where it is not of our making."""
    found = _NAME.match(message_id)
    return found[1] if found else None


def _likely(found: datetime) -> datetime:
    return found if found >= _EARLIEST else UNTOLD
