"""Importing held against whole catalogues: the ones we were given, the sample, and generated ones."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.catalogue.file_import import FileReport
from digest.catalogue.importing import gather, import_files
from digest.catalogue.model import Comparison
from digest.catalogue.names import slug_for, spelling_key
from digest.catalogue.queries import count_catalogue, load_comparisons
from digest.resources import resource
from digest.store import Database, check_store, open_store

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REAL_PAGES = Path(__file__).parents[3] / "shared" / "pages"


@contextmanager
def new_store() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        db = open_store(Path(folder) / "digest.db", create=True)
        try:
            yield db
        finally:
            db.close()


def bring_in(db: Database, files: list[tuple[str, bytes]], *, days_later: int = 0) -> list[FileReport]:
    return import_files(db, files, now=NOW + timedelta(days=days_later), zone=ZoneInfo("Europe/Berlin"))


def gathered(*sources: Path) -> list[tuple[str, bytes]]:
    return gather([str(source) for source in sources], lambda: b"")


def all_unchanged(reports: list[FileReport]) -> bool:
    return all(change.outcome == "unchanged" for report in reports for change in report.changes)


def comparisons(db: Database) -> list[Comparison]:
    return load_comparisons(db, [id_ for (id_,) in db.conn.execute("SELECT id FROM comparisons")])


# The pages the project was given ------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL_PAGES.is_dir(), reason="the real pages are not on this machine")
def test_the_real_pages_make_one_catalogue_and_again_change_nothing() -> None:
    with new_store() as db:
        reports = bring_in(db, gathered(REAL_PAGES))
        assert [report.error for report in reports] == [None, None]
        assert count_catalogue(db) == {"tools": 3, "reviewers": 4, "reviews": 12, "comparisons": 2}
        again = bring_in(db, gathered(REAL_PAGES), days_later=1)
        assert all_unchanged(again)
        assert [report.count("unchanged") for report in again] == [{"tools": 2, "reviews": 8, "comparisons": 1}] * 2


@pytest.mark.skipif(not REAL_PAGES.is_dir(), reason="the real pages are not on this machine")
def test_the_real_pages_keep_their_figures_and_the_panels_order() -> None:
    with new_store() as db:
        bring_in(db, gathered(REAL_PAGES))
        found = comparisons(db)
        tools = {tool.name: tool for shown in found for tool in (shown.left, shown.right)}
        assert {tool.name: (tool.panel_ship, tool.community, tool.entry) for tool in tools.values()} == {
            "SmolVLM2 Turbo": (100, None, "free"),
            "SmolVLM-3B": (75, None, "free"),
            "Perplexity Sonar Pro 2 API": (75, None, "paid"),
        }
        for shown in found:
            names = [row.reviewer.name for row in shown.scorecard]
            assert names == ["Builder", "Skeptic", "Futurist", "Founder"]
            assert all(row.left and row.right for row in shown.scorecard)
        assert {review.verdict for tool in tools.values() for review in tool.reviews} == {None}
        # The file's name is the address of its page.
        assert {shown.slug for shown in found} == {page.stem for page in REAL_PAGES.iterdir()}


# The sample ---------------------------------------------------------------------------------------------------


def test_the_sample_catalogue_comes_in_whole_and_again_changes_nothing() -> None:
    sample = gathered(resource("db", "sample"))
    with new_store() as db:
        reports = bring_in(db, sample)
        assert [str(report.error) for report in reports if report.error] == []
        counts = count_catalogue(db)
        assert counts["tools"] >= 24
        assert counts["comparisons"] == 30
        assert db.conn.execute("SELECT count(DISTINCT category) FROM tools").fetchone()[0] >= 6
        assert all_unchanged(bring_in(db, sample, days_later=1))
        assert check_store(db) == []


def test_every_tool_of_the_sample_has_four_to_seven_reviews_and_an_entry() -> None:
    with new_store() as db:
        bring_in(db, gathered(resource("db", "sample")))
        tools = dict(db.conn.execute("SELECT id, slug FROM tools").fetchall())
        reviews = Counter(tool for (tool,) in db.conn.execute("SELECT tool FROM reviews"))
        assert {tools[tool]: reviews[tool] for tool in tools if not 4 <= reviews[tool] <= 7} == {}
        assert db.conn.execute("SELECT slug FROM tools WHERE entry IS NULL OR tagline IS NULL").fetchall() == []


def test_every_comparison_of_the_sample_is_whole() -> None:
    with new_store() as db:
        bring_in(db, gathered(resource("db", "sample")))
        for shown in comparisons(db):
            assert shown.published_at < NOW
            assert shown.left.panel_ship is not None
            assert shown.right.panel_ship is not None
            assert len(shown.scorecard) >= 4


# Generated catalogues -----------------------------------------------------------------------------------------

texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u202d\u202e"), min_size=1, max_size=20
)
shown_texts = texts.filter(str.strip)
names = st.lists(shown_texts, unique_by=(spelling_key, slug_for), min_size=1, max_size=4)
percents = st.none() | st.integers(0, 100)


@st.composite
def catalogues(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Make a catalogue that states everything once, so that it does not contradict itself."""
    tools, reviewers = draw(names), draw(names)
    pairs = [(left, right) for left in tools for right in tools if left != right]
    some = draw(st.permutations(pairs))[: draw(st.integers(0, 3))]
    verdicts = st.sampled_from(["ship", "skip"])
    tool_fields = st.fixed_dictionaries(
        {},
        optional={
            "tagline": st.none() | texts,
            "category": st.none() | texts,
            "description": st.none() | texts,
            "entry": st.sampled_from(["free", "freemium", "paid", None]),
            "panel_ship": percents,
            "community": percents,
        },
    )
    times = st.sampled_from([{}, {"published_at": "-3d"}, {"published_at": "2026-11-26"}])
    return {
        "reviewers": [{"name": name, **draw(st.sampled_from([{}, {"position": 2}]))} for name in reviewers],
        "tools": [{"name": name, **draw(tool_fields)} for name in tools],
        "reviews": [
            {"tool": tool, "reviewer": reviewer, "verdict": draw(st.none() | verdicts), "quote": draw(shown_texts)}
            for tool in tools
            for reviewer in reviewers
            if draw(st.booleans())
        ],
        "comparisons": [{"left": left, "right": right, **draw(times)} for left, right in some],
        "votes": [{"tool": tool, "voter": "v1", "verdict": draw(verdicts)} for tool in tools if draw(st.booleans())],
    }


