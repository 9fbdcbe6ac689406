"""What the engine hands to a provider, and what it gets back.

A provider knows nothing of ours but this: no store, no settings, no issue.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable


@dataclass(frozen=True)
class Segments:
    """A text split at its places: `texts[0]`, value of `places[0]`, `texts[1]`, … `texts[-1]`."""

    texts: tuple[str, ...]
    places: tuple[str, ...] = ()

    def fill(self, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
        """Join the text with one copy's values, each passed through `escape`."""
        parts = [self.texts[0]]
        for place, text in zip(self.places, self.texts[1:], strict=True):
            parts += (escape(values[place]), text)
        return "".join(parts)


@dataclass(frozen=True)
class Message:
    """What all copies of an issue share. `headers` are the further ones, by name, in their order."""

    sender_name: str
    sender_address: str
    reply_to: str
    subject: str
    html: Segments
    text: Segments
    headers: Mapping[str, Segments]


class Recipient(NamedTuple):
    """One copy: whose it is, where it goes, and the values of the places in it, as plain text.

    `address` has its domain in ASCII. The place ``message`` is unlike any other copy's, of any store.
    """

    subscriber: int
    address: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Batch:
    """Deliveries handed over in one call. The same batch handed over again carries the same bytes.

    `idempotency_key` is 32 hexadecimal digits, unlike any other batch's of any store. `date` is when it was claimed.
    """

    number: int
    idempotency_key: str
    message: Message
    recipients: tuple[Recipient, ...]
    date: datetime


@dataclass(frozen=True)
class Answer:
    """What a provider said of a batch that it took: every copy is accepted but those named here, by subscriber.

    `message_ids` has one for each accepted copy in the order of the batch, or a single one for the whole call, or
    none. `rejected` has the provider's reason for each. `again` are those it did not take, for a reason that passes;
    `trouble` is then what to do before they are tried again. `uncertain` may have been accepted.
    """

    message_ids: Sequence[str] = ()
    rejected: Mapping[int, str] = field(default_factory=dict)
    again: Mapping[int, str] = field(default_factory=dict)
    uncertain: Mapping[int, str] = field(default_factory=dict)
    trouble: NotAcceptedError | None = None


class ProviderError(Exception):
    """A call failed. `str()` of it is the provider's own reason, for a person; it never holds a secret."""


class UncertainError(ProviderError):
    """The batch may have been accepted: the line broke after something was written, or the answer makes no sense.

    Any exception that is no `ProviderError` means the same.
    """


class NotAcceptedError(ProviderError):
    """It is proven that nothing of the batch was accepted."""


class TryAgainError(NotAcceptedError):
    """No connection, too many requests, maintenance: the same again, after `after_s` seconds where that is told."""

    def __init__(self, reason: str, *, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class QuotaError(NotAcceptedError):
    """A quota or the credits are used up: the issue waits, and a person may have to act."""


class AccountError(NotAcceptedError):
    """A wrong key, an unverified domain, a suspended account: nothing at all will be accepted until it is mended."""


class BadCallError(NotAcceptedError):
    """The provider refused the call for something in it.

    `rejected` are the copies it named as the cause, with its reasons; the others can be handed over without them.
    Where it named none, `shared` tells whether what all copies share is to blame; if not, halves are tried.
    """

    def __init__(self, reason: str, *, rejected: Mapping[int, str] | None = None, shared: bool = False) -> None:
        super().__init__(reason)
        self.rejected, self.shared = dict(rejected or {}), shared


@dataclass(frozen=True)
class Proof:
    """How it can be found out whether an uncertain batch was accepted. Times are in seconds.

    `replay_s`: so long after the first try the same call may be repeated, and is sent once all the same; 0: never.
    `ask_s`: so long after it the provider can be asked which copies it has; 0: it cannot.
    `settling_s`: what it has accepted may not show yet, when it is asked or called again, until so long after the
    hand-over.
    `whole`: a call is accepted whole or not at all, so one copy seen proves all.
    `recall_s`: so long back it is sure to list all it accepted (`Recalled`), as is asked after a restore; 0: it cannot.
    `lists_all`: what is not in that list it never accepted.
    """

    replay_s: float = 0
    ask_s: float = 0
    settling_s: float = 0
    whole: bool = False
    recall_s: float = 0
    lists_all: bool = True


@dataclass(frozen=True)
class Found:
    """A mail that a provider accepted, as its list shows it; it may be another's than ours.

    `names` are the values of the places ``message`` and ``token`` of a copy, where the list shows them; without, it can
    be told only by its address and subject.
    """

    address: str
    subject: str
    at: datetime
    names: tuple[str, ...] = ()
    message_id: str | None = None


@dataclass(frozen=True)
class Pace:
    """How fast a provider may be worked: 0 is "as fast as it answers".

    `calls_a_second` and `copies_a_second` are its limits; `connections` are calls at the same time. `a_day` is a cap
    on copies in 24 hours by the calendar in UTC; `first_day` starts a warm-up: so many copies on the first day of
    use, and twice as many on each further one.
    """

    calls_a_second: float = 0
    copies_a_second: float = 0
    connections: int = 4
    a_day: int = 0
    first_day: int = 0


@dataclass(frozen=True)
class Said:
    """What a provider says of itself when it is asked, for a person; `doubts` are what a person should mind of it."""

    words: str
    doubts: tuple[str, ...] = ()


@runtime_checkable
class Probed(Protocol):
    """A provider that can be asked whether our key is right, by a call that mails nobody and changes nothing."""

    async def probe(self) -> Said:
        """Ask it.

        Raises:
            AccountError: it does not know us, or would take no mail of ours.
            ProviderError: it cannot say now.
        """


@runtime_checkable
class Recalled(Protocol):
    """A provider that lists what it accepted, whoever handed it over and by whatever key."""

    def recall(self, since: datetime) -> AsyncGenerator[Sequence[Found], None]:
        """Give all it accepted from a moment on, or more, page by page: no more than one call for each.

        A page may be empty, and the same mail be on two. Asked only where `proof.recall_s` says so, and believed where
        it ends of itself.

        Raises:
            AccountError: the key may not read the list.
            Exception: it cannot say now.
        """


class Provider(Protocol):
    """Takes batches. `limit` is the most deliveries it takes in a call.

    `account` says where at the provider they go, such as a domain or a folder: an uncertain batch can be asked
    for only there. It is no secret. `unused` are the places whose values it never sends. `pace` may be known better
    after `open`.
    """

    name: str
    account: str
    limit: int
    unused: frozenset[str]
    pace: Pace
    proof: Proof

    async def open(self, *, begin: bool) -> None:
        """Make ready, before anything is claimed; `begin` says that nothing of the issue was ever handed over.

        Raises:
            ProviderError: it cannot be.
        """

    async def hand_over(self, batch: Batch) -> Answer:
        """Hand a batch over; within `proof.replay_s` it may be handed over again, to learn what became of it.

        Raises:
            NotAcceptedError: as its kinds say.
            Exception: the batch is uncertain.
        """

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        """Give the subscribers of the batch whose copies were accepted, each with its message id where it has one.

        Only asked where `proof.ask_s` says so, and believed to be complete after `proof.settling_s`.

        Raises:
            Exception: it cannot say now.
        """

    async def close(self) -> None:
        """Let go of connections."""
