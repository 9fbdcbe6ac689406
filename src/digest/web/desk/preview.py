"""The preview: an issue as readers will see it, in a frame of its own beside the editing (see `framing`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from digest.audience import browsing
from digest.audience.addresses import NAME_LENGTH, read_name
from digest.audience.topics import read_topics, topics_of
from digest.editors.sessions import Here
from digest.errors import InputError
from digest.issue import issues
from digest.issue.archive import MOST, beside
from digest.issue.clients.gmail import CLIPPED, as_gmail
from digest.issue.clients.outlook import as_outlook
from digest.issue.clients.schemes import in_new_tabs, in_scheme, without_pictures
from digest.issue.compose import title
from digest.issue.fit import LIMIT, Fitted, weight
from digest.issue.looking import ANYBODY, Reader, copy_for, version_of
from digest.issue.variants import topics_in
from digest.numbers import several
from digest.store import Database
from digest.web.desk.access import AsEditor, AsPublisher, DeskForm
from digest.web.desk.pages import OWN, done, page, wants_json
from digest.web.framing import document_headers, mail_headers
from digest.web.reading import SEEN
from digest.web.state import Now, Our, State, Store

router = APIRouter()

Client = Literal["", "mail", "gmail", "outlook", "text", "source"]
MADE_UP = "made-up"
_AT = "/desk/issues/{number}/preview"
Number = Annotated[int, Path(ge=1, le=MOST)]
"""The number of an issue."""


@dataclass(frozen=True)
class Asked:
    """What is to be looked at, and how: the query of a preview's address."""

    client: Client
    scheme: Literal["light", "dark"]
    images: Literal["on", "off"]
    reader: str
    name: str
    topics: tuple[str, ...]


def _asked(
    client: Client = "",
    scheme: Literal["light", "dark"] = "light",
    images: Literal["on", "off"] = "on",
    as_: Annotated[str, Query(alias="as", max_length=20)] = "",
    name: Annotated[str, Query(max_length=1_000)] = "",
    topic: Annotated[list[str], Query(max_length=200)] = [],  # noqa: B006 (FastAPI's own way; never changed)
) -> Asked:
    return Asked(client, scheme, images, as_, name, tuple(topic))


Look = Annotated[Asked, Depends(_asked)]


@router.api_route(f"{_AT}/mail", methods=SEEN)
def mail(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number, asked: Look) -> Response:
    """The mail as it is in a reader's window; its text, or its source, where that is asked."""
    reader = _reader(db, here, asked)
    fitted = our.looks.laid_out(db, our.settings, number, reader.topics)
    if fitted is None:
        return _framed(request, our, here, "preview-nothing.html", {"number": number, "reader": reader}, now)
    copy = copy_for(fitted.content, reader)
    if asked.client in ("text", "source"):
        return _framed(request, our, here, f"preview-{asked.client}.html", {"number": number, "copy": copy}, now)
    match asked.client:
        case "gmail":
            html = as_gmail(copy.html)
        case "outlook":
            html = as_outlook(copy.html)
        case _:
            html = in_scheme(copy.html, asked.scheme)
    if asked.images == "off":
        html = without_pictures(html)
    headers = mail_headers(our.settings, pictures=asked.images == "on", reachable=True)
    return Response(in_new_tabs(html), 200, headers, "text/html; charset=utf-8")


@router.api_route(f"{_AT}/text", methods=SEEN)
def text(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number, asked: Look) -> Response:
    """The plain text of the mail."""
    return done(f"{_at(number)}/mail?{_query(request, client='text')}")


@router.api_route(f"{_AT}/source", methods=SEEN)
def source(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number, asked: Look) -> Response:
    """The source of the mail: MJML, and the HTML that is made of it."""
    return done(f"{_at(number)}/mail?{_query(request, client='source')}")


@router.api_route(f"{_AT}/last", methods=SEEN)
def last(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number, asked: Look) -> Response:
    """The issue that went out before this one, to lay beside it."""
    issues.find_issue(db, number)
    before, _ = beside(db, number)
    if before is None:
        return _framed(request, our, here, "preview-nothing.html", {"number": number, "reader": None}, now)
    return done(f"{_at(before)}/mail?{_query(request)}")


