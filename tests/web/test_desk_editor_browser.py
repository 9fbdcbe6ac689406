"""Making an issue in a real browser: what is typed is kept, by two at a time, and when the server is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Error, Page, expect
from sqlite_utils import Database

from browser import Browser, grave, opened, violations
from conftest import NOW
from desk import at_the_desk
from digest import times
from digest.editors import people, sessions
from digest.editors.audit import COMMAND_LINE
from digest.issue import issues
from digest.settings import Settings
from digest.store import beside, file_of
from serving import Clock, free_port, served

expect.set_options(timeout=10_000)

COOKIE = "digest-desk"
QUIET = ("Failed to load resource",)
"""What the browser says of every answer that is a 409, and of a server that is gone."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.fixture
def drafted(sample: Database, settings: Settings) -> Iterator[Callable[[str], Any]]:
    """A draft of the sample catalogue; gives what asks the store for one value, from any thread."""
    assert issues.draft(sample, settings, now=NOW).issue
    with closing(beside(file_of(sample), any_thread=True)) as db:
        yield lambda sql: db.execute(sql).fetchone()[0]


def comes(look: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Wait until the store has what is wanted."""
    deadline = time.monotonic() + 15
    while not wanted(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def sign_in(context: BrowserContext, secret: str, url: str) -> None:
    context.add_cookies([{"name": COOKIE, "value": secret, "url": url}])


def test_two_make_an_issue_by_mouse_and_keyboard(
    browser: Browser, drafted: Callable[[str], Any], settings: Settings
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    ours = settings.model_copy(update={"base_url": url})

    def order() -> str:
        return str(
            drafted(
                "SELECT group_concat(slug || ' ' || form, ', ') FROM (SELECT c.slug, i.form FROM issue_comparisons i"
                " JOIN comparisons c ON c.id = i.comparison ORDER BY i.position LIMIT 4)"
            )
        )

    def subject() -> Any:
        return drafted("SELECT subject FROM issues")

    with served(ours, Clock(NOW), port=port) as reader:
        ann, bea = at_the_desk(reader, ours, "editor"), at_the_desk(reader, ours, "editor", name="Bea")

        def work(page: Page) -> None:
            sign_in(page.context, ann.secret, url)
            page.goto(f"{url}/desk/")
            expect(page.get_by_role("heading", name="Issue 1", exact=True)).to_be_visible()

            # Words keep themselves, and the phone's inbox follows.
            expect(page.locator("#words-intro .of-digest")).to_be_visible()
            page.locator("#intro").press("ControlOrMeta+End")
            page.keyboard.type(" We looked twice.")
            comes(lambda: drafted("SELECT intro FROM issues"), lambda text: text.endswith(" We looked twice."))
            expect(page.locator("#words-intro .of-person")).to_be_visible()
            page.locator("#subject").fill("A subject that is longer than what a phone has room for")
            comes(subject, lambda text: text.startswith("A subject that"))
            expect(page.locator("[data-line=subject]")).to_have_text("A subject that is longer than what a ph…")
            expect(page.locator("#subject-advice")).to_contain_text("55 characters; a phone shows about 40")
            expect(page.locator("#saved")).to_have_text("Saved")

            # Comparisons by keyboard: picked up, moved, put down; taken back; a form by a key; undone.
            before = order().split(", ")
            slugs = [item.partition(" ")[0] for item in before]
            page.keyboard.press("Escape")
            page.locator("h1").click()
            for key in ("j", "j", "j", "Space", "ArrowUp", "ArrowUp", "Space"):
                page.keyboard.press(key)
            comes(order, lambda found: found.startswith(f"{slugs[2]} full, {slugs[0]} "))
            expect(page.locator("#spoken")).to_contain_text(", 1 of ")
            expect(page.locator(f'.placing[data-slug="{slugs[2]}"] .grip')).to_be_focused()
            expect(page.locator(".placing .number").first).to_have_text("1")
            for key in ("Space", "ArrowDown", "Escape"):
                page.keyboard.press(key)
            expect(page.locator("#spoken")).to_contain_text("Taken back")
            page.keyboard.press("3")
            comes(order, lambda found: found.startswith(f"{slugs[2]} link, "))
            page.keyboard.press("u")
            comes(order, lambda found: found.startswith(f"{slugs[2]} full, "))

            # By pointer: the first is dragged below the second.
            expect(page.locator(".placing").first).to_have_attribute("data-form", "full")
            expect(page.locator("#saved")).to_have_text("Saved")
            page.mouse.wheel(0, 300)
            page.wait_for_timeout(300)
            grip = page.locator(".placing .grip").first.bounding_box()
            below = page.locator(".placing").nth(1).bounding_box()
            assert grip
            assert below
            page.mouse.move(grip["x"] + 8, grip["y"] + 20)
            page.mouse.down()
            page.mouse.move(grip["x"] + 8, grip["y"] + 40, steps=3)
            page.mouse.move(grip["x"] + 8, grip["y"] + 20 + 0.75 * below["height"], steps=5)
            page.mouse.up()
            comes(order, lambda found: found.startswith(f"{slugs[0]} full, {slugs[2]} "))

            # Somebody else: seen, heard, merged, and asked where both wrote the same.
            another = page.context.browser
            assert another
            theirs = another.new_context()
            sign_in(theirs, bea.secret, url)
            other = theirs.new_page()
            other.goto(f"{url}/desk/issues/1")
            expect(page.locator("#people")).to_contain_text("Bea")
            other.locator("#preheader").fill("Bea’s preheader")
            expect(page.locator("#preheader")).to_have_value("Bea’s preheader")
            expect(page.locator("#toasts")).to_contain_text("Bea changed the preheader.")
            page.context.set_offline(True)
            page.locator("#subject").fill("Ann’s subject")
            other.locator("#subject").fill("Bea’s subject")
            comes(subject, lambda text: text == "Bea’s subject")
            expect(page.locator("#saved")).to_have_text("Not connected")
            expect(page.locator("#offline")).to_contain_text("kept in this window")
            page.context.set_offline(False)
            box = page.locator("#words-subject .conflict")
            expect(box).to_contain_text("Bea changed the same words.")
            expect(box).to_contain_text("Bea’s subject")
            expect(other.locator("#toasts")).to_contain_text("Ann changed the same words of the subject")
            assert subject() == "Bea’s subject"
            box.get_by_role("button", name="Keep mine").click()
            comes(subject, lambda text: text == "Ann’s subject")
            expect(other.locator("#subject")).to_have_value("Ann’s subject")
            expect(other.locator("#toasts")).to_contain_text("Ann changed the subject.")
            expect(box).to_be_hidden()
            comes(lambda: drafted("SELECT count(*) FROM set_aside WHERE settled_at IS NULL"), lambda count: count == 0)
            theirs.close()

            # On a phone: nothing runs out of it, and its parts are a press away.
            page.set_viewport_size({"width": 375, "height": 700})
            views = page.get_by_role("navigation", name="Parts of this page")
            for name, pane in (("Preview", "#preview"), ("Checks", "#checks"), ("Edit", "#edit")):
                views.get_by_role("link", name=name).click()
                expect(views.get_by_role("link", name=name)).to_have_attribute("aria-current", "true")
                assert page.locator(pane).evaluate("pane => getComputedStyle(pane).display") != "none"
                assert page.evaluate("document.documentElement.scrollWidth") <= 375
            page.emulate_media(color_scheme="dark")
            assert grave(violations(page)) == []

        browser.visit(work, quiet=QUIET)


@contextmanager
def serving(settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a real `digest serve`, until the block ends or it is killed."""
    command = [sys.executable, "-m", "digest", "--db", str(settings.db)]
    for name in ("base_url", "postal_address"):
        command += ["--set", f"{name}={getattr(settings, name)}"]
    with subprocess.Popen(
        [*command, "serve", "--port", str(port), "--no-work"], cwd=settings.db.parent, stdout=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                with socket.socket() as knock:
                    if knock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)


def test_words_outlive_a_server_that_is_killed(
    browser: Browser, drafted: Callable[[str], Any], sample: Database, settings: Settings
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    ours = settings.model_copy(update={"base_url": url})
    editor = people.add(sample, "ann@example.com", name="Ann", by=COMMAND_LINE, now=times.now())
    secret = sessions.begin(sample, editor.id, way="link", browser="Tests", now=times.now())

    def intro() -> Any:
        return drafted("SELECT intro FROM issues")

    def work(page: Page) -> None:
        page.on("dialog", lambda dialog: dialog.accept())
        sign_in(page.context, secret, url)
        with serving(ours, port):
            page.goto(f"{url}/desk/issues/1")
            page.locator("#intro").fill("One")
            comes(intro, lambda text: text == "One")
        # Killed. What is typed meanwhile waits in the window.
        page.locator("#intro").press("End")
        page.keyboard.type(" two")
        expect(page.locator("#saved")).to_have_text("Not connected")
        assert intro() == "One"
        with serving(ours, port):
            comes(intro, lambda text: text == "One two")
            expect(page.locator("#saved")).to_have_text("Saved")
            expect(page.locator("#offline")).to_be_hidden()
        # Killed again, and the page itself goes too: the window still has the words.
        page.locator("#intro").press("End")
        page.keyboard.type(" three")
        expect(page.locator("#saved")).to_have_text("Not connected")
        with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
            page.goto(f"{url}/desk/issues/1")
        with serving(ours, port):
            page.goto(f"{url}/desk/issues/1")
            comes(intro, lambda text: text == "One two three")
            expect(page.locator("#intro")).to_have_value("One two three")

    browser.visit(work, quiet=QUIET)
