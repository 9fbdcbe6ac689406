"""Postmark (https://postmarkapp.com): whole messages, or one body with variables, and a search that proves what it has.

It has no idempotency key: each copy carries the batch's key and its own name as metadata, by which it is found again.

Sources, read in November 2026: https://postmarkapp.com/developer/api/email-api, …/bulk-email, …/messages-api (search)
and …/overview (error codes); https://postmarkapp.com/support/article/1077-template-syntax and
https://github.com/ActiveCampaign/mustachio (variables), https://postmarkapp.com/support/article/1125-custom-metadata-faq,
…/1180-what-does-errorcode-300-mean and …/1289-how-does-the-retention-add-on-work.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx
import orjson
from pydantic import Field, SecretStr

from digest.providers import calls
from digest.providers.calls import HttpProvider
from digest.providers.hooks.postmark import Options as HookOptions
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
from digest.providers.merging import Dialect, used
from digest.providers.mime import mailbox
from digest.providers.options import HttpOptions, Url
from digest.providers.wire import Form, array, body, hole, values_of

DAY_S = 24 * 3600
MOST_BYTES = 50_000_000
"""What a call may weigh; "50 MB" is read as the smaller of its two meanings."""
LIMITS = {"batch": 250, "bulk": 5_000}
"""Copies a call. Batch takes 500, but an issue of 100 kB would fill the 50 MB; bulk takes any number, but a search
shows 10,000 copies at most."""
SETTLING_S = {"batch": 120, "bulk": 600}
"""How long the search may lag behind; nobody says. Bulk mail is let go bit by bit, see `Postmark.ask`."""
PAGE, SEARCHABLE = 500, 10_000
PAGES = 500
"""Pages of 20 bulk requests, newest first, after which none can be found that is new enough."""
ZONES = timedelta(hours=6)
"""How far a time in the zone of its search may be from UTC: Eastern time is four or five hours behind."""
CLOCKS = timedelta(hours=1)
"""How far their clock may be from ours."""

MUSTACHIO = Dialect(lambda name: "{{{" + name + "}}}", re.compile(r"\{(?=\{)"))
"""Three braces never escape, in HTML or in text; two do in HTML, and nobody says whether they do in text."""

_ACCOUNT = frozenset({10, 14, 400, 401, 412, 413, 422, 1226, 1235, 1236, 1480})
"""A wrong token, no approval (for bulk, for sending), an unknown sender or stream, an address not on the allow list."""
_PASSING = frozenset({100, 429})
_CREDITS = 405
_INVALID, _INACTIVE, _TOO_MANY = 300, 406, 410
_LOST = 101
"""Their own failure: "in most cases the message is lost"; in the others it is not."""

_TO = re.compile(r"Invalid 'To' address: '(.+)'\.?")
_INACTIVE_LIST = re.compile(r"inactive addresses: (.+?)\.?(?: Inactive|$)")
_SHARED = re.compile(
    r"'(?:From|ReplyTo|Subject|HtmlBody|TextBody|Headers?|Metadata|Tag|MessageStream|TrackLinks|TrackOpens|InlineCss)'"
    r"|\b(?:HtmlBody|TextBody)\b"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Options(HttpOptions, HookOptions):
    """What may be set about Postmark."""

    token: SecretStr = Field(description="The server's API token, from its API Tokens tab.")
    stream: str = Field("broadcast", min_length=1, description="The broadcast stream the mail goes by: its ID.")
    letters_stream: str = Field(
        "outbound", min_length=1, description="The transactional stream that letters, such as confirmations, go by."
    )
    mode: Literal["batch", "bulk"] = Field(
        "batch", description="batch: whole messages. bulk: the body once; Postmark has to allow it for the account."
    )
    kept_days: int = Field(
        7, ge=2, le=365, description="Days the account keeps messages: 45, unless the Retention Add-on says otherwise."
    )
    url: Url = Field("https://api.postmarkapp.com", description="Where its API is.")

    def for_letters(self) -> Self:
        """Letters answer what one person did: Postmark wants such mail on a transactional stream, which has no bulk."""
        return self.model_copy(update={"stream": self.letters_stream, "mode": "batch"})


def connect(options: Options) -> Postmark:
    """Make the provider."""
    return Postmark(options)


class Postmark(HttpProvider):
    """Hands over by `POST /email/batch` or `/email/bulk`, and asks by `GET /messages/outbound`."""

    name = "postmark"

    def __init__(self, options: Options) -> None:
        # A line break from a file with the token would stand in httpx's complaint about it.
        token = options.token.get_secret_value().strip()
        headers = {"X-Postmark-Server-Token": token, "Accept": "application/json", "Content-Type": "application/json"}
        super().__init__(options, options.url, headers=headers)
        self._stream, self._bulk = options.stream, options.mode == "bulk"
        self.limit = LIMITS[options.mode]
        # A search is by server and stream; and one copy seen proves a whole call in bulk mode only.
        where = f"{self._client.base_url.host}, stream {options.stream}, {options.mode}"
        self.account = f"{where}, token {calls.fingerprint(token)}"
        self.proof = Proof(
            # A day is left for what "a day" means to them.
            ask_s=(options.kept_days - 1) * DAY_S,
            settling_s=options.settling_s or SETTLING_S[options.mode],
            whole=self._bulk,
            recall_s=(options.kept_days - 1) * DAY_S,
        )
        self._encoded: tuple[Message, bytes, Form] | None = None

    async def hand_over(self, batch: Batch) -> Answer:
        """Hand over. In batch mode each copy is answered for itself, in bulk mode all are taken or none."""
        content = self._body(batch)
        response = await self.call("POST", "/email/bulk" if self._bulk else "/email/batch", content=content)
        if not response.is_success:
            raise _error(response, batch)
        data = calls.json_of(response)
        return _bulk_answer(response, data) if self._bulk else _batch_answer(response, data, batch)

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        """Search for the batch's copies. A call in bulk mode may wait at Postmark: then it cannot say yet."""
        found = await self._search(batch)
        if self._bulk and not found:
            await self._rule_out_waiting(batch.date)
        return found

    async def recall(self, since: datetime) -> AsyncGenerator[Sequence[Found], None]:
        """List the mail of the stream, window by window of time: a search shows 10,000 at most.

        https://postmarkapp.com/developer/api/messages-api: newest first, 500 a page; its `fromdate` and `todate` are to
        the second and in Eastern time. Windows are given by a clock on the wall that may be of any zone, and begin and
        end hours too early and too late.
        """
        if self._bulk:
            await self._rule_out_waiting(since)
        windows = [tuple(moment.astimezone(UTC).replace(tzinfo=None) for moment in (since - ZONES, _now() + ZONES))]
        while windows:
            first, last = windows.pop()
            shown: set[str] = set()
            total = first_total = offset = 0
            while True:
                data = await self.look(
                    "/messages/outbound",
                    {
                        "count": min(PAGE, SEARCHABLE - offset),
                        "offset": offset,
                        "messagestream": self._stream,
                        "fromdate": f"{first:%Y-%m-%dT%H:%M:%S}",
                        "todate": f"{last:%Y-%m-%dT%H:%M:%S}",
                    },
                )
                total, page = _listed(data)
                first_total = first_total or total
                if total > SEARCHABLE:
                    if last - first <= timedelta(seconds=1):
                        raise UncertainError(f"more than {SEARCHABLE} copies in a second, of which it shows no more")
                    middle = first + (last - first) // 2
                    windows += [(middle, last), (first, middle)]
                    break
                shown |= {one.message_id or "" for one in page}
                offset += len(page)
                yield page
                if not page or offset >= total:
                    if len(shown) < first_total:
                        raise UncertainError(f"the search shows {len(shown)} of {first_total} copies")
                    break

    async def probe(self) -> Said:
        """Ask for the server behind the token, and for the stream that mail goes by.

        https://postmarkapp.com/developer/api/server-api and …/message-streams-api.
        """
        server = await self.says("/server")
        stream = await self.call("GET", f"/message-streams/{quote(self._stream, safe='')}")
        if stream.status_code in (404, 422):
            raise AccountError(f"the server {server.get('Name')} has no stream {self._stream}: see postmark.stream")
        kind = calls.said_in(stream, self.name)
        doubts = []
        if server.get("DeliveryType") == "Sandbox":
            doubts.append("the server is a sandbox: it takes mail and delivers none")
        if kind.get("ArchivedAt"):
            doubts.append(f"the stream {self._stream} is archived")
        return Said(
            f"server {server.get('Name')}, stream {self._stream} ({kind.get('MessageStreamType')})", tuple(doubts)
        )

    async def _search(self, batch: Batch) -> dict[int, str | None]:
        wanted = {recipient.values["message"]: recipient.subscriber for recipient in batch.recipients}
        found: dict[int, str | None] = {}
        seen: set[str] = set()
        offset, first_total, total = 0, 0, 1
        while offset < total:
            response, data = await self._get(
                "/messages/outbound",
                {
                    "count": min(PAGE, SEARCHABLE - offset),
                    "offset": offset,
                    "messagestream": self._stream,
                    "metadata_batch": batch.idempotency_key,
                },
            )
            try:
                total, messages = int(data["TotalCount"]), list(data["Messages"])
                for message in messages:
                    about, message_id = message["Metadata"], str(message["MessageID"])
                    if about["batch"] != batch.idempotency_key:
                        raise UncertainError("the search shows copies of another batch: it did not look for this one's")
                    seen.add(message_id)
                    # The batch may be less than what was handed over: what is certain is not asked for.
                    if (subscriber := wanted.get(about["message"])) is not None:
                        found[subscriber] = message_id
            except (KeyError, TypeError, ValueError):
                raise UncertainError(f"a search that makes no sense: {calls.excerpt(response)}") from None
            if total > SEARCHABLE:
                raise UncertainError(f"a search shows {SEARCHABLE} copies at most, and there are {total}")
            first_total = first_total or total
            if not messages:
                break
            offset += len(messages)
        if len(seen) < first_total:
            raise UncertainError(f"the search shows {len(seen)} of {first_total} copies")
        return found

    async def _rule_out_waiting(self, moment: datetime) -> None:
        """Look whether one of the calls since a moment is still being worked: its copies show later."""
        since, key = moment - CLOCKS, ""
        for _ in range(PAGES):
            params: dict[str, str | int] = {"count": 20, **({"paginationKey": key} if key else {})}
            response, data = await self._get("/email/bulk", params)
            try:
                requests, key = list(data["Requests"]), str(data.get("PaginationKey") or "")
                for request in requests:  # newest first
                    if datetime.fromisoformat(request["SubmittedAt"]) < since:
                        return
                    if request["Status"] not in ("Completed", "Cancelled", "Failed"):
                        raise UncertainError(f"its bulk request {request['Id']} is still {request['Status']}")
            except (KeyError, TypeError, ValueError, AttributeError):
                raise UncertainError(f"a list that makes no sense: {calls.excerpt(response)}") from None
            if not key:
                return
        raise UncertainError(f"a list of bulk requests without an end: {PAGES} pages")

    async def _get(self, path: str, params: Mapping[str, str | int]) -> tuple[httpx.Response, Any]:
        try:
            response = await self.call("GET", path, params=params)
        except NotAcceptedError as error:
            # Not accepted is the question, not the batch.
            raise UncertainError(str(error)) from error
        if response.status_code != 200:
            raise UncertainError(_told(response))
        return response, calls.json_of(response)

    def _body(self, batch: Batch) -> bytes:
        if self._encoded is None or self._encoded[0] is not batch.message:
            make = _bulk_form if self._bulk else _batch_form
            self._encoded = (batch.message, *make(batch.message, self._stream))
        message, head, form = self._encoded
        _refuse_broken(batch, message)
        key = batch.idempotency_key.encode()
        documents = [form.fill({**values_of(recipient), "batch": key}) for recipient in batch.recipients]
        size = len(head) + 1 + self._bulk + sum(1 + sum(map(len, document)) for document in documents)
        if size > MOST_BYTES:
            raise BadCallError(f"the call would weigh {size:,} bytes, of {MOST_BYTES:,}", shared=len(documents) == 1)
        return head + array(documents) + b"}" if self._bulk else array(documents)


