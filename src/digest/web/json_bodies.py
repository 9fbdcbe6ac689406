"""JSON as scripts post it, read as if it were a form."""

from __future__ import annotations

import json

from fastapi import Request

from digest.errors import InputError
from digest.web.forms import FIELDS, Form


async def read_json(request: Request) -> Form:
    """Read an object whose values are texts, or lists of texts; what is null is not there.

    Raises:
        InputError: it is none, not UTF-8, has control characters, or too much in it.
    """
    try:
        found = json.loads((await request.body()).decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError("the body is not UTF-8") from None
    except (ValueError, RecursionError):
        raise InputError("the body is not JSON") from None
    if not isinstance(found, dict):
        raise InputError('send an object, such as {"email": "ada@example.org"}')
    pairs: list[tuple[str, str]] = []
    for name, value in found.items():
        for text in value if isinstance(value, list) else [value]:
            if text is None:
                continue
            if not isinstance(text, str):
                raise InputError("it is not a text", field=_shown(name))
            pairs.append((name, text))
    if len(pairs) > FIELDS:
        raise InputError(f"it has more than {FIELDS} values")
    for name, text in pairs:
        if any(_is_unfit(character) for character in name + text):
            raise InputError("it has control characters in it", field=_shown(name))
    return Form(pairs)


def _is_unfit(character: str) -> bool:
    """Tell of a control character, and of half a character (a lone surrogate, which JSON can spell)."""
    return (character < " " and character not in "\t\r\n") or character == "\x7f" or "\ud800" <= character <= "\udfff"


def _shown(name: str) -> str | None:
    return name[:40] if name.isprintable() else None
