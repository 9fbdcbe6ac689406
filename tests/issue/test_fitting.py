"""Whatever the catalogue holds, a copy has at most 90 KB of HTML, and its twin every comparison."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from functools import cache, partial

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import NOW
from digest.catalogue.model import Comparison, Review, Reviewer, Tool, Verdict, Votes
from digest.issue.checks.model import Mail
from digest.issue.checks.weight import size
from digest.issue.compose import form_at
from digest.issue.fit import LIMIT, Fitted, fit, weight
from digest.issue.model import Draft, Form, Moved, Placed
from digest.issue.render import render
from digest.mail import personalise
from digest.settings import Settings
from digest.tokens import TOKEN_LENGTH

SITE = "https://verdicts.example.com"
LETTERS = ("a", "é", "ש", "字", "𠀀", "😀", "&", '"')
"""One to four bytes each; and such as are longer where HTML escapes them."""

SIZES: dict[Form, int] = {"full": 0, "brief": 1, "link": 2, "more": 3, "out": 4}


def words(letter: str, length: int) -> str:
    """A text of exactly this length, with a sentence now and then."""
    return (f"{letter * 6} {letter * 4}. " * (length // 13 + 1))[: max(length - 1, 0)] + letter * (length > 0)


def comparison(number: int, letter: str, *, name: int, text: int, reviewers: int, slug: int = 20) -> Comparison:
    """A comparison whose names and texts are of these lengths, as far as the catalogue takes them."""

    def tool(side: str) -> Tool:
        verdicts: tuple[Verdict | None, ...] = ("ship", "skip", None, "ship")
        reviews = tuple(
            Review(
                Reviewer(f"critic-{at}", words(letter, min(name, 98)) + f"{at:02}", None, at),
                verdicts[(at + number) % 4] if number % 3 else "ship",
                words(letter, min(max(text, 1), 10_000)),
            )
            for at in range(reviewers)
        )
        return Tool(
            slug=f"tool-{number}-{side}".ljust(slug, "x"),
            name=words(letter, min(name, 200)),
            tagline=words(letter, min(text, 300)) or None,
            category=words(letter, min(text, 100)) or None,
            description=words(letter, min(text, 10_000)) or None,
            entry="freemium" if number % 2 else None,
            url=None,
            stated_panel_ship=number % 101,
            stated_community=None,
            reviews=reviews,
            votes=Votes(number % 7, 3),
        )

    return Comparison(number, f"pair-{number}".ljust(slug, "x"), tool("left"), tool("right"), NOW)


def issue(comparisons: list[Comparison], settings: Settings, out: int = 0, intro: str = "Intro.") -> Draft:
    """An issue as it is composed of comparisons, the last of them left out or updated."""
    shown = len(comparisons) - out
    placed = (
        Placed(
            found,
            form_at(at, full=settings.full_comparisons, brief=settings.brief_comparisons) if at < shown else "out",
            updated=at % 4 == 3,
        )
        for at, found in enumerate(comparisons)
    )
    return Draft(1, NOW, "Subject", "Preheader", intro, tuple(placed))


@cache
def settings_of(full: int = 1, brief: int = 8, language: str = "en") -> Settings:
    return Settings(
        base_url=SITE, full_comparisons=full, brief_comparisons=brief, language=language, postal_address="1 Street"
    )


LONGEST_NAMES = ("😀" * 100, "𠀀" * 100, '"' * 100, "&" * 100, "'" * 100)
"""Names of as many characters as a subscriber's may have (`audience.addresses`)."""


def copies(text: str) -> list[bytes]:
    """The heaviest copies of an HTML, as the providers fill it."""
    segments = personalise.split(text)
    token = "T" * TOKEN_LENGTH
    return [
        segments.fill(
            {"token": token, "message": token, "greeting": personalise.greeting(name)},
            lambda value: html.escape(value, quote=True),
        ).encode()
        for name in LONGEST_NAMES
    ]


def pages(text: str) -> list[str]:
    """The slugs of the comparisons whose pages a text has the address of, in their order, each once."""
    return list(dict.fromkeys(re.findall(rf"{SITE}/compare/([^\s\"<>]+)", text)))


def assert_well_fitted(draft: Draft, fitted: Fitted, settings: Settings) -> None:
    """What holds of every issue whose words beside the comparisons are not too long themselves."""
    content, forms = fitted.content, [item.form for item in fitted.draft.placed]
    assert max(len(copy) for copy in copies(content.html)) <= LIMIT
    assert weight(content) <= LIMIT

    # The draft is the same but for its forms, which only grow smaller, the last ones first.
    assert replace(fitted.draft, placed=draft.placed) == draft
    assert [replace(item, form="out") for item in fitted.draft.placed] == [
        replace(item, form="out") for item in draft.placed
    ]
    assert [SIZES[form] for form in forms] == sorted(SIZES[form] for form in forms)
    assert [form == "out" for form in forms] == [item.form == "out" for item in draft.placed]
    assert forms[0] in ("full", "brief", "link")

    # What was moved is told, and nothing else; and nothing is moved without need.
    assert fitted.moved == tuple(
        Moved(before.comparison, before.form, after)
        for before, after in zip(draft.placed, forms, strict=True)
        if before.form != after
    )
    assert all(SIZES[moved.before] < SIZES[moved.after] for moved in fitted.moved)
    assert bool(fitted.moved) == (weight(render(draft, settings)) > LIMIT)

    # The HTML has what has a form in it, the text has all, in their order.
    shown = [item for item in fitted.draft.placed if item.form != "out"]
    linked = [item.comparison.slug for item in shown if item.form != "more"]
    assert pages(content.html) == linked
    assert f"{SITE}/compare/{shown[0].comparison.slug}" in content.links
    assert set(pages(content.html)) <= set(pages(content.text))
    assert pages(content.text) == [item.comparison.slug for item in shown]
    if more := forms.count("more"):
        assert f"And {more} more, in this issue on the web" in content.html
        assert f"{SITE}/issues/1" in content.links
    else:
        assert "more, in this issue on the web" not in content.html
    assert content == render(fitted.draft, settings)


