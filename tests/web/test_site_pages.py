from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from html import unescape
from html.parser import HTMLParser
from http.client import HTTPConnection
from pathlib import Path

import pytest

from conftest import NOW, import_sample
from digest import times
from digest.catalogue.finding import find_tool
from digest.catalogue.importing import import_files
from digest.catalogue.model import Tool
from digest.settings import Settings
from digest.store import Database, open_store
from digest.web.pages import static
from digest.web.site import tools
from serving import Clock, Reader, dump, served

PAGES = (
    "/",
    "/compare/",
    "/compare/?page=2",
    "/compare/cursor-vs-claude-code",
    "/tools/cursor",
    "/panel",
    "/panel/builder",
    "/panel/builder?page=2",
    "/category/",
    "/category/developer-tools",
    "/search",
    "/search?q=code",
)
NASTY = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, Database, Clock]]:
    """A site that tests only read."""
    folder: Path = tmp_path_factory.mktemp("site")
    settings = Settings(
        db=folder / "digest.db",
        base_url="https://verdicts.example.com",
        postal_address="1 Sample Street, 10115 Berlin",
        social_links={"Mastodon": "https://social.example/@verdicts"},
    )
    db = open_store(settings.db, create=True)
    import_sample(db, settings)
    clock = Clock(NOW)
    with served(settings, clock) as reader:
        yield reader, db, clock
    db.close()


@pytest.fixture
def site(shared: tuple[Reader, Database, Clock]) -> Reader:
    return shared[0]


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def words_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


@pytest.mark.parametrize("address", PAGES)
def test_every_page_answers_and_names_itself(site: Reader, address: str) -> None:
    answer = site.get(address)
    assert answer.status_code == 200
    html = answer.text
    assert html.startswith("<!doctype html>")
    assert html.count("<h1") == 1
    assert len(re.findall(r"<title>[^<]+</title>", html)) == 1
    assert re.search(r'<meta name="description" content="[^"]+">', html)
    canonical = address.partition("?q")[0]
    assert f'<link rel="canonical" href="https://verdicts.example.com{canonical}">' in html
    assert 'property="og:title"' in html
    assert "1 Sample Street, 10115 Berlin" in html
    assert "https://social.example/@verdicts" in html
    assert 'name="moment"' in html
    assert not re.search(r"<[^>]+ (style|on[a-z]+)=", html)
    assert not re.search(r"<script(?! src=\"/static/| type=\"application/ld\+json\")", html)


@pytest.mark.parametrize("address", PAGES)
def test_head_answers_as_get_does_without_a_body(site: Reader, address: str) -> None:
    head, get = site.head(address), site.get(address)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == get.headers["etag"]


@pytest.mark.parametrize("address", PAGES)
def test_who_has_a_page_already_gets_no_second_copy(site: Reader, address: str) -> None:
    etag = site.get(address).headers["etag"]
    again = site.get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_reading_changes_no_row(shared: tuple[Reader, Database, Clock]) -> None:
    reader, db, _ = shared
    before = dump(db)
    for address in (*PAGES, "/nothing", "/compare/nothing", "/search?q=%00"):
        reader.get(address)
        reader.head(address)
    assert dump(db) == before


def test_a_comparison_shows_all_that_is_known(site: Reader) -> None:
    html = site.get("/compare/cursor-vs-claude-code").text
    words = words_of(html)
    for known in (
        "Developer Tools",
        "26 November 2026",
        "Cursor vs Claude Code",
        "A code editor that guesses your next edit, and the one after",
        "An agent in your terminal that reads the repo before it speaks",
        "Panel ship (4 of 6) 67%",
        "Panel ship (5 of 7) 71%",
        "Community (46 votes) 78%",
        "Freemium",
        "Paid",
        "An editor built on the open-source base of VS Code",
        "Has to keep it running after the demo",
        "on Cursor ✓ Ship “The tab key is the product.",
        "on Claude Code ✗ Skip “A terminal is a fine home",
        "No review yet.",
    ):
        assert known in words, known
    assert re.search(r'<a href="https://cursor\.com/?" rel="nofollow noopener">', html)
    assert html.count('href="/compare/') >= 3
    assert html.index("Reviewer scorecard") < html.index('id="sign-up"') < html.index("More like this")


