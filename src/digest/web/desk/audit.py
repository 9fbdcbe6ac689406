"""The audit: who did what, the newest first; to look through, and to take along."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from digest import times
from digest.editors import audit, people
from digest.editors.audit import Done
from digest.web import exports
from digest.web.desk.access import AsPublisher
from digest.web.desk.pages import page
from digest.web.exports import Form
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter()

LINES = 50
"""Lines of a page."""

EXPORTED = 100_000
"""Lines of a file: the years of a busy desk."""

Whose = Annotated[str, Query(alias="editor", max_length=15, pattern="^[0-9]*$")]
What = Annotated[str, Query(alias="subject", max_length=100)]
Before = Annotated[int | None, Query(ge=1, le=10**15)]


@dataclass(frozen=True)
class Row:
    """A line of the table to take along."""

    id: int
    at: str
    editor: int | None
    who: str
    did: str
    what: str
    detail: str


@router.api_route("/desk/audit", methods=SEEN)
def shown(
    request: Request,
    our: Our,
    db: Store,
    now: Now,
    here: AsPublisher,
    editor: Whose = "",
    subject: What = "",
    before: Before = None,
) -> Response:
    """A page of it."""
    found = audit.done(db, limit=LINES + 1, before=before, what=_what(subject), editor=_whose(editor))
    lines, has_more = found[:LINES], len(found) > LINES
    zone = our.settings.zone
    moments = [(times.from_text(line.at).astimezone(zone), line) for line in lines]
    asked = {name: value for name, value in (("editor", editor), ("subject", subject.strip())) if value}
    everyone = people.everyone(db, removed=True)
    context = {
        "days": [
            (our.pages.day(next(iter(of_day))[0]), [(f"{moment:%H:%M}", line) for moment, line in of_day])
            for of_day in (list(group) for _, group in groupby(moments, lambda pair: pair[0].date()))
        ],
        "editors": everyone,
        "names": {f"editor {one.id}": one.name for one in everyone},
        "editor": editor,
        "subject": subject.strip(),
        "asked": urlencode(asked),
        "older": urlencode({**asked, "before": lines[-1].id}) if has_more else "",
        "is_first": before is None,
    }
    return page(request, our, here, "audit.html", context, now=now)


@router.api_route("/desk/audit.{form}", methods=SEEN)
def taken_along(db: Store, here: AsPublisher, form: Form, editor: Whose = "", subject: What = "") -> Response:
    """All of it as a file, or what is asked for of it."""
    lines = audit.done(db, limit=EXPORTED, what=_what(subject), editor=_whose(editor))
    if form == "json":
        return exports.answer("audit", form, lines, Done)
    rows = [
        Row(one.id, one.at, one.editor, one.who, one.did, one.what, json.dumps(one.detail, ensure_ascii=False))
        for one in lines
    ]
    return exports.answer("audit", form, rows, Row)


def _what(subject: str) -> str | None:
    return subject.strip() or None


def _whose(editor: str) -> int | None:
    return int(editor) if editor else None
