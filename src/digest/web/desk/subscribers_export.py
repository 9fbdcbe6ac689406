"""Taking readers along as a file. It is posted and written down: it is a lot of people's data. For publishers."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from digest.audience import exporting, suppression
from digest.audience.health import health
from digest.audience.services import SERVICES
from digest.audience.subscribers import REASONS, STATES, Reason, State
from digest.editors import looking_after
from digest.errors import InputError
from digest.store import Database
from digest.web.desk.access import AsPublisher, DeskForm
from digest.web.desk.pages import OWN, page
from digest.web.forms import Form
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter(prefix="/desk/subscribers")

PART = 256 * 1024
KINDS = {"csv": "text/csv; charset=utf-8; header=present", "json": "application/json"}


@router.api_route("/export", methods=SEEN)
def ask(request: Request, our: Our, db: Store, now: Now, here: AsPublisher) -> Response:
    """Ask whom, and in which shape."""
    context = {"services": SERVICES.values(), "states": STATES, "health": health(db, now=now)}
    return page(request, our, here, "subscriber-export.html", context, now=now)


@router.post("/export")
def export(db: Store, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Give the file."""
    state, shape = _state(form), form.text("shape", longest=20) or "csv"
    if shape not in KINDS and shape not in SERVICES:
        raise InputError("choose one of the shapes", field="shape")

    def write(to: IO[str]) -> int:
        if shape == "json":
            return _as_json(db, to, state)
        if shape in SERVICES:
            return exporting.export_for(db, to, SERVICES[shape], state=state)
        return exporting.export_subscribers(db, to, state=state)

    file, count = _written(write)
    looking_after.moved(db, "exported", "subscribers", by=here.by, now=now, count=count, state=state, shape=shape)
    name = "-".join(("subscribers", *((state,) if state else ()), *((shape,) if shape in SERVICES else ())))
    return _given(file, name, "json" if shape == "json" else "csv")


@router.post("/suppressions/export")
def export_suppressions(db: Store, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Give the list of those who must not be mailed, as CSV."""
    asked = form.text("reason", longest=40)
    reason: Reason | None = next((one for one in REASONS if one == asked), None)
    if asked and reason is None:
        raise InputError("choose one of the reasons", field="reason")
    file, count = _written(lambda to: suppression.export_suppressions(db, to, reason=reason))
    looking_after.moved(db, "exported", "suppressions", by=here.by, now=now, count=count)
    return _given(file, "suppressions", "csv")


def _state(form: Form) -> State | None:
    asked = form.text("state", longest=20)
    state: State | None = next((one for one in STATES if one == asked), None)
    if asked and state is None:
        raise InputError("choose one of the states", field="state")
    return state


def _as_json(db: Database, to: IO[str], state: State | None) -> int:
    count = 0
    to.write("[")
    for reader in exporting.readers(db, state=state):
        row = vars(reader) | {"topics": reader.topics.split(" ") if reader.topics else None}
        to.write((",\n" if count else "\n") + json.dumps(row, ensure_ascii=False))
        count += 1
    to.write("\n]\n")
    return count


def _written(write: Callable[[IO[str]], int]) -> tuple[IO[Any], int]:
    """Write a file that has no name first: who loads it slowly holds nothing of the store, and its rows are counted."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it was given)
    try:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        count = write(text)
        text.flush()
        text.detach()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, count


def _given(file: IO[Any], name: str, ending: str) -> Response:
    def parts() -> Iterator[bytes]:
        with file:
            while part := file.read(PART):
                yield part

    headers = {**OWN, "Content-Disposition": f'attachment; filename="{name}.{ending}"'}
    return StreamingResponse(parts(), headers=headers, media_type=KINDS[ending])
