"""Brevo's calls: https://developers.brevo.com/docs/transactional-webhooks, …/secured-webhooks, …/retry-mechanism."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from digest.simulators.hooks.caller import HARD, LATER, SOFT, Caller, Happening, seconds_of
from digest.simulators.record import Accepted

_KINDS: dict[Happening, tuple[str, str]] = {
    "accepted": ("request", ""),
    "deferred": ("deferred", f"451 {LATER}"),
    "delivered": ("delivered", ""),
    "bounced hard": ("hard_bounce", f"550 {HARD}"),
    "bounced soft": ("soft_bounce", f"452 {SOFT}"),
    "complained": ("spam", ""),
}
_PARIS = ZoneInfo("Europe/Paris")


def caller() -> Brevo:
    """Make it, with a token of its own."""
    return Brevo(secrets.token_hex(24))


class Brevo(Caller):
    """One event a call, with a token. What is refused is thrown away."""

    name = "brevo"
    pauses_s = (600, 3_600, 7_200, 28_800)

    def __init__(self, token: str) -> None:
        self._token = token

    def usage(self) -> dict[str, str]:
        """Give the token."""
        return {"brevo.webhook_token": self._token}

    def event(self, copy: Accepted, what: Happening, at: datetime, number: int) -> dict[str, Any] | None:
        """Write an event; two of its moments are in Paris's time, as in its own samples."""
        kind, reason = _KINDS[what]
        there = at.astimezone(_PARIS)
        offset = there.utcoffset()
        return {
            "event": kind,
            "email": copy.address,
            "id": number,
            "date": there.strftime("%Y-%m-%d %H:%M:%S"),
            "ts": seconds_of(at) + int(offset.total_seconds() if offset else 0),
            "message-id": copy.message_id,
            "ts_event": seconds_of(at),
            "subject": copy.subject,
            "X-Mailin-custom": json.dumps(copy.tags),
            "sending_ip": "203.0.113.5",
            "ts_epoch": int(at.timestamp() * 1000),
            "tags": [],
            **({"reason": reason} if reason else {}),
        }

    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """Show the token."""
        return {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}

    def comes_again(self, status: int | None, what: Happening) -> bool:
        """Come again where nobody answered, and after 429."""
        return status is None or status < 400 or status == 429
