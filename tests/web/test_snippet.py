from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from conftest import NOW
from digest.settings import Settings
from digest.store import Database
from serving import Clock, Reader, dump, served
from signing import JSON, letters

BLOG = "https://blog.example.com"
EVIL = "https://evil.example.com"


@pytest.fixture
def site(sample: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    listed = settings.model_copy(update={"sign_up_origins": (BLOG,)})
    with served(listed, clock) as reader:
        yield reader


def posted(site: Reader, origin: str | None, **fields: str) -> tuple[int, str]:
    headers = {"Sec-Fetch-Site": "cross-site"} | ({"Origin": origin} if origin is not None else {})
    answer = site.post("/sign-up", data={"email": "ada@example.org", **fields}, headers=headers)
    return answer.status_code, answer.text


def test_the_page_has_the_form_to_copy(site: Reader) -> None:
    page = site.get("/embed").text
    code = re.search(r"<code>(.*?)</code></pre>", page, re.DOTALL)
    assert code is not None
    snippet = html.unescape(code[1])
    assert '<form class="digest-sign-up" method="post" action="https://verdicts.example.com/sign-up">' in snippet
    assert '<script src="https://verdicts.example.com/static/embed.js" async></script>' in snippet
    assert "You can leave with one click" in snippet


def test_the_script_is_served(site: Reader) -> None:
    answer = site.get("/static/embed.js")
    assert answer.status_code == 200
    assert "innerHTML" not in answer.text
    assert "cookie" not in re.sub(r"/\*.*?\*/", "", answer.text, flags=re.DOTALL)


def test_the_plain_form_of_a_listed_site_takes_one_press_more_on_ours(
    site: Reader, clock: Clock, sample: Database
) -> None:
    status, page = posted(site, BLOG, name="Ada")
    assert (status, letters(sample)) == (200, [])
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))
    assert fields | {"moment": ""} == {"email": "ada@example.org", "name": "Ada", "from": BLOG, "moment": ""}
    clock.move_on(seconds=1)
    assert site.submit("/sign-up", fields).status_code == 303
    assert letters(sample) == ["ada@example.org"]
    assert sample.conn.execute("SELECT source FROM subscribers").fetchone() == ("form on blog.example.com",)


def test_what_a_stranger_says_of_where_it_came_from_is_not_believed(
    site: Reader, clock: Clock, sample: Database
) -> None:
    moment = site.moment("/sign-up")
    clock.move_on(seconds=5)
    site.submit("/sign-up", {"moment": moment, "email": "ada@example.org", "from": EVIL})
    assert sample.conn.execute("SELECT source FROM subscribers").fetchone() == ("sign-up form",)


@pytest.mark.parametrize(
    "origin", [EVIL, "null", None, "https://blog.example.com.evil.example", "http://blog.example.com"]
)
def test_a_site_that_is_not_on_the_list_is_refused_with_our_own_form(
    site: Reader, clock: Clock, sample: Database, origin: str | None
) -> None:
    before = dump(sample, but=("sign_up_counts",))
    moment = site.moment("/sign-up")
    clock.move_on(seconds=5)
    status, page = posted(site, origin, moment=moment)
    assert status == 403
    assert 'value="ada@example.org"' in page
    assert dump(sample, but=("sign_up_counts",)) == before


def test_the_script_of_a_listed_site_signs_up_in_place(site: Reader, clock: Clock, sample: Database) -> None:
    headers = {**JSON, "Origin": BLOG, "Sec-Fetch-Site": "cross-site"}
    given = site.get("/sign-up/challenge", headers=headers)
    assert given.headers["access-control-allow-origin"] == BLOG
    assert "Origin" in given.headers["vary"]
    clock.move_on(seconds=3)
    fields = {"email": "ada@example.org", "moment": given.json()["moment"]}
    answer = site.post("/sign-up", data=fields, headers=headers)
    assert answer.status_code == 202
    assert answer.headers["access-control-allow-origin"] == BLOG
    assert "access-control-allow-credentials" not in answer.headers
    assert letters(sample) == ["ada@example.org"]
    wrong = site.post("/sign-up", data={**fields, "email": "x"}, headers=headers)
    assert (wrong.status_code, wrong.headers["access-control-allow-origin"]) == (422, BLOG)


def test_no_other_site_may_read_or_write(site: Reader, sample: Database) -> None:
    headers = {**JSON, "Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    for answer in (
        site.get("/sign-up/challenge", headers=headers),
        site.post("/sign-up", data={"email": "ada@example.org"}, headers=headers),
        site.options("/sign-up", headers={**headers, "Access-Control-Request-Method": "POST"}),
    ):
        assert "access-control-allow-origin" not in answer.headers
        assert "Origin" in answer.headers["vary"]
    assert letters(sample) == []


def test_a_preflight_of_a_listed_site_says_what_it_may(site: Reader) -> None:
    asks = {"Origin": BLOG, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = site.options("/sign-up", headers=asks)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == BLOG
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Content-Type" in answer.headers["access-control-allow-headers"]


def test_consent_says_which_site_it_was(site: Reader, clock: Clock, sample: Database) -> None:
    headers = {**JSON, "Origin": BLOG}
    moment = site.get("/sign-up/challenge", headers=headers).json()["moment"]
    clock.move_on(seconds=3)
    site.post("/sign-up", data={"email": "ada@example.org", "moment": moment}, headers=headers)
    row = sample.conn.execute("SELECT kind, source, given_at FROM consents").fetchone()
    assert row[:2] == ("asked", "form on blog.example.com")
    assert row[2] > NOW.isoformat()[:10]
