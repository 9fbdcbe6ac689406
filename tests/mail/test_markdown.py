from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail.markdown import blocks, groups, words_of
from digest.mail.plain import References


def html(text: str) -> str:
    return "\n".join(block.html for block in blocks(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("one\ntwo", "one\ntwo"),
        ("**bold** and *soft*", "<strong>bold</strong> and <em>soft</em>"),
        ("**over\ntwo lines**", "<strong>over</strong>\n<strong>two lines</strong>"),
        ("`a*b*`", "<code>a*b*</code>"),
        ("[words](https://a.example/?x=1&y=2)", '<a href="https://a.example/?x=1&amp;y=2">words</a>'),
        ("see https://a.example/x.", 'see <a href="https://a.example/x">https://a.example/x</a>.'),
        ("[write](mailto:a@example.com)", '<a href="mailto:a@example.com">write</a>'),
        ("- one\n- two\n  more", "one\ntwo more"),
        ("# no heading", "# no heading"),
        ("claude.ai vs 3.5", "claude.ai vs 3.5"),
        ("a & b < c \u00a0", "a &amp; b &lt; c"),
        ("", ""),
    ],
)
def test_what_it_makes_of_markdown(text: str, shown: str) -> None:
    assert html(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,<script>)",
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
        "![p](https://p.example/x.png)",
        "[x](//evil.example)",
        '[x](https://a.example/"onmouseover="alert(1))',
        "&lt;script&gt;",
    ],
)
def test_nothing_in_it_becomes_markup_of_its_own(text: str) -> None:
    shown = html(text).replace('<a href="https://', "").replace("</a>", "").replace('">', "")
    assert "<" not in shown
    assert "javascript:" not in html(text).lower().partition("href")[2]


def test_a_place_of_ours_that_is_typed_is_none() -> None:
    assert "[[digest:token]]" not in html("[[digest:token]] [x](https://a.example/[[digest:token]])")


def test_lists_and_quotes_stand_together() -> None:
    found = groups("- a\n- b\n\nwords\n\n3. c\n4. d\n\n> e\n> f")
    assert [(kind, [block.words for block in of]) for kind, of in found] == [
        ("bullet", ["a", "b"]),
        ("paragraph", ["words"]),
        ("number", ["c", "d"]),
        ("quote", ["e", "f"]),
    ]
    assert found[2][1][0].number == 3


def test_plain_text_names_links_by_number() -> None:
    ref = References()
    [block] = blocks("Read **[the page](https://a.example)**, https://b.example or [us](mailto:a@example.com).")
    assert block.plain(ref) == "Read the page [1], https://b.example or us."
    assert list(ref) == [("[1]", "https://a.example")]


def test_words_alone() -> None:
    assert words_of("**One**\n\n- [two](https://a.example)") == "One two"


@given(st.text(max_size=300))
def test_any_text_gives_well_formed_html_and_loses_no_letter(text: str) -> None:
    from xml.dom.minidom import parseString

    for block in blocks(text):
        parseString(f"<p>{block.html}</p>")
    letters = "".join(character for character in text if character.isascii() and character.isalpha())
    if not any(sign in text for sign in "[]<>&`\\"):
        shown = "".join(character for character in words_of(text) if character.isascii() and character.isalpha())
        assert shown == letters
