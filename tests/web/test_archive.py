from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from publishing import CANCELLED_MAILED, DRAFT, HIDDEN, OLD, SENDING, SENT, SHOWN, SITE, Published, published

from conftest import NOW
from digest.audience import subscribers
from digest.issue import issues
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from digest.tokens import TokenError
from digest.web.impersonal import impersonal
from serving import Clock, Reader, dump, served


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with published(tmp_path_factory.mktemp("archive")) as found:
        yield found


def linked(text: str) -> list[int]:
    """The issues a page links to, in their order."""
    return [int(number) for number in dict.fromkeys(re.findall(r'<a href="/issues/(\d+)"', text))]


def test_the_archive_lists_what_went_out_newest_first_and_nothing_else(out: Published) -> None:
    answer = out.reader.get("/issues/")
    assert answer.status_code == 200
    assert linked(answer.text) == [OLD, *SHOWN]


def test_the_archive_is_found_without_its_slash(out: Published) -> None:
    for asked, meant in (("/issues", "/issues/"), (f"/issues/{SENT}/", f"/issues/{SENT}")):
        answer = out.reader.get(asked)
        assert answer.status_code == 301
        assert answer.headers["location"] == meant


def test_an_archive_without_issues_says_so(reader: Reader) -> None:
    answer = reader.get("/issues/")
    assert answer.status_code == 200
    assert "has not gone out yet" in answer.text


def test_a_page_beyond_the_last_is_not_there(out: Published) -> None:
    assert out.reader.get("/issues/?page=2").status_code == 404
    assert out.reader.get("/issues/?page=0").status_code == 400
    assert out.reader.get("/issues/?page=x").status_code == 400
    assert out.reader.get(f"/issues/?page={'9' * 5000}").status_code == 400


def test_a_long_archive_has_pages(out: Published, tmp_path: Path) -> None:
    copy = tmp_path / "long.db"
    out.db.conn.execute("VACUUM INTO ?", (str(copy),))
    settings = out.settings.model_copy(update={"db": copy})
    db = open_store(copy)
    columns = ", ".join(row[1] for row in db.conn.execute("PRAGMA table_info(issues)") if row[1] != "number")
    for number in range(100, 145):
        db.conn.execute(
            f"INSERT INTO issues (number, {columns}) SELECT {number}, {columns} FROM issues WHERE number = {SENT}"
        )
    db.close()
    with served(settings, out.clock) as reader:
        pages = [reader.get(f"/issues/?page={number}") for number in (1, 2, 3)]
    found = [number for page in pages for number in linked(page.text)]
    assert found == [*range(144, 99, -1), OLD, *SHOWN]
    assert 'rel="next" href="/issues/?page=2"' in pages[0].text
    assert 'rel="prev" href="/issues/"' in pages[1].text


@pytest.mark.parametrize("number", HIDDEN)
def test_what_did_not_go_out_is_hidden(out: Published, number: int) -> None:
    for address in (f"/issues/{number}", f"/issues/{number}/mail", f"/issues/{number}/share.png"):
        assert out.reader.get(address).status_code == 404


@pytest.mark.parametrize(
    "number", ["0", "01", "-1", "1.0", "99", "2147483648", "9" * 5000, "x", "%00", "1%00", "%D9%A1"]
)
def test_what_is_no_issue_is_not_there(out: Published, number: str) -> None:
    for address in (f"/issues/{number}", f"/issues/{number}/mail", f"/issues/{number}/share.png"):
        assert out.reader.get(address).status_code == 404


@pytest.mark.parametrize("number", SHOWN)
def test_an_issue_is_a_page_with_its_words_and_comparisons_in_their_order(out: Published, number: int) -> None:
    page = out.reader.get(f"/issues/{number}")
    draft = issues.snapshot_of(out.db, number)
    assert page.status_code == 200
    assert draft is not None
    text = unescape(page.text)
    assert f'<h1 dir="auto">{draft.subject}</h1>' in text
    assert draft.intro in text
    slugs = [item.comparison.slug for item in draft.placed if item.form != "out"]
    assert [*dict.fromkeys(re.findall(r'<a href="/compare/([a-z0-9-]+)"', page.text))] == slugs


