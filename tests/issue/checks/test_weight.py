"""The checks `size` and `plain-text`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conftest import with_html
from digest.issue.checks.model import Finding, Mail
from digest.issue.checks.weight import plain_text, size
from digest.issue.model import Form, Moved


def with_text(mail: Mail, text: str) -> Mail:
    return replace(mail, content=replace(mail.content, text=text))


@pytest.fixture
def ours(mail: Mail) -> Mail:
    """A mail of the sample's comparisons and two links, with a plain text to match."""
    html = '<a href="https://e.org/issues/12">On the web</a><a href="https://e.org/u/[[digest:token]]">Unsubscribe</a>'
    pairs = (item.comparison for item in mail.draft.placed)
    names = "\n".join(f"{pair.left.name} vs\n  {pair.right.name}" for pair in pairs)
    text = f"{names}\n\nOn the web: https://e.org/issues/12\nUnsubscribe: https://e.org/u/[[digest:token]]\n"
    return with_text(with_html(mail, lambda _: html), text)


def only(found: list[Finding]) -> Finding:
    (finding,) = found
    return finding


@pytest.mark.parametrize("check", [size, plain_text])
def test_our_own_mail_passes(mail: Mail, check: object) -> None:
    assert only(check(mail)).level == "pass"  # type: ignore[operator]


# size


@pytest.mark.parametrize(
    ("kilobytes", "level"), [(1, "pass"), (89, "pass"), (91, "warn"), (101, "warn"), (103, "block")]
)
def test_the_weight_of_the_html(mail: Mail, kilobytes: int, level: str) -> None:
    finding = only(size(with_html(mail, lambda _: "x" * (kilobytes * 1024))))
    assert (finding.check, finding.level) == ("size", level)
    assert f"the HTML has {kilobytes}" in finding.what
    if level != "pass":
        assert "Gmail cuts a mail off after 102 KB" in finding.what
        assert finding.where == "HTML"
        assert (finding.todo[:21], finding.command) == ("leave comparisons out", "digest edit 1 --out SLUG")


def test_it_weighs_bytes_and_places_as_they_are_when_filled(mail: Mail) -> None:
    """A token is longer than its place: a hundred of them tip this mail over."""
    place = "[[digest:token]]"
    html = "é" * (50 * 1024) + place * 100
    assert len(html.encode()) < 102 * 1024
    finding = only(size(with_html(mail, lambda _: html)))
    assert finding.level == "block"
    assert "the HTML has 103." in finding.what


def test_a_heavy_plain_text_warns(mail: Mail) -> None:
    finding = only(size(with_text(mail, "x" * (65 * 1024))))
    assert (finding.level, finding.where) == ("warn", "plain text")
    assert "the plain text has 65 KB" in finding.what


def test_what_was_made_smaller_is_told(mail: Mail) -> None:
    first, second = (item.comparison for item in mail.draft.placed[:2])
    moved = (Moved(first, "full", "brief"), Moved(second, "link", "more"))
    finding = only(size(replace(mail, moved=moved)))
    assert (finding.check, finding.level) == ("size", "warn")
    assert finding.what == (
        "2 comparisons were made smaller so that the mail fits in 90 KB:"
        f" {first.title} (full → brief), {second.title} (link → only counted)"
    )
    assert finding.todo == "leave it so, or leave comparisons out"


def test_of_many_made_smaller_the_first_five_are_named(mail: Mail) -> None:
    comparison = mail.draft.placed[0].comparison
    finding = only(size(replace(mail, moved=(Moved(comparison, "link", "more"),) * 199)))
    assert finding.what.startswith("199 comparisons were made smaller")
    assert finding.what.count(comparison.title) == 5
    assert finding.what.endswith("(link → only counted) and 194 more")


# plain-text


def test_a_link_that_the_plain_text_lacks_blocks(ours: Mail) -> None:
    assert only(plain_text(ours)).what.endswith("lines with all 2 links and every comparison")
    more = (
        '<a href="https://e.org/one?a=1&amp;b=2">a</a><a href="https://e.org/two">b</a><a href="mailto:a@e.org">c</a>'
    )
    twice = with_html(ours, lambda html: html + more)
    finding = only(plain_text(twice))
    assert (finding.check, finding.level, finding.where) == ("plain-text", "block", "plain text")
    assert finding.what.startswith(
        "the plain text lacks 2 of the 4 links: https://e.org/one?a=1&b=2, https://e.org/two"
    )
    assert finding.todo
    written = with_text(twice, f"{ours.content.text}\nhttps://e.org/one?a=1&b=2, <https://e.org/two>.\n")
    assert only(plain_text(written)).level == "pass"


