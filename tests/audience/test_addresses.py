"""Addresses and names: what is taken, and what makes two spellings one mailbox."""

from __future__ import annotations

import unicodedata

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from digest.audience.addresses import NAME_LENGTH, read_address, read_name, sending_address
from digest.errors import InputError

# Strings that are nearly addresses, most of them: what the fast path must not be lenient with.
ODD_LABELS = [
    *("example", "test", "invalid", "localhost", "local", "arpa", "onion", "com", "org", "c0m", "x-", "-x", ""),
    *("xn--bcher-kva", "xn--", "ab--cd", "a_b", "bücher", "BÜCHER", "例え", "\u212a", "ſ", "ı", "1", "[127.0.0.1]"),
    "a" * 63,
    "a" * 64,
]
ODD_LOCALS = [
    *("ada", "Ada.Lovelace", "ada+news", ".ada", "ada.", "a..b", "o'brien", "müller", "ſmith", "\u212aelvin"),
    *('"ada"', "a b", "postmaster", "POSTMASTER", "", "{a}", "=1", "a\n"),
    "a" * 64,
    "a" * 65,
]
labels = st.sampled_from(ODD_LABELS) | st.text("abzAZ09-_.", max_size=6)
locals_ = st.sampled_from(ODD_LOCALS) | st.text("abzAZ09._+-'@ ", max_size=8)
near_addresses = st.builds(
    lambda local, at, labels: local + at + ".".join(labels),
    locals_,
    st.sampled_from(["@"] * 8 + ["", "@@", " @"]),
    st.lists(labels, min_size=1, max_size=4),
)
addresses = st.emails() | st.builds(
    lambda local, labels: f"{local}@{'.'.join([*labels, 'example.org'])}",
    st.sampled_from(["ada", "Ada.Lovelace", "ada+news", "müller", "o'brien", "=1"]),
    st.lists(st.sampled_from(["bücher", "MÜNCHEN", "例え", "mail", "News-4"]), max_size=2),
)


def key(text: str) -> str:
    return read_address(text).key


def refused(text: str) -> str:
    with pytest.raises(InputError) as error:
        read_address(text)
    assert error.value.field == "email"
    return error.value.message


# Addresses -----------------------------------------------------------------------------------------------------------


@hypothesis_settings(deadline=None)
@given(near_addresses | st.text(max_size=30))
@example("ſmith@example.org")
@example("ada@ſtore.example.org")
@example("ada@\u212aelvin.org")
@example("ada@example.test")
@example("ada@example.EXAMPLE")
@example("ada@127.0.0.1")
@example(f"ada@{'a' * 63}.org")
@example(f"{'a' * 64}@example.org")
@example("ada@xn--zzzzzz.org")
@example("ada@ab--cd.org")
def test_nothing_is_taken_that_the_validator_refuses_and_keys_are_its_own(text: str) -> None:
    try:
        address = read_address(text)
    except InputError:
        return
    found = validate_email(text.strip(), check_deliverability=False, strict=True)
    assert address.key == f"{found.local_part.lower()}@{found.ascii_domain.lower()}"


@pytest.mark.parametrize(
    "text",
    ["ada@example.org", "Ada.Lovelace@Example.ORG", "ada+news@mail.example.org", "a@b.co", "o'brien@example.org",
     "!#$%&'*+-/=?^_`{|}~@example.org", "müller@bücher.example.org", "post@例え.example.com",
     f"{'a' * 64}@example.org", f"ada@{'a' * 63}.org", f"ada@{'a.' * 80}org"],
)  # fmt: skip
def test_an_address_keeps_its_readers_spelling(text: str) -> None:
    assert read_address(f"  {text}\n").email == text


