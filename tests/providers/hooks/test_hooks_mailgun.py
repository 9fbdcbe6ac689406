from __future__ import annotations

import asyncio
import hmac
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from calling import check_that_nothing_breaks
from pydantic import SecretStr

from digest.providers.hooks import mailgun
from digest.providers.hooks.interface import Call, Nothing, RefusedError, Told, Unknown, Verified

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
AT = datetime(2026, 11, 26, 9, 0, 5, 250_000, tzinfo=UTC)
TOKEN = "AAAADAAAB-kQm3Lr0tXvYw7z"
KEY = "0123456789abcdef0123456789abcdef-8c8e5529-1e2f3a4b"
ONCE = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
BATCH = "7f3a0c1d2e4b5a69"


def event(kind: str, **more: Any) -> dict[str, Any]:
    """An event in the shape of Mailgun's page of payloads, of one of our copies."""
    return {
        "event": kind,
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": AT.timestamp(),
        "log-level": "info",
        "account": {"id": "1234567890303a4bd1f33898"},
        "domain": {"name": "mg.example.com"},
        "recipient": "ana@example.net",
        "recipient-domain": "example.net",
        "tags": ["digest"],
        "campaigns": [],
        "user-variables": {"copy": TOKEN, "batch": BATCH},
        "flags": {"is-routed": False, "is-authenticated": True, "is-system-test": False, "is-test-mode": False},
        "envelope": {"sender": "bounce@mg.example.com", "transport": "smtp", "targets": "ana@example.net"},
        "message": {
            "headers": {
                "to": "ana@example.net",
                "message-id": f"{BATCH}.batch@mg.example.com",
                "from": "Weekly <news@mg.example.com>",
                "subject": "Issue 12",
            },
            "attachments": [],
            "size": 1234,
        },
        **more,
    }


def failed(severity: str, reason: str, code: int, message: str = "", **more: Any) -> dict[str, Any]:
    status = {"attempt-no": 1, "code": code, "message": message, "description": "", "mx-host": "mx.example.net", **more}
    return event("failed", severity=severity, reason=reason, **{"log-level": "error", "delivery-status": status})


def told(word: str, **more: Any) -> Told:
    known = {"word": word, "at": AT, "copy": TOKEN, "batch": BATCH, "address": "ana@example.net"}
    return Told(**{**known, **more})


def client(bot: str = "") -> dict[str, str]:
    return {"client-type": "browser", "client-os": "Linux", "user-agent": BROWSER, "bot": bot}


BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
LINK = "https://verdicts.example.com/compare/x?a=1"
GONE = "5.1.1 The email account that you tried to reach does not exist"
EVENTS: dict[str, tuple[dict[str, Any], Told | Nothing]] = {
    "accepted": (event("accepted", method="HTTP"), told("accepted")),
    "delivered": (
        event("delivered", **{"delivery-status": {"code": 250, "message": "OK", "attempt-no": 1, "tls": True}}),
        told("delivered", code="250", words="OK"),
    ),
    "failed for good": (
        failed("permanent", "bounce", 550, GONE, **{"enhanced-code": "5.1.1"}),
        told("bounced", hard=True, code="5.1.1", words=f"bounce: {GONE}"),
    ),
    "failed for good, without an enhanced code": (
        failed("permanent", "generic", 550, "no such user here"),
        told("bounced", hard=True, code="550", words="generic: no such user here"),
    ),
    "refused for what it says": (
        failed("permanent", "bounce", 550, "5.7.1 looks like spam"),
        told("bounced", code="5.7.1", words="bounce: 5.7.1 looks like spam"),
    ),
    "given up": (
        failed("permanent", "old", 550, "too many tries"),
        told("bounced", code="550", words="old: too many tries"),
    ),
    "given up, with a temporary code": (
        failed("permanent", "generic", 498, "No MX for example.net"),
        told("bounced", code="498", words="generic: No MX for example.net"),
    ),
    "suppressed: bounced before": (
        failed("permanent", "suppress-bounce", 605, "Not delivering to previously bounced address"),
        told("bounced", hard=True, code="605", words="suppress-bounce: Not delivering to previously bounced address"),
    ),
    "suppressed: complained before": (
        failed("permanent", "suppress-complaint", 607, "Not delivering to a user who marked your messages as spam"),
        told(
            "bounced",
            hard=True,
            code="607",
            words="suppress-complaint: Not delivering to a user who marked your messages as spam",
        ),
    ),
    "suppressed: left": (
        failed("permanent", "suppress-unsubscribe", 606, "Not delivering to unsubscribed address"),
        told("unsubscribed", code="606", words="suppress-unsubscribe: Not delivering to unsubscribed address"),
    ),
    "failed for now": (
        failed("temporary", "generic", 452, "4.2.2 mailbox full", **{"retry-seconds": 600}),
        told("deferred", code="4.2.2", words="generic: 4.2.2 mailbox full"),
    ),
    "greylisted": (
        failed("temporary", "greylisted", 450, "Recipient address rejected: Greylisted"),
        told("deferred", code="450", words="greylisted: Recipient address rejected: Greylisted"),
    ),
    "rejected": (
        event("rejected", reject={"reason": "Sandbox subdomains are for test purposes only", "description": ""}),
        told("bounced", blameless=True, words="not sent: Sandbox subdomains are for test purposes only"),
    ),
    "opened": (
        event("opened", ip="203.0.113.9", geolocation={"country": "DE"}, **{"client-info": client()}),
        told("opened", agent=BROWSER),
    ),
    "opened by Apple": (
        event("opened", **{"client-info": client("apple")}),
        told("opened", agent=BROWSER, machine=True),
    ),
    "opened through Gmail": (event("opened", **{"client-info": client("gmail")}), told("opened", agent=BROWSER)),
    "clicked": (
        event("clicked", url=LINK, **{"client-info": client()}),
        told("clicked", agent=BROWSER, link=LINK),
    ),
    "clicked by a scanner": (
        event("clicked", url=LINK, **{"client-info": client("generic")}),
        told("clicked", agent=BROWSER, link=LINK, machine=True),
    ),
    "complained": (event("complained"), told("complained")),
    "unsubscribed": (
        event("unsubscribed", **{"client-info": client()}),
        told("unsubscribed", agent=BROWSER),
    ),
    "stored": (event("stored", storage={"url": "https://storage.example.com/1"}), Nothing("stored")),
    "of a list": ({"event": "list_member_uploaded", "timestamp": AT.timestamp()}, Nothing("list_member_uploaded")),
}


def signed(found: object, *, at: datetime = NOW, key: str = KEY, once: str = ONCE, name: str = "signature") -> bytes:
    stamp = str(int(at.timestamp()))
    code = hmac.digest(key.encode(), (stamp + once).encode(), "sha256").hex()
    signature = {"timestamp": stamp, "token": once, "signature": "0" * 64} | {name: code}
    return json.dumps({"signature": signature, "event-data": found}).encode()


def verified(body: bytes, *, key: str = KEY, now: datetime = NOW) -> Verified:
    async def nothing(address: str) -> bytes:
        raise AssertionError(address)

    return asyncio.run(mailgun.verify(Call({}, body, {}), {"webhook_key": SecretStr(key)}, now=now, fetch=nothing))


def refused(body: bytes, **more: Any) -> tuple[str, int]:
    with pytest.raises(RefusedError) as error:
        verified(body, **more)
    return str(error.value), error.value.status


DELIVERED = event("delivered")
STAMP = str(int(NOW.timestamp()))


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_told_as_documented(name: str) -> None:
    found, expected = EVENTS[name]
    body = signed(found)
    assert verified(body) == Verified(key=f"{STAMP}{ONCE}")
    assert mailgun.read(body) == [expected]


def test_a_kind_there_is_not_yet_is_kept_as_it_came() -> None:
    body = signed({"event": "levitated"})
    [found] = mailgun.read(body)
    assert isinstance(found, Unknown)
    assert found.kind == "levitated"
    assert json.loads(found.raw) == json.loads(body)


def test_a_batch_is_known_by_its_message_id_alone() -> None:
    [found] = mailgun.read(signed(event("delivered", **{"user-variables": {}})))
    assert found == told("delivered", copy=None)


def test_an_event_without_a_moment_has_that_of_its_signature() -> None:
    [found] = mailgun.read(signed(event("delivered", timestamp=None)))
    assert found == told("delivered", at=NOW)


