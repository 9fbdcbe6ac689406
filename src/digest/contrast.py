"""How well a text can be read on its ground: the contrast of two colours, by WCAG 2.2."""

from __future__ import annotations

import re

AA = 4.5
"""What WCAG 2.2 asks of text at level AA (success criterion 1.4.3)."""

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of two colours written ``#rrggbb``: from 1 (the same) to 21 (black on white).

    The formula is that of https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def is_color(text: str) -> bool:
    """Tell whether a text is a colour as we write them, ``#rrggbb``."""
    return _HEX.fullmatch(text) is not None


def readable_on(ground: str) -> str:
    """Give the better of near-black and white for a text on a ground."""
    return max("#ffffff", "#15141a", key=lambda ink: contrast(ink, ground))


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return float(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)
