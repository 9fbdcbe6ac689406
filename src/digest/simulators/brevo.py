"""Brevo, simulated: https://developers.brevo.com/reference/send-transac-email and what is beside it.

It enforces the key, 1000 versions and 2000 recipients a call, the required fields, the sizes of values, and the
idempotency keys, 30 minutes long. It writes values into bodies and subjects as its template language does, drops the
Message-ID, and answers the log of what was sent by address, `log_lag_s` seconds late.

What nobody could say of the real one is an option here: whether the headers of a version are used
(`version_headers`), whether values are escaped (`escaping`), and whether a call that fails uses its key up
(`failure_uses_key`).
"""

from __future__ import annotations

import hmac
import html
import json
import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from digest.simulators.record import Accepted, Record
from digest.simulators.simulator import Reply, Request, Simulator

KEY_S = 30 * 60
VERSIONS, RECIPIENTS, TO = 1000, 2000, 99
VALUES_BYTES, ALL_VALUES_BYTES = 100_000, 1_000_000
NAME_LENGTH = 70
MOST_EVENTS = 5000
_EVENTS = {"limit": "2500", "offset": "0", "days": "30"}
_ADDRESS = re.compile(r"[!-9=?A-Z^-~][!-9=?A-Z^-~]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,}")
_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def simulator(
    key: str = "xkeysib-simulated",
    record: Record | None = None,
    domain: str = "",
    credits: int = 0,  # noqa: A002 (Brevo's own word)
    log_lag_s: float = 0,
    version_headers: bool = True,
    escaping: bool = True,
    failure_uses_key: bool = False,
) -> Brevo:
    """Make it; with a `domain`, mail from another is refused; `credits` are the copies it takes, 0 is any number."""
    made = Brevo(key, record)
    made.domain, made.left, made.log_lag_s = domain, credits or None, log_lag_s
    made.version_headers, made.escaping, made.failure_uses_key = version_headers, escaping, failure_uses_key
    return made


