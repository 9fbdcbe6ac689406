"""What Amazon SES refuses in a bulk call, and in which words.

The rules are of API_SendBulkEmail.html, API_BulkEmailEntry.html, API_MessageHeader.html and API_MessageTag.html at
https://docs.aws.amazon.com/ses/latest/APIReference-V2/, and of dg/send-personalized-email-api.html there. Where its
words are known, they are from https://github.com/floci-io/floci, which asked SES; the others are ours.
"""

from __future__ import annotations

import re
import uuid
from typing import Any, NoReturn

import orjson

from digest.simulators.simulator import Reply

MOST_ENTRIES = 50
MOST_BYTES = 1_000_000
MOST_HEADERS = 15
MOST_HEADER = 996
MOST_ADDRESS = 320
MOST_DATA = 262_144
OWN_HEADERS = frozenset(
    {
        "bcc",
        "cc",
        "content-disposition",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "reply-to",
        "return-path",
        "subject",
        "to",
    }
)
"""Headers that SES writes itself: a call with one is refused."""
FEEDBACK_TAGS = ("ses:feedback-id-a", "ses:feedback-id-b")

_VARIABLE = re.compile(r"\{\{\s*([\w-]+)\s*\}\}")
_UNSUPPORTED = re.compile(r"\{\{\s*[{#/^>!&]")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{0,995}")


class RefusedCall(Exception):  # noqa: N818 (an answer, not an error)
    """The call is refused, with this answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


def check_call(call: dict[str, Any]) -> None:
    """Refuse a call that is wrong as a whole.

    Raises:
        RefusedCall: it is.
    """
    sender = call.get("FromEmailAddress") or ""
    if not sender:
        bad("FromEmailAddress is required.")
    if not sender.isascii() or len(sender) > MOST_ADDRESS or wrong_address(bare(sender)):
        bad(f"Invalid email address<{sender}>.")
    template = (call.get("DefaultContent") or {}).get("Template")
    if template is None:
        null("defaultContent")
    content = template.get("TemplateContent") or {}
    if not content.get("Subject") or not (content.get("Html") or content.get("Text")):
        bad("The template needs a subject, and a text or an html part.")
    if any(_UNSUPPORTED.search(part) for part in content.values()):
        bad("Template contains unsupported operations.")
    _check_data(template.get("TemplateData"))
    shared = template.get("Headers", [])
    _check_headers(shared, "defaultContent.template.headers")
    entries = call.get("BulkEmailEntries")
    if not isinstance(entries, list) or not entries:
        null("bulkEmailEntries")
    if len(entries) > MOST_ENTRIES:
        bad(f"The number of destinations exceeds {MOST_ENTRIES}.")
    for place, entry in enumerate(entries, 1):
        _check_entry(entry, f"bulkEmailEntries.{place}.member", len(shared))


def bare(mailbox: str) -> str:
    """Give the address of a mailbox, without a name."""
    return mailbox.rpartition("<")[2].rstrip(">")


def _check_entry(entry: Any, where: str, shared: int) -> None:
    addresses = (entry.get("Destination") or {}).get("ToAddresses") or []
    if not addresses:
        null(f"{where}.destination")
    if len(addresses) > 1:
        bad("This simulator takes one recipient an entry.")
    replacement = (entry.get("ReplacementEmailContent") or {}).get("ReplacementTemplate") or {}
    _check_data(replacement.get("ReplacementTemplateData"))
    headers = entry.get("ReplacementHeaders", [])
    _check_headers(headers, f"{where}.replacementHeaders")
    if len(headers) + shared > MOST_HEADERS:
        bad(f"1 validation error detected: Value at '{where}.replacementHeaders' failed to satisfy constraint: 15")
    for tag in entry.get("ReplacementTags", []):
        name, value = str(tag.get("Name")), str(tag.get("Value"))
        if not (_TAG.fullmatch(name) or name in FEEDBACK_TAGS) or not _TAG.fullmatch(value):
            bad(f"Invalid tag <{name}> at '{where}.replacementTags'")


def _check_headers(headers: list[dict[str, Any]], where: str) -> None:
    for place, header in enumerate(headers, 1):
        name, value = header.get("Name"), header.get("Value")
        if name is None or value is None:
            null(f"{where}.{place}.member.{'name' if name is None else 'value'}")
        if name.lower() in OWN_HEADERS:
            bad(f"The header name {name} is not allowed.")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value) or len(name) + len(value) > 996:
            words = f"1 validation error detected: Value at '{where}.{place}.member.value' failed to satisfy constraint"
            bad(f"{words}: Member must satisfy regular expression pattern: [ -~]*")


def _check_data(data: Any) -> None:
    if data is None:
        return
    try:
        if not isinstance(data, str) or len(data) > MOST_DATA or not isinstance(orjson.loads(data), dict):
            bad("The template data is invalid.")
    except ValueError:
        bad("The template data is invalid.")


def wrong_address(address: str) -> str:
    """Find fault with an address in the words SES has for it, those of JavaMail; give nothing where there is none."""
    local, at, domain = address.partition("@")
    if not all("!" <= letter <= "~" for letter in local):
        return "Local address contains control or whitespace"
    if not at or not local:
        return "Missing final '@domain'"
    if not domain:
        return "Missing domain"
    if not all("!" <= letter <= "~" for letter in domain) or "@" in domain:
        return "Domain contains control or whitespace"
    return ""


def filled(text: str, data: dict[str, Any]) -> str:
    """Put values into a text.

    Raises:
        LookupError: one is missing, or a variable does not end.
    """

    def value(found: re.Match[str]) -> str:
        if data.get(found[1]) is None:
            raise LookupError(f"Attribute '{found[1]}' is not present in the rendering data.")
        return str(data[found[1]])

    if "{{" in _VARIABLE.sub("", text):
        raise LookupError("The template is malformed.")
    return _VARIABLE.sub(value, text)


def bad(words: str) -> NoReturn:
    """Refuse a call for what is in it."""
    refuse(400, "BadRequestException", words)


def null(where: str) -> NoReturn:
    """Refuse a call for what is missing in it."""
    words = f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
    bad(f"1 validation error detected: {words}")


def refuse(status: int, kind: str, words: str) -> NoReturn:
    """Refuse a call."""
    raise RefusedCall(error(status, kind, words))


def error(status: int, kind: str, words: str) -> Reply:
    """Make the answer of a refusal, in the form all of SES's errors have."""
    names = {
        "x_amzn_ErrorType": f"{kind}:http://internal.amazon.com/coral/com.amazonaws.ses/",
        "x_amzn_RequestId": str(uuid.uuid4()),
    }
    return Reply.json(status, {"message": words}, **names)
