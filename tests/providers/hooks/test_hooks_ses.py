from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from calling import check_that_nothing_breaks
from pydantic import ValidationError
from sns_signing import (
    CERTIFICATE,
    HOST,
    NOW,
    TOPIC,
    certificate,
    confirmation,
    elliptic_certificate,
    notification,
    serving,
    signed,
    signing,
    stamp,
)

from digest.providers.hooks import ses, sns
from digest.providers.hooks.interface import Call, Nothing, RefusedError, Told, Unknown, Verified

AT = datetime(2026, 11, 26, 9, 0, 4, 250_000, tzinfo=UTC)
SENT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
COPY, BATCH, ADA = "AAAADAAAB-kQm3Lr0tXvYw7z", "7f3a0c1d2e4b5a69", "ada@example.net"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


# What is told ------------------------------------------------------------------------------------------------------


def mail(**more: Any) -> dict[str, Any]:
    return {
        "timestamp": stamp(SENT),
        "messageId": "0100018d0c3e4f5a-1b2c3d4e-000000",
        "source": "Weekly <news@example.com>",
        "sourceArn": "arn:aws:ses:eu-central-1:111122223333:identity/example.com",
        "sendingAccountId": "111122223333",
        "destination": [ADA],
        "headersTruncated": False,
        "headers": [{"name": "Subject", "value": "Issue 12"}],
        "commonHeaders": {"from": ["news@example.com"], "to": [ADA], "subject": "Issue 12"},
        "tags": {"ses:configuration-set": ["newsletter"], "copy": [COPY], "batch": [BATCH]},
        **more,
    }


def event(kind: str, **parts: Any) -> dict[str, Any]:
    """An event in the shape of SES's examples, of one of our copies."""
    return {"eventType": kind, "mail": mail(), **parts}


def bounce(kind: str, subkind: str, **recipient: str) -> dict[str, Any]:
    found = {"emailAddress": ADA, "action": "failed", **recipient}
    parts = {"bounceType": kind, "bounceSubType": subkind, "bouncedRecipients": [found], "timestamp": stamp(AT)}
    return event("Bounce", bounce={**parts, "feedbackId": "0100018d-ffff", "reportingMTA": "dsn; a8-70.example.com"})


def complaint(**more: Any) -> dict[str, Any]:
    parts = {"complainedRecipients": [{"emailAddress": ADA}], "timestamp": stamp(AT), "feedbackId": "0100018d-eeee"}
    return event("Complaint", complaint={**parts, **more})


def preferences(*, everything: bool, weekly: str) -> dict[str, Any]:
    return {
        "unsubscribeAll": everything,
        "topicSubscriptionStatus": [{"topicName": "weekly", "subscriptionStatus": weekly}],
    }


