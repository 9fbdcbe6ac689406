"""The forms of the catalogue: what they show, what they state of what they showed, and what is wrong with it.

A form is a mapping of field names to text. It carries a `seen`: what the thing was when its page was made, as a short
hash of each field, so that what somebody else changed meanwhile is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from digest.catalogue import overview
from digest.catalogue.model import Comparison, Tool
from digest.catalogue.overview import Place
from digest.catalogue.records import Kind, Record, Source, problem_of
from digest.errors import InputError, StateError
from digest.store import Database

TOOL_FIELDS = ("name", "tagline", "category", "description", "entry", "url", "panel_ship", "community")
_FIGURES = ("panel_ship", "community")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")


class ProblemsError(InputError):
    """What is wrong with a form, by the names of its fields; `unknown` are the sides that name no tool."""

    def __init__(self, problems: Mapping[str, str], unknown: Sequence[str] = ()) -> None:
        field, message = next(iter(problems.items()))
        super().__init__(message, field=field)
        self.problems, self.unknown = dict(problems), tuple(unknown)


class ChangedMeanwhileError(StateError):
    """Somebody else changed the thing since its page was made; `fields` are those that are another, by name."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__("somebody changed this while you were typing; nothing of yours is stored yet")
        self.fields = tuple(fields)


def seen_of(shown: Mapping[str, str]) -> str:
    """Give what a form carries of what it showed: a short hash of each field."""
    return " ".join(f"{name}={_hash(value)}" for name, value in shown.items())


def untouched(seen: str, typed: Mapping[str, str]) -> set[str]:
    """Give the fields that nobody typed into: they are as they were shown."""
    was = _read_seen(seen)
    return {name for name, value in typed.items() if was.get(name, _hash("")) == _hash(value)}


def tool_fields(tool: Tool) -> dict[str, str]:
    """Give a tool as its form shows it."""
    found = {
        "name": tool.name,
        "tagline": tool.tagline or "",
        "category": tool.category or "",
        "description": tool.description or "",
        "entry": tool.entry or "",
        "url": tool.url or "",
        "panel_ship": "" if tool.stated_panel_ship is None else str(tool.stated_panel_ship),
        "community": "" if tool.stated_community is None else str(tool.stated_community),
    }
    for review in tool.reviews:
        found[f"verdict-{review.reviewer.slug}"] = review.verdict or ""
        found[f"quote-{review.reviewer.slug}"] = review.quote
    return found


def comparison_fields(comparison: Comparison, zone: ZoneInfo) -> dict[str, str]:
    """Give a comparison as its form shows it: the moment in the newsletter's zone, to the minute."""
    local = comparison.published_at.astimezone(zone).replace(tzinfo=None)
    shown = local.isoformat(timespec="minutes")
    return {"left": comparison.left.name, "right": comparison.right.name, "published_at": shown}


def reviewer_fields(place: Place) -> dict[str, str]:
    """Give a reviewer as the form shows one."""
    return {"name": place.reviewer.name, "stance": place.reviewer.stance or ""}


# What a form states -------------------------------------------------------------------------------------------------


def tool_record(
    slug: str | None, typed: Mapping[str, str], shown: Mapping[str, str]
) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """Give what a form states of a tool, of its reviews, and whose reviews it takes out."""
    data: dict[str, Any] = {name: typed.get(name) or None for name in TOOL_FIELDS if name in typed}
    data["name"] = typed.get("name", "")
    for name in _FIGURES:
        figure = (data.get(name) or "").removesuffix("%").strip()
        if figure:
            data[name] = int(figure) if figure.isascii() and figure.isdigit() and len(figure) < 9 else data[name]
    if slug or typed.get("slug"):
        data["slug"] = slug or typed["slug"]
    reviews, gone = [], []
    for name, quote in typed.items():
        kind, _, reviewer = name.partition("-")
        if kind != "quote":
            continue
        if quote:
            verdict = typed.get(f"verdict-{reviewer}") or None
            said = {"tool": slug or data["name"], "reviewer": reviewer, "verdict": verdict, "quote": quote}
            if (shown.get(name), shown.get(f"verdict-{reviewer}", "")) != (quote, verdict or ""):
                reviews.append(said)
        elif shown.get(name):
            gone.append(reviewer)
    return data, reviews, gone


