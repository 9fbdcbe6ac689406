"""Importing readers and suppressions: choose files, see what would happen, press the button. For publishers.

Nothing is written before the button. How it works beside the pages is in imports.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from digest.audience.importing import ImportReport
from digest.audience.services import OWN, SERVICES
from digest.audience.suppression import ADDABLE
from digest.editors import looking_after
from digest.editors.sessions import Here
from digest.errors import InputError, NotFoundError
from digest.sentences import sentence
from digest.web import exports
from digest.web.desk import staging
from digest.web.desk.access import AsPublisher, DeskForm
from digest.web.desk.imports import bring_readers, bring_suppressions, readable, rows_at
from digest.web.desk.pages import OWN as UNKEPT
from digest.web.desk.pages import done, page
from digest.web.imports import Job
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State

router = APIRouter(prefix="/desk/subscribers")

SHOWN = 50
"""Rows of a kind of trouble that a page shows; the file has more."""

BY_NAME = {OWN.key: OWN, **SERVICES}

Kept = Annotated[str, Path(min_length=20, max_length=60, pattern="^[A-Za-z0-9_-]+$")]
What = Literal["subscribers", "suppressions"]
_HOME: dict[What, str] = {
    "subscribers": "/desk/subscribers/import",
    "suppressions": "/desk/subscribers/suppressions/import",
}


@dataclass(frozen=True)
class LeftOut:
    """A row that stays out, and why."""

    file: str
    line: int | None
    field: str
    why: str
    row: str


@router.api_route("/import", methods=SEEN)
def ask(request: Request, our: Our, now: Now, here: AsPublisher) -> Response:
    """Ask for the files of readers."""
    return _asked(request, our, here, "subscribers", now)


@router.api_route("/suppressions/import", methods=SEEN)
def ask_for_suppressions(request: Request, our: Our, now: Now, here: AsPublisher) -> Response:
    """Ask for the files of those who must not be mailed."""
    return _asked(request, our, here, "suppressions", now)


@router.post("/import")
def bring(request: Request, our: Our, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Take files of readers, and read them."""
    return _brought(request, our, here, "subscribers", form, now)


