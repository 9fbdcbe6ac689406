"""How mail programs are said to show a mail: each rule where it holds, and where it does not."""

from __future__ import annotations

import re

import pytest

from digest.issue.checks.model import Mail
from digest.issue.clients.conditions import holds
from digest.issue.clients.gmail import CLIPPED, as_gmail
from digest.issue.clients.outlook import as_outlook
from digest.issue.clients.parts import parts_of
from digest.issue.clients.schemes import in_new_tabs, in_scheme, without_pictures

DARK = "@media (prefers-color-scheme: dark) { .card { color: #fff } }"


def page(css: str = "", body: str = "", head: str = "") -> str:
    return f"<!doctype html><html><head>{head}<style>{css}</style></head><body>{body}</body></html>"


def body_of(html: str) -> str:
    found = re.search(r"<body[^>]*>(.*)</body>", html, re.DOTALL)
    assert found is not None
    return found[1]


def styles_of(html: str) -> str:
    return "\n".join(part.css for part in parts_of(html) if part.kind == "sheet" and "@layer word" not in part.css)


# In one scheme ----------------------------------------------------------------------------------------------------


def test_a_dark_query_always_holds_in_the_dark_and_never_in_the_light() -> None:
    assert "@media (min-width:0px)" in in_scheme(page(DARK), "dark")
    assert "@media (min-width:999999px)" in in_scheme(page(DARK), "light")


@pytest.mark.parametrize(
    ("query", "dark", "light"),
    [
        ("(prefers-color-scheme:light)", "(min-width:999999px)", "(min-width:0px)"),
        (
            "screen and ( PREFERS-color-scheme : Dark ) and (max-width:9px)",
            "screen and (min-width:0px) and (max-width:9px)",
            "screen and (min-width:999999px) and (max-width:9px)",
        ),
        ("not (prefers-color-scheme:/* or */dark)", "not (min-width:0px)", "not (min-width:999999px)"),
        ("(prefers-color-scheme)", "(min-width:0px)", "(min-width:0px)"),
        ("(min-width:600px)", "(min-width:600px)", "(min-width:600px)"),
    ],
)
def test_only_the_question_for_the_scheme_is_answered(query: str, dark: str, light: str) -> None:
    html = page(f"@media {query} {{ a {{ color: red }} }}")
    assert f"@media {dark} {{" in in_scheme(html, "dark")
    assert f"@media {light} {{" in in_scheme(html, "light")


def test_attributes_that_ask_for_the_scheme_are_answered_too() -> None:
    html = page(body='<picture><source media="(prefers-color-scheme: dark)" srcset="d.png"><img src="l.png"></picture>')
    assert 'media="(min-width:0px)"' in in_scheme(html, "dark")
    assert 'media="(min-width:999999px)"' in in_scheme(html, "light")


def test_a_mail_that_can_be_both_is_this_one() -> None:
    head = '<meta name="color-scheme" content="light dark" />'
    html = page(":root { color-scheme: light dark }", head=head)
    for scheme in ("dark", "light"):
        shown = in_scheme(html, "dark" if scheme == "dark" else "light")
        assert f'content="{scheme}"' in shown
        assert f"color-scheme: {scheme}".replace(": ", ":") in styles_of(shown).replace(": ", ":")
    only_light = page(head='<meta name="color-scheme" content="light">')
    assert 'content="light"' in in_scheme(only_light, "dark")


def test_words_about_the_scheme_stay() -> None:
    html = page(body="<p>We write @media (prefers-color-scheme: dark) { … } by hand</p>")
    assert in_scheme(html, "dark") == html


# Without pictures, and in new tabs ------------------------------------------------------------------------------


def test_pictures_go_and_their_words_stay() -> None:
    html = page(
        ".a { background: url(https://x.example/a.png) } .b { color: red }",
        '<img src="https://x.example/b.png" srcset="c.png 2x" alt="The logo" width="160">'
        '<td background="https://x.example/d.png" style="background:url(\'e.png\') no-repeat #fff">x</td>',
    )
    shown = without_pictures(html)
    assert ".png" not in shown
    assert '<img alt="The logo" width="160">' in shown
    assert "#fff" in shown
    assert ".b { color: red }" in shown


