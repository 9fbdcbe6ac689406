"""What Mailgun tells by its webhooks: one event a call, with a signature beside it.

Sources, read in November 2026, under https://documentation.mailgun.com/docs/mailgun/user-manual:
webhooks/securing-webhooks, webhooks/webhook-retries and webhooks/webhook-payloads, events/events (kinds),
tracking-messages/tracking-failures and tracking-messages/open-click-bot-detect. That a call which is tried again keeps
its timestamp and token is not in there, but seen: https://github.com/brendanlong/lion-reader/pull/1107 and
https://github.com/PostHog/posthog/pull/103057. Reasons of failures: https://github.com/anymail/django-anymail/pull/131.

The signature does not cover the event. So each is good for one body (`Verified.key`): who saw one could sign anything
else with it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field, SecretStr

from digest.providers.hooks import fields
from digest.providers.hooks.credentials import is_same, secret_of
from digest.providers.hooks.fields import part, text
from digest.providers.hooks.interface import Call, Fetch, Nothing, RefusedError, Told, Unknown, Verified, Word

OLDEST = timedelta(hours=12)
"""Mailgun tries again for 8 hours with the same timestamp, and warns of delays before the first try."""
EARLIEST = timedelta(minutes=5)
"""So far a clock may be behind Mailgun's."""
GIVE_UP = 406
"""The status after which Mailgun does not try again; it does after any other than 200."""

_WORDS: dict[str, Word] = {
    "accepted": "accepted",
    "delivered": "delivered",
    "opened": "opened",
    "clicked": "clicked",
    "complained": "complained",
    "unsubscribed": "unsubscribed",
}
_ABOUT_NO_COPY = frozenset({"stored", "list_member_uploaded", "list_member_upload_error", "list_uploaded"})
_MACHINES = frozenset({"apple", "generic"})
"""What of `client-info.bot` is no person: "gmail" is the proxy that fetches pictures when a person opens the mail."""
_TIMESTAMP = re.compile(r"[0-9]{9,11}")
_TOKEN = re.compile(r"[!-~]{8,200}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_BATCH = re.compile(r"<?([^@<>]+)\.batch@")


class Options(BaseModel):
    """What must be set for Mailgun to tell."""

    webhook_key: SecretStr = Field(SecretStr(""), description="The HTTP webhook signing key of the account.")


async def verify(call: Call, options: Mapping[str, object], *, now: datetime, fetch: Fetch) -> Verified:
    """Make sure that a call has a signature of Mailgun's.

    Raises:
        RefusedError: it has none, or an old one.
    """
    key = secret_of(options, "webhook_key")
    if not key:
        raise RefusedError("not set up", 503)
    found = fields.loads(call.body)
    if not isinstance(found, dict):
        raise RefusedError("malformed", GIVE_UP)
    signed = part(found, "signature")
    timestamp, token = _plain(signed.get("timestamp"), _TIMESTAMP), _plain(signed.get("token"), _TOKEN)
    # What happens in a subaccount is signed with its key, and with that of the account above it.
    signatures = [_plain(signed.get(name), _SIGNATURE) for name in ("signature", "parent-signature")]
    if not timestamp or not token or not any(signatures):
        raise RefusedError("no signature", GIVE_UP)
    right = hmac.digest(key.encode(), f"{timestamp}{token}".encode(), "sha256").hex()
    if not any(is_same(signature, right) for signature in signatures):
        # It may be our key that is wrong: Mailgun tries again, for as long as a person has to mend it.
        raise RefusedError("wrong signature")
    moment = fields.since_1970(timestamp)
    if moment < now - OLDEST:
        raise RefusedError("too old", GIVE_UP)
    if moment > now + EARLIEST:
        raise RefusedError("too early")
    # Both together as they were signed: where one ends and the other begins is not.
    return Verified(key=f"{timestamp}{token}")


def read(body: bytes) -> Sequence[Told | Unknown | Nothing]:
    """Read the event of a call."""
    found = fields.loads(body)
    event = part(found, "event-data")
    kind = text(event, "event")
    if not kind:
        return [Unknown("not an event", fields.raw_of(found, body))]
    if kind in _ABOUT_NO_COPY:
        return [Nothing(kind)]
    at = fields.since_1970(event.get("timestamp"))
    if at == fields.UNTOLD:
        at = fields.since_1970(part(found, "signature").get("timestamp"))
    if kind == "failed":
        return [_failed(event, at)]
    if kind == "rejected":
        words = fields.together("not sent", text(event, "reject", "reason"))
        return [_told(event, "bounced", at, words=words, blameless=True)]
    if kind not in _WORDS:
        return [Unknown(kind, fields.raw_of(found, body))]
    return [_told(event, _WORDS[kind], at)]


def _failed(event: dict[str, Any], at: datetime) -> Told:
    """Tell failures apart: Mailgun has one kind of event for what it tries again, gave up, and never tried."""
    status, reason = part(event, "delivery-status"), text(event, "reason")
    told = _told(event, "deferred", at)
    words = fields.together(reason, told.words)
    if text(event, "severity") == "temporary":
        return _told(event, "deferred", at, words=words)
    if reason == "suppress-unsubscribe":
        return _told(event, "unsubscribed", at, words=words)
    # A suppressed address bounced or complained before, and is not tried: nobody complained of this copy.
    code = text(status, "code")
    hard = reason.startswith("suppress-") or not (
        # Given up after many tries; or refused for what the mail or its sender is (RFC 3463, X.7).
        reason == "old" or code.startswith("4") or told.code.startswith(("4.", "5.7."))
    )
    return _told(event, "bounced", at, words=words, hard=hard)


def _told(event: dict[str, Any], word: Word, at: datetime, **more: Any) -> Told:
    status, client = part(event, "delivery-status"), part(event, "client-info")
    words = text(status, "message") or text(status, "description")
    message_id = text(event, "message", "headers", "message-id")
    batch = _BATCH.match(message_id)
    said = {
        "copy": text(event, "user-variables", "copy") or None,
        "batch": text(event, "user-variables", "batch") or (batch[1] if batch else None),
        "address": text(event, "recipient") or text(event, "envelope", "targets") or None,
        "code": text(status, "enhanced-code") or fields.code_of(words) or text(status, "code"),
        "words": words,
        "link": text(event, "url"),
        "agent": text(client, "user-agent"),
        "machine": text(client, "bot").lower() in _MACHINES,
    }
    return Told(word, at, **{**said, **more})


def _plain(value: object, pattern: re.Pattern[str]) -> str:
    """Give a value that is written as it should be, or ''; numbers are taken as they are written."""
    written = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return written if isinstance(written, str) and pattern.fullmatch(written) else ""
