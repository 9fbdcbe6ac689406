"""A text that tries to be more than text, in every field an editor can write: it shows as text wherever it goes."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from sqlite_utils import Database

from conftest import NOW
from desk import Desk, at_the_desk
from digest.issue import issues
from digest.settings import Settings
from serving import Reader

HOSTILE = "\"'></script><script>alert(1)</script><img src=x onerror=alert(2)>{{987*3}}"
ADDRESS = "https://example.com/\"'><script>alert(1)</script><img/src=x/onerror=alert(2)>"
ROOM = "/desk/catalogue"
TOOL, PAIR = "hostile", "hostile-vs-cursor"
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def desk(reader: Reader, settings: Settings, sample: Database) -> Desk:
    """An editor who wrote it into every field of a tool, a reviewer, a comparison and an issue."""
    ann = at_the_desk(reader, settings, "owner")

    def write(address: str, **fields: str) -> None:
        answer = ann.submit(address, fields)
        assert answer.status_code == 303, re.findall(r'class="problem"[^>]*>([^<]*)', answer.text)

    page = ann.get(f"{ROOM}/panel").text
    seen = re.search(r'(?s)action="/desk/catalogue/panel/builder".*?name="seen" value="([^"]*)"', page)
    assert seen is not None
    write(f"{ROOM}/panel/builder", name=HOSTILE, stance=HOSTILE, seen=seen[1])
    fields = dict.fromkeys(("name", "tagline", "category", "description", "quote-builder"), HOSTILE)
    write(f"{ROOM}/new-tool", **fields, slug=TOOL, url=ADDRESS, **{"verdict-builder": "ship"})
    write(f"{ROOM}/new-comparison", left=HOSTILE, right="cursor", slug=PAIR, published_at="2026-11-26T08:59")
    issues.draft(sample, settings, now=NOW)
    # The lead is shown whole, with every field of it.
    write("/desk/issues/1/order", comparison=PAIR, to="0")
    for field in ("subject", "preheader", "intro"):
        [was] = sample.execute(f"SELECT {field} FROM issues").fetchone()
        answer = ann.ask("/desk/issues/1/words", {"field": field, "text": HOSTILE, "base": was})
        assert answer.status_code == 200, answer.text
    return ann


def is_text(page: str) -> bool:
    """Tell whether nothing of it is markup, and no template of ours was made to reckon."""
    return not re.search(r"<script>alert|<img[ /]src=x|2961", page)


def test_it_shows_as_text_in_the_desk(desk: Desk) -> None:
    for address in (
        f"{ROOM}/",
        f"{ROOM}/?q=hostile",
        f"{ROOM}/tools?q=hostile",
        f"{ROOM}/tools/{TOOL}",
        f"{ROOM}/comparisons/{PAIR}",
        f"{ROOM}/comparisons/{PAIR}/remove",
        f"{ROOM}/tools/{TOOL}/remove",
        f"{ROOM}/panel",
        f"{ROOM}/panel/builder/remove",
        "/desk/issues/",
        "/desk/issues/1",
        "/desk/issues/1/history",
        "/desk/issues/1/checks",
        "/desk/issues/1/preview/mail",
        "/desk/issues/1/preview/mail?client=outlook",
        "/desk/issues/1/preview/mail?client=text",
        "/desk/issues/1/preview/mail?client=source",
    ):
        answer = desk.get(address)
        assert answer.status_code == 200, address
        # What is plain text is no page, whatever it says.
        if answer.headers["content-type"].startswith("text/html"):
            assert is_text(answer.text), address
            assert "unsafe-inline" not in answer.headers["content-security-policy"].partition("style-src")[0], address
    assert "&lt;script&gt;alert(1)" in desk.get(f"{ROOM}/tools/{TOOL}").text
    # What was typed and is wrong is given back as text too.
    for address in (f"{ROOM}/new-tool", f"{ROOM}/new-comparison", f"{ROOM}/panel"):
        names = (
            "name",
            "slug",
            "url",
            "entry",
            "panel_ship",
            "left",
            "right",
            "published_at",
            "stance",
            "quote-builder",
        )
        answer = desk.submit(address, dict.fromkeys(names, HOSTILE * 10))
        assert answer.status_code == 422, address
        assert is_text(answer.text), address
    found = desk.http.post(
        f"{ROOM}/import",
        files=[
            ("files", (f"{HOSTILE}.csv", f"name,entry\n{HOSTILE.replace(',', '')},{HOSTILE}\n".encode(), "text/csv"))
        ],
        data={"csrf": desk.csrf},
        headers={"Origin": str(desk.http.base_url)},
    )
    assert "Nothing of it goes in" in found.text
    assert is_text(found.text)


def test_it_shows_as_text_on_the_site(desk: Desk, reader: Reader) -> None:
    for address in (
        "/",
        "/compare/",
        f"/compare/{PAIR}",
        f"/tools/{TOOL}",
        "/panel/",
        "/panel/builder",
        "/search?q=script",
    ):
        answer = reader.get(address, follow_redirects=True)
        assert answer.status_code == 200, address
        assert is_text(answer.text), address
    assert "&lt;script&gt;alert(1)" in reader.get(f"/compare/{PAIR}").text


def test_it_shows_as_text_in_the_mail(desk: Desk, sample: Database, settings: Settings) -> None:
    mail = issues.laid_out(sample, settings, 1).content
    assert is_text(mail.html)
    assert mail.html.count("&lt;script&gt;alert(1)") >= 5
    # Plain text has no markup to be.
    assert "<script>alert(1)</script>" in mail.text


def test_it_shows_as_text_in_the_feeds(desk: Desk, reader: Reader) -> None:
    for name in ("comparisons", "issues"):
        raw = reader.get(f"/feeds/{name}.atom").text
        assert "<script>alert" not in raw
        for entry in ElementTree.fromstring(raw).iter(f"{ATOM}entry"):
            for part in ("title", "summary", "content"):
                for found in entry.findall(f"{ATOM}{part}"):
                    assert found.get("type", "text") == "text" or is_text(found.text or ""), (name, part)
        told = json.loads(reader.get(f"/feeds/{name}.json").text)
        assert all(is_text(item["content_html"]) for item in told["items"])
    assert "&amp;lt;script" in reader.get("/feeds/comparisons.atom").text
