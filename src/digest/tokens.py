"""Signed tokens for the links in a mail: bound to one purpose, checked without a database read.

A token is 24 characters that need no escaping in an address: two numbers of 32 bits and the first 80 bits of an
HMAC-SHA-256 over them, under a key of the purpose's own. A forger would have to try some 2^79 tokens against
the site; short tokens keep a million copies small.
"""

from __future__ import annotations

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal

from digest.errors import DigestError

Purpose = Literal["copy", "message"]
"""`copy`: all links of one copy; (issue, subscriber). `message`: names a copy in its Message-ID, opens nothing."""

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
        self._by_purpose: dict[Purpose, hmac.HMAC] = {}

    def sign(self, purpose: Purpose, first: int, second: int) -> str:
        """Make the token of two numbers, each from 0 to 2^32 - 1."""
        numbers = _NUMBERS.pack(first, second)
        return urlsafe_b64encode(numbers + self._mac(purpose, numbers)).decode()

    def read(self, purpose: Purpose, token: str) -> tuple[int, int]:
        """Give back the two numbers of a token.

        Raises:
            TokenError: it is not one of ours for this purpose.
        """
        content = urlsafe_b64decode(token) if _SPELLING.fullmatch(token) else b""
        numbers, mac = content[: _NUMBERS.size], content[_NUMBERS.size :]
        if len(mac) != _MAC_BYTES or not hmac.compare_digest(mac, self._mac(purpose, numbers)):
            raise TokenError("this link is not whole or not ours; please copy all of it from the mail")
        first, second = _NUMBERS.unpack(numbers)
        return first, second

    def _mac(self, purpose: Purpose, numbers: bytes) -> bytes:
        base = self._by_purpose.get(purpose)
        if base is None:
            own_key = hmac.digest(self._key, f"digest token: {purpose}".encode(), "sha256")
            base = self._by_purpose[purpose] = hmac.new(own_key, digestmod="sha256")
        mac = base.copy()
        mac.update(numbers)
        return mac.digest()[:_MAC_BYTES]
