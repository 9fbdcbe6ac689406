"""What the DNS must say of the sender's domain, for a provider: which records to publish, and whether they are there.

What each provider asks for is on its page in docs/providers/. Values that are an account's own, such as keys, only the
provider knows: they are written with an ellipsis, and looked for by what is sure of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import dns.asyncresolver
import dns.exception

from digest.issue.checks import dns as dns_checks
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.zone import UnreachableError, Zone
from digest.issue.envelope import envelope
from digest.issue.model import Draft, Rendered
from digest.sentences import capital
from digest.settings import Settings
from digest.times import LAST

Kind = Literal["TXT", "CNAME", "MX"]
State = Literal["found", "missing", "wrong", "unknown"]


@dataclass(frozen=True)
class Record:
    """A record to publish. `value` is whole, or has an ellipsis where only the provider knows the rest.

    `like` is what a value that was found must match. `check` names the check of the DNS that knows better, where there
    is one. A name with an ellipsis cannot be asked for.
    """

    kind: Kind
    name: str
    value: str
    why: str
    like: str
    check: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the value can be copied as it is."""
        return "…" not in self.value


@dataclass(frozen=True)
class Looked:
    """A record with what the DNS says of it, in words that say what to do."""

    record: Record
    state: State
    said: str
    found: tuple[str, ...] = ()


def records(settings: Settings) -> list[Record]:
    """Give the records that the sender's domain needs with the provider in use, the most needed first."""
    domain = settings.sender_address.rpartition("@")[2].lower()
    options = settings.providers.get(settings.provider, {})
    return [
        *_of_provider(settings, domain, options),
        Record(
            "TXT",
            f"_dmarc.{domain}",
            f"v=DMARC1; p=none; rua=mailto:{settings.sender_address}",
            "DMARC: binds the others to the From line; Gmail, Yahoo and Microsoft ask for it. Reports go to the address"
            " in it. Begin with p=none, which only watches.",
            r"^v=DMARC1\b",
            "dns-dmarc",
        ),
        Record(
            "MX",
            domain,
            f"10 mail.{domain}",
            "Where answers go: the server that has the sender’s mailbox. Yours is named otherwise, most likely, and"
            " there already.",
            r".",
            "dns-mx",
        ),
    ]


def _of_provider(settings: Settings, domain: str, options: Mapping[str, Any]) -> Iterator[Record]:
    """Give what a provider asks for: how SPF and DKIM pass, and where bounces go."""
    match settings.provider:
        case "postmark":
            yield _key(settings, domain, "Postmark shows it under Sender Signatures.")
            yield Record("CNAME", f"pm-bounces.{domain}", "pm.mtasv.net", _RETURN, r"^pm\.mtasv\.net$")
        case "mailgun":
            at = str(options.get("domain") or domain).lower()
            yield Record(
                "TXT",
                at,
                "v=spf1 include:mailgun.org ~all",
                _SPF,
                r"^v=spf1\b.*\binclude:mailgun\.org\b",
                _spf(at, domain),
            )
            yield _key(settings, at, "Mailgun shows it under Domain settings, DNS records.")
        case "sendgrid":
            for part in ("s1", "s2"):
                why = f"{_DKIM} SendGrid shows it under Sender Authentication."
                target = f"{part}.domainkey.u….wl….sendgrid.net"
                yield Record("CNAME", f"{part}._domainkey.{domain}", target, why, r"\.sendgrid\.net$")
            yield Record("CNAME", f"em….{domain}", "u….wl….sendgrid.net", _RETURN, r"\.sendgrid\.net$")
        case "ses":
            why = f"{_DKIM} Three of them; Amazon shows them under Identities, Easy DKIM."
            yield Record("CNAME", f"….{_KEYS}.{domain}", "….dkim.amazonses.com", why, r"\.dkim\.amazonses\.com$")
            yield from _amazon(f"bounce.{domain}", str(options.get("region") or "…"), "the custom MAIL FROM domain")
        case "resend":
            why = f"{_DKIM} Resend shows it under Domains."
            yield Record("TXT", f"resend.{_KEYS}.{domain}", "p=…", why, r"\bp=[A-Za-z0-9+/]{20}")
            yield from _amazon(f"send.{domain}", "…", "the return path")
        case "brevo":
            yield Record("TXT", domain, "brevo-code:…", "Shows Brevo that the domain is yours.", r"^brevo-code:\S")
            yield _key(settings, domain, "Brevo shows it under Senders, Domains.")
        case "smtp":
            signs_for = str(options.get("dkim_domain") or domain).lower()
            yield Record("TXT", domain, "v=spf1 … ~all", f"{_SPF} It must name the server.", r"^v=spf1\b", "dns-spf")
            yield _key(settings, signs_for, "See the page of SMTP for how to make one.")


