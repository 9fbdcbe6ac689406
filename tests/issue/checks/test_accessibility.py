"""The checks `alt-text`, `contrast`, `headings`, `language`, `text-size` and `touch`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from conftest import NOW, troubles, with_html
from digest.issue.checks import accessibility
from digest.issue.checks.model import Finding, Mail
from digest.issue.model import Draft, Envelope, Rendered
from digest.settings import Settings

Check = Callable[[Mail], list[Finding]]
CHECKS: dict[str, Check] = {
    "alt-text": accessibility.alt_text,
    "contrast": accessibility.contrast,
    "headings": accessibility.headings,
    "language": accessibility.language,
    "text-size": accessibility.text_size,
    "touch": accessibility.touch,
}


def mail_of(
    body: str, style: str = "", *, root: str = 'lang="en" dir="ltr"', title: str = "T", language: str = "en"
) -> Mail:
    """A mail of this HTML and nothing else."""
    html = f"<html {root}><head><title>{title}</title><style>{style}</style></head><body>{body}</body></html>"
    content = Rendered(Envelope("", "", "", {}), "", "", "", html, "", ())
    return Mail(Draft(1, NOW, "", "", "", ()), content, Settings(language=language))


def only(found: list[Finding]) -> Finding:
    (finding,) = found
    return finding


@pytest.mark.parametrize("check", CHECKS)
def test_our_own_mail_passes(mail: Mail, check: str) -> None:
    finding = only(CHECKS[check](mail))
    assert (finding.check, finding.level, finding.where, finding.todo) == (check, "pass", "", "")


# alt-text


@pytest.mark.parametrize(
    ("body", "level", "what", "where"),
    [
        ('<img src="https://e.org/a.png">', "block", "has no alt text", "picture 1 (https://e.org/a.png)"),
        ('<p>x</p><img alt="A"><img src="b.png">', "block", "has no alt text", "picture 2 (b.png)"),
        (
            '<a href="https://e.org/x"><img src="a.png" alt=" "></a>',
            "block",
            "link to https://e.org/x",
            "picture 1 (a.png)",
        ),
        ('<img src="a.png" alt="hero-final.PNG">', "warn", "“hero-final.PNG” is the name of a file", "picture 1"),
        ('<div class="bar" role="img"></div>', "block", "has no words", 'picture 1 (<div class="bar">)'),
    ],
)
def test_pictures_without_words(body: str, level: str, what: str, where: str) -> None:
    finding = only(accessibility.alt_text(mail_of(body)))
    assert (finding.check, finding.level) == ("alt-text", level)
    assert what in finding.what
    assert where in finding.where
    assert finding.todo


@pytest.mark.parametrize(
    "body",
    [
        '<img src="a.png" alt="">',
        '<a href="https://e.org/x"><img src="a.png" alt=""> The verdict</a>',
        '<a href="https://e.org/x" aria-label="The verdict"><img src="a.png" alt=""></a>',
        '<a href="https://e.org/x"><img src="a.png" alt="The verdict"></a>',
        '<div role="img" aria-label="Panel ship 75%"></div>',
    ],
)
def test_pictures_with_words_and_decoration(body: str) -> None:
    assert only(accessibility.alt_text(mail_of(body))).what == "1 picture, each with words in its place"


def test_a_letter_that_the_renderer_escaped_is_found() -> None:
    body = '<h1 aria-label="Cafe\\u{301}, issue 1">x</h1><img src="a.png" alt="e\\u{301}">'
    finding = only(accessibility.alt_text(mail_of(body)))
    assert (finding.check, finding.level) == ("alt-text", "warn")
    assert finding.what == "an attribute says \\u{301} instead of its letter; 1 more has such signs"
    assert finding.where == "aria-label “Cafe\\u{301}, issue 1” of <h1>"
    assert "attribute" in finding.todo


def test_what_an_author_wrote_is_no_escape(mail: Mail) -> None:
    body = '<a href="https://e.org" aria-label="All of \\u{1F600} picker">x</a>'
    theirs = replace(mail, draft=replace(mail.draft, intro="On the \\u{1F600} picker"))
    assert only(accessibility.alt_text(with_html(theirs, lambda _: body))).level == "pass"
    assert only(accessibility.alt_text(with_html(mail, lambda _: body))).level == "warn"


# contrast


def test_a_weak_colour_names_both_colours_the_ratio_the_text_and_the_scheme() -> None:
    style = ".muted { color: #777777; font-size: 14px } @media (prefers-color-scheme: dark) { .muted { color: black } }"
    finding = only(accessibility.contrast(mail_of('<p class="muted">Panel ship</p><p>x</p>', style)))
    assert (finding.check, finding.level) == ("contrast", "warn")
    assert finding.what == "#777777 on #ffffff has a contrast of 4.48 in light mode; text of 14 px needs 4.5"
    assert finding.where == '“Panel ship” in <p class="muted">'
    assert "color_" in finding.todo


def test_below_three_it_blocks_and_one_finding_speaks_for_all_texts_in_the_colours() -> None:
    body = '<div style="color: #aaaaaa"><p>One</p><p>Two</p><h1>Three</h1></div>'
    finding = only(accessibility.contrast(mail_of(body)))
    assert finding.level == "block"
    assert finding.what.startswith("#aaaaaa on #ffffff has a contrast of 2.32 in light and dark mode;")
    assert "(2 more texts in these colours)" in finding.what


def test_each_pair_of_colours_is_told_once() -> None:
    body = '<p style="color: #aaa">a</p><p style="color: #bbb">b</p><p style="color: #bbb; background: #ccc">c</p>'
    found = accessibility.contrast(mail_of(body))
    assert [finding.what[:18] for finding in found] == [
        "#aaaaaa on #ffffff",
        "#bbbbbb on #ffffff",
        "#bbbbbb on #cccccc",
    ]


@pytest.mark.parametrize(
    ("style", "level"),
    [
        ("font-size: 24px", "pass"),
        ("font-size: 23px", "warn"),
        ("font-size: 19px; font-weight: bold", "pass"),
        ("font-size: 18px; font-weight: bold", "warn"),
    ],
)
def test_large_text_needs_only_three(style: str, level: str) -> None:
    body = f'<p style="color: #808080; {style}">x</p>'
    assert only(accessibility.contrast(mail_of(body))).level == level


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("(prefers-color-scheme: dark)", "in dark mode;"),
        ("(max-width: 480px)", "in light and dark mode on a screen 375 px wide;"),
    ],
)
def test_what_is_weak_only_in_the_dark_or_on_a_phone_is_found(query: str, said: str) -> None:
    style = f"@media {query} {{ p {{ color: #eeeeee !important }} }}"
    assert said in only(accessibility.contrast(mail_of('<p style="color: black">x</p>', style))).what


def test_a_weak_colour_in_our_own_mail_is_found(mail: Mail) -> None:
    faint = with_html(mail, lambda html: html.replace(mail.settings.color_muted, "#c0bfc4"))
    assert all(finding.level == "block" for finding in accessibility.contrast(faint))


def test_ornaments_hidden_from_screen_readers_are_not_texts() -> None:
    faint = '<span style="color: #eee" aria-hidden="true">{}</span>'
    assert troubles(accessibility.contrast(mail_of(faint.format("·")))) == []
    assert "contrast of 1.16" in only(accessibility.contrast(mail_of(faint.format("75%")))).what
    assert "contrast of 1.16" in only(accessibility.contrast(mail_of('<span style="color: #eee">→</span>'))).what


# headings


@pytest.mark.parametrize(
    ("body", "what", "where"),
    [
        ("<p>x</p>", "the mail has no heading", ""),
        ("<h2>One</h2>", "the first heading is an h2, not an h1", "“One” in <h2>"),
        ("<h1>One</h1><h1>Two</h1>", "a second heading is an h1", "“Two” in <h1>"),
        ('<h1>One</h1><h3 class="t">Two</h3>', "an h3 follows an h1", '“Two” in <h3 class="t">'),
        ("<h1>One</h1><h2> &nbsp; </h2>", "an h2 is empty", "<h2>"),
    ],
)
def test_headings_out_of_order(body: str, what: str, where: str) -> None:
    finding = only(accessibility.headings(mail_of(body)))
    assert (finding.check, finding.level) == ("headings", "warn")
    assert what in finding.what
    assert where in finding.where
    assert finding.todo


def test_headings_in_order() -> None:
    body = (
        '<h1><img src="a" alt="Verdicts"></h1><h2>a</h2><h3>b</h3><h2>c</h2><div style="display:none"><h6>no</h6></div>'
    )
    assert only(accessibility.headings(mail_of(body))).what == "4 headings in order: 1 h1, 2 h2, 1 h3"


# language


@pytest.mark.parametrize(
    ("changed", "what", "where"),
    [
        ({"root": 'dir="ltr"'}, "the mail does not say its language", "<html>"),
        ({"root": 'lang="de" dir="ltr"'}, "it is in 'de', the language set is 'en'", "<html>"),
        ({"root": 'lang="en"'}, "the direction is missing", "<html>"),
        ({"root": 'lang="en" dir="auto"'}, "the direction is 'auto'", "<html>"),
        ({"title": " "}, "the mail has no <title>", "<head>"),
        (
            {"body": "<table><tr><td>Facts</td></tr></table><table></table>"},
            "2 tables for layout",
            "“Facts” in <table>",
        ),
        (
            {"body": '<p dir="rtl">All of the text</p><p>is</p>'},
            "most texts run the other way",
            "“All of the text” in <p>",
        ),
    ],
)
def test_what_a_screen_reader_would_not_know(changed: dict[str, str], what: str, where: str) -> None:
    finding = only(accessibility.language(mail_of(**({"body": "<p>x</p>"} | changed))))
    assert (finding.check, finding.level) == ("language", "warn")
    assert what in finding.what
    assert finding.where == where
    assert finding.todo


@pytest.mark.parametrize("tag", ["ar", "he", "fa-IR", "ur"])
def test_a_language_from_right_to_left_wants_that_direction(tag: str) -> None:
    right = accessibility.language(mail_of("<p>x</p>", root=f'lang="{tag}" dir="rtl"', language=tag))
    assert only(right).what.startswith(f"the mail says it is in {tag!r}, rtl")
    wrong = only(accessibility.language(mail_of('<p dir="rtl">x</p>', root=f'lang="{tag}" dir="ltr"', language=tag)))
    assert f"{tag!r} is written rtl" in wrong.what
    assert 'dir="rtl"' in wrong.todo


def test_columns_that_turn_the_texts_are_found() -> None:
    body = '<div class="column" style="direction:ltr">نص طويل</div>'
    finding = only(accessibility.language(mail_of(body, root='lang="ar" dir="rtl"', language="ar")))
    assert "most texts run the other way" in finding.what
    assert 'class="column"' in finding.where


def test_paragraphs_that_turn_to_their_own_side_are_right() -> None:
    """An Arabic issue on tools with English names and quotes, and the other way about."""
    quotes = '<p dir="ltr">It writes tests well.</p>' * 9
    arabic = mail_of(f"<h1>مقارنات</h1><h2>Cursor</h2>{quotes}", root='lang="ar" dir="rtl"', language="ar")
    assert only(accessibility.language(arabic)).level == "pass"
    hebrew = mail_of("<h1>Verdicts</h1>" + '<p dir="rtl">כלי טוב מאוד <a href="https://e.org">all</a></p>' * 9)
    assert only(accessibility.language(hebrew)).level == "pass"


def test_tables_of_data_are_no_layout() -> None:
    body = '<table><tr><th>Tool</th></tr></table><table role="none"></table><table role="presentation"></table>'
    assert only(accessibility.language(mail_of(body))).level == "pass"


# text-size


@pytest.mark.parametrize(("size", "level"), [(13, "warn"), (10, "warn"), (9, "block"), (0, "block")])
def test_small_text(size: int, level: str) -> None:
    body = f'<p class="fine" style="font-size: {size}px">Small <b>print</b></p><p>x</p>'
    finding = only(accessibility.text_size(mail_of(body)))
    assert (finding.check, finding.level) == ("text-size", level)
    assert finding.what.startswith(f"a text is {size} px, and so is 1 more text;")
    assert finding.where == '“Small” in <p class="fine">'


def test_hidden_text_and_empty_cells_may_be_small() -> None:
    body = '<div style="display:none;font-size:1px">x</div><td style="font-size:0"> &nbsp; </td><p>x</p>'
    assert only(accessibility.text_size(mail_of(body))).what == "the smallest text is 16 px"


def test_text_that_is_small_only_on_a_phone_is_found() -> None:
    found = accessibility.text_size(mail_of("<p>x</p>", "@media (max-width: 480px) { p { font-size: 12px } }"))
    assert only(found).what.startswith("a text is 12 px;")


# touch


@pytest.mark.parametrize(
    ("link", "height"),
    [
        ('<a style="display:inline-block; padding: 8px 20px; font-size: 16px; line-height: 1.25">Vote</a>', 36),
        ('<a class="Vote-Button" style="line-height: 20px">Vote</a>', 20),
        ('<table class="button"><tr><td><a style="line-height: 20px; padding: 10px">Vote</a></td></tr></table>', 40),
        ('<a style="display: block; padding: 4px 30px 12px; line-height: 20px">Vote</a>', 36),
        ('<button style="line-height: 20px">Vote</button>', 20),
        ('<a role="button" style="line-height: 20px">Vote</a>', 20),
    ],
)
def test_low_buttons(link: str, height: int) -> None:
    finding = only(accessibility.touch(mail_of(link)))
    assert (finding.check, finding.level) == ("touch", "warn")
    assert finding.what == f"the button “Vote” is {height} px high; a finger needs 44 px"
    assert f"{(44 - height) // 2} px more padding" in finding.todo
    assert finding.where


def test_a_button_that_is_low_only_on_a_phone_is_found() -> None:
    style = ".button { line-height: 48px } @media (max-width: 480px) { .button { line-height: 24px } }"
    assert "is 24 px high" in only(accessibility.touch(mail_of('<a class="button">Vote</a>', style))).what


def test_low_buttons_of_one_height_are_told_together() -> None:
    link = '<a class="button" style="line-height: 20px">Vote</a>'
    assert "20 px high, and so are 2 more buttons;" in only(accessibility.touch(mail_of(link * 3))).what


@pytest.mark.parametrize(
    "link",
    [
        '<a style="display: inline-block; padding: 12px; line-height: 20px">Vote</a>',
        '<a class="button" style="line-height: 44px">Vote</a>',
        '<a class="button" style="height: 48px">Vote</a>',
    ],
)
def test_high_buttons(link: str) -> None:
    assert only(accessibility.touch(mail_of(link))).what.startswith("1 button, the lowest 4")


def test_links_in_a_line_of_text_are_exempt() -> None:
    assert only(accessibility.touch(mail_of('<p>Read <a href="https://e.org">this</a></p>'))).what == "0 buttons"
