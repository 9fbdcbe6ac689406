"""The catalogue as editors change it: by form, by file, and what is taken out; each change with who made it.

A form is a mapping of field names to text. It becomes a document of the published JSON Schema (`catalogue/upserting`),
so that what a file may say, a form may, and nothing else. A form carries a `seen`: what the thing was when its page was
made, as a short hash of each field. Where somebody changed it meanwhile, nothing is stored, and who typed is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from digest.catalogue import browsing, overview, removing
from digest.catalogue.file_import import FileReport
from digest.catalogue.importing import import_files
from digest.catalogue.model import Comparison, Tool
from digest.catalogue.overview import Place
from digest.catalogue.records import Kind, Record, Source, problem_of
from digest.catalogue.upserting import put_document
from digest.editors import audit
from digest.editors.audit import By
from digest.errors import InputError, NotFoundError, StateError
from digest.store import Database, writing

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


@dataclass(frozen=True)
class _Where:
    """What a change needs beside what it changes."""

    db: Database
    by: By
    now: datetime
    zone: ZoneInfo


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


# Saving ------------------------------------------------------------------------------------------------------------


def save_tool(
    db: Database, slug: str | None, typed: Mapping[str, str], seen: str = "", *, by: By, now: datetime, zone: ZoneInfo
) -> str:
    """Make a tool of a form, or change the one of this slug; give its slug.

    A review whose quote was emptied goes.

    Raises:
        ProblemsError: what is wrong, by field; nothing is stored.
        ChangedMeanwhileError: somebody else changed it since.
        NotFoundError: there is none of this slug.
    """
    where = _Where(db, by, now, zone)
    with writing(db):
        known = browsing.tool(db, slug) if slug else None
        shown = tool_fields(known) if known else {}
        if known:
            _refuse_changed(seen, shown)
        data, reviews, gone = _tool_record(slug, typed, shown)
        problems = _problems_of("tool", data)
        if not known:
            problems |= _taken_tool(db, typed)
        for review in reviews:
            found = _problems_of("review", review)
            problems |= {
                f"{'quote' if field != 'verdict' else field}-{review['reviewer']}": said
                for field, said in found.items()
            }
        problems |= _bare_verdicts(typed, shown)
        panel = {one.reviewer.slug for one in overview.places(db)}
        problems |= {
            # An import would take the name for that of a new reviewer.
            f"quote-{review['reviewer']}": f"{review['reviewer']} is not in the panel any more"
            for review in reviews
            if review["reviewer"] not in panel
        }
        _refuse(problems)
        report = _put(where, {"tools": [data], "reviews": reviews})
        found_slug = slug or str((overview.tool_called(db, data["name"]) or ("", ""))[0])
        for reviewer in gone:
            removing.remove_review(db, found_slug, reviewer)
        _note(where, f"tool {found_slug}", report, known is None, removed_reviews=gone)
    return found_slug


def save_comparison(
    db: Database, slug: str | None, typed: Mapping[str, str], seen: str = "", *, by: By, now: datetime, zone: ZoneInfo
) -> str:
    """Make a comparison of a form, or change the one of this slug; give its slug.

    `make` in the form are sides (``left right``) whose name becomes a tool where there is none of it.

    Raises:
        ProblemsError: what is wrong, by field; nothing is stored.
        ChangedMeanwhileError: somebody else changed it since.
        NotFoundError: there is none of this slug.
    """
    where = _Where(db, by, now, zone)
    with writing(db) as connection:
        known = browsing.comparison(db, slug) if slug else None
        shown = comparison_fields(known, zone) if known else {}
        if known:
            _refuse_changed(seen, shown)
        data, tools, unknown, problems = _sides(db, typed)
        problems |= _date_of(data, typed, shown)
        if named := slug or typed.get("slug", ""):
            data["slug"] = named
            found = _problems_of("comparison", {"slug": named})
            if not known and overview.has_comparison(db, named):
                found = {"slug": "another comparison has this one"}
            problems |= found
        _refuse(problems, unknown)
        last = connection.execute("SELECT coalesce(max(id), 0) FROM comparisons").fetchone()[0]
        report = _put(where, {"tools": tools, "comparisons": [data]})
        if known is None:
            row = connection.execute("SELECT slug FROM comparisons WHERE id > ?", (last,)).fetchone()
            if row is None:
                raise ProblemsError(
                    {"slug": "these two are compared already; to compare them anew, write another slug"}
                )
            slug = str(row[0])
        for tool in tools:
            _note(where, f"tool {(overview.tool_called(db, tool['name']) or ('?',))[0]}", report, True)
        _note(where, f"comparison {slug}", report, known is None)
    return str(slug)


def save_reviewer(
    db: Database, slug: str | None, typed: Mapping[str, str], seen: str = "", *, by: By, now: datetime, zone: ZoneInfo
) -> None:
    """Add a reviewer to the panel by a form, or change the one of this slug.

    Raises:
        ProblemsError: what is wrong, by field; nothing is stored.
        ChangedMeanwhileError: somebody else changed it since.
        NotFoundError: there is none of this slug.
    """
    where = _Where(db, by, now, zone)
    with writing(db):
        panel = overview.places(db)
        known = _place(panel, slug) if slug else None
        if known:
            _refuse_changed(seen, reviewer_fields(known))
        data = {"name": typed.get("name", ""), "stance": typed.get("stance") or None}
        problems = _problems_of("reviewer", data)
        if slug:
            data["slug"] = slug
        _refuse(problems)
        report = _put(where, {"reviewers": [data]})
        if known is None and not report.count("added"):
            raise ProblemsError({"name": f"{data['name']} is in the panel already"})
        added = next((one for one in overview.places(db) if one.reviewer.name == data["name"]), None)
        _note(where, f"reviewer {slug or (added.reviewer.slug if added else data['name'])}", report, known is None)


def move_reviewer(db: Database, slug: str, steps: int, *, by: By, now: datetime, zone: ZoneInfo) -> None:
    """Move a reviewer in the panel's order: `steps` down, or up where it is negative.

    Raises:
        NotFoundError: there is none of this slug.
    """
    where = _Where(db, by, now, zone)
    with writing(db):
        panel = overview.places(db)
        moved = _place(panel, slug)
        order = [one for one in panel if one is not moved]
        order.insert(max(0, panel.index(moved) + steps), moved)
        data = [
            {"slug": one.reviewer.slug, "name": one.reviewer.name, "position": place}
            for place, one in enumerate(order, 1)
        ]
        report = _put(where, {"reviewers": data})
        if any(change.fields for change in report.changes):
            audit.note(db.conn, by, "moved", f"reviewer {slug}", now=now, to=order.index(moved) + 1)


# Taking out, and files ---------------------------------------------------------------------------------------------


def remove(db: Database, kind: Kind, slug: str, *, by: By, now: datetime) -> None:
    """Take a tool, a comparison or a reviewer out, if nothing else stands on it.

    Raises:
        NotFoundError: there is none.
        StateError: something does.
    """
    ways: dict[str, Callable[[Database, str], None]] = {
        "tool": removing.remove_tool,
        "comparison": removing.remove_comparison,
        "reviewer": removing.remove_reviewer,
    }
    with writing(db) as connection:
        ways[kind](db, slug)
        audit.note(connection, by, "removed", f"{kind} {slug}", now=now)


def bring(
    db: Database, files: Sequence[tuple[str, bytes]], *, by: By, now: datetime, zone: ZoneInfo
) -> list[FileReport]:
    """Import files, each whole or not at all: see `catalogue.importing`."""
    with writing(db) as connection:
        reports = import_files(db, files, now=now, zone=zone)
        for report in reports:
            if report.error is None:
                added, updated = report.count("added"), report.count("updated")
                audit.note(
                    connection, by, "imported", "catalogue", now=now, file=report.file, added=added, updated=updated
                )
    return reports


# Under it ----------------------------------------------------------------------------------------------------------


def _tool_record(
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


def _sides(
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
        elif wrong := _problems_of("tool", {"name": named}):
            problems[side] = wrong["name"]
        else:
            tools.append({"name": named})
    return data, tools, unknown, problems


def _date_of(data: dict[str, str], typed: Mapping[str, str], shown: Mapping[str, str]) -> dict[str, str]:
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


def _bare_verdicts(typed: Mapping[str, str], shown: Mapping[str, str]) -> dict[str, str]:
    """Refuse a verdict without words, but where the words that were there were taken out."""
    found = {}
    for name, value in typed.items():
        quote = name.replace("verdict-", "quote-", 1)
        if name.startswith("verdict-") and value and not typed.get(quote) and not shown.get(quote):
            found[quote] = "a verdict needs the words that go with it"
    return found


def _taken_tool(db: Database, typed: Mapping[str, str]) -> dict[str, str]:
    """Refuse a new tool that is one we have: a document would change that one."""
    problems = {}
    if typed.get("slug") and overview.has_tool(db, typed["slug"]):
        problems["slug"] = "another tool has this one"
    if typed.get("name") and (known := overview.tool_called(db, typed["name"])):
        problems["name"] = f"there is a tool “{known[1]}” already"
    return problems


def _problems_of(kind: Kind, data: Mapping[str, Any]) -> dict[str, str]:
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


def _put(where: _Where, document: Mapping[str, list[Any]]) -> FileReport:
    try:
        return put_document(where.db, document, now=where.now, zone=where.zone)
    except InputError as error:
        raise ProblemsError({error.field or "name": error.message}) from None


def _note(where: _Where, what: str, report: FileReport, is_new: bool, **more: object) -> None:
    fields = sorted({field for change in report.changes for field in change.fields})
    changed = fields or any(change.outcome != "unchanged" for change in report.changes) or any(more.values())
    if is_new or changed:
        detail = {name: value for name, value in more.items() if value}
        did = "added" if is_new else "changed"
        audit.note(
            where.db.conn, where.by, did, what, now=where.now, **({} if is_new else {"fields": fields}), **detail
        )


def _place(panel: Sequence[Place], slug: str) -> Place:
    for one in panel:
        if one.reviewer.slug == slug:
            return one
    raise NotFoundError(f"there is no reviewer {slug!r}")


def _refuse(problems: Mapping[str, str], unknown: Sequence[str] = ()) -> None:
    if problems:
        raise ProblemsError(problems, unknown)


def _refuse_changed(seen: str, shown: Mapping[str, str]) -> None:
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
