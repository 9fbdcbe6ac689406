"""SendGrid (https://sendgrid.com): the body once, and a thousand readers' values beside it.

Sources, read in November 2026: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send,
https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors,
https://www.twilio.com/docs/sendgrid/for-developers/sending-email/personalizations,
https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits,
https://github.com/twilio/sendgrid-oai (tsg_mail_v3, tsg_email_activity_v3),
https://www.twilio.com/docs/sendgrid/for-developers/sending-email/getting-started-email-activity-api,
https://github.com/sendgrid/sendgrid-nodejs/issues/1098 and https://github.com/sendgrid/sendgrid-java/issues/779 (how
the activity is searched by a custom argument), https://github.com/anymail/django-anymail/issues/108 (Message-ID).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from pydantic import Field, SecretStr

from digest.providers import calls
from digest.providers.calls import HttpProvider
from digest.providers.hooks.sendgrid import Options as HookOptions
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Message,
    Proof,
    ProviderError,
    QuotaError,
    Said,
    Segments,
    TryAgainError,
    UncertainError,
)
from digest.providers.merging import GREETING_HTML, NAMES, Dialect
from digest.providers.options import HttpOptions, Url
from digest.providers.wire import Form, array, body, hole, inside, values_of

SETTLING_S = 900
ASK_S = 20 * 24 * 3600
"""The activity goes back 30 days."""
MOST_ROWS = 1000
LONGEST_WAIT_S = 3600.0
BREAK = "a value with a line break cannot stand in a header"
COPY, BATCH = "copy", "batch"
"""The custom arguments: in events they stand beside SendGrid's own fields, so they must not be named like one."""
UNTRACKED = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}
_TO = re.compile(r"personalizations\.(\d+)\.to(?:\.0(?:\.email)?)?")
_TWICE = re.compile(r"more than once|unique|duplicate", re.IGNORECASE)
_SHARED = re.compile(
    r"(?:personalizations\.\d+\.(?:headers|substitutions|custom_args|subject)"
    r"|from|reply_to|subject|content|headers|custom_args|tracking_settings)\b"
)
"""Fields that all copies of a call have alike, in value or in kind: where an error names one, no half is better."""
_SPENT = re.compile(r"credits? exceeded|messaging limits?", re.IGNORECASE)
_NEVER = re.compile(r"(?!)")


class Options(HttpOptions, HookOptions):
    """What may be set about SendGrid."""

    key: SecretStr = Field(description="The API key, SG.…; it needs “Mail Send”, and “Email Activity” for `activity`.")
    url: Url = Field(
        "https://api.sendgrid.com", description="Where its API is; https://api.eu.sendgrid.com for an EU subuser."
    )
    message_id: bool = Field(True, description="Give each copy a Message-ID of its own.")
    activity: bool = Field(
        False, description="Ask the Email Activity API, a paid add-on, what became of a call that broke."
    )
    activity_complete: bool = Field(
        False,
        description="Believe that a call which the activity does not show after `settling_s` was not accepted, and"
        " send it again. Off: a person decides.",
    )


def connect(options: Options) -> SendGrid:
    """Make the provider."""
    return SendGrid(options)


class _Encoded(NamedTuple):
    """A message made ready: what all copies share, one copy, and the places in that one's headers."""

    message: Message
    shared: Form
    copy: Form
    in_headers: tuple[str, ...]


