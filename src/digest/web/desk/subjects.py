"""Other subjects for an issue: writing them, how they are tried, how they stand, and choosing one.

One part of a page shows all of it, for drafts and for what is being sent. It stands on a page of its own, beside the
editing, and on the page of the sending; a script puts it in anew, and without one its forms lead to its own page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, cast, get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.editors.sessions import Here
from digest.errors import DigestError, InputError
from digest.issue import issues, subjects
from digest.issue.model import Alternative, Rule
from digest.issue.subjects import MOST, SHARES, WAITS, OtherWordsError
from digest.sending import subject_test
from digest.sending.foresight import count_audience
from digest.sending.subject_standing import letter_of, standing, usual_clicks
from digest.sending.subject_words import coming, left_until, length, told
from digest.sentences import capital
from digest.store import Database
from digest.web.desk.access import AsEditor, AsPublisher, DeskForm
from digest.web.desk.pages import done, page
from digest.web.desk.streams import Event, stream
from digest.web.forms import Form
from digest.web.reading import SEEN
from digest.web.site.archive import Number
from digest.web.state import Now, Our, State, Store

router = APIRouter()

EVERY_S = 3.0
"""How often the figures are looked at for a page that looks on: of a million copies they take half a second."""
CHOICES = (30, 60, 120, 240, 480, 720, 1440)
"""Minutes to wait that are offered."""
LONGEST = 300


def shown(our: State, db: Database, number: int, now: datetime) -> dict[str, Any] | None:
    """Give what pages show of how an issue's subjects stand; None where it has one, or is a draft."""
    found = standing(db, number)
    if found is None or found.state == "draft":
        return None
    return {
        "standing": found,
        "told": told(found, our.settings.zone),
        "left": left_until(found.due_at, now) if found.due_at and found.winner is None else "",
    }


