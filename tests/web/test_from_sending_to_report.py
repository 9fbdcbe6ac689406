"""From a sent issue to its report, with nothing left out: a provider that breaks off calls and tells by webhook what
became of its copies, `digest send` in a process of its own, the site that takes the calls and works them beside.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from conftest import import_sample
from digest import times
from digest.audience import subscribers
from digest.issue import issues
from digest.sending import ledger
from digest.sending.ledger_check import check_ledger
from digest.settings import Settings
from digest.simulators import simulate
from digest.simulators.fates import Fates
from digest.simulators.faults import Faults
from digest.simulators.hooks import caller_of
from digest.simulators.record import Record
from digest.simulators.server import running
from digest.simulators.telling import Teller
from digest.sources import holds_secret, load, variable_of
from digest.store import open_store, writing
from digest.tracking import rounds
from digest.tracking.recounting import recount
from digest.tracking.reports import IssueReport, issue_report
from digest.web import background
from serving import Reader, served

NUMBER = 1
NAMED = ("bounce", "bounce+2", "soft", "complaint", "defer")
DOMAINS = ("example.com", "gmail.com", "gmx.de", "outlook.com")
FATES = Fates(bounces=0.05, soft_bounces=0.04, complaints=0.02, repeats=0.3, delivers_after_s=0.2, late_s=0.4)


@dataclass
class Week:
    """A store with an approved issue, the provider it goes by, and the site that is told."""

    db: Database
    settings: Settings
    record: Record
    teller: Teller
    site: Reader
    given: dict[str, str]

    def sending(self) -> subprocess.Popen[str]:
        """Begin a `digest send`."""
        given = [
            part
            for name, value in self.given.items()
            if not holds_secret(name)
            for part in ("--set", f"{name}={value}")
        ]
        command = [sys.executable, "-m", "digest", "send", str(NUMBER), *given]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        secrets = {variable_of(name): value for name, value in self.given.items() if holds_secret(name)}
        return subprocess.Popen(command, env=clean | secrets, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def tally(self) -> dict[str, int]:
        return {name: count for name, count in ledger.tally(self.db, NUMBER).items() if count}

    def report(self) -> IssueReport:
        return issue_report(self.db, self.settings, NUMBER)

    def is_told(self) -> bool:
        """Whether the report says what was told, and all copies that were accepted are counted by mailbox."""
        report = self.report()
        by_host = sum(host.accepted for host in report.hosts)
        return (self.reported(), by_host) == (self.told(), report.accepted)

    def told(self) -> dict[str, int]:
        """What the provider told, but that it accepted."""
        return {what: count for what, count in self.teller.told.items() if what != "accepted"}

    def reported(self) -> dict[str, int]:
        """The same, as the report has it; without what is zero."""
        report = self.report()
        found = {
            "delivered": report.delivered or 0,
            "deferred": report.deferred,
            "bounced hard": report.bounced_hard,
            "bounced soft": report.bounced_soft,
            "complained": report.complained,
        }
        return {what: count for what, count in found.items() if count}

    def states(self) -> Counter[str]:
        return Counter(state for (state,) in self.db.execute("SELECT state FROM batches"))


def wait_for(what: Callable[[], Any], *, seconds: float = 10.0) -> None:
    """Wait until it is so, or long enough: what is looked at then says what is wrong."""
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def approved(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an approved issue, to be copied. By the clock, since `digest send` goes by nothing else."""
    file = Path(tmp_path_factory.mktemp("approved")) / "digest.db"
    shutil.copyfile(stores / "new.db", file)
    db, now = open_store(file), times.now()
    ours = Settings(db=file, base_url="https://verdicts.example.com", postal_address="1 Sample Street, 10115 Berlin")
    import_sample(db, ours, now=now)
    drafted = issues.draft(db, ours, now=now).issue
    assert drafted is not None
    assert drafted.number == NUMBER
    issues.freeze(db, ours, NUMBER, now=now)
    db.close()
    return file


