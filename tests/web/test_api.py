"""The API for programs, over a real socket: who may call, how often, and what every answer has."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from programs import LOGS, Program, fields, program

from digest.audience.subscribers import add
from digest.programs import api_tokens
from digest.settings import Settings
from digest.store import Database
from serving import Clock, Reader, dump, served


@pytest.fixture
def site(sample: Database, reader: Reader, clock: Clock) -> Iterator[Program]:
    with program(sample, reader.base_url, clock.now) as found:
        yield found


# Who may call ----------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_told(reader: Reader) -> None:
    with Program(base_url=reader.base_url.join("/api/v1/")) as nobody:
        for address in ("stats", "subscribers", "subscribers/1", "comparisons", "issues"):
            answer = nobody.get(address)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert nobody.post("subscribers", content=b"x" * 10).status_code == 401
        for wrong in ("Bearer dgt_x", "Bearer " + "dgt_" + "A" * 43, "Bearer"):
            answer = nobody.get("stats", headers={"Authorization": wrong})
            assert answer.status_code == 401
        assert nobody.get("stats", headers={"Authorization": "Basic dGVzdDp0ZXN0"}).status_code == 401


def test_a_token_may_do_what_its_scopes_say(sample: Database, reader: Reader, clock: Clock) -> None:
    with program(sample, reader.base_url, clock.now, "comparisons:read") as site:
        assert site.get("comparisons").status_code == 200
        for method, address in (
            ("PUT", "comparisons/a-vs-b"),
            ("POST", "catalogue"),
            ("GET", "subscribers"),
            ("GET", "issues"),
            ("GET", "stats"),
        ):
            answer = site.request(method, address, json={})
            assert answer.status_code == 403
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_deliveries_name_readers_and_need_both_scopes(sample: Database, reader: Reader, clock: Clock) -> None:
    with program(sample, reader.base_url, clock.now, "issues:read") as site:
        assert site.get("issues/1/deliveries").status_code == 403
        assert site.get("issues/1").status_code == 404


def test_a_revoked_or_expired_token_is_refused(sample: Database, site: Program, clock: Clock) -> None:
    assert site.get("stats").status_code == 200
    api_tokens.revoke(sample, "site", now=clock.now)
    answer = site.get("stats")
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["www-authenticate"]


def test_a_token_that_calls_too_often_is_told_when_to_come_back(
    sample: Database, settings: Settings, clock: Clock
) -> None:
    few = settings.model_copy(update={"api_calls_a_minute": 3})
    with served(few, clock) as reader, program(sample, reader.base_url, clock.now) as site:
        statuses = [site.get("tools", params={"limit": 1}).status_code for _ in range(3)]
        answer = site.get("tools", params={"limit": 1})
        assert statuses == [200, 200, 200]
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 120
        with program(sample, reader.base_url, clock.now, name="other") as other:
            assert other.get("tools", params={"limit": 1}).status_code == 200


# What every answer has -------------------------------------------------------------------------------------------


def test_answers_are_nobody_elses_to_keep(site: Program) -> None:
    for address in ("stats", "subscribers", "nothing", "comparisons?limit=x"):
        answer = site.get(address)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


def test_a_wrong_method_is_told_all_the_right_ones(site: Program) -> None:
    for address, allow in (
        ("subscribers", "GET, POST"),
        ("subscribers/1", "DELETE, GET, PATCH"),
        ("comparisons/a", "GET, PUT"),
        ("catalogue", "POST"),
    ):
        answer = site.request("PROPFIND", address)
        assert answer.status_code == 405
        assert answer.headers["allow"] == allow


def test_what_is_not_there_is_a_problem_too(site: Program) -> None:
    answer = site.get("nothing/here")
    assert answer.status_code == 404
    assert answer.json()["type"] == "https://verdicts.example.com/api/v1/#not-found"


def test_a_parameter_that_nobody_knows_is_refused(site: Program) -> None:
    answer = site.get("subscribers", params={"sate": "active"})
    assert answer.status_code == 422
    assert fields(answer) == ["sate"]
    assert "state" in answer.json()["detail"]
    assert site.get("subscribers?limit=1&limit=2").status_code == 422


BODIES = [
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b"\xff\xfe", "application/json", 400),
    (b'{"email": "a@example.org", "email": "b@example.org"}', "application/json", 400),
    (b'{"email": NaN}', "application/json", 400),
    (b"[" * 100_000, "application/json", 400),
    (b'{"email": ' * 400 + b"1" + b"}" * 400, "application/json", 422),
    (b"[]", "application/json", 422),
    (b"null", "application/json", 422),
    (b'{"email": 99999999999999999999999999999999999}', "application/json", 422),
    (b'{"email": ' + b"9" * 10_000 + b"}", "application/json", 422),
    (b'{"email": "a\\u0000@example.org"}', "application/json", 422),
    (b'{"email": "\\ud800@example.org"}', "application/json", 422),
    (b'{"\\ud800": 1, "email": "a@example.org"}', "application/json", 422),
    (b'{"email": "a@example.org", "name": "\\udfff"}', "application/json", 422),
    (b'{"email": "a@example.org", "confirmed": "yes"}', "application/json", 422),
    (b'{"email": "a@example.org"}', "text/plain", 415),
    (b'{"email": "a@example.org"}', "application/json; charset=utf-16", 415),
    (b"email=a@example.org", "application/x-www-form-urlencoded", 415),
    (b" " * (5 * 1024 * 1024 + 1), "application/json", 413),
]


def test_a_body_that_cannot_be_read_stores_nothing(sample: Database, site: Program) -> None:
    before = dump(sample, but=LOGS)
    for content, kind, status in BODIES:
        for address in ("subscribers", "catalogue", "suppressions"):
            answer = site.post(address, content=content, headers={"Content-Type": kind})
            assert answer.status_code == status, content[:80]
    assert dump(sample, but=LOGS) == before


def test_a_body_without_its_type_or_of_unknown_length_is_read_with_care(sample: Database, site: Program) -> None:
    assert site.post("subscribers", content=b"{}").status_code == 415

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 2**17

    try:
        answer = site.post("subscribers", content=endless(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
    except httpx.TransportError:
        # The server hangs up on one who goes on sending.
        pass


INJECTIONS = (
    "' OR 1=1 --",
    "'; DROP TABLE subscribers; --",
    "{{7*7}}",
    "${7*7}",
    "<script>alert(1)</script>",
    "%00",
    "\x00",
    "../../etc/passwd",
    "\u202e",
    "1 UNION SELECT hash FROM api_tokens",
)


def test_strings_meant_to_be_run_are_only_strings(sample: Database, site: Program) -> None:
    before = dump(sample, but=LOGS)
    for text in INJECTIONS:
        for address in ("subscribers", "comparisons", "tools", "issues", "suppressions", "stats"):
            for name in ("cursor", "state", "email", "limit", "public", "reason", "hours"):
                assert site.get(address, params={name: text}).status_code == 422
        assert site.get("tools", params={"category": text}).json()["items"] == []
        for kind in ("subscribers", "comparisons", "tools", "issues"):
            assert site.get(f"{kind}/{quote(text, safe='')}").status_code in (404, 422)
        wrong = {"email": text, "name": text, "topics": [text], "timezone": text}
        for body in (wrong, {**wrong, "email": "a@example.org"}):
            answer = site.post("subscribers", json=body)
            assert answer.status_code == 422, body
            assert "49" not in answer.json()["detail"]
        assert site.post("suppressions", json={"email": text, "reason": text}).status_code == 422
        assert site.put("comparisons/x", json={"left": text, "right": text}).status_code == 422
        assert site.patch("subscribers/1", json={"name": text}).status_code in (404, 422)
    assert dump(sample, but=LOGS) == before


def test_reading_changes_no_row(sample: Database, site: Program, clock: Clock) -> None:
    add(sample, "ada@example.org", now=clock.now)
    site.get("stats")
    before = dump(sample)
    for address in ("comparisons", "tools", "subscribers", "subscribers/1", "suppressions", "issues", "stats"):
        assert site.get(address).status_code == 200
    assert dump(sample) == before
