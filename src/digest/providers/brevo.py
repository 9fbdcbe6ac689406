"""Brevo (https://www.brevo.com), once Sendinblue: a hundred whole messages a call, under an idempotency key.

Sources, read in November 2026: https://developers.brevo.com/reference/send-transac-email,
https://developers.brevo.com/docs/batch-send-transactional-emails,
https://developers.brevo.com/docs/heterogenous-versions-batch-emails (the key, 30 minutes),
https://github.com/getbrevo/brevo-node/issues/94 (the key, measured: where it stands, and what a second call is told),
https://developers.brevo.com/reference/get-transac-emails-list, https://developers.brevo.com/docs/limit-headers,
https://developers.brevo.com/docs/api-limits, https://developers.brevo.com/docs/how-it-works (errors),
https://anymail.dev/en/stable/esps/brevo/ (headers of a version, no tracking options, Message-ID),
https://github.com/sendinblue/APIv3-ruby-library/issues/67 (values are escaped).
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import httpx
from pydantic import Field, SecretStr

from digest.providers import calls
from digest.providers.calls import HttpProvider
from digest.providers.hooks.brevo import Options as HookOptions
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Found,
    Message,
    NotAcceptedError,
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
from digest.providers.options import HttpOptions, Url
from digest.providers.wire import Form, array, body, escaped, hole, inside

Mode = Literal["bodies", "merge"]
COPIES: dict[Mode, int] = {"bodies": 100, "merge": 1000}
"""Of whole bodies of 75 KB, a hundred are 8 MB; of values, Brevo takes a thousand."""
REPLAY_S = 25 * 60
"""It keeps a key for 30 minutes; five of them are left for the clocks and for the call itself."""
ASK_S = 29 * 24 * 3600
"""Its log goes back 30 days without being told more."""
SETTLING_S = 180
ROWS, MOST_DAYS = 2500, 90
LOOK_EVERY_S = 5.0
LONGEST_WAIT_S = 3600.0
CLOCKS = timedelta(minutes=10)
BREAK = "a value with a line break cannot stand in a header"
OWN_HEADERS = frozenset({"message-id"})
"""What Brevo writes itself."""
_SYNTAX = re.compile(r"\{(?=[{%#])")
_HOLES = {name: place for place, name in NAMES.items()} | {GREETING_HTML: "greeting:html"}
_WHOLE = Dialect(lambda name: hole(_HOLES[name]), _SYNTAX)
_MERGED = Dialect(lambda name: "{{params." + name + "}}", _SYNTAX)
_LOOK_ALIKE = str.maketrans(
    {"&": "\N{FULLWIDTH AMPERSAND}", "<": "‹", ">": "›", '"': "”", "'": "’", "{": "(", "}": ")"}
)
_SENDER = re.compile(r"\bsender\b", re.IGNORECASE)
_SHARED = re.compile(r"\b(subject|htmlContent|textContent|replyTo|tags|headers|params)\b", re.IGNORECASE)
_SPENT = re.compile(r"credits|quota|daily (sending )?limit", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s\"'<>,;:()\[\]]+@[^\s\"'<>,;:()\[\]]+")
_TWICE = ("duplicate_parameter", "duplicate_request")


class Options(HttpOptions, HookOptions):
    """What may be set about Brevo."""

    key: SecretStr = Field(description="The API key, xkeysib-…; not the one for SMTP.")
    url: Url = Field("https://api.brevo.com", description="Where its API is.")
    mode: Mode = Field(
        "bodies",
        description="bodies: each reader's message goes over whole. merge: the body once, and the readers' values"
        " beside it; try that with an account of your own before you rely on it.",
    )
    copies_a_call: int = Field(
        0, ge=0, le=1000, description="Copies in one call; 0 is 100 of bodies, and 1000 where values are merged."
    )
    confirm: bool = Field(
        True, description="Believe that a key was used by an accepted call only when Brevo's log shows a copy of it."
    )
    calls_a_second: float = Field(1.6, ge=0, description="Calls begun in a second; Brevo allows 100 a minute.")


def connect(options: Options) -> Brevo:
    """Make the provider."""
    return Brevo(options)


class _Encoded(NamedTuple):
    """A message made ready: what a call's versions share, one version, and a whole call for one reader."""

    message: Message
    shared: Form
    version: Form
    single: Form
    in_headers: frozenset[str]


