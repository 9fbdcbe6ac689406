"""SendGrid, simulated: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send and what is beside it.

It enforces the key, 1000 personalizations a call, an address only once in a call, the fields and their order, the
sizes of substitutions and custom arguments, the reserved headers, the size of a call and the credits. It answers the
email activity by a custom argument, by sender and by address, `activity_lag_s` seconds late.
"""

from __future__ import annotations

import hmac
import math
import re
import secrets
import time
from typing import Any

from digest.simulators.record import Accepted, Record
from digest.simulators.simulator import Reply, Request, Simulator

MOST = 1000
OWN_BYTES = 10_000
"""Of the substitutions, and of the custom arguments, of one personalization."""
RESERVED = frozenset(
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
    | {"to", "from", "subject", "reply-to", "cc", "bcc"}
)
_ADDRESS = re.compile(r"[!-9;=?A-Z^-~][!-9;=?A-Z^-~]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,}")
_QUERY = re.compile(
    r"\(unique_args\['(?P<name>\w+)'\]=\"(?P<value>[^\"]*)\"\)|(?P<field>from_email|to_email)=\"(?P<is>[^\"]*)\""
)


def simulator(
    key: str = "SG.simulated",
    record: Record | None = None,
    domain: str = "",
    credits: int = 0,  # noqa: A002 (SendGrid's own word)
    activity: bool = True,
    activity_lag_s: float = 0,
) -> SendGrid:
    """Make it; with a `domain`, mail from another is refused; `credits` are the copies it takes, 0 is any number."""
    return SendGrid(key, record, domain, credits, activity=activity, activity_lag_s=activity_lag_s)


