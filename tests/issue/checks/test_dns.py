"""The sender's domain in the DNS: a real server on loopback answers from a small zone."""

from __future__ import annotations

import asyncio
import base64
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import dns.asyncresolver
import dns.resolver
import pytest

from conftest import NOW
from digest.issue.checks import zone as zone_module
from digest.issue.checks.dns import look, rsa_bits
from digest.issue.checks.model import Finding, Mail
from digest.issue.model import Draft, Envelope, Rendered
from digest.settings import Settings
from name_server import Records, Server


@pytest.fixture
def small(settings: Settings) -> Mail:
    """A mail of two links, which takes no rendering."""
    html = '<body><a href="https://example.org/a">A</a> <a href="https://example.org/u/[[digest:token]]">B</a></body>'
    content = Rendered(
        envelope=Envelope("News", "news@example.com", "", {}),
        subject="News",
        preheader="",
        mjml="",
        html=html,
        text="https://example.org/a\n",
        links=(),
    )
    return Mail(Draft(1, NOW, "News", "", "", ()), content, settings)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.records = sound()
    yield server
    server.close()


@cache
def public_key(kind: str, bits: int = 0) -> str:
    """A real public key as DKIM writes it: DER in base64, or the raw 32 bytes of Ed25519."""
    command = ["genrsa", str(bits)] if kind == "rsa" else ["genpkey", "-algorithm", "ed25519"]
    private = subprocess.run(["openssl", *command], check=True, capture_output=True).stdout
    public = subprocess.run(
        ["openssl", "pkey", "-pubout", "-outform", "DER"], input=private, check=True, capture_output=True
    ).stdout
    return base64.b64encode(public if kind == "rsa" else public[-32:]).decode()


def sound() -> Records:
    return {
        "example.com": {"MX": ["10 mx.example.com."], "TXT": ["site=1", "v=spf1 include:_spf.provider.example ~all"]},
        "mx.example.com": {"A": ["192.0.2.1"]},
        "_spf.provider.example": {"TXT": ["v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"]},
        "news._domainkey.example.com": {"TXT": [f"v=DKIM1; k=rsa; p={public_key('rsa', 2048)}"]},
        "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@example.com"]},
    }


def ask(mail: Mail, server: Server, *, domain: str = "example.com", **settings: str) -> dict[str, list[Finding]]:
    """Look at a domain as a provider's customer; give the findings by check."""
    settings = {"provider": "postmark", "dkim_selector": "news"} | settings
    envelope = replace(mail.content.envelope, sender_address=f"news@{domain}")
    asked = replace(
        mail,
        settings=mail.settings.model_copy(update=settings),
        content=replace(mail.content, envelope=envelope),
    )

    async def run() -> list[Finding]:
        return await look(asked, resolver=server.resolver())

    found: dict[str, list[Finding]] = {}
    for finding in asyncio.run(run()):
        found.setdefault(finding.check, []).append(finding)
    return found


def test_a_sound_domain_passes(small: Mail, server: Server) -> None:
    found = ask(small, server)
    assert list(found) == ["dns-mx", "dns-spf", "dns-dkim", "dns-dmarc"]
    assert [[finding.level for finding in findings] for findings in found.values()] == [["pass"]] * 4
    assert "mx.example.com" in found["dns-mx"][0].what
    assert "~all, with 1 look-up of 10" in found["dns-spf"][0].what
    assert "rsa with 2048 bits" in found["dns-dkim"][0].what
    assert "p=reject" in found["dns-dmarc"][0].what
    assert "aligned by DKIM (news._domainkey.example.com)" in found["dns-dmarc"][0].what
    assert len(server.asked) == len(set(server.asked)), "a question was asked twice"


def test_a_domain_that_does_not_exist_is_one_finding(small: Mail, server: Server) -> None:
    found = ask(small, server, domain="nowhere.example")
    ((finding,),) = found.values()
    assert finding.level == "block"
    assert "nowhere.example does not exist" in finding.what
    assert "sender_address" in finding.todo
    ((finding,),) = ask(small, server, domain="nowhere.example", provider="outbox").values()
    assert finding.level == "warn"


def trouble(found: dict[str, list[Finding]], check: str) -> Finding:
    (finding,) = found[check]
    assert finding.level != "pass", finding
    assert finding.where
    assert finding.todo
    return finding


