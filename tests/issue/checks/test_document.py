"""A mail's HTML as a reader sees it: which texts, in which colours and sizes, on which screen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.issue.checks.css import Color, Screen
from digest.issue.checks.document import SCREENS, Document, Text

LIGHT, DARK, PHONE = Screen("light", 640), Screen("dark", 640), Screen("light", 375)


def texts(body: str, style: str = "", screen: Screen = LIGHT, media: str = "") -> list[Text]:
    html = f'<!doctype html><html><head><style media="{media}">{style}</style></head><body>{body}</body></html>'
    return list(Document(html).texts(screen))


def only(body: str, style: str = "", screen: Screen = LIGHT, media: str = "") -> Text:
    (text,) = texts(body, style, screen, media)
    return text


def test_what_nothing_is_said_about_is_black_on_white_in_both_schemes() -> None:
    for screen in SCREENS:
        text = only("<p>Hello\n  there</p>", screen=screen)
        assert (text.text, text.color, text.ground) == ("Hello there", "#000000", "#ffffff")
        assert (text.style.size, text.bold) == (16, False)
        assert text.style.line_height == pytest.approx(19.2)


@pytest.mark.parametrize(
    ("style", "inline", "color"),
    [
        ("p { color: red } .a { color: lime }", "", "#00ff00"),
        (".a { color: lime } p { color: red }", "", "#00ff00"),
        ("p { color: red } p { color: blue }", "", "#0000ff"),
        ("p { color: red }", "color: blue", "#0000ff"),
        ("p { color: red !important } #b { color: lime }", "color: blue", "#ff0000"),
        ("p { color: red !important }", "color: blue !important", "#0000ff"),
        ("p { color: no-such-colour }", "", "#000000"),
        ("p { color: lab(50% 10 10) }", "", "#000000"),
        ("p::before { color: red } p:hover { color: red } [data-ogsc] p { color: red }", "", "#000000"),
        ("p, p:no-such-thing { color: red }", "", "#000000"),
        ("@supports (color: red) { p { color: red } }", "", "#ff0000"),
        ("@supports (color: red) { @media (prefers-color-scheme: dark) { p { color: red } } }", "", "#000000"),
        ("body { color: rgb(1 2 3) } p { color: inherit }", "", "#010203"),
        ("body { color: hsl(120, 100%, 25%) } p { color: currentColor }", "", "#008000"),
        ("body > p:first-child { color: #abc }", "", "#aabbcc"),
        ("p { color: rgba(0, 0, 0, .5) }", "", "#808080"),
        ("body { opacity: .5 }", "", "#808080"),
    ],
)
def test_the_cascade_decides(style: str, inline: str, color: str) -> None:
    assert only(f'<p class="a" id="b" style="{inline}">x</p>', style).color == color


@pytest.mark.parametrize(
    ("body", "ground"),
    [
        ('<table bgcolor="#112233"><tr><td>x</td></tr></table>', "#112233"),
        ('<table bgcolor="#112233" style="background-color: #445566"><tr><td>x</td></tr></table>', "#445566"),
        ('<div style="background: url(https://example.com/a.png) #112233 no-repeat">x</div>', "#112233"),
        ('<div style="background: #112233"><p style="background: none"><b>x</b></p></div>', "#112233"),
        ('<div style="background: black"><p style="background: rgba(255, 255, 255, .2)">x</p></div>', "#333333"),
        ('<div style="background: black"><p style="background-color: transparent">x</p></div>', "#000000"),
        ('<div style="background: linear-gradient(red, red)">x</div>', "#ffffff"),
    ],
)
def test_the_ground_is_that_of_the_nearest_that_has_one(body: str, ground: str) -> None:
    assert only(body).ground == ground


@pytest.mark.parametrize(
    ("body", "size", "bold"),
    [
        ("<h1>x</h1>", 32, True),
        ("<h2>x</h2>", 24, True),
        ("<h4>x</h4>", 16, True),
        ("<p><strong>x</strong></p>", 16, True),
        ('<p style="font-weight: 600">x</p>', 16, False),
        ('<h1 style="font-weight: normal; font-size: 20px">x</h1>', 20, False),
        (
            '<div style="font-size: 20px"><p style="font-size: 1.5em"><b style="font-size: 50%">x</b></p></div>',
            15,
            True,
        ),
        ('<div style="font-size: 20px"><p style="font-size: 2rem">x</p></div>', 32, False),
        ('<p style="font-size: 12pt">x</p>', 16, False),
        ('<p style="font-size: 30px; font-size: 14">x</p>', 30, False),
        ('<p style="font-size: small">x</p>', 13, False),
        ('<p style="font-size: 18px"><small>x</small></p>', 15, False),
        ('<p style="font: bold 20px/1.5 Arial">x</p>', 20, True),
        ('<p style="font: 700 20px Arial">x</p>', 20, True),
    ],
)
def test_sizes_and_weights(body: str, size: float, bold: bool) -> None:
    text = only(body)
    assert text.style.size == pytest.approx(size)
    assert text.bold is bold


@pytest.mark.parametrize(
    ("line", "pixels"),
    [("1.5", 15), ("150%", 30), ("1.5em", 30), ("24px", 24), ("normal", 12)],
)
def test_a_line_height_without_a_unit_goes_by_the_size_of_who_inherits_it(line: str, pixels: float) -> None:
    body = f'<div style="font-size: 20px; line-height: {line}"><p style="font-size: 10px">x</p></div>'
    assert only(body).style.line_height == pytest.approx(pixels)


@pytest.mark.parametrize(
    ("query", "screens"),
    [
        ("(prefers-color-scheme: dark)", {DARK}),
        ("(prefers-color-scheme:light)", {LIGHT, PHONE}),
        ("only screen and (max-width: 480px)", {PHONE}),
        ("screen and (min-width:600px)", {LIGHT, DARK}),
        ("(min-width: 30em)", {LIGHT, DARK}),
        ("print", set()),
        ("print, (max-width: 599px)", {PHONE}),
        ("not print", {LIGHT, DARK, PHONE}),
        ("not all and (max-width: 480px)", {LIGHT, DARK}),
        ("screen and (max-width: 480px) and (prefers-color-scheme: dark)", set()),
        ("(no-such-feature: 1)", set()),
        ("(hover)", set()),
        ("all", {LIGHT, DARK, PHONE}),
        ("(width <= 900px)", {LIGHT, DARK, PHONE}),
        ("(width<480px)", {PHONE}),
        ("(width > 640px)", set()),
        ("(width >= 640px)", {LIGHT, DARK}),
        ("(width = 375px)", {PHONE}),
        ("(600px < width)", {LIGHT, DARK}),
        ("(400px <= width <= 900px)", {LIGHT, DARK}),
        ("screen and (500px > width >= 300px)", {PHONE}),
        ("(400px <= height <= 900px)", set()),
        ("(400px <= width >)", set()),
        ("(max-width: 480px) or (prefers-color-scheme: dark)", {PHONE, DARK}),
        ("((width > 480px) and (prefers-color-scheme: dark))", {DARK}),
        ("screen and (not (width > 480px))", {PHONE}),
    ],
)
def test_media_queries(query: str, screens: set[Screen]) -> None:
    body, rule = "<p>x</p>", "p { color: red }"
    everywhere = (LIGHT, DARK, PHONE)
    found = {screen for screen in everywhere if only(body, f"@media {query} {{ {rule} }}", screen).color == "#ff0000"}
    as_attribute = {screen for screen in everywhere if only(body, rule, screen, media=query).color == "#ff0000"}
    assert found == as_attribute == screens


@pytest.mark.parametrize(
    ("body", "color"),
    [
        ('<font color="#fdfdfd">x</font>', "#fdfdfd"),
        ('<font color="fdfdfd">x</font>', "#fdfdfd"),
        ('<font color="red">x</font>', "#ff0000"),
        ('<font color="red" style="color: blue">x</font>', "#0000ff"),
        ('<font color="red"><b>x</b></font>', "#ff0000"),
        ('<p color="red">x</p>', "#000000"),
    ],
)
def test_the_colour_of_old(body: str, color: str) -> None:
    assert only(body).color == color


def test_media_queries_within_each_other() -> None:
    style = "@media screen { @media (prefers-color-scheme: dark) { p { color: red } } }"
    assert [only("<p>x</p>", style, screen).color for screen in (LIGHT, DARK)] == ["#000000", "#ff0000"]


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none">x</div>',
        '<div style="display:none"><p style="display: block">x</p></div>',
        "<p hidden>x</p>",
        '<p style="visibility: hidden">x</p>',
        '<p style="opacity: 0">x</p>',
        '<p style="max-height: 0; overflow: hidden">x</p>',
        '<span style="position: absolute; width: 1px; height: 1px; overflow: hidden">x</span>',
        "<!--[if mso]><p>x</p><![endif]-->",
        "<p>&nbsp;&zwnj;&#8203;</p>",
        "<script>x</script>",
    ],
)
def test_what_is_hidden_is_not_seen(hidden: str) -> None:
    assert texts(hidden) == []


@pytest.mark.parametrize(
    "shown",
    [
        '<div style="visibility: hidden"><p style="visibility: visible">x</p></div>',
        '<div style="overflow: hidden; width: 100%">x</div>',
        '<div style="overflow: hidden; border-radius: 8px; max-width: 600px">x</div>',
        '<p style="font-size: 0">x</p>',
        '<p style="max-width: 1px">x</p>',
        "<!--[if !mso]><!--><p>x</p><!--<![endif]-->",
    ],
)
def test_what_is_not_hidden_is_seen(shown: str) -> None:
    assert only(shown).text == "x"


def test_texts_come_in_the_order_of_the_document_with_what_stands_after_elements() -> None:
    found = texts("<p>one <b>two</b> three<!-- no --> four<br>five</p>six")
    assert [text.text for text in found] == ["one", "two", "three", "four", "five", "six"]


def test_the_words_of_an_element_are_all_within_it() -> None:
    (paragraph,) = Document("<p>one <b>two</b>\n three</p>four").elements("p")
    assert paragraph.words == "one two three"


@pytest.mark.parametrize(
    ("body", "direction"),
    [
        ('<div dir="rtl"><p>x</p></div>', "rtl"),
        ('<div dir="rtl"><p style="direction:ltr">x</p></div>', "ltr"),
        ('<p dir="auto">12 שלום</p>', "rtl"),
        ('<div dir="rtl"><p dir="auto">12 hello שלום</p></div>', "ltr"),
    ],
)
def test_direction(body: str, direction: str) -> None:
    assert only(body).style.direction == direction


def test_a_place_names_the_text_and_the_nearest_class() -> None:
    body = '<table><tr><td class="facts"><p class="muted">Panel ship 75%</p><p>' + "long " * 20
    first, second = texts(body)
    assert first.place == '“Panel ship 75%” in <p class="muted">'
    assert second.place == '“long long long long long long long long…” in <p> in <td class="facts">'


@settings(deadline=None)
@given(st.text(alphabet="<>/=\"' apdivtdstyle{}:;!#@()color&-", max_size=200))
def test_no_html_however_broken_stops_it(html: str) -> None:
    for screen in SCREENS:
        for text in Document(f"<style>{html}</style><p style='{html}'>{html}").texts(screen):
            assert text.place
            assert text.color.startswith("#")


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_colour_over_a_ground_lies_between_the_two(mine: float, under: float, alpha: float, opacity: float) -> None:
    shown = Color(mine, mine, mine, alpha).over(Color(under, under, under), opacity)
    assert min(mine, under) - 1e-9 <= shown.red <= max(mine, under) + 1e-9
    assert shown.alpha == 1


@pytest.mark.parametrize(
    ("style", "aside"),
    [
        ("text-indent: -999px", True),
        ("text-indent: -20px", False),
        ("text-indent: -100%", True),
        ("position: absolute; left: -9999px", True),
        ("position: absolute; left: 0", False),
        ("left: -9999px", False),
        ("margin-left: -9999px", True),
    ],
)
def test_what_is_moved_out_of_the_window(style: str, aside: bool) -> None:
    assert only(f'<div style="{style}"><p>x</p></div>').style.aside is aside
