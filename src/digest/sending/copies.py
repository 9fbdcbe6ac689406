"""Each copy's own values: its address, its tokens, its greeting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from digest.audience.addresses import sending_address
from digest.mail import personalise
from digest.providers.interface import Recipient
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


def recipient_of(issue: int, subscriber: int, email: str, name: str | None, signers: Signers) -> Recipient:
    """Give one copy's address and values."""
    return Recipient(
        subscriber,
        sending_address(email),
        {
            "token": signers.links.sign("copy", issue, subscriber),
            "message": signers.messages.sign("message", issue, subscriber),
            "greeting": personalise.greeting(name),
        },
    )
