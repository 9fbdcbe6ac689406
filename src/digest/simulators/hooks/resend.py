"""Resend's calls: https://resend.com/docs/webhooks/event-types and …/verify-webhooks-requests; tries as at
https://resend.com/docs/webhooks/retries-and-replays.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64encode
from datetime import datetime
from typing import Any

from digest.simulators.hooks.caller import HARD, SENDER, SOFT, Caller, Happening, iso_of, seconds_of
from digest.simulators.record import Accepted

_KINDS: dict[Happening, str] = {
    "accepted": "email.sent",
    "deferred": "email.delivery_delayed",
    "delivered": "email.delivered",
    "bounced hard": "email.bounced",
    "bounced soft": "email.bounced",
    "complained": "email.complained",
}
_BOUNCES: dict[Happening, dict[str, Any]] = {
    "bounced hard": {
        "type": "Permanent",
        "subType": "General",
        "message": "The recipient's email provider sent a hard bounce message.",
        "diagnosticCode": [f"smtp; 550 {HARD}"],
    },
    "bounced soft": {
        "type": "Transient",
        "subType": "MailboxFull",
        "message": "The recipient's inbox was full.",
        "diagnosticCode": [f"smtp; 452 {SOFT}"],
    },
}


def caller() -> Resend:
    """Make it, with a secret of its own."""
    return Resend(secrets.token_bytes(24))


class Resend(Caller):
    """One event a call, signed as Standard Webhooks are; each try is signed anew."""

    name = "resend"
    pauses_s = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def usage(self) -> dict[str, str]:
        """Give the signing secret."""
        return {"resend.webhook_secret": f"whsec_{b64encode(self._key).decode()}"}

    def event(self, copy: Accepted, what: Happening, at: datetime, number: int) -> dict[str, Any] | None:
        """Write an event."""
        data: dict[str, Any] = {
            "created_at": iso_of(at),
            "email_id": copy.message_id,
            "from": SENDER,
            "message_id": copy.headers.get("Message-ID", f"<{copy.message_id}@resend.dev>"),
            "subject": copy.subject,
            "tags": copy.tags,
            "to": [copy.address],
        }
        if what in _BOUNCES:
            data["bounce"] = _BOUNCES[what]
        return {"type": _KINDS[what], "created_at": iso_of(at), "data": data}

    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """Sign a try."""
        name, stamp = f"msg_{number:024}", str(seconds_of(now))
        code = b64encode(hmac.digest(self._key, f"{name}.{stamp}.".encode() + body, "sha256")).decode()
        own = {"svix-id": name, "svix-timestamp": stamp, "svix-signature": f"v1,{code}"}
        return {"Content-Type": "application/json", "User-Agent": "Svix-Webhooks/1.81.0", **own}
