"""What the DNS says of the sender's domain: whether answers arrive (MX), and whether receivers believe the From.

Gmail, Yahoo and Microsoft ask bulk senders for SPF, DKIM and DMARC with at least ``p=none``
(https://support.google.com/a/answer/81126, https://senders.yahooinc.com/best-practices/).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Coroutine

import dns.asyncresolver
import dns.exception

from digest.issue.checks import spf
from digest.issue.checks.model import Finding, Level, Mail
from digest.issue.checks.zone import UnreachableError, Zone

_RSA_LEAST, _RSA_GOOD = 1024, 2048
"""In bits: receivers refuse what is shorter than the first, and signers must not use less and should use the
second (RFC 8301, section 3.2)."""

_ED25519_BYTES = 32  # RFC 8463, section 4
_POLICIES = ("none", "quarantine", "reject")
_MOST_LABELS = 8  # of a tree walk: RFC 9989, section 4.10


async def look(mail: Mail, *, resolver: dns.asyncresolver.Resolver | None = None) -> list[Finding]:
    """Look up the domain of the From address (ids `dns-mx`, `dns-spf`, `dns-dkim`, `dns-dmarc`).

    A domain that does not exist is one finding; a DNS that does not answer is not run. `resolver` is the
    system's by default.
    """
    domain = mail.content.envelope.sender_address.rpartition("@")[2].lower()
    try:
        zone = Zone(resolver or dns.asyncresolver.Resolver())
        if not await zone.exists(domain):
            return [_no_such_domain(mail, domain)]
    except (UnreachableError, dns.exception.DNSException) as error:
        todo = "run the check where there is a network, or look at this machine's DNS"
        return [Finding(check, "not run", f"the DNS does not say: {error}", domain, todo) for check in _CHECKS]
    return [
        finding
        for findings in await asyncio.gather(*(_run(check, mail, zone, domain) for check in _CHECKS))
        for finding in findings
    ]


def _no_such_domain(mail: Mail, domain: str) -> Finding:
    return Finding(
        "dns-mx",
        mail.grave,
        f"the sender's domain {domain} does not exist, so that receivers refuse the mail",
        "sender_address",
        "set sender_address to an address of a domain you own",
    )


async def _run(check: str, mail: Mail, zone: Zone, domain: str) -> list[Finding]:
    try:
        return await _CHECKS[check](mail, zone, domain)
    except UnreachableError as error:
        return [Finding(check, "not run", f"the DNS does not say: {error}", domain, "run the check again later")]


async def _mx(mail: Mail, zone: Zone, domain: str) -> list[Finding]:
    """Mail servers of the domain (RFC 5321, section 5.1); a single ``.`` takes no mail (RFC 7505)."""
    found = await zone.mail_servers(domain)
    if found == ["."]:
        what = f"{domain} says it takes no mail (a null MX), and many receivers refuse mail from such a domain"
        todo = f"publish a mail server: {domain}. MX 10 mail.{domain}."
        return [Finding("dns-mx", mail.grave, what, domain, todo)]
    if not found:
        what = f"{domain} has no MX record, so that answers to the issue may bounce"
        return [Finding("dns-mx", "warn", what, domain, f"publish a mail server: {domain}. MX 10 mail.{domain}.")]
    return [Finding("dns-mx", "pass", f"{domain} takes mail at {', '.join(found)}")]


async def _spf(mail: Mail, zone: Zone, domain: str) -> list[Finding]:
    return await spf.findings(mail, zone, domain)


async def _dkim(mail: Mail, zone: Zone, domain: str) -> list[Finding]:
    """The key that receivers check signatures with (RFC 6376, section 3.6; RFC 8301; RFC 8463)."""
    selector = mail.settings.dkim_selector
    if not selector:
        todo = "set dkim_selector to the selector your provider signs with"
        return [Finding("dns-dkim", "not run", "no DKIM selector is set", "dkim_selector", todo, moot=True)]
    place, keys = await _key(zone, selector, domain)
    publish = f'publish the key your provider shows you: {place}. TXT "v=DKIM1; k=rsa; p=…" (or its CNAME)'
    if not keys:
        return [Finding("dns-dkim", mail.grave, f"there is no DKIM key at {place}", place, publish)]
    if len(keys) > 1:
        what = f"there are {len(keys)} DKIM keys at {place}, and receivers may take either"
        return [Finding("dns-dkim", mail.grave, what, place, f"leave one TXT record at {place}.")]
    level, what = _judged(tags(keys[0]), mail.grave)
    return [
        Finding("dns-dkim", level, f"the DKIM key at {place} {what}", *((place, publish) if level != "pass" else ()))
    ]


async def _key(zone: Zone, selector: str, domain: str) -> tuple[str, list[str]]:
    """Where the key is, and its records: at the domain itself, or at the one it belongs to."""
    place = f"{selector}._domainkey.{domain}"
    if keys := await zone.texts(place):
        return place, keys
    organization = _organization(domain, await _walk(zone, domain))
    above = f"{selector}._domainkey.{organization}"
    if keys := await zone.texts(above):
        return above, keys
    return place, []


def _judged(key: dict[str, str], grave: Level) -> tuple[Level, str]:
    """Say what a key record is worth."""
    if key.get("v", "DKIM1") != "DKIM1" or "p" not in key:
        return grave, "is no DKIM1 record with a p="
    if not key["p"]:
        return grave, "is revoked (its p= is empty)"
    if "sha256" not in key.get("h", "sha256"):
        return grave, f"allows only h={key['h']}, which receivers refuse"
    kind = key.get("k", "rsa")
    bits = _bits(kind, key["p"])
    if not bits:
        return grave, "cannot be read"
    if kind == "rsa" and bits < _RSA_LEAST:
        return grave, f"has only {bits} bits, which receivers refuse"
    if kind == "rsa" and bits < _RSA_GOOD:
        return "warn", f"has only {bits} bits; {_RSA_GOOD} are asked for"
    if "y" in key.get("t", "").split(":"):
        return "warn", "is marked as a test (t=y), so that receivers may take the mail as unsigned"
    return "pass", f"is {kind} with {bits} bits"


def _bits(kind: str, key: str) -> int:
    """The length of a key in bits; 0 where it cannot be read."""
    try:
        octets = base64.b64decode("".join(key.split()), validate=True)
        if kind == "ed25519":
            return 256 if len(octets) == _ED25519_BYTES else 0
        return rsa_bits(octets) if kind == "rsa" else 0
    except (binascii.Error, IndexError):
        return 0


def rsa_bits(octets: bytes) -> int:
    """Give the length of an RSA public key in bits, from DER as SubjectPublicKeyInfo or RSAPublicKey (RFC 8017, A.1.1).

    Gives 0 for what is neither, and raises IndexError for what is cut off.
    """
    tag, body, _ = _der(octets)
    inner, value, rest = _der(body)
    if tag == 0x30 and inner == 0x30:  # the algorithm comes first, then a bit string with the key in it
        bits, wrapped, _ = _der(rest)
        return rsa_bits(wrapped[1:]) if bits == 0x03 else 0
    return int.from_bytes(value, "big").bit_length() if tag == 0x30 and inner == 0x02 else 0


def _der(octets: bytes) -> tuple[int, bytes, bytes]:
    """Read one DER element: its tag, its value and what follows."""
    tag, length, start = octets[0], octets[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(octets[2:start], "big")
    if start + length > len(octets):
        raise IndexError("cut off")
    return tag, octets[start : start + length], octets[start + length :]


async def _dmarc(mail: Mail, zone: Zone, domain: str) -> list[Finding]:
    """The policy that binds SPF and DKIM to the From (RFC 9989, before that RFC 7489)."""
    owner, records = await _policy(zone, domain)
    place = f"_dmarc.{owner}"
    record = f'{place}. TXT "v=DMARC1; p=none; rua=mailto:{mail.content.envelope.sender_address}"'
    if not records:
        what = f"{domain} has no DMARC record, which Gmail, Yahoo and Microsoft ask bulk senders for"
        return [Finding("dns-dmarc", mail.grave, what, f"_dmarc.{domain}", f"publish {record}")]
    if len(records) > 1:
        what = f"there are {len(records)} DMARC records at {place}, so that none of them counts"
        return [Finding("dns-dmarc", mail.grave, what, place, f"leave one, such as {record}")]
    found = tags(records[0])
    policy = found.get("p", "none" if "rua" in found else "").lower()
    if owner != domain:
        policy = found.get("sp", policy).lower()
    if policy not in _POLICIES:
        what = f"the DMARC record at {place} has no policy (p=) of none, quarantine or reject"
        return [Finding("dns-dmarc", mail.grave, what, place, f"publish {record}")]
    return [await _aligned(mail, zone, domain, place, found, policy)]


async def _aligned(mail: Mail, zone: Zone, domain: str, place: str, found: dict[str, str], policy: str) -> Finding:
    """Say what a sound policy asks of our mail: that the signing domain is that of the From, or of its family."""
    remarks = [f"{place} asks for p={policy}"]
    if policy == "none":
        remarks.append("which only watches")
    if "rua" not in found:
        remarks.append("without reports (no rua=)")
    selector = mail.settings.dkim_selector
    if selector:
        key, keys = await _key(zone, selector, domain)
        at_domain = key == f"{selector}._domainkey.{domain}"
        if keys and found.get("adkim", "r").lower() == "s" and not at_domain:
            what = f"DMARC asks for a signature of {domain} itself (adkim=s), and the key is at {key}"
            todo = f"publish the key at {selector}._domainkey.{domain}., or take adkim=s out of {place}."
            return Finding("dns-dmarc", mail.grave if policy != "none" else "warn", what, place, todo)
        remarks.append(f"the From is aligned by DKIM ({key})" if keys else "no DKIM key aligns with the From")
    return Finding("dns-dmarc", "pass", ", ".join(remarks))


async def _policy(zone: Zone, domain: str) -> tuple[str, list[str]]:
    """Give the DMARC records that count for a domain, and whose they are: its own, or its organization's."""
    found = await _walk(zone, domain)
    for owner in (domain, _organization(domain, found)):
        if records := found.get(owner):
            return owner, records
    # What is left can be of a public suffix only, such as .bank, which then speaks for all under it.
    return next(iter(found.items()), (domain, []))


