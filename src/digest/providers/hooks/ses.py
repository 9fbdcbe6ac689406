"""What Amazon SES tells, by a topic of Amazon SNS: one event a call, inside a message that SNS signs.

Sources, read in November 2026, under https://docs.aws.amazon.com/ses/latest/dg:
event-publishing-retrieving-sns-contents.html and event-publishing-retrieving-sns-examples.html (events of a
configuration set), notification-contents.html (those of an identity, without tags). For SNS see
`digest.providers.hooks.sns`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import BaseModel, Field, field_validator

from digest.providers.hooks import fields
from digest.providers.hooks.fields import moment, part, text
from digest.providers.hooks.interface import Call, Fetch, Nothing, RefusedError, Told, Unknown, Verified, Word

TRY_AGAIN = 503
"""The status after which SNS tries again; it takes all of 4xx for "delivered"."""

_TOPIC = re.compile(r"arn:aws(?:-cn|-us-gov)?:sns:[a-z]{2}(?:-[a-z]+)+-[0-9]:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_UNDELIVERABLE = frozenset({"Suppressed", "OnAccountSuppressionList"})
"""Kinds of bounces and complaints where SES did not even try, since the address bounced or complained before."""
_NO_COMPLAINT = frozenset({"not-spam", "auth-failure"})
"""Kinds of feedback reports (RFC 5965, 7.3; RFC 6591) in which no reader complains."""
_ABOUT_NO_COPY = frozenset({"AmazonSnsSubscriptionSucceeded", "Received"})
_VALIDATED = "Successfully validated SNS topic"

Event = dict[str, Any]


class Options(BaseModel):
    """What must be set for Amazon SES to tell."""

    topics: tuple[str, ...] = Field(
        (), description="The topics of Amazon SNS whose messages are believed, such as"
        " arn:aws:sns:eu-central-1:111122223333:newsletter-events."
    )  # fmt: skip

    @field_validator("topics", mode="before")
    @classmethod
    def _topics(cls, value: object) -> object:
        """Take a list, or in one text ``arn:…:one, arn:…:other``."""
        given = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(given, list | tuple) or not all(_TOPIC.fullmatch(str(topic)) for topic in given):
            raise ValueError("write it like arn:aws:sns:eu-central-1:111122223333:newsletter-events")
        return tuple(str(topic) for topic in given)


async def verify(call: Call, options: Mapping[str, object], *, now: datetime, fetch: Fetch) -> Verified:
    """Make sure that a call is of Amazon SNS, and of a topic that is set; confirm the subscription if it asks to.

    Raises:
        RefusedError: it is not.
    """
    # Here, because it takes a tenth of a second to load, and the settings need this file.
    from digest.providers.hooks import sns

    topics = options.get("topics")
    if not isinstance(topics, tuple) or not topics:
        raise RefusedError("not set up", TRY_AGAIN)
    message = await sns.verified(call.body, topics, now=now, fetch=fetch)
    # The signature covers all that is read of it: no key is needed.
    return Verified(answer=partial(sns.confirm, message, fetch) if message["Type"] == sns.CONFIRMATION else None)


def read(body: bytes) -> Sequence[Told | Unknown | Nothing]:
    """Read a message; it has one event, which may be of several recipients."""
    envelope = fields.loads(body)
    kind = text(envelope, "Type")
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return [Nothing(kind)]
    message = part(envelope).get("Message")
    if kind != "Notification" or not isinstance(message, str):
        return [Unknown(kind or "not JSON", body.decode(errors="replace"))]
    if message.startswith(_VALIDATED):
        return [Nothing("topic validated")]
    event = fields.loads(message.encode(errors="replace"))
    if not isinstance(event, dict):
        return [Unknown("not JSON", message)]
    kind = text(event, "eventType") or text(event, "notificationType")
    if kind in _ABOUT_NO_COPY:
        return [Nothing(kind)]
    return _read(kind, event, moment(envelope.get("Timestamp"))) or [Unknown(kind, message)]


def _read(kind: str, event: Event, published: datetime) -> Sequence[Told | Nothing]:
    """Give what an event says; nothing where its kind is not known."""
    match kind:
        case "Send":
            return _each(event, "accepted", {"at": _first(part(event, "mail").get("timestamp"), published)})
        case "Delivery":
            return _delivered(event, published)
        case "DeliveryDelay":
            return _delayed(event, published)
        case "Bounce":
            return _bounced(event, published)
        case "Complaint":
            return _complained(event, published)
        case "Reject":
            words = fields.together("not sent", text(event, "reject", "reason"))
            return _each(event, "bounced", {"at": published, "words": words, "blameless": True})
        case "Rendering Failure":
            words = fields.together("not sent", text(event, "failure", "errorMessage"))
            return _each(event, "bounced", {"at": published, "words": words, "blameless": True})
        case "Open" | "Click":
            return _read_by_someone(event, "opened" if kind == "Open" else "clicked", published)
        case "Subscription":
            return _subscription(event, published)
        case _:
            return []


def _delivered(event: Event, published: datetime) -> Sequence[Told]:
    found = part(event, "delivery")
    words = text(found, "smtpResponse")
    said = {"at": _first(found.get("timestamp"), published), "words": words, "code": fields.code_of(words)}
    return _each(event, "delivered", said, found.get("recipients"))


def _delayed(event: Event, published: datetime) -> Sequence[Told]:
    found = part(event, "deliveryDelay")
    said = {"at": _first(found.get("timestamp"), published), "words": text(found, "delayType")}
    return _each(event, "deferred", said, found.get("delayedRecipients"))


def _bounced(event: Event, published: datetime) -> Sequence[Told]:
    found = part(event, "bounce")
    kind, subkind = text(found, "bounceType"), text(found, "bounceSubType")
    said = {
        "at": _first(found.get("timestamp"), published),
        "hard": kind == "Permanent" or subkind in _UNDELIVERABLE,
        "words": fields.together(kind, subkind),
    }
    return _each(event, "bounced", said, found.get("bouncedRecipients"))


def _complained(event: Event, published: datetime) -> Sequence[Told | Nothing]:
    found = part(event, "complaint")
    at, kind = _first(found.get("timestamp"), published), text(found, "complaintFeedbackType")
    if text(found, "complaintSubType") in _UNDELIVERABLE:
        # Nobody complained of this copy: nobody got it. It would be one complaint of the same reader for each issue.
        said = {"at": at, "hard": True, "words": "not sent: the address complained before"}
        return _each(event, "bounced", said, found.get("complainedRecipients"))
    if kind in _NO_COMPLAINT:
        return [Nothing(f"Complaint: {kind}")]
    return _each(event, "complained", {"at": at, "words": kind}, found.get("complainedRecipients"))


def _read_by_someone(event: Event, word: Word, published: datetime) -> Sequence[Told]:
    found = part(event, "open" if word == "opened" else "click")
    at = _first(found.get("timestamp"), published)
    return _each(event, word, {"at": at, "agent": text(found, "userAgent"), "link": text(found, "link")})


def _subscription(event: Event, published: datetime) -> Sequence[Told | Nothing]:
    """Tell those who left from those who came back, or only changed topics: SES has one kind of event for all."""
    found = part(event, "subscription")
    chosen, before = (part(found, f"{which}TopicPreferences") for which in ("new", "old"))
    left = chosen.get("unsubscribeAll") is True or bool(_out(chosen) - _out(before))
    if chosen and not left:
        return [Nothing("Subscription")]
    return _each(event, "unsubscribed", {"at": _first(found.get("timestamp"), published)})


def _out(preferences: Event) -> frozenset[str]:
    topics = preferences.get("topicSubscriptionStatus")
    out = (one for one in topics if text(one, "subscriptionStatus") == "OptOut") if isinstance(topics, list) else ()
    return frozenset(text(one, "topicName") for one in out)


def _each(event: Event, word: Word, said: Mapping[str, Any], recipients: object = None) -> Sequence[Told]:
    """Tell the same of each recipient: of those that are named, or else of all the mail was to."""
    mail = part(event, "mail")
    destination = mail.get("destination")
    to = destination if isinstance(destination, list) else []
    named = recipients if isinstance(recipients, list) and recipients else to
    shared = dict(said)
    # A copy of ours goes to one address. Of a mail to several nobody can tell whose the tag is.
    if len(to) < 2:
        shared["copy"] = text(mail, "tags", "copy") or None
    shared["batch"] = text(mail, "tags", "batch") or None
    return [Told(word, **{**shared, **_of(one, shared)}) for one in named or [None]]


def _of(recipient: object, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is said of one recipient, who is an address, or an object with what the receiving server said."""
    if not isinstance(recipient, dict):
        return {"address": text([recipient]) or None}
    words = text(recipient, "diagnosticCode")
    found = {"address": text(recipient, "emailAddress") or None}
    if code := text(recipient, "status") or fields.code_of(words):
        found["code"] = code
    if words:
        found["words"] = fields.together(shared.get("words", ""), words)
    return found


def _first(value: object, otherwise: datetime) -> datetime:
    found = moment(value)
    return otherwise if found == fields.UNTOLD else found
