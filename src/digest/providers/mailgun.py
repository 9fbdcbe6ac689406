"""Mailgun (https://www.mailgun.com): the body goes once, and a thousand recipients' values beside it.

Sources, read in November 2026, under https://documentation.mailgun.com/docs/mailgun:
user-manual/sending-messages/batch-sending, api-reference/send/mailgun/messages (fields and limits),
api-reference/send/mailgun/events and user-manual/events/event-polling (asking), api-reference/authentication (what a
domain sending key may do), quickstart-guide/responses (errors). Besides: 420 and its words,
https://github.com/mailgun/mailgun-java/issues/50; probation, https://github.com/TryGhost/Ghost/issues/15725.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite
from time import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from pydantic import Field, SecretStr

from digest.providers import calls
from digest.providers.calls import HttpProvider
from digest.providers.hooks.mailgun import Options as HookOptions
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Found,
    Message,
    Proof,
    ProviderError,
    QuotaError,
    Recipient,
    Said,
    Segments,
    TryAgainError,
    UncertainError,
)
from digest.providers.merging import GREETING_HTML, NAMES, Dialect
from digest.providers.mime import mailbox
from digest.providers.options import HttpOptions, Url

HOUR_S = 3600.0
ASK_S = 23 * HOUR_S
"""The shortest time any plan keeps events is a day; an hour of it is left for the clocks."""
SETTLING_S = 1800.0
"""Its page on event polling calls what is half an hour old trustworthy, and nothing younger."""
PAGE, PAGES = 300, 100
SYNTAX = Dialect(
    lambda name: f"%recipient.{name}%", re.compile(r"%(?=recipient|unsubscribe_|tag_unsubscribe_|mailing_list_)", re.I)
)
NOT_IN_A_LIST = '\r\n\0 <>()[]\\"; '
"""What an address may not have in it: in a list joined with commas it could end one address and begin another."""
_ADDRESS = re.compile(r"[^\s<>\"',;:()\[\]]+@[^\s<>\"',;:()\[\]]+")
_ABOUT_RECIPIENTS = re.compile(r"\bto\b['\"]? (?:parameter|field|address)|recipients?\b(?!-)", re.I)
_ABOUT_THE_SENDER = re.compile(r"\bfrom\b|\bsender\b", re.I)
_ABOUT_THE_ACCOUNT = re.compile(r"not allowed to send|for test purposes only|\baccount\b", re.I)
_AGAIN_AFTER = re.compile(r"try again after (.+?(?:UTC|GMT|[+-]\d{4}))", re.I)


class Options(HttpOptions, HookOptions):
    """What may be set about Mailgun."""

    domain: str = Field(
        pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", description="The sending domain, such as mg.example.com."
    )
    key: SecretStr = Field(description="An API key of the account, which may also read the domain's events.")
    url: Url = Field("https://api.mailgun.net", description="Where its API is; https://api.eu.mailgun.net in the EU.")
    events: bool = Field(
        True, description="Whether the key may read events. A domain sending key may not: uncertain batches are held."
    )
    copies_a_call: int = Field(
        1000, ge=1, le=1000, description="Copies a call at most; 10 while Mailgun has you on probation."
    )
    tag: str = Field(
        "digest",
        max_length=128,
        pattern=r"^[ -~]*$",
        description="The tag of all mail in Mailgun's reports; empty is none.",
    )


def connect(options: Options) -> Mailgun:
    """Make the provider."""
    return Mailgun(options)


class Mailgun(HttpProvider):
    """Hands over by `POST /v3/{domain}/messages`, whole or not at all, and asks by the events of a Message-Id."""

    name = "mailgun"
    unused = frozenset({"message"})

    def __init__(self, options: Options) -> None:
        super().__init__(options, options.url, headers={}, auth=("api", options.key.get_secret_value()))
        self._domain, self._tag = options.domain.lower(), options.tag
        self.account = f"{self._domain} at {self._client.base_url.host}"
        self.limit = options.copies_a_call
        settling_s = options.settling_s or SETTLING_S
        reads = Proof(ask_s=ASK_S, settling_s=settling_s, whole=True, recall_s=ASK_S)
        self.proof = reads if options.events else Proof()
        self._encoded: tuple[Message, Form] | None = None

    async def open(self, *, begin: bool) -> None:
        """Find out that the key and the domain are right, and that events can be read, before they are needed.

        Raises:
            AccountError: they are not.
        """
        if not self.proof.ask_s:
            return
        try:
            await self._events(self._path("events"), {"begin": int(time()), "ascending": "no", "limit": 1})
        except AccountError as error:
            raise AccountError(f"its events cannot be read (see mailgun.events): {error}") from error
        except ProviderError:
            # A hiccup of the events says nothing of sending, which tells its own errors.
            return

    async def hand_over(self, batch: Batch) -> Answer:
        """Hand over; the answer has one id, the Message-Id that all copies of the call share."""
        if self._encoded is None or self._encoded[0] is not batch.message:
            self._encoded = (batch.message, Form(batch.message, self._domain, self._tag))
        form = self._encoded[1]
        response = await self.call(
            "POST", self._path("messages"), content=form.fill(batch), headers={"Content-Type": form.content_type}
        )
        if not response.is_success:
            raise _error(response, batch.recipients)
        data = calls.json_of(response)
        if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"].strip("<> "):
            raise UncertainError(f"an answer without an id: {calls.excerpt(response)}")
        return Answer(message_ids=[data["id"].strip("<> ")])

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        """Look for any event of the batch's Message-Id: one, whatever it says, proves that the call was accepted."""
        wanted, strangers, path = message_id(batch, self._domain), False, self._path("events")
        # An hour for the clocks. Without an end, a direction has to be given.
        begin = int((batch.date - timedelta(seconds=HOUR_S)).timestamp())
        params: dict[str, str | int] = {"message-id": wanted, "begin": begin, "ascending": "yes", "limit": PAGE}
        for _ in range(PAGES):
            items, following = await self._events(path, params)
            if not items:
                break
            found = [_message_id_of(item) for item in items]
            if wanted in found:
                return dict.fromkeys((recipient.subscriber for recipient in batch.recipients), wanted)
            strangers = strangers or None in found
            path, params = following, {}
        else:
            raise UncertainError(f"more than {PAGES} pages of events that were not asked for")
        if strangers:
            raise UncertainError("events without a message-id: they may be the batch's own")
        return {}

    async def probe(self) -> Said:
        """Ask for the domain's state: `GET /v4/domains/{name}`. A key for sending alone may not read it.

        https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/domains
        """
        response = await self.call("GET", f"/v4/domains/{self._domain}")
        if response.status_code in (401, 403) and not self.proof.ask_s:
            raise UncertainError("a domain sending key (mailgun.events is off) may not be asked about")
        if response.status_code == 404:
            raise AccountError(f"the account has no domain {self._domain}; are mailgun.domain and mailgun.url right?")
        domain = calls.said_in(response, self.name).get("domain")
        state = domain.get("state") if isinstance(domain, dict) else None
        if state == "disabled" or (isinstance(domain, dict) and domain.get("is_disabled")):
            raise AccountError(f"the domain {self._domain} is disabled")
        doubts = (
            () if state == "active" else (f"the domain {self._domain} is {state}: its DNS records are not verified",)
        )
        return Said(f"the domain {self._domain} is {state}", doubts)

    async def recall(self, since: datetime) -> AsyncGenerator[Sequence[Found], None]:
        """List the domain's events of the kind ``accepted``, oldest first: there is one for each copy.

        Each has the recipient and the variables of its copy (https://documentation.mailgun.com/docs/mailgun/user-manual/
        events/event-structure); the pages go on until one is empty, 300 at most on each.
        """
        begin = int((since - timedelta(seconds=HOUR_S)).timestamp())
        path = f"{self._path('events')}?event=accepted&begin={begin}&ascending=yes&limit={PAGE}"
        while True:
            items, following = _page(await self.look(path))
            yield [_found(item) for item in items]
            if not items:
                return
            if following == path:
                raise UncertainError("a page of events that leads to itself")
            path = following

    async def _events(self, path: str, params: Mapping[str, str | int]) -> tuple[list[Any], str]:
        """Give a page of events, and the way to the next."""
        response = await self.call("GET", path, params=params or None)
        if not response.is_success:
            raise _error(response, ())
        return _page(calls.json_of(response))

    def _path(self, leaf: str) -> str:
        return f"/v3/{self._domain}/{leaf}"


