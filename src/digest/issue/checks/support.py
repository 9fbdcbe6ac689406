"""The check `support`: what of the mail's HTML and CSS do the mail programs we name not show?

What they show comes from ``data/caniemail.json``: the tests of https://www.caniemail.com, reduced to the programs
we name and the newest version of each (see ``data/LICENSES.md``). Shares are shares of the named programs, each
counting as one: how many readers use which of them is not known to us.

What is in comments for Outlook (``<!--[if mso]>``) is not looked at: no other program reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tinycss2
from cssselect2 import parser as selectors

from digest.issue.checks.model import Finding, Mail

CHECK = "support"
PAGE = "https://www.caniemail.com/features/{}/"
GMAIL_STYLES = 16_384
"""Gmail keeps style elements up to this many bytes of CSS in all, and drops those that go past it; measured in
https://github.com/hteumeuleu/email-bugs/issues/90 and said in https://github.com/hteumeuleu/caniemail/issues/144."""

_IN_TAGS = "what matters is also in the tags' own styles, which hold where style elements are not read"
_HEARD = "the words are there all the same; a screen reader says less about them"
_SELECTORS = "adjacent-sibling attribute chaining child class descendant grouping id type"
ENHANCEMENTS = {
    "html-style": _IN_TAGS,
    **{f"css-selector-{kind}": _IN_TAGS for kind in _SELECTORS.split()},
    **dict.fromkeys(("html-aria-hidden", "html-aria-label", "html-lang", "html-role"), _HEARD),
    "css-at-media": "columns stay as the tags' own styles set them",
    "css-at-media-prefers-color-scheme": "the light colours show, or the program inverts them by itself",
    "css-border-radius": "corners are square",
    "css-box-sizing": "a stacked column is a padding wider than it should be",
    "css-display-none": "the preview text is also too small and faint to see; what is not for paper is printed",
    "css-height": "a row is as high as what is in it, and a picture has its height from its tag",
    "css-max-height": "the preview text is hidden by other means too",
    "css-opacity": "the preview text is hidden by other means too",
    "css-outline": "a linked picture may have a line around it when it is chosen",
    "css-overflow": "the preview text is hidden by other means too",
    "css-overflow-wrap": "a very long word may stick out of its column",
    "css-pseudo-class-hover": "a link looks the same under the pointer",
    "css-white-space": "a score may be broken over two lines",
    "css-word-break": "a very long word may stick out of its column",
    "css-word-spacing": "it only sets the usual distance",
    "html-body": "the ground is also that of the outermost element",
    "html-meta-color-scheme": "the light colours show, or the program inverts them by itself",
    "html-target": "a link opens where the program opens links",
    "html-width": "a table is as wide as what is in it; a picture has its width in its style too",
}
"""Features that the mail is right without, by our design, and what is then to be seen."""

_COMBINATORS = {" ": "descendant", ">": "child", "+": "adjacent-sibling", "~": "general-sibling"}


def check(mail: Mail) -> list[Finding]:
    """Look at the HTML of a mail; it warns of what is not shown, and never blocks."""
    return examine(mail.content.html)


def examine(html: str) -> list[Finding]:
    """Warn of each feature that a named program does not show and that the mail is not known to do well without."""
    support, used = load_support(), uses(html)
    features = {slug: used[key] for key, slugs in support.by_use.items() if key in used for slug in slugs}
    lacking = {slug: support.without(slug) for slug in sorted(features) if support.without(slug)}
    found = [
        _unsupported(support, slug, clients, features[slug])
        for slug, clients in lacking.items()
        if slug not in ENHANCEMENTS
    ]
    found += gmail_styles(html)
    if found:
        return found
    well = f"; {len(lacking)} of them not by all, and the mail does well without" if lacking else ""
    return [
        Finding(
            CHECK,
            "pass",
            f"{len(features)} features of HTML and CSS, shown by the {len(support.clients)} named mail programs{well}"
            f" (caniemail data of {support.date})",
        )
    ]


