"""Comparisons and tools over the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from programs import LOGS, Program, fields, program, walk

from digest.store import Database
from serving import Clock, Reader, dump


@pytest.fixture
def site(sample: Database, reader: Reader, clock: Clock) -> Iterator[Program]:
    with program(sample, reader.base_url, clock.now) as found:
        yield found


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
    assert hidden["slug"] not in [each["slug"] for each in walk(site, "comparisons", 100, public="true")]


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


WRONG: list[tuple[dict[str, Any], str]] = [
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
]


def test_a_wrong_comparison_says_where_and_leaves_nothing(sample: Database, site: Program) -> None:
    before = dump(sample, but=LOGS)
    for change, field in WRONG:
        answer = site.put("comparisons/ada-vs-bea", json=WHOLE | change)
        assert answer.status_code == 422, change
        assert field in fields(answer), change
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
