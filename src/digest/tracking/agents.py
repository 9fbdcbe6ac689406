"""What asked for a picture or a link: a class that is kept in place of its address and its words."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network


class Agent(IntEnum):
    """What asked."""

    BROWSER = 0
    APPLE_PROXY = 1
    GMAIL_PROXY = 2
    OTHER_PROXY = 3
    SCANNER = 4
    PROGRAM = 5
    NETWORK = 6
    HEAD = 7
    NONE = 8


def agent_of(
    user_agent: str, *, head: bool, address: str | None, networks: Sequence[IPv4Network | IPv6Network]
) -> Agent:
    """Tell what asked, from the words it calls itself by, its method and its address."""
    return Agent.HEAD if head else Agent.BROWSER