def test_an_issue_shows_what_was_approved_whatever_the_catalogue_says_now(out: Published) -> None:
    [slug, quote] = out.db.conn.execute(
        "SELECT t.slug, r.quote FROM issue_comparisons ic JOIN comparisons c ON c.id = ic.comparison"
        " JOIN tools t ON t.id = c.left_tool JOIN reviews r ON r.tool = t.id"
        " WHERE ic.issue = ? AND ic.position = 0 LIMIT 1",
        (SENT,),
    ).fetchone()
    before = out.reader.get(f"/issues/{SENT}").text
    assert quote in unescape(before)
    out.db.conn.execute("UPDATE reviews SET quote = 'Changed since.' WHERE quote = ?", (quote,))
    try:
        after = out.reader.get(f"/issues/{SENT}").text
        assert quote in unescape(after)
        assert "Changed since." not in after
        assert "Changed since." in out.reader.get(f"/tools/{slug}").text
    finally:
        out.db.conn.execute("UPDATE reviews SET quote = ? WHERE quote = 'Changed since.'", (quote,))


def test_an_issue_leads_to_those_beside_it_that_went_out(out: Published) -> None:
    text = out.reader.get(f"/issues/{CANCELLED_MAILED}").text
    assert f'rel="prev" href="/issues/{SENT}">←' in text.replace('class="quiet" ', "")
    assert f'rel="next" href="/issues/{SENDING}">Issue' in text.replace('class="quiet" ', "")
    assert f"/issues/{DRAFT}" not in text


def test_comparisons_that_were_only_counted_in_the_mail_are_named_on_the_web(out: Published) -> None:
    draft = issues.snapshot_of(out.db, SENT)
    assert draft is not None
    counted = draft.placed[-1].comparison
    kept = out.db.conn.execute("SELECT snapshot FROM issues WHERE number = ?", (SENT,)).fetchone()[0]
    changed = json.loads(kept)
    changed["draft"]["placed"][-1]["form"] = "more"
    changed["draft"]["placed"][0]["updated"] = True
    _with_snapshot(out, json.dumps(changed))
    try:
        text = out.reader.get(f"/issues/{SENT}").text
        assert f'<li><a href="/compare/{counted.slug}">' in text
        assert '<p class="kicker">Updated</p>' in text
    finally:
        _with_snapshot(out, kept)


def _with_snapshot(out: Published, snapshot: str) -> None:
    out.clock.move_on(seconds=1)
    out.db.conn.execute(
        "UPDATE issues SET snapshot = ?, updated_at = ? WHERE number = ?", (snapshot, out.clock.now.isoformat(), SENT)
    )


def test_an_issue_that_cannot_be_shown_as_a_page_is_shown_as_its_mail(out: Published) -> None:
    answer = out.reader.get(f"/issues/{OLD}")
    assert answer.status_code == 302
    assert answer.headers["location"] == f"/issues/{OLD}/mail"
    assert out.reader.get(answer.headers["location"]).status_code == 200


def test_an_issue_whose_snapshot_says_other_things_is_shown_as_its_mail(out: Published) -> None:
    kept = out.db.conn.execute("SELECT snapshot FROM issues WHERE number = ?", (SENT,)).fetchone()[0]
    _with_snapshot(out, '{"draft": {}}')
    try:
        assert out.reader.get(f"/issues/{SENT}").headers["location"] == f"/issues/{SENT}/mail"
        assert out.reader.get("/feeds/issues.atom").status_code == 200
        assert out.reader.get(f"/issues/{SENT}/share.png").status_code == 200
    finally:
        _with_snapshot(out, kept)


