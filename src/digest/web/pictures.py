"""The pictures that stand beside a link where it is shared, and the site's icon: drawn in the newsletter's colours.

1200 × 630 pixels is what the networks show whole (https://developers.facebook.com/docs/sharing/webmasters/images).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from digest.catalogue.model import Comparison, Tool
from digest.issue import compose
from digest.mail.text import figure
from digest.mail.theme import Palette
from digest.settings import Settings
from digest.web.lettering import Line, fitted

if TYPE_CHECKING:
    # Loading it takes 20 ms, for which the start of the server does not wait.
    from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1200, 630
VERSION = 1
"""To be raised where a picture is drawn otherwise: it is part of its ETag."""

_MARGIN = 60
_SIDES = (60, 640)
_SIDE_WIDTH = 500
_TOP, _BOTTOM = 132, 500
_DRAWING = Lock()
"""Faces of FreeType are used by one thread at a time; and pictures shall not take all of the machine."""


def of_comparison(comparison: Comparison, settings: Settings) -> bytes:
    """Draw two tools side by side, with what the panel says of them."""
    palette = Palette.of(settings)
    with _DRAWING:
        picture = _ground(palette, cards=True, ships=(comparison.left.panel_ship, comparison.right.panel_ship))
        draw = _pencil(picture)
        _masthead(draw, palette, settings.newsletter_name, "Ship or skip?")
        shown = replace(comparison, left=_named(comparison.left), right=_named(comparison.right))
        for tool, x in zip((shown.left, shown.right), _SIDES, strict=True):
            _side(draw, palette, tool, x)
        _block(draw, fitted("vs", width=70, lines=1, largest=32, smallest=32), 600, 314, palette.on_accent)
        _block(draw, _verdict(shown), WIDTH / 2, 566, palette.ink)
        return _png(picture)


def of_issue(number: int, date: str, subject: str, titles: Sequence[str], settings: Settings) -> bytes:
    """Draw an issue: its subject, and which comparisons are in it."""
    palette = Palette.of(settings)
    with _DRAWING:
        picture = _ground(palette)
        draw = _pencil(picture)
        _masthead(draw, palette, settings.newsletter_name, f"Issue {number}")
        width = WIDTH - 2 * _MARGIN
        y = 190.0
        for line in fitted(date, width=width, lines=1, largest=30, smallest=20):
            line.draw(draw, _MARGIN, y, palette.muted)
        y = _paragraph(draw, fitted(subject, width=width, lines=3, largest=68, smallest=36), y + 30, palette.ink)
        for title in titles[: int((HEIGHT - 40 - y) // 52)]:
            for line in fitted(title, width=width - 40, lines=1, largest=32, smallest=20):
                y += 52
                draw.rectangle((_MARGIN, y - 20, _MARGIN + 14, y - 6), palette.accent)
                line.draw(draw, _MARGIN + 40, y, palette.muted)
        return _png(picture)


def of_site(settings: Settings) -> bytes:
    """Draw the newsletter's name and its line."""
    palette = Palette.of(settings)
    with _DRAWING:
        picture = _ground(palette)
        mark = icon(settings, 128)
        picture.paste(mark, (_MARGIN, 96), mark)
        draw = _pencil(picture)
        width = WIDTH - 2 * _MARGIN
        name = fitted(settings.newsletter_name, width=width, lines=2, largest=92, smallest=40)
        y = _paragraph(draw, name, 250, palette.ink)
        tagline = fitted(settings.newsletter_tagline, width=width, lines=3, largest=40, smallest=26)
        _paragraph(draw, tagline, y + 24, palette.muted)
        return _png(picture)


def icon(settings: Settings, size: int) -> Image.Image:
    """Draw the site's icon as `/icon.svg` has it: the tick of a verdict."""
    from PIL import Image

    palette = Palette.of(settings)
    scale = size / 16  # its shape is told on a square of 64, and drawn four times as large as it is shown
    picture = Image.new("RGBA", (4 * size, 4 * size))
    draw = _pencil(picture)
    draw.rounded_rectangle((0, 0, 4 * size - 1, 4 * size - 1), 14 * scale, palette.accent)
    points = [(x * scale, y * scale) for x, y in ((17, 34), (27, 45), (47, 18))]
    draw.line(points, palette.on_accent, round(8 * scale))
    for x, y in points:
        draw.ellipse((x - 4 * scale, y - 4 * scale, x + 4 * scale, y + 4 * scale), palette.on_accent)
    return picture.reduce(4)


