"""How often a network may try to get into the desk: one IPv4 address, or what one customer has of IPv6."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from digest.web.abuse.networks import Networks

Attempt = Literal["ask", "try"]
"""To ask for a letter, or to show what should let one in: a link, a passkey."""

AN_HOUR: dict[Attempt, int] = {"ask": 20, "try": 100}
"""An office shares one address: enough for all of it, and nothing for who guesses one of 2^80 tokens."""


class SignIns:
    """Counts the attempts of networks, in this process. It is for the thread of the event loop."""

    def __init__(self) -> None:
        self._networks = {attempt: Networks(count) for attempt, count in AN_HOUR.items()}

    def take(self, attempt: Attempt, address: str, *, now: datetime) -> timedelta | None:
        """Let a network address make an attempt; where it may not, give how long it must wait."""
        return self._networks[attempt].take(address, proven=False, now=now)