async def _walk(zone: Zone, domain: str) -> dict[str, list[str]]:
    """Ask up the labels who has DMARC records, which takes the place of a list of public suffixes.

    As RFC 9989, section 4.10: at most eight questions, so that a long name skips to its last seven labels, and no
    further up than a record that says it is the organization's (``psd=n``) or a suffix's (``psd=y``).
    """
    labels = domain.split(".")
    names = [domain, *(".".join(labels[at:]) for at in range(max(1, len(labels) - _MOST_LABELS + 1), len(labels)))]
    found: dict[str, list[str]] = {}
    for name in names:
        records = [text for text in await zone.texts(f"_dmarc.{name}") if text.replace(" ", "").startswith("v=DMARC1")]
        if records:
            found[name] = records
            if _suffix(records) == "n" or (_suffix(records) == "y" and name != domain):
                break
    return found


def _organization(domain: str, found: dict[str, list[str]]) -> str:
    """The organizational domain: the shortest name with a record, or the one below a public suffix."""
    for name, records in found.items():
        if _suffix(records) == "y" and name != domain:
            return ".".join(domain.split(".")[-name.count(".") - 2 :])
    return next(reversed(found), domain)


def _suffix(records: list[str]) -> str:
    return tags(records[0]).get("psd", "u").lower() if len(records) == 1 else "u"


def tags(record: str) -> dict[str, str]:
    """Read the ``tag=value`` list of a DKIM or DMARC record (RFC 6376, section 3.2)."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


_CHECKS: dict[str, Callable[[Mail, Zone, str], Coroutine[None, None, list[Finding]]]] = {
    "dns-mx": _mx,
    "dns-spf": _spf,
    "dns-dkim": _dkim,
    "dns-dmarc": _dmarc,
}