@st.composite
def issues_of_any_size(draw: st.DrawFn) -> tuple[Draft, Settings]:
    count = draw(st.one_of(st.integers(1, 12), st.integers(1, 200)))
    settings = settings_of(draw(st.integers(1, 20)), draw(st.integers(0, 100)), draw(st.sampled_from(["en", "ar"])))
    kinds = draw(
        st.lists(
            st.builds(
                partial,
                st.just(comparison),
                letter=st.sampled_from(LETTERS),
                name=st.sampled_from([1, 12, 40, 200]),
                text=st.sampled_from([0, 60, 299, 420, 10_000]),
                reviewers=st.integers(0, 12),
                slug=st.sampled_from([12, 40, 200]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    comparisons = [kinds[number % len(kinds)](number) for number in range(count)]
    return issue(comparisons, settings, out=draw(st.integers(0, min(5, count - 1)))), settings


@given(issues_of_any_size())
@hypothesis_settings(max_examples=25, deadline=None)
def test_any_issue_fits(given: tuple[Draft, Settings]) -> None:
    draft, settings = given
    assert_well_fitted(draft, fit(draft, settings), settings)


@pytest.mark.parametrize("letter", ["𠀀", '"'])
@pytest.mark.parametrize(("full", "brief"), [(1, 8), (20, 100)])
def test_two_hundred_with_the_longest_of_everything_fit(letter: str, full: int, brief: int) -> None:
    settings = settings_of(full, brief)
    comparisons = [comparison(n, letter, name=200, text=10_000, reviewers=12, slug=200) for n in range(200)]
    draft = issue(comparisons, settings)
    fitted = fit(draft, settings)
    assert_well_fitted(draft, fitted, settings)
    assert fitted.draft.placed[-1].form == "more"


@pytest.mark.parametrize(("full", "brief"), [(1, 8), (20, 100)])
def test_two_hundred_ordinary_ones_are_all_linked(full: int, brief: int) -> None:
    settings = settings_of(full, brief)
    draft = issue([comparison(n, "a", name=14, text=160, reviewers=4) for n in range(200)], settings)
    fitted = fit(draft, settings)
    assert_well_fitted(draft, fitted, settings)
    assert fitted.draft.placed[0].form == "full"
    assert "more" not in {item.form for item in fitted.draft.placed}


def test_five_in_full_with_seven_reviewers() -> None:
    """Too many for one mail: the lead stays whole, and as many after it as there is room for."""
    settings = settings_of(full=5)
    draft = issue([comparison(n, "a", name=20, text=399, reviewers=7) for n in range(5)], settings)
    fitted = fit(draft, settings)
    assert_well_fitted(draft, fitted, settings)
    forms = [item.form for item in fitted.draft.placed]
    assert forms[0] == "full"
    assert set(forms) == {"full", "brief"}
    at = forms.index("brief")
    one_more = (*fitted.draft.placed[:at], draft.placed[at], *fitted.draft.placed[at + 1 :])
    assert weight(render(replace(draft, placed=one_more), settings)) > LIMIT


def test_an_issue_that_fits_is_left_as_it_is() -> None:
    draft = issue([comparison(n, "a", name=14, text=100, reviewers=3) for n in range(3)], settings_of())
    assert fit(draft, settings_of()) == Fitted(draft, render(draft, settings_of()), ())


def test_less_room_never_makes_a_comparison_larger() -> None:
    settings = settings_of(full=2, brief=3)
    draft = issue([comparison(n, "é", name=30, text=400, reviewers=3) for n in range(9)], settings, out=1)
    before = [SIZES[item.form] for item in draft.placed]
    smallest = weight(fit(draft, settings, limit=0).content)
    for limit in (*range(weight(render(draft, settings)), smallest, -2_500), smallest):
        fitted = fit(draft, settings, limit=limit)
        assert weight(fitted.content) <= limit
        now = [SIZES[item.form] for item in fitted.draft.placed]
        assert all(later >= earlier for later, earlier in zip(now, before, strict=True))
        before = now
    assert before == [2, *[3] * 7, 4]


@pytest.mark.parametrize("name", LONGEST_NAMES, ids=lambda name: ascii(name[0]))
def test_the_weight_is_no_less_than_that_of_any_copy(name: str) -> None:
    """A name of quotation marks is longer than one of emoji: HTML writes each with six bytes."""
    content = render(issue([comparison(0, "a", name=14, text=100, reviewers=3)], settings_of()), settings_of())
    heaviest = len(copies(content.html)[LONGEST_NAMES.index(name)])
    assert heaviest <= weight(content) <= heaviest + 600


def test_an_introduction_that_alone_is_too_long_is_told_by_the_check() -> None:
    settings = settings_of()
    draft = issue([comparison(n, "a", name=14, text=100, reviewers=3) for n in range(12)], settings, intro="é" * 48_000)
    fitted = fit(draft, settings)
    assert [item.form for item in fitted.draft.placed] == ["link", *["more"] * 11]
    found = size(Mail(fitted.draft, fitted.content, settings, fitted.moved))
    assert {finding.level for finding in found} == {"block", "warn"}
