"""What a call to Amazon SES carries: the message once, as an inline template, and an entry for each reader.

Sources, pages of https://docs.aws.amazon.com/ses/latest/: APIReference-V2/API_SendBulkEmail.html,
API_BulkEmailEntry.html (addresses; which headers win), API_MessageHeader.html, API_MessageTag.html,
dg/send-personalized-email-api.html (inline templates), dg/header-fields.html, dg/configuration-overrides.html.
The length and the letters of an address, and what SES says to wrong ones, were found out by the makers of
https://github.com/floci-io/floci (services/ses/SesAddressSyntax.java).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.header import Header
from email.utils import formataddr
from typing import Any

import orjson

from digest.providers.interface import BadCallError, Message, Recipient, Segments
from digest.providers.merging import MUSTACHE, used, variables

MOST_BYTES = 1_000_000
"""Of a call with an inline template: "1 MB", of which this is the smaller reading."""
MOST_HEADERS = 15
MOST_HEADER = 996
"""Characters of a header's name and value together."""
MOST_ADDRESS = 320
NOT_SENT = frozenset({"message-id", "date", "feedback-id"})
"""Headers that SES writes itself."""

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]*")


class Body:
    """Makes the bodies of the calls for one message.

    `settings` are further fields of the call. Of what all calls share, the bytes and their SHA-256 are made once.
    """

    def __init__(self, message: Message, settings: Mapping[str, Any], *, feedback_id: bool) -> None:
        self._names = used(replace(message, headers={}))
        self._tags = _feedback_tags(message) if feedback_id else []
        self._own: list[tuple[str, Segments]] = []
        shared: list[dict[str, str]] = []
        for name, value in message.headers.items():
            if name.lower() in NOT_SENT:
                continue
            if problem := header_problem(name, "".join(value.texts)):
                raise BadCallError(problem, shared=True)
            # Beside the address to unsubscribe at stands what it means: the two go together.
            if value.places or name.lower().startswith("list-unsubscribe"):
                self._own.append((name, value))
            else:
                shared.append({"Name": name, "Value": value.texts[0]})
        if (count := len(shared) + len(self._own)) > MOST_HEADERS:
            raise BadCallError(f"{count} headers, of which Amazon SES takes {MOST_HEADERS}", shared=True)
        document = {**_document(message, shared, self._names), **settings}
        self._head = orjson.dumps(document)[:-1] + b',"BulkEmailEntries":['
        self._hashed = hashlib.sha256(self._head)

    def entry(self, recipient: Recipient, batch: str) -> bytes | str:
        """Encode one reader's entry; or say, as a text, why SES takes none like it."""
        if problem := address_problem(recipient.address):
            return problem
        headers = []
        for name, value in self._own:
            filled = value.fill(recipient.values)
            if problem := header_problem(name, filled):
                return problem
            headers.append({"Name": name, "Value": filled})
        data = orjson.dumps(variables(recipient, self._names)).decode()
        return orjson.dumps(
            {
                "Destination": {"ToAddresses": [recipient.address]},
                "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": data}},
                "ReplacementHeaders": headers,
                "ReplacementTags": [
                    {"Name": "copy", "Value": recipient.values["token"]},
                    {"Name": "batch", "Value": batch},
                    *self._tags,
                ],
            }
        )

    def call(self, entries: Sequence[bytes]) -> tuple[tuple[bytes, bytes], str]:
        """Give the body of a call in two pieces, and its SHA-256 in hexadecimal digits.

        Raises:
            BadCallError: it is too large.
        """
        rest = b",".join(entries) + b"]}"
        size = len(self._head) + len(rest)
        if size > MOST_BYTES:
            least = len(self._head) + max(map(len, entries)) + 2
            raise BadCallError(
                f"a call of {size:,} bytes, of which Amazon SES takes {MOST_BYTES:,}", shared=least > MOST_BYTES
            )
        digest = self._hashed.copy()
        digest.update(rest)
        return (self._head, rest), digest.hexdigest()


def address_problem(address: str) -> str:
    """Say why SES does not take an address; give nothing where it does."""
    if len(address) <= MOST_ADDRESS and _ADDRESS.fullmatch(address):
        return ""
    return f"Amazon SES takes addresses in plain ASCII, without quotes, of {MOST_ADDRESS} characters at most"


def header_problem(name: str, value: str) -> str:
    """Say why SES does not take a header; give nothing where it does."""
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        return f"Amazon SES takes headers in printable ASCII, and {name} is not"
    if len(name) + len(value) > MOST_HEADER:
        return f"the header {name} takes {len(name) + len(value)} characters of {MOST_HEADER}"
    return ""


def _document(message: Message, headers: list[dict[str, str]], names: frozenset[str]) -> dict[str, Any]:
    """Give what all readers of a call share."""
    for address in filter(None, (message.sender_address, message.reply_to)):
        if problem := address_problem(address):
            raise BadCallError(f"{address}: {problem}", shared=True)
    sender = _mailbox(message.sender_name, message.sender_address)
    if len(sender) > MOST_ADDRESS:
        raise BadCallError(f"the sender takes {len(sender)} characters of {MOST_ADDRESS}: {sender}", shared=True)
    document: dict[str, Any] = {
        "FromEmailAddress": sender,
        "DefaultContent": {
            "Template": {
                "TemplateContent": {
                    "Subject": MUSTACHE.text(Segments((message.subject,))),
                    "Html": MUSTACHE.html(message.html),
                    "Text": MUSTACHE.text(message.text),
                },
                # A variable without a value is no error to SES: it accepts the message, and never sends it.
                "TemplateData": orjson.dumps(dict.fromkeys(sorted(names), "-")).decode(),
                "Headers": headers,
            }
        },
    }
    if message.reply_to:
        document["ReplyToAddresses"] = [message.reply_to]
    return document


def _mailbox(name: str, address: str) -> str:
    """Write the sender; a name that is not ASCII stands in encoded words, as SES asks for (RFC 2047)."""
    if name.isascii() and name.isprintable() and "=?" not in name:
        return formataddr((name, address))
    return f"{Header(name, 'utf-8', header_name='From').encode(linesep='')} <{address}>"


def _feedback_tags(message: Message) -> list[dict[str, str]]:
    """Give the tags whose values SES puts into the first two fields of the Feedback-ID it writes."""
    value = message.headers.get("Feedback-ID")
    fields = value.texts[0].split(":") if value and not value.places else []
    return [
        {"Name": f"ses:feedback-id-{place}", "Value": re.sub(r"[^A-Za-z0-9_-]", "-", field)}
        for place, field in zip("ab", fields[:-1], strict=False)
        if field
    ]
