"""Idempotency keys: a POST that is made again does nothing again."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest
from programs import CONSENT, Program, fields, program

from digest.store import Database
from serving import Clock, Reader


@pytest.fixture
def site(sample: Database, reader: Reader, clock: Clock) -> Iterator[Program]:
    with program(sample, reader.base_url, clock.now) as found:
        yield found


def test_a_post_that_is_made_again_is_answered_as_the_first_one_was(sample: Database, site: Program) -> None:
    body = {"email": "ada@example.org", "confirmed": True, "consent": CONSENT}
    first = site.post("subscribers", json=body, headers={"Idempotency-Key": "8e03978e"})
    again = site.post("subscribers", json=body, headers={"Idempotency-Key": "8e03978e"})
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert sample.conn.execute("SELECT count(*) FROM consents").fetchone() == (1,)


def test_a_key_with_another_call_is_refused(site: Program) -> None:
    key = {"Idempotency-Key": "k"}
    assert site.post("suppressions", json={"email": "a@example.org", "reason": "complaint"}, headers=key).is_success
    other = site.post("suppressions", json={"email": "b@example.org", "reason": "complaint"}, headers=key)
    assert other.status_code == 422
    assert other.json()["type"].endswith("#key-reused")
    assert site.post("catalogue", json={}, headers=key).status_code == 422
    assert len(site.get("suppressions").json()["items"]) == 1


def test_a_refusal_is_not_kept_so_that_the_call_may_be_made_again(
    sample: Database, site: Program, clock: Clock
) -> None:
    key, body = (
        {"Idempotency-Key": "k"},
        {"tools": [{"name": "Ada"}], "votes": [{"tool": "Eve", "voter": "x", "verdict": "ship"}]},
    )
    assert site.post("catalogue", json=body, headers=key).status_code == 422
    site.post("catalogue", json={"tools": [{"name": "Eve"}]})
    assert site.post("catalogue", json=body, headers=key).status_code == 200


def test_a_key_that_is_none_is_refused(site: Program) -> None:
    body = {"email": "a@example.org", "reason": "complaint"}
    for wrong in (b"", b"x" * 256, b"a b", "é".encode("latin-1")):
        answer = site.post("suppressions", json=body, headers={b"Idempotency-Key": wrong})
        assert answer.status_code == 422
        assert fields(answer) == ["Idempotency-Key"]
    assert site.get("suppressions").json()["items"] == []


def test_the_same_call_many_times_at_once_is_done_once(sample: Database, site: Program) -> None:
    body = {"tools": [{"name": f"Tool {number}"} for number in range(300)]}
    told: list[httpx.Response] = []

    def call() -> None:
        told.append(site.post("catalogue", json=body, headers={"Idempotency-Key": "k"}))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in told} <= {200, 409}
    done = [answer for answer in told if answer.status_code == 200]
    assert len({answer.content for answer in done}) == 1
    assert [answer.headers.get("idempotency-replayed") for answer in done].count(None) == 1
    assert all(answer.headers["retry-after"] == "1" for answer in told if answer.status_code == 409)
