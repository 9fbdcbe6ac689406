"""From an approved issue to what a provider is handed: the message all copies share, and each copy's values."""

from __future__ import annotations

from digest.audience.addresses import sending_address
from digest.issue import personalise
from digest.issue.model import Draft, Rendered
from digest.providers.interface import Message, Recipient
from digest.providers.mime import MimeMessage
from digest.settings import Settings
from digest.tokens import TOKEN_LENGTH, Signer


def message_of(issue: int, subject: str, html: str, text: str, settings: Settings) -> Message:
    """Make the message of an issue: who it is from, what it says, and the headers bulk mail must carry.

    `List-Unsubscribe` and its `-Post` are RFC 8058, `List-Id` RFC 2919; `Feedback-ID` is what Gmail's
    Postmaster Tools group complaints by: up to three fields of our own and a sender id of 5 to 15 characters at
    the end (https://support.google.com/mail/answer/6254652).
    """
    site = settings.base_url
    ways_out = [f"<{site}/u/[[digest:token]]>"]
    if settings.unsubscribe_mailto:
        ways_out.append(f"<mailto:{settings.unsubscribe_mailto}?subject=unsubscribe%20[[digest:token]]>")
    list_id = settings.list_id or f"weekly.{settings.host}"
    headers = {
        "Message-ID": f"<[[digest:message]]@{settings.host}>",
        "List-Id": f"<{list_id}>",
        "List-Unsubscribe": ", ".join(ways_out),
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": f"<{site}/issues/>",
        "Feedback-ID": f"issue-{issue}:weekly:digest:{_feedback_sender(settings.host)}",
        "Precedence": "bulk",
    }
    return Message(
        sender_name=settings.sender_name or settings.newsletter_name,
        sender_address=settings.sender_address,
        reply_to=settings.reply_to,
        subject=subject,
        html=personalise.split(html),
        text=personalise.split(text),
        headers={name: personalise.split(value) for name, value in headers.items()},
    )


def recipient_of(issue: int, subscriber: int, email: str, name: str | None, signer: Signer) -> Recipient:
    """Give one copy's address and values."""
    return Recipient(
        subscriber,
        sending_address(email),
        {
            "token": signer.sign("copy", issue, subscriber),
            "message": signer.sign("message", issue, subscriber),
            "greeting": personalise.greeting(name),
        },
    )


def preview(draft: Draft, content: Rendered, settings: Settings) -> dict[str, bytes]:
    """Give the files an editor looks at, by name: the issue as HTML, text, MJML and a whole mail.

    They are one reader's copy, of a reader there is not; the same issue always gives the same bytes.
    """
    token = "preview".ljust(TOKEN_LENGTH, "-")
    values = {"token": token, "message": token, "greeting": personalise.greeting(None)}
    message = message_of(draft.number, content.subject, content.html, content.text, settings)
    reader = Recipient(0, "reader@example.com", values)
    return {
        "issue.html": message.html.fill(values).encode(),
        "issue.txt": message.text.fill(values).encode(),
        "issue.mjml": personalise.split(content.mjml).fill(values).encode(),
        "issue.eml": MimeMessage(message).copy_for(reader, draft.cutoff),
    }


def _feedback_sender(host: str) -> str:
    """A sender id of 5 to 15 letters and digits, as Gmail wants it, from the site's host."""
    return "".join(character for character in host if character.isascii() and character.isalnum())[:15].ljust(5, "0")
