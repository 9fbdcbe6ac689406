"""Mails look as a person saw and approved them: golden/NAME-WIDTH-SCHEME.webp, and -no-pictures with images off.

`make golden` runs these; `make golden-update` writes the pictures anew where they differ, for a person to look at and
commit. What fails leaves its picture, and what differs in red, in the folder failed/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import cases
import pytest
from comparing import compare, fingerprint
from PIL import Image

import machine
from browser import LOGO, Browser, Scheme, opened

GOLDEN = Path(__file__).with_name("golden")
FAILED = Path(__file__).with_name("failed")
UPDATE = os.environ.get("DIGEST_GOLDEN") == "update"
WIDTHS = (375, 600, 1280)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WEBP_HEIGHT = 16383


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.mark.parametrize(("name", "width", "scheme"), list(product(cases.names(), WIDTHS, SCHEMES)))
def test_a_mail_looks_as_it_did(browser: Browser, name: str, width: int, scheme: Scheme) -> None:
    mail, readable = cases.mail(name), name != "pages"
    shown = browser.show(mail.html, width=width, scheme=scheme)
    without = browser.show(mail.html, width=width, scheme=scheme, pictures=False)
    if not mail.has_pictures:
        assert without.picture == shown.picture
    machine.needed(machine.find_fonts)
    hold_against(f"{name}-{width}-{scheme}", shown.picture, readable=readable)
    if mail.has_pictures:
        hold_against(f"{name}-{width}-{scheme}-no-pictures", without.picture, readable=readable)


@pytest.mark.parametrize("name", cases.names())
def test_a_mail_loads_nothing_but_its_pictures(browser: Browser, name: str) -> None:
    asked = browser.show(cases.mail(name).html, width=600).asked
    assert set(asked) == ({LOGO} if cases.mail(name).has_pictures else set())


@pytest.mark.parametrize("name", cases.names())
def test_a_mail_is_never_wider_than_the_screen(browser: Browser, name: str) -> None:
    assert browser.show(cases.mail(name).html, width=320).picture.width == 320


def test_there_is_no_picture_without_its_mail() -> None:
    schemes = [f"-{width}-{scheme}" for width, scheme in product(WIDTHS, SCHEMES)]
    known = {f"{name}{end}" for name in cases.names(real_pages=True) for end in schemes}
    assert {path.stem.removesuffix("-no-pictures") for path in GOLDEN.iterdir()} <= known


def hold_against(name: str, picture: Image.Image, *, readable: bool) -> None:
    """Compare a picture with its golden one, or write that anew.

    One that is not `readable` is kept as a fingerprint only.
    """
    file = GOLDEN / f"{name}.webp"
    picture = picture if readable else fingerprint(picture)
    assert picture.height <= WEBP_HEIGHT, f"{name} is {picture.height} pixels high; WebP ends at {WEBP_HEIGHT}"
    if UPDATE:
        if not file.exists() or compare(picture, Image.open(file)).trouble:
            GOLDEN.mkdir(exist_ok=True)
            # Of mails, which are letters on flat grounds, lossless WebP is smaller than lossy.
            picture.save(file, lossless=True, method=6)
        return
    assert file.exists(), f"there is no picture {file.name} yet; `make golden-update` takes it"
    difference = compare(picture, Image.open(file))
    if difference.trouble:
        FAILED.mkdir(exist_ok=True)
        picture.save(FAILED / f"{name}-actual.webp", lossless=True)
        difference.picture.save(FAILED / f"{name}-difference.webp", lossless=True)
        pytest.fail(
            f"{name} does not look as it did: {difference.trouble}. Look at {FAILED}/{name}-actual.webp and"
            f" -difference.webp; if it is as you want it, `make golden-update` and commit it.",
            pytrace=False,
        )
