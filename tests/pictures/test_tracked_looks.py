"""A mail whose opens and clicks are counted looks, and reads aloud, like one whose are not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import cases
import pytest
from playwright.sync_api import Page

import machine
from browser import Browser, Scheme, grave, opened
from digest.issue.tracked import Tracking, addresses_in, as_mailed

TRACKING = Tracking("readers", "https://verdicts.example.com", hidden=True)
HIDDEN = "/c/[[digest:track]]/0"
UNSEEN = '<div style="display:none;mso-hide:all"'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


def tracked(name: str) -> str:
    html = cases.mail(name).html
    return as_mailed(html, TRACKING, {address: at for at, address in enumerate(addresses_in(html), 1)})


@pytest.mark.parametrize(("width", "scheme"), list(product((375, 1280), ("light", "dark"))))
@pytest.mark.parametrize("pictures", [True, False])
@pytest.mark.parametrize("name", ["sample", "arabic"])
def test_every_pixel_is_the_same(browser: Browser, name: str, width: int, scheme: Scheme, pictures: bool) -> None:
    shown = browser.show(cases.mail(name).html, width=width, scheme=scheme, pictures=pictures)
    counted = browser.show(tracked(name), width=width, scheme=scheme, pictures=pictures)
    assert counted.picture.size == shown.picture.size
    assert counted.picture.tobytes() == shown.picture.tobytes()
    if pictures:
        assert set(counted.asked) - set(shown.asked) == {"https://verdicts.example.com/o/[[digest:track]].gif"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_no_harder_to_read_aloud(browser: Browser, scheme: Scheme) -> None:
    machine.needed(machine.find_node)
    assert grave(browser.audit(tracked("one"), width=375, scheme=scheme)) == []


def test_nobody_comes_to_the_hidden_link_by_keyboard(browser: Browser) -> None:
    html = tracked("one")
    assert html.count(HIDDEN) == 1
    reached = browser.visit(lambda page: tabbed(page, html), quiet=("Failed to load resource",))
    assert len(reached) > 8
    assert not any(address.endswith("/0") for address in reached)
    seen = browser.visit(lambda page: tabbed(page, html.replace(UNSEEN, "<div")), quiet=("Failed to load resource",))
    assert len(seen) == len(reached)  # not even where a mail program does without styles


def tabbed(page: Page, html: str) -> list[str]:
    """The addresses that are reached with the tab key."""
    page.set_content(html, wait_until="domcontentloaded")
    reached: list[str] = []
    for _ in range(100):
        page.keyboard.press("Tab")
        address = page.evaluate("document.activeElement.href || ''")
        if not address:
            break
        reached.append(address)
    return reached
