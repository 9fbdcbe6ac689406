"""axe finds no serious or critical violation on any page, in light and in dark; nothing is wider than a small phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
import reported
from fastapi.routing import APIRoute
from playwright.sync_api import Page

import machine
from browser import Browser, Scheme, grave, opened, violations
from conftest import NOW, import_sample
from digest.audience import forgetting, leaving, preferences, subscribers
from digest.editors.audit import COMMAND_LINE
from digest.issue import issues, shares
from digest.sending import beginning
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database, open_store
from digest.web import site as pages
from serving import Clock, served

NOT_PAGES = {
    "/.well-known/security.txt",
    "/compare/{slug}/share.png",
    "/favicon.ico",
    "/feeds/{name}",
    "/healthz",
    "/icon.png",
    "/icon.svg",
    "/issues/{number}/mail",  # the mail itself, looked at with the mails
    "/issues/{number}/share.png",
    "/metrics",
    "/p/{token}/data.json",
    "/readyz",
    "/reports/{token}/growth-by-{unit}.{form}",
    "/reports/{token}/issues/{number}.json",
    "/reports/{token}/issues/{number}/{name}.{form}",
    "/reports/{token}/overview.json",
    "/reports/{token}/{name}.{form}",
    "/robots.txt",
    "/share.png",
    "/shared/{token}/mail",  # the mail of a preview, in the frame of its page
    "/sign-up/challenge",
    "/sitemap-{number}.xml",
    "/sitemap.xml",
    "/static/theme.css",
    "/static/{name}",
}


@dataclass(frozen=True)
class Served:
    """A site with an issue that went out, and the values of the places in its addresses."""

    base: str
    values: dict[str, str]
    slugs: dict[str, str]
    confirm: str
    left: str
    forgotten: str
    reports: str
    shared: str

    def pages(self) -> list[str]:
        """An address of each page there is, and of those that look different by the state of things."""
        more = [
            "/nothing-here",
            "/compare/cursor-vs-nobody",
            "/search?q=claude",
            "/search?q=zzzz",
            "/compare/?page=2",
            "/confirm/cut",
            f"/u/{self.left}",
            f"/p/{self.left}",
            f"/p/{self.forgotten}",
            f"/p/{self.values['token']}?done=topics",
            f"/reports/{self.reports}/growth?unit=day",
            "/reports/cut/",
            f"/shared/{self.shared}?show=text",
            f"/shared/{self.shared}?show=phone&scheme=dark",
            "/shared/cut",
        ]
        return [*(path.format(**self._values(path.split("/")[1])) for path in routes()), *more]

    def _values(self, kind: str) -> dict[str, str]:
        own = {"slug": self.slugs.get(kind, "")}
        tokens = {"confirm": self.confirm, "reports": self.reports, "shared": self.shared}
        return self.values | own | ({"token": tokens[kind]} if kind in tokens else {})


def routes() -> list[str]:
    """The addresses of all routes of the site that are read, but of what are no pages."""
    found: set[str] = set()
    for module in iter_modules(pages.__path__):
        router = getattr(import_module(f"{pages.__name__}.{module.name}"), "router", None)
        for route in router.routes if router else ():
            if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
                found.add(route.path)
    return sorted(found - NOT_PAGES)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    machine.needed(machine.find_node)
    with opened() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(
        db=Path(tmp_path_factory.mktemp("site")) / "digest.db", postal_address="1 Sample Street, Berlin"
    )
    db = open_store(settings.db, create=True)
    import_sample(db, settings)
    ada, bea, cyd = (subscribers.add(db, f"{name}@example.com", now=NOW, name=name)[0].id for name in "abc")
    preferences.choose_topics(db, ada, ["developer-tools"], now=NOW)
    preferences.pause(db, ada, "2", now=NOW)
    leaving.leave(db, bea, way="page", now=NOW)
    forgetting.forget(db, cyd, now=NOW)
    drafted = issues.draft(db, settings, now=NOW, since=NOW - timedelta(days=7)).issue
    assert drafted is not None
    preferences.resume(db, ada, now=NOW)
    issues.freeze(db, settings, drafted.number, now=NOW)
    beginning.begin(db, settings, drafted.number, now=NOW)
    reported.fill(db, drafted.number, reported.Given(10_000, complained=0.004))
    reported.grow(db, weeks=12, readers=12_000)
    slug, tool = db.execute(
        "SELECT c.slug, t.slug FROM comparisons c JOIN tools t ON t.id = c.left_tool ORDER BY published_at DESC"
    ).fetchone()
    reviewer = db.execute("SELECT slug FROM reviewers").fetchone()[0]
    links = Signers.of(db, settings, now=NOW).links
    values = {
        "number": str(drafted.number),
        "tool": tool,
        "verdict": "ship",
        "token": links.sign("copy", drafted.number, ada),
    }
    with served(settings, Clock(NOW + timedelta(minutes=1))) as reader:
        base = str(reader.base_url).rstrip("/")
        slugs = {"compare": slug, "tools": tool, "panel": reviewer, "category": "developer-tools"}
        confirm = links.sign("confirm", ada, int((NOW + timedelta(days=1)).timestamp()))
        left, forgotten = (links.sign("copy", 0, id_) for id_ in (bea, cyd))
        reports = links.sign("report", int((NOW + timedelta(days=1)).timestamp()), 0)
        yield Served(base, values, slugs, confirm, left, forgotten, reports, shared_draft(db))
    db.close()


def shared_draft(db: Database) -> str:
    """Share a draft like issue 1; give the link's secret."""
    words = "subject, preheader, intro, own_words, cutoff, created_at, updated_at"
    db.execute(f"INSERT INTO issues (number, state, {words}) SELECT 2, 'draft', {words} FROM issues WHERE number = 1")
    placing = "comparison, position, form, updated, substance"
    db.execute(
        f"INSERT INTO issue_comparisons (issue, {placing}) SELECT 2, {placing} FROM issue_comparisons WHERE issue = 1"
    )
    return shares.make(db, 2, days=7, by=COMMAND_LINE, now=NOW)[0]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_nothing_grave_is_in_the_way_of_a_reader(browser: Browser, site: Served, scheme: Scheme, width: int) -> None:
    found: list[str] = []

    def look(page: Page) -> None:
        for address in site.pages():
            answer = page.goto(site.base + address)
            assert answer is not None
            assert answer.status < 500, address
            assert "text/html" in answer.headers["content-type"], f"{address} is no page: name it in NOT_PAGES"
            found.extend(f"{address}: {violation}" for violation in grave(violations(page)))
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                found.append(f"{address}: {wide} px on a screen of {width}")

    browser.visit(look, width=width, scheme=scheme, quiet=("Failed to load resource",))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_words_of_charts_have_colours_that_can_be_read_on_a_card(
    browser: Browser, site: Served, scheme: Scheme
) -> None:
    def look(page: Page) -> tuple[set[str], set[str]]:
        page.goto(f"{site.base}/reports/{site.reports}/issues/{site.values['number']}")
        fills = "[...document.querySelectorAll('svg text')].map(text => getComputedStyle(text).fill)"
        grounds = (
            "[...document.querySelectorAll('svg:has(text)')]"
            ".map(one => getComputedStyle(one.closest('.card')).backgroundColor)"
        )
        return set(page.evaluate(fills)), set(page.evaluate(grounds))

    dark = "_dark" if scheme == "dark" else ""
    ink, muted, card = (
        f"rgb({int(color[1:3], 16)}, {int(color[3:5], 16)}, {int(color[5:], 16)})"
        for color in (getattr(Settings(), f"color_{name}{dark}") for name in ("ink", "muted", "card"))
    )
    assert browser.visit(look, scheme=scheme) == ({ink, muted}, {card})


def test_grey_on_grey_and_what_is_too_wide_are_found(browser: Browser, site: Served) -> None:
    def spoil(page: Page) -> tuple[set[str], int]:
        page.goto(f"{site.base}/")
        page.evaluate(
            "document.querySelectorAll('p').forEach(p => { p.style.color = '#999'; p.style.width = '900px' })"
        )
        rules = {violation.rule for violation in grave(violations(page))}
        return rules, int(page.evaluate("document.documentElement.scrollWidth"))

    rules, wide = browser.visit(spoil, width=320)
    assert "color-contrast" in rules
    assert wide > 320
