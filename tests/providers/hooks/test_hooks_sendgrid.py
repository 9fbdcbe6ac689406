from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from calling import check_that_nothing_breaks
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from digest.providers.hooks import sendgrid
from digest.providers.hooks.fields import UNTOLD
from digest.providers.hooks.interface import Call, Nothing, RefusedError, Told, Unknown, Verified

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
AT = datetime(2026, 11, 26, 9, 0, 5, tzinfo=UTC)
TOKEN = "AAAADAAAB-kQm3Lr0tXvYw7z"
KEY = ec.generate_private_key(ec.SECP256R1())
COPY = {"copy": TOKEN, "batch": "7f3a0c1d2e4b5a69", "address": "ana@example.net"}


def public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def event(kind: str, **more: Any) -> dict[str, Any]:
    """An event in the shape of the event webhook's reference, of one of our copies."""
    return {
        "email": "ana@example.net",
        "timestamp": int(AT.timestamp()),
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": kind,
        "category": ["newsletter"],
        "sg_event_id": "ZGVtby1ldmVudA",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "copy": TOKEN,
        "batch": "7f3a0c1d2e4b5a69",
        **more,
    }


def told(word: str, **more: Any) -> Told:
    return Told(**{"word": word, "at": AT, **COPY, **more})


BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
EVENTS: dict[str, tuple[dict[str, Any], Told | Unknown | Nothing]] = {
    "processed": (event("processed"), told("accepted")),
    "deferred": (
        event("deferred", response="452 4.2.2 mailbox full", attempt="5"),
        told("deferred", code="4.2.2", words="452 4.2.2 mailbox full"),
    ),
    "delivered": (
        event("delivered", response="250 2.0.0 OK", tls=1),
        told("delivered", code="2.0.0", words="250 2.0.0 OK"),
    ),
    "bounce": (
        event(
            "bounce",
            type="bounce",
            reason="550 5.1.1 no such user",
            status="5.1.1",
            bounce_classification="Invalid Address",
        ),
        told("bounced", hard=True, code="5.1.1", words="550 5.1.1 no such user"),
    ),
    "blocked": (
        event("bounce", type="blocked", reason="550 5.7.1 looks like spam", status="5.7.1"),
        told("bounced", code="5.7.1", words="550 5.7.1 looks like spam"),
    ),
    "blocked without a status": (
        event("bounce", type="blocked", reason="unable to get mx info", bounce_classification="Unclassified"),
        told("bounced", words="unable to get mx info"),
    ),
    "dropped: bounced before": (
        event("dropped", reason="Bounced Address", status="5.0.0"),
        told("bounced", hard=True, code="5.0.0", words="not sent: Bounced Address"),
    ),
    "dropped: complained before": (
        event("dropped", reason="Spam Reporting Address"),
        told("bounced", hard=True, words="not sent: Spam Reporting Address"),
    ),
    "dropped: no address": (event("dropped", reason="Invalid"), told("bounced", hard=True, words="not sent: Invalid")),
    "dropped: left": (
        event("dropped", reason="Unsubscribed Address"),
        told("unsubscribed", words="not sent: Unsubscribed Address"),
    ),
    "dropped: the mail's fault": (
        event("dropped", reason="Spam Content"),
        told("bounced", blameless=True, words="not sent: Spam Content"),
    ),
    "dropped: our fault": (
        event("dropped", reason="Invalid SMTPAPI header"),
        told("bounced", blameless=True, words="not sent: Invalid SMTPAPI header"),
    ),
    "open": (
        event("open", useragent=BROWSER, ip="203.0.113.9", sg_machine_open=False),
        told("opened", agent=BROWSER),
    ),
    "open of a machine": (
        event("open", useragent="Mozilla/5.0", sg_machine_open=True),
        told("opened", agent="Mozilla/5.0", machine=True),
    ),
    "click": (
        event("click", useragent=BROWSER, url="https://verdicts.example.com/compare/x?a=1", url_offset={"index": 3}),
        told("clicked", agent=BROWSER, link="https://verdicts.example.com/compare/x?a=1"),
    ),
    "spamreport": (event("spamreport"), told("complained")),
    "unsubscribe": (event("unsubscribe"), told("unsubscribed")),
    "group_unsubscribe": (event("group_unsubscribe", asm_group_id=10), told("unsubscribed")),
    "group_resubscribe": (event("group_resubscribe", asm_group_id=10), Nothing("group_resubscribe")),
    "of the account": (
        {"event": "account_status_change", "timestamp": 1764147605, "sg_event_id": "x", "type": "compliance_suspend"},
        Nothing("account_status_change"),
    ),
    "a kind there is not yet": (
        {"event": "levitated", "email": "ana@example.net"},
        Unknown("levitated", '{"event":"levitated","email":"ana@example.net"}'),
    ),
}


def call(body: bytes, *, at: datetime = NOW, key: ec.EllipticCurvePrivateKey = KEY) -> Call:
    stamp = str(int(at.timestamp()))
    signature = b64encode(key.sign(stamp.encode() + body, ec.ECDSA(SHA256()))).decode()
    return Call({sendgrid.SIGNATURE: signature, sendgrid.TIMESTAMP: stamp}, body, {})


def verified(made: Call, *, key: str | None = None, now: datetime = NOW) -> Verified:
    async def nothing(address: str) -> bytes:
        raise AssertionError(address)

    options = {"webhook_key": public(KEY) if key is None else key}
    return asyncio.run(sendgrid.verify(made, options, now=now, fetch=nothing))


