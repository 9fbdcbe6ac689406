"""The check `support`: what the named mail programs do not show."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import with_html
from digest.issue.checks import support
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.support import ENHANCEMENTS, GMAIL_STYLES, check, examine, load_support
from digest.issue.checks.traps import TRAPS
from digest.issue.checks.uses import uses


def page(body: str, head: str = "") -> str:
    return f"<html><head>{head}</head>{body}</html>"


def only(html: str) -> Finding:
    (finding,) = examine(html)
    assert (finding.check, finding.level) == ("support", "warn")
    return finding


def test_what_all_show_passes() -> None:
    (finding,) = examine(page('<p style="color:#fff;font-size:12px">x</p>'))
    assert (finding.check, finding.level, finding.where) == ("support", "pass", "")
    date = load_support().date
    assert finding.what == (
        f"3 features of HTML and CSS, shown by the 19 named mail programs (caniemail data of {date})"
    )


def test_what_the_mail_does_well_without_is_counted() -> None:
    (finding,) = examine(page('<p style="border-radius:4px;overflow-wrap:anywhere">x</p>'))
    assert finding.level == "pass"
    assert "; 2 of them not by all, and the mail does well without" in finding.what


def test_the_sample_issue_passes(mail: Mail) -> None:
    (finding,) = check(mail)
    assert finding.level == "pass", finding


def test_a_feature_some_do_not_show_warns_with_their_names(mail: Mail) -> None:
    changed = with_html(mail, lambda html: html.replace("<p", '<p style="display:flex"', 1))
    (finding,) = check(changed)
    assert (finding.check, finding.level) == ("support", "warn")
    assert "CSS display:flex is not supported by 1 of 19 named mail programs (5%): Outlook for Windows" in finding.what
    assert "only in part by 2 more" in finding.what
    assert f"caniemail data of {load_support().date}" in finding.what
    assert finding.where == '<p style="display:flex">'
    assert "https://www.caniemail.com/features/css-display-flex/" in finding.todo


@pytest.mark.parametrize(
    ("head", "body", "title", "where"),
    [
        ("", '<p style="gap:4px">', "CSS gap", '<p style="gap:4px">'),
        ("", '<p style="width:calc(1px + 2px)">', "calc() function", "width:calc"),
        ("", '<p style="font-size:2rem">', "rem unit", "font-size:2rem"),
        ("", '<p style="color:var(--x)">', "CSS Variables", "color:var"),
        ("", '<p style="BACKGROUND:Linear-Gradient(red, blue)">', "linear-gradient()", "Linear-Gradient"),
        ("", "<video></video>", "HTML <video> element", "<video>"),
        ("", '<img srcset="a.png 2x">', "srcset and sizes", '<img srcset="a.png 2x">'),
        ("", '<img src="https://example.com/a.SVG?b=c.png">', "SVG image format", "a.SVG"),
        ("", '<img src="data:image/png;base64,AAAA">', "Base 64", "<img"),
        ("", '<a href="#top">x</a>', "Local anchors", "#top"),
        ("", '<input type="text">', '<input type="text">', "<input"),
        ("", "<main>x</main>", "HTML5 semantics", "<main>"),
        ("<style>p:nth-child(2) { color: red }</style>", "", ":nth-child", "<style> p:nth-child(2)"),
        ("<style>p:not(.x) { color: red }</style>", "", ":not", "<style> p:not(.x)"),
        ("<style>p::before { color: red }</style>", "", "::before", "<style> p::before"),
        ("<style>* { color: red }</style>", "", "Universal selector", "<style> *"),
        ("<style>p { &.x { color: red } }</style>", "", "CSS Nesting", "<style> p"),
        ("<style>@media (hover) { p { color: red } }</style>", "", "@media (hover)", "<style> @media (hover)"),
        ("<style>@font-face { font-family: X }</style>", "", "@font-face", "<style> @font-face"),
        ("<style>@media print { p { float: left } }</style>", "", "CSS float", "<style> p { float:left }"),
    ],
)
def test_a_use_is_seen_at_its_first_place(head: str, body: str, title: str, where: str) -> None:
    finding = only(page(body, head))
    assert title in finding.what
    assert where in finding.where


def test_the_first_place_of_several_is_told() -> None:
    sheet = "<style>p { color: red } h1 { gap: 1px } h2 { gap: 2px }</style>"
    assert only(page('<i style="gap:3px">', sheet)).where == "<style> h1 { gap:1px }"


def test_what_only_outlook_reads_is_not_looked_at() -> None:
    html = page(
        '<!--[if mso]><video style="display:flex"></video><![endif]--><!--[if !mso]><!--><p>x</p><!--<![endif]-->'
    )
    assert [finding.level for finding in examine(html)] == ["pass"]


def test_a_rule_no_browser_reads_is_no_use() -> None:
    assert "selector:class" not in uses("<style>p:: .x { color: red }</style>")


def test_gmail_drops_too_much_css() -> None:
    rule = "p{color:#000000}"
    fits = f"<style>{rule * (GMAIL_STYLES // len(rule))}</style>"
    assert [finding.level for finding in examine(page("", fits))] == ["pass"]
    finding = only(page("", fits + "<style>a{}</style>"))
    assert "16,387 bytes of CSS; Gmail drops those past 16,384" in finding.what
    assert "Take 3 bytes out" in finding.todo


def test_gmail_drops_a_style_element_with_an_at_rule_in_another() -> None:
    finding = only(page("", "<style>@media print { @media screen { p { color: red } } }</style>"))
    assert "@media stands inside @media" in finding.what
    assert finding.where == "<style> @media"


def test_the_table_of_what_can_be_done_without_names_features_that_some_lack() -> None:
    found = load_support()
    assert [slug for slug in ENHANCEMENTS if not (slug in found.shown and found.without(slug))] == []
    assert all(ENHANCEMENTS.values())


def test_nothing_is_read_before_it_is_needed() -> None:
    code = "from digest.issue.checks import support; print(support.load_support.cache_info().currsize)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "0"


def test_the_data_are_whole() -> None:
    folder = Path(support.__file__).parent / "data"
    data = json.loads((folder / "caniemail.json").read_text(encoding="utf-8"))
    assert all(len(feature["support"]) == len(data["clients"]) for feature in data["features"].values())
    assert len(set(_keys(data))) > 300
    licences = (folder / "LICENSES.md").read_text(encoding="utf-8")
    assert f"`caniemail` {data['version']}" in licences
    assert data["date"] in licences


def _keys(data: dict[str, dict[str, dict[str, list[str]]]]) -> Iterator[str]:
    for feature in data["features"].values():
        yield from feature["uses"]


CELL = '<td style="mso-padding-alt:11px 18px"><a style="display:inline-block;padding:11px 18px">Vote</a></td>'


@pytest.mark.parametrize(
    ("body", "head", "tag", "count"),
    [
        ('<p style="padding:4px">x</p>', "", "<p>", "1 place"),
        ('<p style="padding-left:4px">x</p><p style="padding: 0 0 0 1em">y</p>', "", "<p>", "2 places"),
        ('<div class="a">x</div>', "<style>.a { padding: 4px }</style>", '<div class="a">', "1 place"),
        ('<a style="display:inline-block;padding:4px">x</a>', "", "<a>", "1 place"),
        (CELL.replace("display:inline-block;", "").join(("<table><tr>", "</tr></table>")), "", "<a> in", "1 place"),
        (f"<table style='padding:1px'><tr>{CELL}</tr></table>", "", "<table>", "1 place"),
    ],
)
def test_padding_that_outlook_ignores(body: str, head: str, tag: str, count: str) -> None:
    finding = only(page(body.replace("<a> in", ""), head))
    name = tag.partition(" ")[0].strip("<>")
    assert finding.what == (
        f"padding on <{name}> is ignored by Outlook for Windows (classic), which knows it on table cells only: {count}"
    )
    assert finding.where.startswith(tag.removesuffix(" in"))
    assert "margin or a table cell" in finding.todo
    assert "https://www.caniemail.com/features/css-padding/" in finding.todo


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ('<table><tr><td style="padding:4px">x</td><th style="padding:4px">y</th></tr></table>', ""),
        (f"<table><tr>{CELL}</tr></table>", ""),
        ('<p style="padding:0">x</p>', ""),
        ('<a style="display:block;padding:10px 0">x</a>', ""),
        ('<p class="a">x</p>', "<style>@media (max-width: 599px) { .a { padding: 4px } }</style>"),
        ('<p class="a">x</p>', '<style media="(max-width: 599px)">.a { padding: 4px }</style>'),
        ('<p class="a" style="padding:0 !important">x</p>', "<style>.a { padding: 4px }</style>"),
        ('<div style="display:none"><p style="padding:4px">x</p></div>', ""),
    ],
)
def test_padding_that_outlook_knows_or_does_well_without(body: str, head: str) -> None:
    assert [finding.level for finding in examine(page(body, head))] == ["pass"]


def test_the_traps_are_partly_shown_features_of_the_data() -> None:
    found = load_support()
    for trap in TRAPS:
        assert found.without(trap.slug, "a") == [trap.client]
