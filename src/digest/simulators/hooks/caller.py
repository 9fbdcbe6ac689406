"""What a simulated provider calls with: events in the provider's own shape, and its proof that it is the caller."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from digest.simulators.record import Accepted

Happening = Literal["accepted", "deferred", "delivered", "bounced hard", "bounced soft", "complained"]

SENDER = "news@simulated.example"
"""Stands for the sender in events: the record of what was accepted has none."""
HARD, SOFT, LATER = "5.1.1 no such user", "4.2.2 mailbox full", "4.7.1 greylisted, come back later"
"""What the receiving servers say."""


class Caller(ABC):
    """One provider.

    `most` is the number of events in a call, `pauses_s` are those between its tries, as the provider documents them.
    """

    name: str
    most = 1
    pauses_s: tuple[float, ...]

    @abstractmethod
    def usage(self) -> dict[str, str]:
        """Give the settings by which digest believes its calls."""

    @abstractmethod
    def event(self, copy: Accepted, what: Happening, at: datetime, number: int) -> dict[str, Any] | None:
        """Write what happened to a copy; None where the provider tells no such thing.

        `number` is the event's own: an event that is told once more has the same.
        """

    @abstractmethod
    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """Give the headers of one try of a call; `number` is the call's own."""

    def body(self, events: Sequence[dict[str, Any]], now: datetime) -> bytes:
        """Write a call; every try has the same."""
        return orjson.dumps(events[0])

    def is_taken(self, status: int) -> bool:
        """Tell whether a call was taken, by what it was answered."""
        return 200 <= status < 300

    def comes_again(self, status: int | None, what: Happening) -> bool:
        """Tell whether a call is tried again that was answered so; None is no answer at all."""
        return True


def seconds_of(at: datetime) -> int:
    """Give a moment in seconds since 1970."""
    return int(at.timestamp())


def iso_of(at: datetime) -> str:
    """Give a moment in ISO 8601, with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
