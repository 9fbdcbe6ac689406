from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.catalogue.names import slug_for, spelling_key
from digest.catalogue.records import schema

SLUG = re.compile(schema()["$defs"]["slug"]["pattern"])

# What a record may hold: no half surrogate pairs.
texts = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SmolVLM-3B", "smolvlm 3b"),
        ("SmolVLM-3B", "SmolVLM3B"),
        ("Café Code", "CAFE CODE"),
        ("Weights & Biases", "weights  biases"),
        ("GPT-5.1", "gpt 5 1"),
        ("Straße", "STRASSE"),
        ("ＤｅｅｐＬ", "deepl"),
        ("Hey_Gen", "HeyGen"),
        ("! \t ?", " ! ?\n"),
    ],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert spelling_key(one) == spelling_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Llama 3 8B", "Llama 38B"),
        ("Llama 3.1", "Llama 31"),
        ("C", "C++"),
        ("C", "C#"),
        ("SmolVLM", "SmolVLM2"),
        ("ハス", "バス"),
        ("!", "?"),
    ],
)
def test_what_tells_two_names_apart_stays(one: str, other: str) -> None:
    assert spelling_key(one) != spelling_key(other)


@given(texts)
def test_the_key_of_a_key_is_itself(name: str) -> None:
    assert spelling_key(spelling_key(name)) == spelling_key(name)


@given(texts)
def test_case_makes_no_other_name(name: str) -> None:
    assert spelling_key(name.casefold()) == spelling_key(name)


@given(texts, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_how_a_keyboard_composes_its_letters_makes_no_other_name(name: str, form: str) -> None:
    normal = unicodedata.normalize(form, name)  # type: ignore[arg-type]
    assert spelling_key(normal) == spelling_key(name)


@given(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1), st.sampled_from([" ", "-", "_", ".", " / "]))
def test_how_words_are_joined_makes_no_other_name(words: list[str], joint: str) -> None:
    assert spelling_key(joint.join(words)) == spelling_key("".join(words))


@given(texts.filter(str.strip))
def test_a_name_that_shows_has_a_key(name: str) -> None:
    assert spelling_key(name)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("SmolVLM-3B", "smolvlm-3b"),
        ("C++", "c-plus-plus"),
        ("C#", "c-sharp"),
        ("Weights & Biases", "weights-and-biases"),
        ("llama.cpp", "llama-cpp"),
        ("Café", "cafe"),
    ],
)
def test_a_slug_reads_like_the_name(name: str, slug: str) -> None:
    assert slug_for(name) == slug


def test_a_taken_slug_gets_the_next_number() -> None:
    assert slug_for("Pika", {"pika"}) == "pika-2"
    assert slug_for("Pika", {"pika", "pika-2", "pika-4"}) == "pika-3"


def test_a_name_without_letters_has_a_slug_of_its_own_that_stays() -> None:
    assert slug_for("🦙") == slug_for("🦙")
    assert slug_for("🦙") != slug_for("🐪")


def test_a_long_name_is_cut_between_words() -> None:
    slug = slug_for("Microsoft Azure " * 20)
    assert len(slug) <= 80
    assert set(slug.split("-")) == {"microsoft", "azure"}


@settings(deadline=None)
@given(texts, st.lists(texts))
def test_every_slug_is_one_the_schema_takes_and_free(name: str, others: list[str]) -> None:
    taken = {slug_for(other) for other in [*others, name]}
    slug = slug_for(name, taken)
    assert SLUG.fullmatch(slug)
    assert slug not in taken
