"""Each copy's own values: its address, its tokens, its greeting."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from digest.audience.addresses import sending_address
from digest.mail import personalise
from digest.providers.interface import Message, Recipient
from digest.sending.ledger import Copies
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
    is sent again, its copies have other names. An issue begun before there were nonces has none.
    """

    issue: int
    signers: Signers
    places: frozenset[str]
    nonce: str | None = None

    @classmethod
    def of(cls, issue: int, message: Message, signers: Signers, *, nonce: str | None, unused: Collection[str]) -> Self:
        """Make it for a message; `unused` are the places the provider has no use for."""
        segments = (message.html, message.text, *message.headers.values())
        places = frozenset(place for part in segments for place in part.places)
        return cls(issue, signers, places - frozenset(unused), nonce)

    def recipients(self, copies: Copies) -> tuple[Recipient, ...]:
        """Give the recipients of a batch, in its order."""
        subscribers = [copy[0] for copy in copies]
        columns: dict[str, list[str]] = {}
        if "token" in self.places:
            columns["token"] = self.signers.links.sign_all("copy", self.issue, subscribers)
        if "message" in self.places:
            names = self.signers.messages.salted(self.nonce) if self.nonce else self.signers.messages
            columns["message"] = names.sign_all("message", self.issue, subscribers)
        if "greeting" in self.places:
            columns["greeting"] = [personalise.greeting(copy[2]) for copy in copies]
        addresses = [copy[1] if copy[1].isascii() else sending_address(copy[1]) for copy in copies]
        return tuple(map(Recipient, subscribers, addresses, _by_copy(columns, len(copies))))


def _by_copy(columns: dict[str, list[str]], count: int) -> list[dict[str, str]]:
    """Turn the values of each place into the values of each copy."""
    if columns.keys() == {"token", "greeting"}:
        # What a merging provider is given, a million times: twice as fast as the general way.
        pairs = zip(columns["token"], columns["greeting"], strict=True)
        return [{"token": token, "greeting": greeting} for token, greeting in pairs]
    names = tuple(columns)
    rows = zip(*columns.values(), strict=True) if columns else [()] * count
    return [dict(zip(names, row, strict=True)) for row in rows]
