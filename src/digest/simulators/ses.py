"""Amazon SES, simulated: the bulk call and the account of https://docs.aws.amazon.com/ses/latest/APIReference-V2/.

It computes the signature again, enforces fifty entries, a megabyte, the rules for addresses, headers, tags and
templates, the quotas by recipients, the sandbox, and permission to switch tracking off. It answers for each entry. A
message that it accepts and cannot render is in `events`, and in no record: so it is with SES.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from digest.providers import sigv4
from digest.simulators.record import Accepted, Record
from digest.simulators.ses_rules import (
    FEEDBACK_TAGS,
    MOST_BYTES,
    RefusedCall,
    bare,
    check_call,
    error,
    filled,
    refuse,
    wrong_address,
)
from digest.simulators.simulator import Reply, Request, Simulator

SKEW_S = 300
UNLIMITED = 100_000.0
SIMULATED = "simulator.amazonses.com"
"""Amazon's own mailboxes to try things on, which the sandbox mails too."""

_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\S+), SignedHeaders=(\S+), Signature=(\S+)")


@dataclass
class Account:
    """What is known of an account.

    `rate` is in recipients a second (0: without a limit), `a_day` in 24 hours (-1: without one), `gone` those of them
    already sent. In the `sandbox`, only the addresses and domains `verified` are mailed. With a `domain`, mail from
    another is refused. `enabled` is whether it may send, `tracking` whether its key may override tracking.
    `configuration_set` is the only one there is. `statuses` are what becomes of single addresses.
    """

    rate: float = 0
    a_day: float = -1
    gone: float = 0
    sandbox: bool = False
    verified: frozenset[str] = frozenset()
    domain: str = ""
    enabled: bool = True
    tracking: bool = True
    configuration_set: str = ""
    statuses: Mapping[str, str] = field(default_factory=dict)


def simulator(
    access_key_id: str = "AKIASIMULATED",
    secret_access_key: str = "simulated/secret+key",  # noqa: S107 (it opens nothing)
    session_token: str = "",
    region: str = "us-east-1",
    record: Record | None = None,
    rate: float = 0,
    a_day: float = -1,
    gone: float = 0,
    sandbox: bool = False,
    verified: frozenset[str] = frozenset(),
    domain: str = "",
    enabled: bool = True,
    tracking: bool = True,
    configuration_set: str = "",
    statuses: Mapping[str, str] | None = None,
) -> Ses:
    """Make it; what the options from `rate` on mean says `Account`."""
    account = Account(
        rate, a_day, gone, sandbox, verified, domain, enabled, tracking, configuration_set, statuses or {}
    )
    return Ses(sigv4.Credentials(access_key_id, secret_access_key, session_token), region, account, record)


