"""The envelope of an issue: who it is from, and the headers that bulk mail must carry."""

from __future__ import annotations

from digest.issue.model import Envelope
from digest.settings import Settings


def envelope(number: int, settings: Settings) -> Envelope:
    """Make the envelope of an issue.

    `List-Unsubscribe` and its `-Post` are RFC 8058, `List-Id` RFC 2919; `Feedback-ID` is what Gmail's
    Postmaster Tools group complaints by: up to three fields of our own and a sender id of 5 to 15 characters at
    the end (https://support.google.com/mail/answer/6254652).
    """
    site = settings.base_url
    ways_out = [f"<{site}/u/[[digest:token]]>"]
    if settings.unsubscribe_mailto:
        ways_out.append(f"<mailto:{settings.unsubscribe_mailto}?subject=unsubscribe%20[[digest:token]]>")
    return Envelope(
        sender_name=settings.sender_name or settings.newsletter_name,
        sender_address=settings.sender_address,
        reply_to=settings.reply_to,
        headers={
            "Message-ID": f"<[[digest:message]]@{settings.host}>",
            "List-Id": f"<{settings.list_id or f'weekly.{settings.host}'}>",
            "List-Unsubscribe": ", ".join(ways_out),
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Archive": f"<{site}/issues/>",
            "Feedback-ID": f"issue-{number}:weekly:digest:{_feedback_sender(settings.host)}",
            "Precedence": "bulk",
        },
    )


def _feedback_sender(host: str) -> str:
    """A sender id of 5 to 15 letters and digits from the site's host."""
    return "".join(character for character in host if character.isascii() and character.isalnum())[:15].ljust(5, "0")
