"""What Postmark tells: each of its events as its pages have them, and calls that are not Postmark's."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from calling import BATCH, COPY, NAME, at, check_that_nothing_breaks, refusal, verify
from pydantic import SecretStr, ValidationError

from digest.providers.hooks.fields import UNTOLD
from digest.providers.hooks.interface import Nothing, Told, Unknown
from digest.providers.hooks.postmark import Options, read

OPTIONS = Options(webhook_user="pm", webhook_password=SecretStr("a long word: nobody guesses"))
ADA = "ada@example.net"
COMMON: dict[str, Any] = {
    "ServerID": 23,
    "MessageStream": "broadcast",
    "MessageID": "b7bc2f4a-e38e-4336-af7d-e6c392c2f817",
    "Tag": "",
    "Metadata": {"batch": BATCH, "copy": COPY, "message": NAME},
}
TOLD: dict[str, Any] = {"copy": COPY, "name": NAME, "address": ADA, "batch": BATCH}
SERVER = "smtp;550 5.1.1 no such user"


def bounce(kind: str, code: int = 0, *, record: str = "Bounce", inactive: bool = False, words: str = SERVER) -> Any:
    own = {
        "RecordType": record,
        "ID": 692560173,
        "Type": kind,
        "TypeCode": code,
        "Name": kind,
        "Description": "In Postmark's own words.",
        "Details": words,
        "Email": ADA,
        "From": "weekly@example.com",
        "BouncedAt": "2026-11-26T08:00:09Z",
        "DumpAvailable": True,
        "Inactive": inactive,
        "CanActivate": True,
        "Subject": "Two editors compared",
    }
    return COMMON | own


def change(suppress: object, why: object = None, origin: str = "Recipient") -> Any:
    own = {"RecordType": "SubscriptionChange", "ChangedAt": "2026-11-26T08:20:00Z", "Recipient": ADA, "Origin": origin}
    return COMMON | own | {"SuppressSending": suppress, "SuppressionReason": why}


def bounced(*, hard: bool) -> Told:
    return Told("bounced", at=at("08:00:09"), **TOLD, hard=hard, code="5.1.1", words=SERVER)


READING: dict[str, Any] = {
    "ReceivedAt": "2026-11-26T08:10:00Z",
    "Recipient": ADA,
    "UserAgent": "Mozilla/5.0",
    "Platform": "Desktop",
}
COMPLAINED = Told("complained", at=at("08:00:09"), **TOLD, words=SERVER)
CHANGED = at("08:20:00")
EVENTS: list[tuple[Any, Told | Nothing | Unknown]] = [
    (
        COMMON
        | {
            "RecordType": "Delivery",
            "Recipient": ADA,
            "DeliveredAt": "2026-11-26T09:00:05.6421112+01:00",
            "Details": "smtp;250 2.0.0 OK",
        },
        Told("delivered", at=at("08:00:05.642111"), **TOLD, code="2.0.0", words="smtp;250 2.0.0 OK"),
    ),
    (
        COMMON | READING | {"RecordType": "Open", "FirstOpen": True, "Client": {"Name": "Gmail"}, "Geo": {}},
        Told("opened", at=at("08:10:00"), **TOLD, agent="Mozilla/5.0"),
    ),
    (
        COMMON | READING | {"RecordType": "Click", "ClickLocation": "HTML", "OriginalLink": "https://example.com/a"},
        Told("clicked", at=at("08:10:00"), **TOLD, agent="Mozilla/5.0", link="https://example.com/a"),
    ),
    *((bounce(kind, code), bounced(hard=True)) for kind, code in [
        ("HardBounce", 1), ("BadEmailAddress", 100000), ("ManuallyDeactivated", 100002)
    ]),
    *((bounce(kind, code), bounced(hard=False)) for kind, code in [
        ("Transient", 2), ("DnsError", 256), ("SpamNotification", 512), ("SoftBounce", 4096), ("Unconfirmed", 100003),
        ("Blocked", 100006), ("SMTPApiError", 100007), ("DMARCPolicy", 100009), ("TemplateRenderingFailed", 100010),
    ]),
    *((bounce(kind, code), Nothing(f"Bounce {kind}")) for kind, code in [
        ("Subscribe", 32), ("AutoResponder", 64), ("AddressChange", 128), ("OpenRelayTest", 1024),
        ("VirusNotification", 8192), ("ChallengeVerification", 16384), ("InboundError", 100008),
    ]),
    (bounce("SoftBounce", 4096, inactive=True), bounced(hard=True)),
    (bounce("Unsubscribe", 16), Told("unsubscribed", at=at("08:00:09"), **TOLD, words=SERVER)),
    (bounce("SpamComplaint", 100001), COMPLAINED),
    (bounce("SpamComplaint", 100001, record="SpamComplaint", inactive=True), COMPLAINED),
    (bounce("SpamComplaint", 512, record="SpamComplaint"), COMPLAINED),
    (change(True, "ManualSuppression"), Told("unsubscribed", at=CHANGED, **TOLD)),
    (change(True, "HardBounce"),
     Told("bounced", at=CHANGED, **TOLD, hard=True, words="Postmark mails this address no more")),
    (change(True, "SpamComplaint"), Told("complained", at=CHANGED, **TOLD)),
    (change(False), Nothing("SubscriptionChange")),
    (COMMON | {"RecordType": "Inbound", "From": ADA, "Subject": "Hello"}, Nothing("Inbound")),
]  # fmt: skip


def body_of(value: Any) -> bytes:
    return json.dumps(value).encode()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


RIGHT = basic("pm", "a long word: nobody guesses")
BODY = body_of(EVENTS[0][0])


@pytest.mark.parametrize(("payload", "told"), EVENTS)
def test_each_event_is_verified_and_normalised(payload: Any, told: Told | Nothing) -> None:
    body = body_of(payload)
    assert verify("postmark", body, RIGHT, OPTIONS).key is None
    assert read(body) == [told]


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (bounce("Unknown", 2048), "Bounce Unknown"),
        (bounce("Telepathy", 7), "Bounce Telepathy"),
        (bounce(""), "Bounce"),
        (change(True, "Whim"), "SubscriptionChange Whim"),
        (change(None), "SubscriptionChange"),
        (COMMON | {"RecordType": "Reply"}, "Reply"),
        ({"RecordType": ["Delivery", "Open"]}, "Delivery"),
        (["Delivery"], ""),
        (5, ""),
    ],
)
def test_what_is_not_known_is_kept_as_it_came(payload: Any, kind: str) -> None:
    body = body_of(payload)
    if kind == "Delivery":
        assert [type(found) for found in read(body)] == [Told]
    else:
        assert read(body) == [Unknown(kind, body.decode())]


@pytest.mark.parametrize("body", [b"{", b"", b"\xff"])
def test_what_is_no_json_is_kept_as_it_came(body: bytes) -> None:
    assert read(body) == [Unknown("", body.decode(errors="replace"))]


def test_a_manual_suppression_names_no_copy_and_counts_by_its_address() -> None:
    """Made in Postmark's own pages it has no message, and no metadata."""
    payload = change(True, "ManualSuppression", "Customer") | {"MessageID": None, "Metadata": {}}
    assert read(body_of(payload)) == [Told("unsubscribed", at=CHANGED, address=ADA)]