def _now() -> datetime:
    return datetime.now(UTC)


def _listed(data: Any) -> tuple[int, list[Found]]:
    """Read a page of a search: how many it found in all, and those on the page."""
    try:
        page = [
            Found(
                str((message["Recipients"] or [""])[0]),
                str(message["Subject"]),
                datetime.fromisoformat(message["ReceivedAt"]),
                tuple(str(name) for name in map((message.get("Metadata") or {}).get, ("message", "copy")) if name),
                str(message["MessageID"]),
            )
            for message in data["Messages"]
        ]
        return int(data["TotalCount"]), page
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UncertainError(f"a search that makes no sense: {type(error).__name__} {error}") from None


def _batch_form(message: Message, stream: str) -> tuple[bytes, Form]:
    content = {"HtmlBody": body(message.html, escape=True), "TextBody": body(message.text)}
    return b"", Form({**_shared(message, stream), "Subject": message.subject, **content, **_own(message)})


def _bulk_form(message: Message, stream: str) -> tuple[bytes, Form]:
    content = {
        "Subject": MUSTACHIO.text(Segments((message.subject,))),
        "HtmlBody": MUSTACHIO.html(message.html),
        "TextBody": MUSTACHIO.text(message.text),
        # It would rewrite our styles.
        "InlineCss": False,
    }
    head = orjson.dumps({**_shared(message, stream), **content})[:-1] + b',"Messages":'
    places = {"t": "token", "m": "message", "g": "greeting", "h": "greeting:html", "k": "track"}
    # The headers are written out for each copy, so what only they need is no variable.
    model = {name: hole(places[name]) for name in sorted(used(replace(message, headers={})))}
    return head, Form({**_own(message), "TemplateModel": model})