@router.post("/suppressions/import")
def bring_list(request: Request, our: Our, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Take files of those who must not be mailed, and read them."""
    return _brought(request, our, here, "suppressions", form, now)


@router.api_route("/import/{kept}", methods=SEEN)
def seen(request: Request, our: Our, now: Now, here: AsPublisher, kept: Kept) -> Response:
    """What would happen; or how far it is; or what happened."""
    return _seen(request, our, here, kept, now)


@router.api_route("/import/{kept}/part", methods=SEEN)
def part(request: Request, our: Our, now: Now, here: AsPublisher, kept: Kept) -> Response:
    """How far it is, for a page that asks every second."""
    job = our.imports.find((here.editor.id, kept))
    if job is None or job.over.is_set():
        return Response(None, 204, {**UNKEPT, "HX-Refresh": "true"})
    return page(request, our, here, "subscriber-import-part.html", {"job": job, "kept": kept}, now=now)


@router.post("/import/{kept}/read")
def read_again(our: Our, now: Now, here: AsPublisher, kept: Kept, form: DeskForm) -> Response:
    """Read the files again: nobody remembers what came of it, or the choice is another one."""
    _begin(our, here, kept, _what(form.text("what", longest=20)), form.text("chosen", longest=20), now, write=False)
    return done(f"/desk/subscribers/import/{kept}")


@router.post("/import/{kept}/write")
def write(our: Our, now: Now, here: AsPublisher, kept: Kept, form: DeskForm) -> Response:
    """Import the files."""
    _begin(our, here, kept, _what(form.text("what", longest=20)), form.text("chosen", longest=20), now, write=True)
    return done(f"/desk/subscribers/import/{kept}")


@router.post("/import/{kept}/drop")
def drop(our: Our, here: AsPublisher, kept: Kept) -> Response:
    """Throw the files away."""
    staging.drop(our.settings.db, here.editor.id, kept)
    return done("/desk/subscribers/import?done=dropped")


@router.api_route("/import/{kept}/left-out.csv", methods=SEEN)
def left_out(our: Our, here: AsPublisher, kept: Kept) -> Response:
    """The rows that stay out, with why, to mend and bring again."""
    job = our.imports.find((here.editor.id, kept))
    if job is None or job.report is None:
        raise NotFoundError("nobody remembers this import; read its files again")
    files = staging.kept(our.settings.db, here.editor.id, kept)
    places = {(error.file or "", error.line or 0) for error in job.report.rejected}
    rows = rows_at(files, places, BY_NAME.get(job.chosen) if job.what == "subscribers" else None)
    found = [
        LeftOut(e.file or "", e.line, e.field or "", e.message, rows.get((e.file or "", e.line or 0), ""))
        for e in job.report.rejected
    ]
    if isinstance(job.report, ImportReport):
        for told in (job.report.duplicates, job.report.kept_out):
            found += [LeftOut("", None, "", words, "") for words in told]
    return exports.answer("left-out", "csv", found, LeftOut)


def _asked(
    request: Request, our: State, here: Here, what: What, now: Now, problem: str = "", *, status: int = 200
) -> Response:
    context = {
        "what": what,
        "services": SERVICES.values(),
        "own": OWN,
        "reasons": ADDABLE,
        "problem": problem,
    }
    return page(request, our, here, "subscriber-import.html", context, now=now, status=status)


def _brought(request: Request, our: State, here: Here, what: What, form: DeskForm, now: Now) -> Response:
    chosen = form.text("chosen", longest=20)
    try:
        _choice(what, chosen)
        kept = staging.keep(our.settings.db, here.editor.id, form.files)
    except InputError as error:
        words = sentence(error.message)
        return _asked(request, our, here, what, now, words, status=422)
    _begin(our, here, kept, what, chosen, now, write=False)
    return done(f"/desk/subscribers/import/{kept}")


def _begin(our: State, here: Here, kept: str, what: What, chosen: str, now: Now, *, write: bool) -> None:
    _choice(what, chosen)
    files = staging.kept(our.settings.db, here.editor.id, kept)
    if what == "subscribers":
        work = bring_readers(our.stores, files, BY_NAME.get(chosen), by=here.by, now=now)
    else:
        reason = looking_after.read_reason(chosen) if chosen else None
        work = bring_suppressions(our.stores, files, reason, by=here.by, now=now)
    our.imports.begin((here.editor.id, kept), Job(what, write, chosen), work)


def _choice(what: What, chosen: str) -> None:
    """Refuse what is no choice."""
    if chosen and what == "suppressions":
        looking_after.read_reason(chosen)
    elif chosen and chosen not in BY_NAME:
        raise InputError("choose one of the services", field="chosen")


def _what(text: str) -> What:
    for what in _HOME:
        if what == text:
            return what
    raise InputError("it is not said what is imported", field="what")


def _seen(request: Request, our: State, here: Here, kept: str, now: Now) -> Response:
    files = staging.kept(our.settings.db, here.editor.id, kept)
    job = our.imports.find((here.editor.id, kept))
    context: dict[str, Any] = {
        "kept": kept,
        "job": job,
        "names": [name for name, _ in files],
        "shown": SHOWN,
        "services": SERVICES.values(),
        "own": OWN,
        "home": _HOME[job.what] if job else _HOME["subscribers"],
        "columns": [],
        "unused": [],
    }
    if job is not None and job.report is not None:
        context["unused"] = [readable(name) for name in job.report.unused_columns]
        if isinstance(job.report, ImportReport):
            context["columns"] = [(readable(name), told) for name, told in job.report.columns.items()]
    return page(request, our, here, "subscriber-import-seen.html", context, now=now)
