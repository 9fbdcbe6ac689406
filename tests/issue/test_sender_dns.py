"""What the DNS must say of the sender's domain, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from digest import providers
from digest.issue.sender_dns import Looked, State, look, records
from digest.settings import Settings
from name_server import Records, Server

KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAoY9a/nwNA5oCPfJhEBwtSvraqIQnPSYxsvA92rDttgKEmAe/ClWE"
    "4BkS7Dq+H+L7+qASp1tVCSdY7c7rUewBwqoeaPgvCIbx5C6OZc6UkBn2Bck63njdx6c1Ir5EVYHZWC1SeWEWDIoRFx9OPG9k"
    "ht+Y6mjvuB8P3372rmhl0Hb87ice+IFpUWDRZUNoVItwbGJ9mZpxoZmhIkWj6HH+lC0SzPHnPuzAEPpyZx5XlTQXtvyjd/s7"
    "8ZalUXIm29CLPmQNqcZeC2uOQ4pKZx8Qj0KIzpNtunyS/iREiRLJa5GrUYpMJDDCouJq2Rk4SB64PtRw6FB2/7j1/LhbjlEe"
    "WwIDAQAB"
)
"""A public key of RSA with 2048 bits, whose private one nobody has."""


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


def of(provider: str, **more: str) -> Settings:
    options = {"ses": {"region": "eu-central-1"}, "mailgun": {"domain": "mg.example.com"}}.get(provider, {})
    given = {"sender_address": "news@example.com", "provider": provider, "providers": {provider: options}, **more}
    return Settings(**given)  # type: ignore[arg-type]


def asked(server: Server, settings: Settings) -> dict[str, Looked]:
    found = asyncio.run(look(settings, resolver=server.resolver()))
    return {f"{one.record.kind} {one.record.name}": one for one in found}


def sound() -> Records:
    return {
        "example.com": {"MX": ["10 mx.example.com."], "TXT": ["v=spf1 include:_spf.provider.example ~all"]},
        "_spf.provider.example": {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all"]},
        "news._domainkey.example.com": {"TXT": [f"v=DKIM1; k=rsa; p={KEY}"]},
        "_dmarc.example.com": {"TXT": ["v=DMARC1; p=none; rua=mailto:news@example.com"]},
        "pm-bounces.example.com": {"CNAME": ["pm.mtasv.net"]},
    }


@pytest.mark.parametrize("provider", providers.names())
def test_every_provider_has_records_to_publish_and_none_has_a_key_made_up(provider: str) -> None:
    found = records(of(provider))
    assert [record.check for record in found][-2:] == ["dns-dmarc", "dns-mx"]
    assert len({(record.kind, record.name) for record in found}) == len(found)
    assert all(record.why and record.value and record.like for record in found)
    assert not any(record.is_whole for record in found if "_domainkey" in record.name)


def test_records_have_what_the_operator_set() -> None:
    ses = {(record.kind, record.name): record.value for record in records(of("ses"))}
    assert ses["MX", "bounce.example.com"] == "10 feedback-smtp.eu-central-1.amazonses.com"
    mailgun = {(record.kind, record.name): record.value for record in records(of("mailgun", dkim_selector="k1"))}
    assert mailgun["TXT", "mg.example.com"] == "v=spf1 include:mailgun.org ~all"
    assert ("TXT", "k1._domainkey.mg.example.com") in mailgun


def test_what_is_there_is_found(server: Server) -> None:
    server.records = sound()
    found = asked(server, of("postmark", dkim_selector="news"))
    assert {name: one.state for name, one in found.items()} == {
        "TXT news._domainkey.example.com": "found",
        "CNAME pm-bounces.example.com": "found",
        "TXT _dmarc.example.com": "found",
        "MX example.com": "found",
    }
    assert found["CNAME pm-bounces.example.com"].found == ("pm.mtasv.net",)


def test_what_is_missing_is_told_with_what_to_publish(server: Server) -> None:
    server.records = {"example.com": {"A": ["192.0.2.1"]}}
    found = asked(server, of("postmark", dkim_selector="news"))
    assert {one.state for one in found.values()} == {"missing"}
    assert "publish _dmarc.example.com. TXT" in found["TXT _dmarc.example.com"].said


@pytest.mark.parametrize(
    ("name", "of_it", "where", "state"),
    [
        ("pm-bounces.example.com", {"CNAME": ["elsewhere.example"]}, "CNAME pm-bounces.example.com", "wrong"),
        ("_dmarc.example.com", {"TXT": ["v=DMARC1; p=perhaps"]}, "TXT _dmarc.example.com", "wrong"),
        ("news._domainkey.example.com", {"TXT": ["v=DKIM1; p="]}, "TXT news._domainkey.example.com", "wrong"),
        ("_dmarc.example.com", {"SERVFAIL": []}, "TXT _dmarc.example.com", "unknown"),
        ("example.com", {"MX": ["0 ."]}, "MX example.com", "wrong"),
    ],
)
def test_what_is_wrong_is_told(
    server: Server, name: str, of_it: dict[str, list[str]], where: str, state: State
) -> None:
    server.records = sound() | {name: of_it}
    assert asked(server, of("postmark", dkim_selector="news"))[where].state == state


def test_an_spf_record_without_the_provider_is_wrong(server: Server) -> None:
    server.records = sound()
    settings = of("mailgun", providers={"mailgun": {"domain": "example.com"}})  # type: ignore[arg-type]
    found = asked(server, settings)["TXT example.com"]
    assert (found.state, "v=spf1 include:mailgun.org ~all" in found.said) == ("wrong", True)


def test_a_name_only_the_provider_knows_is_not_asked_for(server: Server) -> None:
    server.records = sound()
    found = asked(server, of("sendgrid"))
    (name,) = (name for name in found if "em…" in name)
    assert found[name].state == "unknown"
    assert not any("…" in name for name, _ in server.asked)


def test_a_domain_that_does_not_exist_has_nothing(server: Server) -> None:
    found = asked(server, of("resend"))
    assert {one.state for one in found.values()} == {"missing"}
    assert "example.com does not exist" in found["MX example.com"].said
