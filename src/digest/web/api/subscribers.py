"""Subscribers: list, add, change, unsubscribe, forget."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from digest.audience import adding, browsing, forgetting
from digest.audience.addresses import NAME_LENGTH, read_address, read_name, read_timezone
from digest.audience.browsing import Listed
from digest.audience.leaving import leave
from digest.audience.signing_up import Wish
from digest.audience.subscribers import Reason, State
from digest.audience.topics import MOST, read_topics
from digest.errors import InputError
from digest.programs.answers import Answer
from digest.store import writing
from digest.web.api.bodies import Body, Line, Moment, Text, body_of
from digest.web.api.callers import allowed
from digest.web.api.paging import Cursor, Limit, Page, page_of, place_of
from digest.web.api.problems import invalid
from digest.web.api.repeating import Repeatable, answer
from digest.web.api.schema import body, responses
from digest.web.state import Now, Our, Store

router = APIRouter(tags=["subscribers"])

Which = Annotated[
    str,
    Path(
        max_length=320,
        pattern=r"^([1-9][0-9]{0,17}|[^@/\x00-\x20\x7f]+@[^@/\x00-\x20\x7f]+)$",
        description="The subscriber's number or address. One with a / in it is found by number.",
        examples=["ada@example.org"],
    ),
]
Email = Annotated[
    str, Field(min_length=3, max_length=320, examples=["ada@example.org"], json_schema_extra={"format": "email"})
]
EmailFilter = Annotated[
    str | None, Query(min_length=3, max_length=320, description="Only this address, however it is spelled.")
]
Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH, description="A name to greet with; no links.")]
Zone = Annotated[str, Field(min_length=1, max_length=64, description="An IANA name.", examples=["Europe/Berlin"])]
Topic = Annotated[str, Field(min_length=1, max_length=100)]
Topics = Annotated[
    list[Topic],
    Field(max_length=MOST, description="Slugs of categories; none are all.", examples=[["code-assistants"]]),
]


class ConsentBody(Body):
    """What a reader agreed to elsewhere, as it must be shown when somebody asks (GDPR, article 7.1)."""

    source: Line = Field(description="Where: a page, a form, a shop.")
    words: Text = Field(description="What they agreed to, as it stood there.")
    at: Moment = Field(description="When.")


class NewSubscriber(Body):
    """Somebody to add."""

    email: Email
    name: Name | None = None
    timezone: Zone | None = None
    topics: Topics | None = None
    confirmed: bool = Field(
        default=False, description="They confirmed their address elsewhere; without it they are asked by letter."
    )
    consent: ConsentBody | None = Field(default=None, description="Needed with `confirmed`, and only with it.")


class SubscriberChange(Body):
    """What to change; what is left out stays, null takes the choice away."""

    name: Name | None = None
    timezone: Zone | None = None
    topics: Topics | None = None
    paused_until: Moment | None = None


class SubscriberShown(BaseModel):
    """Someone who gets, got or asked for the newsletter."""

    model_config = ConfigDict(extra="forbid")

    id: int
    email: str
    name: str | None
    state: State
    suppressed: Reason | None = Field(description="Why the address must not be mailed, whatever the state.")
    topics: list[str] | None = Field(description="Null for everything.")
    timezone: str | None
    paused_until: str | None
    source: str
    created_at: str
    updated_at: str
    confirmed_at: str | None

    @classmethod
    def of(cls, found: Listed) -> SubscriberShown:
        """Show a subscriber."""
        return cls.model_validate(vars(found) | {"topics": None if found.topics is None else list(found.topics)})


class Added(BaseModel):
    """What became of adding somebody."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["added", "asked", "waiting", "known"] = Field(
        description=(
            "`added`: active now. `asked`: a letter with a button goes to them. `waiting`: such letters went already,"
            " and none goes now. `known`: they were active already, and nothing changed."
        )
    )
    subscriber: SubscriberShown


@router.get(
    "/subscribers",
    operation_id="listSubscribers",
    summary="List subscribers",
    dependencies=[allowed("subscribers:read")],
    responses=responses(page=True),
)
def list_subscribers(
    request: Request,
    response: Response,
    db: Store,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    email: EmailFilter = None,
) -> Page[SubscriberShown]:
    """Give subscribers in the order they came; those who are forgotten are not among them."""
    place = place_of(cursor, int)
    found = browsing.subscribers(db, limit=limit + 1, after=place[0] if place else 0, state=state, email=email)
    return page_of(
        Page[SubscriberShown],
        request,
        response,
        [SubscriberShown.of(each) for each in found],
        limit,
        [(e.id,) for e in found],
    )


_ADDED = {"model": Added}


