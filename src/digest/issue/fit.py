"""Fitting: an issue that is too heavy has its comparisons made smaller until Gmail shows it whole."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from digest.audience.addresses import NAME_LENGTH
from digest.issue.model import Draft, Form, Moved, Placed, Rendered
from digest.issue.render import render
from digest.issue.tracked import longest_as_mailed
from digest.mail.personalise import TRACK
from digest.settings import Settings
from digest.tokens import TOKEN_LENGTH

LIMIT = 90 * 1024
"""Bytes of HTML a copy may have. Gmail cuts a mail off after 102 KB, and a provider adds some of its own."""

_TOKENS = ("[[digest:token]]", f"[[digest:{TRACK}]]")
"""Places that a token fills."""
_GREETING = len("Hello ,") + NAME_LENGTH * len("&quot;")
"""Bytes kept free for the longest greeting; no character takes more in HTML than a quotation mark."""


@dataclass(frozen=True)
class Fitted:
    """An issue in forms that fit: the draft as it is mailed, its content, and what was moved for it."""

    draft: Draft
    content: Rendered
    moved: tuple[Moved, ...]


def fit(draft: Draft, settings: Settings, *, limit: int = LIMIT) -> Fitted:
    """Render an issue, its comparisons made smaller from the end until a copy has at most `limit` bytes of HTML.

    First those in full after the lead become brief, then briefs become links, then links are only counted, with a
    link to the issue on the web; the lead grows smaller last. Where nothing helps, such as against an introduction
    of 100 KB, it is given as small as it gets, and the check `size` speaks of it.
    """
    content = render(draft, settings)
    if weight(content) <= limit:
        return Fitted(draft, content, ())
    ladder = [draft, *(replace(draft, placed=placed) for placed in _smaller(draft.placed))]
    fits = bisect_left(ladder, True, key=lambda tried: weight(render(tried, settings)) <= limit)
    fitted = ladder[min(fits, len(ladder) - 1)]
    return Fitted(fitted, render(fitted, settings), moved_between(draft, fitted))


def moved_between(wanted: Draft, fitted: Draft) -> tuple[Moved, ...]:
    """Give the comparisons whose form is another."""
    return tuple(
        Moved(before.comparison, before.form, after.form)
        for before, after in zip(wanted.placed, fitted.placed, strict=True)
        if before.form != after.form
    )


def weight(content: Rendered) -> int:
    """Give the bytes of HTML a copy has at most, its places filled; as it is handed over, or tested if that is more.

    A link that is counted is shorter than some addresses.
    """
    return max(_filled(content.html), _filled(longest_as_mailed(content.html, content.tracking)))


def _filled(html: str) -> int:
    tokens = sum(html.count(place) * (TOKEN_LENGTH - len(place)) for place in _TOKENS)
    return len(html.encode()) + tokens + _GREETING


def _smaller(placed: Sequence[Placed]) -> Iterator[tuple[Placed, ...]]:
    """Give ever smaller issues, one step at a time."""
    now = list(placed)
    lead, *rest = [index for index, item in enumerate(placed) if item.form != "out"]
    steps: tuple[tuple[list[int], Form, Form], ...] = (
        (rest, "full", "brief"),
        (rest, "brief", "link"),
        (rest, "link", "more"),
        ([lead], "full", "brief"),
        ([lead], "brief", "link"),
    )
    for indices, before, after in steps:
        for index in reversed(indices):
            if now[index].form == before:
                now[index] = replace(now[index], form=after)
                yield tuple(now)
