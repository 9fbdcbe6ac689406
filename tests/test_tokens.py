"""Tokens: what was signed is read back, and nothing else is."""

from __future__ import annotations

import hmac
import string
import struct
from base64 import urlsafe_b64decode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.errors import DigestError
from digest.tokens import TOKEN_LENGTH, Purpose, Signer, TokenError

SIGNER = Signer(b"k" * 32)
PURPOSES: tuple[Purpose, ...] = ("copy", "message")
ALPHABET = string.ascii_letters + string.digits + "-_"

numbers = st.integers(0, 2**32 - 1)
purposes = st.sampled_from(PURPOSES)
tokens = st.builds(lambda first, second: SIGNER.sign("copy", first, second), numbers, numbers)


def refused(token: str, purpose: Purpose = "copy", signer: Signer = SIGNER) -> None:
    with pytest.raises(TokenError, match="not whole or not ours"):
        signer.read(purpose, token)


@given(purposes, numbers, numbers)
@example("copy", 0, 0)
@example("message", 2**32 - 1, 2**32 - 1)
def test_a_token_gives_back_its_numbers(purpose: Purpose, first: int, second: int) -> None:
    token = SIGNER.sign(purpose, first, second)
    assert len(token) == TOKEN_LENGTH
    assert set(token) <= set(ALPHABET)
    assert SIGNER.read(purpose, token) == (first, second)
    assert Signer(b"k" * 32).sign(purpose, first, second) == token


@given(numbers, numbers)
def test_a_token_is_bound_to_its_purpose_and_its_key(first: int, second: int) -> None:
    refused(SIGNER.sign("copy", first, second), "message")
    refused(SIGNER.sign("message", first, second), "copy")
    refused(SIGNER.sign("copy", first, second), signer=Signer(b"K" * 32))


@given(tokens, st.integers(0, TOKEN_LENGTH - 1), st.characters())
def test_a_token_with_any_one_character_changed_is_refused(token: str, place: int, character: str) -> None:
    changed = token[:place] + character + token[place + 1 :]
    if changed != token:
        refused(changed)


def test_no_character_of_the_first_planes_stands_for_another() -> None:
    token = SIGNER.sign("copy", 4_194_304_000, 4_294_967_295)
    assert "-" in token or "_" in token
    for place in range(TOKEN_LENGTH):
        for character in map(chr, range(0x250)):
            if character != token[place]:
                refused(token[:place] + character + token[place + 1 :])


@given(tokens.filter(lambda token: "-" in token or "_" in token))
def test_the_other_base64_alphabet_is_refused(token: str) -> None:
    refused(token.translate(str.maketrans("-_", "+/")))


@given(tokens, st.integers(0, TOKEN_LENGTH - 1), st.text(max_size=3))
@example("A" * TOKEN_LENGTH, 0, "=")
def test_a_cut_or_lengthened_token_is_refused(token: str, place: int, more: str) -> None:
    refused(token[:place])
    refused(token[:place] + token[place + 1 :])
    for lengthened in (token + more, more + token, token[:place] + more + token[place:]):
        if lengthened != token:
            refused(lengthened)


@given(st.text(max_size=40) | st.text(ALPHABET + "+/=\n ", min_size=TOKEN_LENGTH, max_size=TOKEN_LENGTH))
@example("")
@example("\ud800" * TOKEN_LENGTH)
@example("é" * TOKEN_LENGTH)
@example("A" * 22 + "==")
@example("A" * TOKEN_LENGTH)
def test_what_nobody_signed_is_refused(text: str) -> None:
    refused(text)


@given(purposes, numbers, st.lists(numbers, max_size=20))
def test_many_tokens_at_once_are_those_made_one_by_one(purpose: Purpose, first: int, seconds: list[int]) -> None:
    assert SIGNER.sign_all(purpose, first, seconds) == [SIGNER.sign(purpose, first, second) for second in seconds]
    assert SIGNER.sign_all(purpose, first, iter(seconds)) == SIGNER.sign_all(purpose, first, tuple(seconds))


def test_many_tokens_are_read_back_and_are_unlike_each_other() -> None:
    made = SIGNER.sign_all("copy", 7, range(5_000))
    assert len(set(made)) == 5_000
    assert [SIGNER.read("copy", token) for token in made] == [(7, second) for second in range(5_000)]


@pytest.mark.parametrize(("first", "seconds"), [(-1, [1]), (2**32, [1]), (1, [1, 2**32]), (1, [-1])])
def test_a_number_that_has_no_room_is_not_cut_to_fit(first: int, seconds: list[int]) -> None:
    with pytest.raises(struct.error):
        SIGNER.sign_all("copy", first, seconds)


@given(purposes, numbers, numbers)
def test_a_token_s_code_is_the_hmac_of_its_numbers(purpose: Purpose, first: int, second: int) -> None:
    """Against the standard library: ours hashes the two halves of a key once."""
    content = urlsafe_b64decode(SIGNER.sign(purpose, first, second))
    own_key = hmac.digest(b"k" * 32, f"digest token: {purpose}".encode(), "sha256")
    assert content[:8] == struct.pack(">II", first, second)
    assert content[8:] == hmac.digest(own_key, content[:8], "sha256")[:10]


@given(st.text(string.hexdigits, max_size=16), st.text(string.hexdigits, max_size=16), numbers, numbers)
def test_tokens_of_another_salt_are_refused(salt: str, other: str, first: int, second: int) -> None:
    token = SIGNER.salted(salt).sign("message", first, second)
    assert SIGNER.salted(salt).read("message", token) == (first, second)
    assert Signer(b"k" * 32).salted(salt).sign("message", first, second) == token
    refused(token, "message")
    if other != salt:
        refused(token, "message", SIGNER.salted(other))


def test_a_refusal_is_something_to_tell_the_reader() -> None:
    assert issubclass(TokenError, DigestError)