@pytest.fixture
def week(approved: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Make a week with so many readers, by a provider; the site works events ten times as often as it does."""
    monkeypatch.setattr(background, "EVENTS_EVERY_S", 0.1)
    monkeypatch.setattr(rounds, "COUNT_EVERY_S", 0.5)
    shutil.copyfile(approved, settings.db)
    db = open_store(settings.db)

    @contextmanager
    def made(name: str, readers: int, faults: Faults, **more: str) -> Iterator[Week]:
        now, record, caller = times.now(), Record(bodies=False), caller_of(name)
        with writing(db):
            for local in (*NAMED, *(f"reader{number}" for number in range(readers - len(NAMED)))):
                subscribers.add(db, f"{local}@{DOMAINS[len(local) % len(DOMAINS)]}", now=now)
        simulator = simulate(name, record=record)
        with running(simulator, faults) as (url, _):
            given = {
                "db": str(settings.db),
                "base_url": settings.base_url,
                "postal_address": settings.postal_address,
                "batch_size": "20",
                **simulator.usage(url),
                **caller.usage(),
                **more,
            }
            ours = load(given, environment={}).settings
            with served(ours, times.now, work=True) as site:
                address = f"{str(site.base_url).rstrip('/')}/hooks/{name}"
                teller = Teller(record, caller, address, FATES)
                yield Week(db, ours, record, teller, site, given)

    yield made
    db.close()


def check(week: Week, readers: int) -> None:
    """All that was told stands in the report, and nothing else; who bounced or complained is mailed no more."""
    wait_for(lambda: week.report().state == "sent" and week.is_told())
    assert week.teller.given_up == 0
    report, told = week.report(), week.told()
    assert week.reported() == told
    assert (report.audience, report.accepted, report.uncertain, report.without_word) == (readers, readers, 0, 0)
    assert report.state == "sent"
    assert len(report.hosts) == len(DOMAINS)
    assert sum(host.accepted for host in report.hosts) == readers
    assert week.record.addresses().total() == len(week.record.addresses()) == readers
    fates = {copy.address: FATES.story_of(copy.address, FATES.drawn_for(copy.address)) for copy in week.record.accepted}
    gone = {address for address, story in fates.items() if story[-1][0] in ("bounced hard", "complained")}
    kept = week.db.execute("SELECT email_key FROM suppressions").fetchall()
    assert {address for (address,) in kept} == gone
    assert len(gone) == told["bounced hard"] + told["complained"]
    assert check_ledger(week.db) == []
    assert recount(week.db, now=times.now()).wrong == []


def test_what_nobody_could_say_is_proven_by_events_alone_and_no_person_is_asked(week: Any) -> None:
    # SendGrid has no keys, and its activity was not bought: a call that broke is held.
    with week("sendgrid", 300, Faults(reset_after=0.3, half=0.1, seed=3)) as found:
        process = found.sending()
        out, err = process.communicate(timeout=30)
        assert err == ""
        assert process.returncode == 3, out
        assert found.states()["held"] >= 4
        assert found.tally()["uncertain"] == 20 * found.states()["held"]
        asyncio.run(found.teller.tell(over=lambda: True))
        check(found, 300)
        settled = found.db.execute("SELECT DISTINCT settled_by FROM batches WHERE trouble IS NOT NULL").fetchall()
        assert settled == [("events",)]
        assert found.site.get("/hooks/sendgrid").status_code == 405


def test_what_never_reached_the_provider_is_left_to_a_person(week: Any) -> None:
    with week("sendgrid", 120, Faults(reset_before=0.3, reset_after=0.3, seed=1)) as found:
        found.sending().communicate(timeout=30)
        held = found.states()["held"]
        asyncio.run(found.teller.tell(over=lambda: True))
        wait_for(lambda: found.is_told() and found.states()["held"] < held)
        assert found.reported() == found.told()
        accepted = found.record.addresses()
        unsure = {
            address
            for (address,) in found.db.execute(
                "SELECT s.email FROM deliveries d JOIN subscribers s ON s.id = d.subscriber WHERE d.state = 4"
            )
        }
        assert 0 < found.states()["held"] < held
        assert unsure
        assert unsure.isdisjoint(accepted)
        assert len(unsure) + len(accepted) == 120
        assert found.report().uncertain == len(unsure)
        assert check_ledger(found.db) == []


@pytest.mark.parametrize("name", ["resend", "mailgun"])
def test_what_is_told_while_it_is_sent_is_in_the_report(week: Any, name: str) -> None:
    more = {"mailgun.settling_s": "1"} if name == "mailgun" else {}
    with week(name, 80, Faults(reset_after=0.3, seed=4), **more) as found:
        process = found.sending()
        asyncio.run(found.teller.tell(over=lambda: process.poll() is not None))
        _, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (0, "")
        check(found, 80)
