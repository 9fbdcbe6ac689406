"""What became of one issue: counts, rates, links, comparisons, hours, mailbox providers, as far as it can be known.

All of it is read from `figures` and a few small tables, never from the rows of a million copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from digest import times
from digest.catalogue import voting
from digest.errors import StateError
from digest.events import HOSTS
from digest.issue import browsing
from digest.issue.issues import find_issue, load_draft
from digest.issue.model import State
from digest.issue.subject_records import shown_words
from digest.issue.tracked import Mode
from digest.settings import Settings
from digest.store import Database
from digest.tracking import counting, findings
from digest.tracking.figures import Figures, figures_of, mode_of, states_of
from digest.tracking.findings import Trouble
from digest.tracking.rates import People, Rates, added, rates_of

HOURS = 72
"""Hours that are shown one by one, from when sending began. Most of what is read at all is read by then."""

CLOSE = timedelta(minutes=1)
"""Of an issue that is being sent, figures of deliveries that are no older than its newest batch by more are shown."""

_HOUR = "%Y-%m-%dT%H"
_BY_HOUR = {
    "delivered": "delivered",
    "opened": "opened people",
    "clicked": "clicked people",
    "bounced_hard": "bounced hard",
    "bounced_soft": "bounced soft",
    "complained": "complained",
    "unsubscribed": "unsubscribed",
}


@dataclass(frozen=True)
class LinkFigures:
    """A link of the mail: how many copies it was clicked in, and how often; by anything, and by people.

    `comparison` is the slug of the comparison it belongs to, where it does.
    """

    number: int
    address: str
    comparison: str | None
    clicked: int
    clicked_people: int
    clicks: int
    clicks_people: int


@dataclass(frozen=True)
class ToolFigures:
    """Votes on a tool: those given from this issue's copies, and all that the site counts now."""

    slug: str
    name: str
    votes: int
    ship: int
    skip: int


@dataclass(frozen=True)
class ComparisonFigures:
    """A comparison of the issue: clicks on all its links together; `left` and `right` are the slugs of its tools.

    Votes are on tools, of which one may stand in two comparisons: see `IssueReport.tools`.
    """

    slug: str
    title: str
    form: str
    links: int
    clicks: int
    clicks_people: int
    left: str
    right: str


@dataclass(frozen=True)
class HourFigures:
    """What happened in an hour. `start` is UTC text, `label` the same in the newsletter's zone: ``Thu 26 Nov, 09:00``.

    `opened` and `clicked` are copies that a person opened or clicked for the first time then. What nobody tells of is
    None.
    """

    start: str
    label: str
    delivered: int | None
    opened: int
    clicked: int
    bounced_hard: int | None
    bounced_soft: int | None
    complained: int | None
    unsubscribed: int


@dataclass(frozen=True)
class HostFigures:
    """What became of the copies at a mailbox provider, such as Gmail.

    `delivered` is None where nobody tells of deliveries, as what bounced and complained is where nobody tells of
    anything; what people opened and clicked is None where it is counted
    how many read and not who.
    """

    name: str
    audience: int
    accepted: int
    delivered: int | None
    bounced_hard: int | None
    bounced_soft: int | None
    complained: int | None
    unsubscribed: int
    opened: int | None
    hidden: int | None
    hidden_people: int | None
    clicked: int | None


@dataclass(frozen=True)
class IssueReport:
    """What became of an issue.

    Moments are UTC text. `accepted` are copies a provider took. `delivered` is None where nobody told of a delivery:
    that is not 0. So are `deferred`, what bounced and what complained where nobody told of anything. `without_word` are
    copies that were taken and of which nobody said more (None with `delivered`). `opened` and `clicked` are copies,
    `opens` and `clicks` how often, `opens_people` and `clicks_people` by people. They are 0 where `tracking` is off.
    `hours` are one after the other, from when sending began; what came after them is in `later`. `notes` say what the
    figures cannot know.
    """

    number: int
    subject: str
    state: State
    sending_at: str | None
    sent_at: str | None
    tracking: Mode
    audience: int
    queued: int
    claimed: int
    accepted: int
    rejected: int
    uncertain: int
    skipped: int
    delivered: int | None
    deferred: int | None
    bounced_hard: int | None
    bounced_soft: int | None
    complained: int | None
    unsubscribed: int
    votes: int
    without_word: int | None
    opened: People
    clicked: People
    opens: int
    opens_people: int
    clicks: int
    clicks_people: int
    rates: Rates
    links: tuple[LinkFigures, ...]
    comparisons: tuple[ComparisonFigures, ...]
    tools: tuple[ToolFigures, ...]
    hours: tuple[HourFigures, ...]
    later: HourFigures | None
    hosts: tuple[HostFigures, ...]
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


