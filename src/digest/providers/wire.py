"""JSON documents that are the same for every copy but at their holes: encoded once, and a copy is a join.

A hole is marked in the document by a string that no author can write, because it is drawn anew in each process.

    document = Form({"to": hole("to"), "html": body(message.html, escape=True)})
    document.fill({"to": inside("ada@example.com"), "token": b"…", "greeting:html": inside("Hello Ada,")})
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Mapping

import orjson

from digest.providers.interface import Recipient, Segments

_NONCE = secrets.token_hex(12)
_HOLE = re.compile(rf"<{_NONCE}\|([a-z:_]+)>".encode())
_SPECIAL = re.compile("[&<>\"']")
SAFE = ("token", "message", "track")
"""Places whose values are letters, digits, - and _: they need no escaping anywhere."""


def hole(name: str) -> str:
    """Mark a hole."""
    return f"<{_NONCE}|{name}>"


def body(segments: Segments, *, escape: bool = False) -> str:
    """Give a text with holes at its places; of an HTML one (`escape`) they are called ``greeting:html``."""
    names = {place: f"{place}:html" if escape and place not in SAFE else place for place in segments.places}
    return segments.fill({place: hole(name) for place, name in names.items()})


def inside(text: str) -> bytes:
    """Encode a text as it stands between the quotes of a JSON string."""
    return orjson.dumps(text)[1:-1]


def escaped(text: str) -> str:
    """Escape a text for HTML."""
    return html.escape(text) if _SPECIAL.search(text) else text


def values_of(recipient: Recipient) -> dict[str, bytes]:
    """Give what goes into the holes of one copy: ``to``, its places, and ``greeting:html``."""
    values = {name: inside(value) for name, value in recipient.values.items()}
    values["to"] = inside(recipient.address)
    if (greeting := recipient.values.get("greeting")) is not None:
        values["greeting:html"] = inside(escaped(greeting))
    return values


class Form:
    """A JSON document with holes, encoded."""

    def __init__(self, document: object) -> None:
        parts = _HOLE.split(orjson.dumps(document))
        self._parts = parts
        self._names = [name.decode() for name in parts[1::2]]

    def fill(self, values: Mapping[str, bytes]) -> list[bytes]:
        """Give one copy's document in pieces, ready to be joined.

        Raises:
            KeyError: a hole has no value.
        """
        parts = self._parts.copy()
        parts[1::2] = [values[name] for name in self._names]
        return parts


def array(documents: list[list[bytes]]) -> bytes:
    """Join documents to one JSON array."""
    pieces = [b"["]
    for document in documents:
        pieces += document
        pieces.append(b",")
    if documents:
        pieces.pop()
    pieces.append(b"]")
    return b"".join(pieces)
