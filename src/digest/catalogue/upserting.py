"""Putting one JSON document into the catalogue, as a program hands it over: whole, or not at all.

What it may say, and what is wrong with it, is what `digest import` says of a file: see `formats` and `file_import`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from digest.catalogue.file_import import FileImport, FileReport
from digest.catalogue.formats import records_of, valid
from digest.catalogue.records import Record, Source
from digest.errors import InputError
from digest.store import Database, writing

RECORDS = 5_000
"""Records that one document may have: they are written in one transaction, for which others who write have to wait."""

_BODY = "the body"


class _DryRun(Exception):  # noqa: N818 (not an error: it rolls the transaction back)
    pass


def put_document(db: Database, document: Any, *, now: datetime, zone: ZoneInfo, dry_run: bool = False) -> FileReport:
    """Put a catalogue into the store, a document of the published JSON Schema; give what changed.

    Raises:
        InputError: the first thing that is wrong, with its `pointer`; in `more` what else is. Nothing is changed.
    """
    source = Source(_BODY, "", has_lines=False)
    return _put(db, valid(lambda: _counted(records_of(document, source)), _BODY), now=now, zone=zone, dry_run=dry_run)


def put_comparison(db: Database, slug: str, body: Mapping[str, Any], *, now: datetime, zone: ZoneInfo) -> FileReport:
    """Put a comparison into the store, with its tools where `body` has them whole; give what changed.

    Args:
        db: the store.
        slug: the comparison's.
        body: `left`, `right`, `published_at` as a comparison of the JSON Schema has them, but that each side may be a
            tool of the schema instead of a tool's slug or name.
        now: the moment.
        zone: the newsletter's time zone, for times without an offset.

    Raises:
        InputError: as `put_document`.
    """
    return _put(db, valid(lambda: _counted(_records(slug, body)), _BODY), now=now, zone=zone, dry_run=False)


def _records(slug: str, body: Mapping[str, Any]) -> Iterator[Record]:
    source = Source(_BODY, "", has_lines=False)
    comparison = dict(body)
    if body.get("slug", slug) != slug:
        raise Record("comparison", body, source, "").error(f"the address says {slug!r}; leave it out", "slug")
    for side in ("left", "right"):
        tool = body.get(side)
        if isinstance(tool, Mapping):
            yield Record("tool", tool, source, f"/{side}")
            # Its name, because a slug that is new to us may go with a name that is not. One without a name is told of
            # in the tool's own record.
            comparison[side] = tool["name"] if isinstance(tool.get("name"), str) else "…"
    yield Record("comparison", comparison | {"slug": slug}, source, "")


def _counted(records: Iterator[Record]) -> Iterator[Record]:
    """Give the records on, and stop at one too many before any of them is looked at."""
    count = 0
    for record in records:
        within = record.data.get("reviews")
        count += 1 + (len(within) if isinstance(within, list) else 0)
        if count > RECORDS:
            raise InputError(f"it has more than the {RECORDS} records a call may have; send it in parts", file=_BODY)
        yield record


def _put(db: Database, records: list[Record], *, now: datetime, zone: ZoneInfo, dry_run: bool) -> FileReport:
    report = FileReport(_BODY)
    try:
        with writing(db) as connection:
            FileImport(connection, report, now, zone, lambda things: None).apply(records)
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return report
