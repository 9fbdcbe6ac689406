"""Links are whole, safe and named; and what they lead to is asked, within a budget."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import NOW, troubles, with_html
from digest.issue.checks import links, links_answer
from digest.issue.checks.fetching import Fetcher
from digest.issue.checks.model import Finding, Mail
from digest.issue.model import Draft, Envelope, Rendered
from digest.settings import Settings


@pytest.fixture
def small(settings: Settings) -> Mail:
    """A mail of two links, which takes no rendering."""
    html = '<body><a href="https://example.org/a">A</a> <a href="https://example.org/u/[[digest:token]]">B</a></body>'
    content = Rendered(
        envelope=Envelope("News", "news@example.com", "", {}),
        subject="News",
        preheader="",
        mjml="",
        html=html,
        text="https://example.org/a\n",
        links=(),
    )
    return Mail(Draft(1, NOW, "News", "", "", ()), content, settings)


def with_link(mail: Mail, link: str) -> Mail:
    return with_html(mail, lambda html: html.replace("</body>", f"{link}</body>"))


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_the_sample_issue_passes_and_says_how_many_links(mail: Mail) -> None:
    finding = only(links.check(mail))
    assert (finding.check, finding.level) == ("links", "pass")
    assert finding.what.endswith(" links, all absolute and https")
    assert int(finding.what.split()[0]) >= 30


@pytest.mark.parametrize(
    ("link", "level", "words"),
    [
        ('<a href="/compare/a-vs-b">A and B</a>', "block", "is not absolute, so that it leads nowhere"),
        ('<a href="https://">A and B</a>', "block", "is not absolute"),
        ('<a href="//example.org/a">A and B</a>', "block", "is not absolute"),
        ('<a href="http://example.org/a">A and B</a>', "warn", "is http"),
        ('<a href="ftp://example.org/a">A and B</a>', "block", "neither https nor mailto"),
        ('<a href="javascript:void(0)">A and B</a>', "block", "placeholder"),
        ('<a href="#">A and B</a>', "block", "placeholder"),
        ("<a href>A and B</a>", "block", "placeholder"),
        ('<a href="https://example.org/[[digest:email]]">A and B</a>', "block", "placeholder"),
        ('<a href="https://example.org/[[\N{WORD JOINER}digest:token]]">A and B</a>', "block", "placeholder"),
        ('<a href="https://example.org/{{ slug }}">A and B</a>', "block", "placeholder"),
        ('<a href="https://example.org/%7B%7Bslug%7D%7D">A and B</a>', "block", "placeholder"),
        ('<a href="https://example.org/*|UNSUB|*">A and B</a>', "block", "placeholder"),
        ('<a href="https://example.org/%recipient.t%">A and B</a>', "block", "placeholder"),
        ('<a href="https://example.invalid/a">A and B</a>', "block", "placeholder"),
        ('<!--[if mso]><v:rect href="/a?b=1&amp;c=2"></v:rect><![endif]-->', "block", "is not absolute"),
        ('<a href="https://example.org/a?utm_source=x&UTM_source=y">A and B</a>', "warn", "same tracking twice"),
        (
            '<a href="https://verdicts.example.com/c/1?to=https%3A%2F%2Fverdicts.example.com%2Fc%2F2">A and B</a>',
            "warn",
            "same tracking twice",
        ),
        ('<a href="https://example.org/a">&nbsp;&#8203;<img src="https://example.org/i.png"></a>', "warn", "no words"),
        ('<a href="https://example.org/a">Read more →</a>', "warn", "makes no sense alone"),
        ('<a href="https://bit.ly/a">A and B</a>', "warn", "distrust"),
        ('<a href="https://192.0.2.1/a">A and B</a>', "warn", "distrust"),
        ('<a href="https://[2001:db8::1]/a">A and B</a>', "warn", "distrust"),
        ('<a href="https://bücher.example/a">A and B</a>', "warn", "distrust"),
        ('<a href="https://[broken/a">A and B</a>', "block", "is not absolute"),
        ('<img src="i.png" alt="A">', "block", "is not absolute"),
    ],
)
def test_a_wrong_link_is_found(small: Mail, link: str, level: str, words: str) -> None:
    finding = only(links.check(with_link(small, link)))
    assert (finding.check, finding.level) == ("links", level)
    assert words in finding.what
    assert finding.what.startswith("1 link ")
    assert finding.where
    assert finding.todo


@pytest.mark.parametrize(
    "link",
    [
        '<a href="mailto:us@example.com">Write to us</a>',
        '<a href="https://example.org/u/[[digest:token]]">Leave the list</a>',
        '<a href="https://example.org/?tag[]=a&amp;tag[]=b">Two tags</a>',
        '<a href="https://example.org/a"><img src="https://example.org/i.png" alt="The panel"></a>',
        '<a href="https://example.org/a" aria-label="The panel"><img src="https://example.org/i.png" alt=""></a>',
        '<a name="top"></a>',
    ],
)
def test_a_right_link_passes(small: Mail, link: str) -> None:
    assert troubles(links.check(with_link(small, link))) == []


def test_many_of_a_kind_are_one_finding_with_the_first_place(small: Mail) -> None:
    http = with_html(small, lambda html: html.replace("https://example.org", "http://e.example"))
    finding = only(links.check(http))
    assert "2 links are http" in finding.what
    assert "link 1 (http://e.example/a" in finding.where


def test_http_blocks_where_mail_goes_to_people(small: Mail) -> None:
    real = replace(small, settings=small.settings.model_copy(update={"provider": "postmark"}))
    assert only(links.check(with_link(real, '<a href="http://example.org/c">C</a>'))).level == "block"


def test_one_text_for_two_places_is_found(small: Mail) -> None:
    two = with_link(
        small, '<a href="https://example.org/a">The panel</a> <a href="https://example.org/b">the panel</a>'
    )
    finding = only(links.check(two))
    assert finding.level == "warn"
    assert "“the panel” leads to 2 different addresses" in finding.what


def test_addresses_in_the_text_count(small: Mail) -> None:
    rule = "=" * 72
    for line in ("[12] http://example.org/a", "  http://example.org/a", "[3] http://example.org/a\u2069"):
        text = f"{rule}\nALSO COMPARED\n{rule}\nWhy\n\n{line}\n"
        finding = only(links.check(replace(small, content=replace(small.content, text=text))))
        assert finding.where == "text (http://example.org/a)"


@pytest.mark.parametrize(
    "prose",
    [
        "Connect with postgres://user:pw@host/db and go.",
        "Call https://api.x.com/{{id}} and done.",
        "    http://localhost:54321",
        "Runs at http://localhost:54321 in a minute",
        "[1] is what http://example.org says",
    ],
)
def test_addresses_in_an_authors_prose_are_not_ours(small: Mail, prose: str) -> None:
    rule = "=" * 72
    text = f"News\n\n{prose}\n\n{rule}\n{prose.strip()} and more.\n\nUnsubscribe:\n  https://example.org/a\n"
    theirs = replace(small, content=replace(small.content, text=text))
    assert only(links.check(theirs)).level == "pass"
    assert [link.address for link in links.links_of(theirs)][2:] == ["https://example.org/a"]


def test_one_tool_in_two_comparisons_of_the_issue_is_no_confusion(mail: Mail) -> None:
    """What Critic 0 says of Alpha stands on the pages of both; a text that names no tool is none of that."""
    by_tool: dict[str, list[str]] = {}
    for placed in mail.draft.placed:
        by_tool.setdefault(placed.comparison.left.name, []).append(placed.comparison.slug)
    name, slugs = next((name, slugs) for name, slugs in by_tool.items() if len(slugs) > 1)
    pages = [f"{mail.settings.base_url}/compare/{slug}" for slug in slugs]

    def linked(words: str, *addresses: str) -> list[Finding]:
        html = "".join(f'<a href="{address}" aria-label="{words}">Read all</a>' for address in addresses)
        return links.check(with_html(mail, lambda _: html))

    assert only(linked(f"Read all that Critic 0 says of {name}", *pages)).level == "pass"
    assert "different addresses" in only(linked("Read the comparison", *pages)).what
    elsewhere = linked(f"Read all that Critic 0 says of {name}", *pages, "https://example.org/a")
    assert "different addresses" in only(elsewhere).what


def test_a_mail_without_links_is_told(small: Mail) -> None:
    bare = replace(small, content=replace(small.content, html="<p>Hello", text="Hello"))
    assert only(links.check(bare)).level == "warn"


class _Site(BaseHTTPRequestHandler):
    """A site whose paths say what they answer."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        kind = self.path.strip("/").split("/")[0]
        if kind == "silent":
            self.server.stop.wait(60)  # type: ignore[attr-defined]
        if kind == "moved":
            self.send_response(301)
            self.send_header("Location", f"http://localhost:{self.headers['Host'].rpartition(':')[2]}/fine")
        else:
            self.send_response({"gone": 410, "missing": 404, "broken": 500, "nohead": 200}.get(kind, 200))
        if kind == "nohead" and self.command == "HEAD":
            self.close_connection = True
            self.wfile.write(b"nonsense\r\n\r\n")
            return
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.stop = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.stop.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def look(mail: Mail, site: str, *paths: str, budget: float = 20) -> list[Finding]:
    """Ask a mail that links to these paths of the site, and to one place that differs per copy."""
    html = "".join(f'<a href="http://{site}/{path}">{path}</a>' for path in (*paths, "u/[[digest:token]]"))
    linked = replace(mail, content=replace(mail.content, html=html, text=""))

    async def ask() -> list[Finding]:
        port = site.rpartition(":")[2]
        async with Fetcher(allow=frozenset({site, f"localhost:{port}"})) as fetch:
            return await links_answer.look(linked, fetch=fetch, budget=budget)

    return asyncio.run(ask())


