"""Resend, simulated: https://resend.com/docs/api-reference/emails/send-batch-emails and what is beside it.

It enforces the key, the User-Agent, 100 messages a call, the required fields, addresses, tags, and the idempotency
keys: the first ids again for the same bytes and 409 for others, 24 hours long. Where one message is wrong, none goes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from digest.simulators.record import Accepted, Record
from digest.simulators.simulator import Reply, Request, Simulator

DAY_S = 24 * 3600
_ADDRESS = re.compile(
    r"(?:[^<>@\"]*<)?[!-9;=?A-~][!-9;=?A-~]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,}>?|\"[^\"]*\" <[^<>@\s]+@[^<>@\s]+>"
)
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


def simulator(
    key: str = "re_simulated",
    record: Record | None = None,
    domain: str = "",
    quota: int = 0,
    sending_only: bool = False,
) -> Resend:
    """Make it; with a `domain`, mail from another is refused as not verified. `quota` is its copies a day, if any.

    A key that is `sending_only` may do nothing else.
    """
    made = Resend(key, record, domain, quota)
    made.sending_only = sending_only
    return made


class Resend(Simulator):
    """The batch endpoint, and the list of what was sent."""

    name = "resend"
    sending_only = False

    def __init__(self, key: str, record: Record | None = None, domain: str = "", quota: int = 0) -> None:
        super().__init__(record)
        self._key, self._domain, self._quota = key, domain, quota
        self._calls: dict[str, tuple[str, float, Reply]] = {}
        self._listed: list[dict[str, Any]] = []
        self._place: dict[str, int] = {}

    def usage(self, url: str) -> dict[str, str]:
        """Give the settings that lead here."""
        return {"provider": "resend", "resend.url": url, "resend.key": self._key}

    def too_many(self, retry_after_s: float) -> Reply:
        """Answer as its rate limit does."""
        reply = _refuse(429, "rate_limit_exceeded", "Too many requests. You can only make 10 requests per second.")
        return Reply(429, reply.body, {**reply.headers, "retry-after": f"{retry_after_s:g}", "ratelimit-limit": "10"})

    def answer(self, request: Request, number: int) -> Reply:
        """Work one request."""
        if not request.headers.get("user-agent"):
            return _refuse(403, "1010", "error code: 1010")
        given = request.headers.get("authorization", "")
        if not given.startswith("Bearer "):
            return _refuse(401, "missing_api_key", "Missing API Key")
        if not hmac.compare_digest(given.removeprefix("Bearer ").encode(), self._key.encode()):
            return _refuse(403, "invalid_api_key", "API key is invalid")
        if request.path == "/domains" and request.method == "GET":
            return self._domains()
        if request.method == "GET" and request.path == "/emails":
            return self._list(request.query)
        if request.path != "/emails/batch":
            return _refuse(404, "not_found", "The requested endpoint does not exist")
        if request.method != "POST":
            return _refuse(405, "method_not_allowed", "Method is not allowed for the requested path")
        key = request.headers.get("idempotency-key")
        if key is None:
            return self._send(request, number)
        if not 1 <= len(key) <= 256:
            return _refuse(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        digest = hashlib.sha256(request.body).hexdigest()
        known = self._calls.get(key)
        if known and time.monotonic() - known[1] < DAY_S:
            if known[0] != digest:
                return _refuse(409, "invalid_idempotent_request", "Same idempotency key used with a different payload.")
            return known[2]
        reply = self._send(request, number)
        if reply.status == 200:
            self._calls[key] = (digest, time.monotonic(), reply)
        return reply

    def _domains(self) -> Reply:
        if self.sending_only:
            return _refuse(401, "restricted_api_key", "This API key is restricted to only send emails")
        domains = [{"id": "1", "name": self._domain, "status": "verified"}] if self._domain else []
        return Reply.json(200, {"object": "list", "data": domains})

    def _send(self, request: Request, number: int) -> Reply:
        try:
            messages = request.json()
        except ValueError:
            return _refuse(400, "validation_error", "The request body is not valid JSON")
        if not isinstance(messages, list) or not messages:
            return _refuse(422, "validation_error", "The request body must be a non-empty array")
        if len(messages) > 100:
            return _refuse(422, "validation_error", "The batch cannot have more than 100 emails")
        for message in messages:
            if (problem := self._problem(message)) is not None:
                return problem
        if self._quota and len(self.record.accepted) + len(messages) > self._quota:
            return _refuse(429, "daily_quota_exceeded", "You have reached your daily email quota.")
        copies = [_accepted(message, number) for message in messages]
        self.record.add(copies)
        for message, copy in zip(messages, copies, strict=True):
            self._place[copy.message_id] = len(self._listed)
            self._listed.append(_listed(message, copy))
        return Reply.json(200, {"data": [{"id": copy.message_id} for copy in copies]})

    def _list(self, query: dict[str, str]) -> Reply:
        """List what was sent (https://resend.com/docs/api-reference/emails/list-emails), newest first."""
        if self.sending_only:
            return _refuse(401, "restricted_api_key", "This API key is restricted to only send emails")
        try:
            limit = int(query.get("limit", "20"))
        except ValueError:
            limit = 0
        if not 1 <= limit <= 100:
            return _refuse(422, "validation_error", "The `limit` must be a number between 1 and 100.")
        after = query.get("after")
        if after is not None and after not in self._place:
            return _refuse(422, "validation_error", "The pagination ID is not valid.")
        end = len(self._listed) if after is None else self._place[after]
        page = self._listed[max(0, end - limit) : end][::-1]
        return Reply.json(200, {"object": "list", "has_more": end > limit, "data": page})

    def _problem(self, message: Any) -> Reply | None:
        if not isinstance(message, dict):
            return _refuse(422, "validation_error", "Each email must be an object")
        for field in ("from", "to", "subject"):
            if not message.get(field):
                return _refuse(422, "missing_required_field", f"Missing `{field}` field.")
        if not message.get("html") and not message.get("text"):
            return _refuse(422, "missing_required_field", "Missing `html` or `text` field.")
        sender = str(message["from"])
        if not _ADDRESS.fullmatch(sender):
            return _refuse(422, "validation_error", "Invalid `from` field.")
        if self._domain and not sender.rstrip(">").endswith("@" + self._domain):
            return _refuse(403, "validation_error", "The domain is not verified. Please, add and verify your domain.")
        to = message["to"] if isinstance(message["to"], list) else [message["to"]]
        if len(to) > 50 or not all(isinstance(one, str) and _ADDRESS.fullmatch(one) for one in to):
            return _refuse(422, "validation_error", "Invalid `to` field. The email address needs to follow a format.")
        for tag in message.get("tags", []):
            if not (_TAG.fullmatch(str(tag.get("name"))) and _TAG.fullmatch(str(tag.get("value")))):
                return _refuse(422, "validation_error", "Tags should only contain ASCII letters and numbers, _ and -.")
        if message.get("attachments"):
            return _refuse(422, "invalid_attachment", "The `attachments` field is not supported in batch")
        return None


def _listed(message: dict[str, Any], copy: Accepted) -> dict[str, Any]:
    return {
        "id": copy.message_id,
        "to": [copy.address],
        "from": message["from"],
        "created_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}+00",
        "subject": copy.subject,
        "bcc": None,
        "cc": None,
        "reply_to": message.get("reply_to"),
        "last_event": "sent",
        "scheduled_at": None,
    }


def _accepted(message: dict[str, Any], number: int) -> Accepted:
    to = message["to"][0] if isinstance(message["to"], list) else message["to"]
    return Accepted(
        address=to,
        call=number,
        message_id=str(uuid.uuid4()),
        subject=message["subject"],
        html=message.get("html", ""),
        text=message.get("text", ""),
        headers=dict(message.get("headers", {})),
        tags={tag["name"]: tag["value"] for tag in message.get("tags", [])},
    )


def _refuse(status: int, name: str, message: str) -> Reply:
    return Reply.json(status, {"statusCode": status, "name": name, "message": message})
