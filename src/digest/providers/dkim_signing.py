"""DKIM signatures (RFC 6376), by dkimpy.

A receiver only believes `List-Unsubscribe` and its `-Post` where a signature covers both (RFC 8058, section 4).
dkimpy leaves the second one out by default, so what is signed is named here. An Ed25519 key (RFC 8463) needs PyNaCl.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec
from typing import Any

import dkim

SEALED = (
    "from to subject date message-id reply-to list-id list-unsubscribe list-unsubscribe-post mime-version content-type"
)
"""Headers signed once more than they are there: nobody on the way can add another one, or one that was not there."""
LEAST_BITS = 1024
"""Receivers need not believe shorter RSA keys (RFC 8301, section 3.2)."""
_PEM = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----(.*?)-----END", re.DOTALL)
_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of an Ed25519 key (RFC 8410, section 7)."""


class Signer:
    """Signs for one domain with one key, a PEM file's content.

    Raises:
        ValueError: it is no RSA or Ed25519 key, or too short, or PyNaCl is missing. It does not quote the key.
    """

    def __init__(self, domain: str, selector: str, key: bytes) -> None:
        self._domain, self._selector = domain.encode("ascii"), selector.encode("ascii")
        self._algorithm, self._key = _read(key)
        self._sealed = SEALED.encode().split()

    def header_for(self, copy: bytes, moment: datetime) -> bytes:
        """Give the `DKIM-Signature` header of a message with CRLF line ends, to stand before it.

        The same message signed for the same moment has the same signature. With a 2048-bit RSA key it takes about
        10 ms, nearly all of them in Python's own arithmetic.

        Raises:
            ValueError: it is no message, or a header in it may not be signed.
        """
        try:
            signature = _Signature(copy, moment)
            there = [name.lower() for name, _ in signature.headers]
            header: bytes = signature.sign(
                self._selector,
                self._domain,
                self._key,
                signature_algorithm=self._algorithm,
                canonicalize=(b"relaxed", b"relaxed"),
                include_headers=[*there, *self._sealed],
            )
        except dkim.DKIMException as error:
            raise ValueError(f"it cannot be signed: {error}") from error
        return header


class _Signature(dkim.DKIM):  # type: ignore[misc]
    """A signature with a given time: dkimpy takes the clock's, and the same copy would not have the same bytes."""

    def __init__(self, copy: bytes, moment: datetime) -> None:
        super().__init__(copy)
        self._time = str(int(moment.timestamp())).encode()

    def gen_header(self, fields: Sequence[tuple[bytes, bytes]], *rest: Any, **named: Any) -> Any:
        """Put the time in."""
        given = [(name, self._time if name == b"t" else value) for name, value in fields]
        return super().gen_header(given, *rest, **named)


def _read(key: bytes) -> tuple[bytes, bytes]:
    """Give the algorithm and the key as dkimpy wants it."""
    key = key.replace(b"\r\n", b"\n")
    found = _PEM.search(key)
    if found is None:
        raise ValueError("it is no private key in PEM (-----BEGIN PRIVATE KEY-----)")
    if (seed := _ed25519(found[2])) is not None:
        _need_nacl()
        return b"ed25519-sha256", b64encode(seed)
    try:
        bits = int(dkim.parse_pem_private_key(key)["modulus"]).bit_length()
    except (dkim.UnparsableKeyError, dkim.crypto.ASN1FormatError, ValueError, LookupError, TypeError):
        raise ValueError("it is neither an RSA nor an Ed25519 key; one with a passphrase cannot be read") from None
    if bits < LEAST_BITS:
        raise ValueError(f"its {bits} bits are too few: receivers want {LEAST_BITS}, better 2048")
    return b"rsa-sha256", key


def _ed25519(encoded: bytes) -> bytes | None:
    try:
        der = b64decode(encoded)
    except ValueError:
        return None
    return der[len(_ED25519) :] if der.startswith(_ED25519) and len(der) == len(_ED25519) + 32 else None


def _need_nacl() -> None:
    if find_spec("nacl") is None:
        raise ValueError("an Ed25519 key needs PyNaCl: pip install 'dkimpy[ed25519]'; or take an RSA key")