class Ses(Simulator):
    """An account in a region. `events` are those of what it could not render, `last` is the last bulk call read."""

    name = "ses"
    most_bytes = MOST_BYTES

    def __init__(
        self, credentials: sigv4.Credentials, region: str, account: Account, record: Record | None = None
    ) -> None:
        super().__init__(record)
        self._credentials, self._region = credentials, region
        self._spent: list[tuple[float, int]] = []
        self.account = account
        self.events: list[dict[str, Any]] = []
        self.last: Any = None

    def usage(self, url: str) -> dict[str, str]:
        """Give the settings that lead here."""
        options = {
            "url": url,
            "region": self._region,
            "access_key_id": self._credentials.access_key_id,
            "secret_access_key": self._credentials.secret_access_key,
        }
        if self._credentials.session_token:
            options["session_token"] = self._credentials.session_token
        return {"provider": "ses", **{f"ses.{name}": value for name, value in options.items()}}

    def too_many(self, retry_after_s: float) -> Reply:
        """Answer as it does to too many requests."""
        reply = error(429, "TooManyRequestsException", "Too many requests have been made to the operation.")
        return Reply(429, reply.body, {**reply.headers, "Retry-After": f"{retry_after_s:g}"})

    def too_large(self) -> Reply:
        """Refuse what is more than a megabyte."""
        return error(413, "RequestEntityTooLargeException", "The request entity is too large.")

    def answer(self, request: Request, number: int) -> Reply:
        """Work one request."""
        try:
            self._authenticate(request)
            match request.method, request.path:
                case "GET", "/v2/email/account":
                    return Reply.json(200, self._account())
                case "POST", "/v2/email/outbound-bulk-emails":
                    return self._send(request, number)
            return error(404, "UnknownOperationException", "")
        except RefusedCall as refused:
            return refused.reply

    # The signature ---------------------------------------------------------------------------------------------

    def _authenticate(self, request: Request) -> None:
        headers = request.headers
        if not (given := headers.get("authorization")):
            refuse(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if not (found := _AUTHORIZATION.fullmatch(given)) or "x-amz-date" not in headers:
            refuse(403, "IncompleteSignatureException", "The request signature does not conform to AWS standards.")
        key, scope, names, mac = found.groups()
        if key != self._credentials.access_key_id:
            refuse(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        if not hmac.compare_digest(headers.get("x-amz-security-token", ""), self._credentials.session_token):
            refuse(403, "ExpiredTokenException", "The security token included in the request is expired")
        moment, signed = headers["x-amz-date"], names.split(";")
        if scope != f"{moment[:8]}/{self._region}/ses/aws4_request":
            refuse(403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region.")
        if missing := {name for name in headers if name == "host" or name.startswith("x-amz-")} - set(signed):
            refuse(403, "IncompleteSignatureException", f"'{min(missing)}' must be signed")
        _, canonical = sigv4.canonical_request(
            request.method,
            quote(request.path),
            urlencode(request.query),
            {name: headers.get(name, "") for name in signed},
            hashlib.sha256(request.body).hexdigest(),
        )
        if not hmac.compare_digest(
            sigv4.signature(self._credentials.secret_access_key, scope, moment, canonical).encode(), mac.encode()
        ):
            refuse(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
                " Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String"
                f" for this request should have been\n'{canonical}'\n",
            )
        self._check_time(moment)

    def _check_time(self, moment: str) -> None:
        try:
            told = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            refuse(403, "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.")
        now = time.time()
        here, edge = (datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ") for at in (now, now - SKEW_S))
        if told < now - SKEW_S:
            words = f"Signature expired: {moment} is now earlier than {edge} ({here} - 5 min.)"
            refuse(403, "SignatureDoesNotMatch", words)
        if told > now + SKEW_S:
            words = f"Signature not yet current: {moment} is still later than {here} (+ 5 min.)"
            refuse(403, "SignatureDoesNotMatch", words)

    # The account and its quotas --------------------------------------------------------------------------------

    def _account(self) -> dict[str, Any]:
        return {
            "DedicatedIpAutoWarmupEnabled": True,
            "EnforcementStatus": "HEALTHY" if self.account.enabled else "SHUTDOWN",
            "ProductionAccessEnabled": not self.account.sandbox,
            "SendQuota": {
                "Max24HourSend": float(self.account.a_day),
                "MaxSendRate": self.account.rate or UNLIMITED,
                "SentLast24Hours": float(self.account.gone),
            },
            "SendingEnabled": self.account.enabled,
        }

    def _room(self) -> tuple[float, float]:
        """Give how many recipients this second has room for, and this day."""
        now = time.time()
        self._spent = [(at, count) for at, count in self._spent if now - at < 1]
        second = self.account.rate - sum(count for _, count in self._spent) if self.account.rate else UNLIMITED
        return second, self.account.a_day - self.account.gone if self.account.a_day >= 0 else UNLIMITED

    # A call ----------------------------------------------------------------------------------------------------

    def _send(self, request: Request, number: int) -> Reply:
        if not self.account.enabled:
            refuse(400, "SendingPausedException", "Sending paused for this account.")
        call = self._read(request)
        second, day = self._room()
        if day < 1:
            refuse(400, "ThrottlingException", "Daily message quota exceeded.")
        if second < 1:
            refuse(400, "ThrottlingException", "Maximum sending rate exceeded.")
        template = call["DefaultContent"]["Template"]
        reply_to = next((wrong for one in call.get("ReplyToAddresses", []) if (wrong := wrong_address(one))), "")
        results: list[dict[str, str]] = []
        copies: list[Accepted] = []
        taken = 0
        for entry in call["BulkEmailEntries"]:
            [address] = entry["Destination"]["ToAddresses"]
            if wrong := wrong_address(address) or reply_to:
                results.append({"Status": "INVALID_PARAMETER", "Error": wrong})
            elif (status := self.account.statuses.get(address, "SUCCESS")) != "SUCCESS":
                results.append({"Status": status, "Error": "Unknown error occurred. Please try again later"})
            elif not self._may_mail(address):
                results.append({"Status": "MESSAGE_REJECTED", "Error": self._unverified(address)})
            elif taken >= day:
                words = "Daily message quota exceeded."
                results.append({"Status": "ACCOUNT_DAILY_QUOTA_EXCEEDED", "Error": words})
            elif taken >= second:
                results.append({"Status": "ACCOUNT_THROTTLED", "Error": "Maximum sending rate exceeded."})
            else:
                taken += 1
                message_id = f"0100{uuid.uuid4()}-000000"
                results.append({"Status": "SUCCESS", "MessageId": message_id})
                if copy := self._rendered(call, template, entry, message_id, number):
                    copies.append(copy)
        self.account.gone += taken
        self._spent.append((time.time(), taken))
        self.record.add(copies)
        return Reply.json(200, {"BulkEmailEntryResults": results})

    def _may_mail(self, address: str) -> bool:
        domain = address.rpartition("@")[2]
        return (
            not self.account.sandbox or domain == SIMULATED or not {address, domain}.isdisjoint(self.account.verified)
        )

    def _unverified(self, address: str) -> str:
        where = self._region.upper()
        return f"Email address is not verified. The following identities failed the check in region {where}: {address}"

    def _rendered(
        self, call: dict[str, Any], template: dict[str, Any], entry: dict[str, Any], message_id: str, number: int
    ) -> Accepted | None:
        address = entry["Destination"]["ToAddresses"][0]
        tags = {tag["Name"]: tag["Value"] for tag in entry.get("ReplacementTags", call.get("DefaultEmailTags", []))}
        if not self.record.bodies:
            return Accepted(address, number, message_id, tags=tags)
        content = template["TemplateContent"]
        own = entry.get("ReplacementEmailContent", {}).get("ReplacementTemplate", {}).get("ReplacementTemplateData")
        data = orjson.loads(template.get("TemplateData") or "{}") | orjson.loads(own or "{}")
        try:
            subject, html, text = (filled(content.get(part, ""), data) for part in ("Subject", "Html", "Text"))
        except LookupError as missing:
            mail = {"messageId": message_id, "destination": [address], "tags": {name: [tags[name]] for name in tags}}
            failure = {"templateName": "", "errorMessage": str(missing.args[0])}
            self.events.append({"eventType": "Rendering Failure", "mail": mail, "failure": failure})
            return None
        host = "email" if self._region == "us-east-1" else self._region
        headers = {
            "From": call["FromEmailAddress"],
            "Reply-To": ", ".join(call.get("ReplyToAddresses", [])),
            "Message-ID": f"<{message_id}@{host}.amazonses.com>",
            "Feedback-ID": ":".join((*(tags[name] for name in FEEDBACK_TAGS if name in tags), "1.simulated:AmazonSES")),
        }
        for given in (template.get("Headers", []), entry.get("ReplacementHeaders", [])):
            headers |= {header["Name"]: header["Value"] for header in given}
        return Accepted(address, number, message_id, subject, html, text, headers, tags)

    def _read(self, request: Request) -> dict[str, Any]:
        """Read a bulk call, and refuse it where it is wrong as a whole."""
        try:
            call = request.json()
        except ValueError:
            refuse(400, "SerializationException", "")
        self.last = call
        if not isinstance(call, dict):
            refuse(400, "SerializationException", "Expected null")
        if "ConfigurationOverrides" in call and not self.account.tracking:
            action = "ses:ApplyTrackingConfigurationOverrides"
            words = f"User: arn:aws:iam::123456789012:user/digest is not authorized to perform: {action} on resource: *"
            refuse(403, "AccessDeniedException", words)
        check_call(call)
        sender = bare(call["FromEmailAddress"])
        if self.account.domain and not sender.endswith(f"@{self.account.domain}"):
            refuse(400, "MessageRejected", self._unverified(sender))
        name = call.get("ConfigurationSetName", self.account.configuration_set)
        if self.account.configuration_set and name != self.account.configuration_set:
            refuse(404, "NotFoundException", f"Configuration set <{name}> does not exist.")
        return call
