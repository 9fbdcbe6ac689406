"""Shares, with what they are shares of, and how much of them may be chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

Z = 1.959964
"""Of a normal distribution 95 % lie within so many standard deviations."""


@dataclass(frozen=True)
class Rate:
    """A share: `count` of `of`, which are what `of_what` says.

    `value` is between 0 and 1, or None where there is nothing to divide by; so are `low` and `high`, between which it
    lies with 95 % were the same done again (Wilson's interval, https://doi.org/10.1080/01621459.1927.10502953). What is
    counted may be more than what it is counted against (a click without a delivery that anybody told of): then the
    value is 1.
    """

    count: int
    of: int
    of_what: str
    value: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


def rate(count: int, of: int, of_what: str) -> Rate:
    """Divide."""
    if of <= 0:
        return Rate(count, max(of, 0), of_what, None, None, None)
    value = min(count / of, 1.0)
    middle = value + Z * Z / (2 * of)
    around = Z * sqrt(value * (1 - value) / of + Z * Z / (4 * of * of))
    scale = 1 + Z * Z / of
    low, high = max(0.0, (middle - around) / scale), min(1.0, (middle + around) / scale)
    return Rate(count, of, of_what, value, min(value, low), max(value, high))


def added(one: int | None, other: int | None) -> int | None:
    """Add what is known; what is not known makes no sum."""
    return None if one is None or other is None else one + other


@dataclass(frozen=True)
class People:
    """Copies that were opened, or clicked, at least once, told apart by who did it.

    `all` are those of which anything was seen; of them `people` a person surely read, `unsure` nobody can say, and
    `machines` only machines. `hidden` are copies of which nobody can see whether they were opened, because only a proxy
    that opens everything (Apple's) asked for the picture; 0 for clicks. `hidden_people` are those of `people` for whom
    it asked too: that they opened is known by a click, as a rule.
    """

    all: int = 0
    people: int = 0
    unsure: int = 0
    machines: int = 0
    hidden: int = 0
    hidden_people: int = 0

    def as_dict(self) -> dict[str, int]:
        """Give it for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Rates:
    """The shares of an issue. Where nobody tells of deliveries, those of what was delivered are of what was accepted.

    `delivered` is None then; and where nobody tells of anything, so are `bounced`, `bounced_hard` and `complained`.
    `opened` and `clicked` are people; `opened_all` and `clicked_all` count machines too. Copies of which nobody can see
    whether they were opened do not count for `opened`, nor do those of them that were clicked (see `HIDING` in
    judging.py): its count is then smaller than that of all copies that people opened.
    """

    delivered: Rate | None
    bounced: Rate | None
    bounced_hard: Rate | None
    complained: Rate | None
    unsubscribed: Rate
    opened: Rate
    opened_all: Rate
    clicked: Rate
    clicked_all: Rate
    click_to_open: Rate
    click_to_open_all: Rate

    def as_dict(self) -> dict[str, Any]:
        """Give them for JSON."""
        return asdict(self)


def rates_of(
    *,
    accepted: int,
    delivered: int | None,
    bounced_hard: int | None,
    bounced_soft: int | None,
    complained: int | None,
    unsubscribed: int,
    opened: People,
    clicked: People,
) -> Rates:
    """Make an issue's rates of its figures; what nobody tells of is None."""

    def told(count: int | None, of: int, of_what: str) -> Rate | None:
        return None if count is None else rate(count, of, of_what)

    reached, what = (accepted, "accepted") if delivered is None else (delivered, "delivered")
    unseen = opened.hidden + opened.hidden_people
    seen = f"{what}, where an open can be seen" if unseen else what
    return Rates(
        delivered=told(delivered, accepted, "accepted"),
        bounced=told(added(bounced_hard, bounced_soft), accepted, "accepted"),
        bounced_hard=told(bounced_hard, accepted, "accepted"),
        complained=told(complained, reached, what),
        unsubscribed=rate(unsubscribed, reached, what),
        opened=rate(opened.people - opened.hidden_people, reached - unseen, seen),
        opened_all=rate(opened.all, reached, what),
        clicked=rate(clicked.people, reached, what),
        clicked_all=rate(clicked.all, reached, what),
        click_to_open=rate(
            clicked.people - clicked.hidden_people,
            opened.people - opened.hidden_people,
            "opened by people, where an open can be seen" if unseen else "opened by people",
        ),
        click_to_open_all=rate(clicked.all, opened.all, "opened"),
    )
