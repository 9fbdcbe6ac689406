"""The catalogue's values, as the rest of the house reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Entry = Literal["free", "freemium", "paid"]
Verdict = Literal["ship", "skip"]


@dataclass(frozen=True)
class Reviewer:
    """A critic of the panel, with a standing point of view."""

    slug: str
    name: str
    stance: str | None
    position: int


@dataclass(frozen=True)
class Review:
    """One reviewer's verdict and quote on one tool; `verdict` is None where it is not stated."""

    reviewer: Reviewer
    verdict: Verdict | None
    quote: str


@dataclass(frozen=True)
class Votes:
    """How readers voted on one tool."""

    ship: int = 0
    skip: int = 0

    @property
    def total(self) -> int:
        """All votes."""
        return self.ship + self.skip


@dataclass(frozen=True)
class Tool:
    """A product under review, with its reviews in the panel's order."""

    slug: str
    name: str
    tagline: str | None
    category: str | None
    description: str | None
    entry: Entry | None
    url: str | None
    stated_panel_ship: int | None
    stated_community: int | None
    reviews: tuple[Review, ...]
    votes: Votes

    @property
    def ships(self) -> int:
        """How many of the panel say ship."""
        return sum(review.verdict == "ship" for review in self.reviews)

    @property
    def skips(self) -> int:
        """How many of the panel say skip."""
        return sum(review.verdict == "skip" for review in self.reviews)

    @property
    def is_judged(self) -> bool:
        """Whether the panel's split is known: verdicts are stated, and no source states a figure for want of some."""
        stated = self.ships + self.skips
        return stated == len(self.reviews) > 0 or (stated > 0 and self.stated_panel_ship is None)

    @property
    def panel_ship(self) -> int | None:
        """The share of stated verdicts that are ship, in percent.

        Where some are not stated and a source states the figure, it is that: one reviewer known to skip does not
        make a panel of four that ships 75% one that ships none.
        """
        if not self.is_judged:
            return self.stated_panel_ship
        return percent(self.ships, self.ships + self.skips)

    @property
    def community(self) -> int | None:
        """The share of readers' votes that are ship, in percent; else the figure the source states."""
        return percent(self.votes.ship, self.votes.total, otherwise=self.stated_community)


@dataclass(frozen=True)
class ScorecardRow:
    """One reviewer on both tools; a side without a review is None."""

    reviewer: Reviewer
    left: Review | None
    right: Review | None


@dataclass(frozen=True)
class Comparison:
    """A dated pairing of two tools."""

    id: int
    slug: str
    left: Tool
    right: Tool
    published_at: datetime

    @property
    def title(self) -> str:
        """``A vs B``."""
        return f"{self.left.name} vs {self.right.name}"

    @property
    def votes(self) -> int:
        """Readers' votes on either tool."""
        return self.left.votes.total + self.right.votes.total

    @property
    def scorecard(self) -> tuple[ScorecardRow, ...]:
        """The reviewers of either tool, in the panel's order."""
        left = {review.reviewer: review for review in self.left.reviews}
        right = {review.reviewer: review for review in self.right.reviews}
        panel = sorted(left.keys() | right.keys(), key=lambda reviewer: (reviewer.position, reviewer.slug))
        return tuple(ScorecardRow(reviewer, left.get(reviewer), right.get(reviewer)) for reviewer in panel)

    @property
    def substance(self) -> str:
        """A hash of what would make this comparison news again: verdicts, panel ship and entry, not wording.

        Nor the panel's order, which an import may change of reviewers that said nothing else.
        """
        return self._hashed(sorted(self.left.reviews, key=_slug), sorted(self.right.reviews, key=_slug))

    def has_substance(self, known: str) -> bool:
        """Tell whether it is in substance what it was when `known` was kept of it.

        Older digests made the hash of the reviews in the panel's order; it holds where that is as it was.
        """
        return known in (self.substance, self._hashed(self.left.reviews, self.right.reviews))

    def _hashed(self, left: Sequence[Review], right: Sequence[Review]) -> str:
        facts = [
            [tool.slug, tool.entry, tool.panel_ship, [[r.reviewer.slug, r.verdict] for r in reviews]]
            for tool, reviews in ((self.left, left), (self.right, right))
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _slug(review: Review) -> str:
    return review.reviewer.slug


def percent(part: int, whole: int, *, otherwise: int | None = None) -> int | None:
    """Give `part` of `whole` as a whole number of percent, halves up; `otherwise` where there is no whole."""
    return (200 * part + whole) // (2 * whole) if whole else otherwise
