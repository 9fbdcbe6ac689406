"""What becomes of issues and of the audience over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from digest import times
from digest.audience import growth
from digest.audience.health import Health, health
from digest.issue.model import State
from digest.issue.tracked import Mode
from digest.store import Database
from digest.tracking import findings
from digest.tracking.figures import Figures, mode_of, states_of, totals_of
from digest.tracking.findings import Trouble
from digest.tracking.rates import People, Rate, Rates, rate, rates_of
from digest.tracking.reports import behind

Unit = Literal["day", "week", "month"]
PERIODS: dict[Unit, int] = {"day": 31, "week": 26, "month": 24}
"""How many days, weeks or months of growth are shown."""

ISSUES = 52
"""How many issues are shown: a year of weeks."""

ENOUGH, SETTLED = 100, timedelta(days=3)
"""Subjects are compared of issues that reached so many readers, and went out so long ago that most is read."""

BEFORE = 8
"""With the average of how many issues before it the week's issue is compared."""


@dataclass(frozen=True)
class IssueLine:
    """An issue in the row of issues.

    `delivered` is None where nobody told of a delivery, and what bounced and complained where nobody told of anything.
    """

    number: int
    subject: str
    state: State
    sending_at: str
    sent_at: str | None
    tracking: Mode
    audience: int
    accepted: int
    rejected: int
    uncertain: int
    delivered: int | None
    bounced_hard: int | None
    bounced_soft: int | None
    complained: int | None
    unsubscribed: int
    votes: int
    opened: People
    clicked: People
    rates: Rates


@dataclass(frozen=True)
class Growth:
    """Who came and went in a day, a week from Monday on, or a month (UTC).

    `start` is its first day, ``2026-11-23``; `label` is short: ``23 Nov``, ``Nov 2026``. `joined` and `left` are
    readers who became active and who ceased to be, `net` is the one less the other, and `active` how many were
    subscribed at its end. `bounced` and `complained` are active readers whose address was put on the suppression list:
    they are still subscribed, and are mailed no more.
    """

    start: str
    label: str
    joined: int
    left: int
    bounced: int
    complained: int
    net: int
    active: int


@dataclass(frozen=True)
class Subject:
    """A subject line and the share of readers (people) who clicked.

    `verdict` is against all issues that are compared: `better` and `worse` where chance alone does not explain it, and
    else `alike`.
    """

    number: int
    subject: str
    sent_at: str | None
    clicked: Rate
    opened: Rate
    verdict: Literal["better", "worse", "alike"]


@dataclass(frozen=True)
class Averages:
    """The means over some issues, each counting the same; None where no issue has it."""

    issues: int
    delivered: float | None
    bounced: float | None
    complained: float | None
    unsubscribed: float | None
    opened: float | None
    clicked: float | None
    click_to_open: float | None


@dataclass(frozen=True)
class Trends:
    """What becomes of issues and the audience over time.

    `issues` are in their order, the newest last; `growth` in the order of time; `subjects` from the best on, and only
    of issues that are large and old enough to be compared.
    """

    issues: tuple[IssueLine, ...]
    averages: Averages
    unit: Unit
    growth: tuple[Growth, ...]
    subjects: tuple[Subject, ...]
    health: Health
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


def over_time(
    db: Database,
    *,
    now: datetime,
    issues: int = ISSUES,
    unit: Unit = "week",
    periods: int | None = None,
    by_mail: bool = False,
) -> Trends:
    """Give what became of the newest issues and of the audience.

    Args:
        db: the store.
        now: the moment.
        issues: how many issues at the most.
        unit: growth by day, week or month.
        periods: how many of them; the last of them is the one that is going on.
        by_mail: whether bounces come as mails: see `Figures.told`.
    """
    lines = issue_lines(db, limit=issues, by_mail=by_mail)
    subjects = best_subjects(lines, now=now)
    newest = lines[-1:]
    return Trends(
        issues=lines,
        averages=averages(lines),
        unit=unit,
        growth=growth_by(db, unit, periods or PERIODS[unit], now=now),
        subjects=subjects,
        health=health(db, now=now),
        troubles=tuple(trouble for line in newest for trouble in troubles_of_line(db, line)),
        notes=findings.notes_on_trends(
            subjects=len(subjects),
            silent=[line.number for line in lines if line.delivered is None and line.accepted],
            untold=[line.number for line in lines if line.complained is None and line.accepted],
            modes={line.tracking for line in lines},
        ),
    )


def issue_lines(db: Database, *, limit: int, before: int | None = None, by_mail: bool = False) -> tuple[IssueLine, ...]:
    """Give the newest issues that were sent, or began to be, in their order; those before the number `before`."""
    rows = db.conn.execute(
        "SELECT number, w.subject, state, sending_at, sent_at, tracking"
        " FROM issues JOIN shown_words w ON w.issue = number"
        " WHERE sending_at IS NOT NULL AND (:before IS NULL OR number < :before) ORDER BY number DESC LIMIT :limit",
        {"before": before, "limit": limit},
    ).fetchall()
    figures = totals_of(db, [row[0] for row in rows])
    stale = behind(db)
    return tuple(_line(db, figures[row[0]], row[0] in stale, by_mail, *row) for row in reversed(rows))


