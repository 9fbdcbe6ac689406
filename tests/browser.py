"""A real browser: it takes pictures of mails, runs axe over what it shows, and visits the site as a reader does."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from PIL import Image
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route, sync_playwright

import machine

Scheme = Literal["light", "dark"]
Found = TypeVar("Found")

LOGO = "https://pictures.example.com/logo.png"
"""The address at which `Browser` has a picture for mails; it has none at any other."""

_MAIL = "https://mail.example.com/"
_HEIGHT = 200
"""Less than any mail has, for a picture is as high as the mail but never lower than this."""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--disable-lcd-text",
)


@dataclass(frozen=True)
class Shown:
    """A mail as the browser showed it, whole. `asked` are the addresses it wanted to load beside the mail."""

    picture: Image.Image
    asked: tuple[str, ...]


@dataclass(frozen=True)
class Violation:
    """A rule of axe (https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md) that is broken."""

    rule: str
    impact: str
    target: str
    html: str
    why: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.impact}) at {self.target}\n  {self.html}\n  {self.why}"


def violations(page: Page) -> list[Violation]:
    """Give what axe finds wrong with the page that is shown, and whatever contrast it could not work out by itself.

    The contrast of a lone symbol, such as ✗, it leaves to a person: those are in the settings' colours for ship and
    skip, which `Settings` refuses below WCAG's contrast. So it does with the words of a chart, whatever they stand on:
    test_axe_site.py looks at their colours.
    """
    page.evaluate((machine.NODE_PACKAGES / "axe-core" / "axe.min.js").read_text("utf-8"))
    # It would wait in vain for frames, in which it is not; and need long to list all that is well.
    how = "{iframes: false, resultTypes: ['violations', 'incomplete']}"
    found: dict[str, list[dict[str, Any]]] = page.evaluate(f"axe.run(document, {how})")
    doubtful = [
        rule | {"nodes": [node for node in rule["nodes"] if not (_is_lone_symbol(node) or _is_of_a_chart(node))]}
        for rule in found["incomplete"]
        if rule["id"] == "color-contrast"
    ]
    return [
        Violation(rule["id"], node["impact"], " ".join(map(str, node["target"])), node["html"], node["failureSummary"])
        for rule in (*found["violations"], *doubtful)
        for node in rule["nodes"]
    ]


GRAVE = ("serious", "critical")


def grave(found: list[Violation]) -> list[Violation]:
    """Give those that keep somebody from reading."""
    return [violation for violation in found if violation.impact in GRAVE]


@contextmanager
def opened() -> Iterator[Browser]:
    """Give a browser for some tests; skip them, or fail them with CI=true, where there is none."""
    browser = Browser(machine.needed(machine.find_browser))
    browser.start()
    try:
        yield browser
    finally:
        browser.stop()


@dataclass
class Browser:
    """Chromium, driven from a thread of its own.

    Playwright's loop runs in the thread that starts it for as long as the browser lives; in pytest's own thread it
    would be in the way of every test that uses asyncio.
    """

    path: Path
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "browser"))

    def start(self) -> None:
        """Start Chromium, with the fonts of the golden pictures and no others where this is Linux."""
        self._thread.submit(self._start).result()

    def stop(self) -> None:
        """End Chromium and the thread."""
        self._thread.submit(self._stop).result()
        self._thread.shutdown()

    def show(self, html: str, *, width: int, scheme: Scheme = "light", pictures: bool = True) -> Shown:
        """Show a mail `width` pixels wide, and take a picture of all its height."""

        def take(page: Page) -> bytes:
            return page.screenshot(full_page=True, animations="disabled")

        png, asked = self._with_mail(html, width, scheme, pictures, take)
        return Shown(Image.open(io.BytesIO(png)).convert("RGB"), asked)

    def audit(self, html: str, *, width: int, scheme: Scheme) -> list[Violation]:
        """Give what axe finds wrong with a mail: see `violations`."""
        found, _ = self._with_mail(html, width, scheme, True, violations)
        return found

    def visit(
        self,
        work: Callable[[Page], Found],
        *,
        width: int = 1280,
        scheme: Scheme = "light",
        javascript: bool = True,
        timezone: str = "Europe/Berlin",
        quiet: tuple[str, ...] = (),
    ) -> Found:
        """Let `work` use a page of a new, empty profile; it runs in the browser's thread.

        Errors of the console that begin with a text of `quiet` are meant.

        Raises:
            AssertionError: the page said an error on its console, such as one of the Content-Security-Policy, or broke.
        """

        def do() -> Found:
            context = self._chromium.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
                java_script_enabled=javascript,
                locale="en-GB",
                timezone_id=timezone,
            )
            context.set_default_timeout(15_000)
            errors: list[str] = []
            try:
                page = context.new_page()
                page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
                page.on("pageerror", lambda error: errors.append(str(error)))
                found = work(page)
                unmeant = [error for error in errors if not error.startswith(quiet or ("\0",))]
                assert not unmeant, unmeant
                return found
            finally:
                context.close()

        return self._thread.submit(do).result(timeout=240)

    def _start(self) -> None:
        self._playwright = sync_playwright().start()
        environment: dict[str, str | float | bool] = {
            **os.environ,
            "FONTCONFIG_FILE": str(machine.FONTS_CONF),
            "LANG": "C.UTF-8",
        }
        self._chromium: Chromium = self._playwright.chromium.launch(
            executable_path=self.path, args=list(_FLAGS), env=environment, timeout=60_000
        )

    def _stop(self) -> None:
        self._chromium.close()
        self._playwright.stop()

    def _with_mail(
        self, html: str, width: int, scheme: Scheme, pictures: bool, work: Callable[[Page], Found]
    ) -> tuple[Found, tuple[str, ...]]:
        def do() -> tuple[Found, tuple[str, ...]]:
            asked: list[str] = []

            def answer(route: Route) -> None:
                address = route.request.url
                if address == _MAIL:
                    route.fulfill(body=html, content_type="text/html; charset=utf-8")
                    return
                asked.append(address)
                if pictures and address == LOGO:
                    route.fulfill(body=_logo(), content_type="image/png")
                else:
                    route.abort()

            context = self._chromium.new_context(
                viewport={"width": width, "height": _HEIGHT}, color_scheme=scheme, locale="en-GB", timezone_id="UTC"
            )
            try:
                context.route("**/*", answer)
                page = context.new_page()
                page.goto(_MAIL)
                return work(page), tuple(asked)
            finally:
                context.close()

        return self._thread.submit(do).result(timeout=120)


def _is_lone_symbol(node: dict[str, Any]) -> bool:
    return any((reason.get("data") or {}).get("messageKey") == "nonBmp" for reason in node["any"])


def _is_of_a_chart(node: dict[str, Any]) -> bool:
    return str(node["html"]).startswith("<text ")


def _logo() -> bytes:
    """Draw a picture that is seen on light and on dark ground, and is twice as wide as high."""
    from PIL import ImageDraw

    picture = Image.new("RGBA", (320, 160), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, 319, 159), 24, fill=(116, 82, 214, 255))
    draw.polygon([(60, 120), (110, 40), (160, 120)], fill=(255, 255, 255, 255))
    draw.ellipse((190, 40, 270, 120), fill=(255, 196, 64, 255))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
