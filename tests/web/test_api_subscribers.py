"""Subscribers and the suppression list over the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from programs import CONSENT, LOGS, Program, fields, program, walk

from digest.audience import forgetting, suppression
from digest.audience.subscribers import add
from digest.audience.topics import topic_of
from digest.settings import Settings
from digest.store import Database
from serving import Clock, Reader, dump, served


@pytest.fixture
def site(sample: Database, reader: Reader, clock: Clock) -> Iterator[Program]:
    with program(sample, reader.base_url, clock.now) as found:
        yield found


def test_somebody_is_asked_by_letter_first(sample: Database, site: Program, clock: Clock) -> None:
    answer = site.post("subscribers", json={"email": "Ada@Example.org", "name": "Ada"})
    assert answer.status_code == 202
    told = answer.json()
    assert told["outcome"] == "asked"
    assert (told["subscriber"]["state"], told["subscriber"]["source"]) == ("pending", "api: site")
    assert sample.conn.execute("SELECT kind, email FROM letters").fetchall() == [("confirm", "Ada@Example.org")]
    assert site.post("subscribers", json={"email": "ada@example.org"}).json()["outcome"] == "waiting"
    assert sample.conn.execute("SELECT count(*) FROM letters").fetchone() == (1,)


def test_when_too_many_are_asked_programs_wait_too(sample: Database, settings: Settings, clock: Clock) -> None:
    slow = settings.model_copy(update={"sign_ups_per_hour": 1, "proof_of_work": False})
    with served(slow, clock) as reader, program(sample, reader.base_url, clock.now) as site:
        told = [site.post("subscribers", json={"email": f"reader{number}@example.org"}) for number in range(27)]
    assert [answer.status_code for answer in told[:20]] == [202] * 20
    assert (told[-1].status_code, told[-1].headers["retry-after"]) == (429, "3600")
    assert sample.conn.execute("SELECT count(*) FROM subscribers").fetchone()[0] < 27


def test_somebody_who_confirmed_elsewhere_is_in_with_the_consent_they_gave(sample: Database, site: Program) -> None:
    topic = sample.conn.execute("SELECT category FROM tools WHERE category NOT NULL").fetchone()[0]
    body = {"email": "ada@example.org", "topics": [topic_of(topic)], "timezone": "Europe/Berlin"}
    answer = site.post("subscribers", json={**body, "confirmed": True, "consent": CONSENT})
    assert answer.status_code == 201
    where = answer.headers["location"]
    told = answer.json()["subscriber"]
    assert site.at(where).json() == told
    assert (told["state"], told["topics"], told["timezone"]) == ("active", body["topics"], "Europe/Berlin")
    assert told["confirmed_at"] == "2026-11-20T09:00:00.000000Z"
    kept = sample.conn.execute("SELECT kind, source, words, given_at FROM consents").fetchall()
    assert kept == [("added", CONSENT["source"], CONSENT["words"], "2026-11-20T09:00:00.000000Z")]
    assert site.post("subscribers", json=body).json()["outcome"] == "known"
    assert sample.conn.execute("SELECT count(*) FROM letters").fetchone() == (0,)


def test_one_who_waits_to_confirm_is_in_once_a_program_says_so(sample: Database, site: Program) -> None:
    site.post("subscribers", json={"email": "ada@example.org"})
    answer = site.post("subscribers", json={"email": "ada@example.org", "confirmed": True, "consent": CONSENT})
    assert (answer.status_code, answer.json()["subscriber"]["state"]) == (201, "active")
    assert sample.conn.execute("SELECT count(*) FROM wishes").fetchone() == (0,)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"confirmed": True}, "consent"),
    ({"consent": CONSENT}, "consent"),
    ({"confirmed": True, "consent": {**CONSENT, "at": "2026-11-20 09:00"}}, "consent.at"),
    ({"confirmed": True, "consent": {**CONSENT, "at": "2027-11-20T09:00:00Z"}}, "consent.at"),
    ({"confirmed": True, "consent": {**CONSENT, "at": "2026-02-30T09:00:00Z"}}, "consent.at"),
    ({"confirmed": True, "consent": {**CONSENT, "words": "\x07"}}, "consent.words"),
    ({"confirmed": True, "consent": {"source": "x"}}, "consent.words"),
    ({"email": "nobody"}, "email"),
    ({"name": "https://spam.example"}, "name"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"topics": ["no-such-topic"]}, "topics"),
    ({"topics": [["x"]]}, "topics.0"),
    ({"state": "active"}, "state"),
]


def test_a_wrong_subscriber_is_not_added(sample: Database, site: Program) -> None:
    before = dump(sample, but=LOGS)
    for change, field in WRONG:
        answer = site.post("subscribers", json={"email": "ada@example.org", **change})
        assert answer.status_code == 422, change
        assert field in fields(answer), change
    assert dump(sample, but=LOGS) == before


def test_nobody_who_left_is_suppressed_or_forgotten_is_brought_back(
    sample: Database, site: Program, clock: Clock
) -> None:
    for email in ("left@example.org", "bounced@example.org", "forgotten@example.org"):
        add(sample, email, now=clock.now)
    assert site.delete("subscribers/left@example.org").json()["state"] == "unsubscribed"
    suppression.add_suppression(sample, "bounced@example.org", "hard bounce", source="test", now=clock.now)
    forgetting.forget(sample, 3, now=clock.now)
    before = dump(sample, but=LOGS)
    for email in ("Left@example.org", "bounced@example.org", "forgotten@example.org"):
        for more in ({}, {"confirmed": True, "consent": CONSENT}):
            answer = site.post("subscribers", json={"email": email, **more})
            assert answer.status_code == 409
    assert site.post("suppressions", json={"email": "forgotten@example.org", "reason": "complaint"}).status_code == 409
    assert dump(sample, but=LOGS) == before


def test_a_subscriber_is_found_by_number_and_by_any_spelling(sample: Database, site: Program, clock: Clock) -> None:
    add(sample, "Müller@bücher.example.org", now=clock.now, name="Max")
    told = site.get("subscribers/1").json()
    assert told["email"] == "Müller@bücher.example.org"
    assert site.get("subscribers/MÜLLER@xn--bcher-kva.example.org").json() == told
    assert site.get("subscribers", params={"email": "müller@bücher.example.org"}).json()["items"] == [told]
    for nobody in ("2", "999999999999999999", "eve@example.org"):
        assert site.get(f"subscribers/{nobody}").status_code == 404
    for neither in ("0", "-1", "x", "9" * 19, "@", "a@b@c"):
        assert site.get(f"subscribers/{neither}").status_code == 422


def test_a_subscriber_is_changed_as_far_as_the_body_says(sample: Database, site: Program, clock: Clock) -> None:
    add(sample, "ada@example.org", now=clock.now, name="Ada", timezone="Europe/Berlin")
    told = site.patch("subscribers/1", json={"paused_until": "2026-12-24T00:00:00+01:00"}).json()
    assert (told["name"], told["paused_until"]) == ("Ada", "2026-12-23T23:00:00.000000Z")
    told = site.patch("subscribers/ada@example.org", json={"name": None, "paused_until": None, "timezone": None}).json()
    assert (told["name"], told["paused_until"], told["timezone"]) == (None, None, None)
    before = dump(sample, but=LOGS)
    for wrong in (
        {"name": "Eve", "timezone": "nowhere"},
        {"name": "Eve", "paused_until": "2020-01-01T00:00:00Z"},
        {"name": "Eve", "email": "eve@example.org"},
        {"name": "Eve", "topics": ["none"]},
        {"name": ""},
    ):
        assert site.patch("subscribers/1", json=wrong).status_code == 422
    assert dump(sample, but=LOGS) == before


def test_unsubscribing_is_done_once_and_said_as_often_as_asked(sample: Database, site: Program, clock: Clock) -> None:
    add(sample, "ada@example.org", now=clock.now)
    told = [site.delete("subscribers/1") for _ in range(2)]
    assert [(answer.status_code, answer.json()["state"]) for answer in told] == [(200, "unsubscribed")] * 2
    assert sample.conn.execute("SELECT way FROM departures").fetchall() == [("api",)]
    [barred] = site.get("suppressions").json()["items"]
    assert (barred["email"], barred["reason"]) == ("ada@example.org", "unsubscribed")
    assert site.delete("subscribers/2").status_code == 404


def test_who_is_forgotten_is_gone_also_from_kept_answers(sample: Database, site: Program) -> None:
    body = {"email": "Ada@example.org", "confirmed": True, "consent": CONSENT}
    site.post("subscribers", json=body, headers={"Idempotency-Key": "one"})
    site.post(
        "suppressions", json={"email": "ada@example.org", "reason": "complaint"}, headers={"Idempotency-Key": "x"}
    )
    answer = site.post("subscribers/ada@example.org/forget", headers={"Idempotency-Key": "two"})
    assert (answer.status_code, answer.content) == (204, b"")
    again = site.post("subscribers/ada@example.org/forget", headers={"Idempotency-Key": "two"})
    assert (again.status_code, again.headers["idempotency-replayed"]) == (204, "true")
    assert site.get("subscribers/1").status_code == 404
    assert site.get("subscribers").json()["items"] == []
    assert site.get("suppressions").json()["items"] == []
    assert "ada@example.org" not in str(dump(sample)).lower()


def test_every_subscriber_is_on_exactly_one_page(sample: Database, site: Program, clock: Clock) -> None:
    for number in range(25):
        add(sample, f"reader{number}@example.org", now=clock.now)
    site.delete("subscribers/3")
    assert [each["id"] for each in walk(site, "subscribers", 10)] == list(range(1, 26))
    assert [each["id"] for each in walk(site, "subscribers", 10, state="unsubscribed")] == [3]


def test_an_address_is_suppressed_whoever_has_it(sample: Database, site: Program, clock: Clock) -> None:
    add(sample, "ada@example.org", now=clock.now)
    answer = site.post("suppressions", json={"email": "Ada@example.org", "reason": "complaint", "source": "abuse desk"})
    assert answer.status_code == 201
    assert answer.json()["source"] == "abuse desk"
    assert site.post("suppressions", json={"email": "ada@example.org", "reason": "complaint"}).status_code == 200
    assert site.get("subscribers/1").json()["suppressed"] == "complaint"
    told = site.post("suppressions", json={"email": "Jürgen@example.org", "reason": "hard bounce"}).json()
    assert told["source"] == "api: site"
    pages = walk(site, "suppressions", 1)
    assert [each["email"] for each in pages] == ["ada@example.org", "jürgen@example.org"]
    assert site.get("suppressions", params={"reason": "hard bounce"}).json()["items"] == [told]
    assert site.post("suppressions", json={"email": "x@example.org", "reason": "forgotten"}).status_code == 422