def _shared(message: Message, stream: str) -> dict[str, Any]:
    document = {
        "From": mailbox(message.sender_name, message.sender_address),
        "MessageStream": stream,
        "TrackOpens": False,
        "TrackLinks": "None",
    }
    return document | ({"ReplyTo": message.reply_to} if message.reply_to else {})


def _own(message: Message) -> dict[str, Any]:
    """What stands with each copy; all its headers and metadata, as those of a call might be dropped for a copy's."""
    headers = [{"Name": name, "Value": body(value)} for name, value in message.headers.items()]
    if "message-id" in map(str.lower, message.headers):
        headers.append({"Name": "X-PM-KeepID", "Value": "true"})
    # Asked for by the name that only the store's own key makes: the token changes with the operator's key.
    about = {"batch": hole("batch"), "copy": hole("token"), "message": hole("message")}
    return {"To": hole("to"), "Headers": headers, "Metadata": about}


def _refuse_broken(batch: Batch, message: Message) -> None:
    """Refuse the copies with what could start another header; JSON itself would carry it there."""
    places = sorted({place for value in message.headers.values() for place in value.places})
    broken = {
        recipient.subscriber: "a value for a header has a control character in it"
        for recipient in batch.recipients
        if _CONTROL.search("".join([recipient.address, *(recipient.values[place] for place in places)]))
    }
    if broken:
        raise BadCallError(f"{len(broken)} copies cannot be written out", rejected=broken)


