from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hostile import hostile_store
from publishing import SHOWN, SITE, Published, published

from digest.settings import Settings
from digest.web.site import robots
from digest.web.site.robots import Place, split
from serving import Clock, Reader, served

MAP = {"m": "http://www.sitemaps.org/schemas/sitemap/0.9"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with published(tmp_path_factory.mktemp("robots")) as found:
        yield found


def located(reader: Reader, address: str = "/sitemap.xml") -> list[str]:
    answer = reader.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    return [found.text or "" for found in ET.fromstring(answer.content).findall(".//m:loc", MAP)]


def test_robots_are_shown_the_map_and_kept_from_what_is_a_readers_own(reader: Reader) -> None:
    answer = reader.get("/robots.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines[0] == "User-agent: *"
    assert f"Sitemap: {SITE}/sitemap.xml" in lines
    for path in ("/p/", "/u/", "/v/", "/confirm/", "/address/", "/c/", "/o/", "/api/"):
        assert f"Disallow: {path}" in lines
    assert "Disallow: /" not in lines


def test_the_map_has_every_public_page_once_and_no_other(out: Published) -> None:
    now = out.clock.now.isoformat()
    rows = out.db.conn.execute
    shown = [slug for (slug,) in rows("SELECT slug FROM comparisons WHERE published_at <= ?", (now,))]
    hidden = [slug for (slug,) in rows("SELECT slug FROM comparisons WHERE published_at > ?", (now,))]
    wanted = {f"{SITE}/issues/{number}" for number in SHOWN} | {f"{SITE}/compare/{slug}" for slug in shown}
    wanted |= {f"{SITE}{path}" for path in ("/", "/compare/", "/category/", "/panel", "/issues/")}
    wanted |= {f"{SITE}/panel/{slug}" for (slug,) in rows("SELECT slug FROM reviewers")}
    compared = (
        "SELECT slug FROM tools WHERE id IN (SELECT left_tool FROM comparisons WHERE published_at <= ?"
        " UNION SELECT right_tool FROM comparisons WHERE published_at <= ?)"
        " OR id NOT IN (SELECT left_tool FROM comparisons UNION SELECT right_tool FROM comparisons)"
    )
    wanted |= {f"{SITE}/tools/{slug}" for (slug,) in rows(compared, (now, now))}
    found = located(out.reader)
    assert hidden
    assert len(found) == len(set(found))
    assert {address for address in found if "/category/" not in address} == wanted - {f"{SITE}/category/"}


def test_every_page_of_the_map_is_there_under_that_very_address(out: Published) -> None:
    for address in located(out.reader):
        page = out.reader.get(address.removeprefix(SITE))
        assert page.status_code == 200, address
        assert f'<link rel="canonical" href="{address}">' in page.text
        assert "noindex" not in page.headers.get("x-robots-tag", "")


def test_pages_say_when_they_changed(out: Published) -> None:
    urls = ET.fromstring(out.reader.get("/sitemap.xml").content).findall("m:url", MAP)
    said = {url.findtext("m:loc", "", MAP): url.findtext("m:lastmod", None, MAP) for url in urls}
    assert said[f"{SITE}/"] is None
    for address, changed in said.items():
        if "/compare/" in address.removesuffix("/compare/") or "/issues/" in address.removesuffix("/issues/"):
            assert changed is not None
            assert datetime.fromisoformat(changed) <= out.clock.now


def test_more_pages_than_one_map_may_have_are_in_several(out: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = located(out.reader)
    assert out.reader.get("/sitemap-1.xml").status_code == 404
    monkeypatch.setattr(robots, "MOST_PLACES", 20)
    with served(out.settings, out.clock) as reader:
        index = reader.get("/sitemap.xml")
        assert ET.fromstring(index.content).tag.endswith("sitemapindex")
        maps = located(reader)
        assert maps == [f"{SITE}/sitemap-{number}.xml" for number in range(1, len(whole) // 20 + 2)]
        parts = [located(reader, address.removeprefix(SITE)) for address in maps]
        for number in ("0", "01", str(len(maps) + 1), "x", "9" * 5000):
            assert reader.get(f"/sitemap-{number}.xml").status_code == 404
    assert max(map(len, parts)) == 20
    assert [address for part in parts for address in part] == whole


def test_a_map_is_no_heavier_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robots, "MOST_BYTES", 1_000)
    places = [Place(f"https://example.com/{'x&' * 100}{number}") for number in range(5)]
    assert [len(part) for part in split(iter(places))] == [1, 1, 1, 1, 1]
    assert [len(part) for part in split(iter(places[0:0]))] == [0]


def test_the_map_of_a_hostile_catalogue_can_be_read(tmp_path: Path, clock: Clock) -> None:
    with served(hostile_store(tmp_path), clock) as reader:
        assert f"{SITE}/compare/a-vs-b" in located(reader)
        for address in located(reader):
            assert reader.get(address.removeprefix(SITE)).status_code == 200


def test_a_map_that_is_known_is_not_sent_again(out: Published) -> None:
    for address in ("/sitemap.xml", "/robots.txt"):
        etag = out.reader.get(address).headers["etag"]
        assert out.reader.get(address, headers={"If-None-Match": etag}).status_code == 304
        head = out.reader.head(address)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)


def test_an_empty_site_has_a_map(settings: Settings, db: object, clock: Clock) -> None:
    with served(settings, clock) as reader:
        assert len(located(reader)) == 5


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("security@example.com", "mailto:security@example.com"),
        ("mailto:security@example.com", "mailto:security@example.com"),
        ("https://example.com/security", "https://example.com/security"),
    ],
)
def test_whoever_finds_a_hole_is_told_whom_to_tell(settings: Settings, clock: Clock, given: str, told: str) -> None:
    settings = Settings(**settings.model_dump() | {"security_contact": given})
    with served(settings, clock) as reader:
        answer = reader.get("/.well-known/security.txt")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
        assert fields["Contact"] == told
        assert clock.now < datetime.fromisoformat(fields["Expires"]) < clock.now + timedelta(days=365)
        assert fields["Canonical"] == f"{settings.base_url}/.well-known/security.txt"


def test_where_nobody_is_named_there_is_no_security_txt(reader: Reader) -> None:
    assert reader.get("/.well-known/security.txt").status_code == 404


@pytest.mark.parametrize("wrong", ["http://example.com", "nobody", "javascript:alert(1)", "https://a b", "a@b.c\nX: y"])
def test_a_contact_that_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="security_contact"):
        Settings(security_contact=wrong)
