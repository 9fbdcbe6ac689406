"""In a browser: the checks follow the typing, nothing typed beside them is lost, and approved it counts down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from browser import Browser, grave, opened, violations
from desk import at_the_desk
from digest import times
from digest.audience import subscribers
from digest.issue import issues
from digest.settings import Settings
from digest.store import Database
from serving import free_port, served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


def test_from_a_check_that_blocks_to_the_count_down(browser: Browser, sample: Database, settings: Settings) -> None:
    port, now = free_port(), times.now()
    settings = settings.model_copy(update={"base_url": f"http://127.0.0.1:{port}", "timezone": "Europe/Berlin"})
    issues.draft(sample, settings, now=now)
    subscribers.add(sample, "reader@example.com", now=now)
    with served(settings, times.now, work=True, port=port) as reader:
        ann = at_the_desk(reader, settings, "publisher", now=now)

        def walk(page: Page) -> None:
            cookie = {"name": ann.cookie, "value": ann.secret, "url": settings.base_url}
            page.context.add_cookies([cookie])  # type: ignore[list-item]
            page.goto(f"{settings.base_url}/desk/issues/1?view=checks")
            page.wait_for_selector(".checks-sum.well")
            page.fill("#subject", "Hello {{ first_name }}, ship or skip?")
            page.wait_for_selector(".checks-sum.bad")
            assert page.text_content(".checks-badge") == "1"
            page.wait_for_selector("#standing:not([hidden])")
            # What is typed beside a check stays, while another thing is changed.
            page.click(".override summary")
            page.fill("#override-subject", "It is a joke")
            page.fill("#preheader", "Hi")
            page.wait_for_selector('.finding[data-check="preheader"]')
            assert page.input_value("#override-subject") == "It is a joke"
            page.click('.finding[data-check="subject"] a[data-place]')
            assert page.evaluate("document.activeElement.id") == "subject"
            # A test, with what became of it.
            page.fill("#test-to", "ann@example.com")
            page.click("#trial-form button")
            page.wait_for_selector(".copy.sent")
            # A time, told in words; approved, it counts down.
            page.fill("#time", "08:15")
            page.wait_for_selector(".moment .told >> text=08:15 in Berlin")
            page.click("#approve")
            page.wait_for_selector(".countdown .left >> text=/Goes out in .* minute/")
            assert "It is a joke" in (page.text_content("#approval-found") or "")
            page.click("text=Take back to draft")
            page.wait_for_selector(".said >> text=It is a draft again.")
            page.click('[data-view="checks"]')
            page.wait_for_selector("#approve")
            page.wait_for_selector("#trial-form")
            assert page.input_value("#test-to") == "ann@example.com"
            # Its own page, as one has it without a script.
            for address in ("approval", "checks", "tests"):
                page.goto(f"{settings.base_url}/desk/issues/1/{address}")
                assert grave(violations(page)) == [], address

        browser.visit(walk)
    assert issues.find_issue(sample, 1).state == "draft"
