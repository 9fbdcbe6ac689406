"""Mailgun, simulated: its messages and its events.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages,
…/user-manual/sending-messages/batch-sending, …/api-reference/send/mailgun/events. Its errors' words as they are
listed at https://help.kyriossystems.com/en/articles/13521229-error-codes-library-for-mailgun.

It enforces the key and the domain, 1,000 recipients, 25 MB, the 16 kB of ``o:``, ``h:`` and ``v:``, the required
fields and the addresses: a single bad one fails the call. Of an address named twice it takes the first. Every
recipient's copy is expanded, in the subject, the bodies, and the values of ``h:`` and ``v:``. Without
``recipient-variables`` all see the whole list, which is written down in `leaks`.
"""

from __future__ import annotations

import base64
import hmac
import math
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from digest.simulators.record import Accepted, Record
from digest.simulators.simulator import Reply, Request, Simulator

MOST_BYTES = 25 * 1024 * 1024
MOST_OPTION_BYTES = 16 * 1024
MOST_A_PAGE = 300
_PLAIN = re.compile(r"[!#-'*+\-/-9=?A-Z^-~][!#-'*+\--9=?A-Z^-~]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,}")
_NAMED = re.compile(r"(?:\"[^\"]*\"|[^<>@\",]*) ?<([^<>]*)>")
_VARIABLE = re.compile(r"%recipient\.([A-Za-z0-9_-]+)%")
_BUILT_IN = re.compile(r"%(recipient|recipient_email|recipient_name|(?:tag_|mailing_list_)?unsubscribe_url)%")
_NAME = re.compile(rb'content-disposition:\s*form-data;.*?\bname="([^"]*)"', re.IGNORECASE)
Fields = Mapping[str, list[str]]


def simulator(
    key: str = "key-simulated",
    domain: str = "mg.example.com",
    record: Record | None = None,
    lag_s: float = 0,
    recipients: int = 1000,
    sending_only: bool = False,
) -> Mailgun:
    """Make it. Events show after `lag_s` seconds; a key that is `sending_only` may not read them.

    `recipients` is the most in a call; less than 1,000 is an account on probation.
    """
    return Mailgun(key, domain, record, lag_s, recipients, sending_only)


@dataclass(frozen=True)
class _Call:
    at: float
    message_id: str
    addresses: list[str]
    subject: str
    sent: float
    variables: dict[str, dict[str, str]]