def test_without_a_moment_it_is_untold() -> None:
    (told,) = read(body_of({**bounce("HardBounce"), "BouncedAt": None}))
    assert isinstance(told, Told)
    assert told.at == UNTOLD
    assert told.hard


def test_nothing_breaks_the_reading() -> None:
    check_that_nothing_breaks(read, [payload for payload, _ in EVENTS])


# Whose it is -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        basic("pm", "a long word"),
        basic("pm", ""),
        basic("PM", "a long word: nobody guesses"),
        basic("", "a long word: nobody guesses"),
        basic("pm", "a long word: nobody guesses "),
    ],
)
def test_wrong_credentials_are_refused_so_that_postmark_tries_again(headers: dict[str, str]) -> None:
    assert refusal("postmark", BODY, headers, OPTIONS) == ("wrong password", 401)


@pytest.mark.parametrize("value", ["", "Basic", "Basic !!", "Basic cG0=", "Bearer x", "Basic cG0=x", "basic \x00"])
def test_what_is_no_credentials_is_refused(value: str) -> None:
    assert refusal("postmark", BODY, {"Authorization": value}, OPTIONS) == ("no password", 401)
    assert refusal("postmark", BODY, {}, OPTIONS) == ("no password", 401)


def test_a_header_may_prove_it_instead() -> None:
    options = Options(webhook_header=SecretStr("X-Digest: a long word"))
    verify("postmark", BODY, {"x-digest": "a long word"}, options)
    assert refusal("postmark", BODY, {"X-Digest": "another"}, options) == ("wrong header", 401)
    assert refusal("postmark", BODY, RIGHT, options) == ("no header", 401)


def test_where_both_are_set_both_must_be_right() -> None:
    options = Options(
        webhook_user="pm",
        webhook_password=SecretStr("a long word: nobody guesses"),
        webhook_header=SecretStr("X-Digest: this"),
    )
    verify("postmark", BODY, RIGHT | {"X-Digest": "this"}, options)
    assert refusal("postmark", BODY, RIGHT, options)[0] == "no header"
    assert refusal("postmark", BODY, {"X-Digest": "this"}, options)[0] == "no password"
    assert refusal("postmark", BODY, basic("pm", "x") | {"X-Digest": "this"}, options)[0] == "wrong password or header"
    assert refusal("postmark", BODY, RIGHT | {"X-Digest": "that"}, options)[0] == "wrong password or header"


def test_without_a_password_nothing_is_believed() -> None:
    for options in (Options(), Options(webhook_password=SecretStr("")), Options(webhook_header=SecretStr(""))):
        assert refusal("postmark", BODY, basic("digest", ""), options) == ("not set up", 401)


@pytest.mark.parametrize("header", ["X-Digest", "X-Digest:", ": word", "X Digest: word", "X-Digest: "])
def test_a_header_that_is_none_is_told_when_it_is_set(header: str) -> None:
    with pytest.raises(ValidationError, match="write it like X-Digest"):
        Options(webhook_header=SecretStr(header))
