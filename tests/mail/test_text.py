"""What an author wrote is cut at the right place, keeps to its own side, and passes the renderer unharmed."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from digest.mail import templates, text

FSI, PDI = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
HEBREW = "שלום"
PROSE = st.text(st.sampled_from("abcé字한שا  \n.!?。؟।…”’»」)✓😀\u0301"), max_size=80)


# excerpt


@pytest.mark.parametrize(
    ("whole", "length", "kept"),
    [
        ("It ships. It is fast and small.", 12, "It ships."),
        ("Does it ship? Nobody can say.", 20, "Does it ship?"),
        ("Ship it! Then ship it again.", 14, "Ship it!"),
        ("Well… It might ship one day.", 12, "Well…"),
        ("He said “ship it.” She said skip.", 24, "He said “ship it.”"),
        ("(It ships.) And then it does not.", 20, "(It ships.)"),
        ('They say "ship." We say skip it.', 22, 'They say "ship."'),
        ("这是第一句。这是第二句,很长很长。", 8, "这是第一句。"),
        ("他说「好。」然后走了,再也没有回来。", 8, "他说「好。」"),
        ("هل يعمل؟ نعم يعمل جيدا جدا.", 12, "هل يعمل؟"),
        ("यह अच्छा है। और यह भी बहुत अच्छा है।", 16, "यह अच्छा है।"),
        ("First line.\nSecond line is long.", 20, "First line."),
        # It ends where the room does.
        ("abcdef ghij. And more.", 12, "abcdef ghij."),
        # The last of several that fit.
        ("One. Two. Three. Four is too long.", 18, "One. Two. Three."),
    ],
)
def test_a_long_text_is_cut_at_the_end_of_a_sentence(whole: str, length: int, kept: str) -> None:
    assert text.excerpt(whole, length) == text.Excerpt(kept, cut=True)


@pytest.mark.parametrize(
    ("whole", "length", "kept"),
    [
        # No sentence ends in the room.
        ("one two three four five", 14, "one two three…"),
        # Too much would be lost: the sentence ends in the first third.
        ("No. " + "word " * 20, 30, "No. word word word word word…"),
        # A full stop within a number or an address is no end.
        ("Version 3.5 of example.com is out", 30, "Version 3.5 of example.com…"),
        # A sentence that ends one character too late does not count.
        ("abcdef ghij. And more.", 11, "abcdef…"),
        ("字" * 30, 10, "字" * 9 + "…"),
    ],
)
def test_without_a_sentence_it_is_cut_at_a_word(whole: str, length: int, kept: str) -> None:
    assert text.excerpt(whole, length) == text.Excerpt(kept, cut=True)


@pytest.mark.parametrize("whole", ["", "Short.", "12345678901234567890", "One.\nTwo."])
def test_a_short_text_stays_whole(whole: str) -> None:
    assert text.excerpt(whole, 20) == text.Excerpt(whole, cut=False)


def test_no_text_is_an_empty_one() -> None:
    assert text.excerpt(None, 20) == text.Excerpt("", cut=False)
    assert text.excerpt(None, 20).paragraphs == []


def test_an_abbreviation_may_end_an_excerpt() -> None:
    """It is taken for the end of a sentence; what is shown is still the author's, and marked as cut."""
    found = text.excerpt("Made by Acme Inc. and others, e.g. Bolt, who ship a lot of it.", 36)
    assert found == text.Excerpt("Made by Acme Inc. and others, e.g.", cut=True)


def test_empty_lines_are_no_paragraphs() -> None:
    assert text.excerpt(" One. \n\n \n Two. \n", 20).paragraphs == ["One.", "Two."]


@given(PROSE, st.integers(2, 60))
@hypothesis_settings(deadline=None)
def test_an_excerpt_is_the_beginning_of_the_text(whole: str, length: int) -> None:
    tidy = "\n".join(text.paragraphs(whole))
    found = text.excerpt(whole, length)
    assert len(found.text) <= length
    assert found.cut == (len(tidy) > length)
    assert tidy.startswith(found.text if not found.cut else found.text.removesuffix("…"))
    assert found.cut or found.text == tidy