def subscription(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    parts = {"contactList": "readers", "timestamp": stamp(AT), "source": "UnsubscribeHeader"}
    return event("Subscription", subscription={**parts, "newTopicPreferences": new, "oldTopicPreferences": old})


IN, OUT, GONE = (
    preferences(everything=everything, weekly=weekly)
    for everything, weekly in ((False, "OptIn"), (False, "OptOut"), (True, "OptOut"))
)


def told(word: str, **more: Any) -> Told:
    return Told(**{"word": word, "at": AT, "copy": COPY, "batch": BATCH, "address": ADA, **more})


NO_USER = {"status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 no such user"}
FULL = {"status": "4.2.2", "diagnosticCode": "smtp; 452 4.2.2 mailbox full"}
EVENTS: dict[str, tuple[dict[str, Any], Told | Nothing]] = {
    "Send": (event("Send", send={}), told("accepted", at=SENT)),
    "Delivery": (
        event(
            "Delivery",
            delivery={
                "timestamp": stamp(AT),
                "processingTimeMillis": 4250,
                "recipients": [ADA],
                "smtpResponse": "250 2.6.0 Message received",
                "reportingMTA": "a8-70.smtp-out.amazonses.com",
            },
        ),
        told("delivered", code="2.6.0", words="250 2.6.0 Message received"),
    ),
    "Bounce, permanent": (
        bounce("Permanent", "General", **NO_USER),
        told("bounced", hard=True, code="5.1.1", words="Permanent: General: smtp; 550 5.1.1 no such user"),
    ),
    "Bounce, no mailbox": (
        bounce("Permanent", "NoEmail"),
        told("bounced", hard=True, words="Permanent: NoEmail"),
    ),
    "Bounce, suppressed by Amazon": (
        bounce("Permanent", "Suppressed", status="5.1.1"),
        told("bounced", hard=True, code="5.1.1", words="Permanent: Suppressed"),
    ),
    "Bounce, suppressed by the account": (
        bounce("Transient", "OnAccountSuppressionList"),
        told("bounced", hard=True, words="Transient: OnAccountSuppressionList"),
    ),
    "Bounce, for now": (
        bounce("Transient", "MailboxFull", **FULL),
        told("bounced", code="4.2.2", words="Transient: MailboxFull: smtp; 452 4.2.2 mailbox full"),
    ),
    "Bounce, for what it says": (
        bounce("Transient", "ContentRejected", diagnosticCode="smtp; 550 5.7.1 looks like spam"),
        told("bounced", code="5.7.1", words="Transient: ContentRejected: smtp; 550 5.7.1 looks like spam"),
    ),
    "Bounce, of some kind": (
        bounce("Undetermined", "Undetermined"),
        told("bounced", words="Undetermined: Undetermined"),
    ),
    "Complaint": (complaint(complaintFeedbackType="abuse", userAgent="SComp"), told("complained", words="abuse")),
    "Complaint, of no kind": (complaint(complaintSubType=None), told("complained")),
    "Complaint, of long ago": (
        complaint(complaintSubType="OnAccountSuppressionList"),
        told("bounced", hard=True, words="not sent: the address complained before"),
    ),
    "Complaint, taken back": (complaint(complaintFeedbackType="not-spam"), Nothing("Complaint: not-spam")),
    "Complaint, by a filter": (complaint(complaintFeedbackType="auth-failure"), Nothing("Complaint: auth-failure")),
    "DeliveryDelay": (
        event(
            "DeliveryDelay",
            deliveryDelay={
                "timestamp": stamp(AT),
                "delayType": "MailboxFull",
                "expirationTime": stamp(AT + timedelta(hours=14)),
                "delayedRecipients": [{"emailAddress": ADA, **FULL}],
            },
        ),
        told("deferred", code="4.2.2", words="MailboxFull: smtp; 452 4.2.2 mailbox full"),
    ),
    "Reject": (
        event("Reject", reject={"reason": "Bad content"}),
        told("bounced", at=NOW, blameless=True, words="not sent: Bad content"),
    ),
    "Rendering Failure": (
        event("Rendering Failure", failure={"templateName": "x", "errorMessage": "Attribute 'g' is not present"}),
        told("bounced", at=NOW, blameless=True, words="not sent: Attribute 'g' is not present"),
    ),
    "Open": (
        event("Open", open={"ipAddress": "203.0.113.9", "timestamp": stamp(AT), "userAgent": BROWSER}),
        told("opened", agent=BROWSER),
    ),
    "Click": (
        event(
            "Click",
            click={
                "ipAddress": "203.0.113.9",
                "timestamp": stamp(AT),
                "userAgent": BROWSER,
                "link": "https://verdicts.example.com/compare/x",
                "linkTags": None,
            },
        ),
        told("clicked", agent=BROWSER, link="https://verdicts.example.com/compare/x"),
    ),
    "Subscription, ended": (subscription(GONE, IN), told("unsubscribed")),
    "Subscription, of a topic ended": (subscription(OUT, IN), told("unsubscribed")),
    "Subscription, begun again": (subscription(IN, GONE), Nothing("Subscription")),
    "Subscription, of another topic": (subscription(OUT, OUT), Nothing("Subscription")),
    "Subscription, of nothing": (event("Subscription", subscription={"timestamp": stamp(AT)}), told("unsubscribed")),
    "of an identity": (
        {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have successfully subscribed"},
        Nothing("AmazonSnsSubscriptionSucceeded"),
    ),
}


def only(body: bytes) -> Told | Unknown | Nothing:
    [found] = ses.read(body)
    return found


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_told_as_documented(name: str) -> None:
    found, expected = EVENTS[name]
    body = signed(notification(found))
    assert verified(body) == Verified()
    assert only(body) == expected


def test_notifications_of_an_identity_have_no_tags_and_the_same_meaning() -> None:
    found = bounce("Permanent", "General", **NO_USER)
    found["notificationType"] = found.pop("eventType")
    del found["mail"]["tags"]
    [known] = ses.read(signed(notification(found)))
    assert isinstance(known, Told)
    assert (known.word, known.hard, known.copy, known.batch, known.address) == ("bounced", True, None, None, ADA)


def test_an_event_of_several_recipients_is_told_of_each_and_its_tag_of_none() -> None:
    found = bounce("Permanent", "General")
    found["mail"]["destination"] = [ADA, "bob@example.net", "cem@example.net"]
    found["bounce"]["bouncedRecipients"] = [
        {"emailAddress": ADA, "status": "5.1.1"},
        {"emailAddress": "bob@example.net", "status": "5.2.1"},
    ]
    assert ses.read(signed(notification(found))) == [
        told("bounced", hard=True, code="5.1.1", words="Permanent: General", copy=None),
        told("bounced", hard=True, code="5.2.1", words="Permanent: General", copy=None, address="bob@example.net"),
    ]
    found = event("Send", mail=mail(destination=[ADA, "bob@example.net"]))
    assert [one.address for one in ses.read(signed(notification(found))) if isinstance(one, Told)] == [
        ADA,
        "bob@example.net",
    ]


def test_what_is_no_event_is_only_counted_or_kept() -> None:
    validated = "Successfully validated SNS topic for Amazon SES event publishing."
    assert only(signed(notification(validated))) == Nothing("topic validated")
    assert only(signed(confirmation())) == Nothing("SubscriptionConfirmation")
    assert only(signed(confirmation("UnsubscribeConfirmation"))) == Nothing("UnsubscribeConfirmation")
    assert only(signed(notification("Hello!"))) == Unknown("not JSON", "Hello!")
    assert only(signed(notification('{"eventType":"Levitated"}'))) == Unknown("Levitated", '{"eventType":"Levitated"}')
    assert only(b"Hello!") == Unknown("not JSON", "Hello!")


def test_reading_never_fails() -> None:
    envelopes = [notification(found) for found, _ in EVENTS.values()]
    check_that_nothing_breaks(ses.read, [*envelopes, confirmation()])

    def inside(body: bytes) -> Any:
        return ses.read(json.dumps(notification(body.decode(errors="replace"))).encode())

    check_that_nothing_breaks(inside, [found for found, _ in EVENTS.values()])


# Whom it is believed -----------------------------------------------------------------------------------------------


@dataclass
class Amazon:
    """What is fetched, and what is had for it."""

    pem: bytes = field(default_factory=lambda: signing().pem)
    asked: list[str] = field(default_factory=list)
    error: Exception | None = None

    async def fetch(self, address: str) -> bytes:
        self.asked.append(address)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return self.pem


@pytest.fixture(autouse=True)
def _no_certificate_is_known() -> Iterator[None]:
    sns._CERTIFICATES.clear()
    yield
    sns._CERTIFICATES.clear()


def verified(
    body: bytes, *, amazon: Amazon | None = None, now: datetime = NOW, topics: tuple[str, ...] = (TOPIC,)
) -> Verified:
    fetch = (amazon or Amazon()).fetch
    call = Call({"x-amz-sns-message-type": "Notification"}, body, {})
    return asyncio.run(ses.verify(call, dict(ses.Options(topics=topics)), now=now, fetch=fetch))


def refused(body: bytes, **more: Any) -> tuple[str, int]:
    with pytest.raises(RefusedError) as error:
        verified(body, **more)
    return str(error.value), error.value.status


SEND = notification(event("Send"))


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [True, False], ids=["with a subject", "without"])
def test_both_versions_of_signatures_are_believed(version: str, subject: bool) -> None:
    message = SEND if subject else {name: value for name, value in SEND.items() if name != "Subject"}
    assert verified(signed(message, version=version)) == Verified()


def test_a_message_in_chinese_is_signed_as_utf_8() -> None:
    assert verified(signed(notification("邮件 🎉 \u2028 é"))) == Verified()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Message", SEND["Message"].replace("Send", "Bounce")),
        ("MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf325"),
        ("Subject", "another"),
        ("Subject", None),
        ("Timestamp", stamp(NOW - timedelta(seconds=1))),
        ("Signature", "AAAA"),
        ("Signature", "no base64!"),
        ("Signature", ["x"]),
        ("SignatureVersion", "1"),
        ("SignatureVersion", "3"),
        ("SignatureVersion", 2),
        ("SignatureVersion", ["2"]),
    ],
)
def test_an_altered_message_is_refused(name: str, value: object) -> None:
    message = json.loads(signed(SEND)) | {name: value}
    assert refused(json.dumps(message).encode()) == ("wrong signature", 401)