class SendGrid(HttpProvider):
    """Hands over by `POST /v3/mail/send`, whole or not at all; it has no key against a second hand-over."""

    name = "sendgrid"
    limit = 1000

    def __init__(self, options: Options) -> None:
        key = options.key.get_secret_value()
        super().__init__(
            options, options.url, headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        )
        self.account = f"{self._client.base_url.host}, key {calls.fingerprint(key)}"
        self.unused = frozenset() if options.message_id else frozenset({"message"})
        self.proof = Proof(
            ask_s=ASK_S if options.activity else 0, settling_s=options.settling_s or SETTLING_S, whole=True
        )
        self._message_id, self._complete = options.message_id, options.activity_complete
        self._encoded: _Encoded | None = None

    async def hand_over(self, batch: Batch) -> Answer:
        """Hand over; the answer has one id for the whole call."""
        addresses = {recipient.address.lower() for recipient in batch.recipients}
        if len(addresses) < len(batch.recipients):
            # SendGrid refuses the call, or (it does not say) mails one of them only.
            raise BadCallError("an address stands in the call twice, which SendGrid does not take")
        response = await self.call("POST", "/v3/mail/send", content=self._body(batch))
        if response.status_code != 202:
            raise _error(response, batch)
        message_id = response.headers.get("x-message-id")
        if not message_id:
            raise UncertainError(f"HTTP 202 without the X-Message-Id that SendGrid gives: {calls.excerpt(response)}")
        return Answer(message_ids=(message_id,))

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        """Look for the batch in the email activity: one copy there proves that the whole call was accepted.

        That none is there proves nothing by itself: the activity may be behind, and a key that may not read it can
        get an empty answer too.

        Raises:
            UncertainError: it cannot be told.
        """
        rows = await self._search(f"(unique_args['{BATCH}']=\"{batch.idempotency_key}\")", MOST_ROWS)
        if not rows:
            if not self._complete:
                raise UncertainError("the email activity does not show it, which alone does not prove that it was lost")
            if not await self._search(f'from_email="{batch.message.sender_address}"', 1):
                raise UncertainError("the email activity shows nothing of this sender; may the key read it?")
            return {}
        try:
            ids = {str(row["to_email"]).lower(): str(row["msg_id"]) for row in rows}
            first = str(rows[0]["msg_id"])
        except (KeyError, TypeError):
            raise UncertainError("the email activity has rows without an address or an id") from None
        # A search whose query was not understood could give any messages: one is looked at closely.
        detail = await self.call("GET", f"/v3/messages/{quote(first, safe='')}")
        if detail.status_code != 200 or batch.idempotency_key not in detail.text:
            raise UncertainError(calls.told(detail, "the email activity answered with another batch's message"))
        return {recipient.subscriber: ids.get(recipient.address.lower()) for recipient in batch.recipients}

    async def probe(self) -> Said:
        """Ask what the key may do.

        https://www.twilio.com/docs/sendgrid/api-reference/api-key-permissions/retrieve-a-list-of-scopes-for-which-this-user-has-access
        """
        response = await self.call("GET", "/v3/scopes")
        if response.status_code in (401, 403):
            raise AccountError(calls.told(response, "; ".join(words for _, words in _errors(response))))
        scopes = calls.said_in(response, self.name).get("scopes") or []
        if "mail.send" not in scopes:
            raise AccountError("the key may not send mail: give it “Mail Send”")
        reads = any(str(scope).startswith("messages.read") for scope in scopes)
        doubts = ("sendgrid.activity is on, and the key may not read the email activity",)
        return Said("the key may send mail", doubts if self.proof.ask_s and not reads else ())

    async def _search(self, query: str, limit: int) -> list[Any]:
        response = await self.call("GET", "/v3/messages", params={"query": query, "limit": limit})
        rows = calls.error_body(response).get("messages")
        if response.status_code != 200 or not isinstance(rows, list):
            words = "; ".join(message for _, message in _errors(response))
            raise UncertainError(f"the email activity cannot be asked: {calls.told(response, words)}")
        return rows

    def _body(self, batch: Batch) -> list[bytes]:
        if self._encoded is None or self._encoded.message is not batch.message:
            self._encoded = _encode(batch.message, message_id=self._message_id)
        _, shared, copy, in_headers = self._encoded
        if broken := {
            recipient.subscriber: BREAK
            for recipient in batch.recipients
            if any("\n" in recipient.values[place] or "\r" in recipient.values[place] for place in in_headers)
        }:
            raise BadCallError(BREAK, rejected=broken)
        pieces = shared.fill({BATCH: inside(batch.idempotency_key)})
        pieces[-1] = pieces[-1].removesuffix(b"}") + b',"personalizations":'
        return [*pieces, array([copy.fill(values_of(recipient)) for recipient in batch.recipients]), b"}"]


