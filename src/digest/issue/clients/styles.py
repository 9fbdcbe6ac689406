"""What of a mail's CSS a program follows: the rest is left out, as the program leaves it out.

What it lacks comes from the same data as the check `support` (caniemail's, ``checks/data/caniemail.json``); what it
does only in part comes from the notes of the same pages, and stands in the program's own module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import tinycss2
from cssselect2 import parser as selectors

from digest.issue.checks.support import load_support
from digest.issue.checks.uses import uses_of_declaration, uses_of_selector

Declared = tuple[str, str]
"""The name of a property and its value."""

_FONTS = ("font", "font-family")


@cache
def lacks(client: str) -> frozenset[str]:
    """Give the uses (as `checks/uses.py` names them) of what a program does not show at all."""
    support = load_support()
    return frozenset(key for key, slugs in support.by_use.items() if any(client in support.without(s) for s in slugs))


@dataclass(frozen=True)
class Program:
    """How a mail program reads CSS.

    `declared` is given a property, its value and whether it is important, and gives what comes of it, or nothing;
    `follows` tells whether a selector, in cssselect2's own object and as it is written, is followed where nothing in it
    is lacking; `asks` whether a media query is.
    """

    name: str
    declared: Callable[[str, str, bool], Declared | None]
    follows: Callable[[Any, str], bool]
    asks: Callable[[Sequence[Any]], bool]

    def declarations(self, css: Any) -> Iterator[str]:
        """Give the declarations that are followed, of a style attribute's text or of tinycss2's tokens."""
        for item in tinycss2.parse_blocks_contents(css, skip_comments=True, skip_whitespace=True):
            if item.type != "declaration":
                continue
            uses = set(uses_of_declaration(item))
            if item.lower_name in _FONTS:  # of several fonts, the next is taken
                uses = {use for use in uses if not use.startswith("keyword:")}
            if not lacks(self.name).isdisjoint(uses):
                continue
            found = self.declared(item.lower_name, tinycss2.serialize(item.value).strip(), item.important)
            if found is not None:
                yield f"{found[0]}:{found[1]}" + (" !important" if item.important else "")

    def selectors(self, prelude: Sequence[Any]) -> Iterator[str]:
        """Give those of a rule's selectors that are followed."""
        groups: list[list[Any]] = [[]]
        for each in prelude:
            if each == ",":
                groups.append([])
            else:
                groups[-1].append(each)
        for group in groups:
            text = tinycss2.serialize(group).strip()
            try:
                [parsed] = selectors.parse(group)
            except (selectors.SelectorError, ValueError):
                continue
            if lacks(self.name).isdisjoint(uses_of_selector(parsed)) and self.follows(parsed, text):
                yield text

    def rules(self, css: Any) -> Iterator[str]:
        """Give the rules that are followed, of a style sheet's text or of the content of an at-rule."""
        for rule in tinycss2.parse_rule_list(css, skip_comments=True, skip_whitespace=True):
            if rule.type == "qualified-rule":
                chosen, said = ", ".join(self.selectors(rule.prelude)), ";".join(self.declarations(rule.content))
                if chosen and said:
                    yield f"{chosen} {{ {said} }}"
            elif rule.type == "at-rule" and rule.lower_at_keyword == "media" and self.asks(rule.prelude):
                inside = "\n".join(self.rules(rule.content or []))
                if inside:
                    yield f"@media{tinycss2.serialize(rule.prelude)}{{\n{inside}\n}}"
