"""What Resend tells: each of its events as its pages have them, and calls that are not Resend's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
import standardwebhooks
from calling import COPY, NAME, NOW, at, check_that_nothing_breaks, refusal, verify
from pydantic import SecretStr, ValidationError

from digest.providers.hooks.fields import UNTOLD
from digest.providers.hooks.interface import Nothing, Told, Unknown
from digest.providers.hooks.resend import Options, read

KEY, OLD_KEY = b"a key of the endpoint's own", b"the key it had before"
SECRET, OLD_SECRET = (f"whsec_{base64.b64encode(key).decode()}" for key in (KEY, OLD_KEY))
OPTIONS = Options(webhook_secret=SecretStr(SECRET))
ADA = "ada@example.net"


def event(kind: str, **data: Any) -> dict[str, Any]:
    common = {
        "created_at": "2026-11-26T08:00:00.120Z",
        "email_id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        "from": "Weekly Verdicts <weekly@example.com>",
        "message_id": f"<{NAME}@verdicts.example.com>",
        "subject": "Two editors compared",
        "tags": {"copy": COPY},
        "to": [ADA],
    }
    return {"type": kind, "created_at": "2026-11-26T08:00:05.736Z", "data": common | data}


TOLD: dict[str, Any] = {"at": at("08:00:05.736"), "copy": COPY, "name": NAME, "address": ADA}
EVENTS: list[tuple[dict[str, Any], Told | Nothing]] = [
    (event("email.sent"), Told("accepted", **TOLD)),
    (event("email.delivered"), Told("delivered", **TOLD)),
    (event("email.delivery_delayed"), Told("deferred", **TOLD)),
    (event("email.complained"), Told("complained", **TOLD)),
    (
        event(
            "email.bounced",
            bounce={
                "type": "Permanent",
                "subType": "General",
                "message": "The receiving server refused the mail for good.",
                "diagnosticCode": ["smtp; 550 5.1.1 no such user here"],
            },
        ),
        Told("bounced", **TOLD, hard=True, code="5.1.1", words="smtp; 550 5.1.1 no such user here"),
    ),
    (
        event(
            "email.bounced", bounce={"type": "Transient", "subType": "MailboxFull", "message": "The mailbox is full."}
        ),
        Told("bounced", **TOLD, words="The mailbox is full."),
    ),
    (
        event("email.bounced", bounce={"type": "Undetermined", "subType": "Undetermined", "message": "452 said it"}),
        Told("bounced", **TOLD, code="452", words="452 said it"),
    ),
    (
        event("email.failed", failed={"reason": "reached_daily_quota"}),
        Told("bounced", **TOLD, words="reached_daily_quota", blameless=True),
    ),
    (
        event(
            "email.suppressed",
            suppressed={
                "message": "It bounced before.",
                "type": "OnAccountSuppressionList",
                "reason": "previous_bounce",
            },
        ),
        Told("bounced", **TOLD, hard=True, words="previous_bounce: It bounced before."),
    ),
    (
        event(
            "email.opened",
            open={"ipAddress": "203.0.113.7", "timestamp": "2026-11-26T08:00:03.5+00:00", "userAgent": "Mozilla/5.0"},
        ),
        Told("opened", **(TOLD | {"at": at("08:00:03.500")}), agent="Mozilla/5.0"),
    ),
    (
        event(
            "email.clicked",
            click={
                "ipAddress": "203.0.113.7",
                "link": "https://example.com/a?b=c",
                "timestamp": "2026-11-26T08:00:04Z",
                "userAgent": "curl/8",
            },
        ),
        Told("clicked", **(TOLD | {"at": at("08:00:04")}), link="https://example.com/a?b=c", agent="curl/8"),
    ),
    (event("email.scheduled"), Nothing("email.scheduled")),
    (event("email.received"), Nothing("email.received")),
    (
        {"type": "contact.updated", "created_at": "2026-11-26T08:00:00Z", "data": {"id": "1", "email": ADA}},
        Nothing("contact.updated"),
    ),
    ({"type": "domain.created", "created_at": "2026-11-26T08:00:00Z", "data": {}}, Nothing("domain.created")),
    (
        {"type": "suppression.added", "created_at": "2026-11-26T08:00:00Z", "data": {"email": ADA, "origin": "bounce"}},
        Nothing("suppression.added"),
    ),
]


def body_of(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def signed(
    body: bytes, *, key: bytes = KEY, ident: str = "msg_2abc", seconds: int = 0, prefix: str = "svix"
) -> dict[str, str]:
    moment = str(int(NOW.timestamp()) + seconds)
    mac = hmac.new(key, f"{ident}.{moment}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {f"{prefix}-id": ident, f"{prefix}-timestamp": moment, f"{prefix}-signature": signature}


@pytest.mark.parametrize(
    ("payload", "told"), EVENTS, ids=lambda value: value.get("type") if isinstance(value, dict) else ""
)
def test_each_event_is_verified_and_normalised(payload: dict[str, Any], told: Told | Nothing) -> None:
    body = body_of(payload)
    assert verify("resend", body, signed(body), OPTIONS).key is None
    assert read(body) == [told]


def test_tags_may_come_as_a_list_too() -> None:
    (told,) = read(
        body_of(event("email.delivered", tags=[{"name": "x", "value": "1"}, {"name": "copy", "value": COPY}]))
    )
    assert isinstance(told, Told)
    assert told.copy == COPY


def test_a_message_id_that_is_not_ours_names_nothing() -> None:
    (told,) = read(body_of(event("email.delivered", message_id="<0100018f-1@email.example.com>")))
    assert isinstance(told, Told)
    assert told.name is None


@pytest.mark.parametrize("moment", ["", None, 5, "yesterday", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-20:00"])
def test_an_absurd_moment_is_untold(moment: object) -> None:
    (told,) = read(body_of(event("email.delivered") | {"created_at": moment}))
    assert isinstance(told, Told)
    assert told.at == UNTOLD


@pytest.mark.parametrize(
    "body", [b"{", b"", b"\xff", b"[]", b'{"type": "email.teleported", "data": {}}', b'{"type": 1e9}']
)
def test_what_is_not_known_is_kept_as_it_came(body: bytes) -> None:
    (unknown,) = read(body)
    assert isinstance(unknown, Unknown)
    assert unknown.raw == body.decode(errors="replace")


def test_nothing_breaks_the_reading() -> None:
    check_that_nothing_breaks(read, [payload for payload, _ in EVENTS])


# Whose it is -------------------------------------------------------------------------------------------------------

BODY = body_of(EVENTS[0][0])


def test_the_library_of_the_standard_signs_the_same() -> None:
    signature = standardwebhooks.Webhook(SECRET).sign("msg_1", NOW, BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": signature}
    verify("resend", BODY, headers, OPTIONS)


def test_the_vector_of_svix_holds() -> None:
    verify(
        "resend",
        b'{"test": 2432232314}',
        {
            "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "svix-timestamp": "1614265330",
            "svix-signature": "v1,Zm9v v2,Zm9v v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        Options(webhook_secret=SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        now=NOW.fromtimestamp(1614265330, NOW.tzinfo),
    )


def test_while_the_secret_is_changed_both_hold() -> None:
    both = Options(webhook_secret=SecretStr(f"{SECRET} {OLD_SECRET}"))
    for key in (KEY, OLD_KEY):
        verify("resend", BODY, signed(BODY, key=key), both)
    new, old = signed(BODY), signed(BODY, key=OLD_KEY)
    verify("resend", BODY, new | {"svix-signature": f"{old['svix-signature']} {new['svix-signature']}"}, OPTIONS)
    assert refusal("resend", BODY, old, OPTIONS) == ("wrong signature", 401)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    verify("resend", BODY, signed(BODY, seconds=seconds), OPTIONS)


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 10**9])
def test_a_call_of_another_time_is_refused(seconds: int) -> None:
    assert refusal("resend", BODY, signed(BODY, seconds=seconds), OPTIONS) == ("too old", 401)


def test_an_old_call_played_again_is_refused() -> None:
    headers = signed(BODY)
    verify("resend", BODY, headers, OPTIONS)
    assert refusal("resend", BODY, headers, OPTIONS, now=NOW + timedelta(seconds=301)) == ("too old", 401)


def test_an_altered_call_is_refused() -> None:
    headers = signed(BODY)
    for altered in (BODY.replace(b"sent", b"sens"), BODY + b" ", b""):
        assert refusal("resend", altered, headers, OPTIONS) == ("wrong signature", 401)
    for name in ("id", "timestamp"):
        changed = headers | {f"svix-{name}": headers[f"svix-{name}"][:-1] + "9"}
        assert refusal("resend", BODY, changed, OPTIONS) == ("wrong signature", 401)
    later = headers | {"svix-timestamp": str(int(NOW.timestamp()) + 400)}
    assert refusal("resend", BODY, later, OPTIONS, now=NOW + timedelta(seconds=400)) == ("wrong signature", 401)


def test_a_wrong_key_is_refused() -> None:
    assert refusal("resend", BODY, signed(BODY, key=b"another"), OPTIONS) == ("wrong signature", 401)


@pytest.mark.parametrize("name", ["svix-id", "svix-timestamp", "svix-signature"])
def test_a_missing_header_is_refused(name: str) -> None:
    headers = {header: value for header, value in signed(BODY).items() if header != name}
    assert refusal("resend", BODY, headers, OPTIONS) == ("no signature", 401)


@pytest.mark.parametrize("signature", ["v1", "v1,", "v2,abc", ",", "v1,ü", "v1a," + "A" * 44, " "])
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    assert refusal("resend", BODY, signed(BODY) | {"svix-signature": signature}, OPTIONS)[0] == "wrong signature"


@pytest.mark.parametrize("moment", ["soon", "-5", "1e9", "²", "9" * 5000])
def test_a_time_that_is_none_is_refused(moment: str) -> None:
    assert refusal("resend", BODY, signed(BODY) | {"svix-timestamp": moment}, OPTIONS) == ("malformed", 401)


def test_without_a_secret_nothing_is_believed() -> None:
    empty = hmac.new(b"", b"msg_1.%d." % NOW.timestamp() + BODY, hashlib.sha256).digest()
    headers = signed(BODY) | {"svix-signature": f"v1,{base64.b64encode(empty).decode()}", "svix-id": "msg_1"}
    for options in (
        Options(webhook_secret=None),
        Options(webhook_secret=SecretStr("")),
        Options(webhook_secret=SecretStr(" ")),
    ):
        assert refusal("resend", BODY, headers, options) == ("not set up", 401)


def test_a_secret_that_is_none_is_told_when_it_is_set() -> None:
    with pytest.raises(ValidationError, match="whsec_ and then Base64"):
        Options(webhook_secret=SecretStr("re_this_is_the_key"))
