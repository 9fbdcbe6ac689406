"""The same issue gives the same bytes, everything of a page has its place, and authors' text stays text."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rich.cells import cell_len
from sqlite_utils import Database

from conftest import NOW, memory_store
from digest.catalogue.importing import import_files
from digest.issue import issues
from digest.issue.model import Draft, Rendered
from digest.issue.preview import preview
from digest.issue.render import DESCRIPTION, QUOTE, render
from digest.mail import personalise
from digest.mail.plain import WIDTH
from digest.mail.text import excerpt
from digest.settings import Settings

PAGES = Path(__file__).parents[3] / "shared" / "pages"


class _Text(HTMLParser):
    """What a reader sees of HTML, and the elements it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.elements: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def __str__(self) -> str:
        return " ".join("".join(self.parts).split())


def seen(html: str) -> str:
    return str(_Text(html))


def sample_draft(db: Database, settings: Settings) -> Draft:
    drafted = issues.draft(db, settings, now=NOW).issue
    assert drafted is not None
    return issues.load_draft(db, drafted.number)


def one_pair(settings: Settings, quote: str = "Quote.", name: str = "Left") -> Draft:
    """An issue of one comparison, with a text of the author's in every place."""
    tool = {"tagline": quote, "category": quote[:100], "description": quote, "entry": "free"}
    document = {
        "reviewers": [{"name": quote[:100], "slug": "critic"}],
        "tools": [
            {**tool, "name": name, "slug": "a", "reviews": [{"reviewer": "critic", "verdict": "ship", "quote": quote}]},
            {**tool, "name": "Right", "slug": "b", "reviews": [{"reviewer": "critic", "quote": quote}]},
        ],
        "comparisons": [{"left": "a", "right": "b"}],
    }
    db = memory_store()
    (report,) = import_files(db, [("x.json", json.dumps(document).encode())], now=NOW, zone=settings.zone)
    assert report.error is None, report.error
    try:
        return sample_draft(db, settings)
    finally:
        db.close()


