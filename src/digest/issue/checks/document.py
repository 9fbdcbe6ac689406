"""The HTML of a mail as a reader would see it: its elements, and the style each has on a given screen.

It knows the part of CSS that decides whether a text can be read and a button hit: the cascade
(https://www.w3.org/TR/css-cascade-4/), colours, sizes, paddings, and what is hidden. It lays nothing out, and
pictures behind a text are not looked at. What stands in comments for Outlook is not seen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from itertools import dropwhile
from typing import Any, Literal

import cssselect2
import tinycss2
import tinyhtml5
from tinycss2.color4 import parse_color


@dataclass(frozen=True)
class Screen:
    """What a mail is looked at on: its colour scheme, and its width in pixels."""

    scheme: Literal["light", "dark"] = "light"
    width: int = 640


SCREENS = tuple(Screen(scheme, width) for scheme in ("light", "dark") for width in (640, 375))
"""A window on a desk and a phone, by day and by night."""


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


@dataclass(frozen=True)
class Style:
    """How an element looks. Lengths are in pixels; `padding` is that above and below, `height` what is asked for."""

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

    @property
    def line_height(self) -> float:
        """The height of one line of text, in pixels."""
        number, unit = self.line
        return number if unit else number * self.size

    @property
    def visible(self) -> bool:
        """Whether a text in it is shown."""
        return self.displayed and self.visibility == "visible"


@dataclass(eq=False)
class Element:
    """An element: its content is its texts and elements in their order."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    declared: tuple[_Declaration, ...]
    content: list[Element | str] = field(default_factory=list)

    def within(self) -> Iterator[Element]:
        """Give the element and all within it, in the order of the document."""
        yield self
        for part in self.content:
            if isinstance(part, Element):
                yield from part.within()

    def runs(self) -> Iterator[tuple[Element, str]]:
        """Give each run of text within, and the element it stands in, in the order of the document."""
        for part in self.content:
            if isinstance(part, Element):
                yield from part.runs()
            elif part.strip():
                yield self, part

    def around(self) -> Iterator[Element]:
        """Give the element and those it is in, the nearest first."""
        element: Element | None = self
        while element is not None:
            yield element
            element = element.parent

    @property
    def words(self) -> str:
        """All text within, on one line."""
        return one_line(" ".join(text for _, text in self.runs()))

    @property
    def place(self) -> str:
        """Its tag as it is written, and that of the nearest around it with a class where it has none."""
        named = next((element for element in self.around() if element.attributes.get("class")), self)
        tag = f'<{named.tag} class="{named.attributes["class"]}">' if "class" in named.attributes else f"<{named.tag}>"
        return tag if named is self else f"<{self.tag}> in {tag}"


@dataclass(frozen=True)
class Text:
    """A text that is shown: one run of it between two tags, on one line, and its looks."""

    text: str
    element: Element
    style: Style

    @property
    def color(self) -> str:
        """Its colour on its ground, as ``#rrggbb``."""
        return str(self.style.color.over(self.style.ground, self.style.opacity))

    @property
    def ground(self) -> str:
        """The colour behind it, as ``#rrggbb``."""
        return str(self.style.ground)

    @property
    def bold(self) -> bool:
        """Whether it is bold as WCAG means it: a weight of 700 or more."""
        return self.style.weight >= 700

    @property
    def place(self) -> str:
        """Where it is, such as ``“Panel ship” in <p class="muted">``."""
        return f"“{excerpt(self.text)}” in {self.element.place}"


