"""Reading a mailbox of ours by IMAP: each new mail is taken in once, and put away where nobody has to read it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from imaplib import IMAP4
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from imap_tools import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError
from pydantic import SecretStr

from digest.errors import DigestError

DONE = "Done"
"""The folder that mails are moved to when nothing is left to do about them."""

AT_ONCE = 500
"""Mails that one look at the mailbox takes."""

HEADERS = "(BODY.PEEK[HEADER])"
TIMEOUT_S = 30.0
_ERRORS = (OSError, IMAP4.error, ImapToolsError)

Take = Callable[[bytes], bool]
"""Takes a mail in (RFC 5322), as far as it was fetched; tells whether nothing is left in it for a person to read."""


class MailboxError(DigestError):
    """A mailbox of ours cannot be read."""


@dataclass(frozen=True)
class Place:
    """Where a mailbox is: an address such as ``imaps://user@mail.example.com/INBOX``, and its password.

    `setting` is the name of the setting that the address stands in; the password's is the same with `_password`.
    """

    address: str
    password: SecretStr
    setting: str


def beginning(size: int) -> str:
    """Say in IMAP's words that so many bytes of a mail are fetched, from its beginning (RFC 3501, 6.4.5)."""
    return f"(BODY.PEEK[]<0.{size}>)"


def take_in(place: Place, take: Take, *, what: str = HEADERS) -> None:
    """Take in what is new in a mailbox.

    What is settled is marked as read and moved to the folder `DONE`, where that can be made. What a person must read
    stays where it is, unread and flagged, and is not looked at again.

    Raises:
        MailboxError: it cannot be reached, or refuses us.
    """
    with _open(place) as mailbox:
        uids = mailbox.uids("UNSEEN UNFLAGGED", charset=None)[:AT_ONCE]
        folder = _folder(mailbox) if uids else None
        for uid in uids:
            fetched = mailbox.client.uid("FETCH", uid, what)[1]
            if not fetched or not isinstance(fetched[0], tuple):
                # Another process moved it meanwhile.
                continue
            is_settled = take(fetched[0][1])
            # Not by imap_tools' own way, which also expunges what others have marked as deleted.
            mailbox.client.uid("STORE", uid, "+FLAGS", r"(\Seen)" if is_settled else r"(\Flagged)")
            if is_settled and folder is not None:
                mailbox.move(uid, folder)


def waiting(place: Place) -> int:
    """Log in to a mailbox and look into its folder; give how many mails wait there. It changes nothing.

    Raises:
        MailboxError: it cannot be reached, or refuses us.
    """
    with _open(place) as mailbox:
        return len(mailbox.uids("UNSEEN UNFLAGGED", charset=None))


def header(message: Message, name: str) -> str:
    """Give a header as one line of text, however broken it is."""
    raw = str(message.get(name, ""))
    try:
        text = str(make_header(decode_header(raw)))
    except (HeaderParseError, LookupError, ValueError):
        text = raw
    return " ".join(text.split())


def sender(message: Message) -> str:
    """Give the From line, for a person to look the mail up by."""
    words = header(message, "From")
    return "".join(character if character.isprintable() else " " for character in words)[:200]


def is_by_machine(message: Message) -> bool:
    """Tell whether a program wrote a mail (RFC 3834, section 5; RFC 3464, section 2)."""
    return (
        header(message, "Auto-Submitted").lower() not in ("", "no")
        or header(message, "Precedence").lower() in ("bulk", "junk", "list")
        or header(message, "Return-Path") == "<>"
        or message.get_content_type() == "multipart/report"
    )


@contextmanager
def _open(place: Place) -> Iterator[BaseMailBox]:
    where, password = urlsplit(place.address), place.password.get_secret_value()
    host, user = where.hostname or "", unquote(where.username or "")
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
            raise MailboxError(f"{name} refuses the name or the password; see {place.setting}_password") from None
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
