"""Variants: an issue composed for readers who chose some topics. Pure functions of what approval kept of it.

A comparison belongs to the topics of both its tools. A variant has exactly those of the issue's comparisons that are
on the chosen topics, in the issue's order; its places have the forms the issue's own first places were to have, made
smaller where the mail would weigh too much; and its words are its own, but for those that a person wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from digest.audience.topics import topic_of
from digest.catalogue.model import Comparison
from digest.issue.compose import LEAD_ALONE, shown, words_for
from digest.issue.fit import Fitted, fit
from digest.issue.model import Draft
from digest.issue.snapshot import Snapshot
from digest.settings import Settings

WHOLE = 0
"""The issue itself, among the numbers of variants."""
NO_MAIL = -1
BEYOND = -2
"""Not numbers of variants: who is mailed nothing, and whose variant is one more than the setting allows."""

OffTopic = Literal["lead", "none"]


@dataclass(frozen=True)
class Cut:
    """What of an issue is on some topics: `topics` are those of the issue's own that were chosen, sorted.

    `comparisons` are slugs, in the issue's order. Without topics it is the lead alone, or nothing.
    """

    topics: tuple[str, ...]
    comparisons: tuple[str, ...]


@dataclass(frozen=True)
class Allotment:
    """Which variant everybody gets.

    `cuts` are the variants' own, number 1 first; `of_set` says for each set of topics, by its number in the store,
    the variant's number, or `WHOLE`, `NO_MAIL` or `BEYOND`.
    """

    cuts: tuple[Cut, ...]
    of_set: Mapping[int, int]


def topics_of(comparison: Comparison) -> frozenset[str]:
    """Give the topics of a comparison: those of both its tools; none where no tool has a category."""
    return frozenset(topic_of(tool.category) for tool in (comparison.left, comparison.right) if tool.category)


def topics_in(draft: Draft) -> frozenset[str]:
    """Give the topics of all that an issue shows."""
    return frozenset[str]().union(*(topics_of(item.comparison) for item in shown(draft.placed)))


def cut_for(draft: Draft, chosen: Collection[str], *, off_topic: OffTopic) -> Cut:
    """Give what readers of these topics get of an issue; where nothing is on them, what `off_topic` says."""
    topics = frozenset(chosen)
    seen = [item.comparison for item in shown(draft.placed)]
    mine = tuple(comparison.slug for comparison in seen if topics & topics_of(comparison))
    if not mine:
        return Cut((), (seen[0].slug,) if off_topic == "lead" else ())
    return Cut(tuple(sorted(topics & topics_in(draft))), mine)


def is_whole(draft: Draft, cut: Cut) -> bool:
    """Tell whether all that an issue shows is on the topics of a cut."""
    return bool(cut.topics) and len(cut.comparisons) == len(shown(draft.placed))


def allot(
    draft: Draft,
    sets: Mapping[int, Collection[str]],
    readers: Mapping[int, int],
    *,
    off_topic: OffTopic,
    most: int,
) -> Allotment:
    """Say who gets which variant. Sets of topics that come to the same comparisons share one.

    Args:
        draft: the issue.
        sets: the sets of topics that are in use, by their numbers.
        readers: how many readers chose each.
        off_topic: what those get who have nothing on their topics.
        most: how many variants there may be; those with most readers are made.
    """
    cuts = {number: cut_for(draft, topics, off_topic=off_topic) for number, topics in sets.items()}
    count: dict[tuple[bool, tuple[str, ...]], int] = {}
    first: dict[tuple[bool, tuple[str, ...]], Cut] = {}
    # Of those that share one, the set with most readers names its topics.
    for number in sorted(sets, key=lambda number: (-readers[number], number)):
        cut = cuts[number]
        if cut.comparisons and not is_whole(draft, cut):
            first.setdefault(_key(cut), cut)
            count[_key(cut)] = count.get(_key(cut), 0) + readers[number]
    ranked = sorted(first, key=lambda key: (-count[key], first[key].topics))[:most]
    numbers = {key: number for number, key in enumerate(ranked, start=1)}

    def number_of(cut: Cut) -> int:
        if not cut.comparisons:
            return NO_MAIL
        return WHOLE if is_whole(draft, cut) else numbers.get(_key(cut), BEYOND)

    return Allotment(tuple(first[key] for key in ranked), {number: number_of(cut) for number, cut in cuts.items()})


def _key(cut: Cut) -> tuple[bool, tuple[str, ...]]:
    # The lead alone for want of anything else says so in its words, so it is not the same as a lead that was chosen.
    return bool(cut.topics), cut.comparisons


def compose(snapshot: Snapshot, cut: Cut) -> Draft:
    """Compose a variant; it has at least one comparison."""
    issue = snapshot.draft
    forms = [form for form in snapshot.wanted if form != "out"]
    mine = [item for item in shown(issue.placed) if item.comparison.slug in cut.comparisons]
    placed = tuple(replace(item, form=form) for item, form in zip(mine, forms, strict=False))
    words = words_for(placed) | ({} if cut.topics else {"intro": LEAD_ALONE})
    words |= {name: getattr(issue, name) for name in snapshot.own_words}
    return replace(issue, placed=placed, subject=words["subject"], preheader=words["preheader"], intro=words["intro"])


def render_cut(snapshot: Snapshot, cut: Cut, settings: Settings) -> Fitted:
    """Compose a variant and render it, its comparisons made smaller until it fits."""
    return fit(compose(snapshot, cut), settings)
