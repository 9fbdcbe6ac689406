"""Issues, deliveries and figures over the API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from programs import Program, program, walk

from conftest import NOW
from digest.audience import forgetting
from digest.audience.subscribers import add, find_subscribers
from digest.issue import issues
from digest.sending.ledger import freeze_audience
from digest.settings import Settings
from digest.store import Database
from serving import Clock, Reader


@pytest.fixture
def site(sample: Database, reader: Reader, clock: Clock) -> Iterator[Program]:
    with program(sample, reader.base_url, clock.now) as found:
        yield found


@pytest.fixture
def mailed(sample: Database, settings: Settings, clock: Clock) -> Database:
    """A store in which issue 1 is being sent to five readers, and issue 2 is a draft of what came in later."""
    for number in range(5):
        add(sample, f"reader{number}@example.org", now=clock.now)
    issues.draft(sample, settings, now=clock.now)
    issues.freeze(sample, settings, 1, now=clock.now)
    freeze_audience(sample, 1, now=clock.now)
    return sample


def test_an_issue_tells_its_comparisons_and_copies(mailed: Database, site: Program) -> None:
    [listed] = site.get("issues").json()["items"]
    assert (listed["number"], listed["state"]) == (1, "sending")
    told = site.get("issues/1").json()
    assert {name: told[name] for name in listed} == listed
    assert told["tally"]["audience"] == told["tally"]["queued"] == 5
    assert len([each for each in told["contents"] if each["form"] != "out"]) == listed["comparisons"]
    assert told["page"] == "https://verdicts.example.com/issues/1"
    for number in ("2", "2147483647"):
        assert site.get(f"issues/{number}").status_code == 404
    for wrong in ("0", "x", "2147483648", str(2**63), str(2**200), "1.5"):
        assert site.get(f"issues/{wrong}").status_code == 422


def test_the_copies_of_an_issue_come_in_pages(mailed: Database, site: Program, clock: Clock) -> None:
    mailed.conn.execute("UPDATE deliveries SET state = 5, reason = 'unsubscribed' WHERE subscriber = 2")
    forgetting.forget(mailed, 4, now=clock.now)
    told = walk(site, "issues/1/deliveries", 2)
    assert [each["subscriber"] for each in told] == [1, 2, 3, 4, 5]
    assert [each["email"] for each in told][3:] == [None, "reader4@example.org"]
    [skipped] = site.get("issues/1/deliveries", params={"state": "skipped"}).json()["items"]
    assert (skipped["subscriber"], skipped["reason"]) == (2, "unsubscribed")
    assert site.get("issues/2/deliveries").status_code == 404


def test_the_report_on_an_issue_is_figures_alone(mailed: Database, site: Program) -> None:
    mailed.execute("UPDATE deliveries SET state = 2, batch = 1 WHERE subscriber < 4")
    mailed.execute("INSERT INTO events (issue, subscriber, kind, at) VALUES (1, 1, 2, 1795683600)")
    told = site.get("issues/1/report").json()
    assert (told["audience"], told["accepted"], told["queued"], told["delivered"]) == (5, 3, 2, 1)
    assert told["rates"]["delivered"]["of"] == 3
    assert "@" not in json.dumps([part for name, part in told.items() if name != "links"])
    assert site.get("issues/7/report").status_code == 404
    issues.pause(mailed, 1, now=NOW)
    issues.cancel(mailed, 1, now=NOW)
    mailed.execute("UPDATE issues SET sending_at = NULL")
    answer = site.get("issues/1/report")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")


def test_figures_name_nobody_and_add_up(mailed: Database, site: Program) -> None:
    site.post("subscribers", json={"email": "new@example.org"})
    told = site.get("stats").json()
    assert told["audience"] == {"active": 5, "pending": 1, "unsubscribed": 0, "suppressed": 0}
    assert told["letters"] == {"confirm": {"queued": 1}}
    assert {"hour": "2026-11-26T09", "outcome": "asked", "count": 1} in told["sign_ups"]
    assert [issue["tally"]["audience"] for issue in told["issues"]] == [5]
    assert "@" not in json.dumps(told)
    assert len(list(find_subscribers(mailed))) == 6
