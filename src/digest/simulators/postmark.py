"""Postmark, simulated: https://postmarkapp.com/developer/api/email-api, …/bulk-email and …/messages-api.

It enforces the token, the headers of a call, 500 messages and 50 MB, and of each message its fields, stream, sender,
addresses, metadata and the suppressed; bulk mail it takes whole or not at all, and fills in its variables. The
search shows what was taken `lag_s` seconds later, and of bulk mail only once it was worked, for `bulk_s` seconds.
"""

from __future__ import annotations

import hmac
import html
import re
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from digest.simulators.record import Accepted, Record
from digest.simulators.simulator import Reply, Request, Simulator

SEARCHABLE = 10_000
EASTERN = ZoneInfo("America/New_York")
_CONTENT = frozenset({"From", "ReplyTo", "Subject", "HtmlBody", "TextBody", "Tag", "MessageStream", "Attachments"})
_CONTENT |= {"TrackOpens", "TrackLinks", "Metadata", "Headers"}
_FIELDS = _CONTENT | {"To", "Cc", "Bcc"}
_BULK_FIELDS = _CONTENT | {"TemplateId", "TemplateAlias", "InlineCss", "Messages"}
_OWN_FIELDS = frozenset({"To", "Cc", "Bcc", "TemplateModel", "Metadata", "Headers"})
_NAMED = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"|[^"<>,]*)\s*<([^<>]+)>\s*')
_MAILBOX = re.compile(r"(?!\.)(?!.*\.\.)[a-z0-9.!#$%&'*+/=^_`{}|~-]+(?<!\.)@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.I)
_TOKEN = re.compile(r"[{]{2}([^{}]+?)[}]{2}|[{]{3}([^{}]+?)[}]{3}")
_PATH = re.compile(r"[\w.]+")

Problem = tuple[int, str]


def simulator(
    token: str = "pm-simulated",  # noqa: S107 (nobody's)
    record: Record | None = None,
    stream: str = "broadcast",
    domain: str = "",
    inactive: str = "",
    errors: Mapping[str, Problem] | None = None,
    lag_s: float = 0,
    bulk_s: float = 0,
    bulk: bool = True,
    most_bytes: int = 50_000_000,
) -> Postmark:
    """Make it.

    Args:
        token: the server's token.
        record: what it writes down.
        stream: its broadcast stream.
        domain: where given, mail from another is refused.
        inactive: addresses that are suppressed, with commas between.
        errors: an error code and its words for what is sent to an address.
        lag_s: seconds until the search shows a copy.
        bulk_s: seconds for which bulk mail is being worked.
        bulk: whether bulk mail is allowed for the account.
        most_bytes: the largest call it takes.
    """
    made = Postmark(token, record, stream)
    made.domain, made.inactive, made.errors = domain, frozenset(inactive.lower().split(",")), dict(errors or {})
    made.lag_s, made.bulk_s, made.bulk, made.most_bytes = lag_s, bulk_s, bulk, most_bytes
    return made


class _Sent(NamedTuple):
    shows_at: float
    received: datetime
    message_id: str
    to: str
    subject: str
    about: dict[str, str]


class _Bulk(NamedTuple):
    id: str
    at: float
    submitted: str
    released: int
    failed: int


class Postmark(Simulator):
    """The batch and the bulk endpoint, and the search."""

    name = "postmark"
    domain = ""
    inactive: frozenset[str] = frozenset()
    lag_s = bulk_s = 0.0
    bulk = True
    delivery = "Live"

    def __init__(self, token: str, record: Record | None, stream: str) -> None:
        super().__init__(record)
        self.errors: dict[str, Problem] = {}
        self._token, self._stream = token, stream
        self._sent: list[_Sent] = []
        self._bulks: list[_Bulk] = []

    def usage(self, url: str) -> dict[str, str]:
        """Give the settings that lead here."""
        return {
            "provider": "postmark",
            "postmark.url": url,
            "postmark.token": self._token,
            "postmark.stream": self._stream,
            "postmark.letters_stream": self._stream,
        }

    def too_many(self, retry_after_s: float) -> Reply:
        """Answer as its rate limit might: it documents the status alone."""
        reply = _refuse(429, 429, "Rate limit exceeded. Reduce the rate at which you query the API.")
        return Reply(429, reply.body, {**reply.headers, "Retry-After": f"{retry_after_s:g}"})

    def answer(self, request: Request, number: int) -> Reply:
        """Work one request."""
        given = request.headers.get("x-postmark-server-token", "")
        if not hmac.compare_digest(given.lower().encode(), self._token.lower().encode()):
            return _refuse(401, 10, "Request does not contain a valid Server token.")
        json_wanted = "application/json" in request.headers.get("accept", "")
        json_given = request.method == "GET" or "application/json" in request.headers.get("content-type", "")
        if not (json_wanted and json_given):
            return Reply(415, b"Unsupported Media Type", {"Content-Type": "text/plain"})
        path, _, bulk_id = request.path.partition("/bulk/")
        path += "/bulk" if bulk_id else ""
        if path == "/email/bulk" and not self.bulk:
            return _refuse(422, 14, "This endpoint requires approval to access. Contact support to use the Bulk API.")
        match request.method, path:
            case "GET", "/messages/outbound":
                return self._search({name.lower(): value for name, value in request.query.items()})
            case "GET", "/server":
                return Reply.json(200, {"ID": 1, "Name": "Simulated", "DeliveryType": self.delivery})
            case "GET", stream if stream.startswith("/message-streams/"):
                return self._stream_of(stream.removeprefix("/message-streams/"))
            case "GET", "/email/bulk":
                return self._status(bulk_id) if bulk_id else self._list(request.query)
            case "POST", "/email/batch" | "/email/bulk":
                try:
                    content = request.json()
                except ValueError:
                    return _refuse(422, 402, "Invalid JSON.")
                return self._take_bulk(content, number) if path == "/email/bulk" else self._take(content, number)
            case _:
                return _refuse(404, 12, "The resource was not found.")

    def _stream_of(self, name: str) -> Reply:
        if name != self._stream:
            return _refuse(422, 1226, f"The message stream for the provided 'ID' was not found: '{name}'.")
        return Reply.json(200, {"ID": name, "MessageStreamType": "Broadcasts", "ArchivedAt": None})

    # Whole messages ----------------------------------------------------------------------------------------------

    def _take(self, messages: Any, number: int) -> Reply:
        if not isinstance(messages, list) or not messages:
            return _refuse(422, 403, "Invalid request field(s).")
        if len(messages) > 500:
            return _refuse(422, 410, "You may only send up to 500 messages in a single batched request.")
        results, copies = [], []
        for message in messages:
            problem = self._problem(message, _FIELDS) or self._problem_of_copy(message) or self._suppressed(message)
            if problem is not None:
                results.append({"ErrorCode": problem[0], "Message": problem[1]})
                continue
            copy = self._accepted(message, message, number, {})
            copies.append(copy)
            result = {"To": message["To"], "SubmittedAt": _now(), "MessageID": copy.message_id}
            results.append({**result, "ErrorCode": 0, "Message": "OK"})
        self._keep(copies, time.monotonic())
        return Reply.json(200, results)

    def _problem(self, message: Any, fields: frozenset[str], *, missing: int = 1235) -> Problem | None:
        """Tell what is wrong with what all copies of a call may share."""
        if not isinstance(message, dict) or (message.keys() - fields):
            stranger = min(message.keys() - fields) if isinstance(message, dict) else ""
            return 403, f"Invalid request field(s): '{stranger}'."
        stream, sender = message.get("MessageStream", "outbound"), str(message.get("From", ""))
        if stream != self._stream:
            return missing, f"The stream provided: '{stream}' does not exist on this server."
        address = _address(sender)
        if address is None or len(sender) > 255:
            return 300, f"Invalid 'From' address: '{sender}'."
        if self.domain and not address.lower().endswith("@" + self.domain.lower()):
            return 400, f"The 'From' address you supplied ({address}) is not a Sender Signature on your account."
        if (reply_to := message.get("ReplyTo")) and _address(reply_to) is None:
            return 300, f"Invalid 'ReplyTo' address: '{reply_to}'."
        if not message.get("HtmlBody") and not message.get("TextBody"):
            return 300, "Provide either email TextBody or HtmlBody or both."
        if len(str(message.get("Subject", ""))) > 2000:
            return 300, "The 'Subject' field exceeds the maximum length of 2000 characters."
        if message.get("TrackLinks", "None") not in ("None", "HtmlAndText", "HtmlOnly", "TextOnly"):
            return 300, "The supplied 'TrackLinks' option is not valid."
        return None

    def _problem_of_copy(self, message: Any) -> Problem | None:
        """Tell what is wrong with one copy's own."""
        to = str(message.get("To") or "")
        if to in self.errors:
            return self.errors[to]
        if any(_address(one) is None for one in to.split(",")):
            return 300, f"Invalid 'To' address: '{to}'."
        if to.count(",") >= 50:
            return 300, "Exceeded the maximum of 50 recipients per message."
        about = message.get("Metadata") or {}
        if len(about) > 10 or any(len(name) > 20 or len(str(value)) > 80 for name, value in about.items()):
            return 300, "'Metadata' may have 10 fields, with names of 20 and values of 80 characters."
        for header in message.get("Headers") or []:
            if set(header) != {"Name", "Value"} or any(mark in str(header["Value"]) for mark in "\r\n"):
                return 300, "'Headers' are not valid."
        return None

    def _suppressed(self, message: Any) -> Problem | None:
        if message["To"].lower() not in self.inactive:
            return None
        return 406, (
            "You tried to send to a recipient that has been marked as inactive. Found inactive addresses:"
            f" {message['To']}. Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a"
            " manual suppression. "
        )

    def _accepted(self, shared: Any, own: Any, number: int, model: Mapping[str, Any]) -> Accepted:
        message_id = str(uuid.uuid4())
        listed = [*(shared.get("Headers") or []), *(own.get("Headers") or [])]
        headers = {header["Name"]: header["Value"] for header in listed}
        if headers.get("X-PM-KeepID") != "true":
            headers["Message-ID"] = f"<{message_id}@mtasv.net>"
        about = {**(shared.get("Metadata") or {}), **(own.get("Metadata") or {})}
        subject, body, text = (str(shared.get(name, "")) for name in ("Subject", "HtmlBody", "TextBody"))
        if model and self.record.bodies:
            subject, body, text = (_filled(part, model) for part in (subject, body, text))
        tags = {name: str(value) for name, value in about.items()}
        return Accepted(own["To"], number, message_id, subject, body, text, headers, tags)

    def _keep(self, copies: list[Accepted], at: float) -> None:
        self.record.add(copies)
        now = datetime.now(UTC)
        self._sent += [_Sent(at, now, copy.message_id, copy.address, copy.subject, copy.tags) for copy in copies]

    # Bulk mail ---------------------------------------------------------------------------------------------------

    def _take_bulk(self, content: Any, number: int) -> Reply:
        problems: dict[str, list[Problem]] = {}
        if (problem := self._problem(content, _BULK_FIELDS, missing=1226)) is not None:
            return _refuse(422, *problem)
        messages = content.get("Messages")
        if not isinstance(messages, list) or not messages:
            return _refuse(422, 403, "Invalid request field(s): 'Messages'.")
        for name in ("Subject", "HtmlBody", "TextBody"):
            if (wrong := _unparseable(str(content.get(name, "")))) is not None:
                problems.setdefault(name, []).append((1122, wrong))
        for message in messages:
            if not isinstance(message, dict) or message.keys() - _OWN_FIELDS:
                problems.setdefault("Messages", []).append((403, "Invalid request field(s): 'Messages'."))
            elif (problem := self._problem_of_copy(message)) is not None:
                problems.setdefault("To", []).append(problem)
        every = [problem for found in problems.values() for problem in found]
        if every:
            errors = {name: [_error(*one) for one in found] for name, found in problems.items()}
            words = "Multiple errors occurred. Inspect the Errors property for more information."
            return _refuse(422, *every[0]) if len(every) == 1 else _refuse(422, 11, words, Errors=errors)
        live = [message for message in messages if self._suppressed(message) is None]
        copies = [self._accepted(content, message, number, message.get("TemplateModel") or {}) for message in live]
        done = time.monotonic() + self.bulk_s
        self._keep(copies, done)
        self._bulks.append(_Bulk(str(uuid.uuid4()), done, _now(), len(copies), len(messages) - len(copies)))
        return Reply.json(200, _state(self._bulks[-1]))

    def _status(self, bulk_id: str) -> Reply:
        found = next((bulk for bulk in self._bulks if bulk.id == bulk_id), None)
        return _refuse(404, 12, "Bulk send not found.") if found is None else Reply.json(200, _state(found))

    def _list(self, query: Mapping[str, str]) -> Reply:
        first, count = int(query.get("paginationKey") or 0), int(query.get("count") or 20)
        newest = self._bulks[::-1]
        more = {"PaginationKey": str(first + count)} if first + count < len(newest) else {}
        return Reply.json(200, {"Requests": [_state(bulk) for bulk in newest[first : first + count]], **more})

    # The search --------------------------------------------------------------------------------------------------

    def _search(self, query: Mapping[str, str]) -> Reply:
        try:
            count, offset = int(query["count"]), int(query["offset"])
        except (KeyError, ValueError):
            return _refuse(422, 700, "Parameters 'count' and 'offset' are required and must be integers.")
        if not 1 <= count <= 500 or offset < 0:
            return _refuse(422, 700, "Parameter 'count' must be from 1 to 500, and 'offset' 0 or more.")
        if count + offset > SEARCHABLE:
            return _refuse(422, 700, "Count + Offset cannot exceed 10,000.")
        if (stream := query.get("messagestream", "outbound")) != self._stream:
            return _refuse(422, 1226, f"The message stream for the provided 'ID' was not found: '{stream}'.")
        wanted = {name[9:]: value for name, value in query.items() if name.startswith("metadata_")}
        if len(wanted) > 1:
            return _refuse(422, 700, "You may search by one metadata field at a time.")
        try:
            first, last = _eastern(query.get("fromdate")), _eastern(query.get("todate"))
        except ValueError:
            return _refuse(422, 700, "Parameters 'fromdate' and 'todate' must be dates.")
        now, name = time.monotonic() - self.lag_s, next(iter(wanted), "")
        found = [
            sent
            for sent in self._sent
            if sent.shows_at <= now
            and (not name or sent.about.get(name) == wanted[name])
            and (first is None or sent.received >= first)
            and (last is None or sent.received < last + timedelta(seconds=1))
        ]
        page = found[::-1][offset : offset + count]
        return Reply.json(200, {"TotalCount": len(found), "Messages": [self._shown(sent) for sent in page]})

    def _shown(self, sent: _Sent) -> dict[str, Any]:
        return {
            "MessageID": sent.message_id,
            "MessageStream": self._stream,
            "To": [{"Email": sent.to, "Name": None}],
            "Recipients": [sent.to],
            "ReceivedAt": sent.received.astimezone(EASTERN).isoformat(),
            "Subject": sent.subject,
            "Status": "Sent",
            "Metadata": sent.about,
        }


def _state(bulk: _Bulk) -> dict[str, Any]:
    done = time.monotonic() >= bulk.at
    total = bulk.released + bulk.failed
    return {
        "Id": bulk.id,
        "SubmittedAt": bulk.submitted,
        "Status": "Completed" if done else "Processing",
        "TotalMessages": total,
        "PercentageCompleted": 100.0 if done else 0.0,
        "ReleasedCount": bulk.released if done else 0,
        "FailedCount": bulk.failed if done else 0,
    }


def _address(text: str) -> str | None:
    """Give the address of a mailbox; None where it is none."""
    named = _NAMED.fullmatch(text)
    address = named[1] if named else text.strip()
    return address if _MAILBOX.fullmatch(address) else None


def _unparseable(text: str) -> str | None:
    """Tell what its template language, Mustachio, finds wrong."""
    for match in _TOKEN.finditer(text):
        path = (match[1] or match[2]).strip()
        if not _PATH.fullmatch(path):
            return f"The path '{path}' is not valid. Please see documentation for examples of valid paths."
    return None


def _filled(text: str, model: Mapping[str, Any]) -> str:
    """Fill in the variables: two braces escape for HTML, here in every part; one without a value is left out."""

    def value(match: re.Match[str]) -> str:
        found = str(model.get((match[1] or match[2]).strip(), ""))
        return html.escape(found) if match[1] else found

    return _TOKEN.sub(value, text)


def _eastern(text: str | None) -> datetime | None:
    """Read a date of a search: it is in Eastern time, inclusive and to the second."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=EASTERN)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def _error(code: int, words: str) -> dict[str, Any]:
    return {"ErrorCode": code, "Message": words}


def _refuse(status: int, code: int, words: str, **more: Any) -> Reply:
    return Reply.json(status, {**_error(code, words), **more}, X_PM_ApiErrorCode=str(code))
