"""What becomes of issues and of the audience over time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from digest.issue.model import State
from digest.issue.tracked import Mode
from digest.tracking.findings import Trouble
from digest.tracking.rates import People, Rate, Rates

Unit = Literal["day", "week", "month"]


@dataclass(frozen=True)
class IssueLine:
    """An issue in the row of issues. `delivered` is None where nobody told of a delivery."""

    number: int
    subject: str
    state: State
    sending_at: str
    sent_at: str | None
    tracking: Mode
    audience: int
    accepted: int
    delivered: int | None
    bounced_hard: int
    bounced_soft: int
    complained: int
    unsubscribed: int
    votes: int
    opened: People
    clicked: People
    rates: Rates


@dataclass(frozen=True)
class Growth:
    """Who came and went in a day, a week from Monday on, or a month (UTC).

    `start` is its first day, ``2026-11-23``; `label` is short: ``23 Nov``, ``Nov 2026``. `joined` and `left` are readers who
    became active and who ceased to be; `bounced` and `complained` are active readers whose address was put on the
    suppression list: they are still subscribed, and are mailed no more. `net` is what is left of all that. `active` is
    how many were subscribed (active) at its end, those on the suppression list among them.
    """

    start: str
    label: str
    joined: int
    left: int
    bounced: int
    complained: int
    net: int
    active: int


@dataclass(frozen=True)
class Subject:
    """A subject line and the share of readers (people) who clicked.

    `verdict` is against all issues that are compared: `better` and `worse` where chance alone does not explain it, and
    else `alike`.
    """

    number: int
    subject: str
    sent_at: str | None
    clicked: Rate
    opened: Rate
    verdict: Literal["better", "worse", "alike"]


@dataclass(frozen=True)
class Health:
    """How the list is. `mailed` are those who would get an issue now: active, not suppressed, not pausing.

    `suppressed` are addresses on the suppression list by reason. `suppressed_active` are readers who are still
    subscribed and whose address is on it.
    """

    active: int
    mailed: int
    pausing: int
    suppressed_active: int
    pending: int
    unsubscribed: int
    suppressed: dict[str, int]


@dataclass(frozen=True)
class Averages:
    """The means over some issues, each counting the same; None where no issue has it."""

    issues: int
    delivered: float | None
    bounced: float | None
    complained: float | None
    unsubscribed: float | None
    opened: float | None
    clicked: float | None
    click_to_open: float | None


@dataclass(frozen=True)
class Trends:
    """What becomes of issues and the audience over time.

    `issues` are in their order, the newest last; `growth` in the order of time; `subjects` from the best on, and only
    of issues that are large and old enough to be compared.
    """

    issues: tuple[IssueLine, ...]
    averages: Averages
    unit: Unit
    growth: tuple[Growth, ...]
    subjects: tuple[Subject, ...]
    health: Health
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class WeekIssue:
    """An issue of the week beside the average of those before it."""

    line: IssueLine
    before: Averages


@dataclass(frozen=True)
class Week:
    """What happened in the seven days before `until`, for the summary to the editors. Moments are UTC text.

    `waiting` are counts of what waits for a person or a machine: uncertain copies, held batches, events of unknown
    kinds, webhooks that are switched off, messages to webhooks that were given up.
    """

    since: str
    until: str
    issues: tuple[WeekIssue, ...]
    joined: int
    left: int
    bounced: int
    complained: int
    net: int
    health: Health
    suppressed: dict[str, int]
    waiting: dict[str, int]
    troubles: tuple[Trouble, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)