def test_a_message_signed_by_another_key_is_refused() -> None:
    assert refused(signed(SEND, by=signing("another"))) == ("wrong signature", 401)


def test_raw_message_delivery_is_refused_as_it_has_no_signature() -> None:
    amazon = Amazon()
    assert refused(json.dumps(event("Bounce")).encode(), amazon=amazon) == ("no signature", 401)
    assert refused(json.dumps(SEND).encode(), amazon=amazon) == ("no signature", 401)
    assert amazon.asked == []


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"null", b"\xff", b'"Notification"'])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    assert refused(body) == ("malformed", 400)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Type", "Levitation"),
        ("Type", ["Notification"]),
        ("Type", None),
        ("Message", None),
        ("Message", {"eventType": "Send"}),
        ("MessageId", 5),
        # The same text would be signed if the subject were a part of the id.
        ("MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\nSubject\nAmazon SES Email Event Notification"),
        ("Timestamp", None),
        ("Timestamp", "yesterday"),
    ],
)
def test_a_message_without_its_fields_is_refused(name: str, value: object) -> None:
    amazon = Amazon()
    message = json.loads(signed(SEND)) | {name: value}
    assert refused(json.dumps(message).encode(), amazon=amazon) == ("malformed", 400)
    assert amazon.asked == []


