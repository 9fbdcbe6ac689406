"""Rendering: Jinja2 into MJML, MJML into HTML, and the plain-text twin. The same input gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from digest.issue import compose
from digest.issue.envelope import envelope
from digest.issue.model import Draft, Rendered
from digest.issue.tracked import Tracking
from digest.mail import plain, templates
from digest.mail.personalise import personal
from digest.mail.text import clean
from digest.settings import Settings

QUOTE = 400
DESCRIPTION = 420
"""Characters of a quote and of a description before they are cut at a sentence; the page has the rest."""

SCORECARD_ROWS = 8
"""Reviewers in the scorecard of a mail; the page has them all."""

_SCORE = re.compile(r"(\d+–\d+)")
_HREF = re.compile(r'<a\b[^>]*?\shref="([^"]*)"')
_ENTRY = {"free": "Free", "freemium": "Freemium", "paid": "Paid", None: "—"}


def render(draft: Draft, settings: Settings, *, test_for: str = "") -> Rendered:
    """Render an issue in the forms its comparisons have; `fit` finds forms that are light enough.

    Comparisons whose form is `out` are not in it. The date it carries is its cut-off, not today. `test_for` puts
    a banner above it, and a word before the subject, which say that this is a test and for whom.
    """
    environment = _environment(settings.own_templates)
    context = _context(draft, settings) | {"test_for": test_for}
    mjml = templates.fill(environment, "issue.mjml", context)
    text = templates.fill(environment, "issue.txt", context | {"ref": plain.References()})
    try:
        html = templates.to_html(mjml)
    except templates.TemplateError as error:
        raise _with_place(error, draft, settings) from None
    return Rendered(
        envelope=envelope(draft.number, settings),
        subject=f"Test: {draft.subject}" if test_for else draft.subject,
        preheader=draft.preheader,
        mjml=mjml,
        html=html,
        text=plain.tidy(text),
        links=links_of(html),
        tracking=Tracking.of(settings, draft.number),
        subject_test=draft.subject_test,
    )


def marked_mjml(draft: Draft, settings: Settings, mark: Callable[[str, str], str]) -> str:
    """Render an issue to MJML from templates that `mark` altered; it is given each one's source and path."""
    environment = _with_filters(templates.environment(settings.own_templates, before=mark))
    return templates.fill(environment, "issue.mjml", _context(draft, settings) | {"test_for": ""})


def _with_place(error: templates.TemplateError, draft: Draft, settings: Settings) -> templates.TemplateError:
    """Say where the MJML is not well-formed; the renderer does not."""
    from digest.issue.checks import markup

    troubles = [
        found
        for found in markup.examine(marked_mjml(draft, settings, markup.mark_template), folder="")
        if found.level == "block"
    ]
    return templates.TemplateError(f"{troubles[-1].where}: {troubles[-1].what}") if troubles else error


def _context(draft: Draft, settings: Settings) -> dict[str, Any]:
    shown = compose.shown(draft.placed)
    web_copy = f"{settings.base_url}/issues/{draft.number}"
    return {
        **templates.look(settings),
        **{form: [item for item in shown if item.form == form] for form in ("full", "brief", "link", "more")},
        "issue": draft,
        "date": _date(draft, settings),
        "web_copy": web_copy,
        "why": f"You get this because you signed up for {settings.newsletter_name}.",
        "ways": [
            ("Read this issue on the web", web_copy),
            ("Your preferences", personal(settings.base_url, "p")),
            ("Unsubscribe", personal(settings.base_url, "u")),
        ],
        "QUOTE": QUOTE,
        "DESCRIPTION": DESCRIPTION,
        "ROWS": SCORECARD_ROWS,
    }


@cache
def _environment(own: Path | None) -> Environment:
    return _with_filters(templates.environment(own))


def _with_filters(environment: Environment) -> Environment:
    filters: dict[str, Callable[..., str]] = {
        "verdict_line": compose.verdict_line,
        "entry": lambda tool: _ENTRY[tool.entry],
        "title": compose.title,
        "unbroken": _unbroken,
    }
    environment.filters |= filters
    return environment


def _date(draft: Draft, settings: Settings) -> str:
    local = draft.cutoff.astimezone(settings.zone)
    return f"{local.day} {local:%B %Y}"


def _unbroken(text: str) -> Markup:
    """Keep scores such as 3–1 on one line of HTML."""
    return Markup(_SCORE.sub(r'<span style="white-space:nowrap">\1</span>', str(escape(clean(text)))))  # noqa: S704 (escaped)


def links_of(html: str) -> tuple[str, ...]:
    """Give the addresses in the HTML of an issue, each once, in their order; those with a token are not among them."""
    found = (unescape(address) for address in _HREF.findall(html))
    return tuple(dict.fromkeys(address for address in found if "[[digest:" not in address))
