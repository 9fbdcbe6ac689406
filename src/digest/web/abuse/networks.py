"""How often one network may sign up: one IPv4 address, or what one customer has of IPv6."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from digest.web.abuse.windows import Window

HOUR = timedelta(hours=1)

PROVEN = 5
"""How many times as often those may who show proof of work: a school, a conference behind one address."""

SITE = 10
"""How many times as often a /48 of IPv6 may, of which one customer can have 65,536 networks (RFC 6177)."""


class Networks:
    """Counts the sign-ups of networks, those with and those without proof of work apart."""

    def __init__(self, an_hour: int) -> None:
        self._windows = {
            (proven, times): Window(an_hour * times * (PROVEN if proven else 1), HOUR)
            for proven in (False, True)
            for times in (1, SITE)
        }

    def take(self, address: str, *, proven: bool, now: datetime) -> timedelta | None:
        """Let a network address sign somebody up; where it may not, give how long it must wait."""
        for name, times in networks_of(address):
            if (wait := self._windows[proven, times].take(name, now)) is not None:
                return wait
        return None


def networks_of(address: str) -> list[tuple[str, int]]:
    """Give the networks that an address counts for, each with how many times as often it may.

    Of IPv6 it is the /64, which a single machine has to itself (RFC 4291, 2.5.4), and the /48 around it.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return [(address[:100], 1)]
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if not isinstance(found, IPv6Address):
        return [(str(found), 1)]
    return [(str(ip_network((found, bits), strict=False)), times) for bits, times in ((64, 1), (48, SITE))]
