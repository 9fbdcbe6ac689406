"""Conditional comments as Outlook for Windows reads them: what is for it is taken, the rest is left out.

https://learn.microsoft.com/previous-versions/windows/internet-explorer/ie-developer/compatibility/ms537512(v=vs.85)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

_CONDITION = re.compile(
    r"<!(?:--\s*)?\[if\s+(?P<said>[^\]]*)\]\s*>(?:\s*<!--\s*(?:-->|>)|\s*-->)?"
    r"(?P<inside>.*?)(?:<!--\s*)?<!\[endif\]\s*(?:--)?>",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"[()!&|]|[\w.]+")
_COMPARES: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_VERSIONS = {"mso": 16.0, "vml": 1.0, "true": 1.0}
"""What Outlook says it is, since 2016; it is no `IE`."""


def for_outlook(html: str) -> str:
    """Give HTML with its conditional comments decided for Outlook."""
    return _CONDITION.sub(lambda found: found["inside"] if holds(found["said"]) else "", html)


def holds(condition: str) -> bool:
    """Tell whether a condition such as ``mso | IE`` or ``(gte mso 9)|(IE)`` holds; one that cannot be read does not."""
    words = [word.lower() for word in _WORD.findall(condition)]
    try:
        return _either(words) and not words
    except (IndexError, ValueError):
        return False


def _either(words: list[str]) -> bool:
    found = _both(words)
    while words[:1] == ["|"]:
        del words[0]
        found = _both(words) or found
    return found


def _both(words: list[str]) -> bool:
    found = _one(words)
    while words[:1] == ["&"]:
        del words[0]
        found = _one(words) and found
    return found


def _one(words: list[str]) -> bool:
    word = words.pop(0)
    if word == "!":
        return not _one(words)
    if word == "(":
        found = _either(words)
        words.remove(")")
        return found
    compare: Callable[[float, float], bool] = _COMPARES.get(word, operator.eq)
    name = words.pop(0) if word in _COMPARES else word
    has = _VERSIONS.get(name)
    asked = float(words.pop(0)) if words and re.fullmatch(r"\d+(\.\d+)?", words[0]) else None
    return has is not None and (asked is None or compare(has, asked))
