"""A mail as Gmail shows it on the web, to a reader with an account of Google's.

What is done to it is published here, and nothing else is done:

- https://developers.google.com/workspace/gmail/design/css: classes, elements and ids select; media queries ask for
  width, orientation and resolution; what it does not know "might be ignored".
- https://www.caniemail.com: each property, selector, at-rule, element and attribute (``checks/data/caniemail.json``),
  and in part: https://www.caniemail.com/features/css-margin/ (no negative values), .../css-at-media/ (no heights),
  .../html-style/ (none in the body), .../html-body/ (a div takes its place), .../css-list-style/, .../css-rgb/.
- https://github.com/hteumeuleu/email-bugs/issues/21 and /90: a style element with an at-rule inside another goes whole,
  and so does what is beyond 16 KB of CSS.
- https://www.emailonacid.com/blog/article/email-development/12_things_you_must_know_when_developing_for_gmail_and_gmail_mobile_apps:
  a style element with an error goes whole; a mail is cut off at 102 KB.

Names of classes and ids are given a prefix by Gmail in the HTML and the CSS alike, which changes nothing to be seen.
Its apps darken a mail by themselves in a way that nobody has published: nothing of that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import tinycss2

from digest.issue.checks.support import GMAIL_STYLES
from digest.issue.checks.uses import media_features, nested_at_rules
from digest.issue.clients.parts import VOID, name_of, parts_of, read_tag
from digest.issue.clients.styles import Declared, Program, lacks

CLIPPED = 102 * 1024
"""Bytes of HTML from which on nothing is shown."""

_HEIGHTS = frozenset(f"{bound}{of}height" for bound in ("", "min-", "max-") for of in ("", "device-"))
_DROPPED_WHOLE = ("head", "svg", "script", "title")
_LINE = (
    '<div style="margin:0;padding:12px;clear:both;background:#ffffff;color:#222222;'
    'font:14px/1.5 Arial,Helvetica,sans-serif">[Message clipped]&nbsp;&nbsp;'
    '<span style="color:#1155cc;text-decoration:underline">View entire message</span></div>'
)


def as_gmail(html: str) -> str:
    """Give a mail as Gmail shows it on the web; cut off where it is too heavy, with the line Gmail writes there."""
    clipped = len(html.encode()) > CLIPPED
    sheets: list[str] = []
    body: list[str] = []
    open_: list[str] = []
    skipping = ""
    in_body, size = False, 0
    for part in parts_of(_cut(html) if clipped else html):
        if part.kind == "sheet":
            size += len(part.css.encode())
            if not in_body and size <= GMAIL_STYLES:
                sheets.append(_sheet(read_tag(part.text).attributes.get("media") or "", part.css))
        elif part.kind == "tag":
            name, closing = name_of(part.text), part.text.startswith("</")
            if skipping:
                skipping = "" if closing and name == skipping else skipping
            elif name in _DROPPED_WHOLE and not closing and not part.text.endswith("/>"):
                # What is in the head is dropped, but for style elements.
                skipping = "" if name == "head" else name
            elif written := _tag(part.text):
                in_body = in_body or name == "body"
                if in_body:
                    body.append(written)
                    _follow(open_, "div" if name == "body" else name, closing=closing)
        elif part.kind == "text" and in_body and not skipping:
            body.append(part.text)
    if clipped:
        # Whatever is open ends here, so that the line does not fall into a table.
        body += [*(f"</{name}>" for name in reversed(open_)), _LINE]
    styles = "".join(f"<style>{sheet}</style>" for sheet in sheets if sheet)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return f'<!doctype html><html><head>{head}{styles}</head><body style="margin:0">{"".join(body)}</body></html>'


def _cut(html: str) -> str:
    """Give as much of a mail as is shown, without a tag that is cut in two."""
    cut = html.encode()[:CLIPPED].decode(errors="ignore")
    return cut[: cut.rfind("<")] if cut.rfind("<") > cut.rfind(">") else cut


def _follow(open_: list[str], name: str, *, closing: bool) -> None:
    if not closing and name not in VOID:
        open_.append(name)
    elif closing and name in open_:
        while open_.pop() != name:
            pass


def _declared(name: str, value: str, important: bool) -> Declared | None:
    if name.startswith("margin") and any(part.startswith("-") for part in value.split()):
        return None
    if name == "list-style" and "url(" in value.lower():
        return None
    return name, value


def _follows(selector: Any, text: str) -> bool:
    """Tell whether a selector is followed: of attributes only a class is looked at, and there is no body to select."""
    if "[" in text and any(not asked.lower().startswith("class~=") for asked in text.split("[")[1:]):
        return False
    return not any(of in ("body", "html") for of in _types(selector.parsed_tree)) and ":root" not in text.lower()


def _types(tree: Any) -> list[str]:
    if hasattr(tree, "left"):
        return [*_types(tree.left), *_types(tree.right)]
    return [each.lower_local_name for each in tree.simple_selectors if hasattr(each, "lower_local_name")]


def _asks(query: Sequence[Any]) -> bool:
    features = set(media_features(list(query)))
    return features.isdisjoint(_HEIGHTS) and lacks(_GMAIL.name).isdisjoint(f"media:{feature}" for feature in features)


_GMAIL = Program("Gmail on the web", _declared, _follows, _asks)


@lru_cache(maxsize=64)
def _sheet(media: str, css: str) -> str:
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    broken = any(rule.type == "error" for rule in rules)
    if broken or any(True for _ in nested_at_rules(css)) or _spaced_rgb(css):
        return ""
    if media and not _asks(tinycss2.parse_component_value_list(media)):
        return ""
    kept = "\n".join(_GMAIL.rules(css))
    return f"@media {media} {{\n{kept}\n}}" if media and kept else kept


def _spaced_rgb(css: str) -> bool:
    """Tell whether a colour is written as ``rgb(0 128 0)``, over which Gmail drops all that stands beside it."""
    tokens = tinycss2.parse_component_value_list(css)
    while tokens:
        token = tokens.pop()
        if token.type == "function" and token.lower_name in ("rgb", "rgba"):
            numbers = [each for each in token.arguments if each.type in ("number", "percentage")]
            if len(numbers) > 1 and "," not in token.arguments:
                return True
        tokens += getattr(token, "content", None) or []
    return False


@lru_cache(maxsize=4096)
def _tag(text: str) -> str:
    """Give a tag as Gmail keeps it; an empty text where it does not."""
    tag = read_tag(text)
    missing = lacks(_GMAIL.name)
    if tag.name in ("html", "head") or f"element:{tag.name}" in missing or ":" in tag.name:
        return ""
    if tag.name in ("details", "main", "nav", "summary"):  # caniemail's note on html-semantics
        return ""
    if tag.name == "body":
        tag.name = "div"
    for name in [name for name in tag.attributes if f"attribute:{name}" in missing or name.startswith("on")]:
        del tag.attributes[name]
    style = tag.attributes.get("style")
    if style is not None:
        tag.attributes["style"] = "" if _spaced_rgb(style) else ";".join(_GMAIL.declarations(style))
    source = tag.attributes.get("src")
    if source and _not_shown(source, missing):
        del tag.attributes["src"]
    return str(tag)


def _not_shown(source: str, missing: frozenset[str]) -> bool:
    kind = "base64" if source.startswith("data:") else source.partition("?")[0].rpartition(".")[2].lower()
    return f"image:{kind}" in missing
