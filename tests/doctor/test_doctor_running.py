"""The subjects are looked at side by side, and none keeps the others from being told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from looked import case_of

from digest.doctor import run as running
from digest.doctor.model import Case, Finding, of_check
from digest.errors import NotFoundError, StoreError
from digest.issue.checks.model import Finding as CheckFinding
from digest.settings import Settings

END = threading.Event()


def _well(name: str) -> object:
    return lambda case: iter([Finding(name, "all", "pass", f"{name} is well")])


def _breaks(case: Case) -> Iterator[Finding]:
    yield Finding("breaks", "first", "warn", "so far so good")
    raise ZeroDivisionError("by zero")


def _hangs(case: Case) -> Iterator[Finding]:
    yield Finding("hangs", "first", "pass", "it begins")
    END.wait(10)


def _no_store(case: Case) -> Iterator[Finding]:
    raise StoreError("there is no store")
    yield


@pytest.fixture
def some(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Subjects of a test's own."""
    known = {
        "well": SimpleNamespace(look=_well("well"), NETWORK=False, SECONDS=5),
        "hangs": SimpleNamespace(look=_hangs, NETWORK=False, SECONDS=0.05),
        "breaks": SimpleNamespace(look=_breaks, NETWORK=False, SECONDS=5),
        "no-store": SimpleNamespace(look=_no_store, NETWORK=False, SECONDS=5),
        "web": SimpleNamespace(look=_well("web"), NETWORK=True, SECONDS=None),
    }
    monkeypatch.setattr(running, "names", lambda: tuple(known))
    monkeypatch.setattr(running, "subject", known.__getitem__)
    yield
    END.set()


@pytest.mark.usefixtures("some")
def test_what_breaks_or_hangs_is_told_and_the_others_are_told_too(settings: Settings) -> None:
    told: list[str] = []
    report = running.run(case_of(settings), tell=lambda name, findings: told.append(name))
    assert told == ["well", "hangs", "breaks", "no-store", "web"]
    assert [(one.subject, one.check, one.level) for one in report.findings] == [
        ("well", "all", "pass"),
        ("hangs", "first", "pass"),
        ("hangs", "itself", "not looked at"),
        ("breaks", "first", "warn"),
        ("breaks", "itself", "bad"),
        ("no-store", "store", "not looked at"),
        ("web", "all", "pass"),
    ]
    assert report.findings[2].command == "digest doctor hangs"
    assert "ZeroDivisionError: by zero" in report.findings[4].what
    assert not report.sound
    assert report.counts == {"pass": 3, "warn": 1, "bad": 1, "not looked at": 2}


@pytest.mark.usefixtures("some")
def test_the_network_is_left_out_aloud_and_one_subject_is_looked_at_alone(settings: Settings) -> None:
    report = running.run(case_of(settings, network=False), ["web", "well"])
    assert report.looked == ("well",)
    assert [(one.subject, one.level) for one in report.findings] == [("well", "pass"), ("web", "not looked at")]
    assert report.sound


def test_every_subject_says_what_it_looks_at_and_a_misspelt_one_is_refused() -> None:
    assert running.names() == (
        *("settings", "versions", "disk", "clock", "store", "schedule", "backups"),
        *("dns", "provider", "web", "one-click", "mailboxes"),
    )
    for name in running.names():
        of = running.subject(name)
        assert of.WORDS
        assert of.SECONDS is None or of.SECONDS > 0
    with pytest.raises(NotFoundError, match="did you mean 'provider'"):
        running.subject("providr")


def test_what_a_check_of_an_issue_says_is_said_in_our_levels() -> None:
    found = of_check("dns", CheckFinding("dns-mx", "block", "no MX", "example.org", "publish one"))
    assert found == Finding("dns", "dns-mx", "bad", "no MX", "example.org", "publish one")
