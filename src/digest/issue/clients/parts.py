"""The parts of a mail's HTML: tags, style elements, comments, and the text between, as they are written.

A tree is not needed to leave out what a mail program leaves out, and making one takes ten times as long: a preview is
made after each keystroke.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape, unescape
from typing import Literal, NamedTuple

_PART = re.compile(
    r"""(?P<comment><!--.*?(?:-->|\Z)|<!\[[^\]]*\]>|<!doctype[^>]*>)"""
    r"""|(?P<sheet><style(?=[\s>])(?:[^<>"']|"[^"]*"|'[^']*')*>)(?P<css>.*?)(?:</style\s*>|\Z)"""
    r"""|(?P<tag></?[a-z](?:[^<>"']|"[^"]*"|'[^']*')*>)""",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'=<>`]+))?""")

VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
"""Elements without an end tag (https://html.spec.whatwg.org/multipage/syntax.html#void-elements)."""


class Part(NamedTuple):
    """A piece of HTML as it is written; of a style element `text` is its first tag, and `css` what is in it."""

    kind: Literal["text", "tag", "sheet", "comment"]
    text: str
    css: str = ""


@dataclass
class Tag:
    """A tag: its name in lower case, and its attributes, of two with one name the first; None is one without value."""

    name: str
    closing: bool
    attributes: dict[str, str | None]

    def __str__(self) -> str:
        given = "".join(
            f" {name}" if value is None else f' {name}="{escape(value)}"' for name, value in self.attributes.items()
        )
        return f"</{self.name}>" if self.closing else f"<{self.name}{given}>"


def parts_of(html: str) -> Iterator[Part]:
    """Give the parts of HTML in their order; joined they are the HTML again, but for the ends of style elements."""
    at = 0
    for match in _PART.finditer(html):
        if match.start() > at:
            yield Part("text", html[at : match.start()])
        kind = match.lastgroup
        if match["sheet"] is not None:
            yield Part("sheet", match["sheet"], match["css"])
        else:
            yield Part("tag" if kind == "tag" else "comment", match[0])
        at = match.end()
    if at < len(html):
        yield Part("text", html[at:])


def read_tag(text: str) -> Tag:
    """Read a tag as it is written."""
    closing = text.startswith("</")
    name, *rest = re.split(r"[\s/>]", text[2 if closing else 1 :], maxsplit=1)
    attributes: dict[str, str | None] = {}
    for match in _ATTRIBUTE.finditer(rest[0].removesuffix(">") if rest and not closing else ""):
        value = match[2]
        given = None if value is None else unescape(value[1:-1] if value[0] in "\"'" else value)
        attributes.setdefault(match[1].lower(), given)
    return Tag(name.lower(), closing, attributes)


def name_of(text: str) -> str:
    """Give the name of a tag as it is written, in lower case."""
    found = re.match(r"</?([^\s/>]+)", text)
    return found[1].lower() if found else ""