@pytest.mark.parametrize(
    "topic",
    [
        "arn:aws:sns:eu-central-1:999999999999:newsletter-events",
        "arn:aws:sns:eu-central-1:111122223333:newsletter-events2",
        f"{TOPIC} ",
        TOPIC.upper(),
        "",
    ],
)
def test_a_topic_of_somebody_else_is_refused_before_anything_is_fetched(topic: str) -> None:
    # Anybody may have a topic, and Amazon signs its messages.
    amazon = Amazon()
    assert refused(signed({**SEND, "TopicArn": topic}), amazon=amazon) == ("wrong topic", 403)
    assert amazon.asked == []


def test_without_a_topic_nothing_is_taken_but_comes_again() -> None:
    assert refused(signed(SEND), topics=()) == ("not set up", 503)


def test_a_message_is_taken_for_an_hour_and_a_half() -> None:
    for minutes in (0, 60, 89, -4):
        assert verified(signed({**SEND, "Timestamp": stamp(NOW - timedelta(minutes=minutes))})) == Verified()
    amazon = Amazon()
    old = signed({**SEND, "Timestamp": stamp(NOW - timedelta(minutes=91))})
    assert refused(old, amazon=amazon) == ("too old", 401)
    early = signed({**SEND, "Timestamp": stamp(NOW + timedelta(minutes=6))})
    assert refused(early, amazon=amazon) == ("too early", 503)
    assert amazon.asked == []


