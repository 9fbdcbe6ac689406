"""A mail in light or in dark whatever the machine says, without pictures, and with links that open beside it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from digest.issue.clients.parts import name_of, parts_of, read_tag

Scheme = Literal["light", "dark"]

_GAP = r"(?:\s|/\*.*?\*/)*"
_ASKS = re.compile(rf"\({_GAP}prefers-color-scheme{_GAP}(?::{_GAP}([a-z-]+){_GAP})?\)", re.IGNORECASE | re.DOTALL)
_ALWAYS, _NEVER = "(min-width:0px)", "(min-width:999999px)"
"""A feature that every window has, and one that none has: what is around it in the query stays as it is."""

_COLOR_SCHEME = re.compile(r"(?<![\w-])(color-scheme\s*:)([^;}\"']*)", re.IGNORECASE)
_SHEET = re.compile(r"(?P<sheet><style(?=[\s>])[^>]*>)(?P<css>.*?)</style\s*>", re.IGNORECASE | re.DOTALL)
_METAS = ("color-scheme", "supported-color-schemes")

_ADDRESS = re.compile(r"url\(\s*(?:\"[^\"]*\"|'[^']*'|[^)]*)\s*\)", re.IGNORECASE)
_LINK = re.compile(r"<(a|area)(?=\s)", re.IGNORECASE)


def in_scheme(html: str, scheme: Scheme) -> str:
    """Give a mail as a program shows it that follows `prefers-color-scheme`, in one scheme for every machine.

    A query for the scheme always holds, one for the other never does (https://www.w3.org/TR/mediaqueries-5/, 12.5);
    and where the mail can be both, by its meta elements or by the property, it is this one
    (https://html.spec.whatwg.org/multipage/semantics.html#meta-color-scheme).
    """
    written, at = [], 0
    for match in _SHEET.finditer(html):
        sheet = f"{_tag_in(match['sheet'], scheme)}{_css_in(match['css'], scheme)}</style>"
        written += [_tags_in(html[at : match.start()], scheme), sheet]
        at = match.end()
    head, body, rest = html[at:].partition("<body")
    return "".join([*written, _tags_in(head, scheme), _tags_in(body + rest, scheme)])


def without_pictures(html: str) -> str:
    """Give a mail as it is before its pictures are let in: with the words that stand for them, and plain grounds."""
    written = []
    for part in parts_of(html):
        if part.kind == "sheet":
            written.append(f"{part.text}{_ADDRESS.sub('none', part.css)}</style>")
        else:
            written.append(_blank(part.text) if part.kind == "tag" else part.text)
    return "".join(written)


def in_new_tabs(html: str) -> str:
    """Give a mail whose links open a tab of their own, which does not know where it was opened."""
    # Of two attributes with one name the first counts.
    return _LINK.sub(r'<\1 target="_blank" rel="noopener noreferrer"', html)


@lru_cache(maxsize=256)
def _css_in(css: str, scheme: Scheme) -> str:
    asked = _ASKS.sub(lambda found: _ALWAYS if (found[1] or scheme).lower() == scheme else _NEVER, css)
    return _COLOR_SCHEME.sub(lambda found: found[1] + _one_of(found[2], scheme), asked)


def _one_of(schemes: str, scheme: Scheme) -> str:
    """Give the scheme where it is among those a mail can be; else they stay."""
    important = " !important" if "!important" in schemes.replace(" ", "").lower() else ""
    return scheme + important if scheme in schemes.lower().split() else schemes


def _tags_in(html: str, scheme: Scheme) -> str:
    if "color-scheme" not in html.lower():
        return html  # as most of a mail, which is then not taken apart
    return "".join(_tag_in(part.text, scheme) if part.kind == "tag" else part.text for part in parts_of(html))


@lru_cache(maxsize=4096)
def _tag_in(text: str, scheme: Scheme) -> str:
    if "color-scheme" not in text:
        return text
    tag = read_tag(text)
    for name in ("media", "style"):
        if value := tag.attributes.get(name):
            tag.attributes[name] = _css_in(value, scheme)
    if tag.name == "meta" and (tag.attributes.get("name") or "").lower() in _METAS:
        tag.attributes["content"] = _one_of(tag.attributes.get("content") or "", scheme)
    return str(tag)


@lru_cache(maxsize=4096)
def _blank(text: str) -> str:
    name = name_of(text)
    if name not in _SHOWN and "url(" not in text and "background=" not in text:
        return text
    tag = read_tag(text)
    for attribute in _SHOWN.get(tag.name, ()):
        tag.attributes.pop(attribute, None)
    tag.attributes.pop("background", None)
    if style := tag.attributes.get("style"):
        tag.attributes["style"] = _ADDRESS.sub("none", style)
    return str(tag)


_SHOWN = {
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "input": ("src",),
    "image": ("href", "xlink:href"),
    "v:fill": ("src",),
    "v:image": ("src",),
}
"""Which attributes of which elements load a picture."""
