"""Composing: the lead, the order, the forms, and the words above them. Pure functions of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from digest.catalogue.model import Comparison, Tool
from digest.issue.collect import Collected
from digest.issue.model import Form, Placed
from digest.mail.text import figure, has_rtl, isolated, shorten

SUBJECT_LENGTH = 78
"""What most inboxes show of a subject on a wide screen; a phone shows about half, so the lead comes first."""

PREHEADER_LENGTH = 110
"""About what Gmail and Apple Mail show after the subject."""

LEAD_ALONE = "Nothing on your topics went before the panel this time, so here is only what leads the issue:"
"""The opening paragraph for readers whose topics an issue has nothing on."""


def compose(collected: Collected, *, full: int, brief: int) -> tuple[Placed, ...]:
    """Put the comparisons in order and give each a form.

    The lead is the one with most readers' votes, then most reviews, then the newest; the others follow in the
    same order, new before updated. The first `full` are shown in full, the next `brief` in brief, the rest as
    links. What was left out is kept as `out`, so that it is not collected again.
    """
    new = sorted(collected.new, key=_rank)
    updated = sorted(collected.updated, key=_rank) if new else []
    return (
        *(
            Placed(comparison, form_at(position, full=full, brief=brief), updated=position >= len(new))
            for position, comparison in enumerate([*new, *updated])
        ),
        *(Placed(comparison, "out") for comparison in collected.left_out),
    )


def form_at(position: int, *, full: int, brief: int) -> Form:
    """Give the form of the comparison at a place in the issue, from 0."""
    return "full" if position < full else "brief" if position < full + brief else "link"


def _rank(comparison: Comparison) -> tuple[int, int, float, str]:
    reviews = len(comparison.left.reviews) + len(comparison.right.reviews)
    return -comparison.votes, -reviews, -comparison.published_at.timestamp(), comparison.slug


def shown(placed: Sequence[Placed]) -> list[Placed]:
    """Give what readers see of an issue's comparisons: all but those left out."""
    return [item for item in placed if item.form != "out"]


def words_for(placed: Sequence[Placed]) -> dict[str, str]:
    """Write an issue's words: its subject, its preheader and its intro, by these names."""
    return {"subject": subject_for(placed), "preheader": preheader_for(placed), "intro": intro_for(placed)}


def subject_for(placed: Sequence[Placed]) -> str:
    """Write ``A vs B, and 5 more verdicts``, with long names cut so that the whole fits."""
    seen = shown(placed)
    more = len(seen) - 1
    tail = f", and {more} more verdict{'s' if more > 1 else ''}" if more else ": ship or skip?"
    lead = seen[0].comparison
    room = SUBJECT_LENGTH - len(tail) - len(" vs ") - sum(2 for tool in (lead.left, lead.right) if has_rtl(tool.name))
    left, right = lead.left.name, lead.right.name
    # Each name has half the room, and what the other leaves of its half.
    left_cut = shorten(left, max(room // 2, room - len(right)))
    right_cut = shorten(right, max(room // 2, room - len(left_cut)))
    return f"{isolated(left_cut)} vs {isolated(right_cut)}{tail}"


def preheader_for(placed: Sequence[Placed]) -> str:
    """Write what the inbox shows after the subject: the verdict on the lead, then what else is in."""
    lead, *rest = (item.comparison for item in shown(placed))
    others = ", ".join(title(comparison) for comparison in rest)
    return shorten(verdict_line(lead) + (f" Also: {others}." if others else ""), PREHEADER_LENGTH)


def intro_for(placed: Sequence[Placed]) -> str:
    """Write the opening paragraph, for the editor to better."""
    updated = sum(item.updated for item in shown(placed))
    new = len(shown(placed)) - updated
    pairs = "One new pair of tools" if new == 1 else f"{_in_words(new).capitalize()} new pairs of tools"
    opening = f"{pairs} went before the panel. " if new else ""
    if updated == 1:
        opening += "One earlier verdict has changed and is marked “Updated”. "
    elif updated:
        opening += f"{_in_words(updated).capitalize()} earlier verdicts have changed and are marked “Updated”. "
    return f"{opening}What they would ship, what they would skip, and why:"


def _in_words(count: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[count] if count < len(words) else str(count)


def verdict_line(comparison: Comparison) -> str:
    """Say the panel's word on both tools in one line: ``Panel ships A 4–0 and B 3–1.``

    Where no verdict is stated it gives the figures: ``Panel ship: A 100%, B 75%.``
    """
    left, right = comparison.left, comparison.right
    one, other = isolated(left.name), isolated(right.name)
    if not (left.is_judged and right.is_judged):
        return f"Panel ship: {one} {figure(left.panel_ship)}, {other} {figure(right.panel_ship)}."
    if _verb(left) == _verb(right):
        return f"Panel {_verb(left)} {one} {_split(left)} and {other} {_split(right)}."
    return f"Panel {_verb(left)} {one} {_split(left)}, {_verb(right)} {other} {_split(right)}."


def title(comparison: Comparison) -> str:
    """Write ``A vs B``."""
    return f"{isolated(comparison.left.name)} vs {isolated(comparison.right.name)}"


def _verb(tool: Tool) -> str:
    return "ships" if tool.ships > tool.skips else "skips" if tool.skips > tool.ships else "is split on"


def _split(tool: Tool) -> str:
    return f"{max(tool.ships, tool.skips)}–{min(tool.ships, tool.skips)}"
