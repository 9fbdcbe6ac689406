"""Merge variables: the body goes to the provider once, and each recipient's values beside it.

Each provider has a dialect of its own (``{{t}}``, ``%recipient.t%``, ``-t-``). What an author wrote and the
provider would take for its own is broken up so that it reads the same: in HTML by a character reference, in plain
text by a word joiner, which nobody sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from digest.providers.interface import Message, Recipient, Segments
from digest.providers.wire import escaped

NAMES = {"token": "t", "message": "m", "greeting": "g", "track": "k"}
"""The places' names as variables: short, because each is sent a million times."""
GREETING_HTML = "h"
"""The greeting, escaped: none of the dialects used here escapes by itself."""
WORD_JOINER = "\N{WORD JOINER}"


@dataclass(frozen=True)
class Dialect:
    """How a provider spells a variable, and what it takes for one: the first character of `syntax` is kept apart."""

    spell: Callable[[str], str]
    syntax: re.Pattern[str]

    def text(self, segments: Segments) -> str:
        """Write a plain text, a subject or a header."""
        return self._fill(segments, NAMES, html=False)

    def html(self, segments: Segments) -> str:
        """Write an HTML body."""
        return self._fill(segments, NAMES | {"greeting": GREETING_HTML}, html=True)

    def _fill(self, segments: Segments, names: Mapping[str, str], *, html: bool) -> str:
        def apart(found: re.Match[str]) -> str:
            first, rest = found[0][0], found[0][1:]
            return f"&#{ord(first)};{rest}" if html else f"{first}{WORD_JOINER}{rest}"

        texts = [self.syntax.sub(apart, text) for text in segments.texts]
        values = {place: self.spell(name) for place, name in names.items()}
        for at, place in enumerate(segments.places):
            # A brace right beside a variable's own would be read as one of them.
            if values[place].startswith("{") and texts[at].endswith("{"):
                texts[at] = texts[at][:-1] + ("&#123;" if html else "{" + WORD_JOINER)
            if values[place].endswith("}") and texts[at + 1].startswith("}"):
                texts[at + 1] = ("&#125;" if html else WORD_JOINER + "}") + texts[at + 1][1:]
        return Segments(tuple(texts), segments.places).fill(values)


MUSTACHE = Dialect(lambda name: "{{" + name + "}}", re.compile(r"\{(?=\{)"))
"""``{{t}}``, as SES and Brevo have it."""


def used(message: Message) -> frozenset[str]:
    """Give the variables a message needs: each costs bytes in every copy."""
    names = {NAMES[place] for part in (message.text, *message.headers.values()) for place in part.places}
    names |= {GREETING_HTML if place == "greeting" else NAMES[place] for place in message.html.places}
    return frozenset(names)


def variables(recipient: Recipient, names: frozenset[str]) -> dict[str, Any]:
    """Give one recipient's values of these variables."""
    values = {name: recipient.values[place] for place, name in NAMES.items() if name in names}
    if GREETING_HTML in names:
        values[GREETING_HTML] = escaped(recipient.values["greeting"])
    return values
