"""An issue's values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from digest.catalogue.model import Comparison
from digest.issue.tracked import Tracking

State = Literal["draft", "approved", "sending", "paused", "sent", "cancelled"]
Form = Literal["full", "brief", "link", "more", "out"]
"""How much of a comparison an issue shows. `more`: it is only counted, for want of room; `out`: not in the issue."""


@dataclass(frozen=True)
class Placed:
    """A comparison in an issue: in which form, and whether it is back because it changed."""

    comparison: Comparison
    form: Form
    updated: bool = False


@dataclass(frozen=True)
class Alternative:
    """Another subject for an issue; its preheader is the issue's where it is None."""

    subject: str
    preheader: str | None = None


Rule = Literal["clicks", "person"]
"""Who decides which subject wins: readers, by what they click, or a person."""


@dataclass(frozen=True)
class SubjectTest:
    """How the subjects of an issue are tried out.

    `others` stand beside the issue's own, which is number 0; they are 1, 2, …. They are tried on `share` percent of the
    audience, and `wait` minutes after those have their copies it is decided which one the rest gets.
    """

    share: int
    wait: int
    rule: Rule
    others: tuple[Alternative, ...]


@dataclass(frozen=True)
class Draft:
    """What an editor may still change of an issue, and what it is rendered from."""

    number: int
    cutoff: datetime
    subject: str
    preheader: str
    intro: str
    placed: tuple[Placed, ...]
    subject_test: SubjectTest | None = None


@dataclass(frozen=True)
class Moved:
    """A comparison that was made smaller so that the mail fits."""

    comparison: Comparison
    before: Form
    after: Form


@dataclass(frozen=True)
class Envelope:
    """Who an issue is from, and the headers beside From, To, Subject and Date, with their places still open."""

    sender_name: str
    sender_address: str
    reply_to: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Rendered:
    """An issue as it is mailed, with the places that differ per copy still open (see `personalise`).

    `links` are the addresses in the HTML, each once, in their order; those with a token in them are not
    among them. `tracking` is what is done to them when it is handed over. `subject_test` is what readers may get in
    place of the subject; a variant has none.
    """

    envelope: Envelope

    subject: str
    preheader: str
    mjml: str
    html: str
    text: str
    links: tuple[str, ...]
    tracking: Tracking | None = None
    subject_test: SubjectTest | None = None


@dataclass(frozen=True)
class Issue:
    """An issue as the store has it; the frozen parts are None while it is a draft.

    `local_time` is without a zone: the copies go when it is that time where the reader is. `trouble` is why sending
    it was paused, where no person did it. `nonce` makes the names of its copies unlike any other sending's.
    `doubted_at` is when it was brought back from a backup, as long as nobody knows what went out of it since.
    """

    number: int
    state: State
    subject: str
    preheader: str
    intro: str
    cutoff: datetime
    content_hash: str | None
    html: str | None
    text: str | None
    envelope: Envelope | None
    scheduled_at: datetime | None
    approved_at: datetime | None
    sending_at: datetime | None
    sent_at: datetime | None
    trouble: str | None = None
    local_time: datetime | None = None
    nonce: str | None = None
    doubted_at: datetime | None = None
