"""Postmark's webhooks: one event a call, not signed; the caller shows a user name and a password, or a header.

Sources, read in November 2026: https://postmarkapp.com/developer/webhooks/webhooks-overview and the page of each event
there, https://postmarkapp.com/developer/api/bounce-api#bounce-types,
https://postmarkapp.com/support/article/1159-how-to-fix-soft-bounces (what of them is final).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, SecretStr, field_validator

from digest.providers.hooks import fields
from digest.providers.hooks.credentials import basic_of, is_same, secret_of
from digest.providers.hooks.interface import Call, Fetch, Nothing, RefusedError, Told, Unknown, Verified, Word

# Postmark has given up on all of these: it says nothing while it still tries.
_HARD = frozenset({"HardBounce", "BadEmailAddress", "ManuallyDeactivated"})
_SOFT = frozenset(
    {
        "Transient",
        "DnsError",
        "SoftBounce",
        "Blocked",
        "Unconfirmed",
        "DMARCPolicy",
        "SMTPApiError",
        "TemplateRenderingFailed",
        # A filter refused the mail. Postmark goes on mailing such a reader, and has another word for a complaint.
        "SpamNotification",
    }
)
_NO_BOUNCE = frozenset(
    {
        "Subscribe",
        "AutoResponder",
        "AddressChange",
        "OpenRelayTest",
        "VirusNotification",
        "ChallengeVerification",
        "InboundError",
    }
)
"""What comes back as mail and is no bounce of ours."""


class Options(BaseModel):
    """What must be set about Postmark's webhook: a password, a header, or both, which then must both be right."""

    webhook_user: str = Field("digest", description="The user name in the address of the webhook.")
    webhook_password: SecretStr | None = Field(None, description="The password in the address of the webhook.")
    webhook_header: SecretStr | None = Field(
        None, description="A header that the webhook sends, such as X-Digest: a long word nobody guesses."
    )

    @field_validator("webhook_header")
    @classmethod
    def _header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value().strip():
            name, _, content = value.get_secret_value().partition(":")
            if not content.strip() or not name.strip().replace("-", "").isalnum():
                raise ValueError("write it like X-Digest: a long word nobody guesses")
        return value


async def verify(call: Call, options: Mapping[str, object], *, now: datetime, fetch: Fetch) -> Verified:
    """Check the user name and the password, and the header.

    Raises:
        RefusedError: they are wrong; 401, since Postmark never calls again after 403.
    """
    password, header = secret_of(options, "webhook_password"), secret_of(options, "webhook_header")
    if not password and not header:
        raise RefusedError("not set up")
    right = []
    if password:
        given = basic_of(call.headers)
        if given is None:
            raise RefusedError("no password")
        right += [is_same(given[0], str(options.get("webhook_user", ""))), is_same(given[1], password)]
    if header:
        name, _, content = header.partition(":")
        shown = call.headers.get(name.strip().lower())
        if shown is None:
            raise RefusedError("no header")
        right.append(is_same(shown.strip(), content.strip()))
    if not all(right):
        # Of two it is not told which: each alone would be the easier to guess.
        raise RefusedError(
            "wrong password" if not header else "wrong password or header" if password else "wrong header"
        )
    return Verified()


def read(body: bytes) -> Sequence[Told | Unknown | Nothing]:
    """Read a call: one event."""
    found = fields.part(fields.loads(body))
    kind = fields.text(found, "RecordType")
    match kind:
        case "Delivery":
            return [_told("delivered", found, "DeliveredAt", words=fields.text(found, "Details"))]
        case "Open":
            return [_told("opened", found, "ReceivedAt")]
        case "Click":
            return [_told("clicked", found, "ReceivedAt")]
        case "Bounce" | "SpamComplaint":
            return [_bounce(kind, found, body)]
        case "SubscriptionChange":
            return [_change(found, body)]
        case "Inbound":
            return [Nothing(kind)]
        case _:
            return [Unknown(kind, body.decode(errors="replace"))]


def _bounce(record: str, found: Mapping[str, Any], body: bytes) -> Told | Unknown | Nothing:
    kind = fields.text(found, "Type")
    words = fields.text(found, "Details") or fields.text(found, "Description")
    if record == "SpamComplaint" or kind == "SpamComplaint":
        return _told("complained", found, "BouncedAt", words=words)
    if kind == "Unsubscribe":
        return _told("unsubscribed", found, "BouncedAt", words=words)
    # Whatever it is called: Postmark mails this address no more.
    hard = kind in _HARD or found.get("Inactive") is True
    if hard or kind in _SOFT:
        return _told("bounced", found, "BouncedAt", words=words, hard=hard)
    if kind in _NO_BOUNCE:
        return Nothing(f"{record} {kind}")
    return Unknown(f"{record} {kind}".strip(), body.decode(errors="replace"))


def _change(found: Mapping[str, Any], body: bytes) -> Told | Unknown | Nothing:
    """Read that Postmark will mail an address no more: often its bounce or complaint comes as well, and counts once."""
    suppressed, why = found.get("SuppressSending"), fields.text(found, "SuppressionReason")
    if suppressed is False:
        return Nothing("SubscriptionChange")
    match why if suppressed is True else "":
        case "HardBounce":
            return _told("bounced", found, "ChangedAt", hard=True, words="Postmark mails this address no more")
        case "SpamComplaint":
            return _told("complained", found, "ChangedAt")
        case "ManualSuppression":
            return _told("unsubscribed", found, "ChangedAt")
        case _:
            return Unknown(f"SubscriptionChange {why}".strip(), body.decode(errors="replace"))


def _told(word: Word, found: Mapping[str, Any], when: str, *, words: str = "", hard: bool = False) -> Told:
    about = fields.part(found, "Metadata")
    return Told(
        word,
        at=fields.moment(found.get(when)),
        copy=fields.text(about, "copy") or None,
        name=fields.text(about, "message") or None,
        address=fields.text(found, "Recipient") or fields.text(found, "Email") or None,
        batch=fields.text(about, "batch") or None,
        hard=hard,
        code=fields.code_of(words) if word in ("bounced", "delivered") else "",
        words=words,
        link=fields.text(found, "OriginalLink"),
        agent=fields.text(found, "UserAgent"),
    )
