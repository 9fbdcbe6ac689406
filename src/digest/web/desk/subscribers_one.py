"""One reader: what is known, what happened, and what an editor may do for them. For publishers.

The number stands in the page's address, and the reader's own address never.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import groupby
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from digest import times
from digest.audience import browsing, preferences, topics
from digest.audience.preferences import WEEKS, find_preferences, kept_about
from digest.editors import looking_after
from digest.editors.sessions import Here
from digest.errors import InputError, StateError
from digest.sentences import sentence
from digest.store import Database
from digest.tracking.timeline import Moment, Timeline, timeline
from digest.web import exports
from digest.web.desk.access import AsPublisher, DeskForm
from digest.web.desk.pages import done, page
from digest.web.exports import Form
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/subscribers")

Id = Annotated[int, Path(ge=1, le=10**15)]
Act = Literal["leave", "again", "suppress", "lift", "forget"]


@router.api_route("/{number:int}.{form}", methods=SEEN)
def taken_along(db: Store, here: AsPublisher, number: Id, form: Form) -> Response:
    """All that is kept about a reader, as JSON; or what happened, as CSV."""
    found = kept_about(db, number)
    if form == "json":
        return exports.whole(f"subscriber-{number}", found)
    return exports.answer(f"subscriber-{number}", form, timeline(db, found["subscription"]["email"]).moments, Moment)


@router.api_route("/{number:int}", methods=SEEN)
def one(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, number: Id) -> Response:
    """The page of a reader."""
    return _one(request, our, db, now, here, number)


@router.post("/{number:int}")
def change(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, number: Id, form: DeskForm) -> Response:
    """Change name, time zone, topics and pause."""
    try:
        fields: dict[str, Any] = {
            "name": form.text("name", longest=200) or None,
            "timezone": form.text("timezone", longest=100) or None,
            "topics": form.all_of("topics"),
        }
        weeks = form.text("pause", longest=4)
        if weeks not in ("", "keep"):
            if weeks not in map(str, (0, *WEEKS)):
                raise InputError("choose for how many weeks", field="pause")
            fields["paused_until"] = now + timedelta(weeks=int(weeks)) if weeks != "0" else None
        looking_after.change(db, number, fields, by=here.by, now=now)
    except InputError as error:
        context = {
            "problem": {error.field or "name": _sentence(error)},
            "typed": {"name": form.get("name", "")[:200], "timezone": form.get("timezone", "")[:100]},
        }
        return _one(request, our, db, now, here, number, context, status=422)
    return done(f"/desk/subscribers/{number}?done=changed")


@router.post("/{number:int}/confirm")
def confirm(our: Our, db: Store, now: Now, here: AsPublisher, number: Id) -> Response:
    """Mail the letter to confirm once more."""
    went = looking_after.confirm_again(db, our.settings, number, by=here.by, now=now)
    return done(f"/desk/subscribers/{number}?done={'asked' if went else 'enough'}")


@router.api_route("/{number:int}/{act}", methods=SEEN)
def ask(request: Request, our: Our, db: Store, now: Now, here: AsPublisher, number: Id, act: Act) -> Response:
    """Ask whether something is to be done that one does not do by accident."""
    return _ask(request, our, db, now, here, number, act)


@router.post("/{number:int}/{act}")
def do(
    request: Request, our: Our, db: Store, now: Now, here: AsPublisher, number: Id, act: Act, form: DeskForm
) -> Response:
    """Do it."""
    reader = browsing.subscriber(db, str(number))
    acts: dict[Act, Callable[[], object]] = {
        "leave": lambda: looking_after.unsubscribe(
            db, number, goodbye=our.settings.goodbye_letter, by=here.by, now=now
        ),
        "again": lambda: looking_after.subscribe_again(
            db, number, form.text("agreed", longest=looking_after.WORDS), by=here.by, now=now
        ),
        "suppress": lambda: looking_after.suppress(
            db, reader.email, form.text("reason", longest=40), by=here.by, now=now
        ),
        "lift": lambda: looking_after.lift(db, reader.email, sure="sure" in form, by=here.by, now=now),
        "forget": lambda: looking_after.forget(db, number, form.text("email", longest=320), by=here.by, now=now),
    }
    try:
        acts[act]()
    except (InputError, StateError) as error:
        context = {"problem": _sentence(error), "agreed": form.get("agreed", "")[:1000]}
        status = 422 if isinstance(error, InputError) else 409
        return _ask(request, our, db, now, here, number, act, context, status=status)
    return done("/desk/subscribers/?done=forgotten" if act == "forget" else f"/desk/subscribers/{number}?done={act}")


def _sentence(error: InputError | StateError) -> str:
    said = error.message if isinstance(error, InputError) else str(error)
    return sentence(said)


def _one(
    request: Request,
    our: State,
    db: Database,
    now: Now,
    here: Here,
    number: int,
    context: dict[str, Any] | None = None,
    *,
    status: int = 200,
) -> Response:
    reader = browsing.subscriber(db, str(number))
    chosen = find_preferences(db, number, now=now)
    told = timeline(db, reader.email)
    known = {
        "reader": reader,
        "chosen": chosen,
        "kept": kept_about(db, number),
        "told": told,
        "days": _by_day(told, our),
        "clock": lambda at: f"{times.from_text(at).astimezone(our.settings.zone):%H:%M}",
        "topics": topics.topics_of(db),
        "zones": preferences.zones(),
        "weeks": WEEKS,
        "problem": {},
        "typed": {"name": reader.name or "", "timezone": reader.timezone or ""},
    }
    return page(request, our, here, "subscriber.html", known | (context or {}), now=now, status=status)


def _ask(
    request: Request,
    our: State,
    db: Database,
    now: Now,
    here: Here,
    number: int,
    act: Act,
    context: dict[str, Any] | None = None,
    *,
    status: int = 200,
) -> Response:
    known = {"reader": browsing.subscriber(db, str(number)), "act": act, "problem": "", "agreed": ""}
    return page(request, our, here, "subscriber-ask.html", known | (context or {}), now=now, status=status)


def _by_day(found: Timeline, our: State) -> list[tuple[str, list[Moment]]]:
    """Put moments under their days in the newsletter's zone, the newest first throughout."""

    def day(moment: Moment) -> str:
        local = times.from_text(moment.at).astimezone(our.settings.zone)
        return f"{local:%A}, {local.day} {local:%B %Y}"

    return [(name, list(moments)) for name, moments in groupby(found.moments, day)]
