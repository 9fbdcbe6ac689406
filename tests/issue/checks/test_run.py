"""Running the checks: which there are, in what order, and what the sample is told."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from conftest import troubles, with_html
from digest.issue.checks import dns
from digest.issue.checks import run as running
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.run import IDS, LOCAL, REMOTE, run

DNS = ("dns-mx", "dns-spf", "dns-dkim", "dns-dmarc")


def local(mail: Mail) -> list[Finding]:
    return asyncio.run(run(mail, network=False))


@pytest.fixture
def silent_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS that does not answer; what it says where it does is looked at in `test_dns`."""

    async def look(mail: Mail) -> list[Finding]:
        return [Finding(check, "not run", "the DNS does not say") for check in DNS]

    monkeypatch.setattr(dns, "look", look)


def without_filter(mail: Mail) -> Mail:
    """The same mail, to be scored by a spam filter that does not listen."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    return replace(mail, settings=mail.settings.model_copy(update={"spam_filter": f"spamd://127.0.0.1:{port}"}))


# The names -----------------------------------------------------------------------------------------------------------


def test_every_check_has_a_name_of_its_own() -> None:
    assert len(set(IDS)) == len(IDS) == len(LOCAL) + len(REMOTE)
    assert all(name == name.lower().strip() and " " not in name and "=" not in name for name in IDS)


def test_every_local_check_says_something_under_its_own_name_in_the_order_of_the_list(mail: Mail) -> None:
    assert [finding.check for finding in local(mail)] == list(LOCAL)


def test_each_check_speaks_for_itself_and_for_no_other(mail: Mail) -> None:
    bare = with_html(mail, lambda html: "<html><body><p>Hello {{ name }}</p></body></html>")
    for one in (mail, bare):
        for name, check in LOCAL.items():
            assert {finding.check for finding in check(one)} == {name}


def test_the_order_stays_where_there_are_troubles(mail: Mail) -> None:
    bare = with_html(mail, lambda html: "<html><body><p>Hello {{ name }}</p></body></html>")
    found = local(bare)
    assert len(troubles(found)) > 3
    assert list(dict.fromkeys(finding.check for finding in found)) == list(LOCAL)
    assert found == local(bare)


# What is told --------------------------------------------------------------------------------------------------------


def test_a_check_gives_one_finding_that_passes_or_its_troubles(mail: Mail) -> None:
    bare = with_html(mail, lambda html: "<html><body><p>Hello {{ name }}</p></body></html>")
    for check in LOCAL.values():
        for found in (check(mail), check(bare)):
            levels = [finding.level for finding in found]
            assert levels == ["pass"] or (levels and "pass" not in levels)


def test_each_finding_is_one_sentence_and_a_trouble_says_what_to_do(mail: Mail) -> None:
    bare = with_html(mail, lambda html: "<html><body><p>Hello {{ name }}</p></body></html>")
    for finding in (*local(mail), *local(bare)):
        assert finding.what
        assert "\n" not in finding.what + finding.where + finding.todo
        assert not finding.what.endswith(".")
        assert bool(finding.todo) == (finding.level != "pass"), finding
        assert finding.level != "pass" or not finding.where


def test_the_sample_passes_but_for_its_made_up_sender(mail: Mail) -> None:
    (sender,) = troubles(local(mail))
    assert (sender.check, sender.level) == ("sender", "warn")
    assert "verdicts@example.com" in sender.what


def test_the_sample_with_a_sender_of_ones_own_passes_whole(mail: Mail) -> None:
    settings = mail.settings.model_copy(update={"sender_address": "news@verdicts.site", "provider": "resend"})
    envelope = replace(mail.content.envelope, sender_address="news@verdicts.site")
    mine = replace(mail, settings=settings, content=replace(mail.content, envelope=envelope))
    assert troubles(local(mine)) == []


# The network ---------------------------------------------------------------------------------------------------------


def test_offline_nothing_is_asked(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(running, "ask", refuse)
    monkeypatch.setattr(running, "_links_answer", refuse)
    assert not {finding.check for finding in local(mail)} & set(REMOTE)


@pytest.mark.usefixtures("silent_dns")
def test_the_network_comes_after_the_local_checks(mail: Mail) -> None:
    found = asyncio.run(run(without_filter(mail), network=True))
    assert [finding.check for finding in found] == [*LOCAL, "spam", *DNS]
    spam = found[len(LOCAL)]
    assert spam.level == "not run"
    assert "spamd://127.0.0.1" in spam.what


def test_links_are_opened_only_where_that_is_asked_for(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(mail: Mail) -> list[Finding]:
        return [Finding("links-answer", "pass", "37 links answer")]

    monkeypatch.setattr(running, "_links_answer", look)
    found = asyncio.run(run(mail, network=False, fetch_links=True))
    assert [finding.check for finding in found] == [*LOCAL, "links-answer"]


@pytest.mark.usefixtures("silent_dns")
def test_all_of_it_gives_every_check_in_the_order_of_their_names(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(mail: Mail) -> list[Finding]:
        return [Finding("links-answer", "pass", "37 links answer")]

    monkeypatch.setattr(running, "_links_answer", look)
    found = asyncio.run(run(without_filter(mail), network=True, fetch_links=True))
    assert tuple(finding.check for finding in found) == IDS