def as_json(catalogue: dict[str, list[dict[str, Any]]]) -> tuple[str, bytes]:
    return "all.json", json.dumps(catalogue).encode()


def as_lines(catalogue: dict[str, list[dict[str, Any]]]) -> tuple[str, bytes]:
    lines = [{"type": kind.removesuffix("s"), **item} for kind, items in catalogue.items() for item in items]
    return "all.jsonl", "\n".join(json.dumps(line) for line in reversed(lines)).encode()


@settings(max_examples=25, deadline=None)
@given(catalogues())
def test_importing_twice_changes_nothing_the_second_time(catalogue: dict[str, list[dict[str, Any]]]) -> None:
    with new_store() as db:
        [report] = bring_in(db, [as_json(catalogue)])
        assert report.error is None
        assert report.count("added") == {kind: len(items) for kind, items in catalogue.items() if items}
        [again] = bring_in(db, [as_lines(catalogue)], days_later=1)
        assert again.error is None
        assert all_unchanged([again])
        assert again.notes == []


@settings(max_examples=25, deadline=None)
@given(catalogues(), st.permutations(["reviewers", "tools", "reviews", "comparisons", "votes"]))
def test_a_catalogue_in_many_files_in_any_order_is_the_same_as_in_one(
    catalogue: dict[str, list[dict[str, Any]]], order: list[str]
) -> None:
    with new_store() as whole, new_store() as parts:
        bring_in(whole, [as_json(catalogue)])
        reports = bring_in(parts, [(f"{k}.json", json.dumps({k: catalogue[k]}).encode()) for k in order])
        assert [report.error for report in reports if report.error] == []
        assert count_catalogue(parts) == count_catalogue(whole)
        assert all_unchanged(bring_in(parts, [as_json(catalogue)], days_later=1))


# Few names in many spellings, so that they collide and contradict each other as much as they can.
few_names = st.sampled_from(["a", "A", "à", "b", "b c", "BC", "b-c", " a ", "Builder", "builder", "Bulider", "n"])
few_slugs = st.sampled_from(["a", "b", "b-c", "a-vs-b"])
tangled = {
    "reviewers": st.fixed_dictionaries(
        {"name": few_names}, optional={"slug": few_slugs, "stance": st.none() | texts, "position": st.integers(1, 5)}
    ),
    "tools": st.fixed_dictionaries(
        {"name": few_names},
        optional={
            "slug": few_slugs,
            "tagline": st.none() | texts,
            "reviews": st.lists(st.fixed_dictionaries({"reviewer": few_names, "quote": texts}), max_size=2),
        },
    ),
    "reviews": st.fixed_dictionaries({"tool": few_names, "reviewer": few_names, "quote": texts}),
    "comparisons": st.fixed_dictionaries(
        {"left": few_names, "right": few_names},
        optional={"slug": few_slugs, "published_at": st.sampled_from(["-3d", "2026-03-29 02:30", "0001-01-01"])},
    ),
    "votes": st.fixed_dictionaries({"tool": few_names, "voter": few_names, "verdict": st.sampled_from(["ship"])}),
}
tangles = st.fixed_dictionaries({}, optional={kind: st.lists(item, max_size=3) for kind, item in tangled.items()})


@settings(max_examples=80, deadline=None)
@given(st.lists(tangles, min_size=1, max_size=3))
def test_any_tangle_of_names_goes_in_or_is_refused_and_the_store_stays_sound(documents: list[dict[str, Any]]) -> None:
    files = [(f"{number}.json", json.dumps(document).encode()) for number, document in enumerate(documents)]
    with new_store() as db:
        for report in bring_in(db, files):
            assert not (report.error and report.changes)
        assert check_store(db) == []
        keys = [spelling_key(name) for (name,) in db.conn.execute("SELECT name FROM reviewers")]
        assert len(keys) == len(set(keys))
        assert len(comparisons(db)) == count_catalogue(db)["comparisons"]
