"""Each letter says one thing, offers at most one thing to do, and owes its reader what the issue does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest

from conftest import NOW
from digest.issue.checks import accessibility, weight
from digest.issue.checks.document import Document
from digest.issue.checks.model import Finding, Mail
from digest.issue.model import Draft, Envelope, Rendered
from digest.mail import letters
from digest.mail.letters import Letter, RenderedLetter
from digest.mail.plain import WIDTH
from digest.mail.specimens import specimens
from digest.settings import Settings

NAMES = (
    "confirm", "welcome", "goodbye", "address", "notice", "sign-in", "invitation", "approval", "drafted",
    "reminder", "nothing-new", "missed", "trouble", "sent", "summary",
)  # fmt: skip
TOKEN = "PreviewPreviewPreviewPre"

CHECKS: list[Callable[[Mail], list[Finding]]] = [
    accessibility.alt_text,
    accessibility.contrast,
    accessibility.headings,
    accessibility.language,
    accessibility.text_size,
    accessibility.touch,
    weight.plain_text,
]


def rendered(name: str, settings: Settings) -> RenderedLetter:
    return letters.render_letter(specimens(settings)[name], settings)


def changed(settings: Settings, **changes: object) -> Settings:
    """Other settings, which were looked at as those of an operator are."""
    return Settings(**{**settings.model_dump(), **changes})


def as_mail(letter: RenderedLetter, settings: Settings) -> Mail:
    """A letter in the shape the checks of an issue look at."""
    content = Rendered(Envelope("", "", "", {}), letter.subject, "", letter.mjml, letter.html, letter.text, ())
    return Mail(Draft(1, NOW, letter.subject, "", "", ()), content, settings)


def shown(html: str) -> str:
    return " ".join("".join(text for element in Document(html).elements("body") for _, text in element.runs()).split())


def test_there_is_a_specimen_of_every_letter(settings: Settings) -> None:
    assert tuple(specimens(settings)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_letter_has_all_its_parts_in_html_and_in_text(settings: Settings, name: str) -> None:
    letter, mail = specimens(settings)[name], rendered(name, settings)
    assert mail.subject == letter.subject
    assert settings.newsletter_name in mail.subject
    page = Document(mail.html)
    assert [title.words for title in page.elements("title")] == [letter.subject]
    seen, text = shown(mail.html), " ".join(mail.text.split())
    assert letter.preheader in seen
    for words in (letter.heading, *letter.before, letter.button, *letter.after, letter.why, settings.postal_address):
        assert words
        assert words in seen
        assert words in text
    for words, address in letter.ways:
        assert words in seen
        assert f"{words}: {address}" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_letter_has_one_button_and_its_address_to_copy(settings: Settings, name: str) -> None:
    letter, mail = specimens(settings)[name], rendered(name, settings)
    page = Document(mail.html)
    buttons = [cell for cell in page.elements("td") if "button" in cell.attributes.get("class", "").split()]
    assert [button.words.strip() for button in buttons] == [letter.button]
    (link,) = (link for link in page.elements("a") if link in list(buttons[0].within()))
    assert link.attributes["href"] == letter.address
    # Once more as words, for where buttons do not work; and on a line of its own in the text.
    assert letter.address in [found.words.strip() for found in page.elements("a")]
    assert letter.address in mail.text.splitlines()
    assert letter.address.startswith(f"{settings.base_url}/")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("check", "language"),
    # The letters' words are English: in an Arabic newsletter the check `language` rightly says so.
    [
        (check, language)
        for check in CHECKS
        for language in ("en", "ar")
        if (check, language) != (accessibility.language, "ar")
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_checks_of_an_issue_pass(
    settings: Settings, check: Callable[[Mail], list[Finding]], language: str, name: str
) -> None:
    ours = changed(
        settings,
        language=language,
        logo_url="https://cdn.example.com/l.png",
        social_links={"RSS": "https://e.org/feed"},
    )
    assert [finding for finding in check(as_mail(rendered(name, ours), ours)) if finding.level != "pass"] == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_open(settings: Settings, name: str) -> None:
    mail = rendered(name, settings)
    for part in (mail.mjml, mail.html, mail.text, mail.subject):
        assert "[[digest:" not in part
        assert not re.search(r"\{\{|\{%|None", part)
    assert mail.html.rstrip().endswith("</html>")


@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_narrow_and_tidy(settings: Settings, name: str) -> None:
    text = rendered(name, settings).text
    assert not re.search(r"[ \t]\n|\n\n\n", text)
    assert [line for line in text.splitlines() if len(line) > WIDTH and " " in line.strip()] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_letter_gives_the_same_bytes(settings: Settings, name: str) -> None:
    assert rendered(name, settings) == rendered(name, settings)


def test_who_can_leave_is_told_how(settings: Settings) -> None:
    """The others are answers to something just asked for, and the last of their kind."""
    leave = f"{settings.base_url}/u/{TOKEN}"
    for part in (rendered("welcome", settings).html, rendered("welcome", settings).text):
        assert leave in part
        assert "Unsubscribe" in part
        assert f"{settings.base_url}/p/{TOKEN}" in part
    for name in ("confirm", "sign-in"):
        assert "/u/" not in rendered(name, settings).html


def test_a_confirmation_has_nothing_that_a_stranger_typed(settings: Settings) -> None:
    assert list(inspect.signature(letters.confirmation).parameters) == ["settings", "token", "days"]
    mail = letters.render_letter(letters.confirmation(settings, token=TOKEN, days=7), settings)
    assert "you will hear no more from us" in " ".join(mail.text.split())
    assert f"{settings.base_url}/confirm/{TOKEN}" in mail.html


@pytest.mark.parametrize(("days", "words"), [(1, "works for a day."), (7, "works for 7 days.")])
def test_how_long_a_confirmation_works(settings: Settings, days: int, words: str) -> None:
    assert words in letters.confirmation(settings, token=TOKEN, days=days).after[0]


def test_a_welcome_greets_by_name_where_one_is_known(settings: Settings) -> None:
    name = "<b>Ada</b> & [[digest:token]]"
    mail = letters.render_letter(letters.welcome(settings, token=TOKEN, name=name), settings)
    greeting = "Welcome, <b>Ada</b> & [[\N{WORD JOINER}digest:token]]"
    assert greeting in shown(mail.html)
    assert greeting in mail.text
    assert letters.welcome(settings, token=TOKEN).heading == "Welcome"


def test_a_letter_may_go_without_a_button(settings: Settings) -> None:
    mail = letters.render_letter(Letter("Subject", "Preheader", "Heading", ("Words.",)), settings)
    assert list(Document(mail.html).elements("a")) == []
    assert "http" not in mail.text
    assert "Words." in mail.text


# what an operator may set


@pytest.mark.parametrize("name", ['Tom & "Jerry" <3', "Cafe\u0301 नि 👩\u200d💻", "שלום “A\\B” 'x'", "ｶﾞｯﾂ"])
def test_a_logo_bears_the_newsletters_name(settings: Settings, name: str) -> None:
    ours = changed(settings, newsletter_name=name, logo_url="https://cdn.example.com/l.png?a=1&b=2", logo_width=200)
    for letter in NAMES:
        (logo,) = Document(rendered(letter, ours).html).elements("img")
        assert logo.attributes["alt"] == name
        assert logo.attributes["src"] == "https://cdn.example.com/l.png?a=1&b=2"
        assert logo.attributes["width"] == "200"


def test_without_a_logo_the_name_is_written(settings: Settings) -> None:
    html = rendered("welcome", settings).html
    assert "<img" not in html
    assert settings.newsletter_name in shown(html)


def test_social_links_stand_in_the_footer(settings: Settings) -> None:
    links = {"Mastodon & co": "https://example.social/@me?a=1&b=2", "RSS": "https://example.com/feed"}
    ours = changed(settings, social_links=links)
    for name in NAMES:
        mail = rendered(name, ours)
        found = {link.words: link.attributes["href"] for link in Document(mail.html).elements("a")}
        assert links.items() <= found.items()
        assert all(f"{words}:\n  {address}\n" in mail.text for words, address in links.items())


def test_without_a_postal_address_there_is_no_empty_line_for_one(settings: Settings) -> None:
    with_one, without = rendered("welcome", settings), rendered("welcome", changed(settings, postal_address=""))
    assert with_one.html.count("<p") == without.html.count("<p") + 1


@pytest.mark.parametrize(("language", "direction"), [("ar", "rtl"), ("he-IL", "rtl"), ("en", "ltr"), ("pt-BR", "ltr")])
def test_the_mail_runs_as_its_language_does(settings: Settings, language: str, direction: str) -> None:
    ours = changed(settings, language=language)
    for name in NAMES:
        (root,) = Document(rendered(name, ours).html).elements("html")
        assert (root.attributes["lang"], root.attributes["dir"]) == (language, direction)


def test_our_english_is_turned_in_a_mail_from_right_to_left(settings: Settings) -> None:
    page = Document(rendered("confirm", changed(settings, language="ar")).html)
    words = "The button works for 7 days"
    (paragraph,) = (found for found in page.elements("p") if found.words.strip().startswith(words))
    assert (paragraph.attributes["dir"], paragraph.attributes["align"]) == ("ltr", "left")
