"""Whole MIME messages, for the providers that take mail in that form.

What all copies share is encoded once; a copy is a join. Quoted-printable can be cut anywhere: a soft line break
ends each piece, so the next begins a line of its own (RFC 2045, section 6.7). A part that base64 makes smaller,
such as one in Chinese, is encoded copy by copy.
"""

from __future__ import annotations

import binascii
import hashlib
import html
import re
from base64 import encodebytes
from collections.abc import Callable, Mapping
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr
from functools import lru_cache
from typing import Protocol

from digest.providers.interface import Message, Recipient, Segments

_SOFT_BREAK = b"=\n"
_CRLF = re.compile(r"\r+\n")
_QUOTED = re.compile(r'[()<>\[\]:;@\\,."]')
"""What may not stand in a name without quotes (RFC 5322, section 3.2.3)."""


class MimeMessage:
    """A message ready to be written out, copy by copy, with lines that end in a bare newline."""

    def __init__(self, message: Message) -> None:
        self._shared = _shared_headers(message)
        self._own = [(name.encode("ascii"), value) for name, value in message.headers.items()]
        boundary = _boundary(message)
        text, html_part = _part("plain", message.text, str), _part("html", message.html, _escape)
        self._opening = (
            b'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="%b"\n\n--%b\n' % (boundary, boundary)
        ) + text.head
        self._text, self._html = text, html_part
        self._between = b"\n--%b\n" % boundary + html_part.head
        self._closing = b"\n--%b--\n" % boundary

    def copy_for(self, recipient: Recipient, date: datetime) -> bytes:
        """Write one recipient's copy.

        A value with a line break in it cannot start another header: it is refused.
        """
        values = recipient.values
        own = [b"%b: %b\n" % (name, _header(value.fill(values)).encode()) for name, value in self._own]
        return b"".join(
            (
                self._shared,
                b"To: %b\nDate: %b\n" % (_header(recipient.address).encode(), _date(date)),
                *own,
                self._opening,
                self._text.body(values),
                self._between,
                self._html.body(values),
                self._closing,
            )
        )


class _Part(Protocol):
    head: bytes

    def body(self, values: Mapping[str, str]) -> bytes: ...


class _QuotedPrintable:
    def __init__(self, head: bytes, segments: Segments, escape: Callable[[str], str]) -> None:
        self.head = head + b"Content-Transfer-Encoding: quoted-printable\n\n"
        self._pieces = [_quoted(text) for text in segments.texts]
        self._places, self._escape = segments.places, escape

    def body(self, values: Mapping[str, str]) -> bytes:
        parts = [self._pieces[0]]
        for place, piece in zip(self._places, self._pieces[1:], strict=True):
            parts += (_quoted(self._escape(values[place])), piece)
        # The last soft break would run into the boundary.
        return b"".join(parts).removesuffix(_SOFT_BREAK)


class _Base64:
    def __init__(self, head: bytes, segments: Segments, escape: Callable[[str], str]) -> None:
        self.head = head + b"Content-Transfer-Encoding: base64\n\n"
        self._segments, self._escape = segments, escape

    def body(self, values: Mapping[str, str]) -> bytes:
        return encodebytes(self._segments.fill(values, self._escape).encode())


def _part(subtype: str, segments: Segments, escape: Callable[[str], str]) -> _Part:
    head = f"Content-Type: text/{subtype}; charset=utf-8\n".encode()
    whole = "".join(segments.texts).encode()
    fits = len(binascii.b2a_qp(whole, istext=True)) <= len(whole) * 4 / 3
    return (_QuotedPrintable if fits else _Base64)(head, segments, escape)


def _quoted(text: str) -> bytes:
    if not text:
        return b""
    # A text with CRLF would get all its line ends so.
    return binascii.b2a_qp(_CRLF.sub("\n", text).encode(), istext=True) + _SOFT_BREAK


def mailbox(name: str, address: str) -> str:
    """Write a name and an address as one mailbox, for the APIs that take text in any script."""
    if not name:
        return address
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>' if _QUOTED.search(name) else f"{name} <{address}>"


def _shared_headers(message: Message) -> bytes:
    sender = formataddr((message.sender_name, message.sender_address))
    if not _is_plain(message.sender_name):
        sender = f"{_encoded('From', message.sender_name)}\n <{message.sender_address}>"
    headers = [f"From: {sender}\n"]
    if message.reply_to:
        headers.append(f"Reply-To: {message.reply_to}\n")
    headers.append(f"Subject: {_encoded('Subject', message.subject)}\n")
    return "".join(headers).encode("ascii")


def _encoded(name: str, text: str) -> str:
    """Write text into a header, folded, as encoded words (RFC 2047) where it is not plain.

    By email.header, which splits a text into words by their length alone: the folding of email.policy loses
    spaces between a plain and an encoded word (seen with Python 3.11.7).
    """
    return Header(text, "us-ascii" if _is_plain(text) else "utf-8", maxlinelen=76, header_name=name).encode()


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and "=?" not in text


def _boundary(message: Message) -> bytes:
    """A boundary that no encoded line can be: with an underscore after an equals sign, which neither encoding has."""
    content = "\0".join((*message.text.texts, *message.html.texts))
    return b"=_digest_" + hashlib.sha256(content.encode()).hexdigest()[:24].encode()


def _header(value: str) -> str:
    if "\n" in value or "\r" in value:
        raise ValueError(f"a header cannot have a line break in it: {value!r}")
    # More than one address in List-Unsubscribe is one to a line.
    return value.replace(">, <", ">,\n <")


@lru_cache(maxsize=4)
def _date(moment: datetime) -> bytes:
    return format_datetime(moment).encode()


def _escape(text: str) -> str:
    return html.escape(text, quote=True)