def test_links_that_answer_pass(small: Mail, site: str) -> None:
    finding = only(look(small, site, "fine", "fine#part", "nohead", "well/2"))
    assert (finding.check, finding.level) == ("links-answer", "pass")
    assert finding.what == "3 links asked, all answer; not asked: 1 that differs per copy"


def test_the_web_copy_of_the_issue_is_not_asked_before_it_is_sent(small: Mail, site: str) -> None:
    ours = replace(small, settings=small.settings.model_copy(update={"base_url": f"http://{site}/missing"}))
    finding = only(look(ours, site, "fine", "missing/issues/1", "missing/issues/1#lead"))
    assert finding.level == "pass"
    assert finding.what == (
        "1 link asked, all answer; not asked: 1 that differs per copy"
        " and the web copy, which is published once the issue is sent"
    )
    other = only(look(ours, site, "missing/issues/1", "missing/issues/12"))
    assert "/missing/issues/12 answers 404" in other.what


def test_gone_pages_block_where_mail_goes_to_people(small: Mail, site: str) -> None:
    real = replace(small, settings=small.settings.model_copy(update={"provider": "postmark"}))
    gone, missing = look(real, site, "gone", "missing", "fine")
    assert (gone.level, missing.level) == ("block", "block")
    assert f"http://{site}/gone answers 410" in gone.what
    assert missing.where.startswith("link 2 ")
    assert [finding.level for finding in look(small, site, "gone")] == ["warn"]


