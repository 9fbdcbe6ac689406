"""Resend (https://resend.com): whole messages, a hundred a call, and the one clean idempotency key of the field.

Sources, read in November 2026: https://resend.com/docs/api-reference/emails/send-batch-emails,
https://resend.com/docs/dashboard/emails/idempotency-keys, https://resend.com/docs/api-reference/errors,
https://resend.com/docs/api-reference/introduction (rate limit).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import Field, SecretStr

from digest.providers import calls
from digest.providers.calls import HttpProvider
from digest.providers.hooks.resend import Options as HookOptions
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
    Said,
    TryAgainError,
    UncertainError,
)
from digest.providers.mime import mailbox
from digest.providers.options import HttpOptions, Url
from digest.providers.wire import Form, array, body, hole, values_of

DAY_S = 24 * 3600
PAGE = 100
CLOCKS = timedelta(minutes=10)
"""How far their clock may be from ours."""
SHARED = ("from", "subject", "html", "text", "reply_to", "headers", "tags", "attachments", "request.body")
"""What all messages of a call have alike: where an error names one, no half of the call is better."""


class Options(HttpOptions, HookOptions):
    """What may be set about Resend."""

    key: SecretStr = Field(description="The API key, re_…; sending access to the domain is enough.")
    url: Url = Field("https://api.resend.com", description="Where its API is.")
    calls_a_second: float = Field(10, ge=0, description="Calls begun in a second; 10 is what a team has by default.")


def connect(options: Options) -> Resend:
    """Make the provider."""
    return Resend(options)


class Resend(HttpProvider):
    """Hands over by `POST /emails/batch`, whole or not at all (its strict validation)."""

    name = "resend"
    limit = 100

    def __init__(self, options: Options) -> None:
        key = options.key.get_secret_value()
        super().__init__(
            options,
            options.url,
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                # What it does anyhow; but the proof rests on it, so it is said.
                "x-batch-validation": "strict",
            },
        )
        self.account = f"{self._client.base_url.host}, key {calls.fingerprint(key)}"
        # It keeps a key for 24 hours; an hour of them is left for the clocks and for the call itself.
        self.proof = Proof(replay_s=DAY_S - 3600, settling_s=options.settling_s, whole=True, recall_s=DAY_S - 3600)
        self._encoded: tuple[Message, Form] | None = None

    async def hand_over(self, batch: Batch) -> Answer:
        """Hand over; the same key within a day gives the first call's ids again and mails nobody twice."""
        response = await self.call(
            "POST",
            "/emails/batch",
            content=self._body(batch),
            headers={"Idempotency-Key": batch.idempotency_key},
        )
        if not response.is_success:
            raise _error(response, len(batch.recipients))
        data = calls.json_of(response)
        try:
            ids = [item["id"] for item in data["data"]]
        except (KeyError, TypeError):
            raise UncertainError(f"an answer without ids: {calls.excerpt(response)}") from None
        if not all(isinstance(one, str) and one for one in ids):
            raise UncertainError(f"an answer with ids that are none: {calls.excerpt(response)}")
        if len(ids) != len(batch.recipients):
            raise UncertainError(f"{len(ids)} ids for {len(batch.recipients)} messages")
        return Answer(message_ids=ids)

    async def probe(self) -> Said:
        """Ask for the domains. A key for sending alone may not, and the refusal proves that it is a key.

        https://resend.com/docs/api-reference/domains/list-domains and …/errors (`restricted_api_key`).
        """
        response = await self.call("GET", "/domains")
        if calls.error_body(response).get("name") == "restricted_api_key":
            return Said("the key is right, and for sending alone")
        domains = calls.said_in(response, self.name).get("data") or []
        named = [f"{one.get('name')} ({one.get('status')})" for one in domains if isinstance(one, dict)]
        verified = any(isinstance(one, dict) and one.get("status") == "verified" for one in domains)
        doubts = () if verified else ("no domain of the account is verified, so that it takes no mail of yours",)
        return Said(f"the key is right; domains: {', '.join(named) or 'none'}", doubts)

    async def recall(self, since: datetime) -> AsyncGenerator[Sequence[Found], None]:
        """List what the team sent, newest first, a hundred a page: who to, the subject and when, and nothing of ours.

        https://resend.com/docs/api-reference/emails/list-emails; a key with sending access only may not.
        """
        params: dict[str, str | int] = {"limit": PAGE}
        while True:
            data = await self.look("/emails", params)
            try:
                page = [
                    Found(str(one["to"][0]), str(one["subject"]), _moment(one["created_at"]), (), str(one["id"]))
                    for one in data["data"]
                ]
                more = bool(data["has_more"])
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise UncertainError(f"a list that makes no sense: {type(error).__name__} {error}") from None
            yield page
            if not more or not page or page[-1].at < since - CLOCKS:
                return
            if params.get("after") == page[-1].message_id:
                raise UncertainError("a list whose pages lead nowhere")
            params["after"] = page[-1].message_id or ""

    def _body(self, batch: Batch) -> bytes:
        if self._encoded is None or self._encoded[0] is not batch.message:
            self._encoded = (batch.message, _form(batch.message))
        form = self._encoded[1]
        return array([form.fill(values_of(recipient)) for recipient in batch.recipients])


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _form(message: Message) -> Form:
    document: dict[str, Any] = {
        "from": mailbox(message.sender_name, message.sender_address),
        "to": [hole("to")],
        "subject": message.subject,
        "html": body(message.html, escape=True),
        "text": body(message.text),
        "headers": {name: body(value) for name, value in message.headers.items()},
    }
    if any("token" in part.places for part in (message.html, message.text, *message.headers.values())):
        document["tags"] = [{"name": "copy", "value": hole("token")}]
    if message.reply_to:
        document["reply_to"] = [message.reply_to]
    return Form(document)


def _error(response: httpx.Response, copies: int) -> ProviderError:
    found = calls.error_body(response)
    kind, words = str(found.get("name", "")), str(found.get("message", ""))
    reason = calls.told(response, kind, words)
    match response.status_code, kind:
        case 429, "daily_quota_exceeded" | "monthly_quota_exceeded":
            return QuotaError(reason)
        case 429, _:
            return TryAgainError(reason, after_s=calls.retry_after(response))
        case 503, "service_unavailable":
            return TryAgainError(reason, after_s=calls.retry_after(response))
        case 401 | 403, _:
            return AccountError(reason)
        case 409, _:
            # Still in flight, or the same key with other bytes: the first call was seen, its end is not known.
            return UncertainError(reason)
        case 400, "invalid_idempotency_key":
            return BadCallError(reason, shared=True)
        case 413, _:
            # Its limit is not published: half a call may fit, and if one copy does not, none will.
            return BadCallError(reason, shared=copies == 1)
        case 400 | 422, _:
            return BadCallError(reason, shared=any(f"`{name}`" in words for name in SHARED))
        case 404 | 405, _:
            return AccountError(f"{reason}; is resend.url right?")
        case _:
            return UncertainError(reason)