def test_a_signature_that_mailgun_made_is_right() -> None:
    # From Mailgun's documentation of 2018, with a key of those days.
    once = {
        "timestamp": "1529006854",
        "token": "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0",
        "signature": "60de66bc807c4569f75daf3d09b760e009c20a11251daeb7615eb8c152a8a31c",
    }
    body, then = (
        json.dumps({"signature": once, "event-data": DELIVERED}).encode(),
        datetime(2018, 6, 14, 21, tzinfo=UTC),
    )
    assert verified(body, key="key-0123456789abcdef", now=then).key == once["timestamp"] + once["token"]


def test_a_subaccount_is_believed_by_the_key_of_the_account_above_it() -> None:
    assert verified(signed(DELIVERED, name="parent-signature")).key == f"{STAMP}{ONCE}"
    assert refused(signed(DELIVERED, name="parent-signature", key="another")) == ("wrong signature", 401)


def test_another_event_under_the_same_signature_has_the_same_key() -> None:
    # By which it is refused: the signature itself does not cover the event.
    assert verified(signed(DELIVERED)) == verified(signed(event("complained")))


def test_no_part_of_the_moment_can_be_moved_into_the_token() -> None:
    found = json.loads(signed(DELIVERED))
    for cut in (9, 11):
        whole = STAMP + ONCE
        found["signature"] |= {"timestamp": whole[:cut], "token": whole[cut:]}
        # The same text was signed: it is the moment that gives it away.
        assert refused(json.dumps(found).encode())[0] in ("too old", "too early", "no signature")


def test_an_altered_moment_or_token_is_refused() -> None:
    for name, value in (("timestamp", str(int(STAMP) + 1)), ("token", ONCE[:-1] + "1"), ("signature", "f" * 64)):
        found = json.loads(signed(DELIVERED))
        found["signature"][name] = value
        assert refused(json.dumps(found).encode()) == ("wrong signature", 401)


def test_a_signature_by_another_key_is_refused() -> None:
    assert refused(signed(DELIVERED, key="another")) == ("wrong signature", 401)


@pytest.mark.parametrize("missing", ["timestamp", "token", "signature"])
def test_a_call_without_a_part_of_its_signature_is_refused_for_good(missing: str) -> None:
    found = json.loads(signed(DELIVERED))
    del found["signature"][missing]
    assert refused(json.dumps(found).encode()) == ("no signature", 406)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timestamp", True),
        ("timestamp", 1764149400.5),
        ("timestamp", "١٧٦٤١٤٩٤٠٠"),
        ("timestamp", "1764149400\n"),
        ("token", ["x"]),
        ("token", "ä" * 50),
        ("token", "x"),
        ("token", "x" * 5000),
        ("signature", None),
        ("signature", "ä" * 64),
        ("signature", "F" * 64),
    ],
)
def test_what_is_no_signature_is_refused(name: str, value: object) -> None:
    found = json.loads(signed(DELIVERED))
    found["signature"][name] = value
    assert refused(json.dumps(found).encode()) == ("no signature", 406)


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'"signature"', b"timestamp=1&token=2&signature=3", b"\xff"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert refused(body) == ("malformed", 406)


def test_a_moment_may_be_a_number() -> None:
    found = json.loads(signed(DELIVERED))
    found["signature"]["timestamp"] = int(STAMP)
    assert verified(json.dumps(found).encode()).key == f"{STAMP}{ONCE}"


def test_a_call_is_taken_for_half_a_day() -> None:
    assert verified(signed(DELIVERED, at=NOW - timedelta(hours=11, minutes=59))).key
    assert refused(signed(DELIVERED, at=NOW - timedelta(hours=12, minutes=1))) == ("too old", 406)
    assert verified(signed(DELIVERED, at=NOW + timedelta(minutes=4))).key
    assert refused(signed(DELIVERED, at=NOW + timedelta(minutes=6))) == ("too early", 401)


def test_without_a_key_nothing_is_taken_but_comes_again() -> None:
    assert refused(signed(DELIVERED, key=""), key="") == ("not set up", 503)


def test_reading_never_fails() -> None:
    check_that_nothing_breaks(mailgun.read, [json.loads(signed(found)) for found, _ in EVENTS.values()])


def test_a_spoiled_call_is_refused_or_its_signature_is_whole() -> None:
    def take(body: bytes) -> list[Told | Unknown | Nothing]:
        with suppress(RefusedError):
            assert verified(body).key == f"{STAMP}{ONCE}"
        return []

    check_that_nothing_breaks(take, [json.loads(signed(DELIVERED))])
