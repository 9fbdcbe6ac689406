"""Amazon SNS as tests need it: certificates, messages signed with their keys, and a server that hands them out."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as elliptic_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-central-1:111122223333:newsletter-events"
HOST = "https://sns.eu-central-1.amazonaws.com"
CERTIFICATE = f"{HOST}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
MESSAGE_ID = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"


@dataclass(frozen=True)
class Signing:
    """A key, and the certificate of it in PEM."""

    key: RSAPrivateKey
    pem: bytes


@cache
def signing(name: str = "sns.amazonaws.com") -> Signing:
    """Make a key with a certificate for the year around now; another name has another key."""
    key = generate_private_key(65537, 2048)
    return Signing(key, certificate(key, name=name))


def certificate(
    key: RSAPrivateKey | EllipticCurvePrivateKey,
    *,
    name: str = "sns.amazonaws.com",
    begin: datetime = NOW - timedelta(days=180),
    end: datetime = NOW + timedelta(days=180),
) -> bytes:
    """Make a certificate of a key, signed by itself."""
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), begin, end)
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)


def elliptic_certificate() -> bytes:
    """Make a certificate whose key is none that SNS signs with."""
    return certificate(elliptic_key(SECP256R1()))


def notification(event: object, **more: Any) -> dict[str, Any]:
    """A notification as SNS sends it, not signed yet; `event` is its text, or what is written as JSON there."""
    return {
        "Type": "Notification",
        "MessageId": MESSAGE_ID,
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": event if isinstance(event, str) else json.dumps(event) + "\n",
        "Timestamp": stamp(NOW),
        "SigningCertURL": CERTIFICATE,
        "UnsubscribeURL": f"{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:9e1",
        **more,
    }


def confirmation(kind: str = "SubscriptionConfirmation", **more: Any) -> dict[str, Any]:
    """What SNS asks when an address is subscribed to a topic, or says when it no longer is."""
    return {
        "Type": kind,
        "MessageId": MESSAGE_ID,
        "Token": "2336412f37fb687f5d51e6e2425f004aed7b7a5d",
        "TopicArn": TOPIC,
        "Message": f"You have chosen to subscribe to the topic {TOPIC}.\nTo confirm, visit the SubscribeURL.",
        "SubscribeURL": f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}"
        "&Token=2336412f37fb687f5d51e6e2425f004aed7b7a5d",
        "Timestamp": stamp(NOW),
        "SigningCertURL": CERTIFICATE,
        **more,
    }


def signed(message: dict[str, Any], *, version: str = "2", by: Signing | None = None) -> bytes:
    """Sign a message, by the rules that are written down in SNS's developer guide."""
    if message["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    key = (by or signing()).key
    signature = key.sign(text.encode(), PKCS1v15(), SHA1() if version == "1" else SHA256())
    whole = {**message, "SignatureVersion": version, "Signature": b64encode(signature).decode()}
    return json.dumps(whole, indent=2).encode()


def stamp(moment: datetime) -> str:
    """Write a moment as SNS does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


@contextmanager
def serving(pem: bytes) -> Iterator[tuple[int, list[str]]]:
    """Serve a certificate at every path of this machine; give the port, and what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(pem)))
            self.end_headers()
            self.wfile.write(pem)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def verify_request(self, *_: object) -> bool:
            # Whoever only connects, such as for TLS, has asked too.
            asked.append("connected")
            return True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1]), asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
