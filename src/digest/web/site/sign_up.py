"""Signing up: the page, the form that stands on every page, and the same for scripts.

All ways lead through `sign_up`, and all are asked the same by the guards. What is answered does not depend on whether
the address is known. A form asks for a page and gets ``303`` to “check your inbox”; who sends ``Accept:
application/json`` gets ``202``, or a problem (RFC 9457).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from digest.audience import brake, signing_up
from digest.audience.addresses import read_address, read_name, read_timezone
from digest.audience.consents import Witness
from digest.audience.topics import read_topics, topics_of
from digest.errors import InputError
from digest.sentences import capital
from digest.store import Database
from digest.web.abuse import origins
from digest.web.abuse.sign_ups import TRAP, Refused
from digest.web.forms import Form, read_form
from digest.web.json_bodies import read_json
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter()

SENT = "Check your inbox: press the button in the letter we sent, and you are in."
WRITE_DOWN_EVERY = timedelta(seconds=5)
HEAD_START = timedelta(seconds=1)
"""By how much the moment of the page that asks for one press more is set back: a person presses at once."""


@dataclass(frozen=True)
class Asking:
    """One attempt: what was typed, where it came from, and whether a page or JSON is the answer."""

    request: Request
    form: Form
    origin: origins.Origin
    wants_json: bool


@router.api_route("/sign-up", methods=SEEN)
def page(request: Request, our: Our, db: Store, now: Now) -> Response:
    """The form alone, with name and topics."""
    return _page(request, our, db, now)


@router.api_route("/sign-up/sent", methods=SEEN)
def sent(request: Request, our: Our, now: Now) -> Response:
    """What comes after the form: look into your inbox."""
    return our.pages.page(request, "signed-up.html", now=now)


@router.get("/sign-up/challenge")
def challenge(request: Request, our: Our, now: Now) -> Response:
    """What a script needs before it signs somebody up: a moment, and a riddle (or null where none is wanted)."""
    origin = origins.of(request, our.settings)
    made = {"moment": _moment(our, now), "challenge": our.sign_ups.challenge(now) if origin.allowed else None}
    return JSONResponse(made, headers={"Cache-Control": "no-store", **origin.headers})


@router.options("/sign-up")
@router.options("/sign-up/challenge")
def preflight(request: Request, our: Our) -> Response:
    """Tell a browser what a page of another site may ask (https://fetch.spec.whatwg.org/#http-cors-protocol)."""
    return Response(None, 204, origins.of(request, our.settings).preflight_headers)


async def _body(request: Request) -> Form | InputError:
    """Read a form, or JSON; give what is wrong with it, for that is answered in two ways, too."""
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    try:
        return await (read_json if is_json else read_form)(request)
    except InputError as error:
        return error


@router.post("/sign-up")
async def sign_up(
    request: Request, form: Annotated[Form | InputError, Depends(_body)], our: Our, db: Store, now: Now
) -> Response:
    """Take a sign-up, from the form, from a form on another site, or as JSON.

    The body is read first: who sends it slowly holds no connection to the store meanwhile.
    """
    origin = origins.of(request, our.settings)
    wants_json = "application/json" in request.headers.get("accept", "")
    if isinstance(form, InputError):
        our.sign_ups.note("invalid")
        if not wants_json:
            raise form
        return _problem(origin, 400, str(form))
    asking = Asking(request, form, origin, wants_json)
    try:
        return await _sign_up(asking, our, db, now)
    except InputError as error:
        return await run_in_threadpool(_wrong, asking, our, db, now, error)
    finally:
        await run_in_threadpool(our.sign_ups.write_down, db, now, every=WRITE_DOWN_EVERY)


async def _sign_up(asking: Asking, our: State, db: Database, now: datetime) -> Response:
    guards, form = our.sign_ups, asking.form
    if form.get(TRAP):
        guards.note("trap")
        return _sent(asking)
    if not asking.origin.allowed:
        guards.note("foreign")
        words = "This form was sent from a site we do not know. You can sign up here."
        return await run_in_threadpool(_refused, asking, our, db, now, 403, words)
    try:
        wish = await run_in_threadpool(_read, form, db)
    except InputError:
        guards.note("invalid")
        raise
    if (doubt := guards.doubt(form.text("moment"), now)) is not None:
        return _again(asking, our, now, doubt)
    client = asking.request.client.host if asking.request.client else ""
    proven = guards.is_proven(form.text("altcha", longest=5_000), now)
    if (wait := guards.wait_of(client, proven=proven, now=now)) is not None:
        guards.note("network")
        words = f"There were very many sign-ups from your network. Please try again in {_minutes(wait)}."
        return await run_in_threadpool(_refused, asking, our, db, now, 429, words, wait)
    await guards.refuse_hopeless(wish.address, now)
    witness = Witness(asking.origin.source(form.get("from", "")), client, asking.request.headers.get("user-agent", ""))
    counts = guards.take_counts()
    try:
        await run_in_threadpool(signing_up.ask, db, our.settings, wish, witness, now=now, proven=proven, counts=counts)
    except BaseException as error:
        guards.give_back(counts)
        if not isinstance(error, brake.BrakeError):
            raise
        guards.note("brake")
        words = "So many people are signing up that we cannot write to them all today. Please come back tomorrow."
        return await run_in_threadpool(_refused, asking, our, db, now, 503, words, brake.HOUR)
    return _sent(asking)


def _read(form: Form, db: Database) -> signing_up.Wish:
    """Read what is asked for.

    Raises:
        InputError: naming the field.
    """
    email = form.text("email")
    if not email:
        raise InputError("please type your address", field="email")
    address = read_address(email)
    name = form.text("name")
    if name and read_name(name) is None:
        raise InputError("a name has at most 100 characters, and no links, brackets or @ in it", field="name")
    topics = read_topics(db, form.all_of("topics"))
    # The zone comes from the browser, unseen: one that we do not know is nothing a person could mend.
    return signing_up.Wish(address, read_name(name), read_timezone(form.text("timezone")), topics)


# Answers -------------------------------------------------------------------------------------------------------------


def _sent(asking: Asking) -> Response:
    if asking.wants_json:
        return JSONResponse({"status": "sent", "message": SENT}, 202, asking.origin.headers)
    return RedirectResponse("/sign-up/sent", 303)


def _again(asking: Asking, our: State, now: datetime, doubt: Refused) -> Response:
    """Ask for one press more, with a fresh moment: no error of a person's."""
    our.sign_ups.note(doubt)
    if asking.wants_json:
        words = "Please send it once more, with this moment, two seconds from now."
        return _problem(asking.origin, 409, words, kind="moment", moment=_moment(our, now))
    context = {"values": _values(asking), "moment": _moment(our, now - HEAD_START)}
    return our.pages.page(asking.request, "sign-up-again.html", context, now=now)


def _refused(
    asking: Asking, our: State, db: Database, now: datetime, status: int, words: str, wait: timedelta | None = None
) -> Response:
    """Refuse an attempt, with what was typed still in the form."""
    headers = {"Retry-After": str(max(1, round(wait.total_seconds())))} if wait is not None else {}
    if asking.wants_json:
        return _problem(asking.origin, status, words, headers=headers)
    problem = {"field": None, "words": words}
    return _page(asking.request, our, db, now, _values(asking), problem, status, headers)


def _wrong(asking: Asking, our: State, db: Database, now: datetime, error: InputError) -> Response:
    """Show the form once more, with what is wrong beside its field."""
    words = capital(error.message)
    if asking.wants_json:
        return _problem(asking.origin, 422, words, field=error.field)
    problem = {"field": error.field if error.field in ("email", "name", "topics") else None, "words": words}
    return _page(asking.request, our, db, now, _values(asking), problem, 422)


def _page(
    request: Request,
    our: State,
    db: Database,
    now: datetime,
    values: Mapping[str, Any] | None = None,
    problem: Mapping[str, Any] | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    context = {"values": values or {}, "problem": problem, "topics": topics_of(db), "heading": "", "words": ""}
    return our.pages.page(request, "sign-up-page.html", context, now=now, status=status, headers=headers)


def _problem(
    origin: origins.Origin,
    status: int,
    words: str,
    *,
    kind: str = "about:blank",
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    body = {"type": kind, "status": status, "title": words, **{name: value for name, value in more.items() if value}}
    return JSONResponse(body, status, {**origin.headers, **(headers or {})}, "application/problem+json")


def _values(asking: Asking) -> dict[str, Any]:
    """Give what was typed, to be shown in the form once more: cut, for the form has room for so much only."""
    form = asking.form
    return {
        "email": form.get("email", "").strip()[:254],
        "name": form.get("name", "").strip()[:100],
        "timezone": form.get("timezone", "")[:100],
        "topics": [topic[:100] for topic in form.all_of("topics")],
        "from": asking.origin.foreign or form.get("from", "")[:200],
    }


def _moment(our: State, now: datetime) -> str:
    return our.signers.links.sign("form", int(now.timestamp()), secrets.randbits(32))


def _minutes(span: timedelta) -> str:
    minutes = max(1, round(span.total_seconds() / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
