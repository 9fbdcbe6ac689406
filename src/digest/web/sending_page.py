"""What the sending page shows: how far an issue is, in words and figures, and what there is for a person to do.

`Live` is what moves; it is made several times a second for whoever watches, so it looks at few rows. `Parts` is the
rest, made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from digest import times
from digest.issue.model import Issue
from digest.numbers import counted, percent, several
from digest.sending import ledger, progress, steering, subject_test, topics
from digest.sending.doubts import UNKNOWN
from digest.sending.ledger import Delivery, OpenBatch
from digest.sending.progress import Counts, Provided, Reason, Way, Zone
from digest.sending.running import time_of
from digest.sending.steering import Unsettled
from digest.sending.topics_words import told as told_of_topics
from digest.settings import Settings
from digest.store import Database

SHOWN = 12
"""Addresses of an uncertain batch that are shown at once; the rest are on a page of their own."""

At = Literal["waits", "works", "nobody"]
"""Whether an issue that is being sent waits for a moment, is worked on, or has nobody at work on it yet."""


@dataclass(frozen=True)
class Live:
    """What moves while an issue is sent. `key` changes when more than figures did. Shares are in percent."""

    state: str
    headline: str
    of: str
    percent: str
    figures: dict[str, str]
    shares: dict[str, float]
    rate: str
    average: str
    left: str
    began: str
    key: str


def live(
    db: Database,
    settings: Settings,
    issue: Issue,
    counts: Counts,
    *,
    now: datetime,
    at_work: bool,
    lives: Callable[[int], bool],
) -> Live:
    """Say how far an issue is.

    Args:
        db: the store.
        settings: those in force.
        issue: the issue.
        counts: its copies, as they are or were a moment ago.
        now: the moment.
        at_work: whether a process has it in hand.
        lives: tells whether the worker of a number is at work.
    """
    ways = progress.ways(db, settings, counts, now=now) if issue.state == "sending" else []
    moment = progress.next_moment(settings, counts, ways[0] if ways else None, now=now) if ways else None
    rate = progress.rate_now(db, issue.number, now=now) if issue.state in ("sending", "paused") else 0.0
    settled = counts.audience - counts.to_go - counts.uncertain
    headline, left = _said(db, settings, issue, counts, moment, rate, now=now, at_work=at_work)
    unsure = [f"{one.number}{one.state}{lives(one.worker)}" for one in _unsure(db, issue.number, lives)]
    waits = [f"{way.name}{way.problem}{_minute(way.waits_until)}" for way in ways]
    zones = [f"{zone.at}{zone.readers}" for zone in counts.zones]
    key = [issue.state, issue.trouble, headline, *unsure, counts.rejected, counts.skipped, *waits, *zones]
    whole = max(1, counts.audience)
    average = progress.rate_so_far(db, issue, counts)
    return Live(
        state=issue.state,
        headline=headline,
        of=f"{counted(settled)} of {counted(counts.audience)}",
        percent=percent(settled / whole) if counts.audience else "",
        figures={
            "accepted": counted(counts.accepted),
            "to_go": counted(counts.to_go),
            "rejected": counted(counts.rejected),
            "uncertain": counted(counts.uncertain),
            "skipped": counted(counts.skipped),
        },
        shares={
            name: round(100 * getattr(counts, name) / whole, 2)
            for name in ("accepted", "rejected", "uncertain", "skipped")
        },
        rate=_pace(rate) if rate else "—",
        average=_pace(average) if average else "—",
        left=left,
        began=times.for_people(issue.sending_at, settings.zone) if issue.sending_at else "—",
        key="|".join(map(str, key)),
    )


def _unsure(db: Database, number: int, lives: Callable[[int], bool]) -> list[OpenBatch]:
    """Give the open batches of an issue that nobody is just handing over."""
    return [one for one in ledger.open_batches(db, number) if one.state != "claimed" or not lives(one.worker)]


def _minute(moment: datetime | None) -> str:
    return f"{moment:%d %H:%M}" if moment else ""


def _said(
    db: Database,
    settings: Settings,
    issue: Issue,
    counts: Counts,
    moment: tuple[datetime, str] | None,
    rate: float,
    *,
    now: datetime,
    at_work: bool,
) -> tuple[str, str]:
    """Give the headline of an issue's state, and what is said of the time that is left."""
    if issue.state != "sending":
        return _said_of_others(settings, issue, now)
    if moment is not None and moment[0] > now:
        why, span = moment[1], times.span(moment[0] - now)
        return f"It waits until {times.for_people(moment[0], settings.zone)}: {why}.", f"goes on in {span}"
    later = min(counts.queued, sum(zone.readers for zone in counts.zones))
    soon = counts.to_go - later
    if not counts.to_go:
        return "All is handed over; some copies are still uncertain.", "until the uncertain ones are settled"
    if not soon:
        return "It waits for readers’ own time.", f"goes on in {times.span(counts.zones[0].at - now)}"
    if not rate and subject_test.copies_wait(db, issue.number):
        return "The share has its copies; the rest waits for the subject that wins.", "until a subject wins"
    if issue.trouble:
        return "It is held up.", "—"
    if rate:
        more = f", then {several(later, 'reader')} at their own time" if later else ""
        return "It is going out.", f"about {times.span(timedelta(seconds=soon / rate))}{more}"
    words = "It is going out." if at_work else "It goes on in a moment; where `digest serve` runs, by itself."
    return words, "not known yet"