def _bulk_answer(response: httpx.Response, data: Any) -> Answer:
    found = data if isinstance(data, dict) else {}
    # Its own library reads ID here, its documentation says Id.
    request = found.get("Id") or found.get("ID")
    if not request or found.get("Status", "Accepted") not in ("Accepted", "Processing", "Completed"):
        raise UncertainError(f"an answer that makes no sense: {calls.excerpt(response)}")
    return Answer(message_ids=[str(request)])


def _batch_answer(response: httpx.Response, data: Any, batch: Batch) -> Answer:
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise UncertainError(f"an answer without results: {calls.excerpt(response)}")
    if len(data) != len(batch.recipients):
        raise UncertainError(f"{len(data)} results for {len(batch.recipients)} messages")
    ids: list[str] = []
    rejected: dict[int, str] = {}
    again: dict[int, str] = {}
    uncertain: dict[int, str] = {}
    unclear: dict[int, str] = {}
    trouble: NotAcceptedError | None = None
    for recipient, item in zip(batch.recipients, data, strict=True):
        match _result(recipient, item):
            case None:
                ids.append(str(item.get("MessageID") or ""))
            case UncertainError() as error:
                uncertain[recipient.subscriber] = str(error)
            case BadCallError() as error:
                (unclear if error.shared else rejected)[recipient.subscriber] = str(error)
            case NotAcceptedError() as error:
                again[recipient.subscriber] = str(error)
                trouble = error if trouble is None or isinstance(error, AccountError) else trouble
    if ids:
        # Others passed with the same sender and the same content: these failed for what is their own.
        rejected |= unclear
    elif unclear:
        again |= unclear
        trouble = AccountError(next(iter(unclear.values())))
    return Answer(message_ids=ids, rejected=rejected, again=again, uncertain=uncertain, trouble=trouble)