class Document:
    """An HTML document that can be asked for its elements, and for the texts a reader sees."""

    def __init__(self, html: str) -> None:
        root = tinyhtml5.parse(html, namespace_html_elements=False)
        matcher = cssselect2.Matcher()
        _add_sheet(matcher, _rules(_BROWSER), 0, ())
        for style in root.iter("style"):
            media = tuple(tinycss2.parse_component_value_list(style.get("media", "")))
            _add_sheet(matcher, _rules(style.text or ""), 2, (_Media(media),))
        self.root = _element(cssselect2.ElementWrapper.from_html_root(root), None, matcher)
        self._all, self._runs = tuple(self.root.within()), tuple(self.root.runs())
        self._styles: dict[Screen, dict[Element, Style]] = {}

    def elements(self, *tags: str) -> Iterator[Element]:
        """Give the elements of these tags, in their order."""
        return (element for element in self._all if element.tag in tags)

    def style(self, element: Element, screen: Screen) -> Style:
        """Give the style of an element on a screen."""
        if screen not in self._styles:
            self._styles[screen] = self._styled(screen)
        return self._styles[screen][element]

    def texts(self, screen: Screen) -> Iterator[Text]:
        """Give the texts that are shown on a screen, in their order."""
        for element, run in self._runs:
            if (words := one_line(run)) and (style := self.style(element, screen)).visible:
                yield Text(words, element, style)

    def _styled(self, screen: Screen) -> dict[Element, Style]:
        fits = cache(lambda media: all(_media_fits(each.query, screen) for each in media))
        # Hundreds of elements of a mail are alike: the same declarations within the same style.
        known: dict[tuple[int, tuple[int, ...]], Style] = {}
        styles: dict[Element, Style] = {}
        for element in self._all:
            parent = styles[element.parent] if element.parent else Style()
            active = [item for item in element.declared if not item.media or fits(item.media)]
            key = id(parent), tuple(map(id, active))
            if key not in known:
                known[key] = _computed({item.name: item.value for item in active}, parent)
            styles[element] = known[key]
        return styles


@lru_cache(maxsize=4)
def document(html: str) -> Document:
    """Parse a mail's HTML, once for all checks."""
    return Document(html)


def one_line(text: str) -> str:
    """Give a text with each run of white space as one space, and without what nobody sees."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split()) if text.strip() else ""


def excerpt(text: str, length: int = 40) -> str:
    """Give the beginning of a text."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


@dataclass(frozen=True, eq=False)
class _Declaration:
    name: str
    value: Any
    rank: tuple[bool, int]
    """Whether it is important; 0 the browser, 1 an attribute such as bgcolor, 2 a style sheet, 3 a style attribute."""
    media: tuple[_Media, ...]


@dataclass(frozen=True, eq=False)
class _Media:
    query: tuple[Any, ...]


_BROWSER = """
h1 { font-size: 2em } h2 { font-size: 1.5em } h3 { font-size: 1.17em } h5 { font-size: .83em } h6 { font-size: .67em }
h1, h2, h3, h4, h5, h6, th, b, strong { font-weight: bold }
small, sub, sup { font-size: smaller }
a[href] { color: #0000ee }
button { display: inline-block }
head, style, script, template, [hidden] { display: none }
"""
"""What browsers do unasked (https://html.spec.whatwg.org/multipage/rendering.html), as far as it matters here."""


def _element(wrapper: Any, parent: Element | None, matcher: Any) -> Element:
    node = wrapper.etree_element
    attributes = dict(node.attrib)
    found = [item for *_, pseudo, items in matcher.match(wrapper) if pseudo is None for item in items]
    found += _from_attributes(attributes.get("bgcolor"), attributes.get("dir"), "".join(node.itertext()))
    found += _inline(attributes.get("style", ""), 3)
    element = Element(node.tag, attributes, parent, tuple(sorted(found, key=lambda item: item.rank)))
    element.content.append(node.text or "")
    children = wrapper.iter_children()
    for child in node:
        if isinstance(child.tag, str):  # a comment's is a function
            element.content.append(_element(next(children), element, matcher))
        element.content.append(child.tail or "")
    return element


def _from_attributes(bgcolor: str | None, direction: str | None, text: str) -> Iterator[_Declaration]:
    if direction == "auto":  # https://html.spec.whatwg.org/multipage/dom.html#the-dir-attribute
        strong = (way for way in map(unicodedata.bidirectional, text) if way in ("L", "R", "AL"))
        direction = "rtl" if next(strong, "L") != "L" else "ltr"
    for name, value in (("background-color", bgcolor), ("direction", direction)):
        if value:
            yield from _inline(f"{name}: {value}", 1)


def _rules(css: str) -> list[Any]:
    return list(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True))


def _add_sheet(matcher: Any, rules: Iterable[Any], origin: int, media: tuple[_Media, ...]) -> None:
    for rule in rules:
        if rule.type == "at-rule" and rule.lower_at_keyword == "media" and rule.content is not None:
            inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            _add_sheet(matcher, inner, origin, (*media, _Media(tuple(rule.prelude))))
        elif rule.type == "qualified-rule":
            try:
                selectors = cssselect2.compile_selector_list(rule.prelude)
            except cssselect2.SelectorError:
                continue  # browsers drop the whole rule, too
            items = [replace(item, media=media) for item in _declarations(rule.content, origin)]
            for selector in selectors:
                matcher.add_selector(selector, items)