def test_links_open_beside_and_tell_nothing() -> None:
    shown = in_new_tabs('<p><a href="https://x.example/">x</a> <abbr>a</abbr> <area href="/y"></p>')
    assert shown.count('target="_blank" rel="noopener noreferrer"') == 2
    assert "<abbr>" in shown


# Gmail --------------------------------------------------------------------------------------------------------------


def test_gmail_has_no_dark_query_and_keeps_one_for_the_width() -> None:
    kept = styles_of(as_gmail(page(DARK + "@media (max-width: 599px) { .half { width: 100% } }")))
    assert "prefers-color-scheme" not in kept
    assert "@media (max-width: 599px)" in kept
    assert "width:100%" in kept


@pytest.mark.parametrize(
    "query", ["(min-height:400px)", "(hover)", "(prefers-reduced-motion: reduce)", "(max-device-height:9px)"]
)
def test_gmail_drops_queries_for_what_it_does_not_look_at(query: str) -> None:
    assert styles_of(as_gmail(page(f"@media {query} {{ .a {{ color: red }} }} .b {{ color: blue }}"))) == (
        ".b { color:blue }"
    )


@pytest.mark.parametrize("rule", ["@font-face { font-family: x }", "@import url(x.css);", "@supports (a:b) { p {} }"])
def test_gmail_drops_other_at_rules(rule: str) -> None:
    assert styles_of(as_gmail(page(f"{rule} .b {{ color: blue }}"))) == ".b { color:blue }"


@pytest.mark.parametrize(
    "selector", ["[data-ogsc] .a", "a[href]", ".a:first-child", ".a::before", "p:not(.a)", "body", "html .a", ":root"]
)
def test_gmail_drops_selectors_it_does_not_follow(selector: str) -> None:
    assert styles_of(as_gmail(page(f"{selector} {{ color: red }} {selector}, .b {{ color: blue }}"))) == (
        ".b { color:blue }"
    )


@pytest.mark.parametrize("selector", [".a", "#a", "p.a", ".a > p", ".a + .b", "[class~=a]", ".a:hover"])
def test_gmail_follows_the_usual_selectors(selector: str) -> None:
    assert "color:red" in styles_of(as_gmail(page(f"{selector} {{ color: red }}")))


@pytest.mark.parametrize(
    "css",
    [
        "@media (min-width:1px) { @font-face { font-family: x } } .a { color: red }",
        ".a { color: red } }",
        ".a { color: rgb(0 128 0) }",
    ],
    ids=["an at-rule in another", "an error", "a colour with spaces"],
)
def test_gmail_drops_a_style_element_whole(css: str) -> None:
    html = page(css, head="<style>.z { color: green }</style>")
    assert styles_of(as_gmail(html)) == ".z { color:green }"


def test_gmail_reads_sixteen_kilobytes_of_styles_in_the_head() -> None:
    much = "".join(f".a{number} {{ color: red }}" for number in range(1_000))
    html = page(much, "<style>.in-body { color: red }</style>", head="<style>.first { color: red }</style>")
    assert styles_of(as_gmail(html)) == ".first { color:red }"
    little = page(".a1 { color: red }", head="<style>.first { color: red }</style>")
    assert styles_of(as_gmail(little)) == ".first { color:red }\n.a1 { color:red }"


@pytest.mark.parametrize(
    "said", ["position:absolute", "margin:-8px 0", "margin-left:-1px", "box-shadow:0 0 1px red", "visibility:hidden"]
)
def test_gmail_drops_declarations_it_does_not_know(said: str) -> None:
    shown = as_gmail(page(f".a {{ {said}; color: red }}", f'<p style="{said};color:red">x</p>'))
    assert '<p style="color:red">' in shown
    assert styles_of(shown) == ".a { color:red }"


@pytest.mark.parametrize("said", ["margin:8px 0", "border-radius:4px", "opacity:0", "display:none", "max-width:9px"])
def test_gmail_keeps_declarations_it_knows(said: str) -> None:
    assert f'style="{said}"' in as_gmail(page(body=f'<p style="{said}">x</p>'))