def test_other_troubles_warn_once_for_a_host(small: Mail, site: str) -> None:
    finding = only(look(small, site, "broken/1", "broken/2"))
    assert finding.level == "warn"
    assert finding.what == "each of 2 links to 127.0.0.1 answers 500"


def test_a_move_to_another_host_is_told(small: Mail, site: str) -> None:
    finding = only(look(small, site, "moved"))
    assert finding.level == "warn"
    assert finding.what.endswith(f"has moved for good to http://localhost:{site.rpartition(':')[2]}/fine")


def test_what_the_budget_does_not_reach_is_not_run(small: Mail, site: str) -> None:
    finding = only(look(small, site, "silent/1", "silent/2", budget=0.1))
    assert finding.level == "not run"
    assert finding.what == "2 links could not be asked within 0.1 seconds"


def test_a_refused_address_is_a_finding(small: Mail) -> None:
    secret = replace(small, content=replace(small.content, html='<a href="http://169.254.169.254/a">A</a>', text=""))

    async def ask() -> list[Finding]:
        async with Fetcher() as fetch:
            return await links_answer.look(secret, fetch=fetch)

    finding = only(asyncio.run(ask()))
    assert finding.level == "warn"
    assert "leads to 169.254.169.254, which is not on the public internet" in finding.what


def test_a_mail_without_web_links_asks_nothing(small: Mail) -> None:
    bare = replace(small, content=replace(small.content, html="<p>Hello", text="Hello"))

    async def ask() -> list[Finding]:
        async with Fetcher() as fetch:
            return await links_answer.look(bare, fetch=fetch)

    assert only(asyncio.run(ask())).what.startswith("0 links asked")