def sides(
    db: Database, typed: Mapping[str, str]
) -> tuple[dict[str, str], list[dict[str, str]], list[str], dict[str, str]]:
    """Give what a form states of the sides, the tools to make for them, the sides that name none, what is wrong."""
    data = {name: typed.get(name, "") for name in ("left", "right")}
    problems = {name: "say which tool" for name in data if not data[name]}
    tools: list[dict[str, str]] = []
    unknown = []
    for side, named in data.items():
        if not named or overview.tool_called(db, named):
            continue
        if side not in typed.get("make", "").split():
            unknown.append(side)
            problems[side] = f"there is no tool “{named}” yet"
        elif wrong := problems_of("tool", {"name": named}):
            problems[side] = wrong["name"]
        else:
            tools.append({"name": named})
    return data, tools, unknown, problems


def date_of(data: dict[str, str], typed: Mapping[str, str], shown: Mapping[str, str]) -> dict[str, str]:
    """Put into `data` when a comparison is published, where the form says so; give what is wrong with it."""
    moment = typed.get("published_at", "")
    if not moment:
        return {"published_at": "say when"} if shown else {}
    if not _MOMENT.fullmatch(moment):
        return {"published_at": "write it like 2026-11-26T09:00"}
    # What was shown has no seconds: what nobody touched keeps those it has.
    if moment != shown.get("published_at"):
        data["published_at"] = moment
    return {}


def bare_verdicts(typed: Mapping[str, str], shown: Mapping[str, str]) -> dict[str, str]:
    """Refuse a verdict without words, but where the words that were there were taken out."""
    found = {}
    for name, value in typed.items():
        quote = name.replace("verdict-", "quote-", 1)
        if name.startswith("verdict-") and value and not typed.get(quote) and not shown.get(quote):
            found[quote] = "a verdict needs the words that go with it"
    return found


def taken_tool(db: Database, typed: Mapping[str, str]) -> dict[str, str]:
    """Refuse a new tool that is one we have: a document would change that one."""
    problems = {}
    if typed.get("slug") and overview.has_tool(db, typed["slug"]):
        problems["slug"] = "another tool has this one"
    if typed.get("name") and (known := overview.tool_called(db, typed["name"])):
        problems["name"] = f"there is a tool “{known[1]}” already"
    return problems


def problems_of(kind: Kind, data: Mapping[str, Any]) -> dict[str, str]:
    """Hold every field against the schema by itself, so that all that is wrong is told at once."""
    need = {"tool": {"name": "…"}, "reviewer": {"name": "…"}, "comparison": {"left": "…", "right": "…"}}.get(
        kind, {"tool": "…", "reviewer": "…", "quote": "…"}
    )
    found = {}
    for name, value in data.items():
        error = problem_of(Record(kind, {**need, name: value}, Source("", "", has_lines=False), ""))
        if error:
            found[name] = error.message
    return found


def refuse(problems: Mapping[str, str], unknown: Sequence[str] = ()) -> None:
    """Refuse a form in which something is wrong.

    Raises:
        ProblemsError: something is.
    """
    if problems:
        raise ProblemsError(problems, unknown)


def refuse_changed(seen: str, shown: Mapping[str, str]) -> None:
    """Refuse a form about what somebody changed since its page was made.

    Raises:
        ChangedMeanwhileError: somebody did.
    """
    was = _read_seen(seen)
    changed = [name for name in dict.fromkeys((*was, *shown)) if was.get(name, _hash("")) != _hash(shown.get(name, ""))]
    if changed:
        raise ChangedMeanwhileError(changed)


def _read_seen(seen: str) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in seen.split())}


def _hash(value: str) -> str:
    """A short hash of a text, the same for all ways in which a browser ends lines."""
    text = "\n".join(value.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n"))
    return blake2b(text.encode(), digest_size=8).hexdigest()
