"""How a provider tells us what became of its copies: a call to /hooks/<provider>, verified, then read.

A provider's file here knows nothing of ours but this. It has a class `Options` with what must be set, and two
functions, `verify` and `read`. The provider's own options inherit from that class, so that they are set in one table;
none of them is required, since one may send without being told. `fields.py` and `credentials.py` are for all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pydantic import BaseModel

Word = Literal["accepted", "deferred", "delivered", "bounced", "complained", "opened", "clicked", "unsubscribed"]


@dataclass(frozen=True)
class Call:
    """An HTTP call as it came: names of headers in small letters, the body's very bytes."""

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str]


@dataclass(frozen=True)
class Verified:
    """A call that is the provider's own.

    `key` is unlike that of any other call, for providers whose signature does not cover the body: the same key with
    another body is a forgery. None where the signature covers all. `answer` is done after the call was stored, such as
    confirming a subscription; it may raise.
    """

    key: str | None = None
    answer: Callable[[], Awaitable[None]] | None = None


class RefusedError(Exception):
    """A call is not the provider's, or too old; `status` is what it is answered.

    `str()` is why, in words that are counted: few, and nothing of the call is in them. They are ``wrong signature``,
    ``too old``, ``too early``, ``no signature``, ``malformed``, ``wrong topic``, ``wrong certificate``,
    ``no certificate``, ``not confirmed``, ``not set up``; of providers that sign nothing ``wrong password``, ``no
    password``, ``wrong header``, ``no header``, ``wrong password or header``. ``malformed`` is what cannot be verified,
    not a body that cannot be read: that is kept.
    """

    def __init__(self, reason: str, status: int = 401) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Told:
    """Something a provider says happened to a copy.

    `copy` is the token we handed over with it, and `name` the one of its Message-ID; either may be missing, and
    `address` then says whose it was. An `at` that lies after the call itself counts as of the moment the call came in,
    and so does `fields.UNTOLD`. `hard` is said of a bounce only. `code` is the enhanced or the SMTP code, such as
    ``5.1.1``; `words` what the receiving server said. `link` and `agent` are of opens and clicks; `machine` is True
    where the provider itself says that no person did it. `batch` is the key of the batch, where the provider has it.
    `blameless` is True of a soft bounce that is no fault of the mailbox: the provider would not send the mail, so that
    it may not count towards suppressing the address.
    """

    word: Word
    at: datetime
    copy: str | None = None
    name: str | None = None
    address: str | None = None
    batch: str | None = None
    hard: bool = False
    code: str = ""
    words: str = ""
    link: str = ""
    agent: str = ""
    machine: bool = False
    blameless: bool = False


@dataclass(frozen=True)
class Unknown:
    """An event of a kind we do not know, kept as it came. `raw` is its JSON. `kind` is the provider's word for it."""

    kind: str
    raw: str


@dataclass(frozen=True)
class Nothing:
    """Something known that says nothing of any copy, such as that a domain was verified. It is only counted."""

    kind: str


class Hooks(Protocol):
    """What a file of `providers/hooks/` is (a module). `Options` is what must be set; `verify` gets it by name."""

    Options: type[BaseModel]

    async def verify(self, call: Call, options: Mapping[str, object], *, now: datetime, fetch: Fetch) -> Verified:
        """Make sure that a call is the provider's own.

        Raises:
            RefusedError: it is not, or is too old.
        """

    def read(self, body: bytes) -> Sequence[Told | Unknown | Nothing]:
        """Read a verified body; what is not even JSON is `Unknown`. It never raises."""


Fetch = Callable[[str], Awaitable[bytes]]
"""GETs an address, such as a certificate's, within a few seconds and some KB; raises `OSError`."""
