"""Links to a preview for people without an account: making them, and taking them back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response

from digest import times
from digest.editors.sessions import Here
from digest.errors import InputError
from digest.issue import issues, shares
from digest.issue.archive import MOST
from digest.web.desk.access import AsEditor, DeskForm
from digest.web.desk.pages import OWN, done, page, wants_json
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter()

USUAL = 7
Number = Annotated[int, Path(ge=1, le=MOST)]


@router.api_route("/desk/issues/{number}/sharing", methods=SEEN)
def sharing(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """The links to an issue, and the form that makes one."""
    return _page(request, our, db, now, here, number)


@router.post("/desk/issues/{number}/sharing")
def make(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number, form: DeskForm) -> Response:
    """Make a link. Its address is in the answer and nowhere else: a page that could be loaded again would need it."""
    secret, share = shares.make(db, number, days=_days(form.text("days")), by=here.by, now=now)
    address = f"{our.settings.base_url}/shared/{secret}"
    if wants_json(request):
        return JSONResponse({"address": address, "ends_at": times.to_text(share.ends_at)}, headers=OWN)
    return _page(request, our, db, now, here, number, made=(address, share))


@router.post("/desk/issues/{number}/sharing/{link}/revoke")
def revoke(db: Store, now: Now, here: AsEditor, number: Number, link: Annotated[int, Path(ge=1, le=MOST)]) -> Response:
    """Take a link back."""
    worked = shares.revoke(db, number, link, by=here.by, now=now)
    return done(f"/desk/issues/{number}/sharing{'?done=revoked' if worked else ''}")


def _page(
    request: Request,
    our: State,
    db: Store,
    now: Now,
    here: Here,
    number: int,
    made: tuple[str, shares.Share] | None = None,
) -> Response:
    found = shares.of(db, number, now=now)
    context = {
        "issue": issues.find_issue(db, number),
        "number": number,
        "days": shares.DAYS,
        "usual": USUAL,
        "made": made,
        "working": [share for share in found if share.ended is None],
        "ended": [share for share in found if share.ended is not None],
        "moment": lambda at: times.for_people(at, our.settings.zone),
    }
    return page(request, our, here, "issue-sharing.html", context, now=now)


def _days(typed: str) -> int:
    if not (typed.isascii() and typed.isdigit()) or len(typed) > 3:
        raise InputError("say for how many days", field="days")
    return int(typed)
