"""The catalogue: its comparisons, those to come too, each made and changed by form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from digest.catalogue import browsing, overview
from digest.catalogue.model import Comparison
from digest.catalogue.queries import count_catalogue
from digest.editors import cataloguing
from digest.editors.catalogue_forms import ChangedMeanwhileError, ProblemsError, comparison_fields
from digest.editors.sessions import Here
from digest.issue.standing import Standing, issues_of
from digest.store import Database
from digest.web.desk.access import AsEditor, DeskForm
from digest.web.desk.catalogue_forms import SIZE, Filled, Slug, Typed, again, filled, last_change, typed_in
from digest.web.desk.issues import when
from digest.web.desk.moments import comes_twice
from digest.web.desk.pages import done, page
from digest.web.reading import SEEN, PageNumber, refuse_beyond
from digest.web.state import Now, Our, State, Store

router = APIRouter(prefix="/desk/catalogue")

FIELDS = ("left", "right", "published_at", "slug")


@router.api_route("/", methods=SEEN)
def comparisons(
    request: Request, our: Our, db: Store, now: Now, here: AsEditor, q: Typed = "", number: PageNumber = 1
) -> Response:
    """All comparisons, the newest first, or those that are looked for."""
    found, total = overview.find_pairs(db, q, page=number, size=SIZE)
    last = max(1, -(-total // SIZE))
    refuse_beyond(number, last)
    zone = our.settings.zone
    standings = issues_of(db, [comparison.id for comparison in found])
    context = {
        "q": q,
        "number": number,
        "last": last,
        "total": total,
        "count": count_catalogue(db),
        "comparisons": [
            (one, where_it_is(one, standings.get(one.id, []), now=now, zone=zone), one.published_at > now)
            for one in found
        ],
        "day": lambda moment: when(moment, now=now, zone=zone),
    }
    return page(request, our, here, "catalogue-comparisons.html", context, now=now)


@router.api_route("/new-comparison", methods=SEEN)
def new(request: Request, our: Our, db: Store, now: Now, here: AsEditor) -> Response:
    """A form for a comparison that is new."""
    local = now.astimezone(our.settings.zone).replace(tzinfo=None)
    return _form(request, our, db, now, here, None, Filled({"published_at": local.isoformat(timespec="minutes")}))


@router.post("/new-comparison")
def add(request: Request, our: Our, db: Store, now: Now, here: AsEditor, form: DeskForm) -> Response:
    """Make a comparison."""
    return _save(request, our, db, now, here, None, form)


@router.api_route("/comparisons/{slug}", methods=SEEN)
def one(request: Request, our: Our, db: Store, now: Now, here: AsEditor, slug: Slug) -> Response:
    """One comparison."""
    shown = comparison_fields(browsing.comparison(db, slug), our.settings.zone)
    return _form(request, our, db, now, here, slug, filled(shown))


@router.post("/comparisons/{slug}")
def change(request: Request, our: Our, db: Store, now: Now, here: AsEditor, slug: Slug, form: DeskForm) -> Response:
    """Change a comparison."""
    return _save(request, our, db, now, here, slug, form)


@router.api_route("/comparisons/{slug}/remove", methods=SEEN)
def ask_to_remove(request: Request, our: Our, db: Store, now: Now, here: AsEditor, slug: Slug) -> Response:
    """Ask whether a comparison is to be removed."""
    context = {"kind": "comparison", "slug": slug, "name": browsing.comparison(db, slug).title}
    return page(request, our, here, "catalogue-remove.html", context, now=now)


@router.post("/comparisons/{slug}/remove")
def remove(db: Store, now: Now, here: AsEditor, slug: Slug) -> Response:
    """Remove a comparison."""
    cataloguing.remove(db, "comparison", slug, by=here.by, now=now)
    return done("/desk/catalogue/?done=removed")


def where_it_is(
    comparison: Comparison, standings: Sequence[Standing], *, now: datetime, zone: ZoneInfo
) -> tuple[str, int | None]:
    """Tell where a comparison is on its way to readers, and the issue to look at."""
    said = [standing for standing in standings if not standing.out]
    if said:
        state = "" if said[0].state == "sent" else f" ({said[0].state})"
        return f"in issue {said[0].issue}{state}", said[0].issue
    if comparison.published_at > now:
        return f"published {when(comparison.published_at, now=now, zone=zone, clock=True)}", None
    if standings:
        return f"left out of issue {standings[0].issue}", standings[0].issue
    return "new: goes into the next issue", None


def _save(
    request: Request, our: State, db: Database, now: Now, here: Here, slug: str | None, form: DeskForm
) -> Response:
    typed = typed_in(form, FIELDS) | {"make": " ".join(form.all_of("make"))}
    zone = our.settings.zone
    try:
        saved = cataloguing.save_comparison(db, slug, typed, form.get("seen", ""), by=here.by, now=now, zone=zone)
    except (ProblemsError, ChangedMeanwhileError) as error:
        shown = comparison_fields(browsing.comparison(db, slug), zone) if slug else {}
        return _form(request, our, db, now, here, slug, again(error, form, typed, shown))
    return done(f"/desk/catalogue/comparisons/{saved}?done={'changed' if slug else 'added'}")


def _form(request: Request, our: State, db: Database, now: Now, here: Here, slug: str | None, form: Filled) -> Response:
    zone = our.settings.zone
    known = browsing.comparison(db, slug) if slug else None
    standings = issues_of(db, [known.id]).get(known.id, []) if known else []
    context = {
        "form": form,
        "comparison": known,
        "is_public": known is not None and known.published_at <= now,
        "state": where_it_is(known, standings, now=now, zone=zone) if known else None,
        "standings": standings,
        "zone": zone.key,
        "twice": known is not None and comes_twice(known.published_at, zone),
        "names": overview.names(db),
        "last_change": last_change(db, f"comparison {slug}", now=now, zone=zone) if slug else "",
    }
    return page(request, our, here, "catalogue-comparison.html", context, now=now, status=form.status)
