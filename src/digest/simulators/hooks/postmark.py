"""Postmark's calls: https://postmarkapp.com/developer/webhooks/webhooks-overview and the page of each event there.

It tells neither that it accepted a copy nor that it tries again.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from digest.simulators.hooks.caller import HARD, SENDER, SOFT, Caller, Happening
from digest.simulators.record import Accepted

USER = "digest"
_BOUNCES: dict[Happening, tuple[str, int, str]] = {
    "bounced hard": ("HardBounce", 1, f"smtp;550 {HARD}"),
    "bounced soft": ("SoftBounce", 4096, f"smtp;452 {SOFT}"),
    "complained": ("SpamComplaint", 100001, ""),
}


def caller() -> Postmark:
    """Make it, with a password of its own."""
    return Postmark(secrets.token_hex(24))


class Postmark(Caller):
    """One event a call, with a user name and a password."""

    name = "postmark"
    pauses_s = (60, 300, 600, 600, 600, 900, 1_800, 3_600, 7_200, 21_600)

    def __init__(self, password: str) -> None:
        self._password = password

    def usage(self) -> dict[str, str]:
        """Give user name and password."""
        return {"postmark.webhook_user": USER, "postmark.webhook_password": self._password}

    def event(self, copy: Accepted, what: Happening, at: datetime, number: int) -> dict[str, Any] | None:
        """Write an event."""
        moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        own = {"ServerID": 23, "MessageStream": "broadcast", "MessageID": copy.message_id, "Tag": ""}
        common = {**own, "Metadata": copy.tags}
        if what == "delivered":
            said = {"Recipient": copy.address, "DeliveredAt": moment, "Details": "smtp;250 2.0.0 OK"}
            return {"RecordType": "Delivery", **common, **said}
        if what not in _BOUNCES:
            return None
        kind, code, words = _BOUNCES[what]
        return {
            "RecordType": "SpamComplaint" if what == "complained" else "Bounce",
            **common,
            "ID": number,
            "Type": kind,
            "TypeCode": code,
            "Name": kind,
            "Description": "",
            "Details": words,
            "Email": copy.address,
            "From": SENDER,
            "BouncedAt": moment,
            "DumpAvailable": False,
            "Inactive": what != "bounced soft",
            "CanActivate": what != "complained",
            "Subject": copy.subject,
        }

    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """Show the password."""
        shown = b64encode(f"{USER}:{self._password}".encode()).decode()
        return {"Content-Type": "application/json", "User-Agent": "Postmark", "Authorization": f"Basic {shown}"}

    def comes_again(self, status: int | None, what: Happening) -> bool:
        """Come again after anything but 403."""
        return status != 403
