"""The guards of signing up, in the order they are asked.

The same for the form, for forms on other sites, and for programs. None of them stands in the way of a person with
JavaScript off: what a guard doubts costs one more press of a button, unless a whole network attacks.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Literal

from digest.audience import signing_up
from digest.audience.addresses import Address
from digest.errors import InputError
from digest.settings import Settings
from digest.store import Database
from digest.tokens import Signer, TokenError
from digest.web.abuse.mail_hosts import MailHosts, is_disposable
from digest.web.abuse.networks import Networks
from digest.web.abuse.proof import Proof

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

TRAP = "homepage"
"""A field that people do not see. Who fills it in is told that all went well."""

QUICKEST = timedelta(seconds=2)
"""Between seeing the form and sending it. Nobody is faster who types an address; browsers that fill it in may be."""

OLDEST = timedelta(days=7)
"""A page that stood open for longer, or was stolen from a reader, is shown anew."""

Refused = Literal[
    "trap", "foreign", "invalid", "no moment", "too quick", "network", "disposable", "no mail host", "brake"
]
"""What became of attempts that did not come as far as `signing_up.ask`, as the counts call them."""


class SignUps:
    """What the guards remember, in this process. It is for the thread of the event loop, but for counting."""

    def __init__(self, settings: Settings, links: Signer, key: bytes, *, resolver: Resolver | None = None) -> None:
        self._settings, self._links = settings, links
        self._proof = Proof(key)
        self._networks = Networks(settings.sign_ups_per_network)
        self._hosts = MailHosts(resolver)
        self._counts: Counter[str] = Counter()
        self._lock = Lock()
        self._flushed: datetime | None = None

    def follow(self, settings: Settings) -> None:
        """Go by other settings from here on. Where what a network may do is another, all begin to be counted anew."""
        if settings.sign_ups_per_network != self._settings.sign_ups_per_network:
            self._networks = Networks(settings.sign_ups_per_network)
        self._settings = settings

    def challenge(self, now: datetime) -> dict[str, object] | None:
        """Give a riddle for a browser; None where the settings want no proof of work."""
        return self._proof.challenge(now) if self._settings.proof_of_work else None

    def is_proven(self, solution: str, now: datetime) -> bool:
        """Tell whether a riddle was solved; a solution counts once."""
        return self._settings.proof_of_work and self._proof.holds(solution, now)

    def doubt(self, moment: str, now: datetime) -> Refused | None:
        """Tell what is odd about when the form was shown, as its token has it; None where nothing is."""
        try:
            shown = datetime.fromtimestamp(self._links.read("form", moment)[0], now.tzinfo)
        except TokenError:
            return "no moment"
        if not timedelta() <= now - shown <= OLDEST:
            return "no moment"
        return "too quick" if now - shown < QUICKEST else None

    def wait_of(self, network: str, *, proven: bool, now: datetime) -> timedelta | None:
        """Let a network sign somebody up; where it has too often, give how long it must wait."""
        return self._networks.take(network, proven=proven, now=now)

    async def refuse_hopeless(self, address: Address, now: datetime) -> None:
        """Refuse an address that mail does not reach for long, or not at all, as far as the settings want to know.

        Raises:
            InputError: saying why.
        """
        domain = address.key.rpartition("@")[2]
        if self._settings.disposable_addresses == "refuse" and is_disposable(domain):
            self.note("disposable")
            raise InputError(f"{domain} lends mailboxes to throw away; please use one that you keep", field="email")
        if self._settings.check_mail_host and not await self._hosts.take_mail(domain, now):
            self.note("no mail host")
            raise InputError(f"no mail can be sent to {domain}; is it spelled right?", field="email")

    # What became of attempts, to be written down together: an attack must not cost the store a write each time.

    def note(self, outcome: Refused) -> None:
        """Count an attempt that was refused."""
        with self._lock:
            self._counts[outcome] += 1

    def take_counts(self) -> Counter[str]:
        """Take what was counted, to be written down by the taker."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken

    def give_back(self, counts: Counter[str]) -> None:
        """Take back what could not be written down."""
        with self._lock:
            self._counts.update(counts)

    def write_down(self, db: Database, now: datetime, *, every: timedelta = timedelta()) -> None:
        """Write down what was counted, unless that was done less than `every` ago."""
        if self._flushed is not None and timedelta() <= now - self._flushed < every:
            return
        counts = self.take_counts()
        if not counts:
            return
        self._flushed = now
        try:
            signing_up.count(db, counts, now=now)
        except BaseException:
            self.give_back(counts)
            raise