_KEYS = "_domainkey"
_SPF = "SPF: who may send for the domain."
_DKIM = "DKIM: the key that receivers check the signature with."
_RETURN = "Where bounces go, so that SPF is of your own domain."


def _spf(at: str, domain: str) -> str:
    return "dns-spf" if at == domain else ""


def _key(settings: Settings, domain: str, where: str) -> Record:
    """Give the record of a key whose selector the settings know, or nobody."""
    known = settings.dkim_selector
    own = settings.sender_address.rpartition("@")[2].lower()
    check = "dns-dkim" if known and domain == own else ""
    name = f"{known or '…'}.{_KEYS}.{domain}"
    return Record("TXT", name, "v=DKIM1; k=rsa; p=…", f"{_DKIM} {where}", r"\bp=[A-Za-z0-9+/]{20}", check)


def _amazon(at: str, region: str, what: str) -> Iterator[Record]:
    """Give what Amazon's servers need as the return path; Resend sends by them too."""
    server = f"10 feedback-smtp.{region}.amazonses.com"
    yield Record("MX", at, server, f"Where bounces go: {what}.", r"feedback-smtp\.[a-z0-9-]+\.amazonses\.com$")
    yield Record("TXT", at, "v=spf1 include:amazonses.com ~all", _SPF, r"^v=spf1\b.*\binclude:amazonses\.com\b")


async def look(settings: Settings, *, resolver: dns.asyncresolver.Resolver | None = None) -> list[Looked]:
    """Ask the DNS for each of the records."""
    wanted = records(settings)
    try:
        resolver = resolver or dns.asyncresolver.Resolver()
    except dns.exception.DNSException as error:
        return [Looked(record, "unknown", f"The DNS does not say: {error}") for record in wanted]
    findings = await dns_checks.look(_mail(settings), resolver=resolver)
    zone = Zone(resolver)
    return [await _looked(zone, record, [one for one in findings if one.check == record.check]) for record in wanted]


async def judge(settings: Settings, *, resolver: dns.asyncresolver.Resolver | None = None) -> list[Finding]:
    """Look at the sender's domain as the checks of an issue do: MX, SPF, DKIM and DMARC."""
    return await dns_checks.look(_mail(settings), resolver=resolver)


async def _looked(zone: Zone, record: Record, findings: list[Finding]) -> Looked:
    if "…" in record.name:
        return Looked(record, "unknown", "Only your provider knows the whole name: it tells whether it is there.")
    try:
        values = await _values(zone, record)
    except UnreachableError as error:
        return Looked(record, "unknown", f"The DNS does not say: {error}")
    right = [value for value in values if re.search(record.like, value, re.IGNORECASE)]
    if findings and any(finding.level != "not run" for finding in findings):
        # At the domain itself stand texts of many others, which are nothing of ours.
        return _judged(record, findings, values if record.kind == "MX" or _KEYS in record.name else right)
    if right:
        return Looked(record, "found", "It is there.", tuple(right))
    if values and (record.kind != "TXT" or _KEYS in record.name):
        return Looked(record, "wrong", "There is another one in its place.", tuple(values))
    return Looked(record, "missing", "It is not there. A new one may take an hour to show.", ())


def _judged(record: Record, findings: list[Finding], values: list[str]) -> Looked:
    bad = [finding for finding in findings if finding.level != "pass"]
    said = " ".join(f"{capital(one.what)}{f': {one.todo}' if one.todo else ''}." for one in bad or findings)
    if not bad and not values:
        return Looked(record, "wrong", f"{said} But it does not have what {record.value} has: add that to it.")
    state: State = "wrong" if bad and values else "missing" if bad else "found"
    return Looked(record, state, said, tuple(values))


async def _values(zone: Zone, record: Record) -> list[str]:
    match record.kind:
        case "TXT":
            return await zone.texts(record.name)
        case "CNAME":
            target = await zone.alias(record.name)
            return [target] if target else []
        case "MX":
            return await zone.mail_servers(record.name)


def _mail(settings: Settings) -> Mail:
    """Make what the checks of the DNS look at, which is the envelope alone."""
    content = Rendered(envelope(0, settings), "", "", "", "", "", (), None)
    return Mail(Draft(0, LAST, "", "", "", ()), content, settings)
