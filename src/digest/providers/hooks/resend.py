"""Resend's webhooks: one event a call, signed as Standard Webhooks are.

Sources, read in November 2026: https://resend.com/docs/webhooks/event-types and the page of each event there,
https://resend.com/docs/webhooks/verify-webhooks-requests, https://docs.svix.com/receiving/verifying-payloads/how-manual,
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, SecretStr, field_validator

from digest.providers.hooks import fields
from digest.providers.hooks.credentials import is_same, secret_of
from digest.providers.hooks.interface import Call, Fetch, Nothing, RefusedError, Told, Unknown, Verified, Word

TOLERANCE_S = 300
"""How far the time of a call may be from ours, before or after: what Svix has in its own libraries."""

_WORDS: Mapping[str, Word] = {
    "email.sent": "accepted",
    "email.delivered": "delivered",
    "email.delivery_delayed": "deferred",
    "email.bounced": "bounced",
    # It was never handed to the receiving server: for a reason of the account's, or because it bounced before.
    "email.failed": "bounced",
    "email.suppressed": "bounced",
    "email.complained": "complained",
    "email.opened": "opened",
    "email.clicked": "clicked",
}
_NOTHING = frozenset({"email.scheduled", "email.received"})
_NOT_OF_MAIL = ("contact.", "domain.", "suppression.")


class Options(BaseModel):
    """What must be set about Resend's webhook."""

    webhook_secret: SecretStr | None = Field(
        None, description="The signing secret of the webhook, whsec_…; two with a blank between, while it is changed."
    )

    @field_validator("webhook_secret")
    @classmethod
    def _keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value().strip():
            _keys_of(value.get_secret_value())
        return value


async def verify(call: Call, options: Mapping[str, object], *, now: datetime, fetch: Fetch) -> Verified:
    """Check the signature over id, time and body, and the time.

    Raises:
        RefusedError: it is not Resend's, or is too old.
    """
    secret = secret_of(options, "webhook_secret")
    if not secret:
        raise RefusedError("not set up")
    given = {name: _header(call, name) for name in ("id", "timestamp", "signature")}
    if not all(given.values()):
        raise RefusedError("no signature")
    at = given["timestamp"]
    if not (at.isascii() and at.isdigit() and len(at) <= 12):
        raise RefusedError("malformed")
    content = f"{given['id']}.{at}.".encode() + call.body
    right = [b64encode(hmac.digest(key, content, "sha256")) for key in _keys_of(secret)]
    parts = [part.partition(",") for part in given["signature"].split()]
    # All are compared, whichever fits: several stand there while a secret is changed.
    found = [is_same(signature, one) for version, _, signature in parts if version == "v1" for one in right]
    if not any(found):
        raise RefusedError("wrong signature")
    if abs(now.timestamp() - int(at)) > TOLERANCE_S:
        raise RefusedError("too old")
    return Verified()


def read(body: bytes) -> Sequence[Told | Unknown | Nothing]:
    """Read a call: one event."""
    found = fields.loads(body)
    kind = fields.text(found, "type")
    if kind in _NOTHING or kind.startswith(_NOT_OF_MAIL):
        return [Nothing(kind)]
    word = _WORDS.get(kind)
    if word is None:
        return [Unknown(kind, body.decode(errors="replace"))]
    return [_told(word, kind, found)]


def _told(word: Word, kind: str, found: Any) -> Told:
    data = fields.part(found, "data")
    # Others have their details under their own name, where they have any.
    name = {"email.bounced": "bounce", "email.opened": "open", "email.clicked": "click"}.get(kind)
    about = fields.part(data, name or kind.removeprefix("email."))
    said = fields.text(about, "diagnosticCode")
    words = said or fields.text(about, "message") or fields.text(about, "reason")
    if kind == "email.suppressed" and (why := fields.text(about, "reason")) and why not in words:
        words = f"{why}: {words}"
    return Told(
        word,
        at=min(fields.moment(about.get("timestamp")), fields.moment(found.get("created_at"))),
        copy=_tag(data, "copy"),
        name=fields.name_of(fields.text(data, "message_id")),
        address=fields.text(data, "to") or None,
        blameless=kind == "email.failed",
        hard=kind == "email.suppressed" or (word == "bounced" and fields.text(about, "type") == "Permanent"),
        code=fields.code_of(words),
        words=words,
        link=fields.text(about, "link"),
        agent=fields.text(about, "userAgent"),
    )


def _tag(data: Mapping[str, Any], name: str) -> str | None:
    """Give the value of a tag: they are sent as a list, come back as an object, and are documented as both."""
    tags = data.get("tags")
    if isinstance(tags, list):
        tags = {fields.text(tag, "name"): fields.part(tag).get("value") for tag in tags}
    return fields.text(tags, name) or None


def _header(call: Call, name: str) -> str:
    return call.headers.get(f"svix-{name}") or call.headers.get(f"webhook-{name}") or ""


def _keys_of(secret: str) -> list[bytes]:
    try:
        return [b64decode(part.removeprefix("whsec_"), validate=True) for part in secret.split()]
    except binascii.Error:
        raise ValueError("it is not as Resend shows it: whsec_ and then Base64") from None