@pytest.mark.parametrize(("whole", "length"), [("aaaa\nbbbb", 6), ("one two three.\nfour five six", 15)])
def test_an_ellipsis_is_no_paragraph_of_its_own(whole: str, length: int) -> None:
    assert "…" not in text.excerpt(whole, length).paragraphs


def test_a_line_break_parts_words_too() -> None:
    assert text.excerpt("one two\nthree", 10).text.split()[-1].rstrip("…") in ("one", "two")


# shorten


@pytest.mark.parametrize(
    ("whole", "length", "short"),
    [
        ("exactly ten", 11, "exactly ten"),
        ("one two three", 8, "one two…"),
        ("one two, three", 10, "one two…"),
        ("one – two three", 8, "one…"),
        # A word that is most of the room is cut within.
        ("incomprehensibilities", 10, "incompreh…"),
        ("a incomprehensibilities", 10, "a incompr…"),
        ("", 5, ""),
    ],
)
def test_shorten(whole: str, length: int, short: str) -> None:
    assert text.shorten(whole, length) == short


@given(PROSE, st.integers(1, 60))
def test_shortening_never_gives_more_than_asked_for(whole: str, length: int) -> None:
    short = text.shorten(whole, length)
    assert len(short) <= length
    assert short == whole or (short.endswith("…") and whole.startswith(short[:-1]))


# directions


def test_only_what_runs_from_right_to_left_is_isolated() -> None:
    assert text.isolated("A  tool\n 😀 é 字") == "A tool 😀 é 字"
    assert text.isolated(f" {HEBREW}\n 2 ") == f"{FSI}{HEBREW} 2{PDI}"
    assert text.isolated(f"Latin and {HEBREW}") == f"{FSI}Latin and {HEBREW}{PDI}"
    assert text.isolated("عربي") == f"{FSI}عربي{PDI}"


@pytest.mark.parametrize("words", ["Hello", f"Hello {HEBREW}", "é", "字", "9 to 5", "«Bonjour»"])
def test_a_text_from_left_to_right_is_turned_in_a_mail_from_right_to_left(words: str) -> None:
    assert text.turned(words, "rtl") == ' dir="ltr" align="left"'
    assert text.turned(words, "ltr") == ""


@pytest.mark.parametrize("words", [HEBREW, f"{HEBREW} and Hello", f"2 {HEBREW}", "«سلام»"])
def test_a_text_from_right_to_left_is_turned_in_a_mail_from_left_to_right(words: str) -> None:
    assert text.turned(words, "ltr") == ' dir="rtl" align="right"'
    assert text.turned(words, "rtl") == ""


@pytest.mark.parametrize("base", ["ltr", "rtl"])
@pytest.mark.parametrize("words", ["", "100%", "😀", "1–0", "٤٥", "…", f"{FSI}{HEBREW}{PDI}", f"{FSI}A{PDI} – {FSI}B"])
def test_what_has_no_direction_runs_as_the_mail_does(words: str, base: str) -> None:
    """Digits, signs and emoji have none (rule P2), and what is isolated does not count."""
    assert text.turned(words, base) == ""


@pytest.mark.parametrize("letter", ["", PDI, PDI * 2])
def test_isolates_are_passed_over(letter: str) -> None:
    assert text.turned(f"{letter}{FSI}{HEBREW}{PDI} vs B", "rtl") == ' dir="ltr" align="left"'
    assert text.turned(f"{letter}{FSI}A {FSI}B{PDI} C{PDI} {HEBREW}", "ltr") == ' dir="rtl" align="right"'


@pytest.mark.parametrize(
    ("language", "rtl"), [("ar", True), ("he-IL", True), ("fa", True), ("en", False), ("arn", False)]
)
def test_languages_from_right_to_left(language: str, rtl: bool) -> None:
    assert text.is_rtl_language(language) is rtl


# attribute


class _Title(HTMLParser):
    """The title of the link in some HTML, as a browser would read it."""

    title: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            assert [name for name, _ in attrs] == ["title"]
            self.title = attrs[0][1]


