"""Rendering: Jinja2 into MJML, MJML into HTML, and the plain-text twin. The same input gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from mjml import mjml2html

from digest.issue import compose, personalise
from digest.issue.envelope import envelope
from digest.issue.model import Draft, Rendered
from digest.resources import resource
from digest.settings import Settings

TEXT_WIDTH = 72
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_SCORE = re.compile(r"(\d+–\d+)")
_HREF = re.compile(r'<a\b[^>]*?\shref="([^"]*)"')
_ENTRY = {"free": "Free", "freemium": "Freemium", "paid": "Paid", None: "—"}


def render(draft: Draft, settings: Settings) -> Rendered:
    """Render an issue.

    Comparisons whose form is `out` are not in it. The date it carries is its cut-off, not today.
    """
    shown = compose.shown(draft.placed)
    context: dict[str, Any] = {
        "issue": draft,
        "date": _date(draft, settings),
        "full": [item for item in shown if item.form == "full"],
        "brief": [item for item in shown if item.form == "brief"],
        "link": [item for item in shown if item.form == "link"],
        "settings": settings,
        "site": settings.base_url,
        "web_copy": f"{settings.base_url}/issues/{draft.number}",
    }
    environment = _environment()
    mjml = environment.get_template("issue.mjml").render(context)
    html = mjml2html(mjml, disable_comments=False, fonts={})
    text = environment.get_template("issue.txt").render(context)
    return Rendered(
        envelope=envelope(draft.number, settings),
        subject=draft.subject,
        preheader=draft.preheader,
        mjml=mjml,
        html=html,
        text=_tidy(text),
        links=tuple(_links(html)),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(resource("templates", "email")),
        autoescape=select_autoescape(enabled_extensions=("mjml",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_authors_text,
    )
    environment.filters |= {
        "figure": compose.figure,
        "verdict_line": compose.verdict_line,
        "entry": lambda tool: _ENTRY[tool.entry],
        "paragraphs": _paragraphs,
        "wrap": _wrap,
        "segment": lambda text: quote(text, safe=""),
        "title": compose.title,
        "unbroken": _unbroken,
    }
    return environment


def _authors_text(value: Any) -> Any:
    """Take out of every value what XML cannot carry and what would look like a place of ours."""
    if isinstance(value, str):
        return personalise.neutralise(_CONTROL.sub("", value) if _CONTROL.search(value) else value)
    return value


def _date(draft: Draft, settings: Settings) -> str:
    local = draft.cutoff.astimezone(settings.zone)
    return f"{local.day} {local:%B %Y}"


def _paragraphs(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").split("\n") if line.strip()]


def _unbroken(text: str) -> Markup:
    """Keep scores such as 3–1 on one line of HTML."""
    return Markup(_SCORE.sub(r'<span style="white-space:nowrap">\1</span>', str(escape(text))))  # noqa: S704 (escaped)


def _wrap(text: str, indent: int = 0, first: int | None = None) -> str:
    """Wrap plain text at 72 columns; a long address stays whole.

    Greedy and on spaces only, looking for one break a line: textwrap, which looks at every word, took half the
    time of rendering an issue.
    """
    lines = []
    for paragraph in _paragraphs(text):
        rest = " ".join(paragraph.split())
        margin = " " * (indent if first is None else first)
        while len(margin) + len(rest) > TEXT_WIDTH:
            room = TEXT_WIDTH - len(margin)
            cut = rest.rfind(" ", 0, room + 1)
            if cut < 0:
                cut = rest.find(" ", room)
            if cut < 0:
                break
            lines.append(margin + rest[:cut])
            rest = rest[cut + 1 :]
            margin = " " * indent
        lines.append(margin + rest)
    return "\n".join(lines)


def _tidy(text: str) -> str:
    """Take trailing spaces off lines, and keep at most one blank line between blocks."""
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n") + "\n"


def _links(html: str) -> Iterator[str]:
    found = (unescape(address) for address in _HREF.findall(html))
    yield from dict.fromkeys(address for address in found if "[[digest:" not in address)
