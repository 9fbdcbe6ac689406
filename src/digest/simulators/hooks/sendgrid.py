"""SendGrid's calls: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event and
…/getting-started-event-webhook-security-features. It tries again for 24 hours; how often, it does not say.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from digest.simulators.hooks.caller import HARD, LATER, SOFT, Caller, Happening, seconds_of
from digest.simulators.record import Accepted

_KINDS: dict[Happening, dict[str, Any]] = {
    "accepted": {"event": "processed"},
    "deferred": {"event": "deferred", "response": f"451 {LATER}", "attempt": "1"},
    "delivered": {"event": "delivered", "response": "250 2.0.0 OK", "tls": 1},
    "bounced hard": {
        "event": "bounce",
        "type": "bounce",
        "reason": f"550 {HARD}",
        "status": "5.1.1",
        "bounce_classification": "Invalid Address",
    },
    "bounced soft": {
        "event": "bounce",
        "type": "blocked",
        "reason": f"452 {SOFT}",
        "status": "4.2.2",
        "bounce_classification": "Mailbox Unavailable",
    },
    "complained": {"event": "spamreport"},
}


def caller() -> SendGrid:
    """Make it, with a pair of keys of its own."""
    return SendGrid(generate_private_key(SECP256R1()))


class SendGrid(Caller):
    """Many events a call, signed with ECDSA."""

    name = "sendgrid"
    most = 250
    pauses_s = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800)

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key = key

    def usage(self) -> dict[str, str]:
        """Give the verification key, which is the public one."""
        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"sendgrid.webhook_key": b64encode(public).decode()}

    def event(self, copy: Accepted, what: Happening, at: datetime, number: int) -> dict[str, Any] | None:
        """Write an event; what a copy was handed over with stands beside the rest."""
        return {
            "email": copy.address,
            "timestamp": seconds_of(at),
            "smtp-id": copy.headers.get("Message-ID", f"<{copy.message_id}@geopod-ismtpd-1>"),
            "sg_event_id": f"{number:022}",
            "sg_message_id": f"{copy.message_id}.recvd-1-1-0.0",
            **_KINDS[what],
            **copy.tags,
        }

    def body(self, events: Sequence[dict[str, Any]], now: datetime) -> bytes:
        """Write a call: a list, with an end of line behind it."""
        return orjson.dumps(events) + b"\r\n"

    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """Sign a try."""
        stamp = str(seconds_of(now))
        code = b64encode(self._key.sign(stamp.encode() + body, ECDSA(SHA256()))).decode()
        return {
            "Content-Type": "application/json;charset=utf-8",
            "User-Agent": "SendGrid Event API",
            "X-Twilio-Email-Event-Webhook-Signature": code,
            "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
        }
