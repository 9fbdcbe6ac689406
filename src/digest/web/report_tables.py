"""The tables of the reports, as they may be taken along: each a kind of row, and its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from digest.audience.health import Health
from digest.tracking.rates import Rate
from digest.tracking.reports import ComparisonFigures, HostFigures, HourFigures, IssueReport, LinkFigures, ToolFigures
from digest.tracking.trends import Growth, IssueLine, Subject, Trends

SEEN = "opened by people, where it can be seen"
"""Those that the rate counts; with those known by a click they are all who opened."""


@dataclass(frozen=True)
class Table:
    """Rows of one kind, which is a dataclass."""

    kind: type
    rows: Sequence[Any]


@dataclass(frozen=True)
class Line:
    """A figure by its name, None where nobody told; `share`, from 0 to 1, is the one of `of`: what `of_what` says."""

    what: str
    count: int | None
    share: float | None = None
    of: int | None = None
    of_what: str = ""


def of_issue(report: IssueReport) -> dict[str, Table]:
    """Give the tables of an issue's page by their names."""
    hours = [*report.hours, *([report.later] if report.later else [])]
    return {
        "summary": Table(Line, list(_summary(report))),
        "people": Table(Line, list(_people(report))),
        "hours": Table(HourFigures, hours),
        "links": Table(LinkFigures, report.links),
        "comparisons": Table(ComparisonFigures, report.comparisons),
        "tools": Table(ToolFigures, report.tools),
        "mailboxes": Table(HostFigures, report.hosts),
    }


def of_trends(found: Trends) -> dict[str, Table]:
    """Give the tables of the page of all issues by their names."""
    return {
        "issues": Table(IssueLine, found.issues),
        "subjects": Table(Subject, found.subjects),
        "health": Table(Line, list(_health(found.health))),
    }


def of_growth(found: Sequence[Growth]) -> Table:
    """Give the table of growth."""
    return Table(Growth, found)


def _summary(report: IssueReport) -> Iterator[Line]:
    def of_all(what: str, count: int) -> Line:
        return Line(what, count, count / report.audience if report.audience else None, report.audience, "audience")

    rates = report.rates
    yield Line("audience", report.audience)
    for what in ("queued", "claimed", "skipped", "rejected", "uncertain", "accepted"):
        yield of_all(what, getattr(report, what))
    yield _of_rate("delivered", rates.delivered)
    yield Line("opened by people", report.opened.people)
    yield _of_rate(SEEN, rates.opened)
    yield _of_rate("clicked by people", rates.clicked)
    yield _of_rate("clicked of those who opened", rates.click_to_open)
    yield Line("votes", report.votes)
    yield _of_rate("unsubscribed", rates.unsubscribed)
    yield _of_rate("complained", rates.complained)
    yield _of_rate("bounced for good", rates.bounced_hard)
    yield _of_rate("bounced", rates.bounced)
    yield Line("put off at first", report.deferred)


def _people(report: IssueReport) -> Iterator[Line]:
    for what, people, rate, with_machines in (
        ("opened", report.opened, report.rates.opened, report.rates.opened_all),
        ("clicked", report.clicked, report.rates.clicked, report.rates.clicked_all),
    ):
        if what == "opened":
            yield Line("opened by people", people.people)
            yield _of_rate(SEEN, rate)
            yield Line("opened by people, known by a click", people.hidden_people)
        else:
            yield _of_rate("clicked by people", rate)
        yield Line(f"{what}, unsure", people.unsure)
        yield Line(f"{what} by machines only", people.machines)
        yield _of_rate(f"{what}, machines too", with_machines)
    yield Line("cannot be seen", report.opened.hidden)
    yield _of_rate("clicked of those who opened", report.rates.click_to_open)
    yield _of_rate("clicked of those who opened, machines too", report.rates.click_to_open_all)
    yield Line("opens", report.opens)
    yield Line("opens by people", report.opens_people)
    yield Line("clicks", report.clicks)
    yield Line("clicks by people", report.clicks_people)


def _health(found: Health) -> Iterator[Line]:
    for name, count in vars(found).items():
        if name != "suppressed":
            yield Line(name, count)
    for reason, count in found.suppressed.items():
        yield Line(f"suppressed: {reason}", count)


def _of_rate(what: str, rate: Rate | None) -> Line:
    return Line(what, None) if rate is None else Line(what, rate.count, rate.value, rate.of, rate.of_what)
