"""A letter as it is handed over: its words, its tokens and its headers, made of its row alone.

The same row, settings and templates give the same bytes, so that a provider that keeps our keys can be called again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from digest.audience.addresses import sending_address
from digest.audience.letterbox import Posted
from digest.issue.envelope import envelope
from digest.mail import editor_letters, letters, personalise
from digest.mail.letters import Letter, render_letter
from digest.providers.interface import Batch, Message, Recipient
from digest.sending.copies import Signers
from digest.settings import Settings

_ENDS = ("confirm", "address")
"""Letters whose button works for `confirm_days` only."""

_OF_READERS = ("welcome", "goodbye", "notice")
"""Letters to the address of a reader, whose links may open what is that reader's."""

REPORTS_SHOWN = timedelta(days=14)
"""So long the link of a summary shows the reports."""


_OF_ITS_DETAIL: dict[str, Callable[..., Letter]] = {
    "approval": editor_letters.approval_asked,
    "drafted": editor_letters.drafted,
    "reminder": editor_letters.reminder,
    "nothing-new": editor_letters.nothing_new,
    "missed": editor_letters.missed,
    "trouble": editor_letters.sending_trouble,
    "sent": editor_letters.sending_done,
}
"""Letters to editors whose words are their detail."""


def ends_at(letter: Posted, settings: Settings) -> datetime | None:
    """Give when a letter's button ends to work; None where it never does. After it the letter is not worth mailing."""
    if letter.kind == "sign-in":
        return datetime.fromtimestamp(letter.detail["ends"], UTC)
    return letter.created_at + timedelta(days=settings.confirm_days) if letter.kind in _ENDS else None


def batch_of(letter: Posted, settings: Settings, signers: Signers) -> Batch:
    """Make the batch of one copy that a letter is to a provider.

    Its number is below zero, where no batch of an issue is. No provider sends it: one is asked for a letter by its
    key and its name, both unlike those of any other mail of any store.
    """
    rendered = render_letter(_words(letter, settings, signers), settings)
    of_issues = envelope(0, settings)
    headers = {
        "Message-ID": of_issues.headers["Message-ID"],
        # A program wrote it because of what a person did: nothing should answer it by itself (RFC 3834, section 5).
        "Auto-Submitted": "auto-generated",
        "Feedback-ID": of_issues.headers["Feedback-ID"].replace("issue-0:weekly:", f"{letter.kind}:letter:", 1),
    }
    if letter.kind == "welcome":
        headers |= {name: of_issues.headers[name] for name in ("List-Unsubscribe", "List-Unsubscribe-Post")}
    message = Message(
        sender_name=of_issues.sender_name,
        sender_address=of_issues.sender_address,
        reply_to=of_issues.reply_to,
        subject=rendered.subject,
        html=personalise.split(rendered.html),
        text=personalise.split(rendered.text),
        headers={name: personalise.split(value) for name, value in headers.items()},
    )
    name = signers.messages.salted(letter.idempotency_key).sign("message", 0, letter.id)
    # Some providers write the token into a header of their own: who is no reader yet must not get one that opens.
    token = _reader_token(letter, signers) if letter.kind in _OF_READERS else name
    values = {"token": token, "message": name, "greeting": personalise.greeting(None)}
    recipient = Recipient(letter.subscriber, sending_address(letter.email), values)
    return Batch(-letter.id, letter.idempotency_key, message, (recipient,), letter.claimed_at)


def _words(letter: Posted, settings: Settings, signers: Signers) -> Letter:
    ends = ends_at(letter, settings)
    until = int(ends.timestamp()) if ends else 0
    days = settings.confirm_days
    match letter.kind:
        case "confirm":
            token = signers.links.sign("confirm", letter.subscriber, until)
            return letters.confirmation(settings, token=token, days=days)
        case "address":
            token = signers.links.sign("address", int(letter.detail["change"]), until)
            return letters.new_address(settings, token=token, days=days)
        case "notice":
            return letters.address_notice(settings, token=_reader_token(letter, signers))
        case "welcome":
            return letters.welcome(settings, token=_reader_token(letter, signers), name=letter.name)
        case "goodbye":
            return letters.goodbye(settings, token=_reader_token(letter, signers))
        case "summary":
            shown_until = letter.created_at + REPORTS_SHOWN
            token = signers.links.sign("report", int(shown_until.timestamp()), 0)
            return editor_letters.summary(settings, token=token, days=REPORTS_SHOWN.days, **letter.detail)
        case "approval" | "drafted" | "reminder" | "nothing-new" | "missed" | "trouble" | "sent":
            return _OF_ITS_DETAIL[letter.kind](settings, **letter.detail)
        case "probe":
            return editor_letters.probe(settings, provider=letter.provider, who=letter.detail["who"])
        case "test":
            raise AssertionError("a test is no letter: see trials.batch_of")
        case "sign-in":
            token = signers.links.salted(letter.detail["salt"]).sign("desk", letter.detail["link"], until)
            works = datetime.fromtimestamp(until, UTC) - letter.created_at
            if by := letter.detail.get("by"):
                return editor_letters.invitation(settings, token=token, days=round(works / timedelta(days=1)), by=by)
            return editor_letters.sign_in(settings, token=token, minutes=round(works / timedelta(minutes=1)))


def _reader_token(letter: Posted, signers: Signers) -> str:
    return signers.links.sign("copy", 0, letter.subscriber)
