"""Mailgun's calls: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads,
…/securing-webhooks and …/webhook-retries.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from digest.simulators.hooks.caller import HARD, LATER, SENDER, SOFT, Caller, Happening, seconds_of
from digest.simulators.record import Accepted

_FAILURES: dict[Happening, tuple[str, str, int, str]] = {
    "deferred": ("temporary", "generic", 451, LATER),
    "bounced hard": ("permanent", "bounce", 550, HARD),
    "bounced soft": ("permanent", "old", 452, SOFT),
}


def caller() -> Mailgun:
    """Make it, with a key of its own."""
    return Mailgun(secrets.token_hex(16))


class Mailgun(Caller):
    """One event a call, with a signature beside it that does not cover the event, and that all tries have."""

    name = "mailgun"
    pauses_s = (300, 600, 900, 3_600, 7_200, 14_400)

    def __init__(self, key: str) -> None:
        self._key = key

    def usage(self) -> dict[str, str]:
        """Give the signing key."""
        return {"mailgun.webhook_key": self._key}

    def event(self, copy: Accepted, what: Happening, at: datetime, number: int) -> dict[str, Any] | None:
        """Write an event."""
        variables = {name: value for name, value in copy.tags.items() if not name.startswith("o:")}
        headers = {"to": copy.address, "message-id": copy.message_id, "from": SENDER, "subject": copy.subject}
        found: dict[str, Any] = {
            "event": what,
            "id": f"{number:022}",
            "timestamp": at.timestamp(),
            "log-level": "info",
            "recipient": copy.address,
            "recipient-domain": copy.address.rpartition("@")[2],
            "tags": [],
            "campaigns": [],
            "user-variables": variables,
            "flags": {"is-routed": False, "is-authenticated": True, "is-system-test": False, "is-test-mode": False},
            "envelope": {"sender": SENDER, "transport": "smtp", "targets": copy.address},
            "message": {"headers": headers, "attachments": [], "size": 1234},
        }
        if what == "delivered":
            found["delivery-status"] = {"attempt-no": 1, "code": 250, "message": "OK", "description": "", "tls": True}
        if what in _FAILURES:
            severity, reason, code, words = _FAILURES[what]
            status = {"attempt-no": 1, "code": code, "message": words, "description": "", "mx-host": "mx.example.net"}
            status["enhanced-code"] = words.partition(" ")[0]
            found |= {"event": "failed", "severity": severity, "reason": reason, "delivery-status": status}
            found["log-level"] = "warn" if severity == "temporary" else "error"
        return found

    def body(self, events: Sequence[dict[str, Any]], now: datetime) -> bytes:
        """Write a call, signed."""
        stamp, once = str(seconds_of(now)), secrets.token_hex(25)
        code = hmac.digest(self._key.encode(), f"{stamp}{once}".encode(), "sha256").hex()
        signature = {"timestamp": stamp, "token": once, "signature": code}
        return orjson.dumps({"signature": signature, "event-data": events[0]})

    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """Say what it is."""
        return {"Content-Type": "application/json", "User-Agent": "Mailgun"}

    def is_taken(self, status: int) -> bool:
        """Believe 200 alone."""
        return status == 200

    def comes_again(self, status: int | None, what: Happening) -> bool:
        """Come again after anything but 406, and never with a delivery."""
        return status != 406 and what != "delivered"
