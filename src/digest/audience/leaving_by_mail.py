"""Leaving by mail: messages to `unsubscribe_mailto`, which the List-Unsubscribe header of every issue offers.

Its link writes a subject such as ``unsubscribe <token>``. The token proves that whoever wrote had that reader's mail,
as on the page behind the link; a From line proves nothing, so what comes without a token is for a person to read.

A mail is taken in as bytes by `take`, whoever received it: the mailbox here, or a provider's inbound webhook.
"""

from __future__ import annotations

import re
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from imaplib import IMAP4
from ipaddress import ip_address
from typing import Literal
from urllib.parse import unquote, urlsplit

from imap_tools import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError

from digest.audience.leaving import leave
from digest.errors import DigestError, SettingsError
from digest.settings import Settings
from digest.store import Database
from digest.tokens import TOKEN_LENGTH, Signer, TokenError

Became = Literal["left", "again", "machine", "person"]
"""What a mail was: a reader who left; one who had left already; written by a program, such as an out-of-office answer;
or something for a person to read."""

DONE = "Done"
"""The folder that mails are moved to when nothing is left to do about them."""

AT_ONCE = 500
"""Mails that one look at the mailbox takes."""

TIMEOUT_S = 30.0
_ERRORS = (OSError, IMAP4.error, ImapToolsError)
_ASKS = re.compile(rf"unsubscribe[\s:]+<?([A-Za-z0-9_-]{{{TOKEN_LENGTH}}})>?", re.IGNORECASE)


class MailboxError(DigestError):
    """The mailbox for unsubscriptions cannot be read."""


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
    asks = _ASKS.search(_header(message, "Subject"))
    if asks is None:
        return "machine" if _by_machine(message) else "person"
    try:
        issue, subscriber = links.read("copy", asks[1])
    except TokenError:
        return "person"
    done = leave(db, subscriber, way="mail", issue=issue or None, now=now, goodbye=goodbye)
    return "left" if done else "again"


def _header(message: Message, name: str) -> str:
    """Give a header as one line of text, however broken it is."""
    raw = str(message.get(name, ""))
    try:
        text = str(make_header(decode_header(raw)))
    except (HeaderParseError, LookupError, ValueError):
        text = raw
    return " ".join(text.split())


def _is_answer(message: Message) -> bool:
    """Tell whether a mail answers another by itself: an out-of-office note, a bounce, a receipt.

    Sources: RFC 3834, section 5; RFC 3464, section 2; RFC 8098, section 3.
    """
    automatic = _header(message, "Auto-Submitted").lower()
    report = str(message.get_param("report-type", "")).lower()
    return (
        automatic.startswith(("auto-replied", "auto-notified"))
        or "auto_reply" in _header(message, "Precedence").lower()
        or report in ("delivery-status", "disposition-notification")
    )


def _by_machine(message: Message) -> bool:
    """Tell whether a program wrote a mail, so that no person has to read it.

    Of such mails only those without a token are passed over: mailbox providers write one in a reader's name, in ARF
    even, when the reader presses their own button (https://www.validity.com/blog/gmail-provides-unsubscribe-option-for-mailing-lists/).
    """
    return (
        _header(message, "Auto-Submitted").lower() not in ("", "no")
        or _header(message, "Precedence").lower() in ("bulk", "junk", "list")
        or _header(message, "Return-Path") == "<>"
        or message.get_content_type() == "multipart/report"
    )


# The mailbox -------------------------------------------------------------------------------------------------------


def read_mailbox(db: Database, settings: Settings, links: Signer, *, now: datetime) -> Look:
    """Take in the new mails of the mailbox `unsubscribe_imap`; only their headers are fetched.

    What is settled is marked as read and moved to the folder `DONE`, where that can be made. What a person must read
    stays where it is, unread and flagged, and is not looked at again.

    Raises:
        SettingsError: no mailbox is set.
        MailboxError: it cannot be reached, or refuses us.
    """
    if not settings.unsubscribe_imap or settings.unsubscribe_imap_password is None:
        raise SettingsError("set unsubscribe_imap and unsubscribe_imap_password to the mailbox of unsubscribe_mailto")
    found = Look()
    with _open(settings) as mailbox:
        uids = mailbox.uids("UNSEEN UNFLAGGED", charset=None)[:AT_ONCE]
        folder = _folder(mailbox) if uids else None
        for uid in uids:
            fetched = mailbox.client.uid("FETCH", uid, "(BODY.PEEK[HEADER])")[1]
            if not fetched or not isinstance(fetched[0], tuple):
                # Another process moved it meanwhile.
                continue
            raw = fetched[0][1]
            became = take(db, raw, links, now=now, goodbye=settings.goodbye_letter)
            found.counts[became] += 1
            if became == "person":
                found.strangers.append(_sender(raw))
            # Not by imap_tools' own way, which also expunges what others have marked as deleted.
            mailbox.client.uid("STORE", uid, "+FLAGS", r"(\Flagged)" if became == "person" else r"(\Seen)")
            if became != "person" and folder is not None:
                mailbox.move(uid, folder)
    return found


def _sender(raw: bytes) -> str:
    words = _header(message_from_bytes(raw), "From")
    return "".join(character if character.isprintable() else " " for character in words)[:200]


@contextmanager
def _open(settings: Settings) -> Iterator[BaseMailBox]:
    where = urlsplit(settings.unsubscribe_imap)
    secret = settings.unsubscribe_imap_password
    host, user, password = (
        where.hostname or "",
        unquote(where.username or ""),
        secret.get_secret_value() if secret else "",
    )
    name = f"the mailbox {user} at {host}"
    try:
        mailbox = _connected(where.scheme, host, where.port)
    except _ERRORS as error:
        raise MailboxError(f"{name} cannot be reached: {error}") from None
    try:
        try:
            # LOGIN is for ASCII alone.
            (mailbox.login if (user + password).isascii() else mailbox.login_utf8)(user, password, None)
        except (IMAP4.error, ImapToolsError):
            # Without the server's words: they may hold what was sent.
            raise MailboxError(f"{name} refuses the name or the password; see unsubscribe_imap_password") from None
        mailbox.folder.set(unquote(where.path.strip("/")) or "INBOX")
        yield mailbox
    except _ERRORS as error:
        raise MailboxError(f"{name} cannot be read: {error}") from None
    finally:
        _leave(mailbox)


def _connected(scheme: str, host: str, port: int | None) -> BaseMailBox:
    # The standard library looks at no certificate unless it is given a context that does.
    context = ssl.create_default_context()
    if scheme == "imaps":
        return MailBox(host, port or 993, timeout=TIMEOUT_S, ssl_context=context)
    if _is_here(host):
        return MailBoxUnencrypted(host, port or 143, timeout=TIMEOUT_S)
    return MailBoxStartTls(host, port or 143, timeout=TIMEOUT_S, ssl_context=context)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _leave(mailbox: BaseMailBox) -> None:
    try:
        mailbox.logout()
    except _ERRORS:
        mailbox.client.shutdown()


def _folder(mailbox: BaseMailBox) -> str | None:
    """Give the folder for what is done, made where there is none; None where it cannot be."""
    try:
        if not mailbox.folder.exists(DONE):
            mailbox.folder.create(DONE)
    except (IMAP4.error, ImapToolsError):
        return None
    return DONE
