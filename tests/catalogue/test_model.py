from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.catalogue.model import Comparison, Review, Reviewer, Tool, Verdict, Votes, percent

ANN = Reviewer("ann", "Ann", None, 2)
BOB = Reviewer("bob", "Bob", "Doubts.", 1)
NO_VOTES = Votes()
EVE = Reviewer("eve", "Eve", None, 2)


def tool(slug: str, *verdicts: Verdict | None, votes: Votes = NO_VOTES, **stated: int) -> Tool:
    reviews = tuple(Review(who, verdict, "…") for who, verdict in zip((ANN, BOB, EVE), verdicts, strict=False))
    return Tool(
        slug,
        slug.title(),
        tagline=None,
        category=None,
        description=None,
        entry="free",
        url=None,
        stated_panel_ship=stated.get("panel_ship"),
        stated_community=stated.get("community"),
        reviews=reviews,
        votes=votes,
    )


def comparison(left: Tool, right: Tool) -> Comparison:
    return Comparison(1, "a-vs-b", left, right, datetime(2026, 11, 21, tzinfo=UTC))


parts_and_wholes = st.integers(1, 10**6).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole)))


@given(parts_and_wholes)
def test_percent_is_the_nearest_whole_number_halves_up(figures: tuple[int, int]) -> None:
    part, whole = figures
    found = percent(part, whole)
    assert found is not None
    assert Fraction(-1, 2) < found - Fraction(100 * part, whole) <= Fraction(1, 2)


@given(parts_and_wholes)
def test_percent_stays_between_0_and_100(figures: tuple[int, int]) -> None:
    part, whole = figures
    assert percent(0, whole) == 0
    assert percent(whole, whole) == 100
    assert percent(part, whole) in range(101)


@pytest.mark.parametrize(("part", "whole", "expected"), [(3, 4, 75), (1, 3, 33), (2, 3, 67), (1, 8, 13), (1, 200, 1)])
def test_percent_of_known_figures(part: int, whole: int, expected: int) -> None:
    assert percent(part, whole) == expected


def test_percent_of_nothing_is_the_stated_figure_or_none() -> None:
    assert percent(0, 0) is None
    assert percent(0, 0, otherwise=75) == 75


def test_panel_ship_is_the_share_of_the_stated_verdicts() -> None:
    shown = tool("a", "ship", "skip", None)
    assert (shown.ships, shown.skips, shown.panel_ship) == (1, 1, 50)
    assert tool("a", "ship", "skip", panel_ship=99).panel_ship == 50


def test_a_stated_figure_holds_while_some_verdicts_are_not_stated() -> None:
    shown = tool("a", "skip", None, None, None, panel_ship=75)
    assert (shown.panel_ship, shown.is_judged) == (75, False)


def test_without_verdicts_panel_ship_is_what_the_source_states() -> None:
    assert tool("a", None, None, panel_ship=75).panel_ship == 75
    assert tool("a", None, None).panel_ship is None


def test_community_is_the_share_of_the_votes() -> None:
    assert tool("a", votes=Votes(2, 1), community=10).community == 67
    assert tool("a", votes=Votes(0, 3), community=10).community == 0


def test_without_votes_community_is_what_the_source_states() -> None:
    assert tool("a", community=41).community == 41
    assert tool("a").community is None


def test_a_comparison_is_called_by_both_names_and_counts_both_votes() -> None:
    shown = comparison(tool("a", votes=Votes(2, 1)), tool("b", votes=Votes(0, 4)))
    assert shown.title == "A vs B"
    assert shown.votes == 7


def test_the_scorecard_has_every_reviewer_of_either_tool_in_the_panels_order() -> None:
    left = tool("a", "ship", "skip")
    right = replace(tool("b"), reviews=(Review(EVE, "ship", "…"), Review(BOB, None, "…")))
    rows = comparison(left, right).scorecard
    assert [(row.reviewer.name, row.left is not None, row.right is not None) for row in rows] == [
        ("Bob", True, True),
        ("Ann", True, False),
        ("Eve", False, True),
    ]


def test_other_words_are_no_news() -> None:
    old = comparison(tool("a", "ship", "skip"), tool("b", None, panel_ship=75))
    reviews = tuple(replace(review, quote="Put in other words.") for review in old.left.reviews)
    left = replace(old.left, reviews=reviews, tagline="New!", description="New!", name="Aaa", votes=Votes(9, 0))
    assert comparison(left, old.right).substance == old.substance


def test_another_order_of_the_panel_is_no_news() -> None:
    old = comparison(tool("a", "ship", "skip"), tool("b", "skip", "ship"))
    left, right = (replace(one, reviews=one.reviews[::-1]) for one in (old.left, old.right))
    assert comparison(left, right).substance == old.substance
    assert comparison(left, right).has_substance(old.substance)


@pytest.mark.parametrize(
    "left",
    [
        tool("a", "ship", "ship"),
        tool("a", "skip", "ship"),
        tool("a", "ship", "skip", "ship"),
        replace(tool("a", "ship", "skip"), entry="paid"),
        tool("c", "ship", "skip"),
    ],
)
def test_other_verdicts_or_another_entry_are_news(left: Tool) -> None:
    right = tool("b", None, panel_ship=75)
    assert comparison(left, right).substance != comparison(tool("a", "ship", "skip"), right).substance


def test_another_stated_panel_ship_is_news() -> None:
    left = tool("a", "ship")
    assert comparison(left, tool("b", panel_ship=50)).substance != comparison(left, tool("b", panel_ship=75)).substance
