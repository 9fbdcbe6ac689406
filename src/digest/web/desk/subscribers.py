"""The readers: how many, finding one, the newest; for publishers."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from digest.audience import browsing, growth, topics
from digest.audience.addresses import read_address
from digest.audience.browsing import STANDINGS, Standing
from digest.audience.health import health
from digest.audience.suppression import Suppression, find_suppression
from digest.editors.sessions import Here
from digest.errors import InputError, NotFoundError
from digest.store import Database
from digest.web.desk.access import AsPublisher, DeskForm
from digest.web.desk.account import number_in
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/subscribers")

LINES = 50
"""Readers of a page."""

LATELY = timedelta(weeks=4)

Before = Annotated[int | None, Query(ge=1, le=10**15)]


@router.api_route("/", methods=SEEN)
def everyone(
    request: Request,
    our: Our,
    db: Store,
    now: Now,
    here: AsPublisher,
    standing: Annotated[Standing | Literal[""], Query()] = "",
    topic: Annotated[str, Query(max_length=100)] = "",
    before: Before = None,
) -> Response:
    """The newest of them, or of those who are asked for."""
    found = browsing.newest(db, limit=LINES + 1, now=now, before=before, standing=standing or None, topic=topic or None)
    asked = {name: value for name, value in (("standing", standing), ("topic", topic)) if value}
    older = urlencode({**asked, "before": found[LINES - 1].id}) if len(found) > LINES else ""
    context = {
        "found": found[:LINES],
        "standing": standing,
        "topic": topic,
        "newest": urlencode(asked),
        "older": older,
        "is_first": before is None,
    }
    return _shown(request, our, db, here, context, now=now)


@router.post("/find")
def find(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Find readers by address, name or number. It is posted: no address stands in the address of a page."""
    words = form.text("words", longest=320)
    if not words:
        return done("/desk/subscribers/")
    before = number_in(form, "before") if form.get("before") else None
    barred: Suppression | None = None
    if "@" in words or words.isdigit():
        with suppress(InputError, NotFoundError):
            return done(f"/desk/subscribers/{browsing.subscriber(db, words).id}")
        with suppress(InputError, NotFoundError):
            barred = find_suppression(db, read_address(words).email, now=now)
    found = browsing.newest(db, limit=LINES + 1, now=now, before=before, beginning=words)
    context = {
        "found": found[:LINES],
        "words": words,
        "barred": barred,
        "next": found[LINES - 1].id if len(found) > LINES else None,
        "is_first": before is None,
    }
    return _shown(request, our, db, here, context, now=now)


def _shown(
    request: Request, our: State, db: Database, here: Here, context: dict[str, Any], *, now: datetime
) -> Response:
    known = {
        "words": "",
        "barred": None,
        "older": "",
        "next": None,
        "standing": "",
        "topic": "",
        "health": health(db, now=now),
        "lately": lately(db, now=now),
        "standings": STANDINGS,
        "topics": topics.topics_of(db),
        "topic_names": {one.slug: one.name for one in topics.topics_of(db)},
    }
    return page(request, our, here, "subscribers.html", known | context, now=now)


def lately(db: Database, *, now: datetime) -> dict[str, int]:
    """Count who came and who left in the last four weeks."""
    since = (now - LATELY).date()
    days = [measures for day, measures in growth.days(db).items() if day > since]
    return {measure: sum(one[measure] for one in days) for measure in ("joined", "left")}
