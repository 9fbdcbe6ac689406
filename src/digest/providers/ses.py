"""Amazon SES (https://aws.amazon.com/ses/), API v2: the body once, and the values of fifty readers beside it.

Sources, read in November 2026: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendBulkEmail.html and
API_GetAccount.html beside it, https://docs.aws.amazon.com/ses/latest/dg/quotas.html; for what is in a call and in an
answer, see `digest.providers.ses_body` and `digest.providers.ses_answers`.

There is no idempotency key, and SES cannot be asked what it took: what is uncertain stays so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import httpx
from pydantic import Field, SecretStr

from digest.providers import calls, ses_answers, sigv4
from digest.providers.calls import HttpProvider
from digest.providers.hooks.ses import Options as HookOptions
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    Batch,
    Message,
    Proof,
    Recipient,
    Said,
    TryAgainError,
    UncertainError,
)
from digest.providers.options import HttpOptions, Url
from digest.providers.ses_body import Body

NO_CONTENT = hashlib.sha256().hexdigest()


class Options(HttpOptions, HookOptions):
    """What may be set about Amazon SES."""

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d+$", description="The region, such as eu-central-1.")
    access_key_id: str = Field(description="The id of the access key, AKIA….")
    secret_access_key: SecretStr = Field(description="The secret of the access key.")
    session_token: SecretStr = Field(
        SecretStr(""), description="The session token that comes with temporary credentials; empty with others."
    )
    configuration_set: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]{0,64}$", description="The configuration set to send with; none where empty."
    )
    tracking_off: bool = Field(
        True,
        description="Have links left alone and no pixel added, whatever the account says; needs the permission"
        " ses:ApplyTrackingConfigurationOverrides.",
    )
    feedback_id: bool = Field(
        False, description="Name the issue in the Feedback-ID that SES writes, by the tags it has for that."
    )
    copies_a_second: float = Field(
        0, ge=0, description="Copies handed over in a second; 0 asks the account for its limit."
    )
    url: Url | Literal[""] = Field("", description="Where its API is; the region's own where empty.")


def connect(options: Options) -> Ses:
    """Make the provider."""
    return Ses(options)


class Ses(HttpProvider):
    """Hands over by `POST /v2/email/outbound-bulk-emails`, which answers for each copy."""

    name = "ses"
    limit = 50
    unused = frozenset({"message"})
    proof = Proof()

    def __init__(self, options: Options, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(options, options.url or f"https://email.{options.region}.amazonaws.com", headers={})
        self._options, self._clock = options, clock
        self._secrets = (options.secret_access_key.get_secret_value(), options.session_token.get_secret_value())
        self._credentials = sigv4.Credentials(options.access_key_id, *self._secrets)
        self.account = self._client.base_url.host
        if not self._credentials.session_token:  # a temporary key changes, and the account does not
            self.account += f", key {calls.fingerprint(options.access_key_id)}"
        self._body: tuple[Message, Body] | None = None

    async def open(self, *, begin: bool) -> None:
        """Ask the account whether it may send, and how fast; but not where `copies_a_second` says how fast.

        Raises:
            NotAcceptedError: it may not, or did not answer.
        """
        if self._options.copies_a_second:
            return
        try:
            response = await self._call("GET", "/v2/email/account")
            if not response.is_success:
                raise ses_answers.failure(response, (), self._secrets)
            rate = ses_answers.rate(calls.json_of(response))
        except BadCallError as error:
            raise AccountError(str(error)) from error
        except UncertainError as error:
            raise TryAgainError(str(error)) from error
        self.pace = replace(self.pace, copies_a_second=rate)

    async def probe(self) -> Said:
        """Ask for the account: whether it may send, how much, and whether it is out of the sandbox."""
        response = await self._call("GET", "/v2/email/account")
        if not response.is_success:
            failed = ses_answers.failure(response, (), self._secrets)
            raise AccountError(str(failed)) if isinstance(failed, BadCallError) else failed
        account = calls.json_of(response)
        rate = ses_answers.rate(account)
        quota = account.get("SendQuota") or {}
        day, gone = float(quota.get("Max24HourSend", -1)), float(quota.get("SentLast24Hours", 0))
        of = "any number" if day < 0 else f"{gone:,.0f} of {day:,.0f}"
        sandbox = "the account is in the sandbox: it mails only addresses that are verified with Amazon"
        doubts = [sandbox] if account.get("ProductionAccessEnabled") is False else []
        if (standing := account.get("EnforcementStatus", "HEALTHY")) != "HEALTHY":
            doubts.append(f"Amazon has the account under review (its standing is {standing})")
        return Said(f"{rate:,.0f} copies a second, {of} sent in 24 hours", tuple(doubts))

    async def hand_over(self, batch: Batch) -> Answer:
        """Hand over; handed over again, everybody would be mailed again."""
        body = self._body_of(batch.message)
        sent: list[Recipient] = []
        entries: list[bytes] = []
        rejected: dict[int, str] = {}
        for recipient in batch.recipients:
            entry = body.entry(recipient, batch.idempotency_key)
            if isinstance(entry, str):
                rejected[recipient.subscriber] = entry
            else:
                sent.append(recipient)
                entries.append(entry)
        if not sent:
            return Answer(rejected=rejected)
        content, payload_hash = body.call(entries)
        response = await self._call("POST", "/v2/email/outbound-bulk-emails", content, payload_hash)
        if not response.is_success:
            raise ses_answers.failure(response, sent, self._secrets)
        return ses_answers.answer(response, sent, rejected)

    async def _call(
        self, method: str, path: str, content: Sequence[bytes] = (), payload_hash: str = NO_CONTENT
    ) -> httpx.Response:
        headers = sigv4.signed(
            self._credentials,
            region=self._options.region,
            service="ses",
            method=method,
            url=str(self._client.base_url).rstrip("/") + path,
            headers={"Content-Type": "application/json"} if content else {},
            payload_hash=payload_hash,
            now=self._clock(),
        )
        return await self.call(method, path, content=content or b"", headers=headers)

    def _body_of(self, message: Message) -> Body:
        if self._body is None or self._body[0] is not message:
            settings: dict[str, Any] = {}
            if self._options.configuration_set:
                settings["ConfigurationSetName"] = self._options.configuration_set
            if self._options.tracking_off:
                off = {"OpenTrackingEnabled": "DISABLED", "ClickTrackingEnabled": "DISABLED"}
                settings["ConfigurationOverrides"] = {"Tracking": off}
            self._body = (message, Body(message, settings, feedback_id=self._options.feedback_id))
        return self._body[1]
