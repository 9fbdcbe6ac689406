"""Messages of Amazon SNS: whether one is of a topic of ours, of now, and signed by Amazon.

Sources, read in November 2026, under https://docs.aws.amazon.com/sns/latest/dg: sns-verify-signature-of-message.html
and sns-verify-signature-of-message-verify-message-signature.html (what is signed, and what to look at),
http-subscription-confirmation-json.html and http-notification-json.html (fields), sns-message-delivery-retries.html
(how long it is tried again), SendMessageToHttp.prepare.html (4xx counts as delivered, 5xx is tried again).
"""

from __future__ import annotations

import asyncio
import binascii
import re
from base64 import b64decode
from collections.abc import Collection
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from digest.providers.hooks import fields
from digest.providers.hooks.interface import Fetch, RefusedError

OLDEST = timedelta(minutes=90)
"""SNS tries again for 3,600 seconds at most, not counting the calls themselves: 100 of 15 seconds are 25 minutes. Its
moment is when the message was published, and stays the same."""
EARLIEST = timedelta(minutes=5)
"""So far a clock may be behind Amazon's."""
TRY_AGAIN = 503
"""See `digest.providers.hooks.ses`."""

NOTIFICATION, CONFIRMATION, ENDED = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ENDED: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""The fields that are signed, in their order. A notification may come without a subject."""
_HASHES: dict[str, type[HashAlgorithm]] = {"1": SHA1, "2": SHA256}  # by SignatureVersion

# No part of an address is taken apart and compared: whatever two readers of it could read in two ways does not match.
_HOST = r"https://sns\.([a-z]{2}(?:-[a-z]+)+-[0-9])\.amazonaws\.com(?:\.cn)?/"
_CERTIFICATE = re.compile(_HOST + r"SimpleNotificationService-[A-Za-z0-9]{1,100}\.pem")
_CONFIRM = re.compile(_HOST + r"\?[A-Za-z0-9%&=:_.~-]{1,2000}")

MOST_CERTIFICATES = 16
"""Kept in memory. Amazon has one for each region, and another one every year or so."""
MOST_WAITING = 100
"""Calls that wait for one at the same time: who knows a topic's name can make up messages with certificates that are
not there, and each of them waits."""


async def verified(body: bytes, topics: Collection[str], *, now: datetime, fetch: Fetch) -> dict[str, str]:
    """Give the signed fields of a message that Amazon SNS signed.

    Nothing is fetched before topic, moment and the certificate's address are right.

    Raises:
        RefusedError: it is not of Amazon SNS, not of one of `topics`, or not of now.
    """
    message = fields.loads(body)
    if not isinstance(message, dict):
        raise RefusedError("malformed", 400)
    if not message.get("Signature"):
        # Also "raw message delivery", which takes the signature away.
        raise RefusedError("no signature")
    found = _signed_fields(message)
    if found["TopicArn"] not in topics:
        raise RefusedError("wrong topic", 403)
    address, signature, version = (message.get(name) for name in ("SigningCertURL", "Signature", "SignatureVersion"))
    if not isinstance(address, str) or not _is_of(_CERTIFICATE, address, found["TopicArn"]):
        raise RefusedError("wrong certificate", 403)
    _check_moment(found["Timestamp"], now)
    if not isinstance(version, str) or version not in _HASHES or not isinstance(signature, str):
        raise RefusedError("wrong signature")
    certificate = await _CERTIFICATES.get(address, fetch)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise RefusedError("wrong certificate", 403)
    try:
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise RefusedError("wrong certificate", 403)
        key.verify(b64decode(signature, validate=True), to_sign(found), PKCS1v15(), _HASHES[version]())
    except (InvalidSignature, binascii.Error, ValueError, UnsupportedAlgorithm):
        raise RefusedError("wrong signature") from None
    return found


def to_sign(message: dict[str, str]) -> bytes:
    """Give the bytes that are signed of a message."""
    names = (name for name in _SIGNED[message["Type"]] if name in message)
    return "".join(f"{name}\n{message[name]}\n" for name in names).encode()


async def confirm(message: dict[str, str], fetch: Fetch) -> None:
    """Tell SNS that we want a topic's messages, as a verified message asks.

    Raises:
        RefusedError: it could not be told, or the message leads elsewhere.
    """
    address, topic = message["SubscribeURL"], message["TopicArn"]
    wanted = [("Action", "ConfirmSubscription"), ("Token", message["Token"]), ("TopicArn", topic)]
    if not _is_of(_CONFIRM, address, topic) or sorted(parse_qsl(urlsplit(address).query)) != wanted:
        raise RefusedError("malformed", 400)
    try:
        await fetch(address)
    except OSError:
        raise RefusedError("not confirmed", TRY_AGAIN) from None


def _is_of(pattern: re.Pattern[str], address: str, topic: str) -> bool:
    """Tell whether an address is one of Amazon's own, in the region of a topic."""
    found = pattern.fullmatch(address)
    return found is not None and found[1] == topic.split(":")[3]


def _signed_fields(message: dict[str, object]) -> dict[str, str]:
    kind = message.get("Type")
    names = _SIGNED.get(kind) if isinstance(kind, str) else None
    if names is None:
        raise RefusedError("malformed", 400)
    found: dict[str, str] = {}
    for name in names:
        value = message.get(name)
        if value is None and name == "Subject":
            continue
        # Fields are signed one after the other with line breaks between them: only the text itself may have some.
        if not isinstance(value, str) or ("\n" in value and name != "Message"):
            raise RefusedError("malformed", 400)
        found[name] = value
    return found


def _check_moment(text: str, now: datetime) -> None:
    moment = fields.moment(text)
    if moment == fields.UNTOLD:
        raise RefusedError("malformed", 400)
    if moment < now - OLDEST:
        raise RefusedError("too old")
    if moment > now + EARLIEST:
        raise RefusedError("too early", TRY_AGAIN)


class Certificates:
    """Certificates that were fetched, so that each is fetched once."""

    def __init__(self, most: int = MOST_CERTIFICATES) -> None:
        self._most = most
        self._known: dict[str, x509.Certificate] = {}
        self._waiting = 0
        # One for each event loop: a lock belongs to the one it was first waited for on.
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def get(self, address: str, fetch: Fetch) -> x509.Certificate:
        """Give the certificate at an address; one is fetched at a time, however many calls wait for it.

        Raises:
            RefusedError: it cannot be fetched, or is none; or too many wait already.
        """
        if (known := self._known.get(address)) is not None:
            return known
        if self._waiting >= MOST_WAITING:
            raise RefusedError("no certificate", TRY_AGAIN)
        self._waiting += 1
        try:
            async with self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
                if address not in self._known:
                    found = await _fetched(address, fetch)
                    while len(self._known) >= self._most:
                        del self._known[next(iter(self._known))]
                    self._known[address] = found
                return self._known[address]
        finally:
            self._waiting -= 1

    def clear(self) -> None:
        """Forget all of them."""
        self._known.clear()


async def _fetched(address: str, fetch: Fetch) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(await fetch(address))
    except OSError:
        raise RefusedError("no certificate", TRY_AGAIN) from None
    except ValueError:
        raise RefusedError("wrong certificate", 403) from None


_CERTIFICATES = Certificates()
