from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import errors
from digest.errors import DigestError, InputError, UnknownReferenceError, nearest


def test_an_input_error_names_file_line_and_field() -> None:
    error = InputError("is missing", file="tools.json", line=12, field="name")
    assert str(error) == "tools.json:12: name: is missing"
    assert (error.message, error.file, error.line, error.field) == ("is missing", "tools.json", 12, "name")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InputError("is empty"), "is empty"),
        (InputError("is empty", file="a.csv"), "a.csv: is empty"),
        (InputError("is empty", line=3), "input:3: is empty"),
        (InputError("is empty", field="name"), "name: is empty"),
        (UnknownReferenceError("there is no tool 'x'", file="a.csv", line=2), "a.csv:2: there is no tool 'x'"),
    ],
)
def test_what_is_not_known_of_the_place_is_left_out(error: InputError, text: str) -> None:
    assert str(error) == text


def test_every_error_of_ours_is_a_digest_error() -> None:
    ours = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(ours) >= 7
    assert all(issubclass(error, DigestError) for error in ours)


def test_the_likeliest_right_word_is_offered_in_its_own_spelling() -> None:
    assert nearest("PAYED", ["Free", "Freemium", "Paid"]) == "; did you mean 'Paid'?"
    assert nearest("fremium", ["free", "freemium", "paid"]) == "; did you mean 'freemium'?"


@pytest.mark.parametrize("right", [["free", "paid"], []])
def test_nothing_is_offered_where_nothing_comes_near(right: list[str]) -> None:
    assert nearest("kangaroo", right) == ""


@given(st.text(), st.lists(st.text()))
def test_an_offer_is_always_one_of_the_right_words(wrong: str, right: list[str]) -> None:
    assert nearest(wrong, right) in {"", *(f"; did you mean {word!r}?" for word in right)}