def test_gmail_makes_a_div_of_the_body_and_keeps_nothing_of_the_head() -> None:
    html = page(head="<title>Title</title><meta name='color-scheme' content='light dark'>", body="<p>x</p>")
    shown = as_gmail(html.replace("<body>", '<body class="page" style="background-color:#eee">'))
    assert '<div class="page" style="background-color:#eee"><p>x</p></div>' in shown
    assert "Title" not in shown
    assert "color-scheme" not in shown


def test_gmail_drops_comments_elements_and_attributes_it_does_not_know() -> None:
    shown = body_of(
        as_gmail(
            page(
                body="<!--[if mso]>for Word<![endif]--><svg><title>t</title></svg><main>kept</main><bdi>name</bdi>"
                '<img srcset="a 2x" src="data:image/png;base64,AA" alt="a"><img src="https://x.example/b.png" alt="b">'
            )
        )
    )
    assert shown == '<div>keptname<img alt="a"><img src="https://x.example/b.png" alt="b"></div>'


def test_gmail_cuts_a_mail_off_at_102_kilobytes() -> None:
    rows = "".join(f"<tr><td>row {number} {'x' * 90}</td></tr>" for number in range(2_000))
    heavy = page(body=f"<table>{rows}</table><p>The end</p>")
    shown = as_gmail(heavy)
    assert "[Message clipped]" in shown
    assert "View entire message" in shown
    assert "The end" not in shown
    assert len(shown.encode()) < CLIPPED + 2_000
    assert shown.index("</table>") < shown.index("[Message clipped]"), "the line is below what is cut, not in a cell"
    light = page(body="<p>The end</p>")
    assert "[Message clipped]" not in as_gmail(light)


# Outlook ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("mso", True),
        ("!mso", False),
        ("mso | IE", True),
        ("(gte mso 9)|(IE)", True),
        ("IE", False),
        ("lte mso 11", False),
        ("gt mso 15", True),
        ("mso 16", True),
        ("mso 12", False),
        ("(gte mso 9)&(lt mso 12)", False),
        ("!(IE)", True),
        ("", False),
        ("gte mso", True),
        ("( mso", False),
        ("nonsense !", False),
    ],
)
def test_a_condition_is_decided_as_outlook_decides_it(condition: str, found: bool) -> None:
    assert holds(condition) is found


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("a<!--[if mso]>b<![endif]-->c", "abc"),
        ("a<!--[if lte mso 11]>b<![endif]-->c", "ac"),
        ("a<!--[if !mso]><!-->b<!--<![endif]-->c", "ac"),
        ("a<!--[if !mso]><!-- -->b<!-- <![endif]-->c", "ac"),
        ("a<![if !mso]>b<![endif]>c", "ac"),
        ("a<![if mso]>b<![endif]>c", "abc"),
        ("a<!-- b -->c", "ac"),
    ],
)
def test_outlook_takes_what_is_for_it_and_leaves_what_is_for_others(html: str, found: str) -> None:
    assert body_of(as_outlook(page(body=html))) == found


@pytest.mark.parametrize(
    "rule",
    [
        DARK,
        "@media (max-width:599px) { .a { color: red } }",
        "@import url(x.css);",
        ".a > p { color: red }",
        ".a + p { color: red }",
        ".a.b { color: red }",
        "a[href] { color: red }",
        "a:hover { color: red }",
        "* { color: red }",
    ],
)
def test_outlook_ignores_rules_it_does_not_read(rule: str) -> None:
    assert styles_of(as_outlook(page(f"{rule} .z {{ color: blue }}"))) == ".z { color:blue }"


