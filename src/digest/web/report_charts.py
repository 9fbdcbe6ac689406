"""Which charts the reports have: each from the figures of the table beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from digest import times
from digest.numbers import counted, percent, several
from digest.tracking.findings import COMPLAINTS, MANY_COMPLAINTS
from digest.tracking.rates import Rate
from digest.tracking.reports import HourFigures, IssueReport
from digest.tracking.trends import Growth, IssueLine
from digest.web.charts import Chart, Series, bars, columns, legend, lines, meter, spark

HIDDEN = "Cannot be seen whether opened"
WHO = ("People", "Unsure", "Machines only")


@dataclass(frozen=True)
class Small:
    """One of several small charts that stand side by side: what it shows, how that stands last, and the drawing."""

    title: str
    last: str
    drawn: Markup
    spark: Markup


def funnel(report: IssueReport) -> Markup:
    """Draw what was left from step to step: of the audience to those who clicked."""
    steps = [("Readers it was for", report.audience), ("Accepted by the provider", report.accepted)]
    if report.delivered is not None:
        steps.append(("Delivered", report.delivered))
    if report.tracking != "off":
        steps += [("Opened, by people", report.opened.people), ("Clicked, by people", report.clicked.people)]
    names, counts = zip(*steps, strict=True)
    written = [counted(count) for count in counts]
    chart = Chart("funnel", "From the audience to the click", _listed(names, written), names, {})
    seen = Series("Copies", counts)
    if report.tracking == "off" or not report.opened.hidden:
        return bars(chart, seen, whole=report.audience, written=written)
    # What hides an open hides it from the bar, too: that it is so much shorter says nothing of the readers.
    hidden = Series(HIDDEN, [report.opened.hidden if name.startswith("Opened") else 0 for name in names])
    return legend(*(one.name for one in (seen, hidden))) + bars(
        chart, seen, hidden, whole=report.audience, written=written
    )


def people_and_machines(report: IssueReport) -> Markup:
    """Draw who opened and who clicked."""
    both = (report.opened, report.clicked)
    whole = report.accepted if report.delivered is None else report.delivered
    names = ("Opened", "Clicked")
    written = [several(one.all, "copy", "copies") for one in both]
    chart = Chart("people", "Opened and clicked, by people and by machines", _listed(names, written), names, {})
    series = [Series(name, [getattr(one, key) for one in both]) for name, key in zip(WHO, _WHO_KEYS, strict=True)]
    return legend(*WHO) + bars(chart, *series, whole=whole, written=written)


_WHO_KEYS = ("people", "unsure", "machines")


def hours(report: IssueReport, zone: ZoneInfo) -> list[Small]:
    """Draw when it was opened and clicked by people for the first time; or delivered, where that is not counted."""
    kinds = [("opened", "Opened, by people"), ("clicked", "Clicked, by people")]
    if report.tracking == "off":
        kinds = [("delivered", "Delivered")] if report.delivered is not None else []
    return [_by_hour(report.hours, kind, title, zone) for kind, title in kinds if report.hours]


def _by_hour(found: Sequence[HourFigures], kind: str, title: str, zone: ZoneInfo) -> Small:
    values = [getattr(hour, kind) for hour in found]
    top = max(range(len(values)), key=values.__getitem__)
    most = f"Most at {found[top].label}: {counted(values[top])}." if values[top] else "None yet."
    chart = Chart(
        f"hours-{kind}", f"{title}, hour by hour", most, [hour.label for hour in found], _days(found, zone), 130
    )
    return Small(title, most, columns(chart, Series(title, values)), Markup(""))


def _days(found: Sequence[HourFigures], zone: ZoneInfo) -> dict[int, str]:
    """Mark where days begin; where there is one day, hours of it."""
    local = {slot: _moment(hour.start).astimezone(zone) for slot, hour in enumerate(found)}
    days = {slot: f"{there:%a} {there.day}" for slot, there in local.items() if there.hour == 0}
    if len(days) > 1:
        return days
    return {slot: f"{there:%H:%M}" for slot, there in local.items() if slot == 0 or there.hour % 3 == 0} | days


def _moment(text: str) -> datetime:
    moment = times.from_text(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo("UTC"))


def complaints(of: Rate | None) -> Markup:
    """Draw the share of complaints against what Gmail takes."""
    limits = ((COMPLAINTS, "0.1%: aim"), (MANY_COMPLAINTS, "0.3%: limit"))
    share = _value(of)
    known = "unknown" if share is None else percent(share)
    says = f"Complaints: {known}. Gmail asks to stay below 0.1% and never to reach 0.3%."
    return meter("complaints", says, share, limits)


def rates(issues: Sequence[IssueLine]) -> list[Small]:
    """Draw how each rate went from issue to issue."""
    sent = [line for line in issues if line.accepted]
    slots = [f"Issue {line.number}" for line in sent]
    marks = {slot: str(line.number) for slot, line in enumerate(sent)}
    made = []
    for name, title, value in _RATES:
        values = [value(line) for line in sent]
        known = [one for one in values if one is not None]
        if not known:
            continue
        # A figure of an issue before it must not pass for the newest one's.
        last = percent(values[-1]) if values[-1] is not None else _missing(name, sent[-1])
        says = f"{title}: from {percent(min(known))} to {percent(max(known))}; last {last}."
        chart = Chart(f"rate-{name}", f"{title}, issue by issue", says, slots, marks, 84)
        drawn = lines(chart, Series(title, values), write=percent)
        made.append(Small(title, last, drawn, spark(values)))
    return made


def _missing(name: str, line: IssueLine) -> str:
    return "not counted" if name in ("opened", "clicked") and line.tracking == "off" else "unknown"


Value = Callable[[IssueLine], float | None]


def _value(share: Rate | None) -> float | None:
    return share.value if share else None


def _tracked(value: Value) -> Value:
    return lambda line: value(line) if line.tracking != "off" else None


_RATES: tuple[tuple[str, str, Value], ...] = (
    ("delivered", "Delivered", lambda line: _value(line.rates.delivered)),
    ("opened", "Opened, by people", _tracked(lambda line: line.rates.opened.value)),
    ("clicked", "Clicked, by people", _tracked(lambda line: line.rates.clicked.value)),
    ("unsubscribed", "Unsubscribed", lambda line: line.rates.unsubscribed.value),
    ("bounced", "Bounced", lambda line: _value(line.rates.bounced)),
    ("complained", "Complained", lambda line: _value(line.rates.complained)),
)


def coming_and_going(found: Sequence[Growth]) -> Markup:
    """Draw who joined, upwards, and who left, downwards."""
    joined, left = [one.joined for one in found], [one.left for one in found]
    says = f"{several(sum(joined), 'reader')} joined, {counted(sum(left))} left."
    chart = Chart("growth", "Readers who joined and who left", says, *_slots(found))
    return legend("Joined", "Left") + columns(chart, Series("Joined", joined), below=Series("Left", left))


def subscribed(found: Sequence[Growth]) -> Markup:
    """Draw how many were subscribed."""
    counts = [one.active for one in found]
    says = f"From {counted(counts[0])} to {counted(counts[-1])}."
    chart = Chart("active", "Readers subscribed", says, *_slots(found), height=130)
    return lines(chart, Series("Subscribed", counts))


def _slots(found: Sequence[Growth]) -> tuple[list[str], dict[int, str]]:
    labels = [one.label for one in found]
    return labels, dict(enumerate(labels))


def audience(found: Sequence[Growth]) -> dict[str, Markup]:
    """Draw the growth of the audience, where there is any."""
    return {"growth": coming_and_going(found), "active": subscribed(found)} if found else {}


def _share(count: int, of: int) -> float | None:
    return count / of if of else None


def _listed(names: Sequence[str], written: Sequence[str]) -> str:
    return "; ".join(f"{name}: {count}" for name, count in zip(names, written, strict=True)) + "."
