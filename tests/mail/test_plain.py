"""Plain text fits into 72 cells of a terminal, loses no word, and has its figures in columns."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rich.cells import cell_len

from digest.mail import plain
from digest.mail.plain import WIDTH

LONG = "https://verdicts.example.com/compare/" + "some-tool-" * 9

WORDS = st.one_of(
    st.text("abc.,–é", min_size=1, max_size=30),
    st.text("字한ｱﾟ。", min_size=1, max_size=30),
    st.text("שלוםاब्ि\u0301", min_size=1, max_size=30),
    st.text("😀🎉👩\u200d💻✔\ufe0f", min_size=1, max_size=20),
)
"""Words of at most sixty cells, so that each fits into a line of its own, whatever its indent."""


def unspaced(text: str) -> str:
    return "".join(text.split())


# wrap


@given(st.lists(st.tuples(WORDS, st.sampled_from([" ", "  ", "\n", "\n\n"]))), st.integers(0, 4), st.integers(0, 4))
@hypothesis_settings(deadline=None)
def test_no_line_is_too_long_and_no_character_is_lost(parts: list[tuple[str, str]], indent: int, first: int) -> None:
    text = "".join(word + space for word, space in parts)
    lines = plain.wrap(text, indent, first).split("\n")
    assert [line for line in lines if cell_len(line) > WIDTH] == []
    assert unspaced("".join(lines)) == unspaced(text)


@given(st.text(max_size=300), st.integers(0, 4))
@hypothesis_settings(deadline=None)
def test_no_text_loses_more_than_white_space(text: str, indent: int) -> None:
    assert unspaced(plain.wrap(text, indent)) == unspaced(text)


@given(st.lists(st.text("ab", min_size=1, max_size=20), min_size=1))
def test_a_line_takes_as_many_words_as_fit(words: list[str]) -> None:
    lines = plain.wrap(" ".join(words)).split("\n")
    assert " ".join(lines).split() == words
    for line, following in pairwise(lines):
        assert len(line) + 1 + len(following.split(maxsplit=1)[0]) > WIDTH


def test_a_text_without_spaces_is_broken_where_a_line_is_full() -> None:
    lines = plain.wrap("没有空格的中文" * 20, 4).split("\n")
    assert [cell_len(line) for line in lines] == [72, 72, 72, 72, 12]


@pytest.mark.parametrize("sign", ["❤\ufe0f", "✔\ufe0f", "1\ufe0f\u20e3", "👩\u200d💻", "🇩🇪"])
@pytest.mark.parametrize("between", [" ", ""])
def test_signs_made_of_several_characters_fit_too(sign: str, between: str) -> None:
    lines = plain.wrap(between.join([sign] * 90)).split("\n")
    assert [cell_len(line) for line in lines if cell_len(line) > WIDTH] == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (LONG, [LONG]),
        (f"See {LONG} now", ["See", LONG, "now"]),
        (f"See\n{LONG}", ["See", LONG]),
        (f"中文 {LONG} 中文", ["中文", LONG, "中文"]),
    ],
)
def test_a_long_address_stays_whole(text: str, lines: list[str]) -> None:
    assert plain.wrap(text).split("\n") == lines


def test_indents() -> None:
    first, *rest = plain.wrap("word " * 40, 4, 2).split("\n")
    assert first.startswith("  word")
    assert len(rest) == 2
    assert all(line.startswith("    word") for line in rest)
    assert plain.wrap("word", 4) == "    word"
    assert plain.wrap("one\n\ntwo", 2) == "  one\n  two"
    assert plain.wrap("") == plain.wrap(" \n ") == ""


# columns


def test_figures_stand_to_the_right_of_their_column() -> None:
    rows = [["", "Panel ship", "Community", "Entry"], ["Left", "75%", "—", "Free"], ["Right tool", "100%", "3%", "—"]]
    assert plain.columns(rows, 2).split("\n") == [
        "              Panel ship  Community  Entry",
        "  Left               75%          —  Free",
        "  Right tool        100%         3%  —",
    ]


def test_wide_characters_take_two_cells() -> None:
    rows = [["", "P", "E"], ["工具", "75%", "Free"], ["😀é", "5%", "Paid"], ["abcd", "0%", "—"]]
    lines = plain.columns(rows).split("\n")
    assert {cell_len(line[: line.index("%") + 1]) for line in lines[1:]} == {9}
    assert lines[1:] == ["工具  75%  Free", "😀é    5%  Paid", "abcd   0%  —"]


@pytest.mark.parametrize("name", ["long name " * 20, "字" * 100, "é" * 100, "אב " * 60, "✔\ufe0f" * 60])
def test_a_long_name_is_cut_to_the_room_there_is(name: str) -> None:
    lines = plain.columns([["", "Panel ship", "Entry"], [name, "75%", "Freemium"], ["B", "5%", "Free"]], 2).split("\n")
    assert [cell_len(line) for line in lines if cell_len(line) > WIDTH] == []
    shown, _, figures = lines[1].partition("…")
    assert name.startswith(shown[2:])
    assert figures.split() == ["75%", "Freemium"]
    # As much as there is room for, to a wide character or a space.
    assert cell_len(lines[1]) >= WIDTH - 1


# tidy


def test_tidy() -> None:
    assert plain.tidy("\n\none  \n\n\n \t\n\ntwo\t\n\n") == "one\n\ntwo\n"
    assert plain.tidy("  indented\nlast") == "  indented\nlast\n"


@given(st.text(st.sampled_from("a \t\n")))
def test_tidying_twice_changes_nothing(text: str) -> None:
    once = plain.tidy(text)
    assert plain.tidy(once) == once
    assert unspaced(once) == unspaced(text)


# References


def test_addresses_are_numbered_in_their_order_each_once() -> None:
    ref = plain.References()
    assert [ref(address) for address in ("https://b", "https://a", "https://b", "https://c")] == [
        "[1]",
        "[2]",
        "[1]",
        "[3]",
    ]
    assert list(ref) == [("[1]", "https://b"), ("[2]", "https://a"), ("[3]", "https://c")]
    assert list(plain.References()) == []


def test_a_name_that_is_cut_does_not_turn_its_figures_round() -> None:
    row = plain.columns([["", "Panel ship"], ["\u2068" + "قلم" * 40 + "\u2069", "75%"]]).split("\n")[1]
    assert row.count("\u2068") == row.count("\u2069") == 1
    assert row.index("\u2069") < row.index("75%")
