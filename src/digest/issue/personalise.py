"""The places of an issue that differ from copy to copy, and filling them without rendering again.

A place is written ``[[digest:token]]`` in the templates, and nowhere else: `neutralise` breaks it where an
author's text happens to have it. An issue is rendered once, split at its places once, and each copy is a join.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Place = Literal["token", "greeting"]
PLACES: tuple[Place, ...] = ("token", "greeting")
"""`token`: the one opaque token of the copy, which serves all its links. `greeting`: such as ``Hello Ada,``."""

_PLACE = re.compile(r"\[\[digest:([a-z_]+)\]\]")
_OPENING = "[[digest:"


@dataclass(frozen=True)
class Segments:
    """A text split at its places: `texts[0]`, value of `places[0]`, `texts[1]`, … `texts[-1]`."""

    texts: tuple[str, ...]
    places: tuple[Place, ...]

    def fill(self, values: Mapping[Place, str], escape: Callable[[str], str] = str) -> str:
        """Join the text with one copy's values, each passed through `escape`."""
        filled = {place: escape(values[place]) for place in set(self.places)}
        parts = [self.texts[0]]
        for place, text in zip(self.places, self.texts[1:], strict=True):
            parts += (filled[place], text)
        return "".join(parts)


def split(text: str) -> Segments:
    """Split a rendered text at its places.

    Raises:
        ValueError: at a place that has no meaning; it would be mailed as it stands.
    """
    parts = _PLACE.split(text)
    names = parts[1::2]
    known = {place: place for place in PLACES}
    if strangers := [name for name in names if name not in known]:
        raise ValueError(f"there is no value for [[digest:{strangers[0]}]]")
    return Segments(tuple(parts[0::2]), tuple(known[name] for name in names if name in known))


def neutralise(text: str) -> str:
    """Break what looks like a place in an author's text, with a word joiner nobody sees."""
    return text.replace(_OPENING, "[[\N{WORD JOINER}digest:") if _OPENING in text else text


def greeting(name: str | None) -> str:
    """Greet by name where one is known."""
    return f"Hello {name}," if name else "Hello,"


def escape_html(text: str) -> str:
    """Escape a value for HTML text and attributes."""
    return html.escape(text, quote=True)