class Mailgun(Simulator):
    """One account with one domain."""

    name = "mailgun"
    state = "active"
    most_bytes = MOST_BYTES

    def __init__(
        self, key: str, domain: str, record: Record | None, lag_s: float, recipients: int, sending_only: bool
    ) -> None:
        super().__init__(record)
        self.leaks: list[int] = []
        self._key, self._domain, self._lag_s = key, domain, lag_s
        self._recipients, self._sending_only = recipients, sending_only
        self._calls: dict[str, list[_Call]] = {}

    def usage(self, url: str) -> dict[str, str]:
        """Give the settings that lead here."""
        return {"provider": "mailgun", "mailgun.url": url, "mailgun.domain": self._domain, "mailgun.key": self._key}

    def too_many(self, retry_after_s: float) -> Reply:
        """Answer as its rate limit does."""
        reset = str(math.ceil(time.time() + retry_after_s))
        body = {"message": "Too many requests, try again later"}
        headers = {"Retry-After": f"{retry_after_s:g}", "X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0"}
        return Reply.json(429, body, **headers, X_RateLimit_Reset=reset)

    def too_large(self) -> Reply:
        """Refuse what is over 25 MB."""
        return _refuse(413, "request entity too large; the maximum message size is 25MB")

    def answer(self, request: Request, number: int) -> Reply:
        """Work one request."""
        expected = "Basic " + base64.b64encode(f"api:{self._key}".encode()).decode()
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected.encode()):
            return Reply(401, b"Forbidden", {"Content-Type": "text/plain"})
        if request.method == "GET" and request.path.startswith("/v4/domains/"):
            return self._about(request.path.removeprefix("/v4/domains/"))
        way = re.fullmatch(r"/v3/([^/]+)/(messages|events)(?:/([A-Za-z0-9_=-]+))?", request.path)
        if way is None:
            return Reply(404, b"404 page not found", {"Content-Type": "text/plain"})
        domain, what, page = way.groups()
        if domain != self._domain:
            return _refuse(404, f"Domain not found: {domain}")
        if what == "events" and request.method == "GET":
            return self._events(request, page)
        if what == "messages" and request.method == "POST" and page is None:
            return self._send(request, number)
        return _refuse(405, "Method not allowed")

    def _about(self, domain: str) -> Reply:
        if self._sending_only:
            return Reply(401, b"Forbidden", {"Content-Type": "text/plain"})
        if domain != self._domain:
            return _refuse(404, "Domain not found")
        return Reply.json(
            200, {"domain": {"name": domain, "state": self.state, "is_disabled": self.state == "disabled"}}
        )

    # Messages --------------------------------------------------------------------------------------------------

    def _send(self, request: Request, number: int) -> Reply:
        fields = _fields(request)
        if fields is None:
            return _refuse(400, "the body is neither a form nor multipart/form-data")
        to = [_bare(address) for given in fields.get("to", []) for address in given.split(",") if address.strip()]
        if (problem := self._problem(fields, to)) is not None:
            return problem
        try:
            variables = orjson.loads(fields["recipient-variables"][0]) if "recipient-variables" in fields else None
            if variables is not None and not all(isinstance(own, dict) for own in variables.values()):
                raise ValueError
        except (ValueError, AttributeError):
            return _refuse(400, "'recipient-variables' parameter is not a valid JSON")
        if variables is None and len(to) > 1:
            self.leaks.append(number)
        first: dict[str, str] = {}
        for address in to:
            first.setdefault(address.lower(), address)
        addresses = list(first.values())
        fallback = f"{time.strftime('%Y%m%d%H%M%S', time.gmtime())}.{uuid.uuid4().hex[:16]}@{self._domain}"
        message_id = fields.get("h:Message-Id", [fallback])[0].strip("<> ")
        template = _Template(fields, number, message_id, self.record.bodies)
        if variables is None:
            template.headers["To"] = ", ".join(to)
        copies = [template.copy_for(address, (variables or {}).get(address, {})) for address in addresses]
        own = {copy.address: {name: copy.tags[name] for name in template.variables} for copy in copies}
        call = _Call(time.monotonic(), message_id, addresses, fields["subject"][0], time.time(), own)
        self._calls.setdefault(message_id, []).append(call)
        self.record.add(copies)
        return Reply.json(200, {"id": f"<{message_id}>", "message": "Queued. Thank you."})

    def _problem(self, fields: Fields, to: list[str]) -> Reply | None:
        for name in ("from", "to", "subject"):
            if not fields.get(name, [""])[0]:
                return _refuse(400, f"{name} parameter is missing")
        if not any(fields.get(name, [""])[0] for name in ("html", "text")):
            return _refuse(400, "Need at least one of 'text' or 'html' parameters specified")
        if len(to) > self._recipients == 1000:
            return _refuse(400, "Too many recipients; max is 1000")
        if len(to) > self._recipients:
            return _refuse(400, f"Rejected: Only {self._recipients} recipients per request is allowed on probation.")
        for name, given in (("from", [_bare(fields["from"][0])]), ("to", to)):
            if not all(map(_PLAIN.fullmatch, given)):
                return _refuse(400, f"{name} parameter is not a valid address. please check documentation")
        options = {name: values for name, values in fields.items() if name[:2] in ("o:", "h:", "v:")}
        if sum(len(name) + len(one.encode()) for name, values in options.items() for one in values) > MOST_OPTION_BYTES:
            return _refuse(400, "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total")
        for name in options:
            if not name.isascii():
                return _refuse(400, f"Header name must be pure ASCII: {name[2:]}")
        return None

    # Events ----------------------------------------------------------------------------------------------------

    def _events(self, request: Request, page: str | None) -> Reply:
        if self._sending_only:
            return Reply(401, b"Forbidden", {"Content-Type": "text/plain"})
        try:
            query: dict[str, Any] = dict(request.query)
            if page:
                query = orjson.loads(base64.urlsafe_b64decode(page))
            limit, skip = int(query.get("limit", 100)), int(query.get("skip", 0))
            begin, end = float(query.get("begin", 0)), float(query.get("end", "inf"))
        except (ValueError, AttributeError):
            return _refuse(400, "the page or the limit makes no sense")
        if not 1 <= limit <= MOST_A_PAGE:
            return _refuse(400, f"limit must be between 1 and {MOST_A_PAGE}")
        if "end" not in query and query.get("ascending") not in ("yes", "no"):
            return _refuse(400, "either end or ascending is to be given")
        wanted, kind = query.get("message-id"), query.get("event", "accepted")
        calls = (
            [call for one in self._calls.values() for call in one] if wanted is None else self._calls.get(wanted, [])
        )
        seen = [
            call
            for call in calls
            if kind == "accepted" and time.monotonic() - call.at >= self._lag_s and begin <= call.sent <= end
        ]
        items = [_event(call, address) for call in seen for address in call.addresses][skip : skip + limit]
        following = base64.urlsafe_b64encode(orjson.dumps({**query, "skip": skip + len(items)})).decode()
        here = f"http://{request.headers.get('host', 'localhost')}/v3/{self._domain}/events"
        paging = {"next": f"{here}/{following}", "previous": here, "first": here, "last": here}
        return Reply.json(200, {"items": items, "paging": paging})


