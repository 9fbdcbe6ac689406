from __future__ import annotations

import json
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from conftest import NOW, memory_store
from digest.catalogue import critics, finding
from digest.catalogue.importing import import_files
from digest.catalogue.searching import Found, search
from digest.errors import NotFoundError
from digest.store import Database

CATALOGUE = {
    "reviewers": [{"name": "Zoe", "stance": "Asks who pays.", "position": 1}, {"name": "Bob", "position": 2}],
    "tools": [
        {
            "name": "Anvil",
            "tagline": "Stays put",
            "category": "Striking",
            "description": "A heavy thing to strike upon.",
            "reviews": [
                {"reviewer": "Zoe", "verdict": "ship", "quote": "It outlived three owners."},
                {"reviewer": "Bob", "verdict": "skip", "quote": "Who carries it?"},
            ],
        },
        {
            "name": "Bellows",
            "category": "striking",
            "reviews": [{"reviewer": "Zoe", "quote": "Full of air."}],
        },
        {"name": "Chisel Pro", "category": "Cutting", "panel_ship": 50},
        {
            "name": "Drill",
            "category": "Boring",
            "reviews": [{"reviewer": "Zoe", "verdict": "skip", "quote": "Too loud for embargoes."}],
        },
        {"name": "Easel", "category": "Painting"},
        {"name": "ハンマー道具", "category": "Striking"},
    ],
    "comparisons": [
        {"left": "Anvil", "right": "Bellows", "published_at": "-3d"},
        {"left": "Anvil", "right": "Chisel Pro", "published_at": "-2d"},
        {"left": "Bellows", "right": "Chisel Pro", "published_at": "-4d"},
        {"left": "Anvil", "right": "Drill", "published_at": "2027-01-01"},
    ],
}
NEW_YEAR = NOW + timedelta(days=60)


@pytest.fixture(scope="module")
def db() -> Database:
    store = memory_store()
    files = [("all.json", json.dumps(CATALOGUE).encode())]
    [report] = import_files(store, files, now=NOW, zone=ZoneInfo("UTC"))
    assert report.error is None
    return store


def names(found: Found) -> list[str]:
    return [hit.tool.name for hit in found.hits]


def test_the_newest_come_first_some_a_page(db: Database) -> None:
    first, second = (finding.newest(db, now=NOW, page=page, size=2) for page in (1, 2))
    assert [found.slug for found in first.comparisons] == ["anvil-vs-chisel-pro", "anvil-vs-bellows"]
    assert [found.slug for found in second.comparisons] == ["bellows-vs-chisel-pro"]
    assert (first.total, first.last, finding.newest(db, now=NOW, page=3, size=2).comparisons) == (3, 2, ())


def test_a_comparison_whose_day_has_not_come_is_nowhere(db: Database) -> None:
    with pytest.raises(NotFoundError):
        finding.find_comparison(db, "anvil-vs-drill", now=NOW)
    with pytest.raises(NotFoundError):
        finding.find_tool(db, "drill", now=NOW)
    assert finding.comparison_of(db, "drill", "anvil", now=NOW) is None
    assert "Boring" not in [category.name for category in finding.categories(db, now=NOW)]
    assert not search(db, "drill", now=NOW).hits
    assert not search(db, "embargoes", now=NOW).hits
    zoe = critics.find_critic(db, "zoe", now=NOW)
    assert (zoe.ships, zoe.skips, zoe.reviews, zoe.ship_rate) == (1, 0, 2, 100)
    assert "Drill" not in [tool.name for tool, _ in critics.reviews_by(db, zoe, now=NOW)]


def test_it_is_everywhere_from_its_day_on(db: Database) -> None:
    assert finding.find_comparison(db, "anvil-vs-drill", now=NEW_YEAR).right.name == "Drill"
    assert finding.find_tool(db, "drill", now=NEW_YEAR)[1].name == "Drill"
    assert names(search(db, "embargoes", now=NEW_YEAR)) == ["Drill"]
    zoe = critics.find_critic(db, "zoe", now=NEW_YEAR)
    assert (zoe.ships, zoe.skips, zoe.ship_rate) == (1, 1, 50)
    assert [tool.name for tool, _ in critics.reviews_by(db, zoe, now=NEW_YEAR)] == ["Anvil", "Drill", "Bellows"]