def test_a_null_mx_and_none(small: Mail, server: Server) -> None:
    server.records["example.com"]["MX"] = ["0 ."]
    finding = trouble(ask(small, server), "dns-mx")
    assert (finding.level, "null MX" in finding.what) == ("block", True)
    del server.records["example.com"]["MX"]
    finding = trouble(ask(small, server), "dns-mx")
    assert (finding.level, "no MX" in finding.what) == ("warn", True)
    assert "example.com. MX 10" in finding.todo


@pytest.mark.parametrize(
    ("records", "level", "words"),
    [
        ([], "warn", "has no SPF record: mail still passes where the provider has a bounce domain of its own"),
        (["v=spf10 -all"], "warn", "has no SPF record"),
        (["v=spf1 -all", "V=SPF1 ~all"], "block", "has 2 SPF records"),
        (["v=spf1 a +all"], "warn", "lets everybody send"),
        (["v=spf1 mx all"], "warn", "lets everybody send"),
        (["v=spf1 ip4:192.0.2.1 ?all"], "warn", "says nothing of strangers"),
        (["v=spf1 ip4:192.0.2.1"], "warn", "ends without all"),
        (["v=spf1 ptr -all"], "warn", "uses ptr"),
        (["v=spf1 ip4:192.0.2.300 -all"], "block", "'ip4:192.0.2.300', which cannot be read"),
        (["v=spf1 ip6:192.0.2.1 -all"], "block", "cannot be read"),
        (["v=spf1 a/33 -all"], "block", "cannot be read"),
        (["v=spf1 include: -all"], "block", "cannot be read"),
        (["v=spf1 -all:x"], "block", "cannot be read"),
        (["v=spf1 ipv4:192.0.2.1 -all"], "block", "'ipv4:192.0.2.1', which is no term of SPF"),
        (["v=spf1 include=provider.example -all"], "pass", "with 0 look-ups"),
        (["v=spf1 include:none.example -all"], "block", "include:none.example in example.com has no SPF record"),
        (["v=spf1 include:two.example -all"], "block", "has 2 SPF records"),
        (["v=spf1 include:self.example -all"], "block", "goes in a circle"),
        ([f"v=spf1 include:{'a' * 70}.example -all"], "block", "has no SPF record"),
        (["v=spf1 redirect=_spf.provider.example redirect=_spf.provider.example"], "block", "redirect twice"),
        (["v=spf1 a:x.example a:y.example a:z.example -all"], "block", "3 look-ups of example.com's SPF record find"),
        (["v=spf1 include:six.example include:four.example a -all"], "block", "needs 13 look-ups"),
        (["v=spf1 redirect=_spf.provider.example"], "pass", "-all, with 1 look-up of 10"),
        (["v=spf1 include:six.example a mx exists:%{i}.x.example -all"], "pass", "with 10 look-ups"),
        (["v=spf1 exists:%{i}.x.example exists:%{l}.x.example a:%{o} -all"], "pass", "with 3 look-ups"),
        (["v=spf1 a/24//64 mx:example.com/28 unknown=x exp=e.example ~all a:after.all"], "pass", "with 2 look-ups"),
    ],
)
def test_spf(small: Mail, server: Server, records: list[str], level: str, words: str) -> None:
    server.records |= {
        "two.example": {"TXT": ["v=spf1 -all", "v=spf1 ~all"]},
        "self.example": {"TXT": ["v=spf1 include:self.example -all"]},
        "six.example": {"TXT": ["v=spf1 " + "include:_spf.provider.example " * 6 + "-all"]},
        "four.example": {"TXT": ["v=spf1 " + "a:mx.example.com " * 4 + "-all"]},
    }
    server.records["example.com"] |= {"TXT": records, "A": ["192.0.2.1"]}
    (finding,) = ask(small, server)["dns-spf"]
    assert finding.level == level
    assert words in finding.what
    assert (finding.todo == "") == (level == "pass")


