"""From an approved issue to what a provider is handed: the message all copies share, and each copy's values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from digest.audience.addresses import sending_address
from digest.issue import personalise
from digest.issue.model import Draft, Rendered
from digest.providers.interface import Message, Recipient
from digest.providers.mime import MimeMessage
from digest.settings import Settings
from digest.store import Database, store_key
from digest.tokens import TOKEN_LENGTH, Signer


def message_of(content: Rendered) -> Message:
    """Make the message of an issue: it differs per copy only at its places."""
    return Message(
        sender_name=content.envelope.sender_name,
        sender_address=content.envelope.sender_address,
        reply_to=content.envelope.reply_to,
        subject=content.subject,
        html=personalise.split(content.html),
        text=personalise.split(content.text),
        headers={name: personalise.split(value) for name, value in content.envelope.headers.items()},
    )


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


def preview(draft: Draft, content: Rendered) -> dict[str, bytes]:
    """Give the files an editor looks at, by name: the issue as HTML, text, MJML and a whole mail.

    They are one reader's copy, of a reader there is not; the same issue always gives the same bytes.
    """
    token = "preview".ljust(TOKEN_LENGTH, "-")
    values = {"token": token, "message": token, "greeting": personalise.greeting(None)}
    message = message_of(content)
    reader = Recipient(0, "reader@example.com", values)
    return {
        "issue.html": message.html.fill(values).encode(),
        "issue.txt": message.text.fill(values).encode(),
        "issue.mjml": personalise.split(content.mjml).fill(values).encode(),
        "issue.eml": MimeMessage(message).copy_for(reader, draft.cutoff),
    }
