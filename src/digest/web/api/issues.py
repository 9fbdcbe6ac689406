"""Issues, and what became of their copies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from digest.errors import NotFoundError
from digest.issue import browsing
from digest.issue.browsing import Listed
from digest.issue.issues import find_issue
from digest.issue.model import Form, State
from digest.issue.subject_records import shown_words
from digest.sending import deliveries
from digest.sending.deliveries import State as DeliveryState
from digest.sending.ledger import tally
from digest.store import Database
from digest.tracking.reports import IssueReport, issue_report
from digest.web.api.callers import allowed
from digest.web.api.paging import Cursor, Limit, Page, page_of, place_of
from digest.web.api.schema import responses
from digest.web.state import Our, Store

router = APIRouter(tags=["issues"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The issue's number.", examples=[12])]


class Tally(BaseModel):
    """How many copies are in which state; `audience` is their sum."""

    model_config = ConfigDict(extra="forbid")

    audience: int
    queued: int
    claimed: int
    accepted: int
    rejected: int
    uncertain: int
    skipped: int


class IssueListed(BaseModel):
    """An issue in a list."""

    model_config = ConfigDict(extra="forbid")

    number: int
    state: State
    subject: str
    comparisons: int = Field(description="How many are in it.")
    cutoff: str = Field(description="The date it carries.")
    scheduled_at: str | None
    approved_at: str | None
    sending_at: str | None = Field(description="When its audience was frozen.")
    sent_at: str | None
    cancelled_at: str | None
    trouble: str | None = Field(description="Why sending was paused, where no person did it.")


class PlacedShown(BaseModel):
    """A comparison in an issue."""

    model_config = ConfigDict(extra="forbid")

    slug: str
    title: str
    form: Form
    updated: bool = Field(description="It was mailed before, and is back because it changed.")


class IssueShown(IssueListed):
    """An issue."""

    preheader: str
    intro: str
    content_hash: str | None = Field(description="Of all that approval froze; null before.")
    page: str | None = Field(description="Where readers find it; null before it is mailed.")
    contents: list[PlacedShown] = Field(description="Its comparisons, also those that were left out.")
    tally: Tally


class DeliveryShown(BaseModel):
    """What became of one copy."""

    model_config = ConfigDict(extra="forbid")

    subscriber: int
    email: str | None = Field(description="Null where its reader is forgotten.")
    state: DeliveryState
    reason: str | None = Field(description="Why it was rejected or skipped.")
    provider: str | None = Field(description="To whom it was handed over last.")


@router.get(
    "/issues",
    operation_id="listIssues",
    summary="List issues",
    dependencies=[allowed("issues:read")],
    responses=responses(page=True),
)
def list_issues(
    request: Request,
    response: Response,
    db: Store,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
) -> Page[IssueListed]:
    """Give issues, the newest first."""
    place = place_of(cursor, int)
    found = browsing.issues(db, limit=limit + 1, before=place[0] if place else None, state=state)
    shown = [IssueListed.model_validate(vars(each)) for each in found]
    return page_of(Page[IssueListed], request, response, shown, limit, [(each.number,) for each in found])


@router.get(
    "/issues/{number}",
    operation_id="getIssue",
    summary="Read an issue",
    dependencies=[allowed("issues:read")],
    responses=responses(404),
)
def get_issue(our: Our, db: Store, number: Number) -> IssueShown:
    """Give an issue with its comparisons, and how many of its copies are in which state."""
    listed = _listed(db, number)
    issue = find_issue(db, number)
    page = f"{our.settings.base_url}/issues/{number}" if listed.sending_at and listed.state != "cancelled" else None
    return IssueShown(
        **vars(listed),
        preheader=shown_words(db, number)[1],
        intro=issue.intro,
        content_hash=issue.content_hash,
        page=page,
        contents=[PlacedShown.model_validate(vars(each)) for each in browsing.placed(db, number)],
        tally=Tally.model_validate(tally(db, number)),
    )


@router.get(
    "/issues/{number}/report",
    operation_id="getIssueReport",
    summary="Read what became of an issue",
    dependencies=[allowed("stats:read")],
    responses=responses(404, 409),
)
def get_report(our: Our, db: Store, number: Number) -> IssueReport:
    """Give the report on an issue that was, or is being, sent; nobody is named.

    Rates are from 0 to 1, each with its count and what it is of. Where nobody told of a delivery, `delivered` is null.
    """
    return issue_report(db, our.settings, number)


@router.get(
    "/issues/{number}/deliveries",
    operation_id="listDeliveries",
    summary="List what became of an issue's copies",
    dependencies=[allowed("issues:read", "subscribers:read")],
    responses=responses(404, page=True),
)
def list_deliveries(
    request: Request,
    response: Response,
    db: Store,
    number: Number,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[DeliveryState | None, Query(description="Only those in this state.")] = None,
) -> Page[DeliveryShown]:
    """Give the deliveries of an issue by their subscribers' numbers. They name readers: both scopes are needed."""
    place = place_of(cursor, int)
    _listed(db, number)
    found = deliveries.find_deliveries(db, number, limit=limit + 1, after=place[0] if place else 0, state=state)
    shown = [DeliveryShown.model_validate(vars(each)) for each in found]
    return page_of(Page[DeliveryShown], request, response, shown, limit, [(each.subscriber,) for each in found])


def _listed(db: Database, number: int) -> Listed:
    found = browsing.issues(db, limit=1, before=number + 1)
    if not found or found[0].number != number:
        raise NotFoundError(f"there is no issue {number}")
    return found[0]
