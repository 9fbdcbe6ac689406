"""Reports for the editors, behind a signed link that ends: all issues over time, one issue, growth, one reader.

Every page only shows. Nobody keeps one, no search engine lists it, and its link, being in its address, is told to no
other site.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, get_args

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from digest import times
from digest.audience.preferences import find_preferences
from digest.audience.subscribers import find_subscriber
from digest.errors import InputError, NotFoundError, StateError
from digest.issue.issues import find_issue
from digest.numbers import percent
from digest.store import Database
from digest.tokens import TokenError
from digest.tracking.findings import COMPLAINTS, MANY_COMPLAINTS
from digest.tracking.reports import IssueReport, issue_report
from digest.tracking.timeline import Moment, Timeline, timeline
from digest.tracking.trends import PERIODS, IssueLine, Trends, Unit, growth_by, over_time
from digest.web import exports, report_charts, report_tables, report_words
from digest.web.exports import Form
from digest.web.forms import Posted
from digest.web.guard import from_here
from digest.web.readers import then
from digest.web.reading import SEEN
from digest.web.site.archive import Number
from digest.web.state import Now, Our, State, Store

ROWS = 12
"""Links and comparisons that are shown at once; the others are a press away."""

FRESH = timedelta(days=2)
"""So long after it went out an issue's page says that figures still come in."""

UNITS: tuple[Unit, ...] = get_args(Unit)


class _Behind(APIRoute):
    """A route that is answered only where the link's token is ours and has not ended."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def behind(request: Request) -> Response:
            return _refused(request) or await handle(request)

        return behind


router = APIRouter(prefix="/reports/{token}", route_class=_Behind)


def _refused(request: Request) -> Response | None:
    """Give the page that says what is wrong with a link, where something is."""
    our: State = request.app.state.digest
    now = our.clock()
    try:
        ends, _ = our.signers.links.read("report", request.path_params["token"])
    except TokenError:
        context = {
            "heading": "This link is not whole",
            "words": "Part of it is missing, or it was changed on the way. Please copy all of it.",
        }
        return our.pages.page(request, "report-over.html", context, now=now, status=400)
    if ends <= now.timestamp():
        context = {
            "heading": "This link has run out",
            "words": f"It showed the reports until {our.pages.readable(_ends(ends))}.",
        }
        return our.pages.page(request, "report-over.html", context, now=now, status=410)
    return None


def _ends(seconds: int) -> str:
    return times.to_text(datetime.fromtimestamp(seconds, UTC))


def _page(
    request: Request, our: State, template: str, context: dict[str, Any], *, now: datetime, status: int = 200
) -> Response:
    token = request.path_params["token"]
    ends, _ = our.signers.links.read("report", token)
    every = {"home": f"/reports/{token}/", "ends": _ends(ends), "share": _share}
    return our.pages.page(request, template, every | context, now=now, status=status)


def _share(count: int | None, of: int) -> str:
    return "unknown" if count is None else percent(count / of if of > 0 else None)


@router.api_route("", methods=SEEN)
def to_overview(token: str) -> Response:
    """The way to the page of all issues."""
    return then(f"/reports/{token}/")


@router.api_route("/", methods=SEEN)
def overview(request: Request, our: Our, db: Store, now: Now) -> Response:
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
    return _page(request, our, "report-overview.html", context, now=now)


def _over_time(our: State, db: Database, now: datetime) -> Trends:
    return over_time(db, now=now, by_mail=bool(our.settings.bounce_imap))


def _most(lines: tuple[IssueLine, ...], rate: str) -> float:
    return max((getattr(line.rates, rate).value or 0 for line in lines if line.tracking != "off"), default=0)


@router.api_route("/overview.json", methods=SEEN)
def whole_overview(our: Our, db: Store, now: Now) -> Response:
    """The same as JSON."""
    return exports.whole("overview", _over_time(our, db, now).as_dict())


@router.api_route("/growth", methods=SEEN)
def growth(request: Request, our: Our, db: Store, now: Now, unit: Unit = "week") -> Response:
    """Who came and went, by day, week or month."""
    found = growth_by(db, unit, PERIODS[unit], now=now)
    context = {
        "growth": found,
        "unit": unit,
        "units": UNITS,
        "headline": report_words.growth(found, unit),
        "charts": report_charts.audience(found),
    }
    return _page(request, our, "report-growth.html", context, now=now)


@router.api_route("/growth-by-{unit}.{form}", methods=SEEN)
def growth_table(unit: Unit, form: Form, db: Store, now: Now) -> Response:
    """The table of growth, to take along."""
    table = report_tables.of_growth(growth_by(db, unit, PERIODS[unit], now=now))
    return exports.answer(f"growth-by-{unit}", form, table.rows, table.kind)


@router.api_route("/readers", methods=SEEN)
def ask_for_a_reader(request: Request, our: Our, now: Now) -> Response:
    """The form that asks for an address."""
    return _page(request, our, "report-readers.html", {"typed": "", "problem": ""}, now=now)


@router.post("/readers", dependencies=[Depends(from_here)])
def find_a_reader(token: str, form: Posted, request: Request, our: Our, db: Store, now: Now) -> Response:
    """The way from an address to its reader, whose number stands in the page's address instead of it."""
    typed = form.text("email")
    try:
        found = find_subscriber(db, typed)
    except (InputError, NotFoundError) as error:
        status = 404 if isinstance(error, NotFoundError) else 400
        problem = getattr(error, "message", str(error))
        context = {"typed": typed, "problem": problem}
        return _page(request, our, "report-readers.html", context, now=now, status=status)
    return then(f"/reports/{token}/readers/{found.id}")


