from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from hostile import NAME, hostile_store
from publishing import OLD, SENT, SHOWN, SITE, Published, published

from digest.catalogue.queries import load_comparisons
from digest.issue import compose
from digest.settings import Settings
from digest.store import Database
from digest.web.site import feeds
from digest.web.state import State
from serving import Clock, Reader, dump, served

ATOM = {"a": "http://www.w3.org/2005/Atom"}
NAMES = ("comparisons", "issues")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with published(tmp_path_factory.mktemp("feeds")) as found:
        yield found


def atom(reader: Reader, name: str) -> ET.Element:
    answer = reader.get(f"/feeds/{name}.atom")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    return ET.fromstring(answer.content)


def entries(feed: ET.Element) -> list[ET.Element]:
    return feed.findall("a:entry", ATOM)


def said(element: ET.Element, name: str) -> str:
    """The text of the one child of a name."""
    [child] = element.findall(f"a:{name}", ATOM)
    return child.text or ""


def link(element: ET.Element, rel: str) -> str:
    [found] = [child for child in element.findall("a:link", ATOM) if child.get("rel") == rel]
    return found.get("href") or ""


def jsons(reader: Reader, name: str) -> dict[str, Any]:
    answer = reader.get(f"/feeds/{name}.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/feed+json; charset=utf-8"
    return dict(json.loads(answer.content))


@pytest.mark.parametrize("name", NAMES)
def test_an_atom_feed_has_what_rfc_4287_asks_of_it(out: Published, name: str) -> None:
    feed = atom(out.reader, name)
    assert feed.tag == "{http://www.w3.org/2005/Atom}feed"
    assert UUID(said(feed, "id"))
    assert said(feed, "title").startswith("Weekly AI Tool Verdicts")
    assert feed.find("a:author/a:name", ATOM) is not None
    assert link(feed, "self") == f"{SITE}/feeds/{name}.atom"
    assert link(feed, "alternate").startswith(SITE)
    found = entries(feed)
    moments = [datetime.fromisoformat(said(entry, "updated")) for entry in found]
    assert datetime.fromisoformat(said(feed, "updated")) == max(moments)
    assert len({said(entry, "id") for entry in found} | {said(feed, "id")}) == len(found) + 1
    for entry in found:
        assert UUID(said(entry, "id"))
        assert said(entry, "title")
        assert said(entry, "summary")
        assert link(entry, "alternate").startswith(f"{SITE}/")
        assert datetime.fromisoformat(said(entry, "published")) <= datetime.fromisoformat(said(entry, "updated"))
        [content] = entry.findall("a:content", ATOM)
        assert content.get("type") == "html"
        assert len(content) == 0
        assert (content.text or "").startswith(("<p", "\n<p"))


@pytest.mark.parametrize("name", NAMES)
def test_a_json_feed_has_what_version_1_1_asks_of_it(out: Published, name: str) -> None:
    feed = jsons(out.reader, name)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"]
    assert feed["feed_url"] == f"{SITE}/feeds/{name}.json"
    assert feed["authors"] == [{"name": "Weekly AI Tool Verdicts", "url": f"{SITE}/"}]
    for item in feed["items"]:
        assert isinstance(item["id"], str)
        assert item["url"].startswith(SITE)
        assert item["content_html"]
        assert datetime.fromisoformat(item["date_published"]).tzinfo
        assert all(isinstance(tag, str) for tag in item["tags"])


@pytest.mark.parametrize("name", NAMES)
def test_both_kinds_say_the_same(out: Published, name: str) -> None:
    by_atom = [(said(entry, "id"), said(entry, "title")) for entry in entries(atom(out.reader, name))]
    assert by_atom == [(item["id"], item["title"]) for item in jsons(out.reader, name)["items"]]


def test_comparisons_are_those_that_are_public_newest_first(out: Published) -> None:
    rows = out.db.conn.execute(
        "SELECT slug FROM comparisons WHERE published_at <= ? ORDER BY published_at DESC, id DESC LIMIT 50",
        (out.clock.now.isoformat(),),
    ).fetchall()
    total = out.db.conn.execute("SELECT count(*) FROM comparisons").fetchone()[0]
    assert len(rows) < total
    found = [link(entry, "alternate") for entry in entries(atom(out.reader, "comparisons"))]
    assert found == [f"{SITE}/compare/{slug}" for (slug,) in rows]


def test_issues_are_those_that_went_out_newest_first(out: Published) -> None:
    found = [link(entry, "alternate") for entry in entries(atom(out.reader, "issues"))]
    assert found == [f"{SITE}/issues/{number}" for number in (OLD, *SHOWN)]


def test_an_entry_has_the_whole_comparison(out: Published) -> None:
    [comparison] = load_comparisons(out.db, [1])
    [entry] = [e for e in entries(atom(out.reader, "comparisons")) if e[2].get("href", "").endswith(comparison.slug)]
    text = "".join(ET.fromstring(f"<x>{said(entry, 'content').replace('&', '&amp;')}</x>").itertext())
    for tool in (comparison.left, comparison.right):
        for review in tool.reviews:
            assert review.quote.split("\n")[0] in text.replace("&#39;", "'").replace("&#34;", '"').replace("&amp;", "&")
    assert said(entry, "title") == compose.title(comparison)


def test_ids_and_bytes_are_the_same_for_another_process_and_another_address(out: Published) -> None:
    first = out.reader.get("/feeds/comparisons.atom")
    with served(out.settings, out.clock) as other:
        assert other.get("/feeds/comparisons.atom").content == first.content
    moved = out.settings.model_copy(update={"base_url": "https://elsewhere.example.org"})
    with served(moved, out.clock) as other:
        there = [said(entry, "id") for entry in entries(atom(other, "comparisons"))]
    assert there == [said(entry, "id") for entry in entries(ET.fromstring(first.content))]


def test_a_change_of_a_quote_updates_its_entry_and_a_vote_does_not(
    sample: Any, settings: Settings, clock: Clock
) -> None:
    sample.execute("UPDATE comparisons SET published_at = '2026-11-01T00:00:00.000000Z'")
    for table in ("comparisons", "tools", "reviews"):
        sample.execute(f"UPDATE {table} SET updated_at = '2026-10-01T00:00:00.000000Z'")
    [comparison] = load_comparisons(sample, [1])
    with served(settings, clock) as reader:

        def updated() -> dict[str, str]:
            return {link(e, "alternate"): said(e, "updated") for e in entries(atom(reader, "comparisons"))}

        before = updated()
        assert set(before.values()) == {"2026-11-01T00:00:00.000000Z"}
        left = sample.execute("SELECT left_tool FROM comparisons WHERE id = 1").fetchone()[0]
        sample.execute("INSERT INTO votes VALUES (?, 'somebody', 'ship', '2026-11-20T00:00:00.000000Z')", [left])
        assert updated() == before
        sample.execute("UPDATE reviews SET updated_at = '2026-11-21T00:00:00.000000Z' WHERE tool = ?", [left])
        after = updated()
    assert after[f"{SITE}/compare/{comparison.slug}"] == "2026-11-21T00:00:00.000000Z"


@pytest.mark.parametrize("address", [f"/feeds/{name}.{kind}" for name in NAMES for kind in ("atom", "json")])
def test_a_feed_that_is_known_is_not_sent_again(out: Published, address: str) -> None:
    first = out.reader.get(address)
    assert first.headers["cache-control"] == "public, max-age=300"
    again = out.reader.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert out.reader.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
    assert out.reader.get(f"{address}?anything=else").headers["etag"] == first.headers["etag"]
    head = out.reader.head(address)
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", first.headers["content-type"])


def test_a_comparison_shows_in_the_feed_when_its_day_comes(out: Published) -> None:
    before = out.reader.get("/feeds/comparisons.atom")
    with served(out.settings, Clock(out.clock.now)) as reader:
        assert reader.get("/feeds/comparisons.atom").content == before.content
    later = Clock(out.clock.now + timedelta(weeks=2))
    with served(out.settings, later) as reader:
        after = reader.get("/feeds/comparisons.atom", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert len(entries(ET.fromstring(after.content))) > len(entries(ET.fromstring(before.content)))


@pytest.mark.parametrize(
    "name", ["comparisons", "comparisons.rss", "drafts.atom", "issues.atom.json", "issues.", ".atom", "x"]
)
def test_what_is_no_feed_is_not_there(out: Published, name: str) -> None:
    assert out.reader.get(f"/feeds/{name}").status_code == 404


def test_an_empty_store_has_valid_feeds(settings: Settings, db: object, clock: Clock) -> None:
    with served(settings, clock) as reader:
        for name in NAMES:
            assert said(atom(reader, name), "updated") == "1970-01-01T00:00:00.000000Z"
            assert jsons(reader, name)["items"] == []


def test_every_page_names_the_feeds(out: Published) -> None:
    for address in ("/", "/issues/", f"/issues/{SENT}"):
        page = out.reader.get(address).text
        for name in NAMES:
            assert f'href="{SITE}/feeds/{name}.atom">' in page
            assert f'href="{SITE}/feeds/{name}.json">' in page


def test_hostile_text_stays_text_in_both_kinds(tmp_path: Path, clock: Clock) -> None:
    settings = hostile_store(tmp_path)
    with served(settings, clock) as reader:
        [entry] = entries(atom(reader, "comparisons"))
        [item] = jsons(reader, "comparisons")["items"]
        [issue] = entries(atom(reader, "issues"))
    assert said(entry, "title") == item["title"] == f"{NAME} a vs {NAME} b"
    for html in (said(entry, "content"), item["content_html"], said(issue, "content")):
        assert "<script" not in html
        assert "<img" not in html
        assert "&lt;script&gt;alert" in html


def test_a_feed_is_made_once_for_each_version(out: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    true = feeds._MADE["comparisons"]

    def counted(our: State, db: Database, now: datetime) -> feeds.Feed:
        made.append(now)
        return true(our, db, now)

    monkeypatch.setitem(feeds._MADE, "comparisons", counted)
    with served(out.settings, out.clock) as reader:
        for _ in range(3):
            reader.get("/feeds/comparisons.atom")
    assert len(made) == 1


def test_reading_feeds_changes_no_row(out: Published) -> None:
    before = dump(out.db)
    for name in NAMES:
        for kind in ("atom", "json"):
            out.reader.get(f"/feeds/{name}.{kind}")
    assert dump(out.db) == before