def test_an_address_that_only_begins_like_another_is_lacking(ours: Mail) -> None:
    html = '<a href="https://e.org/issues/1">a</a>'
    finding = only(
        plain_text(with_text(with_html(ours, lambda _: html), ours.content.text + "https://e.org/issues/12"))
    )
    assert "https://e.org/issues/1" in finding.what


def test_a_comparison_that_the_plain_text_does_not_name_warns(ours: Mail) -> None:
    finding = only(plain_text(with_text(ours, ours.content.text.replace("VOICEVOX", "…"))))
    assert (finding.check, finding.level, finding.where) == ("plain-text", "warn", "plain text")
    assert "does not name 1 of the comparisons: ElevenLabs vs VOICEVOX" in finding.what


@pytest.mark.parametrize("form", ["more", "out"])
def test_a_comparison_that_is_only_counted_or_out_need_not_be_named(ours: Mail, form: Form) -> None:
    placed = tuple(
        replace(item, form=form) if "VOICEVOX" in item.comparison.title else item for item in ours.draft.placed
    )
    without = with_text(ours, ours.content.text.replace("VOICEVOX", "…"))
    assert only(plain_text(replace(without, draft=replace(ours.draft, placed=placed)))).level == "pass"


def test_a_name_broken_over_lines_is_there(ours: Mail) -> None:
    assert (
        only(plain_text(with_text(ours, ours.content.text.replace("Claude Code", "Claude\n    Code")))).level == "pass"
    )


def test_long_lines_warn_except_for_addresses_and_scripts_without_spaces(ours: Mail) -> None:
    fine = f"\n  Read it: https://e.org/{'x' * 90}\n{'字' * 100}\n"
    assert only(plain_text(with_text(ours, ours.content.text + fine))).level == "pass"
    finding = only(plain_text(with_text(ours, "\n" + "word " * 17 + "\n" + ours.content.text)))
    assert finding.level == "warn"
    assert finding.what.startswith("1 line has more than 78 characters")
    assert finding.where.startswith("plain text, line 2 (“word word")


@pytest.mark.parametrize("left", ["&nbsp;", "&#8203;", "</p>", '<a href="https://e.org">', "<br />"])
def test_traces_of_html_warn_unless_an_author_wrote_them(ours: Mail, left: str) -> None:
    marked = with_text(ours, f"{ours.content.text}\nA tool{left} of note\n")
    finding = only(plain_text(marked))
    assert finding.level == "warn"
    assert finding.what == f"“{left}” in the plain text is HTML, which a reader would see as it stands"
    assert finding.where.startswith("plain text, line ")
    spaced = left.replace(" ", "  ")
    theirs = replace(marked, draft=replace(ours.draft, intro=f"How to write {spaced} in a page"))
    assert only(plain_text(theirs)).level == "pass"


def test_a_newsletters_name_in_capitals_is_its_name(ours: Mail) -> None:
    named = replace(ours, settings=ours.settings.model_copy(update={"newsletter_name": "The <p> letter"}))
    assert only(plain_text(with_text(named, "THE <P> LETTER\n" + ours.content.text))).level == "pass"
    assert only(plain_text(with_text(ours, "THE <P> LETTER\n" + ours.content.text))).level == "warn"


def test_what_only_looks_like_html_passes(ours: Mail) -> None:
    text = ours.content.text + "\nR&D; a < b > c; Q&A; x <- y; List<Point>; AT&T\n"
    assert only(plain_text(with_text(ours, text))).level == "pass"


def test_a_long_introduction_is_what_to_shorten(mail: Mail) -> None:
    long = replace(mail, draft=replace(mail.draft, intro="word " * 22_000))
    heavy = with_html(long, lambda html: html + "x" * 120_000)
    (finding,) = [found for found in size(heavy) if found.level == "block"]
    assert finding.todo.startswith("shorten the introduction, which alone has 107.4 KB")
    assert finding.command == 'digest edit 1 --intro "…"'
