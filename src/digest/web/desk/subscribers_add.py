"""Adding one reader: asked by letter, or active where an editor says what they agreed to. For publishers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.audience import topics
from digest.audience.addresses import read_address, read_name
from digest.audience.signing_up import Wish
from digest.editors import looking_after
from digest.editors.sessions import Here
from digest.errors import InputError, StateError
from digest.sentences import sentence
from digest.store import Database
from digest.web.desk.access import AsPublisher, DeskForm
from digest.web.desk.pages import done, page
from digest.web.forms import Form
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/subscribers")


@router.api_route("/add", methods=SEEN)
def blank(request: Request, our: Our, db: Store, now: Now, here: AsPublisher) -> Response:
    """The form."""
    return _shown(request, our, db, here, now=now)


@router.post("/add")
def add(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, form: DeskForm) -> Response:
    """Add a reader."""
    typed = {
        "email": form.get("email", "")[:320],
        "name": form.get("name", "")[:200],
        "agreed": form.get("agreed", "")[: looking_after.WORDS],
        "how": form.get("how", "")[:10],
        "topics": form.all_of("topics"),
    }
    try:
        wish, agreed = _read(db, form)
        number, became = looking_after.add(db, our.settings, wish, agreed, by=here.by, now=now)
    except (InputError, StateError) as error:
        words = error.message if isinstance(error, InputError) else str(error)
        field = (error.field if isinstance(error, InputError) else None) or "email"
        context = {"typed": typed, "problem": {field: sentence(words)}}
        status = 422 if isinstance(error, InputError) else 409
        return _shown(request, our, db, here, context, now=now, status=status)
    return done(f"/desk/subscribers/{number}?done={became}")


def _read(db: Database, form: Form) -> tuple[Wish, str]:
    email, name, how = form.text("email", longest=320), form.text("name", longest=200), form.text("how", longest=10)
    if not email:
        raise InputError("please type an address", field="email")
    address, clean = read_address(email), read_name(name)
    if name and clean is None:
        raise InputError("we cannot greet with this: a name is at most 100 characters, without links", field="name")
    if how not in ("ask", "agreed"):
        raise InputError("choose one of the two", field="how")
    agreed = form.text("agreed", longest=looking_after.WORDS) if how == "agreed" else ""
    if how == "agreed" and not agreed:
        raise InputError("say where and how they agreed; it is kept as their consent", field="agreed")
    return Wish(address, clean, None, topics.read_topics(db, form.all_of("topics"))), agreed


def _shown(
    request: Request,
    our: State,
    db: Database,
    here: Here,
    context: dict[str, Any] | None = None,
    *,
    now: datetime,
    status: int = 200,
) -> Response:
    known = {
        "topics": topics.topics_of(db),
        "typed": {"email": "", "name": "", "agreed": "", "how": "ask", "topics": []},
        "problem": {},
    }
    return page(request, our, here, "subscriber-add.html", known | (context or {}), now=now, status=status)
