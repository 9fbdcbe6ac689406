"""The API for programs, over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from programs import Program, program

from digest.audience import forgetting, suppression
from digest.audience.subscribers import add, find_subscribers
from digest.audience.topics import topic_of
from digest.issue import issues
from digest.programs import api_tokens
from digest.sending.ledger import freeze_audience
from digest.settings import Settings
from digest.store import Database
from serving import Clock, Reader, dump, served

CONSENT = {"source": "https://shop.example.org", "words": "Yes, send it.", "at": "2026-11-20T09:00:00Z"}
# What a call writes beside its effect.
LOGS = ("api_tokens", "answers")


@pytest.fixture
def site(sample: Database, reader: Reader, clock: Clock) -> Iterator[Program]:
    with program(sample, reader.base_url, clock.now) as found:
        yield found


def fields(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


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


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
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
    ],
)
def test_a_body_that_cannot_be_read_stores_nothing(
    sample: Database, site: Program, content: bytes, kind: str, status: int
) -> None:
    before = dump(sample, but=LOGS)
    for address in ("subscribers", "catalogue", "suppressions"):
        answer = site.post(address, content=content, headers={"Content-Type": kind})
        assert answer.status_code == status
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


@pytest.mark.parametrize("text", INJECTIONS)
def test_strings_meant_to_be_run_are_only_strings(sample: Database, site: Program, text: str) -> None:
    before = dump(sample, but=LOGS)
    for address in ("subscribers", "comparisons", "tools", "issues", "suppressions", "stats"):
        for name in ("cursor", "state", "email", "limit", "public", "reason", "hours"):
            assert site.get(address, params={name: text}).status_code == 422
    assert site.get("tools", params={"category": text}).json()["items"] == []
    for kind in ("subscribers", "comparisons", "tools", "issues"):
        assert site.get(f"{kind}/{quote(text, safe='')}").status_code in (404, 422)
    wrong = {"email": text, "name": text, "topics": [text], "timezone": text}
    for body in (wrong, {"email": f"{text}@example.org"}, {**wrong, "email": "a@example.org"}):
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


# The catalogue ---------------------------------------------------------------------------------------------------


def walk(site: Program, address: str, limit: int) -> list[dict[str, Any]]:
    """Follow the Link headers from the first page to the last."""
    found: list[dict[str, Any]] = []
    answer = site.get(address, params={"limit": limit})
    while True:
        page = answer.json()
        found += page["items"]
        assert len(page["items"]) <= limit
        if page["next"] is None:
            assert "link" not in answer.headers
            return found
        assert answer.links["next"]["url"].startswith("/api/v1/")
        answer = site.get(f"http://{site.base_url.host}:{site.base_url.port}{answer.links['next']['url']}")


def test_every_comparison_is_on_exactly_one_page(sample: Database, site: Program) -> None:
    found = walk(site, "comparisons", 7)
    slugs = [each["slug"] for each in found]
    known = [row[0] for row in sample.conn.execute("SELECT slug FROM comparisons ORDER BY published_at DESC, id DESC")]
    assert slugs == known
    tools = [each["slug"] for each in walk(site, "tools", 10)]
    assert tools == [row[0] for row in sample.conn.execute("SELECT slug FROM tools ORDER BY id")]


def test_a_comparison_that_is_not_public_yet_says_so(sample: Database, site: Program) -> None:
    sample.conn.execute("UPDATE comparisons SET published_at = '2999-01-01T00:00:00.000000Z' WHERE id = 1")
    [hidden] = site.get("comparisons", params={"public": False}).json()["items"]
    assert not hidden["public"]
    assert not site.get(f"comparisons/{hidden['slug']}").json()["public"]
    assert hidden["slug"] not in [each["slug"] for each in walk(site, "comparisons?public=true", 100)]


def test_a_comparison_is_read_with_its_tools_and_reviews(site: Program) -> None:
    first = site.get("comparisons", params={"limit": 1}).json()["items"][0]
    found = site.get(f"comparisons/{first['slug']}").json()
    assert found["title"] == f"{found['left']['name']} vs {found['right']['name']}" == first["title"]
    assert found["page"] == f"https://verdicts.example.com/compare/{first['slug']}"
    assert found["left"] == site.get(f"tools/{found['left']['slug']}").json()
    assert found["left"]["reviews"][0].keys() == {"reviewer", "name", "verdict", "quote"}


WHOLE = {
    "left": {
        "name": "Ada",
        "entry": "freemium",
        "reviews": [{"reviewer": "Builder", "verdict": "ship", "quote": "It works."}],
    },
    "right": {"name": "Bea"},
    "published_at": "2026-11-20",
}


def test_a_comparison_is_put_in_with_its_tools_and_changed(site: Program) -> None:
    answer = site.put("comparisons/ada-vs-bea", json=WHOLE)
    assert answer.status_code == 201
    assert answer.json()["added"] == {"tools": 2, "reviews": 1, "comparisons": 1}
    again = site.put("comparisons/ada-vs-bea", json=WHOLE)
    assert again.status_code == 200
    assert again.json()["changes"] == []
    changed = {**WHOLE, "left": {"name": "Ada", "entry": "paid"}, "right": "bea"}
    told = site.put("comparisons/ada-vs-bea", json=changed).json()
    assert told["changes"] == [{"kind": "tool", "name": "Ada", "outcome": "updated", "fields": ["entry"]}]
    found = site.get("comparisons/ada-vs-bea").json()
    assert found["left"]["entry"] == "paid"
    assert found["left"]["reviews"][0]["verdict"] == "ship"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"left": {"name": "Ada", "entry": "payed"}}, "left.entry"),
        ({"left": {"name": "Ada", "reviews": [{"reviewer": "Builder", "quote": ""}]}}, "left.reviews.0.quote"),
        ({"left": {"entry": "free"}}, "left.name"),
        ({"left": {}}, "left.name"),
        ({"left": 7}, "left"),
        ({"left": "no such tool"}, "left"),
        ({"right": {"name": "ADA"}}, "right"),
        ({"slug": "another"}, "slug"),
        ({"published_at": "tomorrow"}, "published_at"),
        ({"extra": 1}, "extra"),
        ({"left": {"name": "A\x00da"}}, "left.name"),
    ],
)
def test_a_wrong_comparison_says_where_and_leaves_nothing(
    sample: Database, site: Program, change: dict[str, Any], field: str
) -> None:
    before = dump(sample, but=LOGS)
    answer = site.put("comparisons/ada-vs-bea", json=WHOLE | change)
    assert answer.status_code == 422
    assert field in fields(answer)
    assert dump(sample, but=LOGS) == before


def test_many_things_go_in_at_once_or_not_at_all(sample: Database, site: Program) -> None:
    document: dict[str, Any] = {
        "tools": [{"name": "Ada"}, {"name": "Bea"}],
        "comparisons": [{"left": "Ada", "right": "Bea"}],
        "votes": [{"tool": "Ada", "voter": "a reader", "verdict": "ship"}],
    }
    before = dump(sample, but=LOGS)
    tried = site.post("catalogue", params={"dry_run": True}, json=document)
    assert (tried.status_code, tried.json()["dry_run"]) == (200, True)
    assert dump(sample, but=LOGS) == before
    wrong = {**document, "votes": [*document["votes"], {"tool": "Eve", "voter": "x", "verdict": "ship"}]}
    answer = site.post("catalogue", json=wrong)
    assert answer.status_code == 422
    assert fields(answer) == ["votes.1.tool"]
    twice = {"tools": [{"name": "Ada", "entry": "free"}, {"name": "ADA", "entry": "paid"}]}
    assert "/tools/0" in site.post("catalogue", json=twice).json()["detail"]
    assert fields(site.post("catalogue", json={"tool": []})) == ["tool"]
    assert dump(sample, but=LOGS) == before
    done = site.post("catalogue", json=document)
    assert done.json()["added"] == tried.json()["added"] == {"tools": 2, "comparisons": 1, "votes": 1}


def test_more_records_than_a_call_takes_are_refused(site: Program) -> None:
    answer = site.post("catalogue", json={"tools": [{"name": f"Tool {n}"} for n in range(5_001)]})
    assert answer.status_code == 422
    assert "5000" in answer.json()["detail"]


# Subscribers -----------------------------------------------------------------------------------------------------


def test_somebody_is_asked_by_letter_first(sample: Database, site: Program, clock: Clock) -> None:
    answer = site.post("subscribers", json={"email": "Ada@Example.org", "name": "Ada"})
    assert answer.status_code == 202
    told = answer.json()
    assert told["outcome"] == "asked"
    assert (told["subscriber"]["state"], told["subscriber"]["source"]) == ("pending", "api: site")
    assert sample.conn.execute("SELECT kind, email FROM letters").fetchall() == [("confirm", "Ada@Example.org")]
    assert site.post("subscribers", json={"email": "ada@example.org"}).json()["outcome"] == "waiting"
    assert sample.conn.execute("SELECT count(*) FROM letters").fetchone() == (1,)


def test_somebody_who_confirmed_elsewhere_is_in_with_the_consent_they_gave(sample: Database, site: Program) -> None:
    topic = sample.conn.execute("SELECT category FROM tools WHERE category NOT NULL").fetchone()[0]
    body = {"email": "ada@example.org", "topics": [topic_of(topic)], "timezone": "Europe/Berlin"}
    answer = site.post("subscribers", json={**body, "confirmed": True, "consent": CONSENT})
    assert answer.status_code == 201
    where = answer.headers["location"]
    told = answer.json()["subscriber"]
    assert site.get(f"http://{site.base_url.host}:{site.base_url.port}{where}").json() == told
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


@pytest.mark.parametrize(
    ("change", "field"),
    [
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
    ],
)
def test_a_wrong_subscriber_is_not_added(sample: Database, site: Program, change: dict[str, Any], field: str) -> None:
    before = dump(sample, but=LOGS)
    answer = site.post("subscribers", json={"email": "ada@example.org", **change})
    assert answer.status_code == 422
    assert field in fields(answer)
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
    assert [each["id"] for each in walk(site, "subscribers?state=unsubscribed", 10)] == [3]


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


# Idempotency keys ------------------------------------------------------------------------------------------------


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
    for wrong in ("", "x" * 256, "a b", "é".encode("latin-1")):
        answer = site.post("suppressions", json=body, headers={"Idempotency-Key": wrong})
        assert answer.status_code == 422
        assert [field.lower() for field in fields(answer)] == ["idempotency-key"]
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


# Issues and figures ----------------------------------------------------------------------------------------------


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


def test_figures_name_nobody_and_add_up(mailed: Database, site: Program) -> None:
    site.post("subscribers", json={"email": "new@example.org"})
    told = site.get("stats").json()
    assert told["audience"] == {"active": 5, "pending": 1, "unsubscribed": 0, "suppressed": 0}
    assert told["letters"] == {"confirm": {"queued": 1}}
    assert {"hour": "2026-11-26T09", "outcome": "asked", "count": 1} in told["sign_ups"]
    assert [issue["tally"]["audience"] for issue in told["issues"]] == [5]
    assert "@" not in json.dumps(told)
    assert len(list(find_subscribers(mailed))) == 6