def test_a_verdict_that_is_not_stated_is_said_not_to_be(site: Reader) -> None:
    assert "Verdict not stated" in site.get("/tools/label-studio").text


def test_lists_have_a_way_to_and_fro(site: Reader) -> None:
    first, second = site.get("/compare/").text, site.get("/compare/?page=2").text
    assert '<link rel="next" href="/compare/?page=2">' in first
    assert 'rel="prev"' not in first
    assert '<link rel="prev" href="/compare/">' in second
    assert 'rel="next"' not in second
    seen = {found for page in (first, second) for found in re.findall(r'<h2><a href="/compare/([a-z0-9-]+)"', page)}
    assert len(seen) == 30


def test_a_page_after_the_last_is_not_there(site: Reader) -> None:
    assert site.get("/compare/?page=3").status_code == 404
    assert site.get("/panel/builder?page=99").status_code == 404


@pytest.mark.parametrize("page", ["0", "-1", "x", "1e3", "%00", "9" * 30, ""])
def test_a_page_that_is_no_number_is_refused(site: Reader, page: str) -> None:
    assert site.get(f"/compare/?page={page}").status_code == 400


@pytest.mark.parametrize(
    ("asked", "status", "there"),
    [
        ("/compare", 301, "/compare/"),
        ("/panel/", 301, "/panel"),
        ("/compare/Cursor-VS-Claude-Code", 301, "/compare/cursor-vs-claude-code"),
        ("/compare/cursor_vs_claude_code", 301, "/compare/cursor-vs-claude-code"),
        ("/compare/cursor-vs-claude-code/?x=1", 301, "/compare/cursor-vs-claude-code?x=1"),
        ("/compare/claude-code-vs-cursor", 302, "/compare/cursor-vs-claude-code"),
        ("/tools/Claude%20Code", 301, "/tools/claude-code"),
        ("/panel/Builder", 301, "/panel/builder"),
        ("/category/Developer%20Tools", 301, "/category/developer-tools"),
        ("/tools", 302, "/category/"),
    ],
)
def test_an_address_written_otherwise_leads_to_its_page(site: Reader, asked: str, status: int, there: str) -> None:
    answer = site.get(asked)
    assert (answer.status_code, answer.headers["location"]) == (status, there)
    assert site.get(there).status_code == 200


@pytest.mark.parametrize("asked", ["//evil.example/compare/", "/compare//evil.example/", "/tools/%2F%2Fevil.example/"])
def test_no_address_leads_to_another_site(site: Reader, asked: str) -> None:
    answer = site.get(f"{str(site.base_url).rstrip('/')}{asked}")
    assert not answer.headers.get("location", "/").startswith(("//", "http", "/\\"))


@pytest.mark.parametrize(
    "slug",
    ["%00", "..", "../../etc/passwd", "%2e%2e%2f", "%ff%fe", "a%0d%0ab", "'%20OR%201=1--", "{{7*7}}", "x" * 5_000,
     "🙂", "%20", "-"],
)  # fmt: skip
@pytest.mark.parametrize("room", ["compare", "tools", "panel", "category"])
def test_odd_slugs_are_not_found(site: Reader, room: str, slug: str) -> None:
    answer = site.get(f"/{room}/{slug}", follow_redirects=True)
    assert answer.status_code == 404 or str(answer.url.path) in ("/", f"/{room}/", "/panel", "/category/")
    assert "49" not in re.findall(r"<h1.*?</h1>", answer.text, re.DOTALL)[0]


@pytest.mark.parametrize("address", ["/?", "/search?q=", "/compare/cursor-vs-claude-code?", "/search?"])
def test_an_address_of_a_megabyte_is_refused(site: Reader, address: str) -> None:
    host, port = site.base_url.host, site.base_url.port
    connection = HTTPConnection(host, port, timeout=10)
    connection.request("GET", address + "x" * 2**20)
    assert connection.getresponse().status in (400, 414)
    connection.close()
    assert site.get(address + "x" * 20_000).status_code == 414


