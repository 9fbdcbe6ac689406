"""Leaving by mail: messages to `unsubscribe_mailto`, which the List-Unsubscribe header of every issue offers.

Its link writes a subject such as ``unsubscribe <token>``. The token proves that whoever wrote had that reader's mail,
as on the page behind the link; a From line proves nothing, so what comes without a token is for a person to read.

A mail is taken in as bytes by `take`, whoever received it: the mailbox here, or a provider's inbound webhook.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from typing import Literal

from digest.audience.leaving import leave
from digest.errors import SettingsError
from digest.mail.mailbox import Place, header, is_by_machine, sender, take_in
from digest.settings import Settings
from digest.store import Database
from digest.tokens import TOKEN_LENGTH, Signer, TokenError

Became = Literal["left", "again", "machine", "person"]
"""What a mail was: a reader who left; one who had left already; written by a program, such as an out-of-office answer;
or something for a person to read."""

_ASKS = re.compile(rf"unsubscribe[\s:]+<?([A-Za-z0-9_-]{{{TOKEN_LENGTH}}})>?", re.IGNORECASE)


@dataclass
class Look:
    """What one look at the mailbox found; `strangers` are the From lines of what a person must read."""

    counts: Counter[Became] = field(default_factory=Counter)
    strangers: list[str] = field(default_factory=list)


def take(db: Database, raw: bytes, links: Signer, *, now: datetime, goodbye: bool = False) -> Became:
    """Do what a mail asks for; its headers are enough. The same mail again changes nothing.

    Args:
        db: the store.
        raw: the message (RFC 5322), whole or its headers alone.
        links: who signed the links.
        now: the moment.
        goodbye: whether a last letter goes out, with the way back.
    """
    message = message_from_bytes(raw)
    if _is_answer(message):
        return "machine"
    asks = _ASKS.search(header(message, "Subject"))
    if asks is None:
        # Only of those without a token: mailbox providers write one in a reader's name, in ARF even, when the reader
        # presses their own button
        # (https://www.validity.com/blog/gmail-provides-unsubscribe-option-for-mailing-lists/).
        return "machine" if is_by_machine(message) else "person"
    try:
        issue, subscriber = links.read("copy", asks[1])
    except TokenError:
        return "person"
    done = leave(db, subscriber, way="mail", issue=issue or None, now=now, goodbye=goodbye)
    return "left" if done else "again"


def _is_answer(message: Message) -> bool:
    """Tell whether a mail answers another by itself: an out-of-office note, a bounce, a receipt.

    Sources: RFC 3834, section 5; RFC 3464, section 2; RFC 8098, section 3.
    """
    automatic = header(message, "Auto-Submitted").lower()
    report = str(message.get_param("report-type", "")).lower()
    return (
        automatic.startswith(("auto-replied", "auto-notified"))
        or "auto_reply" in header(message, "Precedence").lower()
        or report in ("delivery-status", "disposition-notification")
    )


# The mailbox -------------------------------------------------------------------------------------------------------


def read_mailbox(db: Database, settings: Settings, links: Signer, *, now: datetime) -> Look:
    """Take in the new mails of the mailbox `unsubscribe_imap`; only their headers are fetched.

    Raises:
        SettingsError: no mailbox is set.
        MailboxError: it cannot be reached, or refuses us.
    """
    if not settings.unsubscribe_imap or settings.unsubscribe_imap_password is None:
        raise SettingsError("set unsubscribe_imap and unsubscribe_imap_password to the mailbox of unsubscribe_mailto")
    found = Look()

    def taken(raw: bytes) -> bool:
        became = take(db, raw, links, now=now, goodbye=settings.goodbye_letter)
        found.counts[became] += 1
        if became == "person":
            found.strangers.append(sender(message_from_bytes(raw)))
        return became != "person"

    take_in(Place(settings.unsubscribe_imap, settings.unsubscribe_imap_password, "unsubscribe_imap"), taken)
    return found
