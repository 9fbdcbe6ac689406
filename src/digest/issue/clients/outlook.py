"""A mail as the classic Outlook for Windows shows it, whose HTML is read by Word.

What is done to it is published here, and nothing else is done:

- conditional comments: see `conditions`;
- https://www.caniemail.com: each property, selector, at-rule, element, attribute and unit
  (``checks/data/caniemail.json``), and in part, by the notes of .../features/css-padding/ (table cells only),
  .../css-width/ and .../css-height/ (not on body, span, div, p), .../css-max-width/ (tables only), .../css-display/
  (only `none`), .../css-margin/ (no `auto`, no negative values), .../css-background/ (colours only), .../css-border/
  (not to be relied on with p and div: here it is not there), .../css-important/ (not in a tag), .../css-font-weight/,
  .../css-text-decoration/, .../css-text-transform/, .../css-list-style/, .../css-rgb/;
- https://www.hteumeuleu.com/2020/outlook-rendering-engine/: `mso-padding-alt` in the place of padding, `mso-hide`;
- https://github.com/hteumeuleu/email-bugs/issues/75: of several classes the first counts.

Drawings in VML are not drawn. Outlook's dark mode asks no media query; what it darkens by itself is not drawn either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from digest.issue.clients.conditions import for_outlook
from digest.issue.clients.parts import name_of, parts_of, read_tag
from digest.issue.clients.styles import Declared, Program, lacks

_DROPPED_WHOLE = ("svg", "script", "xml")

WORD = """@layer word {
:not(td, th, ul, ol, li, dl, dd) { padding: 0 !important }
body, span, div, p { width: auto !important; height: auto !important }
:not(table) { max-width: none !important }
body, span { margin: 0 !important }
p, div { border: 0 !important }
}"""
"""What holds for some elements whatever a mail says: what is important in a layer is stronger than all outside."""

_BOLD = 600
_CELLS = ("td", "th")


def as_outlook(html: str) -> str:
    """Give a mail as the classic Outlook for Windows shows it."""
    written: list[str] = []
    skipping = ""
    for part in parts_of(for_outlook(html)):
        if part.kind == "sheet":
            media = read_tag(part.text).attributes.get("media") or ""
            if media.strip().lower() in ("", "all", "screen") and not skipping:
                written.append(f"<style>{_sheet(part.css)}</style>")
        elif part.kind == "tag":
            name, closing = name_of(part.text), part.text.startswith("</")
            if skipping:
                skipping = "" if closing and name == skipping else skipping
            elif name in _DROPPED_WHOLE and not closing:
                skipping = "" if part.text.endswith("/>") else name
            elif name == "head" and closing:
                written.append(f"<style>{WORD}</style></head>")
            else:
                written.append(_tag(part.text))
        elif part.kind == "text" and not skipping:
            written.append(part.text)
    return f"<!doctype html>{''.join(written)}"


def _declared(name: str, value: str, important: bool) -> Declared | None:
    words = value.lower().split()
    match name:
        case "mso-hide":
            return ("display", "none") if words == ["all"] else None
        case "display":
            return (name, "none") if words == ["none"] else None
        case "background":
            return _ground(value)
        case "text-decoration":
            return (name, value) if len(words) == 1 and words != ["overline"] else None
        case "text-transform":
            return None if words == ["lowercase"] else (name, value)
        case "list-style":
            return None if "url(" in value.lower() or len(words) > 1 else (name, value)
        case "font-weight" if value.isdigit():
            return name, "bold" if int(value) >= _BOLD else "normal"
    if name.startswith("margin") and any(word == "auto" or word.startswith("-") for word in words):
        return None
    if re.search(r"rgba?\([^)]*/|rgb\((?:[^,)]*,){3}", value, re.IGNORECASE):  # how much of it shines through
        return None
    return name, value


def _ground(value: str) -> Declared | None:
    """Give the colour of a ground, the only thing of it that is shown."""
    said = re.split(r"\s+url\(", value, maxsplit=1, flags=re.IGNORECASE)[0]
    color = re.fullmatch(r"#[0-9a-f]{3,6}|[a-z]+|rgb\([^)]*\)", said.strip(), re.IGNORECASE)
    return ("background-color", color[0]) if color and color[0].lower() != "none" else None


def _follows(selector: Any, text: str) -> bool:
    return True


def _asks(query: Sequence[Any]) -> bool:
    return False


_OUTLOOK = Program("Outlook for Windows (classic)", _declared, _follows, _asks)


@lru_cache(maxsize=64)
def _sheet(css: str) -> str:
    return "\n".join(_OUTLOOK.rules(css))


@lru_cache(maxsize=4096)
def _tag(text: str) -> str:
    """Give a tag as Word reads it; an empty text where it does not know it."""
    tag = read_tag(text)
    missing = lacks(_OUTLOOK.name)
    if f"element:{tag.name}" in missing or ":" in tag.name or tag.name in ("noscript", "source"):
        return ""
    if tag.name == "meta" and f"meta:{tag.attributes.get('name') or ''}" in missing:
        return ""
    for name in [name for name in tag.attributes if f"attribute:{name}" in missing or name.startswith("on")]:
        del tag.attributes[name]
    if names := (tag.attributes.get("class") or "").split():
        tag.attributes["class"] = names[0]
    style = tag.attributes.get("style")
    if style is not None:
        tag.attributes["style"] = ";".join(_inline(style, tag.name))
    return str(tag)


def _inline(style: str, element: str) -> list[str]:
    """Give what a tag's own style says: nothing of it can be important, and a picture's width is its attribute's."""
    kept = [said for said in _OUTLOOK.declarations(style) if not said.endswith(" !important")]
    if element == "img":
        kept = [said for said in kept if not said.startswith(("width:", "display:"))]
    if element in _CELLS:
        room = [said for said in kept if said.startswith("mso-padding-alt:")]
        others = [said for said in kept if not said.startswith(("padding", "mso-padding-alt"))] if room else kept
        return [*others, *(said.removeprefix("mso-").replace("-alt:", ":", 1) for said in room)]
    return kept