def test_a_spoiled_message_is_refused_or_what_is_signed_of_it_is_whole() -> None:
    amazon, whole = Amazon(), json.loads(signed(SEND))

    def take(body: bytes) -> list[Told | Unknown | Nothing]:
        with suppress(RefusedError):
            verified(body, amazon=amazon)
            left = json.loads(body)
            assert all(left.get(name) == whole[name] for name in ("Type", "Message", "MessageId", "TopicArn"))
        return []

    check_that_nothing_breaks(take, [whole])
    assert set(amazon.asked) <= {CERTIFICATE}


# Whose certificate it is -------------------------------------------------------------------------------------------

PEM = "SimpleNotificationService-0123456789abcdef.pem"
HOSTILE = [
    "http://127.0.0.1:{port}/" + PEM,
    "https://127.0.0.1:{port}/" + PEM,
    "http://localhost:{port}/" + PEM,
    "http://sns.eu-central-1.amazonaws.com@127.0.0.1:{port}/" + PEM,
    "https://sns.eu-central-1.amazonaws.com@127.0.0.1:{port}/" + PEM,
    "https://sns.eu-central-1.amazonaws.com:443@127.0.0.1:{port}/" + PEM,
    "https://sns.eu-central-1.amazonaws.com%2f@127.0.0.1:{port}/" + PEM,
    "https://sns.eu-central-1.amazonaws.com%00.evil.example/" + PEM,
    "https://127.0.0.1:{port}/https://sns.eu-central-1.amazonaws.com/" + PEM,
    "https://127.0.0.1:{port}?https://sns.eu-central-1.amazonaws.com/" + PEM,
    "https://127.0.0.1:{port}#https://sns.eu-central-1.amazonaws.com/" + PEM,
    "https://127.0.0.1:{port}\\@sns.eu-central-1.amazonaws.com/" + PEM,
    "https://sns.eu-central-1.amazonaws.com\\@127.0.0.1:{port}/" + PEM,
    "\nhttps://sns.eu-central-1.amazonaws.com/" + PEM,
    "https://sns.eu-central-1.amazonaws.com/" + PEM + "\n",
    "https://sns.eu-central-1.amazonaws.com/" + PEM + " ",
    "https://127.0.0.1:{port}/\nhttps://sns.eu-central-1.amazonaws.com/" + PEM,
    "http://sns.eu-central-1.amazonaws.com/" + PEM,
    "HTTPS://sns.eu-central-1.amazonaws.com/" + PEM,
    "ftp://sns.eu-central-1.amazonaws.com/" + PEM,
    "file:///etc/ssl/certs/" + PEM,
    "//sns.eu-central-1.amazonaws.com/" + PEM,
    "sns.eu-central-1.amazonaws.com/" + PEM,
    "https:/sns.eu-central-1.amazonaws.com/" + PEM,
    "https:sns.eu-central-1.amazonaws.com/" + PEM,
    "https:///sns.eu-central-1.amazonaws.com/" + PEM,
    "https://sns.eu-central-1.amazonaws.com./" + PEM,
    "https://sns.eu-central-1.amazonaws.com:443/" + PEM,
    "https://sns.eu-central-1.amazonaws.com:8443/" + PEM,
    "https://sns.eu-central-1.amazonaws.com.evil.example/" + PEM,
    "https://sns.eu-central-1.amazonaws.com.cn.evil.example/" + PEM,
    "https://sns.eu-central-1.amazonaws.co/" + PEM,
    "https://sns.eu-central-1.amazonaws.com.de/" + PEM,
    "https://sns.eu-central-1xamazonaws.com/" + PEM,
    "https://snsxeu-central-1.amazonaws.com/" + PEM,
    "https://evil-sns.eu-central-1.amazonaws.com/" + PEM,
    "https://evil.sns.eu-central-1.amazonaws.com/" + PEM,
    "https://sns.evil.example.eu-central-1.amazonaws.com/" + PEM,
    "https://sns.amazonaws.com/" + PEM,
    "https://sns..amazonaws.com/" + PEM,
    "https://s3.eu-central-1.amazonaws.com/sns.eu-central-1.amazonaws.com/" + PEM,
    "https://sns.s3.amazonaws.com/" + PEM,
    "https://sns.eu-central-1.s3.amazonaws.com/" + PEM,
    "https://sqs.eu-central-1.amazonaws.com/" + PEM,
    "https://SNS.eu-central-1.amazonaws.com/" + PEM,
    "https://sns.EU-CENTRAL-1.amazonaws.com/" + PEM,
    "https://sns.us-east-1.amazonaws.com/" + PEM,
    "https://sns.eu-central-²1.amazonaws.com/" + PEM,
    "https://sns.eu-central-١.amazonaws.com/" + PEM,
    "https://sns.eu-centraı-1.amazonaws.com/" + PEM,
    "https://sns.eu-central-1.amazonaws。com/" + PEM,
    "https://sns.eu-central-1.amazonaws.com/evil/" + PEM,
    "https://sns.eu-central-1.amazonaws.com//" + PEM,
    "https://sns.eu-central-1.amazonaws.com/../" + PEM,
    "https://sns.eu-central-1.amazonaws.com/?x=/" + PEM,
    "https://sns.eu-central-1.amazonaws.com/" + PEM + "?x=1",
    "https://sns.eu-central-1.amazonaws.com/" + PEM + "#x",
    "https://sns.eu-central-1.amazonaws.com/" + PEM + ";x",
    "https://sns.eu-central-1.amazonaws.com/" + PEM + "/evil",
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-.pem",
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-../../x.pem",
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-%2e%2e.pem",
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123xpem",
    "https://sns.eu-central-1.amazonaws.com/?Action=GetSMSAttributes",
    "https://sns.eu-central-1.amazonaws.com/" + "x" * 70_000,
    "",
    "x",
]  # fmt: skip


