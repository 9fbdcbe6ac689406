"""Comparisons that could be added to an issue by hand: found by a word, each with when it was last mailed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.catalogue.finding import find_tool, of_tools
from digest.catalogue.model import Comparison
from digest.catalogue.searching import search
from digest.issue.contents import Earlier, last_mailed
from digest.store import Database

TOOLS = 8
"""So many of the tools that a word finds have their comparisons looked up."""

SHOWN = 12
"""Comparisons that a search gives at most: who does not see theirs types another word."""


@dataclass(frozen=True)
class Older:
    """A comparison that was found, and the last issue it went out in."""

    comparison: Comparison
    mailed: Earlier | None


@dataclass(frozen=True)
class Found:
    """What was found; `nearest` is a name like what was typed, where nothing was."""

    comparisons: tuple[Older, ...] = ()
    nearest: str | None = None


def find(db: Database, typed: str, *, now: datetime, but: int) -> Found:
    """Find public comparisons by what is said of their tools; those first of which both sides were found.

    Args:
        db: the store.
        typed: a few words, or ``cursor vs claude``.
        now: the moment.
        but: the issue they are looked for, which does not count as one they went out in.
    """
    if not typed:
        return Found()
    hit = search(db, typed, now=now)
    slugs = [one.tool.slug for one in hit.hits[:TOOLS]]
    if not slugs:
        return Found(nearest=hit.nearest)
    tools = [find_tool(db, slug, now=now)[0] for slug in slugs]
    # More than are shown, for those of which both sides were found need not be the newest.
    found = of_tools(db, tools, now=now, size=4 * SHOWN).comparisons
    best = sorted(found, key=lambda one: not {one.left.slug, one.right.slug} <= set(slugs))[:SHOWN]
    mailed = last_mailed(db, [one.id for one in best], but=but)
    return Found(tuple(Older(one, mailed.get(one.id)) for one in best))