class Brevo(Simulator):
    """Transactional mail and its log."""

    name = "brevo"
    domain: str = ""
    left: int | None = None
    log_lag_s: float = 0
    version_headers: bool = True
    escaping: bool = True
    failure_uses_key: bool = False

    def __init__(self, key: str, record: Record | None = None) -> None:
        super().__init__(record)
        self._key = key
        self._used: dict[str, float] = {}
        self._sent: dict[int, tuple[float, datetime]] = {}

    def usage(self, url: str) -> dict[str, str]:
        """Give the settings that lead here."""
        return {"provider": "brevo", "brevo.url": url, "brevo.key": self._key}

    def too_many(self, retry_after_s: float) -> Reply:
        """Answer as its rate limit does: with the seconds until it ends."""
        reply = _refuse(429, "too_many_requests", "Too many requests")
        limits = {"x-sib-ratelimit-limit": "100", "x-sib-ratelimit-remaining": "0"}
        return Reply(429, reply.body, {**reply.headers, **limits, "x-sib-ratelimit-reset": f"{retry_after_s:.0f}"})

    def answer(self, request: Request, number: int) -> Reply:
        """Work one request."""
        given = request.headers.get("api-key", "")
        if not given:
            return _refuse(401, "unauthorized", "authentication not found in headers")
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            return _refuse(401, "unauthorized", "Key not found")
        match request.method, request.path:
            case "POST", "/v3/smtp/email":
                return self._keyed(request, number)
            case "GET", "/v3/account":
                left = 10_000 if self.left is None else self.left
                return Reply.json(200, {"plan": [{"type": "free", "creditsType": "sendLimit", "credits": left}]})
            case "GET", "/v3/smtp/emails":
                return self._log(request)
            case "GET", "/v3/smtp/statistics/events":
                return self._events(request)
            case _, "/v3/smtp/email" | "/v3/smtp/emails" | "/v3/smtp/statistics/events":
                return _refuse(405, "method_not_allowed", "Method not allowed")
            case _:
                return _refuse(404, "document_not_found", "Invalid route/method passed")

    def _keyed(self, request: Request, number: int) -> Reply:
        try:
            call = request.json()
        except ValueError:
            return _refuse(400, "bad_request", "Input must be a valid JSON object")
        if not isinstance(call, dict):
            return _refuse(400, "bad_request", "Input must be a valid JSON object")
        key = str((call.get("headers") or {}).get("idempotencyKey", ""))
        now = time.monotonic()
        if key and now - self._used.get(key, -KEY_S) < KEY_S:
            return _refuse(400, "duplicate_parameter", "Email for the idempotency key has already been processed")
        reply = self._send(call, number)
        if key and (reply.status == 201 or self.failure_uses_key):
            self._used[key] = now
        return reply

    def _send(self, call: dict[str, Any], number: int) -> Reply:
        if (problem := self._problem(call)) is not None:
            return problem
        batch = "messageVersions" in call
        versions: list[dict[str, Any]] = call["messageVersions"] if batch else [{"to": call["to"]}]
        people = sum(len(version["to"]) for version in versions)
        if self.left is not None and people > self.left:
            return _refuse(402, "not_enough_credits", "You do not have enough credits. Please buy credits to continue.")
        self.left = None if self.left is None else self.left - people
        copies = [self._accepted(call, version, number) for version in versions]
        self.record.add(copies)
        self._sent[number] = (time.monotonic(), datetime.now(UTC))
        ids = [copy.message_id for copy in copies]
        return Reply.json(201, {"messageIds": ids} if batch else {"messageId": ids[0]})

    def _problem(self, call: dict[str, Any]) -> Reply | None:
        sender = call.get("sender")
        if not isinstance(sender, dict) or not sender.get("email"):
            return _refuse(400, "missing_parameter", "sender is missing")
        if not _ADDRESS.fullmatch(str(sender["email"])) or len(str(sender.get("name", ""))) > NAME_LENGTH:
            return _refuse(400, "invalid_parameter", "valid sender email and name required")
        if self.domain and not str(sender["email"]).lower().endswith("@" + self.domain):
            words = f"Sending has been rejected because the sender you used {sender['email']} is not valid."
            return _refuse(400, "invalid_parameter", f"{words} Validate your sender or authenticate your domain")
        for name in ("subject", "htmlContent"):
            if not isinstance(call.get(name), str) or not call[name]:
                return _refuse(400, "missing_parameter", f"{name} is missing")
        if "replyTo" in call and not _ADDRESS.fullmatch(str(call["replyTo"].get("email"))):
            return _refuse(400, "invalid_parameter", "email is not valid in replyTo")
        if "messageVersions" in call:
            return _version_problem(call)
        return _to_problem(call.get("to"))

    def _accepted(self, call: dict[str, Any], version: dict[str, Any], number: int) -> Accepted:
        address, subject = version["to"][0]["email"], version.get("subject", call["subject"])
        headers = {**call.get("headers", {}), **(version.get("headers", {}) if self.version_headers else {})}
        headers = {name: value for name, value in headers.items() if name not in ("idempotencyKey", "X-Mailin-custom")}
        custom = (version if "headers" in version else call).get("headers", {}).get("X-Mailin-custom")
        tags = json.loads(custom) if custom else {}
        message_id = f"<{datetime.now(UTC):%Y%m%d%H%M}.{uuid.uuid4().hex[:11]}@smtp-relay.mailin.fr>"
        if not self.record.bodies:
            return Accepted(address, number, message_id, subject, tags=tags)
        values = version.get("params", call.get("params", {}))
        return Accepted(
            address,
            number,
            message_id,
            self._filled(subject, values),
            self._filled(version.get("htmlContent", call["htmlContent"]), values),
            self._filled(version.get("textContent", call.get("textContent", "")), values),
            {name.title(): value for name, value in headers.items() if name.lower() != "message-id"},
            tags,
        )

    def _filled(self, text: str, values: dict[str, Any]) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[1].removeprefix("params.")
            filled = str(values.get(name, "")) if found[1].startswith("params.") else ""
            return html.escape(filled) if self.escaping else filled

        return _PLACE.sub(value, text)

    def _log(self, request: Request) -> Reply:
        address = request.query.get("email", "").lower()
        if not address:
            return _refuse(400, "missing_parameter", "one of email, templateId or messageId is missing")
        limit = int(request.query.get("limit", "500"))
        rows = [
            {
                "email": copy.address,
                "subject": copy.subject,
                "messageId": copy.message_id,
                "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, copy.message_id)),
                "date": self._sent[copy.call][1].isoformat(timespec="milliseconds"),
            }
            for copy in reversed(self.record.accepted)
            if copy.address.lower() == address and self._is_shown(copy.call)
        ][:limit]
        return Reply.json(200, {"count": len(rows), "transactionalEmails": rows} if rows else {})

    def _events(self, request: Request) -> Reply:
        """List what happened (https://developers.brevo.com/reference/get-email-event-report): here, what was sent."""
        query = request.query
        try:
            limit, offset, days = (int(query.get(name, of)) for name, of in _EVENTS.items())
        except ValueError:
            return _refuse(400, "invalid_parameter", "limit, offset and days must be numbers")
        if not 1 <= limit <= MOST_EVENTS or not 1 <= days <= 90 or offset < 0:
            return _refuse(400, "out_of_range", "limit or days is out of range")
        since = datetime.now(UTC) - timedelta(days=days)
        shown = [
            {
                "email": copy.address,
                "date": self._sent[copy.call][1].isoformat(timespec="milliseconds"),
                "subject": copy.subject,
                "messageId": copy.message_id,
                "event": "requests",
            }
            for copy in self.record.accepted
            if query.get("event", "requests") == "requests"
            and self._is_shown(copy.call)
            and self._sent[copy.call][1] >= since
        ]
        rows = (shown if query.get("sort") == "asc" else shown[::-1])[offset : offset + limit]
        return Reply.json(200, {"events": rows} if rows else {})

    def _is_shown(self, number: int) -> bool:
        return number in self._sent and time.monotonic() - self._sent[number][0] >= self.log_lag_s