def test_a_tool_without_any_comparison_waits_for_none(db: Database) -> None:
    assert finding.find_tool(db, "easel", now=NOW)[1].name == "Easel"


def test_a_pair_is_found_in_either_order(db: Database) -> None:
    assert finding.comparison_of(db, "bellows", "anvil", now=NOW) == "anvil-vs-bellows"
    assert finding.comparison_of(db, "bellows", "easel", now=NOW) is None


def test_what_is_related_shares_a_tool_or_a_category(db: Database) -> None:
    comparison = finding.find_comparison(db, "anvil-vs-bellows", now=NOW)
    found = [other.slug for other in finding.related(db, comparison, now=NOW)]
    assert found == ["anvil-vs-chisel-pro", "bellows-vs-chisel-pro"]
    assert finding.related(db, comparison, now=NEW_YEAR, limit=1)[0].slug == "anvil-vs-drill"


def test_spellings_of_a_category_are_one(db: Database) -> None:
    assert [(found.slug, found.tools) for found in finding.categories(db, now=NOW)] == [
        ("cutting", 1),
        ("painting", 1),
        ("striking", 3),
    ]
    assert finding.find_category(db, "striking", now=NOW).name == "Striking"
    assert len(finding.tool_ids(db, "striking", now=NOW)) == 3
    with pytest.raises(NotFoundError):
        finding.find_category(db, "boring", now=NOW)
    assert finding.tool_ids(db, "no-such", now=NOW) == []


def test_the_panel_comes_in_its_order_with_its_record(db: Database) -> None:
    zoe, bob = critics.panel(db, now=NOW)
    assert (zoe.reviewer.name, zoe.reviews, bob.reviewer.name, bob.skips, bob.ship_rate) == ("Zoe", 2, "Bob", 1, 0)
    with pytest.raises(NotFoundError):
        critics.find_critic(db, "nobody", now=NOW)


def test_reviews_come_in_pages(db: Database) -> None:
    zoe = critics.find_critic(db, "zoe", now=NOW)
    pages = [critics.reviews_by(db, zoe, now=NOW, page=page, size=1) for page in (1, 2, 3)]
    assert [[tool.name for tool, _ in page] for page in pages] == [["Anvil"], ["Bellows"], []]
    assert pages[1][0][1].verdict is None


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("anv", "Anvil"),
        ("heavy strike", "Anvil"),
        ("striking anvil", "Anvil"),
        ("three owners", "Anvil"),
        ("anvil nonsense", "Anvil"),
        ("chiselpro", "Chisel Pro"),
        ("ハンマー", "ハンマー道具"),
        ("道具", "ハンマー道具"),
        ("ánvíl", "Anvil"),
    ],
)
def test_tools_are_found(db: Database, typed: str, first: str) -> None:
    assert names(search(db, typed, now=NOW))[0] == first


def test_two_names_find_the_comparison_between_them(db: Database) -> None:
    found = search(db, "chisel VS bell", now=NOW)
    assert names(found) == ["Chisel Pro", "Bellows"]
    assert found.comparisons[0].slug == "bellows-vs-chisel-pro"


def test_what_was_found_is_marked(db: Database) -> None:
    [hit] = search(db, "owners", now=NOW).hits
    assert hit.excerpt == (("It outlived three ", False), ("owners", True), (". Who carries it?", False))
    [hit] = search(db, "anvil", now=NOW).hits
    assert hit.excerpt == ()


def test_a_name_like_it_is_told_where_nothing_is_found(db: Database) -> None:
    assert search(db, "belows", now=NOW).nearest == "Bellows"
    assert search(db, "zzz", now=NOW) == Found()


@pytest.mark.parametrize(
    "typed",
    ['"', "anvil\"*", "NEAR(a b)", "a AND", "OR", "name:anvil", "^x", "-anvil", "(", "*", "%",
     "a" * 200, "+".join("abcdefghijklmno"), "'; DROP TABLE tools; --", "{x}", "·", "🙂", "\u0301", " vs ", "vs",
     "\u202e"],
)  # fmt: skip
def test_nothing_that_is_typed_is_read_as_a_query(db: Database, typed: str) -> None:
    search(db, typed, now=NOW)
    assert db.conn.execute("SELECT count(*) FROM tools").fetchone() == (6,)
