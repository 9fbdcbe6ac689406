"""What of HTML and CSS a mail uses: elements, attributes, properties, selectors, units, kinds of pictures.

A use is named as in ``data/caniemail.json``: ``element:video``, ``property:gap``, ``selector:child``. What is in
comments for Outlook (``<!--[if mso]>``) is not looked at: no other program reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import tinycss2
from cssselect2 import parser as selectors

_COMBINATORS = {" ": "descendant", ">": "child", "+": "adjacent-sibling", "~": "general-sibling"}


def uses(html: str) -> dict[str, str]:
    """Give what a mail uses, such as ``property:gap`` or ``element:video``, each with the first place of it."""
    page = _scan(html)
    found = dict(page.found)
    for sheet in page.sheets:
        rules = tinycss2.parse_stylesheet(sheet, skip_comments=False, skip_whitespace=True)
        for key, place in _rules(rules):
            found.setdefault(key, f"<style> {place}")
    for text, tag in page.inline.items():
        for key, place in _inline(text):
            found.setdefault(key, f'<{tag} style="{place}">')
    return found


def style_sheets(html: str) -> tuple[str, ...]:
    """Give the CSS of each style element of a mail, in their order."""
    return tuple(_scan(html).sheets)


def nested_at_rules(sheet: str) -> Iterator[tuple[str, str]]:
    """Give each at-rule of a style sheet that stands inside another: the name of the outer one, and its own."""
    for rule in tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True):
        if rule.type == "at-rule" and rule.content is not None:
            for each in tinycss2.parse_blocks_contents(rule.content):
                if each.type == "at-rule":
                    yield rule.lower_at_keyword, each.lower_at_keyword


@dataclass
class _Page(HTMLParser):
    """The elements and attributes of a mail, its style sheets, and its styles in attributes with their first tag."""

    found: dict[str, str] = field(default_factory=dict)
    sheets: list[str] = field(default_factory=list)
    inline: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.setdefault(f"element:{tag}", f"<{tag}>")
        given = {name: value or "" for name, value in reversed(attrs)}  # of two with one name the first counts
        for name, value in given.items():
            self.found.setdefault(f"attribute:{name}", f'<{tag} {name}="{value[:60]}">')
        for key in _values(tag, given):
            self.found.setdefault(key, self.get_starttag_text() or f"<{tag}>")
        if "style" in given:
            self.inline.setdefault(given["style"], tag)
        if tag == "style":
            self.sheets.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style":
            self.sheets[-1] += data


@lru_cache(maxsize=4)
def _scan(html: str) -> _Page:
    page = _Page()
    page.feed(html)
    page.close()
    return page


def _values(tag: str, given: Mapping[str, str]) -> Iterator[str]:
    """Give what an attribute's value makes a feature."""
    if tag in ("input", "button"):
        yield f"typed:{tag}={given.get('type') or ('text' if tag == 'input' else 'submit')}"
    if tag == "meta":
        yield f"meta:{given.get('name', '')}"
    if tag == "style" and given.get("media"):
        yield "at:media"
    if tag == "a" and given.get("href", "").startswith(("#", "mailto:")):
        yield "link:" + ("#" if given["href"].startswith("#") else "mailto")
    if tag == "img" and given.get("src"):
        address = given["src"]
        yield f"image:{'base64' if address.startswith('data:') else urlsplit(address).path.rpartition('.')[2].lower()}"


