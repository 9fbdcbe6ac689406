"""When a media query holds (https://www.w3.org/TR/mediaqueries-4/): for a colour scheme, and a width of the window."""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import Any

import tinycss2

from digest.issue.checks.css import Screen, Value, pixels, value_of

_WIDTHS = ("width", "device-width")
_COMPARES = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}


def media_fits(query: tuple[Any, ...], screen: Screen) -> bool:
    """Tell whether a media query, in the tokens of tinycss2, holds; a feature not known does not."""
    parts: list[list[Any]] = [[]]
    for token in _telling(query):
        if token.type == "literal" and token.value == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return not any(parts) or any(_part_fits(part, screen) for part in parts)


def _telling(tokens: Any) -> list[Any]:
    return [token for token in tokens if token.type not in ("whitespace", "comment")]


def _part_fits(part: list[Any], screen: Screen) -> bool:
    """Tell whether ``screen and (…)`` holds, or ``(…) or (…)``; the two do not mix without brackets."""
    words = [token.lower_value if token.type == "ident" else "" for token in part]
    if "or" in words:
        return any(_part_fits([token], screen) for token in part if token.type == "() block")
    fits = all(
        _feature_fits(token.content, screen)
        if token.type == "() block"
        else word in ("all", "screen", "and", "only", "not")
        for token, word in zip(part, words, strict=True)
    )
    return fits != ("not" in words)


def _feature_fits(tokens: list[Any], screen: Screen) -> bool:
    telling = _telling(tokens)
    if any(token.type == "() block" for token in telling):
        return _part_fits(telling, screen)
    if any(token.type == "literal" and token.value in _COMPARES for token in telling):
        return _range_fits(telling, screen)
    item = tinycss2.parse_one_declaration(tokens, skip_comments=True)
    if item.type != "declaration":
        return False
    value = next((value for token in item.value if (value := value_of(token)) is not None), "")
    match item.lower_name:
        case "prefers-color-scheme":
            return value == screen.scheme
        case "min-width" | "min-device-width":
            return screen.width >= pixels(value, 16)
        case "max-width" | "max-device-width":
            return screen.width <= pixels(value, 16)
        case "width" | "device-width":
            return screen.width == pixels(value, 16)
    return False


def _range_fits(tokens: list[Any], screen: Screen) -> bool:
    """Tell whether ``width <= 900px`` or ``400px < width <= 900px`` holds."""
    terms: list[Value | None] = [None]
    signs: list[str] = []
    for token in tokens:
        if token.type != "literal":
            terms[-1] = value_of(token)
        elif terms[-1] is None and signs:  # the second sign of <=, which tinycss2 gives apart
            signs[-1] += token.value
        else:
            signs.append(token.value)
            terms.append(None)
    if not all(isinstance(term, tuple) or term in _WIDTHS for term in terms) or not set(signs) <= set(_COMPARES):
        return False
    sizes = [float(screen.width) if term in _WIDTHS else pixels(term, 16) for term in terms]
    return all(_COMPARES[sign](one, other) for sign, (one, other) in zip(signs, pairwise(sizes), strict=True))