def issue_report(db: Database, settings: Settings, number: int) -> IssueReport:
    """Give the report on an issue.

    Raises:
        NotFoundError: there is no such issue.
        StateError: nothing of it was sent yet.
    """
    issue = find_issue(db, number)
    if issue.sending_at is None:
        raise StateError(f"issue {number} is {issue.state} and was never sent: there is nothing to report on yet")
    figures = figures_of(db, number)
    states = states_of(db, number, figures, stale=number in behind(db))
    tracking, deleted_at, trouble = db.conn.execute(
        "SELECT tracking, events_deleted_at, trouble FROM issues WHERE number = ?", (number,)
    ).fetchone()
    mode = mode_of(tracking)
    by_mail = bool(settings.bounce_imap)
    deferred, bounced_hard, bounced_soft, complained = (
        figures.told(measure, by_mail=by_mail) for measure in ("deferred", "bounced hard", "bounced soft", "complained")
    )
    opened, clicked = figures.people("opened"), figures.people("clicked")
    rates = rates_of(
        accepted=states["accepted"],
        delivered=figures.delivered,
        bounced_hard=bounced_hard,
        bounced_soft=bounced_soft,
        complained=complained,
        unsubscribed=figures.total("unsubscribed"),
        opened=opened,
        clicked=clicked,
    )
    without_word = None
    if figures.delivered is not None:
        without_word = max(0, states["accepted"] - figures.delivered - (added(bounced_hard, bounced_soft) or 0))
    hours, later = _hours(figures, issue.sending_at, settings.zone, by_mail=by_mail)
    links = _links(db, number, figures)
    comparisons = _comparisons(db, number, links)
    return IssueReport(
        number=number,
        subject=shown_words(db, number)[0],
        state=issue.state,
        sending_at=_text(issue.sending_at),
        sent_at=_text(issue.sent_at),
        tracking=mode,
        **states,
        delivered=figures.delivered,
        deferred=deferred,
        bounced_hard=bounced_hard,
        bounced_soft=bounced_soft,
        complained=complained,
        unsubscribed=figures.total("unsubscribed"),
        votes=figures.total("voted"),
        without_word=without_word,
        opened=opened,
        clicked=clicked,
        opens=figures.total("opens"),
        opens_people=figures.total("opens people"),
        clicks=figures.total("clicks"),
        clicks_people=figures.total("clicks people"),
        rates=rates,
        links=links,
        comparisons=comparisons,
        tools=_tools(db, figures, comparisons),
        hours=hours,
        later=later,
        hosts=_hosts(figures, mode, by_mail=by_mail),
        troubles=findings.troubles_of(number, states, rates, trouble),
        notes=findings.notes_on(
            db,
            number,
            mode=mode,
            deleted_at=deleted_at,
            accepted=states["accepted"],
            delivered=figures.delivered,
            is_told=complained is not None,
            without_word=without_word or 0,
            hidden=opened.hidden,
        ),
    )


def behind(db: Database) -> set[int]:
    """Give the issues whose deliveries are others than their figures say by more than a minute, or whose state is.

    While an issue is being sent its deliveries are rolled up every few seconds, where somebody does.
    """
    stale = counting.to_roll_up(db)
    if not stale:
        return set()
    newest = db.conn.execute(
        "SELECT coalesce(settled_at, claimed_at) FROM batches ORDER BY number DESC LIMIT 1"
    ).fetchone()
    since = times.to_text(times.from_text(newest[0]) - CLOSE) if newest else ""
    near = db.conn.execute(
        "SELECT r.issue FROM roll_ups r JOIN issues i ON i.number = r.issue"
        " WHERE i.state = 'sending' AND r.made_at > ?",
        (since,),
    )
    return {*stale} - {issue for (issue,) in near}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else times.to_text(moment)


def _links(db: Database, issue: int, figures: Figures) -> tuple[LinkFigures, ...]:
    """Give the links of an issue, the most clicked first, and else in their order in the mail."""
    by = {measure: figures.by("link", measure) for measure in ("clicked", "clicked people", "clicks", "clicks people")}
    rows = db.conn.execute("SELECT number, address, comparison FROM links WHERE issue = ? ORDER BY number", (issue,))
    found = [
        LinkFigures(number, address, comparison, *(counts.get(str(number), 0) for counts in by.values()))
        for number, address, comparison in rows
    ]
    return tuple(sorted(found, key=lambda link: (-link.clicked_people, -link.clicked, link.number)))