def refused(made: Call, **more: Any) -> tuple[str, int]:
    with pytest.raises(RefusedError) as error:
        verified(made, **more)
    return str(error.value), error.value.status


BODY = json.dumps([found for found, _ in EVENTS.values()]).encode() + b"\r\n"


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_told_as_documented(name: str) -> None:
    found, expected = EVENTS[name]
    assert sendgrid.read(json.dumps([found]).encode()) == [expected]


def test_a_call_has_many_events_and_their_order_is_kept() -> None:
    assert verified(call(BODY)) == Verified()
    assert list(sendgrid.read(BODY)) == [expected for _, expected in EVENTS.values()]


def test_a_copy_without_its_token_is_known_by_its_message_id() -> None:
    found = {"event": "spamreport", "email": "ana@example.net", "smtp-id": f"<{TOKEN}@verdicts.example.com>"}
    assert sendgrid.read(json.dumps([found]).encode()) == [
        Told("complained", UNTOLD, name=TOKEN, address="ana@example.net")
    ]


def test_a_signature_that_sendgrid_made_is_right() -> None:
    # As it stands in sendgrid-python's own tests.
    found = {
        "email": "hello@world.com",
        "event": "dropped",
        "reason": "Bounced Address",
        "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
        "timestamp": 1600112492,
    }
    body = json.dumps([found], sort_keys=True, separators=(",", ":")).encode() + b"\r\n"
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglS"
        "I8eNEc6wEA3F+g=="
    )
    signature = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    made = Call({sendgrid.SIGNATURE: signature, sendgrid.TIMESTAMP: "1600112502"}, body, {})
    then = datetime.fromtimestamp(1600112502, tz=UTC)
    assert verified(made, key=key, now=then) == Verified()
    assert refused(Call(made.headers, body.strip(), {}), key=key, now=then)[0] == "wrong signature"
    assert refused(made, key=key)[0] == "too old"


@pytest.mark.parametrize("change", [BODY[:-1], BODY + b" ", BODY.replace(b"ana@", b"bob@", 1), b""])
def test_an_altered_body_is_refused(change: bytes) -> None:
    assert refused(Call(call(BODY).headers, change, {})) == ("wrong signature", 401)


def test_an_altered_moment_is_refused() -> None:
    headers = {**call(BODY).headers, sendgrid.TIMESTAMP: str(int(NOW.timestamp()) + 1)}
    assert refused(Call(headers, BODY, {})) == ("wrong signature", 401)


def test_a_signature_by_another_key_is_refused() -> None:
    assert refused(call(BODY, key=ec.generate_private_key(ec.SECP256R1()))) == ("wrong signature", 401)


@pytest.mark.parametrize("missing", [sendgrid.SIGNATURE, sendgrid.TIMESTAMP])
def test_a_call_without_a_header_is_refused(missing: str) -> None:
    headers = {name: value for name, value in call(BODY).headers.items() if name != missing}
    assert refused(Call(headers, BODY, {})) == ("no signature", 401)


@pytest.mark.parametrize("stamp", ["now", "1764149400.5", "-5", "٤", "9" * 600, " 1764149400"])
def test_a_moment_that_is_no_number_is_refused(stamp: str) -> None:
    headers = {**call(BODY).headers, sendgrid.TIMESTAMP: stamp}
    assert refused(Call(headers, BODY, {})) == ("malformed", 400)


@pytest.mark.parametrize("signature", ["x", "ä", "AAAA", "", "MEUCIQ==" * 40])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    headers = {**call(BODY).headers, sendgrid.SIGNATURE: signature}
    assert refused(Call(headers, BODY, {}))[0] == ("wrong signature" if signature else "no signature")


def test_a_call_is_taken_for_a_day_and_an_hour() -> None:
    day = timedelta(hours=24, minutes=59)
    assert verified(call(BODY, at=NOW - day)) == Verified()
    assert refused(call(BODY, at=NOW - day - timedelta(minutes=2))) == ("too old", 401)
    assert verified(call(BODY, at=NOW + timedelta(minutes=4))) == Verified()
    assert refused(call(BODY, at=NOW + timedelta(minutes=6))) == ("too early", 503)


def test_without_a_key_nothing_is_taken_but_comes_again() -> None:
    assert refused(call(BODY), key="") == ("not set up", 503)


def test_a_key_is_taken_as_sendgrid_or_openssl_shows_it() -> None:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for written in (public(KEY), f" {public(KEY)}\n", pem):
        assert sendgrid.Options(webhook_key=written)
        assert verified(call(BODY), key=written) == Verified()


@pytest.mark.parametrize(
    "key",
    [
        "SG.not-this-one",
        "AAAA",
        public(ec.generate_private_key(ec.SECP384R1())),
        public(rsa.generate_private_key(65537, 2048)),
    ],
    ids=["API key", "no key", "another curve", "RSA"],
)
def test_what_is_no_key_of_sendgrid_is_told_at_once(key: str) -> None:
    with pytest.raises(ValidationError, match="no verification key of SendGrid"):
        sendgrid.Options(webhook_key=key)


def test_reading_never_fails() -> None:
    check_that_nothing_breaks(sendgrid.read, [[found] for found, _ in EVENTS.values()])