def renderers_title(words: str) -> str:
    """Give what a browser makes of a title that went through the renderer (which may write ``\\u{301}``)."""
    mjml = f'<mjml><mj-body><mj-raw><a title="{text.attribute(words)}">x</a></mj-raw></mj-body></mjml>'
    parser = _Title()
    parser.feed(templates.to_html(mjml))
    assert parser.title is not None
    return parser.title


def in_one_line(words: str) -> str:
    return text.clean(" ".join(words.split()))


def is_character(codepoint: int) -> bool:
    """Tell whether HTML may have it: no surrogate, and no code point that Unicode keeps from being a character."""
    return not (0xD800 <= codepoint < 0xE000 or 0xFDD0 <= codepoint < 0xFDF0 or codepoint & 0xFFFE == 0xFFFE)


@given(st.text(st.characters(exclude_categories=["Cs"]).filter(lambda character: is_character(ord(character)))))
@hypothesis_settings(max_examples=200, deadline=None)
def test_any_text_may_stand_in_an_attribute(words: str) -> None:
    assert renderers_title(words) == in_one_line(words)


@pytest.mark.parametrize(
    "words",
    [
        "Tom & \"Jerry\" <b> 'x' &amp; &#39;",
        "back\\slash \\u{301} \\n \\\\",
        "e\u0301 नि 👩\u200d💻 ✔\ufe0f \u00ad\u2028\u202e\ufeff",
        f"{FSI}{HEBREW}{PDI} vs [[digest:token]]",
        "]]> <!-- --> {{ x }} {% y %}",
        "\x00\x0b\x1f\x7f\x9f",
    ],
)
def test_texts_that_are_hard_to_write_in_an_attribute(words: str) -> None:
    assert renderers_title(words) == in_one_line(words)


def test_every_visible_character_may_stand_in_an_attribute() -> None:
    """The renderer escapes more than one would think: marks, fillers, sound marks of half width."""
    # What cannot be printed is always written as a number.
    visible = [chr(codepoint) for codepoint in range(0x21, 0x110000) if chr(codepoint).isprintable()]
    altered = []
    for start in range(0, len(visible), 20_000):
        some = visible[start : start + 20_000]
        shown = renderers_title("\n".join(f"_{letter}_" for letter in some)).split(" ")
        altered += [ascii(letter) for letter, seen in zip(some, shown, strict=True) if seen != f"_{letter}_"]
    assert altered == []


# clean


def test_clean_takes_out_what_xml_cannot_carry() -> None:
    assert text.clean("a\x00b\x08c\x0bd\x1fe\x7ff\x85g\ufffeh\uffff") == "abcdefgh"
    assert text.clean("tab\there\nand\r\n😀 é") == "tab\there\nand\r\n😀 é"


def test_clean_breaks_what_would_look_like_a_place() -> None:
    assert not re.search(r"\[\[digest:", text.clean("[[digest:token]] \x00[[\x00digest:greeting]]"))


# figure and paragraphs


def test_figures_and_paragraphs() -> None:
    assert [text.figure(percent) for percent in (0, 75, 100, None)] == ["0%", "75%", "100%", "—"]
    assert text.paragraphs(None) == text.paragraphs(" \n ") == []
    assert text.paragraphs("one \n\n  two") == ["one", "two"]


def test_no_character_of_an_author_turns_the_score_round() -> None:
    assert text.isolated("Foo\u2067") == "Foo"
    assert text.isolated("שלום\u2069") == "\u2068שלום\u2069"
    assert text.clean("a\u2067b") == "ab"
    assert text.clean("a\u202eb") == "ab"
    assert text.clean("a\u2067b\u2069c") == "a\u2067b\u2069c"


def test_a_cut_closes_what_it_opened() -> None:
    name = text.isolated("שם ארוך מאוד של כלי " * 4)
    assert text.shorten(name, 30).count("\u2068") == text.shorten(name, 30).count("\u2069") == 1


@pytest.mark.parametrize(
    ("language", "rtl"),
    [("ar", True), ("ku", False), ("ku-Arab", True), ("az-Arab-IR", True), ("ar-Latn", False), ("de-DE", False)],
)
def test_the_script_of_a_language_says_how_it_runs(language: str, rtl: bool) -> None:
    assert text.is_rtl_language(language) is rtl
