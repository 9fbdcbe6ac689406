"""A passkey authenticator of software, which answers as devices do, and wrongly where a test wants it to.

What it writes is told in WebAuthn Level 3, 6.1 (authenticator data), 6.5.4 (attestation) and 5.8.1 (client data).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def coded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey on one device."""

    origin: str
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    handle: bytes = b""
    count: int = 0
    flags: int = PRESENT | VERIFIED
    step: int = 1

    def create(self, options: Mapping[str, Any], **client: object) -> str:
        """Answer `navigator.credentials.create`, as our script posts it."""
        self.handle = decoded(options["user"]["id"])
        data = self._data(options["rp"]["id"], ATTESTED)
        data += bytes(16) + len(self.id).to_bytes(2) + self.id + self._public_key()
        attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59" + len(data).to_bytes(2) + data
        response = {
            "clientDataJSON": self._client("webauthn.create", options, client),
            "attestationObject": coded(attestation),
            "transports": ["internal", "made-up"],
        }
        return self._answer(response)

    def get(self, options: Mapping[str, Any], *, host: str | None = None, **client: object) -> str:
        """Answer `navigator.credentials.get`, as our script posts it; for another `host` where one is given."""
        self.count += self.step
        data = self._data(host or options["rpId"], 0)
        said = self._client("webauthn.get", options, client)
        signature = self.key.sign(data + hashlib.sha256(decoded(said)).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": said,
            "authenticatorData": coded(data),
            "signature": coded(signature),
            "userHandle": coded(self.handle),
        }
        return self._answer(response)

    def _answer(self, response: Mapping[str, object]) -> str:
        return json.dumps({"id": coded(self.id), "rawId": coded(self.id), "type": "public-key", "response": response})

    def _data(self, host: str, more: int) -> bytes:
        return hashlib.sha256(host.encode()).digest() + bytes([self.flags | more]) + self.count.to_bytes(4)

    def _client(self, kind: str, options: Mapping[str, Any], more: Mapping[str, object]) -> str:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False, **more}
        return coded(json.dumps(said).encode())

    def _public_key(self) -> bytes:
        """The key as COSE has it (RFC 9053, 7.1.1): {1: 2, 3: -7, -1: 1, -2: x, -3: y}."""
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32), numbers.y.to_bytes(32)
        return b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y
