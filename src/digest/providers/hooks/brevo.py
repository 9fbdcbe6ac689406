"""Brevo's webhooks: one event a call, or up to 500 in a batch; not signed, the caller shows a token.

Sources, read in November 2026: https://developers.brevo.com/docs/transactional-webhooks (events),
https://developers.brevo.com/docs/batch-webhooks, https://developers.brevo.com/docs/secured-webhooks (bearer token, user
name and password), https://developers.brevo.com/docs/retry-mechanism,
https://help.brevo.com/hc/en-us/articles/209435165 (soft bounces are final).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, SecretStr

from digest.providers.hooks import fields
from digest.providers.hooks.credentials import basic_of, bearer_of, is_same, secret_of
from digest.providers.hooks.interface import Call, Fetch, Nothing, RefusedError, Told, Unknown, Verified, Word

_MILLISECONDS = 100_000_000_000
"""A number of seconds as large as this lies in the year 5138; Brevo's own samples have seconds where it says milli-."""

_WORDS: Mapping[str, Word] = {
    "request": "accepted",
    "sent": "accepted",
    "delivered": "delivered",
    "deferred": "deferred",
    "soft_bounce": "bounced",
    "hard_bounce": "bounced",
    "invalid_email": "bounced",
    # Brevo did not mail it: the contact is on its block list, or the sender is. Only the former is the reader's.
    "blocked": "bounced",
    "error": "bounced",
    "spam": "complained",
    "complaint": "complained",
    "unsubscribe": "unsubscribed",
    "unsubscribed": "unsubscribed",
    "opened": "opened",
    "unique_opened": "opened",
    "proxy_open": "opened",
    "unique_proxy_open": "opened",
    "click": "clicked",
}
_HARD = frozenset({"hard_bounce", "invalid_email"})
_NEVER_SENT = frozenset({"blocked", "error"})
_MACHINE = frozenset({"proxy_open", "unique_proxy_open"})
_NOTHING = frozenset({"list_addition", "contact_updated", "contact_deleted", "inboundEmailProcessed"})
"""What is told of contacts, not of mail."""


class Options(BaseModel):
    """What must be set about Brevo's webhook."""

    webhook_token: SecretStr | None = Field(
        None, description="The token of the webhook, or the password in its address: a long word nobody guesses."
    )


async def verify(call: Call, options: Mapping[str, object], *, now: datetime, fetch: Fetch) -> Verified:
    """Check the token, which comes as a bearer token, or as the password of any user.

    Raises:
        RefusedError: it is wrong.
    """
    right = secret_of(options, "webhook_token")
    if not right:
        raise RefusedError("not set up")
    basic = basic_of(call.headers)
    given = basic[1] if basic is not None else bearer_of(call.headers)
    if given is None:
        raise RefusedError("no password")
    if not is_same(given, right):
        raise RefusedError("wrong password")
    return Verified()


def read(body: bytes) -> Sequence[Told | Unknown | Nothing]:
    """Read a call: an event, or a list of them."""
    found = fields.loads(body)
    if not isinstance(found, list):
        return [_event(found, body)]
    # What of a batch cannot be written again is not kept: all of the body for each would be more than there is memory.
    return [_event(event, b"null") for event in found]


def _event(event: object, body: bytes) -> Told | Unknown | Nothing:
    found = fields.part(event)
    kind = fields.text(found, "event")
    if kind in _NOTHING:
        return Nothing(kind)
    word = _WORDS.get(kind)
    if word is None:
        return Unknown(kind, fields.raw_of(event, body))
    about, words = _custom(found), fields.text(found, "reason")
    return Told(
        word,
        at=_moment(found),
        copy=fields.text(about, "copy") or None,
        address=fields.text(found, "email") or None,
        batch=fields.text(about, "batch") or None,
        hard=kind in _HARD,
        blameless=kind in _NEVER_SENT,
        code=fields.code_of(words),
        words=words,
        link=fields.text(found, "link"),
        agent=fields.text(found, "user_agent"),
        machine=kind in _MACHINE,
    )


def _moment(found: Mapping[str, Any]) -> datetime:
    """Give when it happened, by what is in UTC: `date` and `ts` are in the account's own zone, or in Paris's."""
    for name in ("ts_epoch", "ts_event"):
        value = found.get(name)
        large = not isinstance(value, bool) and isinstance(value, int | float) and value >= _MILLISECONDS
        at = fields.since_1970(value, per_second=1000 if large else 1)
        if at != fields.UNTOLD:
            return at
    return fields.UNTOLD


def _custom(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what our copy said of itself in X-Mailin-custom: JSON, and written as a text again."""
    value = found.get("X-Mailin-custom")
    return fields.part(fields.loads(value.encode()) if isinstance(value, str) else value)
