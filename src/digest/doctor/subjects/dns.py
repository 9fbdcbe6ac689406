"""What the DNS says of the sender's domain and of the site: whether receivers believe us, and readers find us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from ipaddress import ip_address

import dns.asyncresolver
import dns.exception

from digest.doctor.model import Case, Finding, Level, of_check
from digest.issue import sender_dns
from digest.issue.checks.duties import is_nobodys
from digest.issue.checks.zone import UnreachableError, Zone

WORDS = "SPF, DKIM, DMARC and MX of the sender, the addresses of the site"
PLACE = 80
NETWORK = True
SECONDS: float | None = 30

_say = partial(Finding, "dns")


def look(case: Case) -> Iterator[Finding]:
    """Ask the DNS."""
    yield from asyncio.run(_all(case))


async def _all(case: Case) -> list[Finding]:
    try:
        resolver = case.resolver or dns.asyncresolver.Resolver()
    except dns.exception.DNSException as error:
        return [_say("resolver", "not looked at", f"this machine has no DNS: {error}")]
    zone = Zone(resolver)
    found: list[Finding] = []
    for part in (_sender(case, resolver), _site(case, zone), _server(case, zone)):
        try:
            found += [one async for one in part]
        except UnreachableError as error:
            found.append(_say("resolver", "not looked at", f"the DNS does not say: {error}", todo="try again later"))
    return found


async def _sender(case: Case, resolver: dns.asyncresolver.Resolver) -> AsyncIterator[Finding]:
    settings = case.settings
    domain = settings.sender_address.rpartition("@")[2].lower()
    if is_nobodys(domain):
        yield _say("sender", "not looked at", f"nobody can own {domain}, so that there is nothing to ask for")
        return
    for one in await sender_dns.judge(settings, resolver=resolver):
        yield of_check("dns", one)
    for looked in await sender_dns.look(settings, resolver=resolver):
        record = looked.record
        if record.check:
            continue
        level: Level = {"found": "pass", "unknown": "not looked at"}.get(looked.state, "warn")  # type: ignore[assignment]
        what = f"{record.kind} {record.name}: {looked.said[:1].lower()}{looked.said[1:].rstrip('.')}"
        todo = f"publish {record.name}. {record.kind} {record.value}" if level == "warn" else ""
        yield _say("records", level, what, record.name, todo)
    for signed_for in filter(None, (_signs_for(case),)):
        if not aligned(signed_for, domain):
            words = f"mail is signed for {signed_for} and comes from {domain}: DMARC wants them to belong together"
            yield _say("alignment", case.grave, words, signed_for, f"sign for {domain}, or for a domain under it")


def _signs_for(case: Case) -> str:
    options = case.settings.providers.get(case.settings.provider, {})
    return str(options.get({"smtp": "dkim_domain", "mailgun": "domain"}.get(case.settings.provider, ""), "")).lower()


def aligned(one: str, other: str) -> bool:
    """Tell whether one of two domains is the other or under it: what relaxed alignment asks for (RFC 9989, 4.10).

    Sisters under one domain are aligned as well, which cannot be told here without a list of public suffixes: they
    pass where they share two labels.
    """
    shorter, longer = sorted((one, other), key=len)
    if shorter == longer or longer.endswith(f".{shorter}"):
        return True
    return one.split(".")[-2:] == other.split(".")[-2:]


async def _site(case: Case, zone: Zone) -> AsyncIterator[Finding]:
    host = case.settings.host
    if is_nobodys(host) or _is_address(host):
        yield _say("site", "not looked at", f"{host} is no name that the DNS is asked for")
        return
    addresses = await zone.addresses(host)
    if not addresses:
        todo = f"publish {host}. A with this machine's address"
        yield _say("site", case.grave, f"{host} has no address: no link in a mail can be opened", "base_url", todo)
        return
    private = [one for one in addresses if not ip_address(one).is_global]
    if private:
        words = f"{host} leads to {', '.join(private)}, which nobody outside can reach"
        yield _say("site", case.grave, words, "base_url", "publish its public address")
    else:
        yield _say("site", "pass", f"{host} leads to {', '.join(addresses)}")


async def _server(case: Case, zone: Zone) -> AsyncIterator[Finding]:
    """Look for the names of the SMTP server's addresses: receivers want a sending one to have a name that leads back.

    Gmail's rules: https://support.google.com/a/answer/81126. A relay sends from addresses of its own.
    """
    if case.settings.provider != "smtp":
        return
    host = str(case.settings.providers.get("smtp", {}).get("host", ""))
    addresses = [host] if _is_address(host) else [] if is_nobodys(host) or not host else await zone.addresses(host)
    for address in addresses:
        if not ip_address(address).is_global and case.resolver is None:
            continue
        names = await zone.pointers(address)
        back = [name for name in names if address in await zone.addresses(name)]
        if back:
            yield _say("ptr", "pass", f"{address} is called {back[0]}, which leads back to it")
        else:
            words = (
                f"{address} of {host} has no name (PTR) that leads back to it: where it sends from there, it is refused"
            )
            yield _say("ptr", "warn", words, address, "ask whoever gave you the address to set its PTR")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
