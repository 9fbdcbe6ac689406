"""An issue as a message: what a provider is handed, and one reader's copy to look at."""

from __future__ import annotations

from collections.abc import Mapping

from digest.issue.model import Draft, Rendered
from digest.issue.tracked import as_mailed
from digest.mail import personalise
from digest.providers.interface import Message, Recipient
from digest.providers.mime import MimeMessage
from digest.tokens import TOKEN_LENGTH

READER = "reader@example.com"
"""Whose copy a preview is: nobody's."""

TOKEN = ("Preview" * 4)[:TOKEN_LENGTH]
"""What stands in a preview's links for the token of a copy: it opens nothing."""


def message_of(content: Rendered, links: Mapping[str, int] | None = None) -> Message:
    """Make the message of an issue: it differs per copy only at its places.

    `links` are the numbers of its addresses, by which opens and clicks are counted where its tracking says so. Without
    them it has the addresses that it leads to and nothing besides, as tests and previews have.
    """
    html = content.html if links is None else as_mailed(content.html, content.tracking, links)
    return Message(
        sender_name=content.envelope.sender_name,
        sender_address=content.envelope.sender_address,
        reply_to=content.envelope.reply_to,
        subject=content.subject,
        html=personalise.split(html, tracked=links is not None),
        text=personalise.split(content.text),
        headers={name: personalise.split(value) for name, value in content.envelope.headers.items()},
    )


def preview(draft: Draft, content: Rendered, *, reader: str = READER) -> dict[str, bytes]:
    """Give the files an editor looks at, by name: the issue as HTML, text, MJML and a whole mail.

    They are one reader's copy, of a reader there is not; the same issue always gives the same bytes.
    """
    values = {"token": TOKEN, "message": TOKEN, "greeting": personalise.greeting(None)}
    message = message_of(content)
    return {
        "issue.html": message.html.fill(values).encode(),
        "issue.txt": message.text.fill(values).encode(),
        "issue.mjml": personalise.split(content.mjml).fill(values).encode(),
        "issue.eml": MimeMessage(message).copy_for(Recipient(0, reader, values), draft.cutoff),
    }