def _version_problem(call: dict[str, Any]) -> Reply | None:
    versions = call["messageVersions"]
    if "to" in call:
        return _refuse(400, "invalid_parameter", "to is not allowed together with messageVersions")
    if not isinstance(versions, list) or not versions:
        return _refuse(400, "missing_parameter", "messageVersions is missing")
    if len(versions) > VERSIONS:
        return _refuse(400, "invalid_parameter", f"messageVersions should not exceed {VERSIONS}")
    sizes = []
    for version in versions:
        if not isinstance(version, dict) or (problem := _to_problem(version.get("to"), " in messageVersions")):
            return problem if isinstance(version, dict) else _refuse(400, "invalid_parameter", "not a version")
        sizes.append(len(json.dumps(version.get("params", {}))))
    if max(sizes) > VALUES_BYTES or sum(sizes) > ALL_VALUES_BYTES:
        return _refuse(400, "invalid_parameter", "params are too large in messageVersions")
    if sum(len(version["to"]) for version in versions) > RECIPIENTS:
        return _refuse(400, "invalid_parameter", f"recipients should not exceed {RECIPIENTS}")
    return None


def _to_problem(to: Any, where: str = "") -> Reply | None:
    if not isinstance(to, list) or not to:
        return _refuse(400, "missing_parameter", f"to is missing{where}")
    if len(to) > TO:
        return _refuse(400, "invalid_parameter", f"to should not exceed {TO}{where}")
    if not all(isinstance(one, dict) and _ADDRESS.fullmatch(str(one.get("email"))) for one in to):
        return _refuse(400, "invalid_parameter", f"email is not valid in to{where}")
    return None


def _refuse(status: int, code: str, message: str) -> Reply:
    return Reply.json(status, {"code": code, "message": message})