@pytest.mark.parametrize("typed", ["%00", "%ff", "a%07b", "x" * 201])
def test_a_search_for_what_is_no_text_is_refused(site: Reader, typed: str) -> None:
    assert site.get(f"/search?q={typed}").status_code == 400


def test_the_search_marks_what_it_found_and_says_how_many(site: Reader) -> None:
    html = site.get("/search", params={"q": "owner screen reader"}).text
    assert "<mark>" in html
    assert re.search(r'<p id="found" role="status">\d+ tools found', html)
    assert 'content="noindex, follow"' in html


def test_a_search_without_result_helps_on(site: Reader) -> None:
    words = words_of(site.get("/search", params={"q": "cursr"}).text)
    assert "Nothing was found for “cursr”." in words
    assert "Did you mean Cursor?" in words


def test_what_is_typed_comes_back_as_text(site: Reader) -> None:
    html = site.get("/search", params={"q": NASTY}).text
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "{{ 7 * 7 }}" in unescape(html)


def test_a_page_that_is_not_there_helps(site: Reader) -> None:
    answer = site.get("/compare/cursr-vs-claude-cod")
    assert answer.status_code == 404
    assert '<a href="/compare/cursor-vs-claude-code"><bdi>Cursor vs Claude Code</bdi></a>' in answer.text
    assert 'action="/search"' in answer.text
    assert "Newest comparisons" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert 'rel="canonical"' not in answer.text
    assert '<a href="/tools/midjourney">' in site.get("/midjurney").text


def test_the_nearest_is_not_one_that_is_yet_to_come(shared: tuple[Reader, Database, Clock]) -> None:
    reader, db, _ = shared
    db.conn.execute(
        "INSERT INTO comparisons (slug, left_tool, right_tool, published_at, created_at, updated_at)"
        " SELECT 'cursor-vs-aider-tomorrow', 1, 2, ?, '', ''",
        (times.to_text(NOW.replace(year=2027)),),
    )
    assert reader.get("/compare/cursor-vs-aider-tomorrow").status_code == 404
    assert "aider-tomorrow" not in reader.get("/compare/cursor-vs-aider-tomorow").text
    assert "aider-tomorrow" not in reader.get("/compare/").text + reader.get("/").text


def test_a_comparison_shows_from_its_day_on(reader: Reader, sample: Database, clock: Clock) -> None:
    soon = times.to_text(NOW.replace(hour=10))
    sample.conn.execute("UPDATE comparisons SET published_at = ? WHERE slug = 'n8n-vs-zapier'", (soon,))
    for address in ("/", "/compare/", "/category/agents-and-automation", "/search?q=zapier"):
        assert "n8n-vs-zapier" not in reader.get(address).text, address
    for address in ("/compare/n8n-vs-zapier", "/compare/zapier-vs-n8n"):
        assert reader.get(address).status_code == 404
    clock.move_on(hours=1)
    assert "n8n-vs-zapier" in reader.get("/").text
    assert reader.get("/compare/n8n-vs-zapier").status_code == 200


