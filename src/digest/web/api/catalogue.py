"""Comparisons and tools: read a page at a time, put in one by one or many at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from digest import times
from digest.catalogue import browsing
from digest.catalogue.file_import import FileReport
from digest.catalogue.model import Comparison, Entry, Tool, Verdict
from digest.catalogue.records import Kind
from digest.catalogue.upserting import put_comparison, put_document
from digest.programs.answers import Answer
from digest.web.api.bodies import read_json
from digest.web.api.callers import allowed
from digest.web.api.paging import Cursor, Limit, Page, page_of, place_of
from digest.web.api.repeating import Repeatable, answer
from digest.web.api.schema import body, responses
from digest.web.state import Now, Our, State, Store

router = APIRouter(tags=["catalogue"])

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Slug = Annotated[str, Path(max_length=200, pattern=SLUG, description="Its name in addresses.", examples=["my-tool-2"])]
Json = Annotated[dict[str, Any], Depends(read_json)]


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReviewShown(_Shown):
    """One reviewer's verdict and quote."""

    reviewer: str = Field(description="The reviewer's slug.")
    name: str
    verdict: Verdict | None = Field(description="Null where it is not stated.")
    quote: str


class VotesShown(_Shown):
    """How readers voted."""

    ship: int
    skip: int


class ToolShown(_Shown):
    """A product under review, with its reviews in the panel's order."""

    slug: str
    name: str
    tagline: str | None
    category: str | None
    description: str | None
    entry: Entry | None
    url: str | None
    panel_ship: int | None = Field(description="The share of the panel's stated verdicts that are ship, in percent.")
    community: int | None = Field(description="The share of readers' votes that are ship, in percent.")
    votes: VotesShown
    reviews: list[ReviewShown]

    @classmethod
    def of(cls, tool: Tool) -> ToolShown:
        """Show a tool."""
        return cls(
            slug=tool.slug,
            name=tool.name,
            tagline=tool.tagline,
            category=tool.category,
            description=tool.description,
            entry=tool.entry,
            url=tool.url,
            panel_ship=tool.panel_ship,
            community=tool.community,
            votes=VotesShown(ship=tool.votes.ship, skip=tool.votes.skip),
            reviews=[
                ReviewShown(reviewer=r.reviewer.slug, name=r.reviewer.name, verdict=r.verdict, quote=r.quote)
                for r in tool.reviews
            ],
        )


class ToolListed(_Shown):
    """A tool in a list."""

    slug: str
    name: str
    tagline: str | None
    category: str | None
    entry: Entry | None


class Side(_Shown):
    """A tool of a comparison in a list."""

    slug: str
    name: str


class ComparisonListed(_Shown):
    """A comparison in a list."""

    slug: str
    title: str
    page: str = Field(description="The address of its page.")
    published_at: str
    public: bool = Field(description="Whether readers may see it by now.")
    left: Side
    right: Side


class ComparisonShown(_Shown):
    """A dated pairing of two tools."""

    slug: str
    title: str
    page: str = Field(description="The address of its page.")
    published_at: str
    public: bool = Field(description="Whether readers may see it by now.")
    left: ToolShown
    right: ToolShown


class Changed(_Shown):
    """What happened to one thing of the catalogue."""

    kind: Kind
    name: str
    outcome: Literal["added", "updated"]
    fields: list[str] = Field(description="Those that got another value.")


class Imported(_Shown):
    """What became of what was sent: how many of each kind, and what changed."""

    added: dict[str, int]
    updated: dict[str, int]
    unchanged: dict[str, int]
    changes: list[Changed]
    notes: list[str] = Field(description="What was taken to mean something else than it says.")
    dry_run: bool

    @classmethod
    def of(cls, report: FileReport, *, dry_run: bool = False) -> Imported:
        """Show a report."""
        return cls(
            added=report.count("added"),
            updated=report.count("updated"),
            unchanged=report.count("unchanged"),
            changes=[
                Changed(kind=change.kind, name=change.name, outcome=change.outcome, fields=list(change.fields))
                for change in report.changes
                if change.outcome != "unchanged"
            ],
            notes=report.notes,
            dry_run=dry_run,
        )


@router.get(
    "/comparisons",
    operation_id="listComparisons",
    summary="List comparisons",
    dependencies=[allowed("comparisons:read")],
    responses=responses(page=True),
)
def list_comparisons(
    request: Request,
    response: Response,
    our: Our,
    db: Store,
    now: Now,
    limit: Limit = 50,
    cursor: Cursor = None,
    public: Annotated[bool | None, Query(description="Only those that readers may see by now, or only others.")] = None,
) -> Page[ComparisonListed]:
    """Give comparisons, the newest first; also those whose day has not come."""
    place = place_of(cursor, str, int)
    found = browsing.comparisons(db, limit=limit + 1, after=place, public=public, now=now)
    shown = [
        ComparisonListed(
            slug=each.slug,
            title=f"{each.left_name} vs {each.right_name}",
            page=_page(our, each.slug),
            published_at=each.published_at,
            public=each.published_at <= times.to_text(now),
            left=Side(slug=each.left, name=each.left_name),
            right=Side(slug=each.right, name=each.right_name),
        )
        for each in found
    ]
    return page_of(
        Page[ComparisonListed], request, response, shown, limit, [(each.published_at, each.id) for each in found]
    )


