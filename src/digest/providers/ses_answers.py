"""What Amazon SES's answers mean: for a copy, for all of a call, or for the account.

Sources, pages of https://docs.aws.amazon.com/ses/latest/: APIReference-V2/API_SendBulkEmail.html (errors, and "retry
any messages with a failure status"), API_BulkEmailEntryResult.html, CommonErrors.html, API_GetAccount.html,
dg/manage-sending-quotas-errors.html. An error's name is in the header ``x-amzn-ErrorType``, before a colon; its
status alone says little, as most are 400.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import httpx

from digest.providers import calls
from digest.providers.interface import (
    AccountError,
    Answer,
    BadCallError,
    NotAcceptedError,
    ProviderError,
    QuotaError,
    Recipient,
    TryAgainError,
    UncertainError,
)

LEAST_RATE = 1.0
"""Recipients a second in the sandbox; no account has less."""

REFUSED = frozenset({"MESSAGE_REJECTED", "INVALID_PARAMETER", "INVALID_PARAMETER_VALUE"})
PASSING = frozenset({"ACCOUNT_THROTTLED", "TRANSIENT_FAILURE", "FAILED"})
STOPPED = frozenset(
    {
        "ACCOUNT_SENDING_PAUSED",
        "ACCOUNT_SUSPENDED",
        "CONFIGURATION_SET_DOES_NOT_EXIST",
        "CONFIGURATION_SET_NOT_FOUND",
        "CONFIGURATION_SET_SENDING_PAUSED",
        "INVALID_SENDING_POOL_NAME",
        "MAIL_FROM_DOMAIN_NOT_VERIFIED",
        "TEMPLATE_DOES_NOT_EXIST",
        "TEMPLATE_NOT_FOUND",
    }
)
"""Of these there are two spellings in the reference, in its prose and in its list of values."""
THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException"})
MALFORMED = frozenset({"BadRequestException", "SerializationException", "ValidationError", "ValidationException"})

_ENTRY = re.compile(r"bulkEmailEntries\.(\d+)\.")
_SHARED = re.compile(r"defaultContent|fromEmailAddress|replyTo|[Tt]emplate|Source|Invalid email address<")
_ABOUT_ACCOUNT = re.compile(r"not verified|[Cc]onfiguration ?[Ss]et")


def answer(response: httpx.Response, sent: Sequence[Recipient], rejected: dict[int, str]) -> Answer:
    """Read what became of each copy sent; `rejected` were not sent at all.

    Raises:
        NotAcceptedError: none was accepted, and all for the same kind of reason.
        UncertainError: the answer makes no sense.
    """
    ids: list[str] = []
    refused: dict[int, str] = {}
    again: dict[int, str] = {}
    uncertain: dict[int, str] = {}
    troubles: list[NotAcceptedError] = []
    for recipient, (status, error, message_id) in zip(sent, _results(response, len(sent)), strict=True):
        reason = f"{status}: {error}"[: calls.REASON_LENGTH] if error else status
        if status == "SUCCESS":
            ids.append(message_id)
        elif trouble := _trouble(status, error, reason):
            again[recipient.subscriber] = reason
            troubles.append(trouble)
        elif status in REFUSED:
            refused[recipient.subscriber] = reason
        else:
            uncertain[recipient.subscriber] = f"a status that is not known: {reason}"
    if not ids and not uncertain and len(refused) > 1:
        # The readers' addresses were looked at before the call: what is wrong with all of them is what they share.
        raise BadCallError(f"none of {len(sent)} was accepted; {next(iter(refused.values()))}", shared=True)
    worst = max(troubles, key=_weight, default=None)
    if worst and len(again) == len(sent) and not rejected:
        raise worst
    return Answer(ids if all(ids) else (), rejected | refused, again, uncertain, worst)


def failure(response: httpx.Response, sent: Sequence[Recipient], secrets: Sequence[str]) -> ProviderError:
    """Say what an answer that is no success means; `secrets` are kept out of it."""
    body = calls.error_body(response)
    kind = response.headers.get("x-amzn-errortype", "").partition(":")[0]
    kind = kind or str(body.get("__type") or "").rpartition("#")[2]
    # To a wrong signature SES answers with all that was to be signed, the session token in it, after the first line.
    words = str(body.get("message") or body.get("Message") or "").partition("\n")[0]
    said = words or ("" if kind else response.text)
    for secret in filter(None, secrets):  # before it is cut, so that no half of one is left
        said = said.replace(secret, "…")
    reason = calls.told(response, kind, " ".join(said.split()))
    status = response.status_code
    if kind in THROTTLED or status == 429:
        if "daily" in words.lower():
            return QuotaError(reason)
        return TryAgainError(reason, after_s=calls.retry_after(response))
    if kind in MALFORMED:
        return _malformed(reason, words, sent)
    if status == 413:
        return BadCallError(reason, shared=len(sent) == 1)
    if kind == "MessageRejected" and not _ABOUT_ACCOUNT.search(words):
        return BadCallError(reason, shared=True)
    if kind == "LimitExceededException":
        return QuotaError(reason)
    if "ApplyTrackingConfigurationOverrides" in words:
        return AccountError(f"{reason}; allow it, or set ses.tracking_off = false")
    if status in (401, 403) or (kind and 400 <= status < 500 and status != 408):
        # SES refused it by a name; with one we do not know, a person looks before anything else goes out.
        return AccountError(reason)
    if status in (404, 405):
        return AccountError(f"{reason}; is ses.url right?")
    return UncertainError(reason)


def rate(account: Any) -> float:
    """Read how many copies an account takes in a second.

    Raises:
        AccountError: it may not send.
        QuotaError: it has sent all that it may in 24 hours.
        UncertainError: this is no answer.
    """
    try:
        quota = account.get("SendQuota") or {}
        most, gone = float(quota.get("Max24HourSend", -1)), float(quota.get("SentLast24Hours", 0))
        found = float(quota.get("MaxSendRate") or LEAST_RATE)
        standing, enabled = account.get("EnforcementStatus", ""), account.get("SendingEnabled")
    except (AttributeError, TypeError, ValueError):
        raise UncertainError("an answer about the account that makes no sense") from None
    if enabled is False or standing == "SHUTDOWN":
        raise AccountError(f"sending is switched off for this account (its standing is {standing or 'not told'})")
    if 0 <= most <= gone:  # -1 is without a limit
        raise QuotaError(f"{gone:,.0f} messages were sent in the last 24 hours, of {most:,.0f} that may be")
    return max(found, LEAST_RATE)


def _results(response: httpx.Response, count: int) -> list[tuple[str, str, str]]:
    """Give the status, the error and the message id of each entry of a call."""
    data = calls.json_of(response)
    try:
        found = [
            (str(entry["Status"]), str(entry.get("Error") or ""), str(entry.get("MessageId") or ""))
            for entry in data["BulkEmailEntryResults"]
        ]
    except (AttributeError, KeyError, TypeError):
        raise UncertainError(f"an answer without results: {calls.excerpt(response)}") from None
    if len(found) != count:
        raise UncertainError(f"{len(found)} results for {count} entries")
    return found


def _trouble(status: str, error: str, reason: str) -> NotAcceptedError | None:
    """Say what is to be done before a copy is tried again; nothing where it is not to be."""
    if status in STOPPED or (status in REFUSED and _ABOUT_ACCOUNT.search(error)):
        return AccountError(reason)
    if status == "ACCOUNT_DAILY_QUOTA_EXCEEDED":
        return QuotaError(reason)
    return TryAgainError(reason) if status in PASSING else None


def _weight(trouble: NotAcceptedError) -> int:
    return (TryAgainError, QuotaError, AccountError).index(type(trouble))


def _malformed(reason: str, words: str, sent: Sequence[Recipient]) -> NotAcceptedError:
    """A call is wrong: some entries that are named, or what they share, or nobody knows what."""
    named = sorted({int(number) for number in _ENTRY.findall(words)})
    if named and named[0] >= 1 and named[-1] <= len(sent) and (len(named) < len(sent) or len(sent) == 1):
        return BadCallError(reason, rejected={sent[number - 1].subscriber: reason for number in named})
    if _ABOUT_ACCOUNT.search(words):
        return AccountError(reason)
    return BadCallError(reason, shared=bool(named or _SHARED.search(words)))
