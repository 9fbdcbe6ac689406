"""The places of an issue that differ from copy to copy, and filling them without rendering again.

A place is written ``[[digest:token]]`` in the templates, and nowhere else: `neutralise` breaks it where an
author's text happens to have it. An issue is rendered once, split at its places once, and each copy is a join.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from digest.errors import DigestError
from digest.providers.interface import Segments

PLACES = ("token", "greeting", "message")
"""`token`: the one opaque token of the copy, which serves all its links. `greeting`: such as ``Hello Ada,``.
`message`: names the copy in its Message-ID."""
TRACK = "track"
"""A further place, by which opens and clicks are counted: only `issue/tracked.py` writes it, in what is mailed."""

_PLACE = re.compile(r"\[\[digest:([a-z_]+)\]\]")
_OPENING = "[[digest:"


class Address(str):
    """An address made by us, whose places are meant; in any other value of a template they are broken."""

    __slots__ = ()


def personal(site: str, way: str, *rest: str) -> Address:
    """Give an address of a copy's own, such as ``https://…/v/[[digest:token]]/some-tool/ship``."""
    return Address("/".join((site, way, f"{_OPENING}token]]", *(quote(part, safe="") for part in rest))))


class PlaceError(DigestError, ValueError):
    """A text has a place that no copy has a value for; it would be mailed as it stands."""


def split(text: str, *, tracked: bool = False) -> Segments:
    """Split a rendered text at its places; `tracked` is one that may have the place `track`.

    Raises:
        PlaceError: at a place that has no meaning.
    """
    parts = _PLACE.split(text)
    names = parts[1::2]
    if strangers := [name for name in names if name not in PLACES and not (tracked and name == TRACK)]:
        raise PlaceError(f"there is no value for [[digest:{strangers[0]}]]")
    return Segments(tuple(parts[0::2]), tuple(names))


def neutralise(text: str) -> str:
    """Break what looks like a place in an author's text, with a word joiner nobody sees."""
    return text.replace(_OPENING, "[[\N{WORD JOINER}digest:") if _OPENING in text else text


def greeting(name: str | None) -> str:
    """Greet by name where one is known."""
    return f"Hello {name}," if name else "Hello,"
