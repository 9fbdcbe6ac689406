"""Figures: the catalogue, the audience, sign-ups, letters, and the newest issues."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from digest.audience import figures
from digest.audience.subscribers import count_audience
from digest.catalogue.queries import count_catalogue
from digest.issue import browsing
from digest.issue.model import State
from digest.sending.ledger import tally
from digest.web.api.callers import allowed
from digest.web.api.issues import Tally
from digest.web.api.schema import responses
from digest.web.state import Now, Store

router = APIRouter(tags=["stats"])

ISSUES = 10
"""The newest issues whose copies are counted: counting a million takes a moment."""


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CatalogueFigures(_Shown):
    """How large the catalogue is."""

    tools: int
    reviewers: int
    reviews: int
    comparisons: int


class AudienceFigures(_Shown):
    """How many there are of whom; nobody is counted twice. `active` are those who would be mailed now."""

    active: int
    pending: int
    unsubscribed: int
    suppressed: int


class SignUps(_Shown):
    """How many attempts to sign up ended so in an hour."""

    hour: str = Field(examples=["2026-11-26T09"], description="In UTC.")
    outcome: str
    count: int


class IssueFigures(_Shown):
    """An issue and what became of its copies."""

    number: int
    state: State
    subject: str
    tally: Tally


class Stats(_Shown):
    """Where everything stands."""

    catalogue: CatalogueFigures
    audience: AudienceFigures
    sign_ups: list[SignUps]
    letters: dict[str, dict[str, int]] = Field(description="Letters of the same hours, by kind and state.")
    issues: list[IssueFigures] = Field(description=f"The {ISSUES} newest.")


@router.get(
    "/stats",
    operation_id="getStats",
    summary="Read the figures",
    dependencies=[allowed("stats:read")],
    responses=responses(),
)
def get_stats(
    db: Store,
    now: Now,
    hours: Annotated[int, Query(ge=1, le=24 * 31, description="Sign-ups and letters of how many hours.")] = 24,
) -> Stats:
    """Give counts of everything; nobody is named."""
    return Stats(
        catalogue=CatalogueFigures.model_validate(count_catalogue(db)),
        audience=AudienceFigures.model_validate(count_audience(db)),
        sign_ups=[SignUps.model_validate(vars(each)) for each in figures.sign_ups(db, hours=hours, now=now)],
        letters=figures.letters(db, hours=hours, now=now),
        issues=[
            IssueFigures(
                number=issue.number,
                state=issue.state,
                subject=issue.subject,
                tally=Tally.model_validate(tally(db, issue.number)),
            )
            for issue in browsing.issues(db, limit=ISSUES)
        ],
    )