@pytest.mark.parametrize("selector", [".a", "#a", "td", "p.a", ".a p", "a:link"])
def test_outlook_reads_plain_selectors(selector: str) -> None:
    assert styles_of(as_outlook(page(f"{selector} {{ color: red }}"))) == f"{selector} {{ color:red }}"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("border-radius:6px", ""),
        ("background-image:url(a.png)", ""),
        ("background:url(a.png)", ""),
        ("background:#fff url(a.png) no-repeat", "background-color:#fff"),
        ("background:#fff", "background-color:#fff"),
        ("display:flex", ""),
        ("display:inline-block", ""),
        ("display:none", "display:none"),
        ("mso-hide:all", "display:none"),
        ("opacity:0", ""),
        ("width:calc(100% - 2px)", ""),
        ("font-size:2rem", ""),
        ("font-size:14px", "font-size:14px"),
        ("font-weight:500", "font-weight:normal"),
        ("font-weight:600", "font-weight:bold"),
        ("font-weight:bold", "font-weight:bold"),
        ("margin:0 auto", ""),
        ("margin:-4px", ""),
        ("margin:0 0 4px", "margin:0 0 4px"),
        ("text-decoration:underline dotted", ""),
        ("text-decoration:none", "text-decoration:none"),
        ("text-transform:lowercase", ""),
        ("text-transform:uppercase", "text-transform:uppercase"),
        ("color:rgba(0,0,0,.5)", ""),
        ("color:rgb(0,0,0,.5)", ""),
        ("color:rgb(0,0,0)", "color:rgb(0,0,0)"),
        ("color:red !important", ""),
        ("font-family:system-ui, Arial", "font-family:system-ui, Arial"),
    ],
)
def test_outlook_reads_a_tags_own_style_in_its_way(said: str, left: str) -> None:
    assert body_of(as_outlook(page(body=f'<p style="{said}">x</p>'))) == f'<p style="{left}">x</p>'


def test_in_outlook_a_style_sheet_may_be_important_and_a_tag_may_not() -> None:
    shown = as_outlook(page("p { color: red !important }", '<p style="color:blue !important">x</p>'))
    assert styles_of(shown) == "p { color:red !important }"
    assert '<p style="">' in shown


def test_outlook_pads_cells_with_what_is_meant_for_it() -> None:
    cell = '<td style="padding:1px;mso-padding-alt:11px 18px">x</td>'
    assert '<td style="padding:11px 18px">' in as_outlook(page(body=f"<table><tr>{cell}</tr></table>"))
    assert '<td style="padding:1px">' in as_outlook(page(body="<table><tr><td style='padding:1px'>x</td></tr></table>"))


def test_outlook_takes_a_pictures_width_from_its_attribute_and_the_first_of_several_classes() -> None:
    shown = as_outlook(page(body='<img width="160" style="width:320px;border:0"><p class="a b">x</p>'))
    assert '<img width="160" style="border:0">' in shown
    assert '<p class="a">' in shown


def test_outlook_drops_elements_and_drawings_it_cannot_show_but_not_their_words() -> None:
    shown = body_of(
        as_outlook(
            page(
                body="<section>a</section><svg><text>gone</text></svg><!--[if mso]><xml><o:x>gone</o:x></xml>"
                "<v:roundrect href='x'>b</v:roundrect><![endif]--><video>c</video>"
            )
        )
    )
    assert shown == "abc"


# A real issue -----------------------------------------------------------------------------------------------------


def test_an_issue_keeps_its_words_in_all_of_them(mail: Mail) -> None:
    def words(html: str) -> str:
        kept = (part.text for part in parts_of(body_of(html)) if part.kind == "text")
        return " ".join(" ".join(kept).replace("&nbsp;", " ").split())

    html = mail.content.html
    assert words(in_scheme(html, "dark")) == words(html)
    assert words(without_pictures(html)) == words(html)
    assert words(as_gmail(html)) == words(html)
    assert words(as_outlook(html)) == words(html)


def test_an_issue_loses_in_each_what_its_program_lacks(mail: Mail) -> None:
    gmail, outlook = as_gmail(mail.content.html), as_outlook(mail.content.html)
    assert "prefers-color-scheme" not in gmail + outlook
    assert "border-radius" in gmail
    assert "border-radius" not in outlook
    assert "@media" not in styles_of(outlook)
    assert "data-ogsc" not in gmail + outlook
    assert 'width="640"' in outlook, "the tables for Outlook are there"
    assert "[if mso" not in outlook