@dataclass
class Anything:
    """Fetches whatever it is told to, believes every server, and follows everywhere: what nobody should give."""

    asked: list[str] = field(default_factory=list)

    async def fetch(self, address: str) -> bytes:
        self.asked.append(address)
        async with httpx.AsyncClient(verify=False, follow_redirects=True, trust_env=False) as client:
            return (await client.get(address)).content


@pytest.mark.parametrize("address", HOSTILE, ids=range(len(HOSTILE)))
def test_a_message_signed_by_a_certificate_from_another_host_is_refused_without_fetching_it(address: str) -> None:
    attacker, anything = signing("attacker"), Anything()
    with serving(attacker.pem) as (port, asked):
        body = signed({**SEND, "SigningCertURL": address.replace("{port}", str(port))}, by=attacker)
        with pytest.raises(RefusedError, match="wrong certificate"):
            asyncio.run(
                ses.verify(Call({}, body, {}), dict(ses.Options(topics=(TOPIC,))), now=NOW, fetch=anything.fetch)
            )
    assert asked == []
    assert anything.asked == []


@pytest.mark.parametrize("address", [None, 5, [CERTIFICATE], {"": CERTIFICATE}])
def test_a_certificate_without_an_address_is_refused(address: object) -> None:
    amazon = Amazon()
    message = json.loads(signed(SEND)) | {"SigningCertURL": address}
    assert refused(json.dumps(message).encode(), amazon=amazon) == ("wrong certificate", 403)
    assert amazon.asked == []


def test_without_the_look_at_its_address_the_server_is_asked_and_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    # So that the test above is known to be able to fail.
    monkeypatch.setattr(sns, "_is_of", lambda *_: True)
    attacker, anything = signing("attacker"), Anything()
    with serving(attacker.pem) as (port, asked):
        body = signed({**SEND, "SigningCertURL": f"http://127.0.0.1:{port}/{PEM}"}, by=attacker)
        call = Call({}, body, {})
        assert asyncio.run(ses.verify(call, dict(ses.Options(topics=(TOPIC,))), now=NOW, fetch=anything.fetch))
    assert asked == ["connected", f"/{PEM}"]


