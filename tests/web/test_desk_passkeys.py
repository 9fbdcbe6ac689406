"""Passkeys in a real browser: Chromium, with a virtual authenticator in it that says yes to everything.

https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlite_utils import Database

from browser import Browser, grave, opened, violations
from conftest import NOW
from digest.editors import people, sign_in
from digest.editors.audit import COMMAND_LINE
from digest.sending.copies import Signers
from digest.settings import Settings
from serving import Clock, free_port, served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


def axe(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert grave(violations(page)) == [], (page.url, scheme)


def test_a_passkey_is_added_used_renamed_and_removed(
    browser: Browser, db: Database, settings: Settings, clock: Clock
) -> None:
    people.add(db, "ann@example.com", name="Ann", by=COMMAND_LINE, now=NOW)
    people.add(db, "bea@example.com", name="Bea", by=COMMAND_LINE, now=NOW)
    port = free_port()
    # For browsers this machine is as good as https, by its name and not by its number.
    here = f"http://localhost:{port}"
    local = settings.model_copy(update={"base_url": here})
    token = sign_in.print_link(db, Signers.of(db, local, now=NOW).links, 1, by=COMMAND_LINE, now=NOW)

    def work(page: Page) -> None:
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        device = session.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )["authenticatorId"]

        page.goto(f"{here}/desk/sign-in/{token}")
        expect(page.get_by_role("heading")).to_have_text("Welcome, Ann")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{here}/desk/")

        page.goto(f"{here}/desk/account")
        page.get_by_label("Add one").fill("Ann’s phone")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").first).to_contain_text("The passkey is added")
        expect(page.get_by_text("Ann’s phone").first).to_be_visible()
        axe(page)
        # A device that has one is not asked for another.
        page.get_by_label("Add another").fill("Again")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_role("alert")).to_have_text("This device has a passkey for you already.")

        page.get_by_text("Ann", exact=True).click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("You are signed out")).to_be_visible()
        axe(page)
        # A finger that is not hers: nobody gets in, and the page says so.
        session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("It was not finished")
        session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": True})
        page.goto(f"{here}/desk/sign-in?next=/desk/audit")
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url(f"{here}/desk/audit")
        axe(page)
        assert "passkey: Ann’s phone" in page.inner_text("main")

        page.goto(f"{here}/desk/account")
        page.get_by_text("Rename").first.click()
        page.get_by_label("New name of Ann’s phone").fill("Old phone")
        page.get_by_role("button", name="Rename").click()
        page.get_by_role("link", name="Remove… Old phone").click()
        axe(page)
        page.get_by_role("button", name="Remove the passkey").click()
        expect(page.get_by_role("status").first).to_contain_text("The passkey is removed")

        for address in ("/desk/editors/", "/desk/editors/2", "/desk/editors/2/remove"):
            page.goto(f"{here}{address}")
            axe(page)
            page.set_viewport_size({"width": 375, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= 375, address
            page.set_viewport_size({"width": 1280, "height": 900})

        page.context.clear_cookies()
        page.goto(f"{here}/desk/sign-in")
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("not known here")

    with served(local, clock, port=port):
        browser.visit(work, quiet=("Failed to load resource: the server responded with a status of 404",))
