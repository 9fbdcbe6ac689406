"""axe finds no serious or critical violation on any page of the desk, in light and in dark, wide and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Page
from whole_desk import APPROVED, CANCELLED, DRAFT, SENDING, SENT, WholeDesk, whole_desk

import machine
from browser import Browser, Scheme, grave, opened, violations
from digest.web import desk as rooms

NOT_PAGES = {
    # These lead elsewhere.
    "/desk",
    "/desk/issues",
    "/desk/settings",
    # For scripts: JSON and streams.
    "/desk/form-token",
    "/desk/issues/{number}/live",
    "/desk/issues/{number}/preview/facts",
    "/desk/issues/{number}/sending/live",
    "/desk/issues/{number}/subjects/live",
    "/desk/settings/provider/test/{name}",
    # To be taken along.
    "/desk/audit.{form}",
    "/desk/reports/growth-by-{unit}.{form}",
    "/desk/reports/issues/{number}.json",
    "/desk/reports/issues/{number}/{name}.{form}",
    "/desk/reports/overview.json",
    "/desk/reports/{name}.{form}",
    "/desk/static/{version}/{name}",
    "/desk/subscribers/import/{kept}/left-out.csv",
    "/desk/subscribers/{number:int}.{form}",
    # Parts of pages, looked at where they stand.
    "/desk/issues/{number}/contents",
    "/desk/issues/{number}/moment",
    "/desk/issues/{number}/older",
    "/desk/issues/{number}/sending/part",
    "/desk/issues/{number}/subjects/part",
    "/desk/subscribers/import/{kept}/part",
    # The mail itself, looked at with the mails (tests/mail), in frames without scripts.
    "/desk/issues/{number}/preview/last",
    "/desk/issues/{number}/preview/mail",
    "/desk/issues/{number}/preview/source",
    "/desk/issues/{number}/preview/text",
    "/desk/settings/theme/preview",
}

ISSUE, SETTINGS = "/desk/issues/{number}", "/desk/settings"
VALUES = {
    "{number}": [str(DRAFT)],
    "{number:int}": ["1"],
    "{act}": ["leave", "suppress", "forget"],
}
"""What stands in the places of addresses where `WholeDesk.values` has nothing by the place's own name."""

ISSUES = {
    ISSUE: [SENT, SENDING, CANCELLED, APPROVED, DRAFT],
    f"{ISSUE}/approval": [APPROVED, DRAFT],
    f"{ISSUE}/checks": [SENDING, DRAFT],
    f"{ISSUE}/history": [SENT, DRAFT],
    f"{ISSUE}/sending": [SENT, SENDING, CANCELLED, APPROVED, DRAFT],
    f"{ISSUE}/sending/rejected": [SENDING],
    f"{ISSUE}/sending/batches/{{batch}}": [SENDING],
    f"{ISSUE}/sharing": [SENT, DRAFT],
    f"{ISSUE}/subjects": [SENT, DRAFT],
    "/desk/reports/issues/{number}": [SENT, SENDING],
}
"""Which issues a page is looked at for, where the open one does not show all."""

ASKED = {"/desk/account/passkeys/remove": "?passkey=AQ"}

MORE = [
    f"/desk/issues/{DRAFT}?view=preview",
    f"/desk/issues/{DRAFT}?view=checks",
    f"/desk/issues/{DRAFT}?q=claude",
    "/desk/audit?editor=2",
    "/desk/nothing-here",
    "/desk/subscribers/?standing=unsubscribed",
    "/desk/subscribers/?standing=paused",
    "/desk/subscribers/2",
    "/desk/sign-in/cut",
    "/desk/account?done=name",
]

USED = "a[href], button, input:not([type=hidden]), select, textarea, summary"
NAMELESS = """used => [...document.querySelectorAll(used)]
  .filter(one => one.checkVisibility() && !(
    one.textContent.trim() || one.ariaLabel || one.getAttribute("aria-labelledby") || one.title || one.labels?.length))
  .map(one => one.outerHTML.slice(0, 200))"""


def routes() -> list[str]:
    """The addresses of all routes of the desk that are read, but of what are no pages."""
    found: set[str] = set()
    for module in iter_modules(rooms.__path__):
        router = getattr(import_module(f"{rooms.__name__}.{module.name}"), "router", None)
        for route in router.routes if router else ():
            if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
                found.add(route.path)
    assert found >= NOT_PAGES, NOT_PAGES - found
    return sorted(found - NOT_PAGES)


def pages(whole: WholeDesk) -> list[str]:
    """An address of each page there is, and of those that look different by the state of things."""
    found: list[str] = []
    for path in routes():
        numbers = [str(number) for number in ISSUES.get(path, ())]
        addresses = [path]
        for place in dict.fromkeys(re.findall(r"{[^}]*}", path)):
            values = numbers if place == "{number}" and numbers else VALUES.get(place) or [_value(whole, path, place)]
            addresses = [address.replace(place, value) for address in addresses for value in values]
        found += [f"{address}{ASKED.get(path, '')}" for address in addresses]
    return [*found, *MORE]


def _value(whole: WholeDesk, path: str, place: str) -> str:
    if place == "{slug}":
        return whole.values["comparison" if "/comparisons/" in path else "tool" if "/tools/" in path else "reviewer"]
    return whole.values["sign-in" if place == "{token}" else place.strip("{}")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    machine.needed(machine.find_node)
    with opened() as found:
        yield found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeDesk]:
    with whole_desk(tmp_path_factory.mktemp("desk")) as found:
        yield found


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_nothing_is_in_the_way_of_an_editor(browser: Browser, whole: WholeDesk, scheme: Scheme, width: int) -> None:
    found: list[str] = []
    titles: dict[str, str] = {}

    def look(page: Page) -> None:
        signed_in = False
        # Those of signing in come first: they are seen by who is not.
        for address in sorted(pages(whole), key=lambda address: not address.startswith("/desk/sign-in")):
            if not (signed_in or address.startswith("/desk/sign-in")):
                page.context.add_cookies([{"name": whole.ann.cookie, "value": whole.ann.secret, "url": whole.base}])
                signed_in = True
            answer = page.goto(whole.base + address, wait_until="load")
            assert answer is not None
            expected = 404 if address == "/desk/nothing-here" else 400 if address == "/desk/sign-in/cut" else 200
            if answer.status != expected:
                found.append(f"{address}: status {answer.status}")
            assert "text/html" in answer.headers["content-type"], f"{address} is no page: name it in NOT_PAGES"
            found.extend(f"{address}: {violation}" for violation in grave(violations(page)))
            found.extend(f"{address}: no name: {html}" for html in page.evaluate(NAMELESS, USED))
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                found.append(f"{address}: {wide} px on a screen of {width}")
            headings = page.evaluate("[...document.querySelectorAll('h1')].filter(one => one.checkVisibility()).length")
            if headings != 1:
                found.append(f"{address}: {headings} first headings")
            title, path = page.title(), address.split("?")[0]
            if titles.setdefault(title, path) != path:
                found.append(f"{address}: called {title!r} as {titles[title]} is")

    browser.visit(look, width=width, scheme=scheme, quiet=("Failed to load resource",))
    assert not found, "\n".join(found)
