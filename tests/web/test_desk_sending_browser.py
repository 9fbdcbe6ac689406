"""The sending page in a real browser: it is acted on without leaving it, by keyboard, and everybody can read it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlite_utils import Database

from browser import Browser, grave, opened, violations
from conftest import NOW
from desk import at_the_desk
from digest.audience import subscribers
from digest.issue import issues
from digest.providers.interface import Answer
from digest.sending import ledger
from digest.settings import Settings
from digest.store import beside, file_of, writing
from serving import Clock, served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


def begin(db: Database, settings: Settings) -> None:
    """Send issue 1 to thirty: five are accepted, one is rejected, four are uncertain and held."""
    issues.draft(db, settings, now=NOW)
    with writing(db):
        for number in range(30):
            subscribers.add(db, f"reader{number}@example.com", now=NOW)
    issues.freeze(db, settings, 1, now=NOW, at=NOW)
    ledger.freeze_audience(db, 1, now=NOW)
    for refused in ({1: "reader0@example.com is full"}, None):
        batch = ledger.claim_batch(
            db, 1, provider="outbox", account="here", worker=1, size=5, after=0 if refused else 5, now=NOW
        )
        assert batch is not None
        if refused:
            ledger.record(db, batch, Answer(rejected=refused), now=NOW)
        elif mine := ledger.adopt(db, batch.number, before=1, worker=1, trouble="no answer", now=NOW):
            ledger.hold(db, mine, "nobody can say")


def test_a_sending_is_steered_by_keyboard_from_its_page(
    browser: Browser, sample: Database, settings: Settings, clock: Clock
) -> None:
    begin(sample, settings)
    ours, file = settings.model_copy(update={"base_url": "http://127.0.0.1"}), file_of(sample)
    with served(ours, clock) as reader:
        ann, url = at_the_desk(reader, ours, "publisher"), str(reader.base_url)

        def steer(page: Page) -> None:
            page.context.add_cookies([{"name": ann.cookie, "value": ann.secret, "url": url}])
            page.goto(f"{url}/desk/issues/1/sending")
            expect(page.locator("[data-live=of]")).to_have_text("5 of 30")
            assert not grave(violations(page))
            # What another process does is seen as it happens.
            db = beside(file)
            batch = ledger.claim_batch(db, 1, provider="outbox", account="here", worker=1, size=5, after=10, now=NOW)
            assert batch is not None
            ledger.record(db, batch, Answer(), now=NOW)
            db.close()
            expect(page.locator("[data-live=of]")).to_have_text("10 of 30")
            expect(page.locator("[data-live='figures.accepted']")).to_have_text("9")
            page.keyboard.press("p")
            expect(page.locator("#act-resume")).to_be_visible()
            expect(page.locator("#sending-said")).to_contain_text("Paused.")
            page.locator("#act-resume").focus()
            page.keyboard.press("Enter")
            expect(page.locator("#act-pause")).to_be_focused()
            # No is no.
            page.locator("#act-accepted-2").press("Enter")
            expect(page.get_by_role("dialog", name="Count them as accepted?")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.locator("#act-accepted-2")).to_be_focused()
            page.keyboard.press("Enter")
            page.locator("#sending-ask-yes").press("Enter")
            expect(page.get_by_role("heading", name="Uncertain")).to_have_count(0)
            expect(page.locator("[data-live='figures.uncertain']")).to_have_text("0")

        browser.visit(steer)

        def read(page: Page) -> None:
            page.context.add_cookies([{"name": ann.cookie, "value": ann.secret, "url": url}])
            page.goto(f"{url}/desk/issues/1/sending")
            expect(page.locator("#act-pause")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            # The bar's ways are scrolled to on a phone; axe cannot tell what those out of sight stand on.
            found = [one for one in grave(violations(page)) if "nav" not in one.target and "/desk/" not in one.html]
            assert not found, found

        browser.visit(read, width=375, scheme="dark")
    assert ledger.tally(sample, 1)["accepted"] == 14
