"""The part of CSS that decides whether a text can be read and a button hit: colours, sizes, and what is hidden.

Here is what a declaration says, and what style comes of several. Which declarations an element has is found in
`document`; when a media query holds, in `media`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile
from typing import Any, Literal

import tinycss2
from tinycss2.color4 import parse_color


@dataclass(frozen=True)
class Screen:
    """What a mail is looked at on: its colour scheme, and its width in pixels."""

    scheme: Literal["light", "dark"] = "light"
    width: int = 640


@dataclass(frozen=True)
class Color:
    """A colour in sRGB; each part from 0 to 1."""

    red: float
    green: float
    blue: float
    alpha: float = 1

    def over(self, ground: Color, opacity: float = 1) -> Color:
        """Give the opaque colour that shows where this one lies on a ground."""
        alpha = self.alpha * opacity
        red, green, blue = (
            alpha * mine + (1 - alpha) * under
            for mine, under in zip(
                (self.red, self.green, self.blue), (ground.red, ground.green, ground.blue), strict=True
            )
        )
        return Color(red, green, blue)

    def __str__(self) -> str:
        return "#" + "".join(f"{round(255 * min(1, max(0, part))):02x}" for part in (self.red, self.green, self.blue))


Value = Color | tuple[float, str] | str
"""A colour, a number with its unit (``%``, or none), or a word."""


@dataclass(frozen=True)
class Style:
    """How an element looks. Lengths are in pixels; `padding` is that above and below, `height` what is asked for.

    `aside` is what is moved out of the window.
    """

    color: Color = Color(0, 0, 0)
    ground: Color = Color(1, 1, 1)
    opacity: float = 1
    size: float = 16
    line: tuple[float, str] = (1.2, "")
    weight: float = 400
    direction: str = "ltr"
    displayed: bool = True
    visibility: str = "visible"
    display: str = "inline"
    padding: float = 0
    height: float = 0
    aside: bool = False

    @property
    def line_height(self) -> float:
        """The height of one line of text, in pixels."""
        number, unit = self.line
        return number if unit else number * self.size

    @property
    def visible(self) -> bool:
        """Whether a text in it is shown."""
        return self.displayed and self.visibility == "visible"


@dataclass(frozen=True, eq=False)
class Declaration:
    """One property that is set, and where: `media` are the queries it stands in, which must all hold."""

    name: str
    value: Value
    rank: tuple[bool, int]
    """Whether it is important; 0 the browser, 1 an attribute such as bgcolor, 2 a style sheet, 3 a style attribute."""
    media: tuple[Media, ...]


@dataclass(frozen=True, eq=False)
class Media:
    """A media query, in the tokens of tinycss2."""

    query: tuple[Any, ...]


def declarations(css: Any, origin: int) -> Iterator[Declaration]:
    """Read declarations, given as text or tokens; what is not understood is dropped, as browsers do."""
    for item in tinycss2.parse_blocks_contents(css, skip_comments=True, skip_whitespace=True):
        if item.type == "declaration":
            values = [value for token in item.value if (value := value_of(token)) is not None]
            for name, value in _longhands(item.lower_name, values):
                yield Declaration(name, value, (item.important, origin), ())


@lru_cache(maxsize=1024)
def inline(css: str, origin: int) -> tuple[Declaration, ...]:
    """Read what a style attribute says, as `declarations` does; mails say the same hundreds of times."""
    return tuple(declarations(css, origin))


def computed(said: dict[str, Value], parent: Style) -> Style:
    """Give the style that declarations make of the style around them."""
    size = _size(said.get("font-size"), parent.size)
    color, ground = said.get("color"), said.get("background-color")
    line = said.get("line-height", parent.line)
    if isinstance(line, tuple) and line[1]:
        line = (pixels(line, size, whole=size), "px")
    weight = said.get("font-weight")
    opacity = said.get("opacity")
    return Style(
        color=color if isinstance(color, Color) else Color(0, 0, 0) if color == "initial" else parent.color,
        ground=ground.over(parent.ground) if isinstance(ground, Color) else parent.ground,
        opacity=parent.opacity * (opacity[0] if isinstance(opacity, tuple) else 1),
        size=size,
        line=line if isinstance(line, tuple) else parent.line if line == "inherit" else (1.2, ""),
        weight=weight[0] if isinstance(weight, tuple) else _WEIGHTS.get(str(weight), parent.weight),
        direction=found if (found := said.get("direction")) in ("ltr", "rtl") else parent.direction,
        displayed=parent.displayed and not _hides(said, size),
        visibility=str(said["visibility"]) if said.get("visibility", "inherit") != "inherit" else parent.visibility,
        display=str(said.get("display", "inline")),
        padding=sum(pixels(said.get(name), size) for name in ("padding-top", "padding-bottom")),
        height=max(pixels(said.get(name), size) for name in ("height", "min-height")),
        aside=parent.aside or _moves_away(said, size),
    )


def _moves_away(said: dict[str, Value], size: float) -> bool:
    """Tell whether an element is put where the window ends."""
    placed = said.get("position") in ("absolute", "fixed", "relative")
    names = ("text-indent", "margin-left", *(("left", "top") if placed else ()))
    return any(pixels(said.get(name), size, whole=640) <= -_FAR for name in names)


def value_of(token: Any) -> Value | None:
    """Read one token of a value; None where it says nothing here."""
    if token.type in ("dimension", "percentage", "number"):
        unit = {"percentage": "%", "number": ""}.get(token.type)
        return float(token.value), token.lower_unit if unit is None else unit
    if token.type in ("ident", "hash", "function"):
        color = parse_color(token)
        if color and color != "currentcolor":
            try:
                return Color(*color.to("srgb"))
            except NotImplementedError:
                return None  # such as lab(), which no mail client shows either
    return str(token.lower_value) if token.type == "ident" else None


def _longhands(name: str, values: list[Value]) -> Iterator[tuple[str, Value]]:
    """Give the single properties that a declaration sets, where its value is one."""
    if not values:
        return
    if name == "background":
        yield "background-color", next((value for value in values if isinstance(value, Color)), Color(0, 0, 0, 0))
    elif name in ("padding", "margin"):
        yield from ((f"{name}-{side}", values[at]) for side, at in _SIDES[min(len(values), 4)].items())
    elif name == "font":  # such as bold 14px/1.5 Arial
        numbers = [value for value in values if isinstance(value, tuple)]
        sized = [*dropwhile(lambda number: not number[1], numbers), (1.2, "")]
        if len(sized) > 1:
            yield from (("font-size", sized[0]), ("line-height", sized[1]))
            yield "font-weight", "bold" if "bold" in values else numbers[0] if not numbers[0][1] else "normal"
    elif values[0] in _EVERYWHERE or name not in _TAKES or _TAKES[name](values[0]):
        yield name, values[0]


def _hides(said: dict[str, Value], size: float) -> bool:
    """Tell whether an element is taken from sight, as the preheader is."""
    boxes = (said[name] for name in ("max-height", "height", "max-width", "width") if name in said)
    clipped = any(isinstance(box, tuple) and pixels(box, size, whole=1000) <= 1 for box in boxes)
    opacity = said.get("opacity")
    return (
        said.get("display") == "none"
        or (isinstance(opacity, tuple) and opacity[0] == 0)
        or (said.get("overflow") == "hidden" and clipped)
    )


def _size(value: Value | None, around: float) -> float:
    if isinstance(value, tuple):
        return pixels(value, around, whole=around)
    return {"smaller": around / 1.2, "larger": around * 1.2}.get(str(value), _SIZES.get(str(value), around))


def pixels(value: Value | None, em: float, whole: float = 0) -> float:
    """Give a length in pixels; a percentage is one of `whole`. Anything else is 0."""
    number, unit = value if isinstance(value, tuple) else (0, "")
    return number * {"px": 1, "pt": 4 / 3, "em": em, "rem": 16, "%": whole / 100}.get(unit, 0)


_FAR = 300
"""Pixels to the side from which on nothing of a line of text is seen."""

_SIDES = {
    count: dict(zip(("top", "right", "bottom", "left"), order, strict=True))
    for count, order in {1: (0, 0, 0, 0), 2: (0, 1, 0, 1), 3: (0, 1, 2, 1), 4: (0, 1, 2, 3)}.items()
}
"""For each side, which of so many values of a shorthand is for it."""

_SIZES = {"x-small": 10, "small": 13, "medium": 16, "initial": 16, "large": 18, "x-large": 24}
_SIZE_WORDS = (*_SIZES, "smaller", "larger")
_WEIGHTS = {"normal": 400, "lighter": 400, "initial": 400, "bold": 700, "bolder": 700}
_EVERYWHERE = ("inherit", "initial", "unset", "currentcolor")
_TAKES: dict[str, Callable[[Value], bool]] = {
    "color": lambda value: isinstance(value, Color),
    "background-color": lambda value: isinstance(value, Color),
    "font-size": lambda value: value[1] != "" or value[0] == 0 if isinstance(value, tuple) else value in _SIZE_WORDS,
    "line-height": lambda value: isinstance(value, tuple) or value == "normal",
}
