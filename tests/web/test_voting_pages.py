from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from own_links import HOSTILE, Ada, ada, begin_to_send
from sqlite_utils import Database

from conftest import NOW
from digest import times
from digest.audience import forgetting
from digest.events import Kind
from digest.settings import Settings
from digest.web.site import voting
from digest.web.site.voting import A_TOOL, AN_HOUR
from serving import Clock, Reader, dump, served

HTMX = {"HX-Request": "true"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Of a site without TLS, whose cookies a client without TLS sends back."""
    return settings.model_copy(update={"base_url": "http://verdicts.example.com"})


@pytest.fixture
def reader(db: Database, settings: Settings, clock: Clock) -> Iterator[Reader]:
    """A site with one comparison, of tools without votes."""
    for slug, name in (("cursor", "Cursor"), ("zed", "Zed <b>")):
        db.execute(
            "INSERT INTO tools (slug, name, name_key, category, created_at, updated_at)"
            " VALUES (?1, ?2, ?1, 'IDE', '', '')",
            [slug, name],
        )
    db.execute(
        "INSERT INTO comparisons (slug, left_tool, right_tool, published_at, created_at, updated_at)"
        " VALUES ('cursor-vs-zed', 1, 2, ?, '', '')",
        [times.to_text(NOW - timedelta(days=1))],
    )
    with served(settings, clock) as found:
        yield found


@pytest.fixture
def her(reader: Reader, db: Database, settings: Settings) -> Ada:
    return ada(db, settings)


def votes(db: Database) -> list[tuple[str, str]]:
    """Every vote: the kind of voter, and what they said."""
    rows = db.execute("SELECT voter, verdict FROM votes ORDER BY voter").fetchall()
    return [(voter.partition(":")[0], verdict) for voter, verdict in rows]


# On a page ---------------------------------------------------------------------------------------------------------


def test_a_page_has_a_form_for_each_tool_that_works_without_javascript(reader: Reader, db: Database) -> None:
    page = reader.get("/compare/cursor-vs-zed").text
    assert page.count('action="/vote/') == 2
    answer = reader.submit("/vote/cursor", {"value": "ship", "back": "/compare/cursor-vs-zed"})
    assert answer.status_code == 303
    said = reader.get(answer.headers["location"]).text
    assert "You said <strong>ship</strong>" in said
    assert 'href="/compare/cursor-vs-zed"' in said
    assert votes(db) == [("browser", "ship")]
    assert "100%" in reader.get("/compare/cursor-vs-zed").text


def test_htmx_gets_the_block_alone(reader: Reader, db: Database) -> None:
    answer = reader.post("/vote/zed", data={"value": "skip", "back": "/tools/zed"}, headers=HTMX)
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<div class="vote"')
    assert "You said <strong>skip</strong>" in answer.text
    assert "Zed &lt;b&gt;" in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_browser_has_one_vote_on_a_tool_and_changes_it_freely(reader: Reader, db: Database) -> None:
    for value in ("ship", "skip", "ship", "skip"):
        reader.submit("/vote/cursor", {"value": value})
    reader.submit("/vote/zed", {"value": "ship"})
    assert sorted(votes(db)) == [("browser", "ship"), ("browser", "skip")]
    assert len({voter for (voter,) in db.execute("SELECT voter FROM votes")}) == 1
    reader.submit("/vote/cursor", {"value": "none"})
    assert votes(db) == [("browser", "ship")]


def test_the_cookie_is_kept_from_scripts_and_other_sites(reader: Reader) -> None:
    given = reader.submit("/vote/cursor", {"value": "ship"}).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Max-Age=31536000", "Path=/"} <= set(given.split("; "))
    assert "Secure" not in given
    assert "set-cookie" not in reader.submit("/vote/cursor", {"value": "skip"}).headers


def test_no_cookie_is_set_for_a_vote_that_was_refused(reader: Reader) -> None:
    for answer in (reader.submit("/vote/nothing", {"value": "ship"}), reader.submit("/vote/cursor", {"value": "x"})):
        assert 400 <= answer.status_code < 500
        assert "set-cookie" not in answer.headers


def test_over_tls_the_cookie_is_secure(db: Database, settings: Settings, clock: Clock, reader: Reader) -> None:
    over_tls = settings.model_copy(update={"base_url": "https://verdicts.example.com"})
    with served(over_tls, clock) as other:
        assert "Secure" in other.submit("/vote/cursor", {"value": "ship"}).headers["set-cookie"]


def test_a_page_that_is_the_same_for_everybody_says_nothing_of_one_browser(reader: Reader) -> None:
    reader.submit("/vote/cursor", {"value": "ship"})
    page = reader.get("/compare/cursor-vs-zed").text
    assert "You said" not in page
    assert 'hx-get="/vote/cursor?back=%2Fcompare%2Fcursor-vs-zed" hx-trigger="load"' in page
    block = reader.get("/vote/cursor", params={"back": "/compare/cursor-vs-zed"}, headers=HTMX).text
    assert "You said <strong>ship</strong>" in block
    assert "hx-get" not in block
    assert 'value="/compare/cursor-vs-zed"' in block


def test_a_browser_that_never_voted_has_no_block_of_its_own(reader: Reader) -> None:
    assert reader.get("/vote/cursor", headers=HTMX).status_code == 204
    assert "Your vote" in reader.get("/vote/cursor").text


def test_a_forged_cookie_is_a_new_voter(reader: Reader, her: Ada) -> None:
    for forged in ("x", "A" * 24, her.token, her.links.sign("form", 1, 2)):
        reader.cookies.clear()
        reader.cookies.set("voter", forged)
        assert "set-cookie" in reader.submit("/vote/cursor", {"value": "ship"}).headers
    assert len(votes(her.db)) == 4


def test_scripts_cannot_stuff_the_ballot(reader: Reader, db: Database, clock: Clock) -> None:
    answers = []
    for _ in range(A_TOOL + 5):
        reader.cookies.clear()
        answers.append(reader.submit("/vote/cursor", {"value": "ship"}))
    assert [answer.status_code for answer in answers] == [303] * A_TOOL + [429] * 5
    assert int(answers[-1].headers["retry-after"]) <= 3600
    assert len(votes(db)) == A_TOOL
    # Who voted before may go on, others elsewhere may begin, and in an hour all may.
    voted = answers[0].headers["set-cookie"].partition("=")[2].partition(";")[0]
    reader.cookies.set("voter", voted)
    assert reader.submit("/vote/cursor", {"value": "skip"}).status_code == 303
    reader.cookies.clear()
    elsewhere = {"X-Forwarded-For": "198.51.100.7"}
    assert reader.post("/vote/cursor", data={"value": "ship"}, headers=elsewhere).status_code == 303
    clock.move_on(hours=1)
    reader.cookies.clear()
    assert reader.submit("/vote/cursor", {"value": "ship"}).status_code == 303


def test_nor_by_going_from_tool_to_tool(reader: Reader, db: Database) -> None:
    db.conn.executemany(
        "INSERT INTO tools (slug, name, name_key, created_at, updated_at) VALUES (?1, ?1, ?1, '', '')",
        [(f"tool-{number}",) for number in range(AN_HOUR + 1)],
    )
    codes = []
    for number in range(AN_HOUR + 1):
        reader.cookies.clear()
        codes.append(reader.submit(f"/vote/tool-{number}", {"value": "ship"}).status_code)
    assert codes == [303] * AN_HOUR + [429]


def test_names_of_tools_that_are_none_are_not_remembered_for_ever(reader: Reader, db: Database) -> None:
    paces = voting._Paces()
    for number in range(AN_HOUR + 1_000):
        paces.take("192.0.2.7", f"nothing-{number}", NOW)
    assert len(paces.tool._done) == AN_HOUR


def test_one_browser_does_not_change_its_mind_all_day(
    reader: Reader, her: Ada, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(voting, "VOTES", 5)
    said = [reader.submit("/vote/cursor", {"value": value}) for value in ("ship", "skip") * 3]
    assert [answer.status_code for answer in said] == [303] * 5 + [429]
    assert int(said[-1].headers["retry-after"]) <= 3600
    assert reader.submit(f"/v/{her.token}/cursor/ship").status_code == 429
    clock.move_on(hours=1)
    assert reader.submit(f"/v/{her.token}/cursor/ship").status_code == 303


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "/u/x", "javascript:evil", ""]
)
def test_it_leads_back_to_our_own_pages_only(reader: Reader, back: str) -> None:
    answer = reader.submit("/vote/cursor", {"value": "ship", "back": back})
    assert answer.headers["location"] == "/vote/cursor?back=%2Ftools%2Fcursor"
    page = reader.get("/vote/cursor", params={"back": back}).text
    assert "evil" not in page
    assert 'href="/tools/cursor"' in page


def test_no_other_site_votes(reader: Reader, her: Ada) -> None:
    before = dump(her.db)
    for address in ("/vote/cursor", f"/v/{her.token}/cursor/ship"):
        answer = reader.post(address, data={"value": "ship"}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
    assert dump(her.db) == before


# From a copy -------------------------------------------------------------------------------------------------------


def test_a_link_of_a_mail_shows_the_button_and_pressing_it_votes(reader: Reader, her: Ada) -> None:
    before = dump(her.db)
    page = reader.get(f"/v/{her.token}/cursor/ship").text
    assert dump(her.db) == before
    assert re.findall(rf'action="/v/{her.token}/cursor/(\w+)"', page) == ["ship", "skip"]
    answer = reader.submit(f"/v/{her.token}/cursor/ship")
    assert answer.status_code == 303
    thanks = reader.get(answer.headers["location"]).text
    assert "You said <strong>ship</strong>" in thanks
    assert "100%" in thanks
    assert 'href="/compare/cursor-vs-zed"' in thanks
    assert votes(her.db) == [("copy", "ship")]


def test_it_is_changed_and_taken_back(reader: Reader, her: Ada) -> None:
    reader.submit(f"/v/{her.token}/cursor/ship")
    assert "You said ship before" in reader.get(f"/v/{her.token}/cursor/skip").text
    reader.submit(f"/v/{her.token}/cursor/skip")
    assert votes(her.db) == [("copy", "skip")]
    reader.submit(f"/v/{her.token}/cursor/none")
    assert votes(her.db) == []
    assert "You have no vote" in reader.get(f"/v/{her.token}/cursor").text


def test_a_vote_is_an_event_of_its_delivery_once(reader: Reader, sample: Database, settings: Settings) -> None:
    her = ada(sample, settings)
    number = begin_to_send(sample, settings)
    token = her.links.sign("copy", number, her.id)
    for verdict in ("ship", "skip", "none", "ship"):
        assert reader.submit(f"/v/{token}/cursor/{verdict}").status_code == 303
    events = sample.execute("SELECT issue, subscriber, kind, key FROM events").fetchall()
    assert events == [(number, her.id, Kind.VOTED, "cursor")]


def test_a_vote_by_a_letters_link_is_no_event(reader: Reader, her: Ada) -> None:
    reader.submit(f"/v/{her.token}/cursor/ship")
    assert her.db.execute("SELECT * FROM events").fetchall() == []


def test_who_is_forgotten_votes_no_more(reader: Reader, her: Ada) -> None:
    forgetting.forget(her.db, her.id, now=NOW)
    for answer in (reader.get(f"/v/{her.token}/cursor/ship"), reader.submit(f"/v/{her.token}/cursor/ship")):
        assert answer.status_code == 200
        assert "Nobody is behind this link" in answer.text
    assert votes(her.db) == []


def test_a_vote_that_is_none_or_on_nothing_is_refused(reader: Reader, her: Ada) -> None:
    before = dump(her.db)
    for way in ("cursor/maybe", "cursor/Ship", "nothing/ship", "cursor/%00", "%27%20OR%201=1/ship"):
        assert 400 <= reader.get(f"/v/{her.token}/{way}").status_code < 500
        assert 400 <= reader.submit(f"/v/{her.token}/{way}").status_code < 500
    for wrong in (her.token[:-1], her.links.sign("message", 0, her.id), "x"):
        assert reader.submit(f"/v/{wrong}/cursor/ship").status_code == 400
    for value in ("", "maybe", "ship ship"):
        assert reader.submit("/vote/cursor", {"value": value}).status_code == 400
    assert reader.submit("/vote/nothing", {"value": "ship"}).status_code == 404
    assert dump(her.db) == before


def test_what_strangers_type_breaks_nothing(reader: Reader, her: Ada) -> None:
    before = dump(her.db)
    for value in HOSTILE.values():
        for fields in ({"value": value}, {"value": value, "back": value}):
            assert reader.submit("/vote/cursor", fields).status_code == 400
        answer = reader.get("/vote/cursor", params={"back": value})
        assert answer.status_code in (200, 414)
        assert "<script>alert" not in answer.text
    assert dump(her.db) == before


def test_what_cannot_be_read_is_refused(reader: Reader, her: Ada) -> None:
    before = dump(her.db)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"value=%FF", b"value=ship%00", b"\xff", b"x" * 2**20):
        for address in ("/vote/cursor", f"/v/{her.token}/cursor/ship"):
            assert 400 <= reader.post(address, content=body, headers=headers).status_code < 500
    assert dump(her.db) == before
