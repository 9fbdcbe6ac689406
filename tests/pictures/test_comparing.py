"""The comparison of pictures sees what an eye sees, and no more. The mail is the longest there is."""

from __future__ import annotations

from collections.abc import Iterator

import cases
import pytest
from comparing import compare, fingerprint
from PIL import Image

from browser import Browser, opened

BUTTON = "[...document.links].find(link => link.textContent.trim() == 'See the full comparison')"
FIRST_CARD = (
    "[...document.querySelectorAll('.card')]"
    ".filter((card, _, [first]) => first.contains(card) || card.getBoundingClientRect().top < 500)"
    ".flatMap(card => [card, ...card.querySelectorAll('table')])"
    ".filter(part => getComputedStyle(part).backgroundColor == 'rgb(255, 255, 255)')"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.fixture(scope="module")
def before(browser: Browser) -> Image.Image:
    return browser.show(cases.mail("forty").html, width=375).picture


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(f"{BUTTON}.closest('table').style.visibility = 'hidden'", id="a button is missing"),
        pytest.param(f"{BUTTON}.textContent = 'See the full comp'", id="a text is cut"),
        pytest.param(f"{BUTTON}.style.color = '#9a95c0'", id="a text lost its contrast"),
        pytest.param(
            f"{FIRST_CARD}.forEach(part => part.style.setProperty('background', '#f4f1ea', 'important'))",
            id="a card has another colour",
        ),
        pytest.param("document.querySelector('h2').style.fontSize = '23px'", id="a heading is smaller"),
        pytest.param("document.querySelector('p:last-of-type').style.paddingTop = '60px'", id="a gap is wider"),
        pytest.param(
            "[...document.querySelectorAll('p')].at(-1).style.visibility = 'hidden'", id="the last line is gone"
        ),
    ],
)
def test_what_an_eye_would_see_is_seen(browser: Browser, before: Image.Image, change: str) -> None:
    html = cases.mail("forty").html
    changed = html.replace("</body>", f"<script>{change}</script></body>")
    assert changed != html
    assert compare(browser.show(changed, width=375).picture, before).trouble


def test_the_same_mail_is_the_same(browser: Browser, before: Image.Image) -> None:
    again = compare(browser.show(cases.mail("forty").html, width=375).picture, before)
    assert (again.trouble, again.share, again.far) == ("", 0.0, 0)


def test_letters_drawn_a_third_of_a_pixel_aside_are_the_same(before: Image.Image) -> None:
    aside = before.transform(before.size, Image.Transform.AFFINE, (1, 0, 1 / 3, 0, 1, 0), Image.Resampling.BILINEAR)
    assert aside != before
    assert compare(aside, before).trouble == ""


def test_a_size_within_one_percent_is_the_same_and_beyond_is_not(before: Image.Image) -> None:
    width, height = before.size
    assert compare(before.crop((0, 0, width, height - height // 200)), before).trouble == ""
    assert "pixels and was" in compare(before.crop((0, 0, width, height - height // 50)), before).trouble


def test_the_difference_is_shown_in_red(before: Image.Image) -> None:
    other = before.copy()
    other.paste("black", (100, 200, 200, 260))
    difference = compare(other, before)
    assert difference.picture.getpixel((150, 230)) == (255, 0, 0)
    assert difference.where[0] in range(96, 200)
    assert difference.where[1] in range(192, 260)


def test_in_a_fingerprint_no_word_can_be_read_but_its_place_is_seen(before: Image.Image) -> None:
    small = fingerprint(before)
    assert (small.mode, small.width) == ("L", 24)
    changed = before.copy()
    changed.paste("white", (20, 1000, 355, 1200))
    assert compare(fingerprint(changed), small).trouble
