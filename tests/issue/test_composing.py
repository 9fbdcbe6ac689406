"""The order, the forms, and the words above them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOW
from digest.catalogue.model import Comparison, Review, Reviewer, Tool, Votes
from digest.issue.collect import Collected
from digest.issue.compose import (
    PREHEADER_LENGTH,
    SUBJECT_LENGTH,
    compose,
    intro_for,
    preheader_for,
    subject_for,
    verdict_line,
)
from digest.mail.text import shorten

PANEL = [Reviewer(name.lower(), name, None, place) for place, name in enumerate(("Builder", "Skeptic", "Futurist"), 1)]


def tool(name: str, verdicts: str = "", votes: int = 0, stated: int | None = None) -> Tool:
    """A tool; `verdicts` has a letter a reviewer: + ship, - skip, ? not stated."""
    signs = {"+": "ship", "-": "skip", "?": None}
    reviews = tuple(
        Review(reviewer, signs[sign], "Quote.")  # type: ignore[arg-type]
        for reviewer, sign in zip(PANEL, verdicts, strict=False)
    )
    return Tool(name.lower(), name, None, None, None, "free", None, stated, None, reviews, Votes(votes, 0))


def comparison(number: int, left: Tool | None = None, right: Tool | None = None) -> Comparison:
    left, right = left or tool(f"L{number}"), right or tool(f"R{number}")
    return Comparison(number, f"c-{number}", left, right, NOW)


def collected(count: int, updated: int = 0) -> Collected:
    new = tuple(comparison(number) for number in range(count))
    return Collected(new, tuple(comparison(100 + number) for number in range(updated)))


def test_one_in_full_some_in_brief_the_rest_as_links() -> None:
    forms = [item.form for item in compose(collected(12), full=1, brief=8)]
    assert forms == ["full"] + ["brief"] * 8 + ["link"] * 3


def test_the_lead_is_what_readers_voted_on_most() -> None:
    loved = comparison(7, tool("A", votes=3))
    reviewed = comparison(8, tool("B", "+-+"))
    placed = compose(Collected((comparison(1), reviewed, loved), ()), full=1, brief=8)
    assert [item.comparison.slug for item in placed] == ["c-7", "c-8", "c-1"]


def test_updated_ones_come_last_and_never_alone() -> None:
    placed = compose(collected(2, updated=1), full=1, brief=8)
    assert [item.updated for item in placed] == [False, False, True]
    assert compose(collected(0, updated=1), full=1, brief=8) == ()


def test_what_was_left_out_is_kept_as_out() -> None:
    placed = compose(Collected((comparison(1),), (), (comparison(2),)), full=1, brief=8)
    assert [item.form for item in placed] == ["full", "out"]
    assert subject_for(placed) == "L1 vs R1: ship or skip?"


@pytest.mark.parametrize(
    ("left", "right", "line"),
    [
        ("+++", "+-+", "Panel ships A 3–0 and B 2–1."),
        ("+++", "--+", "Panel ships A 3–0, skips B 2–1."),
        ("+-", "--", "Panel is split on A 1–1, skips B 2–0."),
        ("???", "+++", "Panel ship: A 75%, B 100%."),
    ],
)
def test_the_verdict_in_one_line(left: str, right: str, line: str) -> None:
    assert verdict_line(comparison(1, tool("A", left, stated=75), tool("B", right))) == line


def test_a_dash_stands_for_a_figure_that_nobody_states() -> None:
    assert verdict_line(comparison(1, tool("A"), tool("B"))) == "Panel ship: A —, B —."


def test_the_subject_says_how_many_more_there_are() -> None:
    assert subject_for(compose(collected(2), full=1, brief=8)) == "L0 vs R0, and 1 more verdict"
    assert subject_for(compose(collected(6), full=1, brief=8)) == "L0 vs R0, and 5 more verdicts"


@given(st.text(min_size=1), st.text(min_size=1), st.integers(1, 40))
def test_the_subject_is_one_line_that_fits_whatever_the_names(left: str, right: str, count: int) -> None:
    first = comparison(0, tool("x"), tool("y"))
    first = replace(first, left=replace(first.left, name=left), right=replace(first.right, name=right))
    placed = compose(Collected((first,), ()), full=1, brief=8) * count
    subject = subject_for(placed)
    assert len(subject) <= SUBJECT_LENGTH
    assert len(subject.splitlines()) == 1
    preheader = preheader_for(placed)
    assert len(preheader) <= PREHEADER_LENGTH
    assert len(preheader.splitlines()) == 1


def test_a_name_from_right_to_left_does_not_turn_the_score_round() -> None:
    pair = comparison(1, tool("כלי", "+++"), tool("B", "+-+"))
    assert verdict_line(pair) == "Panel ships \u2068כלי\u2069 3–0 and B 2–1."
    subject = subject_for(compose(Collected((pair,), ()), full=1, brief=8))
    assert subject == "\u2068כלי\u2069 vs B: ship or skip?"


def test_a_short_name_leaves_its_room_to_a_long_one() -> None:
    long = "A Tool With Such A Long Official Name That Nobody Says It"
    placed = compose(Collected((comparison(1, tool(long), tool("B")),), ()), full=1, brief=8)
    assert subject_for(placed) == f"{shorten(long, 58)} vs B: ship or skip?"


def test_the_intro_counts_in_words_and_tells_of_updates() -> None:
    assert intro_for(compose(collected(1), full=1, brief=8)).startswith("One new pair of tools ")
    text = intro_for(compose(collected(6, updated=2), full=1, brief=8))
    assert text.startswith("Six new pairs of tools ")
    assert " Two earlier verdicts have changed and are marked “Updated”. What they would " in text
    assert intro_for(compose(collected(13, updated=1), full=1, brief=8)).startswith("13 new pairs")


@given(st.text(), st.integers(2, 200))
def test_shortening_never_exceeds_and_never_touches_what_fits(text: str, length: int) -> None:
    short = shorten(text, length)
    assert len(short) <= length
    assert short == text or short.endswith("…")
    if len(text) <= length:
        assert short == text
