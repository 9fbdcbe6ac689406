"""The whole week at the desk, by keyboard alone: from the mailed link to the report, with pictures on the way.

The pictures lie in `artefacts/week/`, and where DIGEST_DESK_PICTURES names a folder, those of docs/desk.md there.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from sqlite_utils import Database

from browser import Browser, opened
from digest import times
from digest.audience import subscribers
from digest.editors import people
from digest.editors.audit import COMMAND_LINE
from digest.issue import issues
from digest.settings import Settings
from digest.simulators.smtp import SmtpSimulator, running_smtp, simulator
from name_server import Server
from serving import free_port, served

ARTEFACTS = Path(__file__).parent.parent.parent / "artefacts" / "week"
SITE = "https://weekly-verdicts.io"
READERS = 90

WAY = """one => {
  const now = document.activeElement;
  if (now === one) return "there";
  return now.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_PRECEDING ? "Shift+Tab" : "Tab";
}"""
"""By which key the focus comes nearer to something."""

OUTLINED = """one => [one, one.nextElementSibling, one.closest("label")].some(
  part => part && !/none|\\b0px/.test(getComputedStyle(part).outline))"""
"""Whether something, or what stands for it, has a line around it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A name server that says what it should of the sender's domain, and is asked by whoever asks."""
    found = Server()
    found.records = {
        "weekly-verdicts.io": {"MX": ["10 mail.weekly-verdicts.io."], "TXT": ["v=spf1 a -all"], "A": ["192.0.2.1"]},
        "_dmarc.weekly-verdicts.io": {"TXT": ["v=DMARC1; p=quarantine; rua=mailto:dmarc@weekly-verdicts.io"]},
    }
    resolver = found.resolver()
    monkeypatch.setattr("dns.asyncresolver.Resolver", lambda: resolver)
    yield found
    found.close()


class Running:
    """A clock that runs, and can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return times.now() + self.ahead


class Camera:
    """Takes numbered pictures of a page."""

    def __init__(self, page: Page) -> None:
        self._page, self._count = page, 0
        ARTEFACTS.mkdir(parents=True, exist_ok=True)

    def __call__(self, name: str) -> None:
        self._count += 1
        png = self._page.screenshot(path=ARTEFACTS / f"{self._count:02}-{name}.png", animations="disabled")
        if folder := os.environ.get("DIGEST_DESK_PICTURES"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            Image.open(io.BytesIO(png)).save(Path(folder) / f"{name}.webp", quality=82, method=6)


def mails(server: SmtpSimulator, subject: str) -> list[EmailMessage]:
    """What arrived with words in its subject."""
    found = [message_from_bytes(one.content, policy=policy.default) for one in list(server.received)]
    return [mail for mail in found if re.search(subject, str(mail["Subject"]))]


def arrives(server: SmtpSimulator, subject: str) -> EmailMessage:
    until = time.monotonic() + 20
    while not (found := mails(server, subject)):
        assert time.monotonic() < until, f"no mail with {subject!r}"
        time.sleep(0.05)
    return found[-1]


def words_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def use(page: Page, target: Locator, key: str = "Enter") -> None:
    """Go to something with Tab or Shift+Tab, whichever is nearer, and press a key."""
    expect(target).to_be_visible()
    for _ in range(200):
        way = target.evaluate(WAY)
        if way == "there":
            break
        page.keyboard.press(way)
    else:
        raise AssertionError(f"{target} is not reached by Tab")
    assert target.evaluate(OUTLINED), f"nobody sees that {target} has the focus"
    if key:
        page.keyboard.press(key)


def type_into(page: Page, target: Locator, words: str) -> None:
    """Go to a field and type other words into it."""
    use(page, target, "ControlOrMeta+a")
    page.keyboard.type(words)


def type_until(page: Page, target: Locator, value: str, *ways: str) -> None:
    """Go to a field of a date or time and type it, in one of some ways."""
    for keys in ways:
        use(page, target, "")
        page.keyboard.type(keys)
        if target.input_value() == value:
            return
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Shift+Tab")
    raise AssertionError(f"{value} cannot be typed into {target}: {target.input_value()}")


def choose(page: Page, target: Locator) -> None:
    """Choose a radio button: go to the one of its group that is chosen, then on with arrows."""
    name = target.get_attribute("name")
    use(page, page.locator(f"input[name={name}]:checked"), "")
    for _ in range(9):
        if target.is_checked():
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"{target} is not reached with arrows")


def focused(page: Page) -> str:
    """What has the focus, by its element's name: BODY where it was lost."""
    return str(page.evaluate("document.activeElement?.tagName || 'BODY'"))


def test_an_editor_makes_the_week_by_keyboard(
    browser: Browser, sample: Database, settings: Settings, names: Server, tmp_path: Path
) -> None:
    port, clock, server = free_port(), Running(), simulator()
    with running_smtp(server) as (host, smtp_port):
        use = {**server.usage(host, smtp_port), "own_name": "weekly-verdicts.io", "copies_a_second": 15}
        ours = settings.model_copy(
            update={
                "base_url": SITE,
                "sender_address": "verdicts@weekly-verdicts.io",
                "provider": "smtp",
                "providers": {"smtp": use},
                "spam_filter": "off",
                "batch_size": 5,
            }
        )
        now = clock()
        people.add(sample, "ann@weekly-verdicts.io", name="Ann", role="publisher", by=COMMAND_LINE, now=now)
        issues.draft(sample, ours, now=now, since=now - timedelta(days=8))
        for number in range(READERS):
            subscribers.add(sample, f"reader{number}@readers.example", now=now, name=f"Reader {number}")
        with served(ours, clock, work=True, port=port):
            browser.visit(week(f"http://127.0.0.1:{port}", clock, server), quiet=("Failed to load resource",))
    assert issues.find_issue(sample, 1).state == "sent"
    addresses = [one.address for one in server.received if one.address.endswith("@readers.example")]
    assert len(addresses) == len(set(addresses)) == READERS