@pytest.mark.parametrize(
    ("topic", "host"),
    [
        ("arn:aws:sns:us-east-1:111122223333:x", "https://sns.us-east-1.amazonaws.com"),
        ("arn:aws:sns:ap-southeast-2:111122223333:x", "https://sns.ap-southeast-2.amazonaws.com"),
        ("arn:aws-us-gov:sns:us-gov-west-1:111122223333:x", "https://sns.us-gov-west-1.amazonaws.com"),
        ("arn:aws-cn:sns:cn-north-1:111122223333:x", "https://sns.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_each_region_has_certificates_of_its_own(topic: str, host: str) -> None:
    amazon = Amazon()
    body = signed({**SEND, "TopicArn": topic, "SigningCertURL": f"{host}/{PEM}"})
    assert verified(body, amazon=amazon, topics=(TOPIC, topic)) == Verified()
    assert amazon.asked == [f"{host}/{PEM}"]


def test_a_certificate_is_fetched_once() -> None:
    amazon = Amazon()

    async def many() -> None:
        options = dict(ses.Options(topics=(TOPIC,)))
        calls = [Call({}, signed({**SEND, "MessageId": str(number)}), {}) for number in range(20)]
        await asyncio.gather(*(ses.verify(call, options, now=NOW, fetch=amazon.fetch) for call in calls))

    asyncio.run(many())
    asyncio.run(many())
    assert amazon.asked == [CERTIFICATE]


def test_calls_with_certificates_that_are_not_there_do_not_wait_in_an_endless_line() -> None:
    asked: list[str] = []

    async def slow(address: str) -> bytes:
        asked.append(address)
        await asyncio.sleep(0.001)
        raise OSError("there is none")

    async def many() -> list[object]:
        calls = (kept.get(f"https://a.example/{number}", slow) for number in range(sns.MOST_WAITING + 50))
        return list(await asyncio.gather(*calls, return_exceptions=True))

    kept = sns.Certificates()
    for _ in range(2):
        refused = asyncio.run(many())
        assert {(str(one), getattr(one, "status", 0)) for one in refused} == {("no certificate", sns.TRY_AGAIN)}
    assert len(asked) == 2 * sns.MOST_WAITING


def test_no_more_certificates_are_kept_than_amazon_can_have() -> None:
    amazon, kept = Amazon(), sns.Certificates(most=2)

    async def some() -> None:
        for name in ("a", "b", "c", "c", "a"):
            await kept.get(name, amazon.fetch)

    asyncio.run(some())
    assert amazon.asked == ["a", "b", "c", "a"]


@pytest.mark.parametrize("error", [OSError("it said 500"), TimeoutError()])
def test_a_certificate_that_cannot_be_had_now_is_asked_for_again(error: Exception) -> None:
    amazon = Amazon(error=error)
    assert refused(signed(SEND), amazon=amazon) == ("no certificate", 503)
    amazon.error = None
    assert verified(signed(SEND), amazon=amazon) == Verified()


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"<html>",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        certificate(signing().key, end=NOW - timedelta(seconds=1)),
        certificate(signing().key, begin=NOW + timedelta(seconds=1)),
        elliptic_certificate(),
    ],
    ids=["nothing", "a page", "no certificate", "an old one", "one of tomorrow", "of another kind"],
)
def test_a_certificate_that_is_not_right_now_is_refused(pem: bytes) -> None:
    assert refused(signed(SEND), amazon=Amazon(pem=pem)) == ("wrong certificate", 403)


def test_a_certificate_that_is_known_grows_old() -> None:
    assert verified(signed(SEND)) == Verified()
    later = NOW + timedelta(days=181)
    assert refused(signed({**SEND, "Timestamp": stamp(later)}), now=later) == ("wrong certificate", 403)


# Subscribing -------------------------------------------------------------------------------------------------------


def test_a_subscription_is_confirmed_when_its_message_was_kept() -> None:
    amazon, message = Amazon(), confirmation()
    found = verified(signed(message), amazon=amazon)
    assert amazon.asked == [CERTIFICATE], "it is confirmed by the answer alone"
    assert found.answer is not None
    asyncio.run(found.answer())  # type: ignore[arg-type]
    assert amazon.asked == [CERTIFICATE, message["SubscribeURL"]]


def test_a_subscription_that_cannot_be_confirmed_now_comes_again() -> None:
    amazon = Amazon()
    found = verified(signed(confirmation()), amazon=amazon)
    assert found.answer is not None
    amazon.error = OSError("it said 500")
    with pytest.raises(RefusedError, match="not confirmed") as error:
        asyncio.run(found.answer())  # type: ignore[arg-type]
    assert error.value.status == 503


def test_a_subscription_that_ended_is_not_confirmed_again() -> None:
    assert verified(signed(confirmation("UnsubscribeConfirmation"))).answer is None
    assert verified(signed(SEND)).answer is None


@pytest.mark.parametrize("key", ["another", "sns.amazonaws.com"])
def test_a_subscription_to_a_topic_of_somebody_else_is_never_confirmed(key: str) -> None:
    amazon, theirs = Amazon(), "arn:aws:sns:eu-central-1:999999999999:theirs"
    address = f"{HOST}/?Action=ConfirmSubscription&TopicArn={theirs}&Token=1"
    body = signed(confirmation(TopicArn=theirs, SubscribeURL=address, Token="1"), by=signing(key))
    assert refused(body, amazon=amazon) == ("wrong topic", 403)
    assert amazon.asked == []


TOKEN = confirmation()["Token"]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}",
        "https://sns.eu-central-1.amazonaws.com@evil.example/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}",
        "http://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}",
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}",
        "https://sns.eu-central-1.amazonaws.com:80/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}",
        "https://sns.eu-central-1.amazonaws.com/x?Action=ConfirmSubscription&TopicArn={topic}&Token={token}",
        "https://sns.eu-central-1.amazonaws.com/?Action=DeleteTopic&TopicArn={topic}&Token={token}",
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token=another",
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}2&Token={token}",
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Action=DeleteTopic&TopicArn={topic}"
        "&Token={token}",
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}#x",
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token={token} ",
    ],
)
def test_a_confirmation_leads_nowhere_but_to_the_topics_own_host(address: str) -> None:
    # Even if Amazon itself signed it.
    amazon = Amazon()
    body = signed(confirmation(SubscribeURL=address.format(topic=TOPIC, token=TOKEN)))
    found = verified(body, amazon=amazon)
    assert found.answer is not None
    with pytest.raises(RefusedError, match="malformed"):
        asyncio.run(found.answer())  # type: ignore[arg-type]
    assert amazon.asked == [CERTIFICATE]