@router.get(
    "/comparisons/{slug}",
    operation_id="getComparison",
    summary="Read a comparison",
    dependencies=[allowed("comparisons:read")],
    responses=responses(404),
)
def get_comparison(our: Our, db: Store, now: Now, slug: Slug) -> ComparisonShown:
    """Give a comparison with both tools, their reviews and votes."""
    return _shown(our, browsing.comparison(db, slug), times.to_text(now))


@router.put(
    "/comparisons/{slug}",
    operation_id="putComparison",
    summary="Put a comparison in, or change it",
    dependencies=[allowed("comparisons:write")],
    responses=responses(400, 415, more={201: {"model": Imported, "description": "It is new."}}),
    openapi_extra=body(
        "PutComparison",
        {
            "left": {
                "name": "Ada",
                "category": "Code assistants",
                "entry": "freemium",
                "reviews": [{"reviewer": "Builder", "verdict": "ship", "quote": "It works on the first day."}],
            },
            "right": "bea",
            "published_at": "2026-11-26T09:00Z",
        },
    ),
)
def put_comparison_(our: Our, db: Store, now: Now, slug: Slug, sent: Json, response: Response) -> Imported:
    """Put a comparison in under its slug, whole or not at all.

    Each side is the slug or name of a tool that is known, or a whole tool of the catalogue's JSON Schema, which is put
    in with it. A field that is left out stays as it is; null clears it.
    """
    report = put_comparison(db, slug, sent, now=now, zone=our.settings.zone)
    is_new = any(change.kind == "comparison" and change.outcome == "added" for change in report.changes)
    response.status_code = 201 if is_new else 200
    return Imported.of(report)


@router.post(
    "/catalogue",
    operation_id="importCatalogue",
    summary="Put many things in",
    dependencies=[allowed("comparisons:write")],
    responses=responses(400, 415, repeated=True),
    response_model=Imported,
    openapi_extra=body(
        "Catalogue",
        {
            "tools": [{"name": "Ada", "entry": "free"}, {"name": "Bea"}],
            "reviews": [{"tool": "Ada", "reviewer": "Builder", "verdict": "ship", "quote": "It works."}],
            "comparisons": [{"left": "Ada", "right": "Bea"}],
        },
    ),
)
def import_catalogue(
    our: Our,
    db: Store,
    now: Now,
    sent: Json,
    once: Repeatable,
    dry_run: Annotated[bool, Query(description="Find out what would happen, and change nothing.")] = False,
) -> Response:
    """Put in tools, reviewers, reviews, comparisons and votes, as `digest import` reads them: all or nothing."""

    def work() -> Answer:
        report = put_document(db, sent, now=now, zone=our.settings.zone, dry_run=dry_run)
        return answer(200, Imported.of(report, dry_run=dry_run))

    return once(work)


@router.get(
    "/tools",
    operation_id="listTools",
    summary="List tools",
    dependencies=[allowed("comparisons:read")],
    responses=responses(page=True),
)
def list_tools(
    request: Request,
    response: Response,
    db: Store,
    limit: Limit = 50,
    cursor: Cursor = None,
    category: Annotated[str | None, Query(max_length=100, description="Only those of it, as it is spelled.")] = None,
) -> Page[ToolListed]:
    """Give tools in the order they came in."""
    place = place_of(cursor, int)
    found = browsing.tools(db, limit=limit + 1, after=place[0] if place else 0, category=category)
    shown = [
        ToolListed(slug=each.slug, name=each.name, tagline=each.tagline, category=each.category, entry=each.entry)
        for each in found
    ]
    return page_of(Page[ToolListed], request, response, shown, limit, [(each.id,) for each in found])


@router.get(
    "/tools/{slug}",
    operation_id="getTool",
    summary="Read a tool",
    dependencies=[allowed("comparisons:read")],
    responses=responses(404),
)
def get_tool(db: Store, slug: Slug) -> ToolShown:
    """Give a tool with its reviews and votes."""
    return ToolShown.of(browsing.tool(db, slug))


def _page(our: State, slug: str) -> str:
    return f"{our.settings.base_url}/compare/{slug}"


def _shown(our: State, comparison: Comparison, now: str) -> ComparisonShown:
    published_at = times.to_text(comparison.published_at)
    return ComparisonShown(
        slug=comparison.slug,
        title=comparison.title,
        page=_page(our, comparison.slug),
        published_at=published_at,
        public=published_at <= now,
        left=ToolShown.of(comparison.left),
        right=ToolShown.of(comparison.right),
    )