def week(url: str, clock: Running, server: SmtpSimulator) -> Callable[[Page], None]:
    def walk(page: Page) -> None:
        expect.set_options(timeout=20_000)
        picture = Camera(page)

        # The mailed link lets in, in the browser that asked for it.
        page.goto(f"{url}/desk/")
        picture("sign-in")
        type_into(page, page.get_by_label("address"), "ann@weekly-verdicts.io")
        page.keyboard.press("Enter")
        page.wait_for_url("**/sign-in**")
        link = re.search(rf"{SITE}(/desk/sign-in/\S+)", words_of(arrives(server, "Sign in")))
        assert link is not None
        page.goto(url + link[1])
        use(page, page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)))
        page.wait_for_url("**/desk/issues/1*")
        picture("this-week")

        # The second comparison is moved to the top.
        second = page.locator(".placing").nth(1).get_attribute("data-slug")
        for key in ("j", "j", "Space", "ArrowUp", "Space"):
            page.keyboard.press(key)
        expect(page.locator(".placing").first).to_have_attribute("data-slug", str(second))
        expect(page.locator(".placing").first.locator(".grip")).to_be_focused()

        # What is typed shows on the phone beside it.
        use(page, page.get_by_role("radio", name="Wide"), "ArrowRight")
        mail = page.frame_locator("iframe[title*='readers will see it']").last
        type_into(
            page, page.locator("#intro"), "A **quiet** week, read [how we judge](https://example.com/method) first."
        )
        expect(mail.locator("strong", has_text="quiet")).to_be_visible()
        expect(mail.get_by_role("link", name="how we judge")).to_be_visible()
        use(page, page.get_by_label("Dark"), "Space")
        expect(page.get_by_label("Dark")).to_be_checked()
        picture("phone-dark")
        use(page, page.get_by_label("Dark"), "Space")

        # A check blocks: a name nobody filled in. It leads to the place, and passes once that is mended.
        type_into(page, page.locator("#subject"), "Hello {{ first_name }}, ship or skip?")
        use(page, page.get_by_role("link", name="Checks and approval"))
        expect(page.locator(".checks-sum.bad")).to_be_visible()
        picture("blocked")
        use(page, page.locator('.finding[data-check="subject"] a[data-place]'))
        expect(page.locator("#subject")).to_be_focused()
        type_into(page, page.locator("#subject"), "Two tools, one winner, and six more verdicts")
        expect(page.locator(".checks-sum.well")).to_be_visible()
        picture("checks")

        # A test copy arrives.
        type_into(page, page.locator("#test-to"), "ann@weekly-verdicts.io")
        use(page, page.locator("#trial-form button", has_text="Send a test"))
        expect(page.locator(".copy.sent")).to_be_visible()
        assert focused(page) != "BODY"
        assert "A quiet week" in words_of(arrives(server, "Two tools, one winner"))

        # Approved for a minute ahead, it counts down, and goes by itself.
        at = (clock() + timedelta(minutes=1, seconds=2)).astimezone(UTC)
        choose(page, page.get_by_label("At a time", exact=True))
        # In the order of the browser's own language.
        type_until(page, page.locator("#date"), f"{at:%Y-%m-%d}", f"{at:%m%d%Y}", f"{at:%d%m%Y}")
        type_until(page, page.locator("#time"), f"{at:%H:%M}", f"{at:%I%M%p}", f"{at:%H%M}")
        use(page, page.locator("#approve"))
        expect(page.locator(".countdown .left")).to_contain_text("Goes out in")
        picture("approved")
        assert mails(server, "^Two tools") == []
        clock.ahead += timedelta(minutes=2)
        page.goto(f"{url}/desk/issues/1/sending")
        expect(page.locator(".sending-head .state")).to_have_text("sending")
        accepted = page.locator('[data-live="figures.accepted"]')
        expect(accepted).not_to_have_text("0")

        # Paused on the way, nothing goes; resumed, it goes to the end.
        use(page, page.get_by_role("button", name="Pause"))
        expect(page.locator(".sending-head .state")).to_have_text("paused")
        expect(page.locator(".sending-stand")).to_contain_text("Paused")
        expect(page.get_by_role("button", name="Resume")).to_be_focused()
        picture("paused")
        time.sleep(0.5)
        there = len(mails(server, "^Two tools"))
        time.sleep(1)
        assert len(mails(server, "^Two tools")) == there < READERS
        use(page, page.get_by_role("button", name="Resume"))
        expect(page.locator(".sending-head .state")).to_have_text("sending")
        expect(page.get_by_role("button", name="Pause")).to_be_focused()
        picture("sending")
        expect(page.locator(".sending-head .state")).to_have_text("sent", timeout=60_000)
        expect(accepted).to_have_text(str(READERS))
        picture("sent")
        assert "/desk/reports/issues/1" in words_of(arrives(server, "was sent|is sent|has been sent"))

        # And what became of it.
        assert focused(page) != "BODY"
        use(page, page.get_by_role("link", name="The report"))
        page.wait_for_url("**/desk/reports/issues/1")
        expect(page.locator("main")).to_contain_text(str(READERS))
        picture("report")

    return walk
