"""After a backup was brought back: what that means, for somebody to read before digest approves anything by itself."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest import times
from digest.editors import audit
from digest.issue import issues
from digest.store import Database, restores, writing
from digest.web.desk.access import AsEditor, AsPublisher, DeskForm
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN
from digest.web.state import Now, Our, Store

router = APIRouter(prefix="/desk/restored")

LISTED = 10


@router.api_route("/", methods=SEEN)
def restored(request: Request, our: Our, db: Store, now: Now, here: AsEditor) -> Response:
    """When a backup was brought back, which issues are in doubt since, and what to do about them."""
    found = restores.all_of_them(db, limit=LISTED)
    context = {
        "restores": found,
        "unread": any(one.seen_at is None for one in found),
        "doubted": [issues.find_issue(db, number) for number in _doubted(db, "state IN ('sending', 'paused')")],
        "drafts": [issues.find_issue(db, number) for number in _doubted(db, "state IN ('draft', 'approved')")],
    }
    return page(request, our, here, "restored.html", context, now=now)


@router.post("/")
def read(db: Store, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Somebody has read it: the banner goes, and what approves itself may do so again."""
    with writing(db) as connection:
        if restores.see(db, times.to_text(now)):
            audit.note(connection, here.by, "read what it means that", "a backup was brought back", now=now)
    return done("/desk/restored/?done=read")


def _doubted(db: Database, states: str) -> list[int]:
    sql = f"SELECT number FROM issues WHERE doubted_at IS NOT NULL AND {states} ORDER BY number DESC LIMIT 20"  # noqa: S608
    return [number for (number,) in db.conn.execute(sql)]