def icon_file(settings: Settings) -> bytes:
    """Give the icon as an ICO of 16, 32 and 48 pixels."""
    written = io.BytesIO()
    icon(settings, 48).save(written, "ICO", sizes=[(16, 16), (32, 32), (48, 48)])
    return written.getvalue()


def _ground(palette: Palette, *, cards: bool = False, ships: Sequence[int | None] = ()) -> Image.Image:
    """Draw what has no letters, at twice the size: edges that are made smaller are smooth."""
    from PIL import Image

    picture = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), palette.page)
    draw = _pencil(picture)
    draw.rectangle((0, 0, 2 * WIDTH, 28), palette.accent)
    if cards:
        for x, ship in zip(_SIDES, ships, strict=True):
            box = (2 * x, 2 * _TOP, 2 * (x + _SIDE_WIDTH), 2 * _BOTTOM)
            draw.rounded_rectangle(box, 36, palette.card, palette.line, 4)
            left, right, top, bottom = 2 * (x + 32), 2 * (x + _SIDE_WIDTH - 32), 904, 948
            draw.rounded_rectangle((left, top, right, bottom), 22, palette.line)
            if ship:
                end = left + max(44, (right - left) * ship // 100)
                draw.rounded_rectangle((left, top, end, bottom), 22, palette.accent)
        draw.ellipse((1200 - 80, 632 - 80, 1200 + 80, 632 + 80), palette.accent, palette.page, 12)
    return picture.reduce(2)


def _pencil(picture: Image.Image) -> ImageDraw.ImageDraw:
    from PIL import ImageDraw

    return ImageDraw.Draw(picture)


def _masthead(draw: ImageDraw.ImageDraw, palette: Palette, name: str, aside: str) -> None:
    for line in fitted(name, width=780, lines=1, largest=36, smallest=22):
        line.draw(draw, _MARGIN, 88, palette.ink)
    for line in fitted(aside, width=280, lines=1, largest=30, smallest=20):
        line.draw(draw, WIDTH - _MARGIN - line.width, 88, palette.muted)


def _named(tool: Tool) -> Tool:
    """Give a tool with a name that can be written: its slug, where its name is of emoji alone."""
    return tool if fitted(tool.name, width=WIDTH, lines=9, largest=20, smallest=20) else replace(tool, name=tool.slug)


def _side(draw: ImageDraw.ImageDraw, palette: Palette, tool: Tool, x: int) -> None:
    middle, width = x + _SIDE_WIDTH / 2, _SIDE_WIDTH - 84
    category = fitted(tool.category or "", width=width, lines=1, largest=26, smallest=20)
    _block(draw, category, middle, 178, palette.muted)
    _block(draw, fitted(tool.name, width=width, lines=3, height=180, largest=64, smallest=28), middle, 302, palette.ink)
    for line in fitted("Panel ship", width=300, lines=1, largest=26, smallest=26):
        line.draw(draw, x + 32, 436, palette.muted)
    for line in fitted(figure(tool.panel_ship), width=150, lines=1, largest=38, smallest=38):
        line.draw(draw, x + _SIDE_WIDTH - 32 - line.width, 436, palette.ink)


def _verdict(comparison: Comparison) -> list[Line]:
    """Write the panel's word in one line, or in two where it would be small in one."""
    words, width = compose.verdict_line(comparison), WIDTH - 2 * _MARGIN
    one = fitted(words, width=4 * width, lines=1, largest=26, smallest=26)
    in_one = bool(one) and one[0].width <= width
    return fitted(words, width=width, lines=1 if in_one else 2, height=80, largest=34, smallest=22)


def _block(draw: ImageDraw.ImageDraw, lines: Sequence[Line], x: float, y: float, color: str) -> None:
    """Draw lines under each other with their middle at a point."""
    y -= sum(line.height for line in lines) / 2
    for line in lines:
        y += line.height
        line.draw(draw, x - line.width / 2, y - line.size * 0.27, color)


def _paragraph(draw: ImageDraw.ImageDraw, lines: Sequence[Line], y: float, color: str) -> float:
    """Draw lines under each other, those that run from right to left too; give where the next one may begin."""
    for line in lines:
        y += line.height
        line.draw(draw, _MARGIN, y - line.size * 0.27, color)
    return y


def _png(picture: Image.Image) -> bytes:
    written = io.BytesIO()
    picture.save(written, "PNG", compress_level=6)
    return written.getvalue()
