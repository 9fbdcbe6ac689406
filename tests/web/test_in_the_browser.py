"""A reader's whole way in a real browser: with JavaScript and without, by mouse and by keyboard alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlite_utils import Database

from browser import Browser, opened
from conftest import NOW
from digest.settings import Settings
from digest.store import beside, file_of
from digest.web.site.snippet import snippet
from serving import free_port, served

expect.set_options(timeout=20_000)

WAYS = {
    "mouse": (True, False),
    "keyboard": (True, True),
    "mouse, no JavaScript": (False, False),
    "keyboard, no JavaScript": (False, True),
}
A_PERSON_TYPES_S = 2.2
"""Sooner after the page was shown, a form is taken for a machine's."""


@dataclass(frozen=True)
class Site:
    """A site that is served, with its letters in the outbox."""

    db: Database
    settings: Settings

    def one(self, sql: str, *values: Any) -> Any:
        """The only value of a query."""
        row = self.db.execute(sql, list(values)).fetchone()
        return row[0] if row else None

    def link(self, to: str, way: str) -> str:
        """The link of a kind in the newest letter to an address, once it is there."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            folder = self.settings.outbox
            files = sorted(folder.glob("*/*"), key=lambda file: file.stat().st_mtime, reverse=True)
            for file in files:
                letter = message_from_bytes(file.read_bytes(), policy=policy.default)
                body = letter.get_body(("plain",))
                assert body is not None
                found = re.search(rf"{re.escape(self.settings.base_url)}/{way}/\S+", body.get_content())
                if to in str(letter["To"]) and found:
                    return found[0]
            time.sleep(0.1)
        raise AssertionError(f"no letter with a link /{way}/ came to {to}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.fixture
def site(sample: Database, settings: Settings) -> Iterator[Site]:
    """A site at an address of its own, mailing letters; its clock goes on from NOW."""
    port, begun = free_port(), time.monotonic()
    ours = settings.model_copy(
        update={"base_url": f"http://127.0.0.1:{port}", "sign_up_origins": ("http://localhost",)}
    )

    def clock() -> datetime:
        return NOW + timedelta(seconds=time.monotonic() - begun)

    with elsewhere(ours) as origin:
        ours = ours.model_copy(update={"sign_up_origins": (origin,)})
        # The browser has a thread of its own.
        with served(ours, clock, work=True, port=port), closing(beside(file_of(sample), any_thread=True)) as db:
            yield Site(db, ours)


@contextmanager
def elsewhere(settings: Settings) -> Iterator[str]:
    """Another site, whose one page has our snippet; give its origin."""
    page = f"<!doctype html><html lang=en><title>A blog</title><h1>A blog</h1>{snippet(settings)}".encode()

    class Blog(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 204)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page if self.path == "/" else b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Blog)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def by_keyboard(target: Locator) -> None:
    """Go to an element with Tab alone."""
    page = target.page
    for _ in range(150):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached with Tab")


@dataclass(frozen=True)
class Hand:
    """Does what a person does, by mouse or by keyboard alone."""

    page: Page
    keyboard: bool

    def press(self, name: str | re.Pattern[str], *, role: Any = "button", within: Locator | None = None) -> None:
        """Press a button, or follow a link."""
        target = (within or self.page).get_by_role(role, name=name).first
        if self.keyboard:
            by_keyboard(target)
            self.page.keyboard.press("Enter")
        else:
            target.click()

    def choose(self, label: str) -> None:
        """Tick a box."""
        target = self.page.get_by_role("checkbox", name=label)
        if self.keyboard:
            by_keyboard(target)
            self.page.keyboard.press("Space")
        else:
            target.check()

    def write(self, label: str, words: str) -> None:
        """Fill in a field."""
        target = self.page.get_by_role("textbox", name=label, exact=True).first
        if self.keyboard:
            by_keyboard(target)
            self.page.keyboard.type(words)
        else:
            target.fill(words)

    def reads(self, words: str) -> None:
        """See a heading."""
        expect(self.page.get_by_role("heading", name=words).first).to_be_visible()


def sign_up(site: Site, hand: Hand) -> None:
    hand.page.goto(f"{site.settings.base_url}/")
    hand.write("Email", "ada@example.org")
    time.sleep(A_PERSON_TYPES_S)
    hand.press("Sign up")
    hand.reads("Check your inbox")


def confirm(site: Site, hand: Hand, email: str = "ada@example.org") -> None:
    hand.page.goto(site.link(email, "confirm"))
    assert site.one("SELECT state FROM subscribers WHERE email = ?", email) == "pending"
    hand.press("Confirm my subscription")
    hand.reads("You are in")
    assert site.one("SELECT state FROM subscribers WHERE email = ?", email) == "active"


def change_topics(site: Site, hand: Hand) -> None:
    hand.press("Choose topics, or set a name", role="link")
    hand.reads("Your preferences")
    hand.choose("Developer Tools")
    hand.press("Save my topics")
    expect(hand.page.get_by_text("Your topics are saved.")).to_be_visible()
    chosen = "SELECT t.topics FROM subscribers s JOIN topic_sets t ON t.id = s.topic_set"
    assert site.one(chosen) == '["developer-tools"]'


def vote(site: Site, hand: Hand) -> None:
    slug = site.one(
        "SELECT c.slug FROM comparisons c WHERE published_at <= ? ORDER BY published_at DESC", NOW.isoformat()
    )
    tool, name = site.db.execute(
        "SELECT t.slug, t.name FROM comparisons c JOIN tools t ON t.id = c.left_tool WHERE c.slug = ?", [slug]
    ).fetchone()
    before = site.one("SELECT count(*) FROM votes")
    hand.page.goto(f"{site.settings.base_url}/compare/{slug}")
    hand.page.wait_for_load_state("networkidle")
    for verdict in ("ship", "skip"):
        block = hand.page.locator(f"#vote-{tool}")
        hand.press(re.compile(f"{verdict}.*{re.escape(name)}", re.IGNORECASE | re.DOTALL), within=block)
        expect(hand.page.get_by_text(f"You said {verdict}").first).to_be_visible()
        own = "SELECT verdict FROM votes WHERE tool = (SELECT id FROM tools WHERE slug = ?) ORDER BY voted_at DESC"
        assert site.one(own, tool) == verdict
        # Without JavaScript the answer is a page of its own, from which one goes back.
        hand.page.goto(f"{site.settings.base_url}/compare/{slug}")
        hand.page.wait_for_load_state("networkidle")
    assert site.one("SELECT count(*) FROM votes") == before + 1


def leave_and_come_back(site: Site, hand: Hand) -> None:
    way_out = site.link("ada@example.org", "u")
    hand.page.goto(way_out)
    hand.press("Unsubscribe")
    hand.reads("You have left")
    assert site.one("SELECT state FROM subscribers") == "unsubscribed"
    hand.press("Take me back")
    expect(hand.page.get_by_text("You are back")).to_be_visible()
    assert site.one("SELECT state FROM subscribers") == "active"
    assert site.one("SELECT count(*) FROM suppressions") == 0


def be_forgotten(site: Site, hand: Hand) -> None:
    hand.press(re.compile("Forget me"), role="link")
    hand.reads("Shall we forget you?")
    assert site.one("SELECT email FROM subscribers") == "ada@example.org"
    hand.press("Forget me")
    hand.reads("Done: you are forgotten")
    assert site.one("SELECT email FROM subscribers") == ""
    assert site.one("SELECT reason FROM suppressions") == "forgotten"


@pytest.mark.parametrize("way", WAYS)
def test_a_reader_signs_up_confirms_chooses_votes_leaves_returns_and_is_forgotten(
    browser: Browser, site: Site, way: str
) -> None:
    javascript, keyboard = WAYS[way]

    def go(page: Page) -> None:
        hand = Hand(page, keyboard)
        for step in (sign_up, confirm, change_topics, vote, leave_and_come_back, be_forgotten):
            step(site, hand)

    browser.visit(go, javascript=javascript, width=375 if keyboard else 1280)


@pytest.mark.parametrize("way", ["keyboard", "mouse, no JavaScript"])
def test_a_reader_of_another_site_signs_up_there(browser: Browser, site: Site, way: str) -> None:
    javascript, keyboard = WAYS[way]
    (blog,) = site.settings.sign_up_origins

    def go(page: Page) -> None:
        hand = Hand(page, keyboard)
        page.goto(f"{blog}/")
        if javascript:
            # The script comes when it comes; pressed before, the form is sent as it is without it.
            page.wait_for_selector("form.digest-sign-up[data-digest]")
        hand.write("Email", "bea@example.org")
        page.wait_for_load_state("networkidle")
        hand.press("Sign up")
        if javascript:
            expect(page.get_by_role("status")).to_contain_text("Check your inbox")
            assert page.url == f"{blog}/"
        else:
            hand.reads("One press, and the letter is on its way")
            time.sleep(A_PERSON_TYPES_S)
            hand.press("Send me the letter")
            hand.reads("Check your inbox")
        confirm(site, hand, "bea@example.org")

    browser.visit(go, javascript=javascript)


def test_a_browser_tells_its_time_zone_and_does_its_work(browser: Browser, site: Site) -> None:
    def go(page: Page) -> None:
        sign_up(site, Hand(page, keyboard=False))

    browser.visit(go, timezone="Australia/Lord_Howe")
    assert site.one("SELECT timezone FROM wishes") == "Australia/Lord_Howe"
    assert site.one("SELECT count(*) FROM letters") == 1


@pytest.mark.parametrize("javascript", [True, False], ids=["JavaScript", "no JavaScript"])
def test_a_search_finds_a_tool(browser: Browser, site: Site, javascript: bool) -> None:
    def go(page: Page) -> None:
        page.goto(f"{site.settings.base_url}/search")
        box = page.get_by_role("searchbox").first
        box.press_sequentially("claude cod", delay=20)
        if not javascript:
            box.press("Enter")
        expect(page.get_by_role("link", name="Claude Code").first).to_be_visible()

    browser.visit(go, javascript=javascript)