class SendGrid(Simulator):
    """Mail send and email activity."""

    name = "sendgrid"
    scopes: tuple[str, ...] = ("mail.send", "messages.read")
    most_bytes = 30 * 1024 * 1024

    def __init__(
        self,
        key: str,
        record: Record | None = None,
        domain: str = "",
        left: int = 0,
        *,
        activity: bool = True,
        activity_lag_s: float = 0,
    ) -> None:
        super().__init__(record)
        self._key, self._domain, self._left = key, domain, left or math.inf
        self._activity, self._lag_s = activity, activity_lag_s
        self._sent: dict[int, tuple[float, str]] = {}

    def usage(self, url: str) -> dict[str, str]:
        """Give the settings that lead here."""
        return {"provider": "sendgrid", "sendgrid.url": url, "sendgrid.key": self._key}

    def too_many(self, retry_after_s: float) -> Reply:
        """Answer as its rate limit does: with the moment when it ends."""
        reply = _refuse(429, "too many requests")
        reset = math.ceil(time.time() + retry_after_s)
        limits = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
        return Reply(429, reply.body, {**reply.headers, **limits})

    def too_large(self) -> Reply:
        """Refuse a call that is larger than 30 MB."""
        return _refuse(413, "content too large")

    def answer(self, request: Request, number: int) -> Reply:
        """Work one request."""
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._key}".encode()):
            return _refuse(401, "The provided authorization grant is invalid, expired, or revoked")
        match request.method, request.path:
            case "POST", "/v3/mail/send":
                return self._send(request, number)
            case "GET", "/v3/scopes":
                return Reply.json(200, {"scopes": list(self.scopes)})
            case "GET", "/v3/messages":
                return self._search(request)
            case "GET", path if path.startswith("/v3/messages/"):
                return self._detail(path.removeprefix("/v3/messages/"))
            case _, "/v3/mail/send" | "/v3/messages":
                return _refuse(405, "method not allowed")
            case _:
                return _refuse(404, "not found")

    def _send(self, request: Request, number: int) -> Reply:
        try:
            call = request.json()
        except ValueError:
            return _refuse(400, "Bad Request")
        if not isinstance(call, dict):
            return _refuse(400, "Bad Request")
        problems = [*_recipients(call), *_message(call)]
        if problems:
            return Reply.json(400, {"errors": [_entry(field, words) for field, words in problems]})
        sender = call["from"]["email"]
        if self._domain and not sender.lower().endswith("@" + self._domain):
            words = "The from address does not match a verified Sender Identity. Mail cannot be sent until it does."
            return _refuse(403, words, "from")
        people = call["personalizations"]
        if len(people) > self._left:
            return _refuse(401, "Maximum credits exceeded")
        self._left -= len(people)
        message_id = secrets.token_urlsafe(16)
        self._sent[number] = (time.monotonic(), sender)
        self.record.add([_accepted(call, person, number, message_id, self.record.bodies) for person in people])
        return Reply(202, b"", {"X-Message-Id": message_id})

    def _rows(self) -> list[tuple[str, Accepted]]:
        """Give what the activity shows by now, the newest first."""
        shown = {number for number, (at, _) in self._sent.items() if time.monotonic() - at >= self._lag_s}
        copies = enumerate(self.record.accepted)
        return [
            (f"{copy.message_id}.filter{place:04}", copy)
            for place, copy in reversed(list(copies))
            if copy.call in shown
        ]

    def _search(self, request: Request) -> Reply:
        if not self._activity:
            return _refuse(403, "access forbidden")
        limit = request.query.get("limit", "10")
        if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
            return _refuse(400, "limit must be between 1 and 1000", "limit")
        query = request.query.get("query", "")
        found = _QUERY.fullmatch(query)
        if query and found is None:
            return _refuse(400, "error parsing input at line 1: syntax error", "query")
        rows = [row for row in self._rows() if found is None or self._matches(found, row[1])][: int(limit)]
        return Reply.json(200, {"messages": [self._row(msg_id, copy) for msg_id, copy in rows]})

    def _matches(self, found: re.Match[str], copy: Accepted) -> bool:
        match found["field"]:
            case "from_email":
                return self._sent[copy.call][1] == found["is"]
            case "to_email":
                return copy.address.lower() == found["is"].lower()
            case _:
                return copy.tags.get(found["name"]) == found["value"]

    def _row(self, msg_id: str, copy: Accepted) -> dict[str, Any]:
        return {
            "from_email": self._sent[copy.call][1],
            "msg_id": msg_id,
            "subject": copy.subject,
            "to_email": copy.address,
            "status": "processed",
            "opens_count": 0,
            "clicks_count": 0,
            "last_event_time": "2026-11-26T09:00:00Z",
        }

    def _detail(self, msg_id: str) -> Reply:
        if not self._activity:
            return _refuse(403, "access forbidden")
        for known, copy in self._rows():
            if known == msg_id:
                return Reply.json(200, {**self._row(known, copy), "events": [], "unique_args": str(copy.tags)})
        return _refuse(404, "not found")


def _recipients(call: dict[str, Any]) -> list[tuple[str, str]]:
    """Give the fields of the personalizations that are wrong, each with SendGrid's words."""
    people = call.get("personalizations")
    if not isinstance(people, list) or not people:
        return [
            ("personalizations", "The personalizations field is required and must have at least one personalization.")
        ]
    if len(people) > MOST:
        words = f"The personalization block is limited to {MOST} personalizations per API request. You have provided"
        return [("personalizations", f"{words} {len(people)} personalizations.")]
    problems: list[tuple[str, str]] = []
    seen: set[str] = set()
    total = 0
    for number, person in enumerate(people):
        where = f"personalizations.{number}"
        to = person.get("to") if isinstance(person, dict) else None
        if not isinstance(to, list) or not to:
            problems.append((f"{where}.to", "The to array is required for all personalization objects."))
            continue
        for place, one in enumerate(to):
            total += 1
            address = one.get("email") if isinstance(one, dict) else None
            if not isinstance(address, str) or not _ADDRESS.fullmatch(address) or len(address) > 320:
                problems.append((f"{where}.to.{place}.email", "Does not contain a valid address."))
            elif address.lower() in seen:
                words = "Each unique email address in the personalizations array should only be included once. You have"
                problems.append((where, f"{words} included [{address}] more than once."))
            seen.add(str(address).lower())
        problems += [(f"{where}.{name}", words) for name, words in _own(person, call)]
    if total > MOST:
        problems.append(("personalizations", "There is a limit of 1000 total recipients (to + cc + bcc) per request."))
    return problems