@pytest.mark.parametrize(
    "text",
    ["", "ada", "ada@", "@example.org", "ada@example", "ada@@example.org", "ada lovelace@example.org",
     "ada@exa mple.org", ".ada@example.org", "ada.@example.org", "a..a@example.org", "ada@example..org",
     "ada@-example.org", "ada@example-.org", "ada@exam_ple.org", "ada@example.org.", "ada@.example.org",
     "ada@example.test", "ada@example.invalid", "ada@example.localhost", "ada@printer.local", "ada@abc.onion",
     "ada@10.in-addr.arpa", "ada@127.0.0.1", "ada@[127.0.0.1]", "Ada <ada@example.org>", "ada@xn--zzzzzz.org",
     "ada@example.org\nbcc: all@example.org", "ada@example.org\0", "a\u202eda@example.org", "\udcff@example.org",
     f"{'a' * 65}@example.org", f"ada@{'a' * 64}.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_repeated_to_the_reader(text: str) -> None:
    message = refused(text)
    assert message.startswith(f"{text.strip()!r} is not an email address: ")
    assert "\n" not in message


def test_an_address_may_have_254_characters() -> None:
    longest = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 57}.org"
    assert len(longest) == 254
    assert read_address(longest).email == longest
    assert "too long" in refused(longest.replace(".org", "e.org"))


@hypothesis_settings(deadline=None)
@given(addresses)
def test_all_spellings_of_a_mailbox_have_one_key(text: str) -> None:
    try:
        address = read_address(text)
    except InputError:
        return
    local, _, domain = address.email.rpartition("@")
    for spelling in (address.email, address.key, f"{local.upper()}@{domain}", f"{local}@{domain.upper()}"):
        assert key(spelling) == address.key
    assert address.key.rpartition("@")[2].isascii()
    assert address.key == address.key.lower()


def test_case_and_the_form_of_the_domain_make_no_other_mailbox() -> None:
    assert len({key("ada@example.org"), key("ADA@Example.Org"), key(" Ada@EXAMPLE.ORG ")}) == 1
    idn = {key("MÜLLER@Bücher.example.org"), key("müller@xn--bcher-kva.example.org"),
           key("Müller@XN--BCHER-KVA.EXAMPLE.ORG"), key("mu\u0308ller@bu\u0308cher.example.org")}  # fmt: skip
    assert idn == {"müller@xn--bcher-kva.example.org"}


def test_tags_and_dots_make_another_mailbox() -> None:
    assert len({key("adalovelace@example.org"), key("ada.lovelace@example.org"), key("ada+lovelace@example.org")}) == 3


@hypothesis_settings(deadline=None)
@given(addresses)
def test_the_envelope_has_the_local_part_as_it_is_and_the_domain_in_ascii(text: str) -> None:
    try:
        address = read_address(text)
    except InputError:
        return
    local, _, domain = sending_address(address.email).rpartition("@")
    assert local == address.email.rpartition("@")[0]
    assert domain.isascii()
    assert key(f"{local}@{domain}") == address.key
    with_unicode = validate_email(f"{local}@{domain}", check_deliverability=False)
    assert with_unicode.domain.lower() == validate_email(address.email, check_deliverability=False).domain.lower()


def test_an_address_goes_on_the_envelope_as_it_was_written() -> None:
    assert sending_address("Ada.Lovelace@Example.ORG") == "Ada.Lovelace@Example.ORG"
    assert sending_address("Ada@bücher.example.org") == "Ada@xn--bcher-kva.example.org"
    assert sending_address("müller@example.org") == "müller@example.org"


def test_the_reserved_domains_are_those_the_validator_refuses() -> None:
    for domain in ("test", "invalid", "localhost", "local", "arpa", "onion"):
        with pytest.raises(EmailNotValidError):
            validate_email(f"ada@mail.{domain}", check_deliverability=False)
        refused(f"ada@mail.{domain.upper()}")


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  Ada \t\r\n Lovelace ", "Ada Lovelace"),
        ("Ada\x00Lovelace\x1b[31m", None),  # what is left of the escape code has a bracket
        ("Ada\x07Lovelace", "Ada Lovelace"),
        ("Ada\u2028Lovelace\u2029", "Ada Lovelace"),
        ("\u202eAda\u200b", "Ada"),
        ("👩\u200d💻 Ada", "👩\u200d💻 Ada"),
        ("Dr. J.-L. O'Brien, Jr.", "Dr. J.-L. O'Brien, Jr."),
        ("通义千问 ليلى Νίκος", "通义千问 ليلى Νίκος"),
        ("Ada & Co/Partners", "Ada & Co/Partners"),
        ("a" * NAME_LENGTH, "a" * NAME_LENGTH),
        ("a" * (NAME_LENGTH + 1), None),
        ("", None),
        (None, None),
        (" \t\u200b ", None),
        ("see https://evil.example", None),
        ("HTTP:evil", None),
        ("www.evil.example", None),
        ("evil.example/win", None),
        ("ada@example.org", None),
        ("<b>Ada</b>", None),
        ("{{ unsubscribe }}", None),
        ("[click]", None),
        ("J\udcfcrgen", None),
    ],
)
def test_a_name_is_fit_to_greet_with_or_none(written: str | None, read: str | None) -> None:
    assert read_name(written) == read


@hypothesis_settings(deadline=None)
@given(st.text(st.characters(), max_size=120))
def test_a_name_is_one_line_that_can_be_stored_and_is_read_again_as_it_is(text: str) -> None:
    name = read_name(text)
    if name is not None:
        assert 0 < len(name) <= NAME_LENGTH
        assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") for c in name)
        assert not set(name) & set("<>@[]{}")
        assert name.encode()
        assert read_name(name) == name