def test_the_record_to_publish_is_given(small: Mail, server: Server) -> None:
    server.records = {"example.com": {"A": ["192.0.2.1"]}}
    found = ask(small, server)
    assert 'publish one anyway, it does no harm: example.com. TXT "v=spf1 ' in trouble(found, "dns-spf").todo
    assert 'news._domainkey.example.com. TXT "v=DKIM1; ' in trouble(found, "dns-dkim").todo
    assert '_dmarc.example.com. TXT "v=DMARC1; p=none; rua=mailto:news@example.com"' in trouble(found, "dns-dmarc").todo


def key(kind: str, bits: int = 0, more: str = "") -> Callable[[], str]:
    return lambda: f"v=DKIM1; {more}k={kind}; p={public_key(kind, bits)}"


@pytest.mark.parametrize(
    ("record", "level", "words"),
    [
        (key("rsa", 512), "block", "only 512 bits"),
        (key("rsa", 1024), "warn", "only 1024 bits"),
        (key("rsa", 3072), "pass", "rsa with 3072 bits"),
        (key("ed25519"), "pass", "ed25519 with 256 bits"),
        (key("rsa", 2048, "t=y; "), "warn", "test (t=y)"),
        (key("rsa", 2048, "t=s; h=sha1:sha256; "), "pass", "2048"),
        (key("rsa", 2048, "h=sha1; "), "block", "allows only h=sha1"),
        (lambda: "v=DKIM1; p=", "block", "revoked"),
        (lambda: "v=DKIM2; p=abcd", "block", "no DKIM1 record"),
        (lambda: "v=spf1 -all", "block", "no DKIM1 record"),
        (lambda: "v=DKIM1; p=not base64!", "block", "cannot be read"),
        (lambda: "v=DKIM1; p=MIIB", "block", "cannot be read"),
        (lambda: "v=DKIM1; k=dsa; p=MIIB", "block", "cannot be read"),
        (lambda: "v=DKIM1; k=ed25519; p=MIIB", "block", "cannot be read"),
    ],
)
def test_dkim_keys(small: Mail, server: Server, record: Callable[[], str], level: str, words: str) -> None:
    server.records["news._domainkey.example.com"]["TXT"] = [record()]
    (finding,) = ask(small, server)["dns-dkim"]
    assert finding.level == level
    assert words in finding.what
    assert "news._domainkey.example.com" in finding.what
    assert (finding.todo == "") == (level == "pass")


def test_a_dkim_key_may_be_the_providers_by_cname(small: Mail, server: Server) -> None:
    server.records["k1.provider.example"] = server.records.pop("news._domainkey.example.com")
    assert "there is no DKIM key" in trouble(ask(small, server), "dns-dkim").what
    server.records["news._domainkey.example.com"] = {"CNAME": ["k1.provider.example"]}
    assert ask(small, server)["dns-dkim"][0].level == "pass"
    server.records["k1.provider.example"]["TXT"] *= 2
    server.records["k1.provider.example"]["TXT"][0] += " "
    assert "there are 2 DKIM keys" in trouble(ask(small, server), "dns-dkim").what


def test_without_a_selector_dkim_is_not_run(small: Mail, server: Server) -> None:
    finding = trouble(ask(small, server, dkim_selector=""), "dns-dkim")
    assert finding.level == "not run"
    assert "set dkim_selector" in finding.todo


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_a_key_that_is_cut_off_is_no_key(cut: int) -> None:
    octets = base64.b64decode(public_key("rsa", 2048))
    assert rsa_bits(octets) == 2048
    with pytest.raises(IndexError):
        rsa_bits(octets[:cut])


@pytest.mark.parametrize(
    ("records", "level", "words"),
    [
        ([], "block", "has no DMARC record"),
        (["v=DMARC2; p=none"], "block", "has no DMARC record"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "block", "there are 2 DMARC records"),
        (["v=DMARC1; p=maybe"], "block", "no policy (p=)"),
        (["v=DMARC1"], "block", "no policy (p=)"),
        (["v=DMARC1; rua=mailto:a@example.com"], "pass", "p=none, which only watches"),
        (["v=DMARC1; p=none; rua=mailto:a@example.com"], "pass", "p=none, which only watches"),
        (["v=DMARC1;p=Quarantine", "v=spf1 -all"], "pass", "without reports (no rua=)"),
    ],
)
def test_dmarc(small: Mail, server: Server, records: list[str], level: str, words: str) -> None:
    server.records["_dmarc.example.com"]["TXT"] = records
    (finding,) = ask(small, server)["dns-dmarc"]
    assert finding.level == level
    assert words in finding.what
    assert (finding.todo == "") == (level == "pass")


