"""What SendGrid tells by its event webhook: arrays of events, signed with ECDSA.

Sources, read in November 2026: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event (kinds and
fields), getting-started-event-webhook-security-features beside it (the signature), and
https://docs.sendgrid.com/for-developers/tracking-events/troubleshooting (events come twice, and are tried again for 24
hours); its own test of the signature is in https://github.com/sendgrid/sendgrid-python/blob/main/test/unit.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, field_validator

from digest.providers.hooks import fields
from digest.providers.hooks.fields import text
from digest.providers.hooks.interface import Call, Fetch, Nothing, RefusedError, Told, Unknown, Verified, Word

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
OLDEST = timedelta(hours=25)
"""SendGrid tries again for 24 hours, and does not say whether it then signs anew. The signature covers the body, and an
event counts once however often it comes: so a wide window costs nothing, and a narrow one would lose a day's events."""
EARLIEST = timedelta(minutes=5)
"""So far a clock may be behind SendGrid's."""

_WORDS: dict[str, Word] = {
    "processed": "accepted",
    "deferred": "deferred",
    "delivered": "delivered",
    "open": "opened",
    "click": "clicked",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
_ABOUT_NO_COPY = frozenset({"group_resubscribe", "account_status_change"})
_UNDELIVERABLE = frozenset({"bounced address", "spam reporting address", "invalid"})
"""Reasons of a drop that are the address's own: it bounced before, complained before, or is none."""
_NAME = re.compile(r"<?([A-Za-z0-9_-]{24})@")
"""The Message-ID of a copy, where it is ours and not SendGrid's."""


class Options(BaseModel):
    """What must be set for SendGrid to tell."""

    webhook_key: str = Field("", description="The verification key of the signed event webhook.")

    @field_validator("webhook_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if value:
            _key(value)
        return value


async def verify(call: Call, options: Mapping[str, object], *, now: datetime, fetch: Fetch) -> Verified:
    """Make sure that a call is SendGrid's own.

    Raises:
        RefusedError: it is not, or is too old.
    """
    # Here, because it takes a tenth of a second to load, and the settings need this file.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    key = options.get("webhook_key")
    if not isinstance(key, str) or not key:
        raise RefusedError("not set up", 503)
    signature, timestamp = call.headers.get(SIGNATURE, ""), call.headers.get(TIMESTAMP, "")
    if not signature or not timestamp:
        raise RefusedError("no signature")
    moment = fields.since_1970(timestamp)
    if moment == fields.UNTOLD:
        raise RefusedError("malformed", 400)
    try:
        _key(key).verify(b64decode(signature, validate=True), timestamp.encode() + call.body, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        raise RefusedError("wrong signature") from None
    if moment < now - OLDEST:
        raise RefusedError("too old")
    if moment > now + EARLIEST:
        raise RefusedError("too early", 503)
    # The signature covers the body: no key is needed.
    return Verified()


def read(body: bytes) -> Sequence[Told | Unknown | Nothing]:
    """Read the events of a call, in their order."""
    found = fields.loads(body)
    return [_read(event) for event in (found if isinstance(found, list) else [found])]


def _read(event: Any) -> Told | Unknown | Nothing:
    kind = text(event, "event")
    if not kind:
        return Unknown("not an event", fields.raw_of(event, b"null"))
    if kind in _ABOUT_NO_COPY:
        # Who comes back to a group of SendGrid's has not told us that we may mail again.
        return Nothing(kind)
    if kind in ("bounce", "blocked"):
        # SendGrid calls a refusal that is about the mail or about itself "blocked"; it goes on mailing the address.
        return _told(event, "bounced", hard=text(event, "type").lower() == "bounce")
    if kind == "dropped":
        return _dropped(event)
    if kind not in _WORDS:
        return Unknown(kind, fields.raw_of(event, b"null"))
    return _told(event, _WORDS[kind])


def _dropped(event: Any) -> Told:
    """Tell what SendGrid took and did not send; nobody complained of such a copy, and no server refused it."""
    reason = text(event, "reason")
    words, known = fields.together("not sent", reason), reason.lower()
    if known.startswith("unsubscribed address"):
        return _told(event, "unsubscribed", words=words)
    hard = known in _UNDELIVERABLE
    return _told(event, "bounced", hard=hard, blameless=not hard, words=words)


def _told(event: Any, word: Word, **more: Any) -> Told:
    words = text(event, "reason") or text(event, "response")
    name = _NAME.match(text(event, "smtp-id"))
    said = {
        "at": fields.since_1970(event.get("timestamp")),
        "copy": text(event, "copy") or None,
        "batch": text(event, "batch") or None,
        "name": name[1] if name else None,
        "address": text(event, "email") or None,
        "code": text(event, "status") or fields.code_of(words),
        "words": words,
        "link": text(event, "url"),
        "agent": text(event, "useragent"),
        "machine": event.get("sg_machine_open") is True,
    }
    return Told(word, **{**said, **more})


def _key(written: str) -> EllipticCurvePublicKey:
    """Read the key as SendGrid shows it: base64 of a SubjectPublicKeyInfo (RFC 5480), with or without lines around it.

    Raises:
        ValueError: it is none.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    bare = "".join(re.sub(r"-----[A-Z ]+-----", "", written).split())
    try:
        key = load_der_public_key(b64decode(bare, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("it is no verification key of SendGrid; such a key begins with MFkwEwYHKoZIzj0CAQ")
    return key