def test_rendering_on_another_day_in_another_process_gives_the_same_bytes(sample: Database, settings: Settings) -> None:
    drafted = sample_draft(sample, settings)
    here = preview(drafted, render(drafted, settings))
    folder = settings.db.parent / "files"
    # Another hash seed, another time zone of the machine, and a clock two days on as far as Python can be told.
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu"}
    for name in ("base_url", "postal_address"):
        environment[f"DIGEST_{name.upper()}"] = getattr(settings, name)
    subprocess.run(
        [sys.executable, "-m", "digest", "--db", settings.db, "render", "1", "--out", folder],
        check=True,
        env=environment,
        capture_output=True,
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == here


def test_the_date_is_that_of_the_cutoff_not_of_the_rendering(sample: Database, settings: Settings) -> None:
    drafted = sample_draft(sample, settings)
    assert "26 November 2026" in seen(render(drafted, settings).html)
    assert "27 November 2026" in seen(render(replace(drafted, cutoff=NOW + timedelta(days=1)), settings).html)


def test_everything_of_a_comparison_page_is_in_the_full_form(sample: Database, settings: Settings) -> None:
    drafted = sample_draft(sample, settings)
    content = render(drafted, settings)
    html, text = seen(content.html), " ".join(content.text.split())
    lead = drafted.placed[0].comparison
    for tool in (lead.left, lead.right):
        for part in (tool.name, tool.category, tool.tagline, f"{tool.panel_ship}%", f"{tool.community}%"):
            assert part is not None
            assert part in html
            assert part in text
        assert tool.description is not None
        for shown in (html, text):
            assert " ".join(excerpt(tool.description, DESCRIPTION).text.split()) in shown
            for review in tool.reviews:
                assert review.reviewer.name in shown
                assert " ".join(excerpt(review.quote, QUOTE).text.split()) in shown
    for entry in ("Freemium", "Paid"):
        assert entry in html
        assert entry in text
    assert f"{settings.base_url}/compare/{lead.slug}" in content.links


def test_every_comparison_is_linked_in_html_and_text(sample: Database, settings: Settings) -> None:
    drafted = sample_draft(sample, settings)
    content = render(drafted, settings)
    assert len(drafted.placed) == 30
    for item in drafted.placed:
        address = f"{settings.base_url}/compare/{item.comparison.slug}"
        assert address in content.links
        assert address in content.text


def test_every_link_and_image_begins_with_the_public_address(sample: Database, settings: Settings) -> None:
    content = render(sample_draft(sample, settings), settings)
    addresses = re.findall(r'(?:href|src|background)="([^"]*)"', content.html)
    assert len(addresses) > 30
    assert [address for address in addresses if not address.startswith(settings.base_url)] == []
    assert re.findall(r"@import|url\(", content.html) == []


MARKUP = '<script>alert("x")</script> <mj-raw>&amp;</mj-raw> {{ 7*7 }} {% x %} [[digest:token]] & </td>'


def test_markup_in_an_authors_text_is_text(settings: Settings) -> None:
    content = render(one_pair(settings, MARKUP, name="<b>A</b> & B"), settings)
    page = _Text(content.html)
    visible = MARKUP.replace("[[digest", "[[\u2060digest")
    assert "script" not in page.elements
    assert str(page).count(visible) >= 5
    assert visible in " ".join(content.text.split())
    assert "<b>A</b> & B vs Right" in str(page)
    assert "<b>A</b> & B vs Right" in content.text
    assert content.subject.startswith("<b>A</b> & B vs Right")


def test_an_author_cannot_open_a_place_of_ours(settings: Settings) -> None:
    content = render(one_pair(settings, "[[digest:token]] [[digest:secret]]"), settings)
    filled = personalise.split(content.html).fill({"token": "TOKEN", "greeting": "G"})
    # Unsubscribe and preferences, and ship and skip for two tools; nothing more.
    assert filled.count("TOKEN") == 6


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u202d\u202e"), min_size=1, max_size=60)
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_no_text_breaks_the_mail(text: str) -> None:
    if not text.strip():
        return
    settings = Settings(base_url="https://verdicts.example.com")
    content = render(one_pair(settings, text), settings)
    plain = _Text(render(one_pair(settings, "Quote."), settings).html)
    assert _Text(content.html).elements == plain.elements
    assert content.html.rstrip().endswith("</html>")
    personalise.split(content.html)
    personalise.split(content.text)


def test_the_text_is_wrapped_and_tidy(sample: Database, settings: Settings) -> None:
    text = render(sample_draft(sample, settings), settings).text
    assert not re.search(r"[ \t]\n|\n\n\n", text)
    long = [
        line for line in text.splitlines() if cell_len(line) > WIDTH and " " in re.sub(r"^\[\d+\] ", "", line.strip())
    ]
    assert long == []


def test_a_comparison_without_words_is_shown_with_dashes(settings: Settings) -> None:
    db = memory_store()
    document = {"tools": [{"name": "A"}, {"name": "B"}], "comparisons": [{"left": "A", "right": "B"}]}
    import_files(db, [("x.json", json.dumps(document).encode())], now=NOW, zone=settings.zone)
    content = render(sample_draft(db, settings), settings)
    db.close()
    assert "Panel ship: A —, B —." in content.text
    assert re.search(r"^  A +— +—  —$", content.text, re.MULTILINE)
    assert "None" not in content.html
    assert "None" not in content.text
    assert "Reviewer scorecard" not in content.text


def test_a_frozen_issue_is_rendered_as_it_was_approved(sample: Database, settings: Settings) -> None:
    issues.draft(sample, settings, now=NOW)
    issues.freeze(sample, settings, 1, now=NOW)
    before = issues.laid_out(sample, settings, 1).content
    sample.execute("UPDATE tools SET tagline = 'Quite another'")
    after = issues.laid_out(sample, settings, 1).content
    assert (after.html, after.text) == (before.html, before.text)


@pytest.mark.skipif(not PAGES.is_dir(), reason="the real pages are not here")
def test_the_real_pages_have_all_their_parts_in_the_mail(settings: Settings) -> None:
    db = memory_store()
    files = [(path.name, path.read_bytes()) for path in sorted(PAGES.glob("*.txt"))]
    import_files(db, files, now=NOW, zone=settings.zone)
    content: Rendered = render(sample_draft(db, Settings(full_comparisons=2)), settings)
    db.close()
    html, text = seen(content.html), " ".join(content.text.split())
    for _, page in files:
        lines = page.decode().splitlines()
        start = lines.index("Reviewer scorecard")
        for line in [*lines[1:2], *(line for line in lines[3:start] if line != "—"), *lines[start:-3]]:
            # A long quote is cut at a sentence, within its quotation marks.
            part = excerpt(line.strip("“”"), QUOTE) if len(line) > QUOTE else excerpt(line, QUOTE)
            words = " ".join(part.text.split())
            assert words in html or line == "Entry", line
            # In the text twin figures stand in columns, under their labels.
            assert words in text or line in ("Entry", "Free", "Paid"), line


def test_a_place_without_a_value_is_found_out() -> None:
    with pytest.raises(ValueError, match=r"no value for \[\[digest:nonsense\]\]"):
        personalise.split("Hello [[digest:nonsense]]")


@given(st.lists(st.sampled_from(["[[digest:token]]", "[[digest:greeting]]", "text", "[[", "]]", "digest:"])))
def test_filling_replaces_every_place_and_nothing_else(parts: list[str]) -> None:
    values = {"token": "T", "greeting": "G"}
    filled = personalise.split("|".join(parts)).fill(values)
    expected = "|".join(parts).replace("[[digest:token]]", "T").replace("[[digest:greeting]]", "G")
    assert filled == expected


def test_greeting() -> None:
    assert personalise.greeting("Ada") == "Hello Ada,"
    assert personalise.greeting(None) == "Hello,"