def _comparisons(db: Database, issue: int, links: Iterable[LinkFigures]) -> tuple[ComparisonFigures, ...]:
    """Give the comparisons of an issue in their order."""
    forms = {placed.slug: placed.form for placed in browsing.placed(db, issue)}
    found = []
    for comparison in (placed.comparison for placed in load_draft(db, issue).placed):
        if forms[comparison.slug] == "out":
            continue
        own = [link for link in links if link.comparison == comparison.slug]
        found.append(
            ComparisonFigures(
                slug=comparison.slug,
                title=comparison.title,
                form=forms[comparison.slug],
                links=len(own),
                clicks=sum(link.clicks for link in own),
                clicks_people=sum(link.clicks_people for link in own),
                left=comparison.left.slug,
                right=comparison.right.slug,
            )
        )
    return tuple(found)


def _tools(db: Database, figures: Figures, comparisons: Iterable[ComparisonFigures]) -> tuple[ToolFigures, ...]:
    """Give the tools of an issue, and others that were voted on from it, those with most votes first.

    Each is there once, so that the votes are as many as the issue's; those of the whole site are as they are now.
    """
    votes = figures.by("tool", "voted")
    # In their order in the mail.
    slugs = [*dict.fromkeys([slug for one in comparisons for slug in (one.left, one.right)] + sorted(votes))]
    known = voting.tallies(db, slugs)
    found = [
        ToolFigures(slug, name, votes.get(slug, 0), ship, skip)
        for slug in slugs
        for name, ship, skip in (known.get(slug, (slug, 0, 0)),)
    ]
    return tuple(sorted(found, key=lambda tool: -tool.votes))


def _hours(
    figures: Figures, began: datetime, zone: ZoneInfo, *, by_mail: bool
) -> tuple[tuple[HourFigures, ...], HourFigures | None]:
    """Give the hours since sending began, without a gap, and all that came after them in one."""
    by = {name: figures.by("hour", measure) for name, measure in _BY_HOUR.items()}
    told = sorted({hour for counts in by.values() for hour, count in counts.items() if count})
    if not told:
        return (), None
    first = began.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    # The clock of a provider may be behind ours: what it says happened before belongs to the first hour.
    places = {hour: max(0, _hours_between(first, hour)) for hour in told}
    sums: dict[int, dict[str, int]] = {}
    for hour, place in places.items():
        row = sums.setdefault(min(place, HOURS), dict.fromkeys(by, 0))
        for name, counts in by.items():
            row[name] += counts.get(hour, 0)
    unknown: dict[str, None] = {}
    if figures.delivered is None:
        unknown["delivered"] = None
    if figures.told("complained", by_mail=by_mail) is None:
        unknown |= dict.fromkeys(("bounced_hard", "bounced_soft", "complained"))

    def of(place: int) -> HourFigures:
        return _hour(first + timedelta(hours=place), zone, {**sums.get(place, {}), **unknown})

    last = max(place for place in sums if place < HOURS) if min(sums) < HOURS else -1
    return tuple(of(place) for place in range(last + 1)), of(HOURS) if HOURS in sums else None


def _hours_between(first: datetime, hour: str) -> int:
    return int((datetime.strptime(hour, _HOUR).replace(tzinfo=UTC) - first) / timedelta(hours=1))


def _hour(start: datetime, zone: ZoneInfo, counts: Mapping[str, int | None]) -> HourFigures:
    local = start.astimezone(zone)
    label = f"{local:%a} {local.day} {local:%b, %H:%M}"
    shown: dict[str, Any] = {**dict.fromkeys(_BY_HOUR, 0), **counts}
    return HourFigures(times.to_text(start), label, **shown)


def _hosts(figures: Figures, mode: Mode, *, by_mail: bool) -> tuple[HostFigures, ...]:
    """Give the mailbox providers, those with most copies first, and all the small ones together at the end."""
    audience = (
        figures.by("host", "audience") or figures.by("host", "accepted copies") or figures.by("host", "delivered")
    )

    def count(measure: str, host: str) -> int:
        return figures.by("host", measure).get(host, 0)

    def told(measure: str, host: str) -> int | None:
        return None if figures.told(measure, by_mail=by_mail) is None else count(measure, host)

    found = [
        HostFigures(
            name=HOSTS[int(host)],
            audience=count("audience", host),
            accepted=count("accepted copies", host),
            delivered=None if figures.delivered is None else count("delivered", host),
            bounced_hard=told("bounced hard", host),
            bounced_soft=told("bounced soft", host),
            complained=told("complained", host),
            unsubscribed=count("unsubscribed", host),
            opened=count("opened people", host) if mode == "readers" else None,
            hidden=count("hidden", host) if mode == "readers" else None,
            hidden_people=count("hidden people", host) if mode == "readers" else None,
            clicked=count("clicked people", host) if mode == "readers" else None,
        )
        for host in sorted(audience, key=lambda host: (host == "0", -audience[host], int(host)))
        if audience[host]
    ]
    return tuple(found)