class Brevo(HttpProvider):
    """Hands over by `POST /v3/smtp/email`, one message version for each reader."""

    name = "brevo"
    unused = frozenset({"message"})

    def __init__(self, options: Options) -> None:
        key = options.key.get_secret_value()
        super().__init__(options, options.url, headers={"api-key": key, "Content-Type": "application/json"})
        self.limit = options.copies_a_call or COPIES[options.mode]
        self.account = f"{self._client.base_url.host}, key {calls.fingerprint(key)}"
        self.proof = Proof(
            replay_s=REPLAY_S,
            ask_s=ASK_S,
            settling_s=options.settling_s or SETTLING_S,
            whole=True,
            recall_s=ASK_S,
            lists_all=False,
        )
        self._mode: Mode = options.mode
        self._confirm = options.confirm
        self._encoded: _Encoded | None = None

    async def hand_over(self, batch: Batch) -> Answer:
        """Hand over; the same key within 30 minutes mails nobody twice, and gives no ids again."""
        response = await self.call("POST", "/v3/smtp/email", content=self._body(batch))
        if response.status_code in (201, 202):
            return _answer(response, batch)
        if not _is_known(response):
            raise _error(response, batch)
        if self._confirm:
            await self._shown_in_time(batch)
        return Answer()

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        """Look for the batch in Brevo's log: one copy there proves that the whole call was accepted.

        Raises:
            UncertainError: the log does not show it, which alone does not prove that it was lost.
        """
        if await self._shown(batch):
            return dict.fromkeys(recipient.subscriber for recipient in batch.recipients)
        raise UncertainError("Brevo's log does not show it, which alone does not prove that it was lost")

    async def probe(self) -> Said:
        """Ask for the account and its plan (https://developers.brevo.com/reference/get-account)."""
        account = await self.says("/v3/account")
        plans = [plan for plan in account.get("plan") or [] if isinstance(plan, dict)]
        limits = [plan for plan in plans if plan.get("creditsType") == "sendLimit"]
        doubts = tuple(
            f"the plan {plan.get('type')} has no credits left" for plan in limits if plan.get("credits") in (0, 0.0)
        )
        left = ", ".join(f"{plan.get('type')}: {plan.get('credits')} credits left" for plan in limits)
        return Said(f"the key is right{f' ({left})' if left else ''}", doubts)

    async def recall(self, since: datetime) -> AsyncGenerator[Sequence[Found], None]:
        """List the events of the kind ``requests``, oldest first: there is one for each mail, with its subject.

        https://developers.brevo.com/reference/get-email-event-report: 2,500 a page, of whole days, of which it is not
        said in which zone. That it shows all is nowhere promised.
        """
        days = min(MOST_DAYS, (datetime.now(UTC) - since).days + 3)
        offset = 0
        while True:
            data = await self.look(
                "/v3/smtp/statistics/events",
                {"event": "requests", "days": days, "sort": "asc", "limit": ROWS, "offset": offset},
            )
            page = [_found(row) for row in (data.get("events") if isinstance(data, dict) else None) or []]
            yield page
            if not page:
                return
            offset += len(page)

    async def _shown_in_time(self, batch: Batch) -> None:
        """Wait until the log shows a copy of a batch whose key is known: a call that failed may have used it up.

        Raises:
            UncertainError: it does not.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + self.proof.settling_s
        while not await self._shown(batch):
            left = until - clock()
            if left <= 0:
                raise UncertainError("Brevo knows the key of this batch, but its log shows none of its copies")
            await asyncio.sleep(min(LOOK_EVERY_S, left))

    async def _shown(self, batch: Batch) -> bool:
        last = len(batch.recipients) - 1
        for place in sorted({0, last // 2, last}):
            recipient = batch.recipients[place]
            try:
                # Not by `params`, which would write the @ as %40: Brevo is said not to find that.
                query = f"email={quote(recipient.address, safe='@')}&sort=desc&limit=20"
                response = await self.call("GET", f"/v3/smtp/emails?{query}")
            except NotAcceptedError as error:
                # Nothing of the question was accepted; of the batch this says nothing.
                raise UncertainError(f"Brevo's log cannot be asked: {error}") from error
            if response.status_code != 200:
                found = calls.error_body(response)
                raise UncertainError(f"Brevo's log cannot be asked: {calls.told(response, found.get('message'))}")
            rows = calls.error_body(response).get("transactionalEmails")
            if any(_is_copy(row, recipient, batch) for row in (rows if isinstance(rows, list) else [])):
                return True
        return False

    def _body(self, batch: Batch) -> list[bytes]:
        if self._encoded is None or self._encoded.message is not batch.message:
            self._encoded = _encode(batch.message, self._mode)
        if broken := {
            recipient.subscriber: BREAK
            for recipient in batch.recipients
            if any(
                "\n" in recipient.values[place] or "\r" in recipient.values[place] for place in self._encoded.in_headers
            )
        }:
            raise BadCallError(BREAK, rejected=broken)
        key = batch.idempotency_key
        names = {"key": inside(str(uuid.UUID(hex=key))), "batch": inside(key)}
        if len(batch.recipients) == 1:
            return self._encoded.single.fill(_values(batch.recipients[0], "bodies") | names)
        pieces = self._encoded.shared.fill(names)
        pieces[-1] = pieces[-1].removesuffix(b"}") + b',"messageVersions":'
        version, mode = self._encoded.version, self._mode
        versions = array([version.fill(_values(recipient, mode) | names) for recipient in batch.recipients])
        return [*pieces, versions, b"}"]


def _found(row: Any) -> Found:
    try:
        date = datetime.fromisoformat(str(row["date"]))
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return Found(
            str(row["email"]), str(row.get("subject") or ""), date, (), str(row.get("messageId") or "") or None
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UncertainError(f"an event that makes no sense: {type(error).__name__} {error}") from None


def _encode(message: Message, mode: Mode) -> _Encoded:
    """Encode what can be; where there is one reader only, everything goes at the top, in both modes."""
    subject = _WHOLE.text(Segments((message.subject,)))
    sender = {"email": message.sender_address}
    if message.sender_name:
        sender["name"] = _WHOLE.text(Segments((message.sender_name,)))
    top: dict[str, Any] = {"sender": sender, "subject": subject}
    if message.reply_to:
        top["replyTo"] = {"email": message.reply_to}
    headers = {name: value for name, value in message.headers.items() if name.lower() not in OWN_HEADERS}
    if odd := [name for name, value in headers.items() if not "".join(value.texts).isascii()]:
        # It would send them as they are, and such mail may be lost on its way without a word.
        raise BadCallError(f"Brevo cannot write letters outside ASCII into the header {odd[0]}", shared=True)
    own = {
        **{name: body(value) for name, value in headers.items()},
        "X-Mailin-custom": json.dumps({"copy": hole("token"), "batch": hole("batch")}),
        "X-Mailin-Track": "0",
    }
    to = [{"email": hole("to")}]
    bodies = {"htmlContent": _WHOLE.html(message.html), "textContent": _WHOLE.text(message.text)}
    key = {"idempotencyKey": hole("key")}
    single = {**top, **bodies, "to": to, "headers": {**own, **key}}
    if mode == "bodies":
        # It must be there, and no version uses it. It has no token: nobody must ever be mailed another's.
        shared = {**top, "htmlContent": f"<p>{escaped(subject)}</p>", "textContent": subject, "headers": key}
        version = {"to": to, **bodies, "headers": own}
    else:
        merged = {"htmlContent": _MERGED.html(message.html), "textContent": _MERGED.text(message.text)}
        shared = {**top, **merged, "headers": key}
        version = {"to": to, "params": _parameters(message), "headers": own}
    in_headers = frozenset(place for value in headers.values() for place in value.places) | {"token"}
    return _Encoded(message, Form(shared), Form(version), Form(single), in_headers)


def _parameters(message: Message) -> dict[str, str]:
    names = {NAMES[place]: place for place in (*message.text.places, *message.html.places)}
    if "greeting" in message.html.places:
        names[GREETING_HTML] = "greeting"
    return {name: hole(place) for name, place in sorted(names.items())}


def _values(recipient: Recipient, mode: Mode) -> dict[str, bytes]:
    """Give what goes into the holes of one version.

    Whole bodies are searched for ``{{`` by Brevo, so a greeting must have none. Merged values may be escaped by it
    or not (it does not say), so a greeting is written with characters that look the same and need no escaping.
    """
    values = {name: inside(value) for name, value in recipient.values.items()}
    values["to"] = inside(recipient.address)
    greeting = recipient.values.get("greeting")
    if greeting is None:
        return values
    if mode == "merge":
        values["greeting"] = inside(greeting.translate(_LOOK_ALIKE))
        return values
    values["greeting:html"] = inside(escaped(greeting).replace("{", "&#123;"))
    if "{" in greeting:
        values["greeting"] = inside(_WHOLE.text(Segments((greeting,))))
    return values


def _answer(response: httpx.Response, batch: Batch) -> Answer:
    data = calls.json_of(response)
    found = data if isinstance(data, dict) else {}
    ids = found.get("messageIds") or [found.get("messageId")]
    if not isinstance(ids, list) or not all(isinstance(one, str) and one for one in ids):
        raise UncertainError(f"an answer without ids: {calls.excerpt(response)}")
    if len(ids) != len(batch.recipients):
        raise UncertainError(f"{len(ids)} ids for {len(batch.recipients)} messages")
    return Answer(message_ids=ids)


def _is_known(response: httpx.Response) -> bool:
    """Tell whether a call was refused because its key was used before."""
    found = calls.error_body(response)
    about_key = "idempoten" in str(found.get("message", "")).lower()
    return response.status_code in (400, 409) and found.get("code") in _TWICE and about_key


def _is_copy(row: Any, recipient: Recipient, batch: Batch) -> bool:
    """Tell whether a row of the log is the copy of this reader: by address, subject and time."""
    if not isinstance(row, dict):
        return False
    try:
        date = datetime.fromisoformat(str(row.get("date")))
    except ValueError:
        return False
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return (
        str(row.get("email")).lower() == recipient.address.lower()
        and _plain(str(row.get("subject"))) == _plain(batch.message.subject)
        and date >= batch.date - CLOCKS
    )


def _plain(subject: str) -> str:
    return " ".join(subject.replace("\N{WORD JOINER}", "").split())


def _error(response: httpx.Response, batch: Batch) -> ProviderError:
    found = calls.error_body(response)
    code, words = str(found.get("code") or ""), str(found.get("message") or "")
    reason = calls.told(response, code, words)
    match response.status_code, code:
        case (402, _) | (_, "not_enough_credits"):
            return QuotaError(reason)
        case 400 | 403 | 429, _ if _SPENT.search(words):
            return QuotaError(reason)
        case (401 | 403, _) | (_, "unauthorized" | "permission_denied" | "account_under_validation"):
            return AccountError(reason)
        case 404 | 405, _:
            return AccountError(f"{reason}; is brevo.url right?")
        case 429, _:
            return TryAgainError(reason, after_s=_until_reset(response))
        case 503, _ if code:
            return TryAgainError(reason, after_s=calls.retry_after(response))
        case 413, _:
            # Of one copy that is too large, it is the body that makes it so.
            return BadCallError(reason, shared=len(batch.recipients) == 1)
        case 400 | 406 | 422, _ if code not in _TWICE:
            return _bad_call(reason, words, batch)
        case _:
            # With a "duplicate" that does not name the key too: the first call may be still on its way.
            return UncertainError(reason)


def _bad_call(reason: str, words: str, batch: Batch) -> ProviderError:
    named = {address.lower().rstrip(".") for address in _ADDRESS.findall(words)}
    rejected = {recipient.subscriber: words for recipient in batch.recipients if recipient.address.lower() in named}
    if _SENDER.search(words):
        return AccountError(reason)
    if _SHARED.search(words):
        return BadCallError(reason, shared=True)
    return BadCallError(reason, rejected=rejected)


def _until_reset(response: httpx.Response) -> float | None:
    """Read `x-sib-ratelimit-reset`, which is in seconds from now."""
    reset = response.headers.get("x-sib-ratelimit-reset", "")
    return min(float(reset), LONGEST_WAIT_S) if reset.isdecimal() else calls.retry_after(response)
