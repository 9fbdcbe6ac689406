from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hostile import HOSTILE, NAME, hostile_store
from publishing import SITE

from digest.catalogue.queries import load_comparisons
from digest.store import Database
from digest.web.jsonld import script
from serving import Clock, Reader, served


class Scripts(HTMLParser):
    """Finds the script elements of a page as a browser does: one ends at the first `</script`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], str]] = []
        self._within = False
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag == "script"
        if self._within:
            self.found.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._within = False

    def handle_data(self, data: str) -> None:
        if self._within:
            self.found[-1] = (self.found[-1][0], self.found[-1][1] + data)


def things(page: str) -> dict[str, dict[str, Any]]:
    """The things a page is about, by their types."""
    [data] = [text for given, text in Scripts(page).found if given.get("type") == "application/ld+json"]
    document = json.loads(data)
    assert document["@context"] == "https://schema.org"
    return {thing["@type"]: thing for thing in document["@graph"]}


def test_a_comparison_has_each_quote_as_a_review_of_its_tool(reader: Reader, sample: Database) -> None:
    [comparison] = load_comparisons(sample, [1])
    found = things(reader.get(f"/compare/{comparison.slug}").text)
    sides = [element["item"] for element in found["WebPage"]["mainEntity"]["itemListElement"]]
    for tool, side in zip((comparison.left, comparison.right), sides, strict=True):
        assert side["@type"] == "SoftwareApplication"
        assert side["name"] == tool.name
        assert side["url"] == f"{SITE}/tools/{tool.slug}"
        for review, said in zip(tool.reviews, side["review"], strict=True):
            assert said["reviewBody"] == review.quote
            assert said["author"]["name"] == review.reviewer.name
            assert said["reviewRating"]["ratingValue"] == (review.verdict == "ship")
            assert (said["reviewRating"]["bestRating"], said["reviewRating"]["worstRating"]) == (1, 0)
        assert side["aggregateRating"]["ratingValue"] == tool.panel_ship
        assert side["aggregateRating"]["ratingCount"] == len(tool.reviews)
    crumbs = found["BreadcrumbList"]["itemListElement"]
    assert [crumb["position"] for crumb in crumbs] == [1, 2, 3, 4]
    assert crumbs[-1]["item"] == f"{SITE}/compare/{comparison.slug}"
    assert reader.get(crumbs[-2]["item"].removeprefix(SITE)).status_code == 200


def test_no_rating_is_made_up_where_a_verdict_is_not_stated(reader: Reader, sample: Database) -> None:
    [comparison] = load_comparisons(sample, [1])
    sample.execute("UPDATE reviews SET verdict = NULL")
    sample.execute("UPDATE tools SET panel_ship = 75")
    side = things(reader.get(f"/tools/{comparison.left.slug}").text)["SoftwareApplication"]
    assert side["review"]
    assert not any("reviewRating" in said for said in side["review"])
    assert "aggregateRating" not in side


def test_the_front_page_names_the_site_and_its_search(reader: Reader) -> None:
    found = things(reader.get("/").text)
    target = found["WebSite"]["potentialAction"]["target"]["urlTemplate"]
    assert reader.get(target.removeprefix(SITE).replace("{search_term_string}", "cursor")).status_code == 200
    assert found["Organization"]["name"] == "Weekly AI Tool Verdicts"


@pytest.mark.parametrize("address", ["/compare/", "/category/", "/panel", "/issues/", "/category/developer-tools"])
def test_a_list_is_one_for_machines_too(reader: Reader, address: str) -> None:
    page = things(reader.get(address).text)["CollectionPage"]
    listed = page["mainEntity"]
    assert listed["numberOfItems"] == len(listed["itemListElement"])
    assert bool(listed["itemListElement"]) == (address != "/issues/")
    for element in listed["itemListElement"][:2]:
        assert reader.get(element["url"].removeprefix(SITE)).status_code == 200


def test_a_reviewer_has_what_they_said(reader: Reader) -> None:
    page = things(reader.get("/panel/skeptic").text)["ProfilePage"]
    assert page["mainEntity"]["name"] == "Skeptic"
    assert all(said["itemReviewed"]["name"] for said in page["hasPart"])


def test_hostile_text_is_data_and_ends_no_script(tmp_path: Path, clock: Clock) -> None:
    with served(hostile_store(tmp_path), clock) as reader:
        pages = {
            address: reader.get(address)
            for address in ("/", "/compare/", "/compare/a-vs-b", "/tools/tool-a", "/panel", "/panel/critic", "/issues/")
        }
        pages["/issues/1"] = reader.get("/issues/1")
    for address, answer in pages.items():
        assert answer.status_code == 200, address
        page = Scripts(answer.text)
        assert "alert" not in "".join(text for given, text in page.found if "ld+json" not in (given.get("type") or ""))
        assert not [tag for tag in page.tags if "onerror" in tag[1] or "onload" in tag[1]]
        assert not [tag for tag in page.tags if tag[0] == "img"]
        assert things(answer.text)
    side = things(pages["/tools/tool-a"].text)["SoftwareApplication"]
    assert side["name"] == f"{NAME} a"
    assert side["review"][0]["reviewBody"] == HOSTILE


def test_nothing_of_a_script_can_be_ended_or_opened_by_its_data() -> None:
    written = script([{"@type": "Thing", "name": "</script><!-- <script> & ' ]]> \u2028"}])
    inner = re.fullmatch(r'<script type="application/ld\+json">(.*)</script>', written, re.DOTALL)
    assert inner is not None
    assert not set("<>&'") & set(inner[1])
    assert json.loads(inner[1])["@graph"][0]["name"] == "</script><!-- <script> & ' ]]> \u2028"
