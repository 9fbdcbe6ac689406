"""The SPF record of a domain, read as receivers read it (RFC 7208)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.zone import Zone

MOST_LOOKUPS, MOST_VOID = 10, 2
"""What a receiver looks up before it gives up, and how many of it may come to nothing (section 4.6.4)."""

_STOP = 40
"""Look-ups at which counting ends: the record is wrong, whatever comes after."""

_TERM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9._-]*)(?:([:=/])(.*))?", re.S)
_MECHANISMS = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
_NEEDS_VALUE = ("include", "exists", "ip4", "ip6")
_CIDR = re.compile(r"(?:/(?:[0-9]|[12][0-9]|3[0-2]))?(?://(?:[0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?$")


@dataclass
class _Reading:
    """What was met on the way through a record and those it includes."""

    lookups: int = 0
    void: int = 0
    wrong: list[str] = field(default_factory=list)
    uses_ptr: bool = False


@dataclass(frozen=True)
class _Term:
    qualifier: str
    name: str
    value: str
    is_modifier: bool = False


async def findings(mail: Mail, zone: Zone, domain: str) -> list[Finding]:
    """Look at a domain's SPF record (id `dns-spf`).

    Raises:
        UnreachableError: the DNS does not answer.
    """
    record = f'{domain}. TXT "v=spf1 include:(your provider\'s name) ~all"'
    records = await _records(zone, domain)
    if not records:
        # SPF is asked of the envelope's domain (RFC 7208, section 2.4), and one pass of the two will do for DMARC.
        what = (
            f"{domain} has no SPF record: mail still passes where the provider has a bounce domain of its own for SPF"
            " and DMARC passes by DKIM"
        )
        return [Finding("dns-spf", "warn", what, domain, f"publish one anyway, it does no harm: {record}")]
    if len(records) > 1:
        what = f"{domain} has {len(records)} SPF records, so that none of them counts"
        return [Finding("dns-spf", mail.grave, what, domain, f"merge them into one: {record}")]
    reading = _Reading()
    end = await _read(zone, domain, records[0], reading, (domain,))
    troubles = [
        Finding("dns-spf", mail.grave, f"the SPF record of {domain} is broken: {wrong}", domain, "mend the record")
        for wrong in dict.fromkeys(reading.wrong)
    ]
    if reading.lookups > MOST_LOOKUPS:
        what = f"the SPF record of {domain} needs {reading.lookups} look-ups; receivers stop after {MOST_LOOKUPS}"
        todo = "take out an include, a, mx or exists that is not needed, or write its addresses as ip4: and ip6:"
        troubles.append(Finding("dns-spf", mail.grave, what, domain, todo))
    if reading.void > MOST_VOID:
        what = f"{reading.void} look-ups of {domain}'s SPF record find nothing; receivers stop after {MOST_VOID}"
        todo = "take out what points to names that are gone"
        troubles.append(Finding("dns-spf", mail.grave, what, domain, todo))
    if end in ("+", "?", "") and not reading.wrong:
        says = {"+": "lets everybody send (+all)", "?": "says nothing of strangers (?all)", "": "ends without all"}[end]
        todo = f"end it with ~all: {records[0].rsplit(None, 1)[0] if end else records[0]} ~all"
        troubles.append(Finding("dns-spf", "warn", f"the SPF record of {domain} {says}", domain, todo))
    if reading.uses_ptr:
        what = f"the SPF record of {domain} uses ptr, which many receivers skip"
        troubles.append(Finding("dns-spf", "warn", what, domain, "name the addresses by ip4:, ip6: or a:"))
    lookups = "1 look-up" if reading.lookups == 1 else f"{reading.lookups} look-ups"
    return troubles or [Finding("dns-spf", "pass", f"{domain} has one SPF record, {end}all, with {lookups} of 10")]


async def _records(zone: Zone, domain: str) -> list[str]:
    return [text for text in await zone.texts(domain) if re.match(r"v=spf1(?: |$)", text, re.I)]


async def _read(zone: Zone, domain: str, record: str, reading: _Reading, path: tuple[str, ...]) -> str:
    """Go through a record and those it includes; give the qualifier of its `all`, or nothing without one."""
    terms = [term for word in record.split()[1:] if (term := _term(domain, word, reading))]
    redirects = [term for term in terms if term.is_modifier and term.name == "redirect"]
    if len(redirects) > 1:
        reading.wrong.append(f"{domain} has redirect twice")
    for term in terms:
        if term.is_modifier:
            continue
        if term.name == "all":
            return term.qualifier
        await _count(zone, domain, term, reading, path)
        if reading.lookups >= _STOP:
            return term.qualifier
    if redirects:
        return await _enter(zone, domain, redirects[0].value, reading, path, "redirect")
    return ""


def _term(domain: str, word: str, reading: _Reading) -> _Term | None:
    """Read one term; what cannot be read is noted."""
    match = _TERM.fullmatch(word)
    if match and match[3] == "=" and not match[1]:
        return _Term("", match[2].lower(), match[4], is_modifier=True)
    name = match[2].lower() if match else ""
    if match is None or name not in _MECHANISMS or match[3] == "=":
        reading.wrong.append(f"{domain} has {word!r}, which is no term of SPF")
        return None
    value = f"/{match[4]}" if match[3] == "/" else match[4] or ""
    if not _is_sound(name, value):
        reading.wrong.append(f"{domain} has {word!r}, which cannot be read")
        return None
    return _Term(match[1] or "+", name, value)


def _is_sound(name: str, value: str) -> bool:
    if name == "all":
        return not value
    if name in _NEEDS_VALUE and not value:
        return False
    if name in ("a", "mx"):
        return _CIDR.fullmatch(value[value.index("/") :]) is not None if "/" in value else True
    try:
        _ = {"ip4": IPv4Network, "ip6": IPv6Network}[name](value, strict=False) if name in ("ip4", "ip6") else None
    except ValueError:
        return False
    return True


async def _count(zone: Zone, domain: str, term: _Term, reading: _Reading, path: tuple[str, ...]) -> None:
    """Count what a mechanism looks up, as a receiver does whom nothing before it has satisfied."""
    if term.name in ("ip4", "ip6"):
        return
    if term.name == "include":
        await _enter(zone, domain, term.value, reading, path, "include")
        return
    reading.lookups += 1
    target = term.value.partition("/")[0] or domain
    if term.name == "ptr":
        reading.uses_ptr = True
    elif "%" not in target:  # a macro: only a receiver knows what it stands for
        found = await (zone.mail_servers(target) if term.name == "mx" else zone.has_address(target))
        reading.void += not found


async def _enter(zone: Zone, domain: str, target: str, reading: _Reading, path: tuple[str, ...], by: str) -> str:
    """Go on into the record of another domain."""
    reading.lookups += 1
    target = target.lower().rstrip(".")
    if "%" in target:
        return "?"
    if target in path:
        reading.wrong.append(f"{' → '.join((*path, target))} goes in a circle")
        return "?"
    records = await _records(zone, target)
    if len(records) != 1:
        reading.void += not records
        reading.wrong.append(f"{by}:{target} in {domain} has {len(records) or 'no'} SPF record{'s' * bool(records)}")
        return "?"
    return await _read(zone, target, records[0], reading, (*path, target))
