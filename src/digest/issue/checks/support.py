"""The check `support`: what of the mail's HTML and CSS do the mail programs we name not show?

What they show comes from ``data/caniemail.json``: the tests of https://www.caniemail.com, reduced to the programs
we name and the newest version of each (see ``data/LICENSES.md``). Shares are shares of the named programs, each
counting as one: how many readers use which of them is not known to us.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from digest.issue.checks import traps
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.uses import nested_at_rules, style_sheets, uses

CHECK = "support"
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
    found += [*traps.padding(html), *gmail_styles(html)]
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
    sheets = style_sheets(html)
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
        for outer, inner in nested_at_rules(sheet):
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
        f"Take it out, or see that the mail is right without it: {traps.PAGE.format(slug)}",
    )