@router.post(
    "/subscribers",
    operation_id="addSubscriber",
    summary="Add a subscriber",
    dependencies=[allowed("subscribers:write")],
    response_model=Added,
    response_description="Known already: nothing changed.",
    responses=responses(
        400,
        415,
        repeated=True,
        more={
            201: {**_ADDED, "description": "Added: active now."},
            202: {**_ADDED, "description": "Asked by letter, now or before; active once they press its button."},
        },
    ),
    openapi_extra=body(
        "NewSubscriber",
        {
            "email": "ada@example.org",
            "name": "Ada",
            "confirmed": True,
            "consent": {
                "source": "https://shop.example.org/checkout",
                "words": "Yes, send me the weekly verdicts.",
                "at": "2026-11-26T09:00:00Z",
            },
        },
        NewSubscriber,
    ),
)
def add_subscriber(
    request: Request,
    our: Our,
    db: Store,
    now: Now,
    sent: Annotated[NewSubscriber, Depends(body_of(NewSubscriber))],
    once: Repeatable,
) -> Response:
    """Add somebody: by double opt-in, a letter with a button; or at once with `confirmed` and the consent they gave.

    Nobody who left, is suppressed or was forgotten is brought back by this: 409.
    """
    if sent.confirmed != (sent.consent is not None):
        raise invalid("consent", "it goes with confirmed: true, and confirmed: true goes with it")
    if sent.consent and sent.consent.at > now:
        raise invalid("consent.at", "it is not yet that time")
    told = sent.consent
    consent = adding.Consent(told.source, told.words, told.at) if told else None

    def work() -> Answer:
        address = read_address(sent.email)
        topics = read_topics(db, sent.topics or ())
        wish = Wish(address, _name(sent.name), _zone(sent.timezone), topics)
        with writing(db):
            became = adding.add(db, our.settings, wish, consent, source=f"api: {request.state.caller.name}", now=now)
            found = browsing.subscriber(db, address.key)
        status = {"added": 201, "asked": 202, "waiting": 202, "known": 200}[became]
        where = f"{request.url.path}/{found.id}" if status == 201 else None
        return answer(status, Added(outcome=became, subscriber=SubscriberShown.of(found)), location=where)

    return once(work)


@router.get(
    "/subscribers/{subscriber}",
    operation_id="getSubscriber",
    summary="Read a subscriber",
    dependencies=[allowed("subscribers:read")],
    responses=responses(404),
)
def get_subscriber(db: Store, subscriber: Which) -> SubscriberShown:
    """Give one subscriber."""
    return SubscriberShown.of(browsing.subscriber(db, subscriber))


@router.patch(
    "/subscribers/{subscriber}",
    operation_id="changeSubscriber",
    summary="Change a subscriber",
    dependencies=[allowed("subscribers:write")],
    responses=responses(400, 404, 415),
    openapi_extra=body("SubscriberChange", {"topics": ["code-assistants"], "paused_until": None}, SubscriberChange),
)
def change_subscriber(
    db: Store,
    now: Now,
    subscriber: Which,
    sent: Annotated[SubscriberChange, Depends(body_of(SubscriberChange))],
) -> SubscriberShown:
    """Change name, time zone, topics or pause. An address is changed by its reader, who confirms the new one."""
    with writing(db):
        known = browsing.subscriber(db, subscriber)
        adding.change(db, known.id, {name: getattr(sent, name) for name in sent.model_fields_set}, now=now)
        return SubscriberShown.of(browsing.subscriber(db, str(known.id)))


@router.delete(
    "/subscribers/{subscriber}",
    operation_id="unsubscribe",
    summary="Unsubscribe somebody",
    dependencies=[allowed("subscribers:write")],
    responses=responses(404),
)
def unsubscribe(db: Store, now: Now, subscriber: Which) -> SubscriberShown:
    """Unsubscribe somebody, who is out of the very next batch; no import brings them back. Again changes nothing."""
    with writing(db):
        known = browsing.subscriber(db, subscriber)
        leave(db, known.id, way="api", now=now)
        return SubscriberShown.of(browsing.subscriber(db, str(known.id)))


@router.post(
    "/subscribers/{subscriber}/forget",
    operation_id="forgetSubscriber",
    summary="Forget somebody",
    dependencies=[allowed("subscribers:write")],
    status_code=204,
    response_description="Forgotten.",
    responses=responses(404, repeated=True, more={204: {"description": "Forgotten."}}),
)
def forget_subscriber(db: Store, now: Now, subscriber: Which, once: Repeatable) -> Response:
    """Erase what is kept about somebody. A one-way mark stays, so that no import brings the address back."""

    def work() -> Answer:
        with writing(db):
            forgetting.forget(db, browsing.subscriber(db, subscriber).id, now=now)
        return answer(204, None)

    return once(work)


def _name(given: str | None) -> str | None:
    name = read_name(given)
    if given and name is None:
        raise InputError("it is nothing we would greet with: one line without links", field="name")
    return name


def _zone(given: str | None) -> str | None:
    zone = read_timezone(given)
    if given and zone is None:
        raise InputError("no time zone is called so; write it like Europe/Berlin", field="timezone")
    return zone