def _own(person: dict[str, Any], call: dict[str, Any]) -> list[tuple[str, str]]:
    problems = _headers(person.get("headers", {}))
    values, arguments = (
        person.get("substitutions", {}),
        {**call.get("custom_args", {}), **person.get("custom_args", {})},
    )
    if not _texts(values):
        problems.append(("substitutions", "The substitution values must be an object of key/value pairs."))
    elif _size(values) > OWN_BYTES:
        problems.append(("substitutions", "The substitutions may not exceed 10,000 bytes per personalization."))
    if not _texts(arguments):
        problems.append(("custom_args", "All values of custom arguments object must be strings"))
    elif _size(arguments) > OWN_BYTES:
        problems.append(("custom_args", "The combined size of custom arguments may not exceed 10,000 bytes."))
    return problems


def _headers(headers: Any) -> list[tuple[str, str]]:
    if not _texts(headers):
        return [("headers", "All values of the headers object must be strings.")]
    if any(not name.isascii() or " " in name for name in headers):
        return [("headers", "Header keys cannot contain non-ASCII characters or empty spaces.")]
    if any(name.lower() in RESERVED for name in headers):
        return [("headers", "Header cannot be one of the reserved keys.")]
    return []


def _message(call: dict[str, Any]) -> list[tuple[str, str]]:
    """Give the fields outside the personalizations that are wrong."""
    problems = _headers(call.get("headers", {}))
    sender = call.get("from")
    if not isinstance(sender, dict):
        problems.append(("from", "The from object must be provided for every email send."))
    elif not _ADDRESS.fullmatch(str(sender.get("email"))):
        problems.append(("from.email", "The from email does not contain a valid address."))
    if "reply_to" in call and not _ADDRESS.fullmatch(str(call["reply_to"].get("email"))):
        problems.append(("reply_to.email", "The reply_to email does not contain a valid address."))
    if not isinstance(call.get("subject"), str) or not call["subject"]:
        problems.append(("subject", "The subject is required."))
    content = call.get("content")
    if not isinstance(content, list) or not content:
        return [*problems, ("content", "The content param is required.")]
    for number, part in enumerate(content):
        if not isinstance(part.get("value"), str) or not part["value"]:
            words = "The content value must be a string at least one character in length."
            problems.append((f"content.{number}.value", words))
    ranks = [{"text/plain": 0, "text/html": 1}.get(part.get("type"), 2) for part in content]
    if ranks != sorted(ranks):
        words = "If either text/html or text/plain are to be sent: text/plain needs to be first, followed by text/html."
        problems.append(("content", words))
    return problems


def _accepted(call: dict[str, Any], person: dict[str, Any], number: int, message_id: str, bodies: bool) -> Accepted:
    tags = {**call.get("custom_args", {}), **person.get("custom_args", {})}
    address = person["to"][0]["email"]
    if not bodies:
        return Accepted(address, number, message_id, call["subject"], tags=tags)
    content = {part["type"]: part["value"] for part in call["content"]}
    html, text, subject = content.get("text/html", ""), content.get("text/plain", ""), call["subject"]
    for tag, value in person.get("substitutions", {}).items():
        html, text, subject = html.replace(tag, value), text.replace(tag, value), subject.replace(tag, value)
    headers = {**call.get("headers", {}), **person.get("headers", {})}
    return Accepted(address, number, message_id, subject, html, text, headers, tags)


def _texts(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())


def _size(found: dict[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in found.items())


def _entry(field: str, message: str) -> dict[str, Any]:
    return {"message": message, "field": field or None, "help": None}


def _refuse(status: int, message: str, field: str = "") -> Reply:
    return Reply.json(status, {"errors": [_entry(field, message)]})
