"""The suppression list: addresses that must not be mailed, and why."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from digest.audience import browsing
from digest.audience.addresses import read_address
from digest.audience.forgetting import is_forgotten
from digest.audience.suppression import Suppression, add_suppression
from digest.errors import StateError
from digest.programs.answers import Answer
from digest.store import writing
from digest.web.api.bodies import Body, Line, body_of
from digest.web.api.callers import allowed
from digest.web.api.paging import Cursor, Limit, Page, page_of, place_of
from digest.web.api.repeating import Repeatable, answer
from digest.web.api.schema import body, responses
from digest.web.api.subscribers import Email, EmailFilter
from digest.web.state import Now, Store

router = APIRouter(tags=["subscribers"])

Why = Literal["unsubscribed", "hard bounce", "complaint"]


class NewSuppression(Body):
    """An address that must not be mailed from now on."""

    email: Email
    reason: Why
    source: Line | None = Field(default=None, description="Who says so; the token's name where it is left out.")


class SuppressionShown(BaseModel):
    """An address that must not be mailed."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(description="In lower case, its domain in ASCII.")
    reason: Why
    source: str | None
    created_at: str

    @classmethod
    def of(cls, found: Suppression) -> SuppressionShown:
        """Show one."""
        return cls.model_validate(found.as_dict())


@router.get(
    "/suppressions",
    operation_id="listSuppressions",
    summary="List suppressed addresses",
    dependencies=[allowed("subscribers:read")],
    responses=responses(page=True),
)
def list_suppressions(
    request: Request,
    response: Response,
    db: Store,
    limit: Limit = 50,
    cursor: Cursor = None,
    reason: Annotated[Why | None, Query(description="Only those that are on it for this.")] = None,
    email: EmailFilter = None,
) -> Page[SuppressionShown]:
    """Give the list by address. Marks of those who are forgotten are no addresses, and not in it."""
    place = place_of(cursor, str)
    found = browsing.suppressions(db, limit=limit + 1, after=place[0] if place else "", reason=reason, email=email)
    shown = [SuppressionShown.of(each) for each in found]
    return page_of(Page[SuppressionShown], request, response, shown, limit, [(each.email,) for each in found])


@router.post(
    "/suppressions",
    operation_id="suppress",
    summary="Suppress an address",
    dependencies=[allowed("subscribers:write")],
    response_model=SuppressionShown,
    response_description="It was on the list already; it says what is kept.",
    responses=responses(
        400, 415, repeated=True, more={201: {"model": SuppressionShown, "description": "It is on the list now."}}
    ),
    openapi_extra=body("NewSuppression", {"email": "ada@example.org", "reason": "hard bounce"}, NewSuppression),
)
def suppress(
    request: Request,
    db: Store,
    now: Now,
    sent: Annotated[NewSuppression, Depends(body_of(NewSuppression))],
    once: Repeatable,
) -> Response:
    """Put an address on the list, whether anybody has it or not. With `unsubscribed` its subscriber leaves."""

    def work() -> Answer:
        address = read_address(sent.email)
        with writing(db):
            if is_forgotten(db, address.key):
                raise StateError("this address was forgotten: it is not mailed, and nothing is kept about it")
            source = sent.source or f"api: {request.state.caller.name}"
            changed = add_suppression(db, address.email, sent.reason, source=source, now=now)
            [found] = browsing.suppressions(db, limit=1, email=address.email)
        where = f"{request.url.path}?email={found.email}" if changed else None
        return answer(201 if changed else 200, SuppressionShown.of(found), location=where)

    return once(work)
