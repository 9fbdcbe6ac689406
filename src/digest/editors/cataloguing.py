"""The catalogue as editors change it: by form, by file, and what is taken out; each change with who made it.

A form is a mapping of field names to text. It becomes a document of the published JSON Schema (`catalogue/upserting`),
so that what a file may say, a form may, and nothing else. Where somebody changed the thing meanwhile, nothing is
stored, and who typed is told (`catalogue_forms`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from digest.catalogue import browsing, overview, removing
from digest.catalogue.file_import import FileReport
from digest.catalogue.importing import import_files
from digest.catalogue.overview import Place
from digest.catalogue.records import Kind
from digest.catalogue.upserting import put_document
from digest.editors import audit
from digest.editors.audit import By
from digest.editors.catalogue_forms import (
    ProblemsError,
    bare_verdicts,
    comparison_fields,
    date_of,
    problems_of,
    refuse,
    refuse_changed,
    reviewer_fields,
    sides,
    taken_tool,
    tool_fields,
    tool_record,
)
from digest.errors import InputError, NotFoundError
from digest.store import Database, writing


@dataclass(frozen=True)
class _Where:
    """What a change needs beside what it changes."""

    db: Database
    by: By
    now: datetime
    zone: ZoneInfo


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
            refuse_changed(seen, shown)
        data, reviews, gone = tool_record(slug, typed, shown)
        problems = problems_of("tool", data)
        if not known:
            problems |= taken_tool(db, typed)
        for review in reviews:
            found = problems_of("review", review)
            problems |= {
                f"{'quote' if field != 'verdict' else field}-{review['reviewer']}": said
                for field, said in found.items()
            }
        problems |= bare_verdicts(typed, shown)
        panel = {one.reviewer.slug for one in overview.places(db)}
        problems |= {
            # An import would take the name for that of a new reviewer.
            f"quote-{review['reviewer']}": f"{review['reviewer']} is not in the panel any more"
            for review in reviews
            if review["reviewer"] not in panel
        }
        refuse(problems)
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
            refuse_changed(seen, shown)
        data, tools, unknown, problems = sides(db, typed)
        problems |= date_of(data, typed, shown)
        if named := slug or typed.get("slug", ""):
            data["slug"] = named
            found = problems_of("comparison", {"slug": named})
            if not known and overview.has_comparison(db, named):
                found = {"slug": "another comparison has this one"}
            problems |= found
        refuse(problems, unknown)
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
            refuse_changed(seen, reviewer_fields(known))
        data = {"name": typed.get("name", ""), "stance": typed.get("stance") or None}
        problems = problems_of("reviewer", data)
        if slug:
            data["slug"] = slug
        refuse(problems)
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
