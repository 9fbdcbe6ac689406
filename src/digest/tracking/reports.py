"""What became of one issue: counts, rates, links, comparisons, hours, mailbox providers, as far as it can be known.

All of it is read from `figures` and a few small tables, never from the rows of a million copies.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from digest.issue.model import State
from digest.tracking.rates import People, Rates

Mode = Literal["off", "counts", "readers"]


@dataclass(frozen=True)
class LinkFigures:
    """A link of the mail: how many copies it was clicked in, and how often; by anything, and by people.

    `comparison` is the slug of the comparison it belongs to, where it does.
    """

    number: int
    address: str
    comparison: str | None
    clicked: int
    clicked_people: int
    clicks: int
    clicks_people: int


@dataclass(frozen=True)
class ToolFigures:
    """Votes on a tool: those given from this issue's copies, and all that the site counts now."""

    slug: str
    name: str
    votes: int
    ship: int
    skip: int


@dataclass(frozen=True)
class ComparisonFigures:
    """A comparison of the issue: clicks on all its links together, and votes on its two tools.

    `votes` are those given from this issue's copies on either. A tool may stand in two comparisons; its votes count in
    both.
    """

    slug: str
    title: str
    form: str
    links: int
    clicks: int
    clicks_people: int
    votes: int
    tools: tuple[ToolFigures, ...]


@dataclass(frozen=True)
class HourFigures:
    """What happened in an hour. `start` is UTC text, `label` the same in the newsletter's zone: ``Thu 26 Nov, 09:00``.

    `opened` and `clicked` are copies that a person opened or clicked for the first time then.
    """

    start: str
    label: str
    delivered: int
    opened: int
    clicked: int
    bounced: int
    complained: int
    unsubscribed: int


@dataclass(frozen=True)
class HostFigures:
    """What became of the copies at a mailbox provider, such as Gmail.

    `delivered` is None where nobody tells of deliveries; what people opened and clicked is None where it is counted
    how many read and not who.
    """

    name: str
    audience: int
    accepted: int
    delivered: int | None
    bounced_hard: int
    bounced_soft: int
    complained: int
    unsubscribed: int
    opened: int | None
    hidden: int | None
    clicked: int | None


@dataclass(frozen=True)
class Trouble:
    """Something that should be looked at: how bad, what, and what to do."""

    level: Literal["warn", "bad"]
    what: str
    todo: str


@dataclass(frozen=True)
class IssueReport:
    """What became of an issue.

    Moments are UTC text. `accepted` are copies a provider took. `delivered` is None where nobody told of a delivery:
    that is not 0. `without_word` are copies that were taken and of which nobody said more (None with `delivered`).
    `opened` and `clicked` are copies, `opens` and `clicks` how often, `opens_people` and `clicks_people` by people.
    They are 0 where `tracking` is off. `hours` are one after the other, from when sending began; what came after them
    is in `later`. `notes` say what the figures cannot know.
    """

    number: int
    subject: str
    state: State
    sending_at: str | None
    sent_at: str | None
    tracking: Mode
    audience: int
    queued: int
    claimed: int
    accepted: int
    rejected: int
    uncertain: int
    skipped: int
    delivered: int | None
    deferred: int
    bounced_hard: int
    bounced_soft: int
    complained: int
    unsubscribed: int
    votes: int
    without_word: int | None
    opened: People
    clicked: People
    opens: int
    opens_people: int
    clicks: int
    clicks_people: int
    rates: Rates
    links: tuple[LinkFigures, ...]
    comparisons: tuple[ComparisonFigures, ...]
    hours: tuple[HourFigures, ...]
    later: HourFigures | None
    hosts: tuple[HostFigures, ...]
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)
