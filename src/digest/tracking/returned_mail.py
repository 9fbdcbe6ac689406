"""Mails that come back: what a server says became of a copy, and complaints that a mailbox provider passes on.

Delivery reports are of RFC 3464 (in other alphabets RFC 6533) with codes of RFC 3463, complaints of RFC 5965; older
servers that write a text and ``X-Failed-Recipients`` are understood as well. Nothing here is proven: anybody can write
such a mail. Whose copy it was says a token of ours, which whoever wrote the report found in that copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import parsedate_to_datetime

from digest.mail.mailbox import header
from digest.providers.hooks import fields
from digest.providers.hooks.interface import Told, Word
from digest.tokens import TOKEN_LENGTH

_STATUS = ("message/delivery-status", "message/global-delivery-status")
_COMPLAINT = "message/feedback-report"
_COMPLAINTS: dict[str, Word | None] = {
    "abuse": "complained",
    "fraud": "complained",
    "opt-out": "unsubscribed",
    # Nothing that a reader says of a copy.
    "not-spam": None,
    "virus": None,
    "auth-failure": None,
}
# Permanent for this mail, but not for the address: the mailbox is full (5.2.2), the mail too large, the server in
# trouble (5.3), too slow or in a loop, the conversation or the content odd (5.5, 5.6), a policy (5.7).
_OF_THE_MAIL = re.compile(r"5\.(?:2\.[23]|3\.\d+|4\.(?:6|7|14)|[567]\.\d+)")
_TOKEN = rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}"
# What we handed over as the id of the envelope (RFC 3461): batch and name of the copy. A batch is no proof, as all who
# were in it could know it.
_ENVELOPE_ID = re.compile(rf"^\s*[0-9a-f]{{32}}\.({_TOKEN})\s*$")
_LINK = re.compile(rf"/u/({_TOKEN})(?![A-Za-z0-9_-])")
_RETURN_PATH = re.compile(rf"\+({_TOKEN})@")
_COPIED = re.compile(rf"^(?:Message-ID:|[ \t]+)\s*<({_TOKEN})@", re.IGNORECASE | re.MULTILINE)
_BEGINNING = 64 * 1024


def read_returned(raw: bytes) -> tuple[Told, ...] | None:
    """Read a mail, or its beginning; None where it is no report. It may be one that says nothing of note.

    Raises:
        Exception: it is broken in a way that the standard library's parser does not survive.
    """
    message = message_from_bytes(raw)
    parts = list(message.walk())
    for part in parts:
        if part.get_content_type() in _STATUS:
            return tuple(_statuses(part, _whose(message, parts)))
        if part.get_content_type() == _COMPLAINT:
            return _complaint(part, _whose(message, parts))
    return _as_text(message, raw) if message.get("X-Failed-Recipients") else None


def is_hard(code: str) -> bool:
    """Tell whether a code says that the address takes no mail, now or ever; others speak of this one mail."""
    return code.startswith("5") and not _OF_THE_MAIL.fullmatch(code)


# Delivery reports --------------------------------------------------------------------------------------------------


def _statuses(part: Message, whose: Told) -> Iterator[Told]:
    blocks = list(_blocks(part))
    name = _first(_ENVELOPE_ID, [str(block.get("Original-Envelope-Id", "")) for block in blocks])
    whose = replace(whose, name=name or whose.name)
    for block in blocks:
        action = header(block, "Action").lower().partition(" ")[0]
        if (word := _word(action)) is None:
            continue
        diagnostic = fields.text(header(block, "Diagnostic-Code").partition(";")[2])
        status = fields.code_of(header(block, "Status"))
        # 5.0.0 says no more than that it failed.
        code = (fields.code_of(diagnostic) if not status or status.endswith(".0.0") else "") or status
        yield replace(
            whose,
            word=word,
            at=_moment(block, "Last-Attempt-Date", whose.at),
            address=_address(block, "Original-Recipient") or _address(block, "Final-Recipient"),
            hard=word == "bounced" and is_hard(code),
            code=code,
            words=diagnostic or fields.text(header(block, "Status")),
        )


def _blocks(part: Message) -> Iterator[Message]:
    """Give the groups of fields: first that of the mail, then one for each recipient.

    The parser splits them up in ``message/delivery-status`` alone.
    """
    for block in _inner(part):
        yield block
        rest = block.get_payload()
        if part.get_content_type() != _STATUS[0] and isinstance(rest, str):
            yield from map(message_from_string, re.split(r"\r?\n\s*\r?\n", rest))


def _word(action: str) -> Word | None:
    """Say what an action is; relayed and expanded say nothing of whether it arrived."""
    words: dict[str, Word] = {"failed": "bounced", "delayed": "deferred", "delivered": "delivered"}
    return words.get(action)


def _address(block: Message, name: str) -> str | None:
    """Give an address such as ``rfc822; ada@example.com``."""
    kind, _, address = header(block, name).partition(";")
    return fields.text(address.strip(" <>")) or None if kind.strip().lower() in ("rfc822", "utf-8") else None


def _as_text(message: Message, raw: bytes) -> tuple[Told, ...]:
    """Read what Exim wrote before it learned of reports: a text, and behind it the mail or its headers."""
    text = raw[:_BEGINNING].decode(errors="replace").replace("\r\n", "\n").partition("\n\n")[2]
    said, _, copied = text.partition("\n------ ")
    name, link = _COPIED.search(copied), _LINK.search(copied)
    line = next((line for line in said.splitlines() if fields.code_of(line)), "")
    told = Told(
        "bounced",
        at=_moment(message, "Date", fields.UNTOLD),
        name=name[1] if name else None,
        copy=link[1] if link else None,
        address=fields.text(header(message, "X-Failed-Recipients").partition(",")[0]) or None,
        hard=is_hard(fields.code_of(line)),
        code=fields.code_of(line),
        words=fields.text(line),
    )
    return (told,)


# Complaints --------------------------------------------------------------------------------------------------------


def _complaint(part: Message, whose: Told) -> tuple[Told, ...] | None:
    """Read a complaint. One of a kind we do not know is for a person."""
    about = next(iter(_inner(part)), Message())
    kind = header(about, "Feedback-Type").lower()
    if kind not in _COMPLAINTS:
        return None
    address = header(about, "Original-Rcpt-To") or header(about, "Removal-Recipient")
    word = _COMPLAINTS[kind]
    told = None if word is None else replace(whose, word=word, address=fields.text(address.strip(" <>")) or None)
    return (told,) if told else ()


# Whose copy it was -------------------------------------------------------------------------------------------------


def _whose(message: Message, parts: list[Message]) -> Told:
    """Find the tokens of a copy: in what is returned of it, else in what the report answers, and where it was sent."""
    returned = [headers for part in parts if (headers := _returned(part)) is not None]
    names = [str(headers.get("Message-ID", "")) for headers in returned]
    answered = f"{message.get('In-Reply-To', '')} {message.get('References', '')}"
    links = [str(headers.get("List-Unsubscribe", "")) for headers in returned]
    paths = [str(message.get(name, "")) for name in ("Delivered-To", "X-Original-To", "To")]
    return Told(
        "bounced",
        at=_moment(message, "Date", fields.UNTOLD),
        name=next((name for one in [*names, *answered.split()] if (name := fields.name_of(one))), None),
        copy=_first(_LINK, links) or _first(_RETURN_PATH, paths),
    )


def _returned(part: Message) -> Message | None:
    """Give the headers of the mail a report is about, where this part has them."""
    kind = part.get_content_type()
    if kind in ("message/rfc822", "message/global", "message/global-headers"):
        return next(iter(_inner(part)), None)
    if kind == "text/rfc822-headers":
        content = part.get_payload(decode=True)
        return message_from_bytes(content) if isinstance(content, bytes) else None
    return None


def _inner(part: Message) -> list[Message]:
    """Give the messages in a part, as the parser made them of its fields."""
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def _first(pattern: re.Pattern[str], texts: list[str]) -> str | None:
    return next((found[1] for text in texts if (found := pattern.search(text))), None)


def _moment(message: Message, name: str, otherwise: datetime) -> datetime:
    try:
        found = parsedate_to_datetime(header(message, name))
    except (ValueError, OverflowError):
        return otherwise
    # Without a zone it is in UTC, by RFC 5322 (3.3).
    return fields.moment((found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat())