def _result(recipient: Recipient, item: Mapping[str, Any]) -> ProviderError | None:
    """Tell what the result for one copy means: None where it is accepted.

    `BadCallError` says that it is rejected; with `shared`, that what all copies share may be to blame.
    """
    code, words = _code(item), " ".join(str(item.get("Message", "")).split())
    reason = f"ErrorCode {code}: {words}"[: calls.REASON_LENGTH]
    if code == 0 and "will not deliver to these inactive" in words:
        return BadCallError(reason)
    if code == 0 or (code is None and "message accepted" in words.lower()):
        return None
    if code in (None, _LOST) or item.get("MessageID"):
        return UncertainError(f"a result that makes no sense: {reason}")
    if code not in (_INVALID, _INACTIVE):
        return _trouble(code, reason) or AccountError(reason)
    if code == _INACTIVE or "'To'" in words:
        return BadCallError(reason)
    if _SHARED.search(words):
        return AccountError(reason)
    return BadCallError(reason, shared=recipient.address.lower() not in words.lower())


def _trouble(code: int | None, reason: str, after_s: float | None = None) -> NotAcceptedError | None:
    """Give what an error code means for all mail, if it means that."""
    if code in _ACCOUNT:
        return AccountError(reason)
    if code in _PASSING:
        return TryAgainError(reason, after_s=after_s)
    return QuotaError(reason) if code == _CREDITS else None


def _error(response: httpx.Response, batch: Batch) -> ProviderError:
    found = calls.error_body(response)
    reason, after_s = _told(response), calls.retry_after(response)
    own = _code(found) is not None
    match response.status_code:
        case 422 if own:
            return _refused(found, reason, batch, after_s)
        case 429:
            return TryAgainError(reason, after_s=after_s)
        case 503 if own:
            return TryAgainError(reason, after_s=after_s)
        case 401 | 403:
            return AccountError(reason)
        case 404 | 405 | 415:
            return AccountError(f"{reason}; is postmark.url right?")
        case 413:
            return BadCallError(reason, shared=len(batch.recipients) == 1)
        case _:
            return UncertainError(reason)


def _refused(found: Mapping[str, Any], reason: str, batch: Batch, after_s: float | None) -> ProviderError:
    """Tell who is to blame for a refused call."""
    named = {recipient.address.lower(): recipient.subscriber for recipient in batch.recipients}
    rejected: dict[int, str] = {}
    shared = False
    for code, words in _details(found):
        if code == _LOST:
            return UncertainError(reason)
        if (trouble := _trouble(code, reason, after_s)) is not None:
            return trouble
        shared = shared or code not in (_INVALID, _INACTIVE, _TOO_MANY) or bool(_SHARED.search(words))
        for match in filter(None, (_TO.search(words), _INACTIVE_LIST.search(words))):
            for address in (match[1], *match[1].split(",")):
                if (subscriber := named.get(address.strip().lower())) is not None:
                    rejected[subscriber] = f"ErrorCode {code}: {words}"[: calls.REASON_LENGTH]
    return BadCallError(reason, rejected=rejected, shared=shared and not rejected)


def _details(found: Mapping[str, Any]) -> list[tuple[int | None, str]]:
    """Give the errors of a refusal: the one it is, or all that stand under ``Errors``, by field."""
    listed = found.get("Errors")
    groups = listed.values() if isinstance(listed, dict) else (listed,)
    items: list[Mapping[str, Any]] = [
        item for group in groups if isinstance(group, list) for item in group if isinstance(item, dict)
    ]
    return [(_code(item), str(item.get("Message", ""))) for item in items or [found]]


def _code(found: Mapping[str, Any]) -> int | None:
    """Give the error code; None where there is none, or something else in its place."""
    code = found.get("ErrorCode")
    return code if type(code) is int else None


def _told(response: httpx.Response) -> str:
    found = calls.error_body(response)
    code, words = _code(found), "; ".join(text for _, text in _details(found) if text)
    return calls.told(response, f"ErrorCode {code}" if code is not None else "", words)
