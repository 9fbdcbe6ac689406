"""What asked for a picture or a link: a class that is kept in place of its address and its words."""

from __future__ import annotations

from enum import IntEnum


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
