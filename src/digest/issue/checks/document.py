"""The HTML of a mail as a reader would see it: its elements, and the style each has on a given screen.

It knows the cascade (https://www.w3.org/TR/css-cascade-4/); what a declaration then means is in `css`. It lays
nothing out, and pictures behind a text are not looked at. What stands in comments for Outlook is not seen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

import cssselect2
import tinycss2
import tinyhtml5

from digest.issue.checks.css import Declaration, Media, Screen, Style, computed, declarations, inline
from digest.issue.checks.media import media_fits

_BARE_HEX = re.compile("[0-9a-fA-F]{6}")
"""A colour as attributes of old may have it, without its #."""

SCREENS = tuple(Screen(scheme, width) for scheme in ("light", "dark") for width in (640, 375))
"""A window on a desk and a phone, by day and by night."""


@dataclass(eq=False)
class Element:
    """An element: its content is its texts and elements in their order."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    declared: tuple[Declaration, ...]
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
            _add_sheet(matcher, _rules(style.text or ""), 2, (Media(media),))
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
        fits = cache(lambda media: all(media_fits(each.query, screen) for each in media))
        # Hundreds of elements of a mail are alike: the same declarations within the same style.
        known: dict[tuple[int, tuple[int, ...]], Style] = {}
        styles: dict[Element, Style] = {}
        for element in self._all:
            parent = styles[element.parent] if element.parent else Style()
            active = [item for item in element.declared if not item.media or fits(item.media)]
            key = id(parent), tuple(map(id, active))
            if key not in known:
                known[key] = computed({item.name: item.value for item in active}, parent)
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


def name_of(element: Element) -> str:
    """Give what a screen reader calls an element: its text, or what stands for it."""
    labels = (label(inner) for inner in element.within())
    return element.words or " ".join(words for words in labels if words)


def label(element: Element) -> str:
    """Give the words that stand for an element in an attribute of it, where there are some."""
    said = (element.attributes.get(name, "").strip() for name in ("aria-label", "alt", "title"))
    return next((words for words in said if words), "")


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
    found += _from_attributes(node.tag, attributes, "".join(node.itertext()))
    found += inline(attributes.get("style", ""), 3)
    element = Element(node.tag, attributes, parent, tuple(sorted(found, key=lambda item: item.rank)))
    element.content.append(node.text or "")
    children = wrapper.iter_children()
    for child in node:
        if isinstance(child.tag, str):  # a comment's is a function
            element.content.append(_element(next(children), element, matcher))
        element.content.append(child.tail or "")
    return element


def _from_attributes(tag: str, attributes: dict[str, str], text: str) -> Iterator[Declaration]:
    direction = attributes.get("dir")
    if direction == "auto":  # https://html.spec.whatwg.org/multipage/dom.html#the-dir-attribute
        direction = direction_of(text) or "ltr"
    color = attributes.get("color") if tag == "font" else attributes.get("text") if tag == "body" else None
    for name, value in (("background-color", attributes.get("bgcolor")), ("color", color), ("direction", direction)):
        if value:
            yield from inline(f"{name}: {f'#{value}' if _BARE_HEX.fullmatch(value) else value}", 1)


def direction_of(text: str) -> str | None:
    """Give the direction of the first letter of a text, ``ltr`` or ``rtl``; None where it has no letter."""
    strong = (way for way in map(unicodedata.bidirectional, text) if way in ("L", "R", "AL"))
    way = next(strong, None)
    return None if way is None else "ltr" if way == "L" else "rtl"


def _rules(css: str) -> list[Any]:
    return list(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True))


def _add_sheet(matcher: Any, rules: Iterable[Any], origin: int, media: tuple[Media, ...]) -> None:
    for rule in rules:
        if rule.type == "at-rule" and rule.lower_at_keyword == "media" and rule.content is not None:
            inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            _add_sheet(matcher, inner, origin, (*media, Media(tuple(rule.prelude))))
        elif rule.type == "at-rule" and rule.lower_at_keyword == "supports" and rule.content is not None:
            # What a program supports is not known here, and most support what is asked for.
            inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            _add_sheet(matcher, inner, origin, media)
        elif rule.type == "qualified-rule":
            try:
                selectors = cssselect2.compile_selector_list(rule.prelude)
            except cssselect2.SelectorError:
                continue  # browsers drop the whole rule, too
            items = [replace(item, media=media) for item in declarations(rule.content, origin)]
            for selector in selectors:
                matcher.add_selector(selector, items)
