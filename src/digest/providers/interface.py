"""What the engine hands to a provider, and what it gets back.

A provider knows nothing of ours but this: no store, no settings, no issue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Segments:
    """A text split at its places: `texts[0]`, value of `places[0]`, `texts[1]`, … `texts[-1]`."""

    texts: tuple[str, ...]
    places: tuple[str, ...] = ()

    def fill(self, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
        """Join the text with one copy's values, each passed through `escape`."""
        parts = [self.texts[0]]
        for place, text in zip(self.places, self.texts[1:], strict=True):
            parts += (escape(values[place]), text)
        return "".join(parts)


@dataclass(frozen=True)
class Message:
    """What all copies of an issue share. `headers` are the further ones, by name, in their order."""

    sender_name: str
    sender_address: str
    reply_to: str
    subject: str
    html: Segments
    text: Segments
    headers: Mapping[str, Segments]


@dataclass(frozen=True)
class Recipient:
    """One copy: whose it is, where it goes, and the values of the places in it, as plain text.

    `address` has its domain in ASCII. The place ``message`` is unlike any other copy's, of any store.
    """

    subscriber: int
    address: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Batch:
    """Deliveries handed over in one call. The same batch handed over again carries the same bytes."""

    number: int
    idempotency_key: str
    message: Message
    recipients: tuple[Recipient, ...]
    date: datetime


@dataclass(frozen=True)
class Outcome:
    """What the provider said of one copy: accepted, or rejected for a reason."""

    subscriber: int
    accepted: bool
    message_id: str | None = None
    reason: str | None = None


class Provider(Protocol):
    """Takes batches. `limit` is the most deliveries it takes in a call.

    `account` says where at the provider they go, such as a domain or a folder: an uncertain batch can be asked
    for only there.
    """

    name: str
    account: str
    limit: int

    def open(self) -> None:
        """Make ready to send an issue from its beginning, before its first batch is claimed."""

    async def hand_over(self, batch: Batch) -> list[Outcome]:
        """Hand a batch over and give an outcome for each recipient.

        Any exception leaves the batch uncertain.
        """

    async def ask(self, batch: Batch) -> frozenset[int] | None:
        """Say which subscribers' copies of an uncertain batch were accepted; None where that cannot be asked."""