def test_a_change_is_seen_at_once(reader: Reader, sample: Database) -> None:
    etag = reader.get("/compare/cursor-vs-claude-code").headers["etag"]
    sample.conn.execute("UPDATE tools SET tagline = 'Quite another thing' WHERE slug = 'cursor'")
    answer = reader.get("/compare/cursor-vs-claude-code", headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert "Quite another thing" in answer.text


def test_a_page_is_rendered_once_whatever_else_is_asked(
    reader: Reader, sample: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []

    def counted(db: Database, slug: str, *, now: datetime) -> tuple[int, Tool]:
        rendered.append(slug)
        return find_tool(db, slug, now=now)

    monkeypatch.setattr(tools, "find_tool", counted)
    for junk in ("", "a=1", "page=1", "fbclid=x", "page=1&b"):
        assert reader.get(f"/tools/cursor?{junk}").status_code == 200
    assert rendered == ["cursor"]
    sample.conn.execute("UPDATE tools SET tagline = 'Another' WHERE slug = 'zapier'")
    reader.get("/tools/cursor")
    assert rendered == ["cursor", "cursor"]


def test_nothing_an_author_writes_becomes_markup(db: Database, settings: Settings, clock: Clock) -> None:
    named = "<b>Nasty</b> \"'> {{ 7 * 7 }}"
    catalogue = {
        "reviewers": [{"slug": "mean", "name": named, "stance": NASTY}],
        "tools": [
            {"slug": slug, "name": f"{slug} {named}", "tagline": NASTY, "category": NASTY[:100], "description": NASTY,
             "url": "https://x.example/\"onmouseover='alert(1)'",
             "reviews": [{"reviewer": "mean", "verdict": "ship", "quote": NASTY + " `<i>code</i>`"}]}
            for slug in ("one", "other")
        ],
        "comparisons": [{"slug": "nasty", "left": "one", "right": "other", "published_at": "-1d"}],
    }  # fmt: skip
    [report] = import_files(db, [("c.json", json.dumps(catalogue).encode())], now=NOW, zone=settings.zone)
    assert report.error is None
    with served(settings, clock) as reader:
        category = re.search(r'href="(/category/[^"]+)"', reader.get("/category/").text)
        assert category is not None
        found = ["/", "/compare/", "/compare/nasty", "/tools/one", "/panel", "/panel/mean", category[1],
                 "/category/", "/search?q=alert", "/search?q=nasty", "/compare/nast"]  # fmt: skip
        for address in found:
            html = reader.get(address).text
            elements = Elements(html).found
            assert not {"b", "i", "img"} & {name for name, _ in elements}, address
            assert not [name for name, given in elements if any(key.startswith("on") for key in given)], address
            scripts = [given for name, given in elements if name == "script"]
            assert all("src" in given or given.get("type") == "application/ld+json" for given in scripts), address
            assert "49" not in words_of(html), address
        assert "<code>&lt;i&gt;code&lt;/i&gt;</code>" in reader.get("/compare/nasty").text


def test_an_empty_site_reads_well(db: Database, settings: Settings, clock: Clock) -> None:
    with served(settings, clock) as reader:
        for address in ("/", "/compare/", "/panel", "/category/", "/search", "/search?q=x"):
            assert reader.get(address).status_code == 200, address
        assert reader.get("/compare/a-vs-b").status_code == 404


def test_the_front_page_shows_the_latest_issue_that_went_out(
    reader: Reader, sample: Database, settings: Settings
) -> None:
    from digest.issue import issues

    drafted = issues.draft(sample, settings, now=NOW).issue
    assert drafted is not None
    assert "Read issue 1" not in reader.get("/").text
    issues.freeze(sample, settings, 1, now=NOW)
    assert "Read issue 1" not in reader.get("/").text
    sample.conn.execute("UPDATE issues SET state = 'sent', sending_at = approved_at, sent_at = approved_at")
    html = reader.get("/").text
    assert '<a class="button" href="/issues/1">Read issue 1</a>' in html
    assert "and 29 more verdicts" in html


def test_a_language_from_right_to_left_turns_the_page(db: Database, settings: Settings, clock: Clock) -> None:
    arabic = settings.model_copy(update={"language": "ar"})
    with served(arabic, clock) as reader:
        assert '<html lang="ar" dir="rtl">' in reader.get("/").text


def test_the_style_sheet_uses_the_colours_of_the_theme_alone(site: Reader) -> None:
    css = site.get(static("site.css")).text
    theme = site.get("/static/theme.css").text
    asked = set(re.findall(r"var\((--[a-z-]+)\)", css))
    given = set(re.findall(r"(--[a-z-]+):", theme)) | set(re.findall(r"(--[a-z-]+):", css))
    assert asked <= given
    screen = css.partition("@media print")[0]
    assert not re.findall(r"#[0-9a-f]{3,8}\b(?![^{]*\{)", screen)
    assert not re.search(r"(margin|padding|border)-(left|right)|[^-](left|right):", screen)
