"""The documentation as a site: it builds without a warning, asks nothing of other hosts, says what the pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt

from digest.settings import Settings
from digest.store import open_store

CHECKOUT = Path(__file__).parents[1]
DOCS = CHECKOUT / "docs"
SECONDS = 10 if "CI" not in os.environ else 60
"""What building may take: a person waits for it, and in CI other tests run beside it."""

LOADS = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""What of a page is loaded by opening it, and the attribute that says from where."""
SHAPES = ("h1", "h2", "h3", "ul", "ol", "li", "pre", "table", "tr", "td", "blockquote", "img")
"""What a page has as many of on the site as where its text is looked at: two programs read our Markdown."""


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def shapes(self) -> Counter[str]:
        return Counter(tag for tag, _ in self.found if tag in SHAPES)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    began = time.monotonic()
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        build, cwd=CHECKOUT, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    # mkdocs names what is not in the nav, and links and anchors that lead nowhere; --strict makes errors of that.
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < SECONDS
    return folder


def test_it_has_every_page_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = {str(page.relative_to(site)) for page in site.rglob("*.html") if page.parent.name != "repository"}
    written = {str(page.relative_to(DOCS).with_suffix(".html")) for page in DOCS.rglob("*.md")}
    assert pages == written | {"changelog.html", "404.html"}
    assert not (site / "hook.py").exists()

    foreign = []
    for name in pages:
        html = (site / name).read_text()
        for tag, attributes in Tags(html).found:
            address = urlsplit(attributes.get(LOADS.get(tag, ""), ""))
            if (address.scheme or address.netloc) and address.scheme != "data":
                foreign.append((name, tag, address.geturl()))
    for sheet in site.rglob("*.css"):
        foreign += [
            (sheet.name, "url", url) for url in re.findall(r"url\([\"']?((?:https?:)?//[^)]+)", sheet.read_text())
        ]
    assert foreign == []


def test_pages_say_on_the_site_what_they_say_in_the_repository(site: Path) -> None:
    reading = MarkdownIt("commonmark").enable("table")
    different = {}
    for page in sorted(DOCS.rglob("*.md")):
        html = (site / page.relative_to(DOCS)).with_suffix(".html").read_text()
        article = re.search(r"<article[^>]*>(.*?)</article>", html, re.DOTALL)
        assert article is not None
        here, there = Tags(reading.render(page.read_text())).shapes(), Tags(article[1]).shapes()
        if here != there:
            different[page.name] = (here - there, there - here)
    assert different == {}


def test_what_we_keep_names_every_table_and_column_of_the_store(tmp_path: Path) -> None:
    page = (DOCS / "explanation" / "what-we-keep.md").read_text()
    told: dict[str, set[str]] = {}
    table = ""
    for row in re.finditer(r"^\| (?:`(\w+)` )?\| (`.*?`) \|", page, re.MULTILINE):
        table = row[1] or table
        told.setdefault(table, set()).update(re.findall(r"`(\w+)`", row[2]))
    knowing_nobody = set(re.findall(r"`(\w+)`", page.split("## Tables that know nobody")[1].split("\n## ")[0]))

    db = open_store(Settings(db=tmp_path / "digest.db").db, create=True)
    try:
        tables = [name for name in db.table_names() if not re.match(r"_|sqlite_|tool_words_", name)]
        columns = {name: {column.name for column in db[name].columns} for name in tables}
    finally:
        db.close()

    assert {*told} & knowing_nobody == set()
    assert {*told} | knowing_nobody == {*tables}
    assert {table: names - columns[table] for table, names in told.items() if names - columns[table]} == {}
    # A column of such a name says something of somebody, wherever it stands; those of `by_number`, whose row it is.
    by_number = {"subscriber", "editor"}
    personal = {
        "email",
        "email_key",
        "ip",
        "agent",
        "browser",
        "timezone",
        "words",
        "copy",
        "voter",
        "approved_by",
        "asked_by",
    }
    untold = {
        (table, column)
        for table, names in columns.items()
        for column in names & (personal | by_number)
        if column not in told.get(table, set()) and not (column in by_number and table in told)
    }
    untold -= {("runs", "words")}  # what the schedule did
    assert untold == set()


def test_the_tour_leads_to_files_that_are_there() -> None:
    names = re.findall(
        r"`([\w/-]+(?:/[\w-]+)+\.(?:py|sql|md|toml)|[a-z_]+\.py)`", (DOCS / "contributing.md").read_text()
    )
    made_up = re.compile(r"NAME|NNNN|SUBJECT")
    missing = [
        name
        for name in names
        if not made_up.search(name)
        and not any((CHECKOUT / room / name).exists() for room in ("", "src/digest", "docs"))
    ]
    assert len(names) > 20
    assert missing == []
