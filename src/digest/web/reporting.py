"""The pages of reports: all issues over time, one issue, growth. They stand in the desk, and behind signed links.

Every page only shows. Nothing in them is of any reader: what happened with one is in the desk alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from digest import times
from digest.errors import StateError
from digest.issue.issues import find_issue
from digest.numbers import percent
from digest.sending.subject_standing import standing
from digest.sending.subject_words import told
from digest.store import Database
from digest.tracking.findings import COMPLAINTS, MANY_COMPLAINTS
from digest.tracking.reports import IssueReport, issue_report
from digest.tracking.trends import PERIODS, IssueLine, Trends, Unit, growth_by, over_time
from digest.web import exports, report_charts, report_tables, report_words
from digest.web.exports import Form
from digest.web.reading import SEEN
from digest.web.site.archive import Number
from digest.web.state import Now, Our, State, Store

ROWS = 12
"""Links and comparisons that are shown at once; the others are a press away."""

FRESH = timedelta(days=2)
"""So long after it went out an issue's page says that figures still come in."""

UNITS: tuple[Unit, ...] = get_args(Unit)


@dataclass(frozen=True)
class View:
    """Where the reports are looked at: their address, the layout they stand in, and how a page is answered with."""

    home: str
    layout: str
    answer: Callable[[str, dict[str, Any]], Response]


def view_of(request: Request) -> View:
    """Give what the router put there whose page it is."""
    view: View = request.state.reports
    return view


Looked = Annotated[View, Depends(view_of)]

router = APIRouter()


def add_to(other: APIRouter, look: Callable[..., Awaitable[None]]) -> None:
    """Add all pages to a router under whose prefix they are looked at; `look`, a dependency, puts the `View` there."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            other.add_api_route(route.path, route.endpoint, methods=SEEN, dependencies=[Depends(look)])


def _page(view: View, template: str, context: dict[str, Any]) -> Response:
    return view.answer(template, {"home": view.home, "layout": view.layout, "share": _share} | context)


def _share(count: int | None, of: int) -> str:
    return "unknown" if count is None else percent(count / of if of > 0 else None)


@router.api_route("/", methods=SEEN)
def overview(view: Looked, our: Our, db: Store, now: Now) -> Response:
    """All issues over time, and the audience."""
    found = _over_time(our, db, now)
    context = {
        "trends": found,
        "headline": report_words.overview(found),
        "growth_headline": report_words.growth(found.growth, found.unit),
        "rates": report_charts.rates(found.issues),
        "charts": report_charts.audience(found.growth),
        "states": report_words.STATES,
        "complaints_word": report_words.complaints,
        "most": _most,
        "short_day": lambda moment: (
            f"{(local := times.from_text(moment).astimezone(our.settings.zone)).day} {local:%b %Y}"
        ),
    }
    return _page(view, "report-overview.html", context)


def _over_time(our: State, db: Database, now: datetime) -> Trends:
    return over_time(db, now=now, by_mail=bool(our.settings.bounce_imap))


def _most(lines: tuple[IssueLine, ...], rate: str) -> float:
    return max((getattr(line.rates, rate).value or 0 for line in lines if line.tracking != "off"), default=0)


@router.api_route("/overview.json", methods=SEEN)
def whole_overview(our: Our, db: Store, now: Now) -> Response:
    """The same as JSON."""
    return exports.whole("overview", _over_time(our, db, now).as_dict())


@router.api_route("/growth", methods=SEEN)
def growth(view: Looked, db: Store, now: Now, unit: Unit = "week") -> Response:
    """Who came and went, by day, week or month."""
    found = growth_by(db, unit, PERIODS[unit], now=now)
    context = {
        "growth": found,
        "unit": unit,
        "units": UNITS,
        "headline": report_words.growth(found, unit),
        "charts": report_charts.audience(found),
    }
    return _page(view, "report-growth.html", context)


@router.api_route("/growth-by-{unit}.{form}", methods=SEEN)
def growth_table(unit: Unit, form: Form, db: Store, now: Now) -> Response:
    """The table of growth, to take along."""
    table = report_tables.of_growth(growth_by(db, unit, PERIODS[unit], now=now))
    return exports.answer(f"growth-by-{unit}", form, table.rows, table.kind)


@router.api_route("/issues/{number}.json", methods=SEEN)
def whole_issue(number: Number, our: Our, db: Store) -> Response:
    """An issue's report as JSON."""
    return exports.whole(f"issue-{number}", issue_report(db, our.settings, number).as_dict())


@router.api_route("/issues/{number}", methods=SEEN)
def issue(number: Number, view: Looked, our: Our, db: Store, now: Now) -> Response:
    """What became of an issue."""
    try:
        report = issue_report(db, our.settings, number)
    except StateError:
        return _not_sent(number, view, db)
    subjects = standing(db, number)
    context = {
        "report": report,
        "standing": subjects,
        "lines": told(subjects, our.settings.zone) if subjects else [],
        "headline": report_words.headline(report),
        "fresh": _is_fresh(report, now),
        "funnel": report_charts.funnel(report),
        "people": report_charts.people_and_machines(report),
        "hours": report_charts.hours(report, our.settings.zone),
        "complaints": report_charts.complaints(report.rates.complained),
        "limits": (COMPLAINTS, MANY_COMPLAINTS),
        "titles": {one.slug: one.title for one in report.comparisons},
        "forms": report_words.FORMS,
        "bad": report_words.bad,
        "enough": report_words.ENOUGH,
        "in_short": report_words.in_short,
        "most_rows": ROWS,
    }
    return _page(view, "report-issue.html", context)


def _not_sent(number: int, view: View, db: Database) -> Response:
    state = find_issue(db, number).state
    if state == "cancelled":
        headline, words = f"Issue {number} was cancelled before it was sent.", "Nobody got it."
    else:
        headline = f"Issue {number} has not been sent yet."
        words = f"It is {'approved' if state == 'approved' else 'a draft'}. Its report begins when it goes out."
    return _page(view, "report-unsent.html", {"headline": headline, "words": words})


def _is_fresh(report: IssueReport, now: datetime) -> bool:
    return report.state == "sent" and report.sent_at is not None and now - times.from_text(report.sent_at) < FRESH


@router.api_route("/issues/{number}/{name}.{form}", methods=SEEN)
def issue_table(number: Number, name: str, form: Form, our: Our, db: Store) -> Response:
    """A table of an issue's page, to take along."""
    table = report_tables.of_issue(issue_report(db, our.settings, number)).get(name)
    if table is None:
        raise HTTPException(404)
    return exports.answer(f"issue-{number}-{name}", form, table.rows, table.kind)


@router.api_route("/{name}.{form}", methods=SEEN)
def table(name: str, form: Form, our: Our, db: Store, now: Now) -> Response:
    """A table of the page of all issues, to take along."""
    found = report_tables.of_trends(_over_time(our, db, now)).get(name)
    if found is None:
        raise HTTPException(404)
    return exports.answer(name, form, found.rows, found.kind)
