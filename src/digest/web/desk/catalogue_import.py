"""Bringing files into the catalogue: what would happen first, then the button that lets it happen."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue.file_import import Change, FileReport
from digest.catalogue.importing import import_files
from digest.catalogue.queries import count_catalogue
from digest.editors import cataloguing
from digest.editors.sessions import Here
from digest.errors import InputError
from digest.store import Database
from digest.web.desk import staging
from digest.web.desk.access import AsEditor, DeskForm
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/catalogue")

SHOWN = 60
"""Changes of one file that are listed; the rest is counted."""
ERRORS = 20


@dataclass(frozen=True)
class Told:
    """What would become, or became, of one file."""

    file: str
    added: dict[str, int]
    updated: dict[str, int]
    unchanged: int
    changes: tuple[Change, ...]
    more: int
    notes: tuple[str, ...]
    errors: tuple[InputError, ...]
    more_errors: int

    @property
    def does_something(self) -> bool:
        """Whether it adds or changes anything."""
        return bool(self.added or self.updated)


@router.api_route("/import", methods=SEEN)
def import_page(request: Request, our: Our, db: Store, now: Now, here: AsEditor) -> Response:
    """Where files are dropped, and what they may be."""
    return _page(request, our, db, now, here)


@router.post("/import")
def look(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm) -> Response:
    """Keep files, and tell what would become of each."""
    try:
        kept = staging.keep(our.settings.db, here.editor.id, form.files)
    except InputError as error:
        return _page(request, our, db, now, here, problem=error.message, status=422)
    reports = import_files(db, _read(our, here, kept), now=now, zone=our.settings.zone, dry_run=True)
    told = [_told(report) for report in reports]
    if not any(one.does_something for one in told):
        staging.drop(our.settings.db, here.editor.id, kept)
        kept = ""
    context = {"files": told, "kept": kept, "is_done": False}
    return page(request, our, here, "catalogue-import-files.html", context, now=now)


@router.post("/import/sure")
def bring(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm) -> Response:
    """Import the files that were looked at, or let them be."""
    kept = form.text("kept")
    if "drop" in form:
        staging.drop(our.settings.db, here.editor.id, kept)
        return done("/desk/catalogue/import")
    reports = cataloguing.bring(db, _read(our, here, kept), by=here.by, now=now, zone=our.settings.zone)
    staging.drop(our.settings.db, here.editor.id, kept)
    context = {"files": [_told(report) for report in reports], "kept": "", "is_done": True}
    return page(request, our, here, "catalogue-import-files.html", context, now=now)


def _read(our: State, here: Here, kept: str) -> list[tuple[str, bytes]]:
    return [(name, path.read_bytes()) for name, path in staging.kept(our.settings.db, here.editor.id, kept)]


def _told(report: FileReport) -> Told:
    # Votes are readers': they are counted, not listed.
    listed = [change for change in report.changes if change.outcome != "unchanged" and change.kind != "vote"]
    errors = (report.error, *report.error.more) if report.error else ()
    return Told(
        report.file,
        report.count("added"),
        report.count("updated"),
        sum(report.count("unchanged").values()),
        tuple(listed[:SHOWN]),
        max(0, len(listed) - SHOWN),
        tuple(dict.fromkeys(report.notes))[:SHOWN],
        errors[:ERRORS],
        max(0, len(errors) - ERRORS),
    )


def _page(
    request: Request, our: State, db: Database, now: Now, here: Here, *, problem: str = "", status: int = 200
) -> Response:
    context = {"problem": problem, "count": count_catalogue(db)}
    return page(request, our, here, "catalogue-import.html", context, now=now, status=status)
