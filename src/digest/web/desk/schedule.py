"""The schedule: what is done by itself, when it is next, what ran last and what came of it; and doing a job now."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.errors import InputError
from digest.schedule import runs
from digest.schedule.context import Context
from digest.schedule.housekeeping import FREQUENT
from digest.schedule.looking import leaving, look
from digest.schedule.running import run_now
from digest.web.desk.access import AsOwner, AsPublisher, DeskForm
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter(prefix="/desk/schedule")

LISTED = 30
"""Runs that are listed: some weeks, without those every few minutes that went well."""


@router.api_route("/", methods=SEEN)
def schedule(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, ran: str = "") -> Response:
    """All jobs, and what ran lately; `ran` is the job that somebody ran just now."""
    jobs = look(db, our.settings, now=now, lives=our.worker.lives)
    context = {
        "jobs": jobs,
        "words": {one.job: one.words for one in jobs},
        "leaving": leaving(db),
        "history": runs.history(db, limit=LISTED, frequent=FREQUENT),
        "ran": next((one for one in jobs if one.job == ran and one.last), None),
    }
    return page(request, our, here, "schedule.html", context, now=now)


@router.post("/run")
def run(our: Our, db: Store, now: Now, here: AsOwner, form: DeskForm) -> Response:
    """Do a `job` now, whatever its times, and say what came of it; it takes as long as it takes."""
    name = form.text("job", longest=40)
    if not name:
        raise InputError("say which", field="job")
    # By the server's own worker: with a second one, this process would let go of the locks of the first.
    context = Context(db, our.settings, our.signers, now, our.worker, stopping=our.closing.is_set, clock=our.clock)
    ran = run_now(context, name, by=here.by)
    return done(f"/desk/schedule/?ran={ran.job}")