@router.api_route("/readers/{number}.{form}", methods=SEEN)
def reader_table(number: Number, form: Form, db: Store, now: Now) -> Response:
    """What happened with one reader, to take along."""
    found = _timeline(db, number, now)
    if form == "json":
        return exports.whole(f"reader-{number}", found.as_dict())
    return exports.answer(f"reader-{number}", form, found.moments, Moment)


@router.api_route("/readers/{number}", methods=SEEN)
def reader(number: Number, request: Request, our: Our, db: Store, now: Now) -> Response:
    """What happened with one reader."""
    found = _timeline(db, number, now)
    context = {
        "timeline": found,
        "number": number,
        "state": report_words.standing(found.state),
        "days": _by_day(found, our),
        "clock": lambda moment: f"{times.from_text(moment).astimezone(our.settings.zone):%H:%M}",
        "by": report_words.MARKS,
    }
    return _page(request, our, "report-reader.html", context, now=now)


def _timeline(db: Database, number: int, now: datetime) -> Timeline:
    return timeline(db, find_preferences(db, number, now=now).email)


def _by_day(found: Timeline, our: State) -> list[tuple[str, list[Moment]]]:
    """Put moments under their days in the newsletter's zone, the newest first throughout."""

    def day(moment: Moment) -> str:
        local = times.from_text(moment.at).astimezone(our.settings.zone)
        return f"{local:%A}, {local.day} {local:%B %Y}"

    return [(name, list(moments)) for name, moments in groupby(found.moments, day)]


@router.api_route("/issues/{number}.json", methods=SEEN)
def whole_issue(number: Number, our: Our, db: Store) -> Response:
    """An issue's report as JSON."""
    return exports.whole(f"issue-{number}", issue_report(db, our.settings, number).as_dict())


@router.api_route("/issues/{number}", methods=SEEN)
def issue(number: Number, request: Request, our: Our, db: Store, now: Now) -> Response:
    """What became of an issue."""
    try:
        report = issue_report(db, our.settings, number)
    except StateError:
        return _not_sent(number, request, our, db, now)
    context = {
        "report": report,
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
    return _page(request, our, "report-issue.html", context, now=now)


def _not_sent(number: int, request: Request, our: State, db: Database, now: datetime) -> Response:
    state = find_issue(db, number).state
    if state == "cancelled":
        headline, words = f"Issue {number} was cancelled before it was sent.", "Nobody got it."
    else:
        headline = f"Issue {number} has not been sent yet."
        words = f"It is {'approved' if state == 'approved' else 'a draft'}. Its report begins when it goes out."
    return _page(request, our, "report-unsent.html", {"headline": headline, "words": words}, now=now)


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
