"""Whether a domain takes mail at all, as the DNS has it, and whether it lends mailboxes to throw away."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Loading it takes 30 ms, for which the start of the server does not wait.
    from dns.asyncresolver import Resolver

SECONDS = 2.0
"""For all questions about a domain together: a person waits for the answer."""

KEPT, KEPT_FOR = 10_000, timedelta(hours=1)
AT_ONCE = 50
"""Domains that are asked for at a time; while more are, sign-ups pass without a question."""


class MailHosts:
    """Asks the DNS about domains, and keeps what it said for an hour."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver
        self._known: OrderedDict[str, tuple[bool, datetime]] = OrderedDict()
        self._asking = 0

    async def take_mail(self, domain: str, now: datetime) -> bool:
        """Tell whether mail to a domain can arrive. What the DNS does not say in time is taken for a yes."""
        known = self._known.get(domain)
        if known is not None and now - known[1] < KEPT_FOR:
            return known[0]
        if self._asking >= AT_ONCE:
            return True
        from dns.exception import DNSException

        self._asking += 1
        try:
            takes = await asyncio.wait_for(self._ask(domain), SECONDS)
        except (DNSException, TimeoutError, OSError, UnicodeError):
            return True
        finally:
            self._asking -= 1
        self._known[domain] = (takes, now)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return takes

    async def _ask(self, domain: str) -> bool:
        """Look for an MX, or else an address (RFC 5321, section 5.1); a single ``.`` takes no mail (RFC 7505)."""
        import dns.asyncresolver
        import dns.name
        import dns.resolver
        from dns.rdtypes.ANY.MX import MX

        if self._resolver is None:
            self._resolver = dns.asyncresolver.Resolver()
        name = dns.name.from_text(f"{domain}.")
        try:
            answer = await self._resolver.resolve(name, "MX", lifetime=SECONDS, search=False)
            hosts = [record.exchange for record in answer if isinstance(record, MX)]
            return any(host != dns.name.root for host in hosts)
        except dns.resolver.NXDOMAIN:
            return False
        except dns.resolver.NoAnswer:
            pass
        for kind in ("A", "AAAA"):
            try:
                await self._resolver.resolve(name, kind, lifetime=SECONDS, search=False)
            except dns.resolver.NXDOMAIN:
                return False
            except dns.resolver.NoAnswer:
                continue
            return True
        return False


def is_disposable(domain: str) -> bool:
    """Tell whether a domain, or one above it, is known to lend mailboxes to throw away."""
    labels = domain.lower().split(".")
    return any(".".join(labels[start:]) in _disposable() for start in range(len(labels) - 1))


@cache
def _disposable() -> frozenset[str]:
    from disposable_email_domains import blocklist

    return frozenset(blocklist)
