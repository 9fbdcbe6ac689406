"""Calls of Amazon SES, SendGrid and Mailgun through the route: what is theirs is kept, and nothing else."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlite_utils import Database

from digest.providers.hooks import mailgun, sendgrid
from digest.settings import Settings
from digest.store import file_of
from digest.tracking.records import HookCall, decode
from digest.tracking.spool import drain, folder_of
from serving import Clock, Reader, served

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
SECRET = "0123456789abcdef0123456789abcdef-8c8e5529-1e2f3a4b"
TOPIC = "arn:aws:sns:eu-central-1:111122223333:newsletter-events"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    own = {"mailgun": {"webhook_key": SECRET}, "sendgrid": {"webhook_key": PUBLIC}, "ses": {"topics": [TOPIC]}}
    return Settings(**{**settings.model_dump(), "providers": own})


@pytest.fixture
def site(db: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    with served(settings, clock) as reader:
        yield reader


def mailgun_call(now: datetime, kind: str = "delivered", *, key: str = SECRET) -> bytes:
    stamp, once = str(int(now.timestamp())), "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
    code = hmac.digest(key.encode(), (stamp + once).encode(), "sha256").hex()
    signature = {"timestamp": stamp, "token": once, "signature": code}
    return json.dumps({"signature": signature, "event-data": {"event": kind, "recipient": "ada@example.net"}}).encode()


def sendgrid_headers(body: bytes, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp()))
    signature = KEY.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
    return {sendgrid.SIGNATURE: b64encode(signature).decode(), sendgrid.TIMESTAMP: stamp}


def spooled(db: Database) -> list[HookCall]:
    found: list[bytes] = []
    drain(folder_of(Path(file_of(db))), db, lambda _, records: found.extend(records))
    return [call for call in map(decode, found) if isinstance(call, HookCall)]


def test_under_a_signature_of_mailgun_one_event_is_taken_and_no_other(
    site: Reader, db: Database, now: datetime, clock: Clock
) -> None:
    body, forged = mailgun_call(now), mailgun_call(now, "complained")
    for _ in range(2):
        assert site.post("/hooks/mailgun", content=body).status_code == 200
        answer = site.post("/hooks/mailgun", content=forged)
        assert (answer.status_code, answer.text) == (401, "wrong signature\n")
    assert [call.body for call in spooled(db)] == [body]
    clock.move_on(hours=mailgun.OLDEST.total_seconds() / 3600, seconds=1)
    assert site.post("/hooks/mailgun", content=body).status_code == 406
    assert site.post("/hooks/mailgun", content=mailgun_call(clock.now, key="another")).status_code == 401
    assert spooled(db) == []


def test_a_call_of_sendgrid_is_taken_byte_for_byte(site: Reader, db: Database, now: datetime, clock: Clock) -> None:
    body = '[{"event":"delivered","email":"ada@example.net","response":"250 ok – ✓"}]\r\n'.encode()
    headers = sendgrid_headers(body, now)
    assert site.post("/hooks/sendgrid", content=body, headers=headers).status_code == 200
    assert [call.body for call in spooled(db)] == [body]
    for altered in (body.strip(), body.replace(b"ada@", b"bob@")):
        assert site.post("/hooks/sendgrid", content=altered, headers=headers).status_code == 401
    clock.move_on(days=2)
    answer = site.post("/hooks/sendgrid", content=body, headers=headers)
    assert (answer.status_code, answer.text) == (401, "too old\n")
    assert spooled(db) == []


def test_a_call_of_sendgrid_that_comes_again_is_answered_and_not_kept_again(
    site: Reader, db: Database, now: datetime
) -> None:
    body = b'[{"event":"delivered","email":"ada@example.net"}]'
    for _ in range(3):
        assert site.post("/hooks/sendgrid", content=body, headers=sendgrid_headers(body, now)).status_code == 200
    assert [call.body for call in spooled(db)] == [body]


def test_where_a_certificate_of_amazon_cannot_be_had_amazon_is_to_come_again(
    site: Reader, db: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def unreachable(address: str) -> bytes:
        asked.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr("digest.web.hooks.receiving.fetch", unreachable)
    address = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
    message = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": "{}",
        "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": "2",
        "Signature": "AAAA",
        "SigningCertURL": address,
    }
    answer = site.post("/hooks/ses", content=json.dumps(message), headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.text) == (503, "no certificate\n")
    assert asked == [address]
    message["SigningCertURL"] = "https://evil.example/SimpleNotificationService-0123456789abcdef.pem"
    answer = site.post("/hooks/ses", content=json.dumps(message), headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.text) == (403, "wrong certificate\n")
    assert asked == [address]
    assert spooled(db) == []


def test_what_amazon_sent_and_could_not_be_written_down_comes_again(
    site: Reader, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    # Amazon takes 429 for "delivered".
    monkeypatch.setattr("digest.providers.hooks.ses.verify", full)
    monkeypatch.setattr("digest.providers.hooks.mailgun.verify", full)
    assert site.post("/hooks/ses", content=b"{}").status_code == 503
    assert site.post("/hooks/mailgun", content=mailgun_call(now)).status_code == 429
