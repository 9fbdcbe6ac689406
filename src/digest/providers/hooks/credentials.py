"""What a caller shows to be believed: compared so that the time it takes tells nothing of what is right."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping

from pydantic import SecretStr


def secret_of(options: Mapping[str, object], name: str) -> str:
    """Give a secret that is set, or ''."""
    value = options.get(name)
    return value.get_secret_value().strip() if isinstance(value, SecretStr) else ""


def is_same(given: str | bytes, right: str | bytes) -> bool:
    """Compare in a time that does not depend on how much is right."""
    one, other = (value.encode() if isinstance(value, str) else value for value in (given, right))
    return hmac.compare_digest(one, other)


def bearer_of(headers: Mapping[str, str]) -> str | None:
    """Give the token of ``Authorization: Bearer`` (RFC 6750, 2.1); None where there is none."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def basic_of(headers: Mapping[str, str]) -> tuple[bytes, bytes] | None:
    """Give user name and password of ``Authorization: Basic`` (RFC 7617); None where there are none."""
    scheme, _, coded = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, found, password = b64decode(coded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if found else None