@lru_cache(maxsize=4096)
def _inline(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(_declarations(tinycss2.parse_blocks_contents(text, skip_comments=True, skip_whitespace=True)))


def _rules(rules: list[Any]) -> Iterator[tuple[str, str]]:
    """Give what a list of rules uses, each with its selector or at-rule."""
    for rule in rules:
        if rule.type == "comment":
            yield "css:comment", "/*…*/"
        elif rule.type == "at-rule":
            name = rule.lower_at_keyword
            place = f"@{name}{_short(rule.prelude)}"
            yield f"at:{name}", place
            if name == "media":
                yield from ((f"media:{feature}", place) for feature in media_features(rule.prelude))
            if rule.content is not None:
                inside = tinycss2.parse_blocks_contents(rule.content, skip_whitespace=True)
                yield from _rules([each for each in inside if each.type in ("at-rule", "qualified-rule", "comment")])
                yield from ((key, place) for key, _ in _declarations(inside))
        elif rule.type == "qualified-rule":
            place = _short(rule.prelude).strip()
            inside = tinycss2.parse_blocks_contents(rule.content, skip_whitespace=True)
            yield from ((key, place) for key in _selectors(rule.prelude))
            yield from ((key, f"{place} {{ {declaration} }}") for key, declaration in _declarations(inside))
            if any(each.type == "qualified-rule" for each in inside):
                yield "css:nesting", place


def _declarations(inside: list[Any]) -> Iterator[tuple[str, str]]:
    """Give what declarations use, each with the declaration."""
    for each in inside:
        if each.type == "declaration":
            place = f"{each.name}:{tinycss2.serialize(each.value).strip()[:60]}"
            yield from ((key, place) for key in uses_of_declaration(each))


def uses_of_declaration(declaration: Any) -> Iterator[str]:
    """Give what a declaration uses, in tinycss2's own object."""
    yield f"property:{declaration.lower_name}"
    if declaration.important:
        yield "css:!important"
    yield from _tokens(declaration.value, declaration.lower_name)


def _tokens(tokens: list[Any], name: str) -> Iterator[str]:
    """Give the units, functions and words of a declaration's value."""
    for token in tokens:
        if token.type == "dimension":
            yield f"unit:{token.lower_unit}"
        elif token.type == "percentage":
            yield "unit:%"
        elif token.type == "ident":
            yield f"keyword:{token.lower_value}"
            yield f"value:{name}={token.lower_value}"
        elif token.type == "function":
            yield f"function:{token.lower_name}"
            yield from _tokens(token.arguments, name)


def media_features(prelude: list[Any]) -> Iterator[str]:
    """Give the features a media query asks for, such as ``prefers-color-scheme``."""
    for token in prelude:
        if token.type == "() block":
            yield from (each.lower_value for each in token.content[:2] if each.type == "ident")
            yield from media_features(token.content)


def _selectors(prelude: list[Any]) -> Iterator[str]:
    try:
        parsed = list(selectors.parse(prelude))
    except selectors.SelectorError:  # a browser drops such a rule too
        return
    if len(parsed) > 1:
        yield "selector:grouping"
    for selector in parsed:
        yield from uses_of_selector(selector)


def uses_of_selector(selector: Any) -> Iterator[str]:
    """Give what a selector uses, in cssselect2's own object."""
    if selector.pseudo_element:
        yield f"pseudo:{selector.pseudo_element}"
    yield from _parts(selector.parsed_tree)


def _parts(tree: Any) -> Iterator[str]:
    """Give the combinators and simple selectors of a parsed selector."""
    if isinstance(tree, selectors.CombinedSelector):
        yield f"selector:{_COMBINATORS[tree.combinator]}"
        yield from _parts(tree.left)
        yield from _parts(tree.right)
        return
    kinds = {
        "LocalNameSelector": "type",
        "ClassSelector": "class",
        "IDSelector": "id",
        "AttributeSelector": "attribute",
    }
    simple = [kinds.get(type(each).__name__, "") for each in tree.simple_selectors]
    yield from (f"selector:{kind}" for kind in simple or ["universal"] if kind)
    if sum(kind in ("class", "id") for kind in simple) > 1:
        yield "selector:chaining"
    named = {"NegationSelector": "not", "RelationalSelector": "has"}
    for each in tree.simple_selectors:
        name = named.get(type(each).__name__, "") or (
            getattr(each, "name", "") if "Pseudo" in type(each).__name__ else ""
        )
        if name:
            yield f"pseudo:{name}"


def _short(prelude: list[Any]) -> str:
    text = " ".join(tinycss2.serialize(prelude).split())
    return " " + (text if len(text) <= 60 else text[:59] + "…")
