"""Signed tokens for the links in a mail: bound to one purpose, checked without a database read.

A token is 24 characters that need no escaping in an address: two numbers of 32 bits and the first 80 bits of an
HMAC-SHA-256 over them, under a key of the purpose's own. A forger would have to try some 2^79 tokens against
the site; short tokens keep a million copies small.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Literal

from digest.errors import DigestError

Purpose = Literal["copy", "message", "confirm", "address", "form", "voter", "track", "report", "desk"]
"""What a token is for, and its two numbers.

`copy`: all links of one copy; (issue, subscriber), issue 0 in a letter. `message`: names a copy in its Message-ID,
opens nothing. `confirm`: the button of a confirmation letter; (subscriber, when it ends). `address`: the same for a new
address; (change, when it ends). `form`: when a sign-up form was shown; (moment, chance). `voter`: a browser that voted;
two numbers of chance. `track`: counts an open or a click of a copy, opens nothing; (issue, number of the copy), 0 where
nothing is to be counted. `report`: shows reports to whom it was given; (when it ends, 0). `desk`: lets an editor in,
once; (link, when it ends); salted, and only the SHA-256 of it is kept. Moments are in whole seconds since 1970.
"""

_NUMBERS = struct.Struct(">II")
_MAC_BYTES = 10
TOKEN_LENGTH = 24
# Asked first: `urlsafe_b64decode` also takes "+" and "/", and skips what is in no alphabet.
_SPELLING = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}")


class TokenError(DigestError):
    """A token is cut, altered, made elsewhere, or for another purpose."""


class Signer:
    """Signs and reads tokens with one secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._by_purpose: dict[Purpose, _Mac] = {}

    def sign(self, purpose: Purpose, first: int, second: int) -> str:
        """Make the token of two numbers, each from 0 to 2^32 - 1."""
        return self.sign_all(purpose, first, (second,))[0]

    def sign_all(self, purpose: Purpose, first: int, seconds: Iterable[int]) -> list[str]:
        """Make a token for each of the second numbers, at some 700,000 a second."""
        contents = self._mac(purpose).all_of([_NUMBERS.pack(first, second) for second in seconds])
        # Eighteen bytes each are 24 characters without a filler, so that all are encoded in one go.
        text = urlsafe_b64encode(b"".join(contents)).decode()
        return [text[start : start + TOKEN_LENGTH] for start in range(0, len(text), TOKEN_LENGTH)]

    def salted(self, salt: str) -> Signer:
        """Give a signer whose tokens are unlike those of any other salt."""
        return Signer(hmac.digest(self._key, f"digest salt: {salt}".encode(), "sha256"))

    def read(self, purpose: Purpose, token: str) -> tuple[int, int]:
        """Give back the two numbers of a token.

        Raises:
            TokenError: it is not one of ours for this purpose.
        """
        content = urlsafe_b64decode(token) if _SPELLING.fullmatch(token) else b""
        numbers = content[: _NUMBERS.size]
        if not content or not hmac.compare_digest(content, self._mac(purpose).all_of([numbers])[0]):
            raise TokenError("this link is not whole or not ours; please copy all of it from the mail")
        first, second = _NUMBERS.unpack(numbers)
        return first, second

    def _mac(self, purpose: Purpose) -> _Mac:
        known = self._by_purpose.get(purpose)
        if known is None:
            own_key = hmac.digest(self._key, f"digest token: {purpose}".encode(), "sha256")
            known = self._by_purpose[purpose] = _Mac(own_key)
        return known


def numbers_in(token: str) -> tuple[int, int] | None:
    """Give the two numbers that a token says it has, unproven: with which key it is to be read may depend on them."""
    if not _SPELLING.fullmatch(token):
        return None
    first, second = _NUMBERS.unpack(urlsafe_b64decode(token)[: _NUMBERS.size])
    return first, second


class _Mac:
    """The cut HMAC-SHA-256 under a key of 32 bytes (RFC 2104).

    The two halves of the key are hashed once. `hmac.new(…).copy()` does the same at half the speed: it goes through
    OpenSSL's contexts.
    """

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def all_of(self, messages: Iterable[bytes]) -> list[bytes]:
        """Give each message with its code after it."""
        inner, outer, made = self._inner.copy, self._outer.copy, []
        for message in messages:
            first, second = inner(), outer()
            first.update(message)
            second.update(first.digest())
            made.append(message + second.digest()[:_MAC_BYTES])
        return made
