from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.catalogue.importing import import_files
from digest.catalogue.model import Comparison, Votes
from digest.catalogue.queries import count_catalogue, load_comparisons
from digest.store import Database, open_store

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

CATALOGUE = {
    "reviewers": [
        {"name": "Zoe", "stance": "Asks who pays.", "position": 1},
        {"name": "Bob", "position": 2},
        {"name": "Ann", "position": 2},
    ],
    "tools": [
        {
            "name": "Anvil",
            "tagline": "Stays put",
            "category": "Striking",
            "description": "Heavy.",
            "entry": "paid",
            "url": "https://anvil.example",
            "panel_ship": 10,
            "community": 20,
            "reviews": [
                {"reviewer": "Bob", "verdict": "ship", "quote": "Good."},
                {"reviewer": "Ann", "verdict": "skip", "quote": "Heavy."},
                {"reviewer": "Zoe", "quote": "Who carries it?"},
            ],
        },
        {"name": "Bellows", "panel_ship": 75, "community": 41},
    ],
    "comparisons": [{"left": "Anvil", "right": "Bellows", "published_at": "-3d"}],
    "votes": [
        {"tool": "Anvil", "voter": "v1", "verdict": "ship"},
        {"tool": "Anvil", "voter": "v2", "verdict": "ship"},
        {"tool": "Anvil", "voter": "v3", "verdict": "skip"},
    ],
}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = open_store(tmp_path / "digest.db", create=True)
    yield store
    store.close()


def bring_in(db: Database, catalogue: dict[str, object]) -> None:
    [report] = import_files(db, [("all.json", json.dumps(catalogue).encode())], now=NOW, zone=ZoneInfo("UTC"))
    assert report.error is None


def ids(db: Database) -> dict[str, int]:
    return dict(db.conn.execute("SELECT slug, id FROM comparisons").fetchall())


@pytest.fixture
def comparison(db: Database) -> Comparison:
    bring_in(db, dict(CATALOGUE))
    [found] = load_comparisons(db, ids(db).values())
    return found


def test_an_empty_store_counts_nothing(db: Database) -> None:
    assert count_catalogue(db) == {"tools": 0, "reviewers": 0, "reviews": 0, "comparisons": 0}


def test_every_part_of_the_catalogue_is_counted(db: Database) -> None:
    bring_in(db, dict(CATALOGUE))
    assert count_catalogue(db) == {"tools": 2, "reviewers": 3, "reviews": 3, "comparisons": 1}


def test_a_comparison_is_loaded_with_all_that_is_known_of_its_tools(comparison: Comparison) -> None:
    assert (comparison.slug, comparison.title) == ("anvil-vs-bellows", "Anvil vs Bellows")
    assert comparison.published_at == datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
    left = comparison.left
    assert (left.slug, left.name, left.tagline, left.category) == ("anvil", "Anvil", "Stays put", "Striking")
    assert (left.description, left.entry, left.url) == ("Heavy.", "paid", "https://anvil.example")
    assert (left.stated_panel_ship, left.stated_community, left.votes) == (10, 20, Votes(ship=2, skip=1))


def test_votes_come_before_the_stated_figure_and_verdicts_do_where_all_are_stated(comparison: Comparison) -> None:
    assert (comparison.left.panel_ship, comparison.left.community) == (10, 67)
    assert (comparison.right.panel_ship, comparison.right.community) == (75, 41)
    assert comparison.right.votes == Votes()


def test_reviews_come_in_the_panels_order_and_by_slug_where_two_share_a_place(comparison: Comparison) -> None:
    found = [(review.reviewer.name, review.verdict, review.quote) for review in comparison.left.reviews]
    assert found == [("Zoe", None, "Who carries it?"), ("Ann", "skip", "Heavy."), ("Bob", "ship", "Good.")]
    assert comparison.left.reviews[0].reviewer.stance == "Asks who pays."
    assert comparison.right.reviews == ()


def test_comparisons_come_in_the_order_they_are_asked_for(db: Database) -> None:
    names = ["Anvil", "Bellows", "Chisel"]
    pairs = [{"left": left, "right": right} for left in names for right in names if left != right]
    bring_in(db, {"tools": [{"name": name} for name in names], "comparisons": pairs})
    wanted = sorted(ids(db).values(), reverse=True)
    assert [found.id for found in load_comparisons(db, wanted)] == wanted
    assert load_comparisons(db, []) == []


def test_more_comparisons_than_fit_one_query_are_loaded(db: Database) -> None:
    names = [f"Tool no. {number}" for number in range(1101)]
    pairs = [{"left": names[0], "right": name} for name in names[1:]]
    bring_in(db, {"tools": [{"name": name} for name in names], "comparisons": pairs})
    found = load_comparisons(db, ids(db).values())
    assert {comparison.right.name for comparison in found} == set(names[1:])
