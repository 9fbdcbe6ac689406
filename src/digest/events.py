"""What can happen to a copy after it was handed over: the words, and the numbers the store has for them."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What happened. The store numbers them, because there may be one for every copy ever mailed."""

    ACCEPTED = 0
    DEFERRED = 1
    DELIVERED = 2
    BOUNCED = 3
    COMPLAINED = 4
    OPENED = 5
    CLICKED = 6
    VOTED = 7
    UNSUBSCRIBED = 8

    @property
    def word(self) -> str:
        """Its name in reports, in JSON and to people, such as ``delivered``."""
        return self.name.lower()


class Mark(IntEnum):
    """What an open or a click was judged to be the work of."""

    UNSURE = 0
    PERSON = 1
    MACHINE = 2

    @property
    def word(self) -> str:
        """Its name, such as ``person``."""
        return self.name.lower()


HOSTS = (
    "others", "Gmail", "Microsoft", "Yahoo and AOL", "Apple", "Proton", "GMX and WEB.DE", "Fastmail", "Yandex",
    "Mail.ru", "QQ Mail", "NetEase", "Zoho", "HEY", "Orange", "Free", "T-Online", "Comcast",
)  # fmt: skip
"""Mailbox providers by their numbers: which domains are whose stands in the table `mailbox_hosts`."""
