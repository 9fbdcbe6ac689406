"""The mails that are looked at: in pictures, by axe, and through the reference compiler.

Another issue is another function with `@case`, whose name is that of its pictures. The letters are all those of
`digest.mail.specimens`, by their names there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from browser import LOGO
from conftest import NOW, import_sample, memory_store
from digest.catalogue.importing import import_files
from digest.issue import issues
from digest.issue.fit import fit
from digest.issue.preview import preview
from digest.issue.render import render
from digest.mail.letters import render_letter
from digest.mail.specimens import specimens
from digest.resources import resource
from digest.settings import Settings
from digest.store import Database

PAGES = Path(__file__).parents[3] / "shared" / "pages"
"""Two real pages. Their sentences belong to others: no picture in which they can be read is kept."""


@dataclass(frozen=True)
class Mail:
    """One reader's copy of a mail, with its MJML."""

    html: str
    mjml: str

    @property
    def has_pictures(self) -> bool:
        """Whether it shows a picture, which a reader may have turned off."""
        return "<img" in self.html


_ISSUES: dict[str, Callable[[], Mail]] = {}


def case(make: Callable[[], Mail]) -> Callable[[], Mail]:
    """Put a mail among those looked at."""
    _ISSUES[make.__name__.replace("_", "-")] = make
    return make


_ALIKE = ("nothing-new", "missed")
"""Letters of the same parts as "reminder", which need no pictures of their own."""


def names(*, real_pages: bool = PAGES.is_dir()) -> list[str]:
    """Give the names of all mails that can be made here and look unlike each other."""
    found = [*_ISSUES, *(name for name in specimens(_settings()) if name not in _ALIKE)]
    return [name for name in found if real_pages or name != "pages"]


@cache
def mail(name: str) -> Mail:
    """Give a mail by its name, made once a process."""
    return _ISSUES[name]() if name in _ISSUES else _letter(name)


@case
def sample() -> Mail:
    """The issue of the sample catalogue, with a logo."""
    settings = _settings(logo_url=LOGO, social_links={"Mastodon": "https://social.example.com/@verdicts"})
    with closing(memory_store()) as db:
        import_sample(db, settings)
        return _next_issue(db, settings)


@case
def one() -> Mail:
    """An issue of one comparison."""
    return _of_sample([("cursor", "claude-code")], _settings())


@case
def forty() -> Mail:
    """An issue of forty comparisons."""
    tools = sorted(tool["slug"] for document in _sample().values() for tool in document.get("tools", []))
    # Each with its neighbour, then each with the one after.
    pairs = [(tools[at % len(tools)], tools[(at + 1 + at // len(tools)) % len(tools)]) for at in range(40)]
    return _of_sample(pairs, _settings())


@case
def scripts() -> Mail:
    """Names and words from left to right and from right to left, of many scripts, in an English mail."""
    return _of_scripts(_settings(full_comparisons=2))


@case
def arabic() -> Mail:
    """The same in a mail that says it is Arabic."""
    return _of_scripts(_settings(full_comparisons=2, language="ar"))


@case
def pages() -> Mail:
    """The two real pages."""
    settings = _settings(full_comparisons=2)
    return _of_files([(path.name, path.read_bytes()) for path in sorted(PAGES.glob("*.txt"))], settings)


@case
def test_send() -> Mail:
    """A test of an issue, with the banner that says so."""
    return _of_sample([("n8n", "zapier")], _settings(), test_for="editor@example.com")


def _letter(name: str) -> Mail:
    settings = _settings()
    rendered = render_letter(specimens(settings)[name], settings)
    return Mail(rendered.html, rendered.mjml)


def _settings(**more: Any) -> Settings:
    return Settings(base_url="https://verdicts.example.com", postal_address="1 Sample Street, 10115 Berlin", **more)


def _of_sample(pairs: Sequence[tuple[str, str]], settings: Settings, *, test_for: str = "") -> Mail:
    """Make an issue of other pairs of the sample's tools, the first the newest."""
    documents = _sample()
    documents["comparisons.json"] = {
        "comparisons": [
            {"left": left, "right": right, "published_at": f"-{age}h"} for age, (left, right) in enumerate(pairs, 1)
        ]
    }
    files = [(name, json.dumps(document).encode()) for name, document in documents.items()]
    return _of_files(files, settings, test_for)


def _of_scripts(settings: Settings) -> Mail:
    return _of_files([("scripts.json", Path(__file__).with_name("scripts.json").read_bytes())], settings)


def _sample() -> dict[str, Any]:
    """Give the sample's JSON files: all but its votes."""
    return {path.name: json.loads(path.read_bytes()) for path in sorted(resource("db", "sample").glob("*.json"))}


def _of_files(files: Sequence[tuple[str, bytes]], settings: Settings, test_for: str = "") -> Mail:
    with closing(memory_store()) as db:
        for report in import_files(db, files, now=NOW, zone=settings.zone):
            assert report.error is None, report.error
        return _next_issue(db, settings, test_for)


def _next_issue(db: Database, settings: Settings, test_for: str = "") -> Mail:
    drafted = issues.draft(db, settings, now=NOW).issue
    assert drafted is not None
    fitted = fit(issues.load_draft(db, drafted.number), settings)
    content = render(fitted.draft, settings, test_for=test_for) if test_for else fitted.content
    files = preview(fitted.draft, content)
    return Mail(files["issue.html"].decode(), files["issue.mjml"].decode())