def test_a_subdomain_takes_the_policy_and_the_key_of_its_organization(small: Mail, server: Server) -> None:
    server.records["weekly.news.example.com"] = {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}
    found = ask(small, server, domain="weekly.news.example.com")
    assert "_dmarc.example.com asks for p=reject" in found["dns-dmarc"][0].what
    assert "aligned by DKIM (news._domainkey.example.com)" in found["dns-dmarc"][0].what
    server.records["_dmarc.example.com"]["TXT"] = ["v=DMARC1; p=reject; sp=none; rua=mailto:a@example.com"]
    assert "p=none" in ask(small, server, domain="weekly.news.example.com")["dns-dmarc"][0].what
    server.records["_dmarc.example.com"]["TXT"] = ["v=DMARC1; p=reject; adkim=s"]
    assert ask(small, server)["dns-dmarc"][0].level == "pass"
    server.records["_dmarc.weekly.news.example.com"] = {"TXT": ["v=DMARC1; p=quarantine; adkim=s"]}
    finding = trouble(ask(small, server, domain="weekly.news.example.com"), "dns-dmarc")
    assert finding.level == "block"
    assert "adkim=s" in finding.what
    assert "news._domainkey.weekly.news.example.com." in finding.todo


@pytest.mark.parametrize(
    ("records", "owner"),
    [
        ({"_dmarc.example": "v=DMARC1; p=reject; psd=y", "_dmarc.b.example": "v=DMARC1; p=none"}, "_dmarc.b.example"),
        ({"_dmarc.example": "v=DMARC1; p=reject; psd=y"}, "_dmarc.example"),
        (
            {"_dmarc.a.b.example": "v=DMARC1; p=none; psd=n", "_dmarc.example": "v=DMARC1; p=reject"},
            "_dmarc.a.b.example",
        ),
        ({"_dmarc.a.b.example": "v=DMARC1; p=none", "_dmarc.b.example": "v=DMARC1; p=reject"}, "_dmarc.b.example"),
    ],
)
def test_the_walk_up_the_labels(small: Mail, server: Server, records: dict[str, str], owner: str) -> None:
    server.records |= {name: {"TXT": [text]} for name, text in records.items()}
    server.records["x.a.b.example"] = {"A": ["192.0.2.1"]}
    assert f"{owner} asks" in ask(small, server, domain="x.a.b.example")["dns-dmarc"][0].what


def test_a_long_name_is_walked_in_eight_questions(small: Mail, server: Server) -> None:
    domain = "a.b.c.d.e.f.g.h.i.example.com"
    server.records[domain] = {"A": ["192.0.2.1"]}
    assert "_dmarc.example.com asks" in ask(small, server, domain=domain)["dns-dmarc"][0].what
    walked = [name for name, _ in server.asked if name.startswith("_dmarc.")]
    assert walked[:2] == [f"_dmarc.{domain}", "_dmarc.e.f.g.h.i.example.com"]
    assert len(walked) == 8


def test_a_dns_that_fails_is_not_run(small: Mail, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_module, "SECONDS", 0.3)
    server.records["_dmarc.example.com"] = {"SERVFAIL": []}
    server.records["_spf.provider.example"] = {"SILENCE": []}
    found = ask(small, server)
    assert [found[name][0].level for name in ("dns-mx", "dns-spf", "dns-dmarc")] == ["pass", "not run", "not run"]
    assert "servers fail" in found["dns-dmarc"][0].what
    assert "no answer about _spf.provider.example" in found["dns-spf"][0].what
    assert found["dns-dkim"][0].level == "pass"


def test_no_dns_at_all_is_not_run(small: Mail, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_module, "SECONDS", 0.2)
    server.records = {"example.com": {"SILENCE": []}}
    found = ask(small, server)
    assert [finding.level for findings in found.values() for finding in findings] == ["not run"] * 4
    assert "within 0.2 seconds" in found["dns-mx"][0].what


def test_a_machine_without_a_resolver_is_not_run(small: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: Any, **kwargs: Any) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.asyncresolver, "Resolver", none)
    assert {finding.level for finding in asyncio.run(look(small))} == {"not run"}