def message_id(batch: Batch, domain: str) -> str:
    """Name a call: all its copies have this Message-Id, and by it the events are found again."""
    return f"{batch.idempotency_key}.batch@{domain}"


def _page(data: Any) -> tuple[list[Any], str]:
    """Read a page of events, and the way to the next."""
    try:
        items, following = data["items"], urlsplit(data["paging"]["next"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UncertainError(f"an answer without events: {str(data)[:200]}") from None
    if not isinstance(items, list) or not re.match("/[^/]", str(following.path)):
        raise UncertainError(f"an answer without events: {str(data)[:200]}")
    # Only the way is taken from it, never the host: the key goes nowhere else.
    return items, f"{following.path}?{following.query}" if following.query else str(following.path)


def _found(item: Any) -> Found:
    try:
        headers, variables = item["message"]["headers"], item.get("user-variables") or {}
        copy = variables.get("copy") if isinstance(variables, dict) else None
        return Found(
            str(item["recipient"]),
            str(headers.get("subject") or ""),
            datetime.fromtimestamp(float(item["timestamp"]), UTC),
            (str(copy),) if copy else (),
            str(headers.get("message-id") or "").strip("<> ") or None,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UncertainError(f"an event that makes no sense: {str(item)[:200]}") from None


def _message_id_of(item: Any) -> str | None:
    try:
        return str(item["message"]["headers"]["message-id"]).strip("<> ").lower()
    except (KeyError, TypeError):
        return None


class Form:
    """A message as ``multipart/form-data`` (RFC 7578), encoded but for what each call has of its own."""

    def __init__(self, message: Message, domain: str, tag: str) -> None:
        headers = {name: value for name, value in message.headers.items() if name.lower() != "message-id"}
        parts = (message.html, message.text, *headers.values())
        places = {place for part in parts for place in part.places}
        if "message" in places:
            raise BadCallError("the place `message` can only be in the Message-ID", shared=True)
        self._domain = domain
        self._places = [place for place in NAMES if place in places]
        self._escapes = "greeting" in message.html.places
        self._in_headers = [place for place in NAMES if any(place in value.places for value in headers.values())]
        fields = {
            "from": mailbox(_plain(message.sender_name), message.sender_address),
            "subject": _plain(message.subject),
            "o:tracking": "no",
            "o:tracking-opens": "no",
            "o:tracking-clicks": "no",
        }
        fields |= {f"h:{name}": SYNTAX.text(value) for name, value in headers.items()}
        if message.reply_to:
            fields["h:Reply-To"] = message.reply_to
        if "token" in places:
            fields["v:copy"] = SYNTAX.spell(NAMES["token"])
        if tag:
            fields["o:tag"] = tag
        for name, value in fields.items():
            if "\r" in value or "\n" in value or not re.fullmatch(r"[A-Za-z0-9:-]+", name):
                raise BadCallError(f"{name} has a line break in it, or a name that cannot be", shared=True)
        bodies = {"html": SYNTAX.html(message.html), "text": SYNTAX.text(message.text)}
        content = "\0".join((*bodies.values(), *fields.values())).encode()
        self._boundary = b"digest-" + hashlib.sha256(content).hexdigest()[:32].encode()
        self.content_type = f"multipart/form-data; boundary={self._boundary.decode()}"
        self._shared = b"".join(self._field(name, value.encode()) for name, value in (bodies | fields).items())

    def fill(self, batch: Batch) -> bytes:
        """Give the body of a call.

        Raises:
            BadCallError: an address or a value in it could not be told from what stands beside it.
        """
        addresses = [recipient.address for recipient in batch.recipients]
        everybody = ",".join(addresses)
        if everybody.count(",") != len(addresses) - 1 or any(mark in everybody for mark in NOT_IN_A_LIST):
            raise _misleading(batch.recipients)
        # Of two it takes for one it would mail only the first; halves part them.
        if len({address.casefold() for address in addresses}) != len(addresses):
            raise BadCallError("two copies of the call have the same address, but for upper and lower case")
        return b"".join(
            (
                self._shared,
                self._field("v:batch", batch.idempotency_key.encode()),
                self._field("h:Message-Id", f"<{message_id(batch, self._domain)}>".encode()),
                self._field("to", everybody.encode()),
                # Never without: everyone would see the whole list.
                self._field("recipient-variables", self._variables(addresses, batch.recipients)),
                b"--%b--\r\n" % self._boundary,
            )
        )

    def _variables(self, addresses: list[str], recipients: Sequence[Recipient]) -> bytes:
        # By columns: a call of a thousand is built in half the time that one recipient after the other takes.
        values = [recipient.values for recipient in recipients]
        columns = {NAMES[place]: [own[place] for own in values] for place in self._places}
        for place in self._in_headers:
            together = "".join(columns[NAMES[place]])
            if "\r" in together or "\n" in together:
                raise _breaking(recipients, place)
        if self._escapes:
            columns[GREETING_HTML] = _escaped(columns[NAMES["greeting"]])
        variables: list[dict[str, str]] = [{} for _ in values]
        for name, column in columns.items():
            for own, value in zip(variables, column, strict=True):
                own[name] = value
        return orjson.dumps(dict(zip(addresses, variables, strict=True)))

    def _field(self, name: str, value: bytes) -> bytes:
        head = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n' % (self._boundary, name.encode("ascii"))
        return b"%b%b\r\n" % (head, value)


def _plain(text: str) -> str:
    return SYNTAX.text(Segments((text,)))


def _escaped(texts: list[str]) -> list[str]:
    """Escape texts for HTML, all at once."""
    found = html.escape("\0".join(texts)).split("\0")
    return found if len(found) == len(texts) else [html.escape(text) for text in texts]


def _misleading(recipients: Sequence[Recipient]) -> BadCallError:
    reason = "the address has a character in it that cannot be in Mailgun's list of addresses"
    bad = [one.subscriber for one in recipients if set(one.address) & {",", *NOT_IN_A_LIST}]
    return BadCallError(reason, rejected=dict.fromkeys(bad, reason))


def _breaking(recipients: Sequence[Recipient], place: str) -> BadCallError:
    reason = f"a header cannot have a line break in its {place}"
    bad = [one.subscriber for one in recipients if set("\r\n") & set(one.values[place])]
    return BadCallError(reason, rejected=dict.fromkeys(bad, reason))


def _error(response: httpx.Response, recipients: Sequence[Recipient]) -> ProviderError:
    found = calls.error_body(response)
    words = str(found.get("message", ""))
    reason = calls.told(response, words)
    match response.status_code:
        case 401 | 402 | 403:
            return AccountError(reason)
        case 301 | 307 | 308 | 404 | 405:
            return AccountError(f"{reason}; are mailgun.domain and mailgun.url right?")
        case 420:
            wait = _wait_s(response, found)
            return QuotaError(reason) if wait is None else TryAgainError(reason, after_s=wait)
        case 429:
            return TryAgainError(reason, after_s=_wait_s(response, found))
        case 503 if words:
            return TryAgainError(reason, after_s=_wait_s(response, found))
        case 400 if _ABOUT_THE_ACCOUNT.search(words):
            return AccountError(reason)
        case 400:
            return _bad_call(reason, words, recipients)
        case 413:
            return BadCallError(reason, shared=True)
        case _:
            return UncertainError(reason)


def _bad_call(reason: str, words: str, recipients: Sequence[Recipient]) -> BadCallError:
    named = {address.strip(".").casefold() for address in _ADDRESS.findall(words)}
    bad = [one.subscriber for one in recipients if one.address.casefold() in named]
    if bad and not _ABOUT_THE_SENDER.search(words):
        return BadCallError(reason, rejected=dict.fromkeys(bad, reason))
    # Of an unknown cause all copies would be refused one by one: better that a person reads it.
    return BadCallError(reason, shared=not _ABOUT_RECIPIENTS.search(words))


def _wait_s(response: httpx.Response, found: Mapping[str, Any]) -> float | None:
    """Find the seconds to wait: it has told them in four ways, of which none is documented for this call."""
    if (wait := calls.retry_after(response)) is not None:
        return wait
    for value in (response.headers.get("x-ratelimit-reset"), found.get("retry-seconds")):
        try:
            number = float(value or "")
        except (TypeError, ValueError):
            continue
        if isfinite(number):
            # As a moment since 1970, in seconds or in thousandths, or as a length.
            moment = number / 1000 if number > 1e11 else number
            return max(0.0, moment - time() if moment > 1e9 else moment)
    if date := _AGAIN_AFTER.search(str(found.get("message", ""))):
        try:
            return max(0.0, parsedate_to_datetime(date[1]).timestamp() - time())
        except ValueError:
            return None
    return None
