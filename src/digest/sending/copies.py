"""Each copy's own values: its address, its tokens, its greeting."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Self

from digest.audience.addresses import sending_address
from digest.issue.subject_records import with_group
from digest.issue.tracked import Tracking
from digest.mail import personalise
from digest.providers.interface import Message, Recipient
from digest.sending.ledger import Copies, CountedAs
from digest.settings import Settings
from digest.store import Database, store_key
from digest.tokens import Signer


@dataclass(frozen=True)
class Signers:
    """`links` signs what readers follow, `messages` what names their copies.

    The latter is the store's own key, whatever the settings say: an uncertain copy is asked for by its name.
    """

    links: Signer
    messages: Signer

    @classmethod
    def of(cls, db: Database, settings: Settings, *, now: datetime) -> Self:
        """Take the key from the settings, or from the store where they have none."""
        secret = settings.secret_key
        links = secret.get_secret_value().encode() if secret else store_key(db, "links", now=now)
        return cls(Signer(links), Signer(store_key(db, "messages", now=now)))


@dataclass(frozen=True)
class Writer:
    """Writes the recipients of an issue's batches, with the values of the places they need and no others.

    `nonce` is drawn when the audience is frozen: where a store is brought back from a backup and the same number
    is sent again, its copies have other names. An issue begun before there were nonces has none. `tracking` says what
    stands for a reader in the place `track`.
    """

    issue: int
    signers: Signers
    places: frozenset[str]
    nonce: str | None = None
    tracking: Tracking | None = None

    @classmethod
    def of(
        cls,
        issue: int,
        message: Message,
        signers: Signers,
        *,
        nonce: str | None,
        unused: Collection[str],
        tracking: Tracking | None = None,
    ) -> Self:
        """Make it for a message; `unused` are the places the provider has no use for."""
        segments = (message.html, message.text, *message.headers.values())
        places = frozenset(place for part in segments for place in part.places)
        return cls(issue, signers, places - frozenset(unused), nonce, tracking)

    def recipients(self, copies: Copies, counted: CountedAs | None = None) -> tuple[Recipient, ...]:
        """Give the recipients of a batch, in its order; without `counted`, no open and no click of them is."""
        subscribers = [copy[0] for copy in copies]
        columns: dict[str, list[str]] = {}
        if "token" in self.places:
            columns["token"] = self.signers.links.sign_all("copy", self.issue, subscribers)
        if personalise.TRACK in self.places:
            numbers = self._numbers(subscribers, counted) if counted else [0] * len(copies)
            columns[personalise.TRACK] = self.signers.links.sign_all("track", self.issue, numbers)
        if "message" in self.places:
            names = self.signers.messages.salted(self.nonce) if self.nonce else self.signers.messages
            columns["message"] = names.sign_all("message", self.issue, subscribers)
        if "greeting" in self.places:
            columns["greeting"] = [personalise.greeting(copy[2]) for copy in copies]
        addresses = [copy[1] if copy[1].isascii() else sending_address(copy[1]) for copy in copies]
        return tuple(map(Recipient, subscribers, addresses, _by_copy(columns, len(copies))))

    def _numbers(self, subscribers: Sequence[int], counted: CountedAs) -> list[int]:
        """Give the numbers that stand for readers; 0 for those of whom nothing is counted."""
        if self.tracking is None or not self.tracking.counts or (self.tracking.mode == "counts" and not counted.key):
            return [0] * len(subscribers)
        numbers = subscribers if counted.key is None else [pseudonym(counted.key, one) for one in subscribers]
        if counted.key is not None and counted.group is not None:
            numbers = [with_group(number, counted.group) for number in numbers]
        gone = counted.uncounted
        return [0 if one in gone else number for one, number in zip(subscribers, numbers, strict=True)]


def pseudonym(key: bytes, subscriber: int) -> int:
    """Give the number of 32 bits that stands for a reader where it is counted how many read, and not who.

    By BLAKE2b with a key (RFC 7693), which is a MAC: without the key nobody can tell who it is. Of a million readers
    some hundred share theirs with another, and count as one; where its last bits say which subject a copy has (see
    `issue/subject_records.py`), some six hundred.
    """
    return int.from_bytes(blake2b(subscriber.to_bytes(8), key=key, digest_size=4).digest()) or 1


def _by_copy(columns: dict[str, list[str]], count: int) -> list[dict[str, str]]:
    """Turn the values of each place into the values of each copy."""
    # What a merging provider is given, a million times: twice as fast as the general way.
    if columns.keys() == {"token", "greeting"}:
        pairs = zip(columns["token"], columns["greeting"], strict=True)
        return [{"token": token, "greeting": greeting} for token, greeting in pairs]
    if columns.keys() == {"token", "track", "greeting"}:
        triples = zip(columns["token"], columns["track"], columns["greeting"], strict=True)
        return [{"token": token, "track": track, "greeting": greeting} for token, track, greeting in triples]
    names = tuple(columns)
    rows = zip(*columns.values(), strict=True) if columns else [()] * count
    return [dict(zip(names, row, strict=True)) for row in rows]