def _line(
    db: Database,
    figures: Figures,
    stale: bool,
    by_mail: bool,
    number: int,
    subject: str,
    state: State,
    sending_at: str,
    sent_at: str | None,
    tracking: str | None,
) -> IssueLine:
    states = states_of(db, number, figures, stale=stale)
    counted: dict[str, Any] = {
        "accepted": states["accepted"],
        "delivered": figures.delivered,
        "bounced_hard": figures.told("bounced hard", by_mail=by_mail),
        "bounced_soft": figures.told("bounced soft", by_mail=by_mail),
        "complained": figures.told("complained", by_mail=by_mail),
        "unsubscribed": figures.total("unsubscribed"),
        "opened": figures.people("opened"),
        "clicked": figures.people("clicked"),
    }
    return IssueLine(
        number=number,
        subject=subject,
        state=state,
        sending_at=sending_at,
        sent_at=sent_at,
        tracking=mode_of(tracking),
        audience=states["audience"],
        rejected=states["rejected"],
        uncertain=states["uncertain"],
        votes=figures.total("voted"),
        rates=rates_of(**counted),
        **counted,
    )


def troubles_of_line(db: Database, line: IssueLine) -> tuple[Trouble, ...]:
    """Say what should be looked at in an issue."""
    sql = "SELECT iif(state = 'paused', trouble, NULL) FROM issues WHERE number = ?"
    paused_by = db.conn.execute(sql, (line.number,)).fetchone()[0]
    states = {"rejected": line.rejected, "uncertain": line.uncertain}
    return findings.troubles_of(line.number, states, line.rates, paused_by)


def averages(lines: Sequence[IssueLine]) -> Averages:
    """Give the means of issues' rates, each issue counting the same, of those issues of which a rate is known."""

    def mean(shares: Iterable[Rate | None]) -> float | None:
        values = [share.value for share in shares if share is not None and share.value is not None]
        return sum(values) / len(values) if values else None

    tracked = [line.rates for line in lines if line.tracking != "off"]
    return Averages(
        issues=len(lines),
        delivered=mean(line.rates.delivered for line in lines),
        bounced=mean(line.rates.bounced for line in lines),
        complained=mean(line.rates.complained for line in lines),
        unsubscribed=mean(line.rates.unsubscribed for line in lines),
        opened=mean(rates.opened for rates in tracked),
        clicked=mean(rates.clicked for rates in tracked),
        click_to_open=mean(rates.click_to_open for rates in tracked),
    )


def best_subjects(lines: Iterable[IssueLine], *, now: datetime) -> tuple[Subject, ...]:
    """Put the subjects of issues in the order of the share of readers who clicked, the best first.

    An issue whose whole interval lies above or below the share of all together is called better or worse.
    """
    old = times.to_text(now - SETTLED)
    fit = [
        line
        for line in lines
        if line.tracking != "off" and line.rates.clicked.of >= ENOUGH and (line.sent_at or line.sending_at) <= old
    ]
    everywhere = rate(
        sum(line.rates.clicked.count for line in fit), sum(line.rates.clicked.of for line in fit), "reached"
    ).value

    def verdict(share: Rate) -> Literal["better", "worse", "alike"]:
        if everywhere is None or share.low is None or share.high is None or share.low <= everywhere <= share.high:
            return "alike"
        return "better" if share.low > everywhere else "worse"

    found = [
        Subject(
            line.number, line.subject, line.sent_at, line.rates.clicked, line.rates.opened, verdict(line.rates.clicked)
        )
        for line in fit
    ]
    return tuple(sorted(found, key=lambda subject: (-(subject.clicked.value or 0), subject.number)))


def growth_by(db: Database, unit: Unit, periods: int, *, now: datetime) -> tuple[Growth, ...]:
    """Give the last days, weeks or months, the one that is going on included; none before the first reader came."""
    days = growth.days(db)
    if not days:
        return ()
    starts = [_start_of(now.astimezone(UTC).date(), unit)]
    while len(starts) < periods and starts[0] > _start_of(min(days), unit):
        starts.insert(0, _start_of(starts[0] - timedelta(days=1), unit))
    # Nobody is lost, whatever clock wrote a day: what was before belongs to the beginning, what is to come to the last.
    active = sum(found["joined"] - found["left"] for day, found in days.items() if day < starts[0])
    sums = {start: dict.fromkeys(growth.MEASURES, 0) for start in starts}
    for day, found in days.items():
        if day >= starts[0]:
            row = sums[min(_start_of(day, unit), starts[-1])]
            for measure, count in found.items():
                row[measure] += count
    made = []
    for start, row in sums.items():
        net = row["joined"] - row["left"]
        active += net
        label = f"{start:%b %Y}" if unit == "month" else f"{start.day} {start:%b}"
        made.append(
            Growth(
                start=start.isoformat(),
                label=label,
                joined=row["joined"],
                left=row["left"],
                bounced=row["hard bounce"],
                complained=row["complaint"],
                net=net,
                active=active,
            )
        )
    return tuple(made)


def _start_of(day: date, unit: Unit) -> date:
    match unit:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