def _media_fits(query: tuple[Any, ...], screen: Screen) -> bool:
    """Tell whether a media query (https://www.w3.org/TR/mediaqueries-4/) holds; a feature not known does not."""
    parts: list[list[Any]] = [[]]
    for token in query:
        if token.type == "literal" and token.value == ",":
            parts.append([])
        elif token.type not in ("whitespace", "comment"):
            parts[-1].append(token)
    return not any(parts) or any(_part_fits(part, screen) for part in parts)


def _part_fits(part: list[Any], screen: Screen) -> bool:
    fits, negated = True, False
    for token in part:
        word = token.lower_value if token.type == "ident" else ""
        negated = negated or word == "not"
        if token.type == "() block":
            fits = fits and _feature_fits(token.content, screen)
        elif word not in ("all", "screen", "and", "only", "not"):
            fits = False
    return fits != negated


def _feature_fits(tokens: list[Any], screen: Screen) -> bool:
    item = tinycss2.parse_one_declaration(tokens, skip_comments=True)
    if item.type != "declaration":
        return False
    value = next((value for token in item.value if (value := _value(token)) is not None), "")
    match item.lower_name:
        case "prefers-color-scheme":
            return value == screen.scheme
        case "min-width" | "min-device-width":
            return screen.width >= _pixels(value, 16)
        case "max-width" | "max-device-width":
            return screen.width <= _pixels(value, 16)
    return False


def _declarations(css: Any, origin: int) -> Iterator[_Declaration]:
    """Read declarations; what is not understood is dropped, as browsers do."""
    for item in tinycss2.parse_blocks_contents(css, skip_comments=True, skip_whitespace=True):
        if item.type == "declaration":
            values = [value for token in item.value if (value := _value(token)) is not None]
            for name, value in _longhands(item.lower_name, values):
                yield _Declaration(name, value, (item.important, origin), ())


@lru_cache(maxsize=1024)
def _inline(css: str, origin: int) -> tuple[_Declaration, ...]:
    return tuple(_declarations(css, origin))


def _value(token: Any) -> Value | None:
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
    elif name == "padding":
        yield from (("padding-top", values[0]), ("padding-bottom", values[0 if len(values) < 3 else 2]))
    elif name == "font":  # such as bold 14px/1.5 Arial
        numbers = [value for value in values if isinstance(value, tuple)]
        sized = [*dropwhile(lambda number: not number[1], numbers), (1.2, "")]
        if len(sized) > 1:
            yield from (("font-size", sized[0]), ("line-height", sized[1]))
            yield "font-weight", "bold" if "bold" in values else numbers[0] if not numbers[0][1] else "normal"
    elif values[0] in _EVERYWHERE or name not in _TAKES or _TAKES[name](values[0]):
        yield name, values[0]


def _computed(said: dict[str, Value], parent: Style) -> Style:
    """Give the style that declarations make of the style around them."""
    size = _size(said.get("font-size"), parent.size)
    color, ground = said.get("color"), said.get("background-color")
    line = said.get("line-height", parent.line)
    if isinstance(line, tuple) and line[1]:
        line = (_pixels(line, size, whole=size), "px")
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
        padding=sum(_pixels(said.get(name), size) for name in ("padding-top", "padding-bottom")),
        height=max(_pixels(said.get(name), size) for name in ("height", "min-height")),
    )


def _hides(said: dict[str, Value], size: float) -> bool:
    """Tell whether an element is taken from sight, as the preheader is."""
    boxes = (said[name] for name in ("max-height", "height", "max-width", "width") if name in said)
    clipped = any(isinstance(box, tuple) and _pixels(box, size, whole=1000) <= 1 for box in boxes)
    opacity = said.get("opacity")
    return (
        said.get("display") == "none"
        or (isinstance(opacity, tuple) and opacity[0] == 0)
        or (said.get("overflow") == "hidden" and clipped)
    )


def _size(value: Value | None, around: float) -> float:
    if isinstance(value, tuple):
        return _pixels(value, around, whole=around)
    return {"smaller": around / 1.2, "larger": around * 1.2}.get(str(value), _SIZES.get(str(value), around))


def _pixels(value: Value | None, em: float, whole: float = 0) -> float:
    """Give a length in pixels; a percentage is one of `whole`. Anything else is 0."""
    number, unit = value if isinstance(value, tuple) else (0, "")
    return number * {"px": 1, "pt": 4 / 3, "em": em, "rem": 16, "%": whole / 100}.get(unit, 0)


Value = Color | tuple[float, str] | str
"""A colour, a number with its unit (``%``, or none), or a word."""

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