@router.api_route(f"{_AT}/facts", methods=SEEN)
def facts(our: Our, db: Store, here: AsEditor, number: Number, asked: Look) -> Response:
    """What stands around the preview: the line of the inbox, the weight, what was made smaller for it."""
    reader = _reader(db, here, asked)
    version = version_of(db, our.settings, number)[0]
    fitted = our.looks.laid_out(db, our.settings, number, reader.topics)
    before, _ = beside(db, number)
    return JSONResponse({"version": version, "before": before, "reader": reader.name, **told_of(fitted)}, headers=OWN)


@router.api_route(f"{_AT}/reader", methods=SEEN)
def choose(request: Request, our: Our, db: Store, now: Now, here: AsEditor, number: Number) -> Response:
    """Whom to look as: a made-up reader, or, for a publisher, a real one; a part of the page, or a page of its own."""
    fitted = our.looks.laid_out(db, our.settings, number)
    mine = topics_in(fitted.draft) if fitted else frozenset()
    topics = sorted(topics_of(db), key=lambda topic: topic.slug not in mine)
    context = {"number": number, "topics": topics, "mine": mine, "part": "hx-request" in request.headers}
    return page(request, our, here, "preview-reader.html", context | {"longest": NAME_LENGTH}, now=now)


@router.post(f"{_AT}/reader")
def find_reader(request: Request, db: Store, here: AsPublisher, number: Number, form: DeskForm) -> Response:
    """Find a real reader by address: posted, so that no log of addresses has it."""
    typed = form.text("email", longest=320)
    if not typed:
        raise InputError("type a reader’s address, or number", field="email")
    found = browsing.subscriber(db, typed)
    if not wants_json(request):
        return done(f"{_at(number)}/mail?as={found.id}")
    names = {topic.slug: topic.name for topic in topics_of(db)}
    said = ", ".join(names.get(topic, topic) for topic in found.topics or ()) or "everything"
    return JSONResponse({"id": found.id, "name": found.name or found.email, "topics": said}, headers=OWN)


def told_of(fitted: Fitted | None) -> dict[str, Any]:
    """Tell what an issue weighs, what its line in an inbox is, and what was made smaller, as JSON has it."""
    if fitted is None:
        return {"inbox": None, "weight": 0, "limit": LIMIT, "clipped": CLIPPED, "words": "no mail", "moved": []}
    content = fitted.content
    heavy = weight(content)
    return {
        "inbox": {
            "from": content.envelope.sender_name,
            "subject": content.subject,
            "preheader": content.preheader,
        },
        "weight": heavy,
        "limit": LIMIT,
        "clipped": CLIPPED,
        "words": weight_words(heavy),
        "moved": [
            {"title": title(move.comparison), "before": move.before, "after": move.after} for move in fitted.moved
        ],
        "moved_words": several(len(fitted.moved), "comparison") + " made smaller" if fitted.moved else "",
    }


def weight_words(heavy: int) -> str:
    """Say what a mail weighs: ``74 KB of 90``."""
    return f"{-(-heavy // 1024)} KB of {LIMIT // 1024}"


def _framed(
    request: Request, our: State, here: Here, template: str, context: Mapping[str, Any], now: datetime
) -> Response:
    """Answer with a document of ours for the frame."""
    return page(request, our, here, template, context, now=now, headers=document_headers(reachable=True))


def _reader(db: Database, here: Here, asked: Asked) -> Reader:
    """Give whose copy is asked for.

    Raises:
        HTTPException: 403, where it is a real reader's and one may not look at readers.
        InputError: there is no such topic, or the name cannot be greeted.
    """
    if asked.reader == MADE_UP:
        name = read_name(asked.name)
        if asked.name.strip() and name is None:
            raise InputError("nobody is greeted so: a name is one line, without links", field="name")
        return Reader(name, read_topics(db, asked.topics))
    if not asked.reader:
        return ANYBODY
    if not here.may("publisher"):
        raise HTTPException(403, "only a publisher looks as a real reader; make one up")
    if not (asked.reader.isascii() and asked.reader.isdigit()):
        raise InputError(f"no reader is called {asked.reader!r}; give a number", field="as")
    found = browsing.subscriber(db, asked.reader)
    return Reader(found.name, found.topics or ())


def _at(number: int) -> str:
    return _AT.format(number=number)


def _query(request: Request, **other: str) -> str:
    return urlencode([*((k, v) for k, v in request.query_params.multi_items() if k not in other), *other.items()])
