"""The check `mjml`: marks in templates, and what MJML does not know."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import DictLoader, Environment

from digest.issue.checks import markup
from digest.issue.checks.markup import examine, load_mjml, mark
from digest.issue.checks.model import Finding
from digest.resources import resource

HEAD = "<mj-head><mj-title>T</mj-title></mj-head>"


def mail(column: str, head: str = HEAD) -> str:
    return f"<mjml>\n{head}\n<mj-body><mj-section><mj-column>\n{column}\n</mj-column></mj-section></mj-body></mjml>"


def look(source: str) -> list[Finding]:
    return examine(mark(source, "issue.mjml"))


def only(source: str) -> Finding:
    (finding,) = look(source)
    assert finding.check == "mjml"
    assert finding.level == "block"
    assert finding.todo
    return finding


def test_what_mjml_knows_passes_and_is_counted() -> None:
    (finding,) = look(
        mail('<mj-text padding="0 12px" css-class="x">Tom &amp; Jerry&nbsp;&copy;<br /><p>x</p></mj-text>')
    )
    assert (finding.check, finding.level) == ("mjml", "pass")
    assert finding.what == "7 elements, all known to MJML 5.4"
    assert (finding.where, finding.todo) == ("", "")


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ("<mj-txt>x</mj-txt>", "MJML 5.4 has no element mj-txt; did you mean 'mj-text'?"),
        ('<mj-text colour="red">x</mj-text>', "mj-text has no attribute colour; did you mean 'color'?"),
        ('<mj-text color="#12345">x</mj-text>', "color='#12345' of mj-text is not a colour"),
        ('<mj-text color="blurple">x</mj-text>', "color='blurple' of mj-text is not a colour"),
        ('<mj-text padding="1em">x</mj-text>', "padding='1em' of mj-text is not 1 to 4 sizes in px or %"),
        ('<mj-text padding="1px 2px 3px 4px 5px">x</mj-text>', "is not 1 to 4 sizes in px or %"),
        ('<mj-text font-size="16">x</mj-text>', "font-size='16' of mj-text is not a size in px"),
        ('<mj-text align="middle">x</mj-text>', "is not one of left, right, center, justify"),
        ('<mj-table cellpadding="wide"></mj-table>', "cellpadding='wide' of mj-table is not a whole number"),
        ('<mj-image fluid-on-mobile="yes" />', "fluid-on-mobile='yes' of mj-image is not true or false"),
        ("<mj-section></mj-section>", "mj-section stands in mj-column, where MJML has no place for it"),
        ("<mj-text><mj-image /></mj-text>", "mj-image stands in mj-text, which holds HTML"),
        ("<div>x</div>", "HTML's <div> stands directly in mj-column"),
        ("lost words", "the text “lost words” stands directly in mj-column, where it is not shown"),
        ("<mj-text>a &nbps; b</mj-text>", "HTML has no character &nbps;; did you mean 'nbsp'?"),
        ('<mj-text mj-class="crad">x</mj-text>', "no mj-class in mj-attributes is called 'crad'"),
    ],
)
def test_what_mjml_does_not_know_blocks(column: str, what: str) -> None:
    finding = only(mail(column))
    assert what in finding.what
    line = 3 if column in ("lost words",) else 4
    assert finding.where == f"templates/email/issue.mjml:{line}"


@pytest.mark.parametrize(
    "column",
    [
        '<mj-text line-height="1.55" letter-spacing="-0.5px" color="rgba(1, 2, 3, .5)">x</mj-text>',
        '<mj-text padding="0 .5px 10% 3px">x</mj-text>',
        '<mj-image src="https://example.com/a.png" width="160px" height="auto" fluid-on-mobile="true" />',
        "<mj-raw><table><tr><td>free</td></tr></table></mj-raw>",
        "<!-- <mj-wrong> -->",
    ],
)
def test_good_values_pass(column: str) -> None:
    assert [finding.level for finding in look(mail(column))] == ["pass"]


def test_the_place_where_an_element_may_stand_is_told() -> None:
    finding = only("<mjml><mj-body><mj-section>\n<mj-text>x</mj-text></mj-section></mj-body></mjml>")
    assert finding.what.startswith("mj-text stands in mj-section")
    assert finding.todo == "Move it; it may stand in mj-column, mj-hero."


@pytest.mark.parametrize(
    ("defaults", "what"),
    [
        ('<mj-all font-famly="x" />', "mj-all has no attribute font-famly; did you mean 'font-family'?"),
        ('<mj-class name="card" backgroud-color="#fff" />', "mj-class has no attribute backgroud-color"),
        ('<mj-buton color="#fff" />', "MJML 5.4 has no element mj-buton; did you mean 'mj-button'?"),
        ('<mj-text href="x" />', "mj-text has no attribute href"),
        ('<mj-class name="card" color="nope" />', "color='nope' of mj-class is not"),
    ],
)
def test_defaults_are_looked_at(defaults: str, what: str) -> None:
    assert what in only(mail("", f"<mj-head>\n<mj-attributes>{defaults}</mj-attributes></mj-head>")).what


def test_defaults_may_be_any_components() -> None:
    head = """<mj-head><mj-attributes>
    <mj-all font-family="Arial" />
    <mj-class name="card" background-color="#fff" inner-padding="4px"><mj-text color="#000" />
    </mj-class>
    <mj-text padding="0" css-class="text" /><mj-social-element icon-size="20px" />
    </mj-attributes><mj-breakpoint width="600px" /><mj-style>a > b { color: red }</mj-style></mj-head>"""
    (finding,) = look(mail('<mj-text mj-class="card">x</mj-text>', head))
    assert finding.level == "pass"


@pytest.mark.parametrize("attribute", ["paddin='{{ n }}px'", "padding='{{ n }}em'"])
def test_a_place_in_a_template_is_told_once_however_often_it_is_repeated(attribute: str) -> None:
    source = mail("{% for n in range(9) %}\n<mj-text " + attribute + ">{{ n }}</mj-text>\n{% endfor %}")
    (finding,) = examine(Environment().from_string(mark(source, "issue.mjml")).render())
    assert finding.where == "templates/email/issue.mjml:5"


def test_the_place_is_that_of_an_included_template() -> None:
    templates = {
        "issue.mjml": mail("{% include 'inner.mjml' %}"),
        "inner.mjml": "{# a\ncomment #}\n<mj-text\n  wrong='1'>x</mj-text>",
    }
    loader = DictLoader({name: mark(source, name) for name, source in templates.items()})
    rendered = Environment(loader=loader).get_template("issue.mjml").render()
    (finding,) = examine(rendered, "my/templates")
    assert finding.where == "my/templates/inner.mjml:3"


@pytest.mark.parametrize(
    ("source", "reason", "line"),
    [
        ("<mjml>\n<mj-body>\n</mjml>", "a closing tag does not fit <mj-body>, which issue.mjml:2 opens", 2),
        ("<mjml>\n<mj-body>a & b</mj-body></mjml>", "a bare & or <", 2),
        ("<mjml>\n<mj-body\n</mjml>", "a character stands where none may", 2),
        ("<mjml>\n<mj-body>", "an element is not closed before the end", 2),
        ('<mjml>\n<mj-body id="a" id="b"></mj-body></mjml>', "the same attribute twice", 2),
    ],
)
def test_what_is_not_well_formed_blocks_with_the_nearest_place(source: str, reason: str, line: int) -> None:
    finding = only(source)
    assert "not well-formed" in finding.what
    assert reason in finding.what
    assert finding.where == f"templates/email/issue.mjml:{line}"


@pytest.mark.parametrize(
    ("source", "marked"),
    [
        ("<p>x</p>", '<p digest-at="a:1">x</p>'),
        ("<br/><br />", '<br digest-at="a:1"/><br digest-at="a:1" />'),
        ("{% if a <b %}<i>{% endif %}</i>", '{% if a <b %}<i digest-at="a:1">{% endif %}</i>'),
        ("{{ '<b>' }}{# <b> #}<!-- <b> -->", "{{ '<b>' }}{# <b> #}<!-- <b> -->"),
        ("{{ '}}<b>' }}<i>", """{{ '}}<b>' }}<i digest-at="a:1">"""),
        ('<a {% if x > 1 %}b="c"{% endif %}>', '<a digest-at="a:1" {% if x > 1 %}b="c"{% endif %}>'),
        ('<a{% if x > 1 %} b="c"{% endif %}>', '<a{% if x > 1 %} b="c"{% endif %} digest-at="a:1">'),
        ("<h{{ n }} id='>'/>", """<h{{ n }} id='>' digest-at="a:1"/>"""),
        ("<{{ tag }} id='b'>x</{{ tag }}>", """<{{ tag }} id='b' digest-at="a:1">x</{{ tag }}>"""),
        ("\n\n<a\nb='c'>", """\n\n<a digest-at="a:3"\nb='c'>"""),
    ],
)
def test_marks_stand_in_start_tags_only(source: str, marked: str) -> None:
    assert mark(source, "a") == marked


@given(st.text("<>/{%}#'\"! a-b\n", max_size=60))
def test_marks_move_no_line_and_take_nothing_away(source: str) -> None:
    marked = mark(source, "a")
    assert marked.count("\n") == source.count("\n")
    assert re.sub(r' digest-at="a:\d+"', "", marked) == source


def test_every_element_of_our_templates_is_marked() -> None:
    for path in resource("templates", "email").glob("*.mjml"):
        source = path.read_text(encoding="utf-8")
        marked = mark(source, path.name)
        assert re.sub(r' digest-at="[^"]*"', "", marked) == source
        assert (
            re.findall(r"<mj[\w-]*(?=[\s/>])(?! digest-at=)", re.sub(r"\{#.*?#\}", "", marked, flags=re.DOTALL)) == []
        )


def test_the_data_say_their_version_and_licence() -> None:
    folder = Path(markup.__file__).parent / "data"
    data = json.loads((folder / "mjml.json").read_text(encoding="utf-8"))
    assert f"`mjml-core` {data['version']}" in (folder / "LICENSES.md").read_text(encoding="utf-8")
    assert data["version"].startswith(load_mjml().version)