def _said_of_others(settings: Settings, issue: Issue, now: datetime) -> tuple[str, str]:
    """Say the same of an issue that is not being sent now."""
    match issue.state:
        case "draft":
            return "It is a draft, and nobody has approved it yet.", "—"
        case "approved" if issue.scheduled_at is None:
            return f"It was approved without a time: `digest send {issue.number}` mails it, or give it a time.", "—"
        case "approved" if issue.scheduled_at and issue.scheduled_at <= now:
            return "Its time has come." if issue.trouble else "Its time has come: it goes in a moment.", "—"
        case "approved" if issue.scheduled_at:
            when = times.for_people(time_of(issue, settings), settings.zone)
            local = " where each reader is" if issue.local_time else ""
            return f"It goes out {when}{local}.", f"in {times.span(issue.scheduled_at - now)}"
        case "paused":
            return "Paused. What was in hand is finished; nothing more is handed over until somebody resumes it.", "—"
        case "cancelled":
            return "Cancelled for good.", "—"
        case _:
            when = times.for_people(issue.sent_at, settings.zone) if issue.sent_at else ""
            took = issue.sent_at - issue.sending_at if issue.sent_at and issue.sending_at else timedelta(0)
            return f"Sent. The last copy was settled {when}.", f"done, in {times.span(took)}"


def _pace(rate: float) -> str:
    if rate >= 10:
        return f"{rate:,.0f} a second"
    return f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.0f} a minute"


# The rest of the page ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unsure:
    """An uncertain batch: whether a person is asked, what is said of it, and whether one may decide now."""

    found: Unsettled
    for_person: bool
    may_decide: bool
    what: str

    @property
    def shown(self) -> Sequence[str]:
        """The first of its addresses."""
        return self.found.addresses[:SHOWN]


@dataclass(frozen=True)
class Parts:
    """What the page shows beside the figures that move."""

    ways: list[tuple[Way, str, str]]
    zones: tuple[Zone, ...]
    unsure: list[Unsure]
    rejected: list[Reason]
    skipped: list[Reason]
    topics: list[str]
    trouble: str | None


def parts(
    db: Database, settings: Settings, issue: Issue, counts: Counts, *, now: datetime, lives: Callable[[int], bool]
) -> Parts:
    """Look up what the sending page shows beside the figures that move."""
    begun = issue.sending_at is not None
    found = progress.ways(db, settings, counts, now=now) if begun or issue.state == "approved" else []
    return Parts(
        ways=[(way, _limits(way), _doing(way, issue, settings)) for way in found],
        zones=counts.zones,
        unsure=[_unsure_words(one, lives) for one in steering.unsettled(db, issue.number, lives=lives)],
        rejected=progress.reasons(db, issue.number, Delivery.REJECTED) if counts.rejected else [],
        skipped=progress.reasons(db, issue.number, Delivery.SKIPPED) if counts.skipped else [],
        topics=[f"{line}." for line in told_of_topics(topics.report_of(db, issue.number))],
        trouble=issue.trouble,
    )


def _limits(way: Way) -> str:
    limits = [
        (way.pace.calls_a_second, "calls a second"),
        (way.pace.copies_a_second, "copies a second"),
        (way.cap, "copies a day"),
    ]
    return ", ".join(f"{limit:,g} {unit}" for limit, unit in limits if limit) or "none"


def _doing(way: Way, issue: Issue, settings: Settings) -> str:
    """Say what keeps a provider from taking copies, or what trouble it had last."""
    if way.problem:
        return f"Its settings are wrong: {way.problem}"
    if issue.state == "sending" and way.waits_until is not None:
        why = "it had its copies of this day" if way.cap and way.today >= way.cap else "it told us to wait"
        return f"Takes none until {times.for_people(way.waits_until, settings.zone)}: {why}"
    last: Provided | None = way.last
    if last is not None and last.trouble and last.trouble_at:
        return f"Last trouble, {times.for_people(last.trouble_at, settings.zone)}: {last.trouble}"
    return "" if last else "Stands by"


def _unsure_words(one: Unsettled, lives: Callable[[int], bool]) -> Unsure:
    batch = one.batch
    if batch.provider == UNKNOWN:
        what = (
            "They may have gone out between the backup and the moment it was brought back. They were in turn in this"
            " order: ask some of these readers, or look them up at the provider, to find where it ended."
        )
        return Unsure(one, for_person=True, may_decide=True, what=what)
    if batch.state == "held":
        what = (
            f"Nobody but you can find out. Look these addresses up at {batch.provider}: does it have this mail to them?"
        )
        return Unsure(one, for_person=True, may_decide=True, what=what)
    if lives(batch.worker):
        what = (
            "digest finds out by itself: it asks, or calls again in a way that cannot send twice. Nothing to do here."
        )
        return Unsure(one, for_person=False, may_decide=False, what=what)
    what = (
        "Its process died. digest takes it up by itself within seconds, and finds out if that can be; else it asks you."
    )
    return Unsure(one, for_person=False, may_decide=True, what=what)
