"""Signature Version 4: the headers by which Amazon knows who makes a call, and that nobody altered it on the way.

Written from https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, for calls
that carry the signature in a header, to any service but S3: S3 alone does not encode a path a second time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


@dataclass(frozen=True)
class Credentials:
    """Who signs. `session_token` comes with credentials that are for a time only, and is empty with others."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def signed(
    credentials: Credentials,
    *,
    region: str,
    service: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    payload_hash: str,
    now: datetime,
) -> dict[str, str]:
    """Give `headers` and those by which a call is signed; the call must go out with all of them, as they are.

    `url` is the one of the request line, encoded as it is there; `Host` is signed too, and must be its host and
    port. `payload_hash` is the SHA-256 of the body's bytes in hexadecimal digits. A signature is good for five
    minutes around `now`.
    """
    parts = urlsplit(url)
    moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    given = {**headers, "X-Amz-Date": moment}
    if credentials.session_token:
        given["X-Amz-Security-Token"] = credentials.session_token
    names, canonical = canonical_request(method, parts.path, parts.query, {**given, "Host": parts.netloc}, payload_hash)
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    mac = signature(credentials.secret_access_key, scope, moment, canonical)
    given["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, Signature={mac}"
    )
    return given


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], payload_hash: str
) -> tuple[str, str]:
    """Give the names of the signed headers, and the one form of a request that both sides sign.

    The path, encoded already on its way, is encoded once more. It may have no ``.`` or ``..`` as a step.
    """
    values = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = sorted(values)
    lines = (
        method,
        quote(path or "/", safe="/" + _UNRESERVED),
        _canonical_query(query),
        *(f"{name}:{values[name]}" for name in names),
        "",
        ";".join(names),
        payload_hash,
    )
    return ";".join(names), "\n".join(lines)


def signature(secret_access_key: str, scope: str, moment: str, canonical: str) -> str:
    """Sign a canonical request of a moment, such as ``20150830T123600Z``, in a scope, such as ``20150830/…/…``."""
    key = f"AWS4{secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join((ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _canonical_query(query: str) -> str:
    """Sort by the encoded names, then by the encoded values."""
    pairs = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in pairs)