def gmail_styles(html: str) -> list[Finding]:
    """Warn of style elements that Gmail drops whole: too much CSS in all, or an at-rule inside another.

    Both are told in https://github.com/hteumeuleu/caniemail/issues/144 by the keeper of caniemail.
    """
    sheets = _scan(html).sheets
    found = []
    size = sum(len(sheet.encode()) for sheet in sheets)
    if size > GMAIL_STYLES:
        found.append(
            Finding(
                CHECK,
                "warn",
                f"the style elements hold {size:,} bytes of CSS; Gmail drops those past {GMAIL_STYLES:,}",
                "<style>",
                f"Take {size - GMAIL_STYLES:,} bytes out of the styles in templates/email.",
            )
        )
    for sheet in sheets:
        for outer, inner in _nested(sheet):
            found.append(
                Finding(
                    CHECK,
                    "warn",
                    f"@{inner} stands inside @{outer}; Gmail drops a style element with an at-rule inside another",
                    f"<style> @{outer}",
                    f"Write @{inner} beside @{outer}, not in it.",
                )
            )
    return found


@dataclass(frozen=True)
class Support:
    """What the named programs show: `date` of the newest test, the `clients`, and features by their slug.

    In `shown` a feature has a letter a client: y for yes, a for in part, n for no, u for not known. `by_use` gives
    the features that a key of `uses` is a use of.
    """

    date: str
    clients: tuple[str, ...]
    titles: Mapping[str, str]
    shown: Mapping[str, str]
    by_use: Mapping[str, tuple[str, ...]]

    def without(self, slug: str, letter: str = "n") -> list[str]:
        """Give the programs that do not show a feature."""
        return [client for client, answer in zip(self.clients, self.shown[slug], strict=True) if answer == letter]


@cache
def load_support() -> Support:
    """Read ``data/caniemail.json``, once."""
    raw: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "caniemail.json").read_text(encoding="utf-8"))
    by_use: dict[str, tuple[str, ...]] = {}
    for slug, feature in raw["features"].items():
        for key in feature["uses"]:
            by_use[key] = (*by_use.get(key, ()), slug)
    return Support(
        date=raw["date"],
        clients=tuple(raw["clients"]),
        titles={slug: feature["title"] for slug, feature in raw["features"].items()},
        shown={slug: feature["support"] for slug, feature in raw["features"].items()},
        by_use=by_use,
    )


def _unsupported(support: Support, slug: str, clients: list[str], where: str) -> Finding:
    number = len(support.clients)
    partly = len(support.without(slug, "a"))
    part = f", and only in part by {partly} more" if partly else ""
    family = {"css": "CSS ", "image": ""}.get(slug.partition("-")[0], "HTML ")
    return Finding(
        CHECK,
        "warn",
        f"{family}{support.titles[slug]} is not supported by {len(clients)} of {number} named mail programs"
        f" ({len(clients) / number:.0%}): {', '.join(clients)}{part} (caniemail data of {support.date})",
        where,
        f"Take it out, or see that the mail is right without it: {PAGE.format(slug)}",
    )


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
                yield from ((f"media:{feature}", place) for feature in _features(rule.prelude))
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
            yield f"property:{each.lower_name}", place
            if each.important:
                yield "css:!important", place
            yield from ((key, place) for key in _tokens(each.value, each.lower_name))


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


def _features(prelude: list[Any]) -> Iterator[str]:
    """Give the features a media query asks for, such as ``prefers-color-scheme``."""
    for token in prelude:
        if token.type == "() block":
            yield from (each.lower_value for each in token.content[:2] if each.type == "ident")
            yield from _features(token.content)


def _selectors(prelude: list[Any]) -> Iterator[str]:
    try:
        parsed = list(selectors.parse(prelude))
    except selectors.SelectorError:  # a browser drops such a rule too
        return
    if len(parsed) > 1:
        yield "selector:grouping"
    for selector in parsed:
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


def _nested(sheet: str) -> Iterator[tuple[str, str]]:
    """Give the names of at-rules that stand inside another."""
    for rule in tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True):
        if rule.type == "at-rule" and rule.content is not None:
            for each in tinycss2.parse_blocks_contents(rule.content):
                if each.type == "at-rule":
                    yield rule.lower_at_keyword, each.lower_at_keyword


def _short(prelude: list[Any]) -> str:
    text = " ".join(tinycss2.serialize(prelude).split())
    return " " + (text if len(text) <= 60 else text[:59] + "…")