class _Template:
    """A call's message, from which each recipient's copy is made."""

    def __init__(self, fields: Fields, number: int, message_id: str, bodies: bool) -> None:
        self._call, self._message_id = number, message_id
        self._subject, self._bodies = fields["subject"][0], bodies
        self._html, self._text = (fields.get(name, [""])[0] for name in ("html", "text"))
        self.headers = {name[2:]: given[0] for name, given in fields.items() if name.startswith("h:")}
        self.headers["From"] = fields["from"][0]
        self.variables = [name.removeprefix("v:") for name in fields if name.startswith("v:")]
        tags = {name.removeprefix("v:"): given[0] for name, given in fields.items() if name[:2] in ("v:", "o:")}
        # Apart, as a bench waits for this.
        self._own = {name: value for name, value in tags.items() if "%" in value}
        self._tags = {name: value for name, value in tags.items() if "%" not in value}

    def copy_for(self, address: str, own: Mapping[str, Any]) -> Accepted:
        tags = self._tags | {name: _filled(value, own) for name, value in self._own.items()}
        subject = _filled(self._subject, own)
        if not self._bodies:
            return Accepted(address, self._call, self._message_id, subject, tags=tags)
        headers = {"To": address} | {name: _filled(value, own) for name, value in self.headers.items()}
        html, text = _filled(self._html, own), _filled(self._text, own)
        return Accepted(address, self._call, self._message_id, subject, html, text, headers, tags)


def _filled(text: str, own: Mapping[str, Any]) -> str:
    if "%" not in text:
        return text
    text = _VARIABLE.sub(lambda found: str(own.get(found[1], found[0])), text)
    return _BUILT_IN.sub(lambda found: f"[mailgun's {found[1]}]", text)


def _event(call: _Call, address: str) -> dict[str, Any]:
    return {
        "event": "accepted",
        "id": uuid.uuid4().hex[:22],
        "timestamp": call.sent,
        "recipient": address,
        "message": {
            "headers": {"message-id": call.message_id, "to": address, "subject": call.subject},
            "attachments": [],
            "size": 1000,
        },
        "user-variables": call.variables[address],
    }


def _bare(address: str) -> str:
    found = _NAMED.fullmatch(address.strip())
    return found[1] if found else address.strip()


def _fields(request: Request) -> dict[str, list[str]] | None:
    """Read a form of ``multipart/form-data`` (RFC 7578); None where it is none."""
    kind = re.fullmatch(
        r"multipart/form-data;\s*boundary=\"?([^\";]{1,70})\"?", request.headers.get("content-type", "")
    )
    if kind is None:
        return None
    first, *parts = (b"\r\n" + request.body).split(b"\r\n--" + kind[1].encode())
    if first or not parts or parts[-1].rstrip(b"\r\n") != b"--":
        return None
    fields: dict[str, list[str]] = {}
    for part in parts[:-1]:
        head, parted, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if not parted or name is None:
            return None
        try:
            fields.setdefault(name[1].decode(), []).append(value.decode())
        except UnicodeDecodeError:
            return None
    return fields


def _refuse(status: int, message: str) -> Reply:
    return Reply.json(status, {"message": message})