def _encode(message: Message, *, message_id: bool) -> _Encoded:
    dialect = _dialect(message)
    sender = {"email": message.sender_address}
    if message.sender_name:
        sender["name"] = message.sender_name
    shared: dict[str, Any] = {
        "from": sender,
        "subject": message.subject,
        "content": [
            {"type": "text/plain", "value": dialect.text(message.text)},
            {"type": "text/html", "value": dialect.html(message.html)},
        ],
        "tracking_settings": UNTRACKED,
    }
    if message.reply_to:
        shared["reply_to"] = {"email": message.reply_to}
    # At the end: what stands before the last hole is never copied.
    shared["custom_args"] = {BATCH: hole(BATCH)}
    values = {NAMES[place]: place for place in (*message.text.places, *message.html.places)}
    if "greeting" in message.html.places:
        values[GREETING_HTML] = "greeting:html"
    # All headers go with each copy: it is not told whether those of the call are still used beside a copy's own.
    headers = {name: value for name, value in message.headers.items() if message_id or name.lower() != "message-id"}
    copy = {
        "to": [{"email": hole("to")}],
        "substitutions": {dialect.spell(name): hole(place) for name, place in sorted(values.items())},
        "headers": {name: body(value) for name, value in headers.items()},
        "custom_args": {COPY: hole("token")},
    }
    return _Encoded(message, Form(shared), Form(copy), _places(headers))


def _places(headers: Mapping[str, Segments]) -> tuple[str, ...]:
    return tuple(sorted({place for value in headers.values() for place in value.places}))


def _dialect(message: Message) -> Dialect:
    """Choose tags that stand nowhere in the message, the same ones for the same message.

    SendGrid replaces a tag wherever it stands, whatever it looks like; so what an author wrote need not be changed.
    """
    texts = (message.subject, message.sender_name, *message.html.texts, *message.text.texts)
    content = "\0".join(texts).encode()
    for number in count():
        mark = f"-digest-{hashlib.sha256(b'%d|%b' % (number, content)).hexdigest()[:8]}-"
        if mark.encode() not in content:
            break
    return Dialect(lambda name: f"{mark}{name}-", _NEVER)


def _errors(response: httpx.Response) -> list[tuple[str, str]]:
    """Give the fields and messages of an error's answer; none where it is not SendGrid's own."""
    found = calls.error_body(response).get("errors")
    entries = found if isinstance(found, list) else []
    return [
        (str(entry.get("field") or ""), str(entry.get("message") or "")) for entry in entries if isinstance(entry, dict)
    ]


def _error(response: httpx.Response, batch: Batch) -> ProviderError:
    errors = _errors(response)
    words = "; ".join(f"{message} ({field})" if field else message for field, message in errors)
    reason = calls.told(response, words)
    match response.status_code:
        case 401 | 403 | 429 if _SPENT.search(words):
            return QuotaError(reason)
        case 401 | 403:
            return AccountError(reason)
        case 404 | 405:
            return AccountError(f"{reason}; is sendgrid.url right?")
        case 429:
            return TryAgainError(reason, after_s=_until_reset(response))
        case 503 if errors:
            return TryAgainError(reason, after_s=calls.retry_after(response))
        case 413:
            # Of one copy that is too large, it is the body that makes it so.
            return BadCallError(reason, shared=len(batch.recipients) == 1)
        case 400 | 406 | 415 | 422:
            return _bad_call(reason, errors, batch)
        case _:
            return UncertainError(reason)


def _bad_call(reason: str, errors: list[tuple[str, str]], batch: Batch) -> BadCallError:
    rejected: dict[int, str] = {}
    for field, message in errors:
        found = _TO.fullmatch(field)
        if found and int(found[1]) < len(batch.recipients) and not _TWICE.search(message):
            rejected[batch.recipients[int(found[1])].subscriber] = message
    if any(_SHARED.match(field) for field, _ in errors):
        return BadCallError(reason, shared=True)
    return BadCallError(reason, rejected=rejected)


def _until_reset(response: httpx.Response) -> float | None:
    """Read `X-RateLimit-Reset`, a moment in seconds since 1970, against SendGrid's own clock where it tells that."""
    reset = response.headers.get("x-ratelimit-reset", "")
    if not reset.isdecimal() or len(reset) > 12:
        return calls.retry_after(response)
    try:
        now = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        now = time.time()
    return min(max(0.0, int(reset) - now), LONGEST_WAIT_S)
