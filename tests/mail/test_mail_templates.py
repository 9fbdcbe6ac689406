"""An operator's own templates take the place of ours; what is wrong with one is told with its file and line."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from mjml import mjml2html
from sqlite_utils import Database

from conftest import NOW
from digest.issue import issues
from digest.issue.checks.model import Mail
from digest.issue.model import Draft
from digest.issue.render import render
from digest.mail import letters, templates
from digest.mail.templates import TemplateError
from digest.resources import resource
from digest.settings import Settings

OURS = sorted(path.name for path in resource("templates", "email").iterdir())


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """An operator's folder."""
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def with_own(settings: Settings, own: Path) -> Settings:
    return settings.model_copy(update={"templates": own})


@pytest.fixture
def draft(sample: Database, settings: Settings) -> Draft:
    drafted = issues.draft(sample, settings, now=NOW).issue
    assert drafted is not None
    return issues.load_draft(sample, drafted.number)


def letter(settings: Settings) -> letters.RenderedLetter:
    return letters.render_letter(letters.welcome(settings, token="t" * 24), settings)


# a folder of one's own


def test_an_own_template_takes_the_place_of_ours_and_the_rest_stays(
    draft: Draft, settings: Settings, with_own: Settings, own: Path
) -> None:
    (own / "footer.txt").write_text("Ours, by {{ settings.newsletter_name }}, from {{ site }}\n")
    (own / "footer.mjml").write_text(
        "<mj-section><mj-column><mj-text>{% for words, address in ways %}{{ words }}{% endfor %} of our own"
        "</mj-text></mj-column></mj-section>"
    )
    before, after = render(draft, settings), render(draft, with_own)
    foot = "Ours, by Weekly AI Tool Verdicts, from https://verdicts.example.com\n"
    head, rule, _ = before.text.rpartition("=" * 72)
    assert rule
    assert after.text == head + foot
    assert "Unsubscribe of our own" in after.html
    assert "Your preferences</a>" not in after.html
    assert after.html.partition("Unsubscribe of our own")[0].startswith(before.html[:20_000])
    # The letters have the same footer.
    assert letter(with_own).text.endswith(foot)


def test_a_folder_may_be_empty_or_gone(draft: Draft, settings: Settings, with_own: Settings, own: Path) -> None:
    ours = render(draft, settings)
    assert render(draft, with_own) == ours
    own.rmdir()
    assert render(draft, with_own) == ours


def test_an_own_template_may_build_on_ours(draft: Draft, with_own: Settings, own: Path) -> None:
    (own / "style.css").write_text("h1 { letter-spacing: 2px; }\n")
    html = render(draft, with_own).html
    assert "letter-spacing: 2px" in html
    # dark.css is ours still, in both its places.
    assert html.count("[data-ogsc] .text a") == 1


def test_a_mended_template_is_taken_at_once(with_own: Settings, own: Path) -> None:
    (own / "footer.txt").write_text("{{ nonsense }}\n")
    with pytest.raises(TemplateError):
        letter(with_own)
    (own / "footer.txt").write_text("The mended footer.\n")
    assert letter(with_own).text.endswith("The mended footer.\n")


# errors


@pytest.mark.parametrize(
    ("source", "line", "why"),
    [
        ("one\n{% if %}\n", 2, "Expected an expression"),
        ("one\n{% for x in y %}\n{{ x }}\n{% bad %}\n", 4, "unknown tag 'bad'"),
        ("{{ 'open }}\n", 1, "unexpected char"),
        ("one\n\n{{ nonsense }}\n", 3, "'nonsense' is undefined"),
        ("{{ settings.colour_ink }}\n", 1, "no attribute 'colour_ink'"),
        ("\n{{ [][2] }}\n", 2, "no element 2"),
        ("\n{{ site | louder }}\n", 2, "No filter named 'louder'"),
        ("\n{{ 1 / 0 }}\n", 2, "division by zero"),
        ("\n\n{{ site.upper(3) }}\n", 3, "takes no arguments"),
        ("one\n{% include 'gone.txt' %}\n", 2, "gone.txt"),
        ("one\n{% extends 'gone.txt' %}\n", 2, "gone.txt"),
    ],
)
@pytest.mark.parametrize("name", ["footer.txt", "footer.mjml"])
def test_what_is_wrong_with_a_template_is_told_with_its_place(
    with_own: Settings, own: Path, name: str, source: str, line: int, why: str
) -> None:
    (own / name).write_text(source)
    with pytest.raises(TemplateError) as caught:
        letter(with_own)
    assert str(caught.value).startswith(f"{own / name}:{line}: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_template_that_is_not_utf_8_is_told(with_own: Settings, own: Path) -> None:
    (own / "footer.txt").write_bytes("Grüße\n".encode("latin-1"))
    with pytest.raises(TemplateError, match=r"'utf-8' codec"):
        letter(with_own)


def test_a_template_of_ours_is_named_by_its_short_path(settings: Settings) -> None:
    with pytest.raises(TemplateError, match=r"^templates/email/footer\.txt:\d+: 'why' is undefined$"):
        templates.fill(templates.environment(), "footer.txt", {"settings": settings})


def test_a_template_that_is_not_there_is_named() -> None:
    with pytest.raises(TemplateError, match=r"there is no template 'gone\.mjml'"):
        templates.fill(templates.environment(), "gone.mjml", {})


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("<mj-section>\n<mj-column>\n<mj-text>\n<p>Never closed\n</mj-text></mj-column></mj-section>", "[45]"),
        ("\n<mj-section>\n<mj-column></mj-column>\n", "2"),
        ("<mj-section></mj-section>\n<mj-section><mj-column><mj-text>a < b</mj-text></mj-column></mj-section>", "2"),
    ],
)
def test_mjml_that_is_not_well_formed_is_told_with_its_place(
    draft: Draft, with_own: Settings, own: Path, source: str, line: str
) -> None:
    (own / "masthead.mjml").write_text(source)
    with pytest.raises(TemplateError, match=rf"masthead\.mjml:{line}\b"):
        render(draft, with_own)