def test_the_address_of_a_confirmation_may_be_escaped() -> None:
    amazon = Amazon()
    address = f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC.replace(':', '%3A')}&Token={TOKEN}"
    found = verified(signed(confirmation(SubscribeURL=address)), amazon=amazon)
    assert found.answer is not None
    asyncio.run(found.answer())  # type: ignore[arg-type]
    assert amazon.asked == [CERTIFICATE, address]


def test_a_notification_is_never_taken_for_a_confirmation() -> None:
    message = json.loads(signed(SEND)) | {"Type": "SubscriptionConfirmation"}
    assert refused(json.dumps(message).encode()) == ("malformed", 400)
    message |= {"Token": "1", "SubscribeURL": HOST}
    assert refused(json.dumps(message).encode()) == ("wrong signature", 401)


# What is set -------------------------------------------------------------------------------------------------------


def test_topics_may_be_given_as_a_list_or_in_one_text() -> None:
    other = "arn:aws-cn:sns:cn-north-1:111122223333:x"
    assert ses.Options(topics=(TOPIC,)).topics == (TOPIC,)
    assert ses.Options.model_validate({"topics": [TOPIC, other]}).topics == (TOPIC, other)
    assert ses.Options.model_validate({"topics": f" {TOPIC}, {other}\n"}).topics == (TOPIC, other)
    assert ses.Options.model_validate({"topics": ""}).topics == ()


@pytest.mark.parametrize(
    "topic", ["newsletter-events", "arn:aws:sqs:eu-central-1:111122223333:x", "*", f"{TOPIC}/x", 5]
)
def test_what_is_no_topic_is_told_at_once(topic: object) -> None:
    with pytest.raises(ValidationError, match="arn:aws:sns:eu-central-1"):
        ses.Options.model_validate({"topics": topic})
