"""The tools of the catalogue: each on one page with what the panel said of it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue import browsing, overview
from digest.catalogue.records import schema
from digest.editors import cataloguing
from digest.editors.catalogue_forms import TOOL_FIELDS, ChangedMeanwhileError, ProblemsError, tool_fields
from digest.editors.sessions import Here
from digest.store import Database
from digest.web.desk.access import AsEditor, DeskForm
from digest.web.desk.catalogue_forms import SIZE, Filled, Slug, Typed, again, filled, last_change, typed_in
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN, PageNumber, refuse_beyond
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/catalogue")

REVIEWERS = 80
"""Reviewers a form has fields for: with two each, it stays below the fields a form may have."""


@router.api_route("/tools", methods=SEEN)
def tools(
    request: Request, our: Our, db: Store, now: Now, here: AsEditor, q: Typed = "", number: PageNumber = 1
) -> Response:
    """All tools by name, or those that are looked for."""
    found, total = overview.find_tools(db, q, page=number, size=SIZE)
    last = max(1, -(-total // SIZE))
    refuse_beyond(number, last)
    context = {"q": q, "number": number, "last": last, "total": total, "tools": found}
    return page(request, our, here, "catalogue-tools.html", context, now=now)


@router.api_route("/new-tool", methods=SEEN)
def new(request: Request, our: Our, db: Store, now: Now, here: AsEditor) -> Response:
    """A form for a tool that is new."""
    return _form(request, our, db, now, here, None, Filled({}))


@router.post("/new-tool")
def add(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm) -> Response:
    """Make a tool."""
    return _save(request, our, db, now, here, None, form)


@router.api_route("/tools/{slug}", methods=SEEN)
def one(request: Request, our: Our, db: Store, now: Now, here: AsEditor, slug: Slug) -> Response:
    """One tool."""
    return _form(request, our, db, now, here, slug, filled(tool_fields(browsing.tool(db, slug))))


@router.post("/tools/{slug}")
def change(request: Request, our: Our, db: Store, now: Now, here: AsEditor, slug: Slug, form: DeskForm) -> Response:
    """Change a tool, and what was said of it."""
    return _save(request, our, db, now, here, slug, form)


@router.api_route("/tools/{slug}/remove", methods=SEEN)
def ask_to_remove(request: Request, our: Our, db: Store, now: Now, here: AsEditor, slug: Slug) -> Response:
    """Ask whether a tool is to be removed."""
    tool = browsing.tool(db, slug)
    context = {"kind": "tool", "slug": slug, "name": tool.name, "tool": tool}
    return page(request, our, here, "catalogue-remove.html", context, now=now)


@router.post("/tools/{slug}/remove")
def remove(db: Store, now: Now, here: AsEditor, slug: Slug) -> Response:
    """Remove a tool."""
    cataloguing.remove(db, "tool", slug, by=here.by, now=now)
    return done("/desk/catalogue/tools?done=removed")


def _save(
    request: Request, our: State, db: Database, now: Now, here: Here, slug: str | None, form: DeskForm
) -> Response:
    said = [name for name in form if name.startswith(("verdict-", "quote-"))]
    typed = typed_in(form, (*TOOL_FIELDS, *(() if slug else ("slug",)), *said))
    try:
        saved = cataloguing.save_tool(
            db, slug, typed, form.get("seen", ""), by=here.by, now=now, zone=our.settings.zone
        )
    except (ProblemsError, ChangedMeanwhileError) as error:
        shown = tool_fields(browsing.tool(db, slug)) if slug else {}
        return _form(request, our, db, now, here, slug, again(error, form, typed, shown))
    return done(f"/desk/catalogue/tools/{saved}?done={'changed' if slug else 'added'}")


def _form(request: Request, our: State, db: Database, now: Now, here: Here, slug: str | None, form: Filled) -> Response:
    known = browsing.tool(db, slug) if slug else None
    said = {review.reviewer.slug for review in known.reviews} if known else set()
    panel = [place.reviewer for place in overview.places(db)]
    # Who spoke of it comes in, however large the panel is.
    shown = [reviewer for reviewer in panel if reviewer.slug in said]
    shown += [reviewer for reviewer in panel if reviewer.slug not in said][: max(0, REVIEWERS - len(shown))]
    limits = {name: field.get("maxLength", 0) for name, field in schema()["$defs"]["tool"]["properties"].items()}
    context = {
        "form": form,
        "tool": known,
        "panel": [reviewer for reviewer in panel if reviewer in shown],
        "reviewers": {reviewer.slug: reviewer.name for reviewer in panel},
        "pairs": overview.pairs_of_tool(db, slug) if slug else [],
        "categories": overview.category_names(db),
        "limits": limits,
        "last_change": last_change(db, f"tool {slug}", now=now, zone=our.settings.zone) if slug else "",
    }
    return page(request, our, here, "catalogue-tool.html", context, now=now, status=form.status)