@router.api_route("/desk/issues/{number}/subjects", methods=SEEN)
def subjects_page(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """All of it, as a page."""
    return page(request, our, here, "issue-subjects-page.html", _context(our, db, number, now), now=now)


@router.api_route("/desk/issues/{number}/subjects/part", methods=SEEN)
def part(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """The same for scripts, which put it in the place of what they show."""
    return page(request, our, here, "issue-subjects-part.html", _context(our, db, number, now), now=now)


@router.get("/desk/issues/{number}/subjects/live")
def live(our: Our, here: AsEditor, number: Number) -> Response:
    """Tell that something of how the subjects stand has changed: `subjects`."""
    return stream(our, here, _looking(number), every_s=EVERY_S)


def _looking(number: int) -> Callable[[Database], Iterable[Event]]:
    before: dict[str, Any] | None = None

    def look(db: Database) -> Iterable[Event]:
        nonlocal before
        found = standing(db, number)
        new = found.as_dict() if found else {}
        if new != before:
            before = new
            yield "subjects", {"winner": new.get("winner")}

    return look


@router.post("/desk/issues/{number}/subjects/add")
def add(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Write one more: `subject`, and `preheader` or nothing for the issue's."""
    try:
        subjects.add(db, our.settings, number, *_words(form), by=here.by, now=now)
    except InputError as error:
        return _refused(request, our, db, number, here, now, error, {"at": "new", **form})
    return _did(request, our, db, number, here, now, "added")


@router.post("/desk/issues/{number}/subjects/change")
def change(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Write the one of the number `which` anew; `was` is the subject it had when the page was made."""
    which, (subject, preheader), was = _number(form, "which"), _words(form), form.text("was", longest=LONGEST)
    try:
        subjects.change(db, our.settings, number, which, subject, preheader, was=was, by=here.by, now=now)
    except (InputError, OtherWordsError) as error:
        return _refused(request, our, db, number, here, now, error, {"at": str(which), **form})
    return _did(request, our, db, number, here, now, "changed")


@router.post("/desk/issues/{number}/subjects/remove")
def remove(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number) -> Response:
    """Take the one of the number `which` out. The answer offers to put it back."""
    which, was = _number(form, "which"), form.text("was", longest=LONGEST)
    before = subjects.arrangement_of(db, our.settings, number)
    subjects.remove(db, our.settings, number, which, was=was, by=here.by, now=now)
    return _shown(request, our, db, number, here, now, removed=before.others[which - 1])


@router.post("/desk/issues/{number}/subjects/arrange")
def arrange(
    request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm, number: Number
) -> Response:
    """Say how they are tried: `share` in percent, `wait` in minutes, `rule`."""
    rule = form.get("rule", "")
    try:
        if rule not in get_args(Rule):
            raise InputError("choose who decides: readers’ clicks, or a person", field="rule")
        share, wait = _number(form, "share"), _number(form, "wait")
        subjects.arrange(db, our.settings, number, share=share, wait=wait, rule=cast("Rule", rule), by=here.by, now=now)
    except InputError as error:
        return _refused(request, our, db, number, here, now, error, {"at": "arranged", **form})
    return _did(request, our, db, number, here, now, "arranged")


@router.post("/desk/issues/{number}/subjects/decide")
def decide(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm, number: Number
) -> Response:
    """Let the subject of the number `winner` win; it is asked once more where `sure` is not yes."""
    winner, found = _number(form, "winner"), standing(db, number)
    if found is not None and form.get("sure") != "yes" and winner < len(found.tried) and found.winner is None:
        context = {"number": number, "standing": found, "chosen": found.tried[winner]}
        return page(request, our, here, "issue-subjects-sure.html", context, now=now)
    subject_test.decide(db, number, winner, by=here.by, now=now)
    return _did(request, our, db, number, here, now, "decided")


def _context(our: State, db: Database, number: int, now: datetime) -> dict[str, Any]:
    issue = issues.find_issue(db, number)
    test = subjects.arrangement_of(db, our.settings, number)
    open_ = issue.state in ("draft", "approved")
    words = issues.load_draft(db, number) if issue.state == "draft" else issue
    return {
        "number": number,
        "issue": issue,
        "test": test,
        "own": Alternative(words.subject, words.preheader),
        "most": MOST,
        "shares": SHARES,
        "waits": sorted({*CHOICES, test.wait}),
        "length": length,
        "letter_of": letter_of,
        "coming": coming(test, count_audience(db, now=now), usual_clicks(db)) if open_ and test.others else [],
        "counted": our.settings.tracking != "off",
        "subjects": None if open_ else shown(our, db, number, now),
        "refused": None,
        "removed": None,
        "given": {},
        "limits": WAITS,
    }


def _did(request: Request, our: State, db: Database, number: int, here: Here, now: datetime, what: str) -> Response:
    """Answer with the part where a script asked for it, else with the way to the page."""
    if "hx-request" in request.headers:
        return page(request, our, here, "issue-subjects-part.html", _context(our, db, number, now), now=now)
    return done(f"/desk/issues/{number}/subjects?done={what}")


def _refused(
    request: Request,
    our: State,
    db: Database,
    number: int,
    here: Here,
    now: datetime,
    error: DigestError,
    given: dict[str, str],
) -> Response:
    """Show what is wrong beside what was typed, which is kept."""
    words = error.message if isinstance(error, InputError) else str(error)
    status = 409 if isinstance(error, OtherWordsError) else 400
    return _shown(request, our, db, number, here, now, refused=capital(words), given=given, status=status)


def _shown(
    request: Request, our: State, db: Database, number: int, here: Here, now: datetime, status: int = 200, **more: Any
) -> Response:
    # A script shows an answer whatever became of it; what is wrong stands in it.
    by_script = "hx-request" in request.headers
    template = "issue-subjects-part.html" if by_script else "issue-subjects-page.html"
    context = _context(our, db, number, now) | more
    return page(request, our, here, template, context, now=now, status=200 if by_script else status)


def _words(form: Form) -> tuple[str, str]:
    return form.text("subject", longest=5_000), form.text("preheader", longest=5_000)


def _number(form: Form, name: str) -> int:
    value = form.text(name, longest=20)
    if not (value.isascii() and value.isdigit() and len(value) < 8):
        raise InputError(f"{value[:20]!r} is no whole number", field=name)
    return int(value)
