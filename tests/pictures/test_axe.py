"""axe finds no serious or critical violation in any mail, in light and in dark, on a phone and on a wide screen."""

from __future__ import annotations

from collections.abc import Iterator

import cases
import pytest

import machine
from browser import LOGO, Browser, Scheme, grave, opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    machine.needed(machine.find_node)
    with opened() as found:
        yield found


@pytest.mark.parametrize(("width", "scheme"), [(375, "light"), (1280, "dark")])
@pytest.mark.parametrize("name", cases.names())
def test_nothing_grave_is_in_the_way_of_a_reader(browser: Browser, name: str, width: int, scheme: Scheme) -> None:
    found = grave(browser.audit(cases.mail(name).html, width=width, scheme=scheme))
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_grey_on_grey_is_found(browser: Browser, scheme: Scheme) -> None:
    html = cases.mail("one").html
    grey = html.replace("</head>", "<style>p { color: #8a8a8a !important; background: #777 !important }</style></head>")
    assert grey != html
    assert "color-contrast" in {violation.rule for violation in grave(browser.audit(grey, width=600, scheme=scheme))}


def test_a_picture_without_words_and_a_mail_without_language_are_found(browser: Browser) -> None:
    html = f'<!doctype html><html><head><title>A mail</title></head><body><img src="{LOGO}"></body></html>'
    assert {"image-alt", "html-has-lang"} <= {
        found.rule for found in grave(browser.audit(html, width=600, scheme="light"))
    }