def test_a_letter_that_is_not_well_formed_is_refused(with_own: Settings, own: Path) -> None:
    (own / "footer.mjml").write_text("<mj-section>\n<mj-column>\n</mj-section>")
    with pytest.raises(TemplateError, match="not give well-formed MJML"):
        letter(with_own)


def test_mjml_alone_is_told_without_a_place() -> None:
    with pytest.raises(TemplateError, match="do not give well-formed MJML"):
        templates.to_html("<mjml><mj-body>")


# squeezing


class _Parts(HTMLParser):
    """Elements, their attributes, texts and comments, with white space collapsed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[object] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append((tag, [(name, (value or "").split()) for name, value in attrs]))

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.parts.append((data[:1].isspace(), data.split(), data[-1:].isspace()))

    def handle_comment(self, data: str) -> None:
        self.parts.append(("<!--", data.split()))

    def handle_decl(self, decl: str) -> None:
        self.parts.append(decl)


def test_squeezing_takes_out_white_space_and_nothing_else(mail: Mail) -> None:
    whole = mjml2html(mail.content.mjml, disable_comments=False, fonts={})
    html = mail.content.html
    assert html == templates.to_html(mail.content.mjml)
    assert len(html) < len(whole)
    assert not re.search(r"\n[ \t\n]|[ \t]\n", html)
    assert html.split() == whole.split()
    assert _Parts(html).parts == _Parts(whole).parts


def test_what_only_outlook_reads_stays(mail: Mail) -> None:
    whole = mjml2html(mail.content.mjml, disable_comments=False, fonts={})
    for mark in ("<!--[if", "<![endif]", "<!--[if mso", "mso-"):
        assert mail.content.html.count(mark) == whole.count(mark) > 0
    assert mail.content.html.count("<!--[if") == mail.content.html.count("<![endif]")


def test_nothing_is_fetched_for_fonts(mail: Mail) -> None:
    assert not re.search(r"<link|@import|@font-face", mail.content.html)


def test_white_space_between_words_stays() -> None:
    words = "one   two\n      <b>three</b>\n four<pre>a  b</pre>"
    body = f"<mj-section><mj-column><mj-text>{words}</mj-text></mj-column></mj-section>"
    html = templates.to_html(f"<mjml><mj-body>{body}</mj-body></mjml>")
    assert "one   two\n<b>three</b>\nfour<pre>a  b</pre>" in html


def test_every_template_of_ours_is_used() -> None:
    """A template nobody includes would be changed in vain."""
    sources = {name: resource("templates", "email", name).read_text() for name in OURS}
    begun = {"issue.mjml", "issue.txt", "letter.mjml", "letter.txt"}
    named = begun | {
        found for source in sources.values() for found in re.findall(r'"([\w-]+\.(?:mjml|txt|css))"', source)
    }
    assert set(OURS) == named


def test_the_label_of_the_mail_is_its_title_in_any_script() -> None:
    title = "हिन्दी, เรียน & “e\u0301”, 1"
    mjml = f"<mjml><mj-head><mj-title>{title.replace('&', '&amp;')}</mj-title></mj-head><mj-body></mj-body></mjml>"
    found = re.search(r'aria-label="([^"]*)" aria-roledescription', templates.to_html(mjml))
    assert found is not None
    assert unescape(found[1]) == title


def test_comments_are_not_mailed_but_outlooks_are() -> None:
    mjml = "<mjml><mj-body><mj-raw><!-- a note to self --><!--[if mso]><b>x</b><![endif]--></mj-raw></mj-body></mjml>"
    html = templates.to_html(mjml)
    assert "note to self" not in html
    assert "<!--[if mso]><b>x</b><![endif]-->" in html
    assert "<!--[if !mso]><!-->" in html
