"""`digest providers`, and what `digest settings` says of providers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import test_command_line
from test_command_line import Run

from digest import providers
from digest.provider_facts import paced, proved
from digest.provider_options import fields_of
from digest.providers.interface import Pace, Proof

digest = test_command_line.digest

KEY = "re_a_key_that_nobody_may_see"


def test_every_provider_is_listed_though_nothing_is_set_up(digest: Run) -> None:
    found = {facts["name"]: facts for facts in digest("providers", "--json").data}
    assert tuple(found) == providers.names()
    assert all(facts["limit"] >= 1 for facts in found.values())
    assert all(facts["pace"]["connections"] >= 1 for facts in found.values())
    assert (found["outbox"]["used"], found["outbox"]["trouble"]) == ("provider", "")
    for name, facts in found.items():
        wanted = [option for option, of in fields_of(name).items() if of.is_required() and name != "outbox"]
        assert ("missing" in facts["trouble"]) == bool(wanted)
        assert bool(facts["account"]) == (not facts["trouble"])
        assert all(f"{name}.{option}" in facts["trouble"] for option in wanted)
    assert found["resend"]["limit"] == 100
    assert found["resend"]["proof"]["replay_s"] == 23 * 3600
    assert found["resend"]["pace"]["calls_a_second"] == 10


def test_they_are_a_table(digest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    Path("digest.toml").write_text(f"failover = 'resend'\n[resend]\nkey = '{KEY}'\ncalls_a_second = 2\n")
    ran = digest("providers")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in ran.out.splitlines() if line}
    assert rows["outbox"] == "10,000 one call at a time asked at any time yes, the provider"
    assert rows["resend"] == "100 2 calls/s, 4 calls at a time the same call again, for 23 h yes, the failover"
    assert KEY not in ran.out
    Path("digest.toml").write_text("")
    monkeypatch.setenv("COLUMNS", "80")
    assert re.search(r"^resend .* no *$", digest("providers").out, re.MULTILINE)
    monkeypatch.setenv("COLUMNS", "200")
    assert re.search(r"^resend .* no: resend.key is missing *$", digest("providers").out, re.MULTILINE)
    ran = digest("providers", "--set", "provider=resend")
    assert re.search(r"^resend .* no, though the provider: resend.key is missing *$", ran.out, re.MULTILINE)
    assert re.search(r"^outbox .* yes *$", ran.out, re.MULTILINE)


def test_the_options_of_one_are_listed(digest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DIGEST_RESEND_KEY", KEY)
    monkeypatch.setenv("DIGEST_RESEND_CONNECTIONS", "7")
    ran = digest("providers", "resend")
    assert ran.out.startswith("resend\n  a call:             up to 100 copies\n")
    assert re.search(r"^  pace: +10 calls/s, 7 calls at a time$", ran.out, re.MULTILINE)
    assert re.search(r"^  set up: +yes, for api.resend.com, key [0-9a-f]{8}$", ran.out, re.MULTILINE)
    assert re.search(r"^connections +7 +environment +4 +Calls at the same time.", ran.out, re.MULTILINE)
    assert re.search(r"^key +\*{8} +environment +The API key", ran.out, re.MULTILINE)
    given = digest("providers", "resend", "--json")
    options = {option["name"]: option for option in given.data["options"]}
    assert list(options) == [f"resend.{name}" for name in fields_of("resend")]
    assert options["resend.connections"] == {
        "name": "resend.connections",
        "value": "7",
        "source": "environment",
        "default": "4",
        "meaning": "Calls at the same time.",
    }
    assert KEY not in ran.out + ran.err + given.out


@pytest.mark.parametrize("name", providers.names())
def test_one_that_is_not_set_up_says_what_to_do(digest: Run, name: str) -> None:
    ran = digest("providers", name)
    wanted = [option for option, of in fields_of(name).items() if of.is_required() and name != "outbox"]
    said = re.search(r"^  set up: +(.*)$", ran.out, re.MULTILINE)
    assert said is not None
    assert all(f"DIGEST_{name}_{option}".upper() in said[1] for option in wanted)
    assert said[1].startswith("yes, for ") == (not wanted)


def test_an_unknown_one_is_told_with_the_nearest(digest: Run) -> None:
    said = digest("providers", "resnd", code=1).err
    assert said.startswith("digest: no provider is called 'resnd'; there are ")
    assert said.endswith("; did you mean 'resend'?\n")


def test_its_name_is_completed(digest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_DIGEST_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "digest providers out")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert digest().out == "plain,outbox\n"


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (Proof(), "nothing proves it"),
        (Proof(replay_s=25 * 60, whole=True), "the same call again, for 25 min"),
        (Proof(replay_s=90, ask_s=45 * 86_400), "the same call again, for 90 s; asked, for 45 days"),
        (Proof(ask_s=36 * 3600), "asked, for 36 h"),
    ],
)
def test_a_proof_in_words(proof: Proof, words: str) -> None:
    assert proved(proof) == words


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        (Pace(), "4 calls at a time"),
        (Pace(0.5, 14, 1, 50_000, 200), "0.5 calls/s, 14 copies/s, 50,000 copies a day, 200 copies on the first day, "
         "one call at a time"),
    ],
)  # fmt: skip
def test_a_pace_in_words(pace: Pace, words: str) -> None:
    assert paced(pace) == words


# digest settings -----------------------------------------------------------------------------------------------------


def test_settings_show_the_options_of_providers(digest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    Path("digest.toml").write_text(f"provider = 'resend'\n[resend]\nkey = '{KEY}'\n")
    ran = digest("settings")
    assert re.search(r"^resend\.key +\*{8} +digest\.toml +The API key", ran.out, re.MULTILINE)
    assert re.search(r"^resend\.url +https://api\.resend\.com +default ", ran.out, re.MULTILINE)
    assert ran.err == ""
    found = {one["name"]: one for one in digest("settings", "--json").data}
    assert (found["resend.key"]["value"], found["resend.key"]["source"]) == ("********", "digest.toml")
    assert KEY not in ran.out


def test_settings_say_what_the_providers_in_use_are_missing(digest: Run) -> None:
    Path("digest.toml").write_text("failover = 'resend'\n")
    ran = digest("settings")
    assert re.search(r"^resend\.key +missing ", ran.out, re.MULTILINE)
    assert ran.err == "digest: resend.key is missing; set [resend] key = … in digest.toml, or DIGEST_RESEND_KEY\n"


def test_a_wrong_option_is_told_by_every_command_and_no_secret_is_printed(digest: Run) -> None:
    ran = digest("--set", f"resend.kye={KEY}", "settings", code=1)
    assert ran.err == "digest: --set resend.kye: resend has no option 'kye'; did you mean 'key'?\n"
    Path("key").write_text(KEY)
    ran = digest("--set", "resend.key_file=key", "--set", "resend.url=x", "status", code=1)
    assert ran.err == "digest: --set resend.url: write it like https://api.example.com\n"