def test_the_mail_on_the_web_has_nothing_of_any_reader_in_it(out: Published) -> None:
    signers = Signers.of(out.db, out.settings, now=NOW)
    for number in (OLD, *SHOWN):
        text = out.reader.get(f"/issues/{number}/mail").text
        assert "Hello," in text
        assert "Ada" not in text
        assert "digest:" not in text
        assert not re.search(r'href="[^"]*/(p|u|v|confirm|address)/', text)
        for found in re.findall(r"[A-Za-z0-9_-]{24}", text):
            with pytest.raises(TokenError):
                signers.links.read("copy", found)


def test_the_links_of_the_mail_on_the_web_lead_to_pages(out: Published) -> None:
    text = out.reader.get(f"/issues/{SENT}/mail").text
    ours = {unescape(found) for found in re.findall(r'href="([^"]+)"', text) if found.startswith(SITE)}
    assert f"{SITE}/#sign-up" in ours
    assert any(found.endswith("#votes") for found in ours)
    for found in ours:
        page = out.reader.get(found.removeprefix(SITE))
        assert page.status_code == 200, found
        anchor = found.partition("#")[2]
        assert not anchor or f'id="{anchor}"' in page.text, found


def test_the_mail_on_the_web_may_run_nothing_and_is_in_no_search(out: Published) -> None:
    headers = out.reader.get(f"/issues/{SENT}/mail").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "sandbox" in policy
    assert "script" not in policy
    assert headers["x-robots-tag"] == "noindex"
    assert headers["link"] == f'<{SITE}/issues/{SENT}>; rel="canonical"'


def test_a_place_in_an_odd_corner_of_a_mail_is_closed_too() -> None:
    html = (
        '<a href="https://old.example.com/news/v/[[digest:token]]/no%20such/ship">x</a><i>[[digest:token]]</i>'
        '<a href="https://old.example.com/x/[[digest:token]]">y</a><img src="[[digest:message]]">[[digest:greeting]]'
    )
    assert impersonal(html, "https://a.example", {"no such": "one-vs-other"}) == (
        '<a href="https://a.example/compare/one-vs-other#votes">x</a><i></i>'
        '<a href="https://a.example/#sign-up">y</a><img src="">Hello,'
    )
    assert impersonal('<a href="https://s/v/[[digest:token]]/gone/skip">', "https://a.example", {}) == (
        '<a href="https://a.example/tools/gone#votes">'
    )


def test_what_is_known_already_is_not_sent_again(out: Published) -> None:
    for address in ("/issues/", f"/issues/{SENT}", f"/issues/{SENT}/mail"):
        first = out.reader.get(address)
        again = out.reader.get(address, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = out.reader.head(address)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == first.headers["etag"]


def test_an_issue_is_there_as_soon_as_its_sending_begins(sample: object, settings: Settings, clock: Clock) -> None:
    db = open_store(settings.db)
    subscribers.add(db, "ada@example.com", now=NOW)
    issues.draft(db, settings, now=NOW)
    issues.freeze(db, settings, 1, now=NOW)
    with served(settings, clock) as reader:
        assert reader.get("/issues/1").status_code == 404
        assert linked(reader.get("/issues/").text) == []
        clock.now = NOW + timedelta(minutes=1)
        ledger.freeze_audience(db, 1, now=clock.now)
        assert reader.get("/issues/1").status_code == 200
        assert linked(reader.get("/issues/").text) == [1]
    db.close()


def test_reading_changes_no_row(out: Published) -> None:
    before = dump(out.db)
    for address in ("/issues/", f"/issues/{SENT}", f"/issues/{SENT}/mail", f"/issues/{SENT}/share.png"):
        out.reader.get(address)
        out.reader.head(address)
    assert dump(out.db) == before


def test_the_archive_names_its_picture_and_says_in_json_ld_what_it_is(out: Published) -> None:
    text = out.reader.get(f"/issues/{SENT}").text
    assert f'<meta property="og:image" content="{SITE}/issues/{SENT}/share.png">' in text
    assert f'<link rel="canonical" href="{SITE}/issues/{SENT}">' in text
    assert "NewsArticle" in text
