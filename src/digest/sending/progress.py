"""How far an issue is, for those who watch: counts, pace, what is to come, what each provider does.

What looks at every copy is counted by one for all who watch (`Counter`), when something changed, and for a small share
of the time at most. The rest is read from batches, of which there are few.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from digest import times
from digest.errors import SettingsError
from digest.issue.model import Issue
from digest.providers.interface import Pace
from digest.sending import ledger, pace
from digest.sending.connecting import names_of
from digest.sending.timing import due_at, quiet_until
from digest.settings import Settings
from digest.store import Database

SHARE = 0.05
"""The share of the time that counting may take, all who watch together."""
LEAST_S = 0.5
"""More often than that nothing is counted."""
LATELY_S = 20.0
"""The pace "now" is that of so long."""
LATELY_BATCHES = 5_000
"""So many of the newest batches are looked at for it."""


@dataclass(frozen=True)
class Provided:
    """What a provider did for an issue: batches settled, the copies in them, and the last trouble it had with one."""

    name: str
    account: str
    copies: int
    trouble: str | None
    trouble_at: datetime | None


@dataclass(frozen=True)
class Zone:
    """Readers whose copies wait for their own time: when that is, where they are, and how many."""

    at: datetime
    zones: tuple[str, ...]
    readers: int


@dataclass(frozen=True)
class Counts:
    """An issue's copies by state, and what else looks at many rows. `zones` are those still to come, the next first."""

    audience: int = 0
    queued: int = 0
    claimed: int = 0
    accepted: int = 0
    rejected: int = 0
    uncertain: int = 0
    skipped: int = 0
    providers: tuple[Provided, ...] = ()
    zones: tuple[Zone, ...] = ()

    @property
    def to_go(self) -> int:
        """What waits, or is being handed over."""
        return self.queued + self.claimed

    @property
    def done(self) -> int:
        """What was handed over, one way or the other."""
        return self.accepted + self.rejected


@dataclass
class _Known:
    stand: str = ""
    counts: Counts = field(default_factory=Counts)
    again_at: float = 0.0
    lock: Lock = field(default_factory=Lock)


class Counter:
    """Counts copies for all who watch in one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[int, _Known] = {}
        self._lock = Lock()

    def counts(self, db: Database, issue: Issue, settings: Settings, *, now: datetime, exact: bool = False) -> Counts:
        """Give an issue's counts, as they are or were a moment ago; as they are where that is said to be needed."""
        with self._lock:
            known = self._known.setdefault(issue.number, _Known())
        if exact:
            known.lock.acquire()
        elif self._clock() < known.again_at or not known.lock.acquire(blocking=not known.stand):
            return known.counts
        try:
            # Before it is counted: what changes meanwhile is counted the next time.
            stand = _stand_of(db, issue)
            if stand != known.stand:
                begun = self._clock()
                known.counts = _count(db, issue, settings, now=now)
                known.stand = stand
                cost = self._clock() - begun
                known.again_at = begun + cost + max(LEAST_S, cost / SHARE)
            return known.counts
        finally:
            known.lock.release()


def _stand_of(db: Database, issue: Issue) -> str:
    """Give what changes whenever a copy of the issue may have."""
    row = db.conn.execute(
        "SELECT i.state || i.version || i.updated_at || (SELECT count(*) || '-' || coalesce(max(number), 0)"
        " FROM batches WHERE issue = i.number) || coalesce((SELECT group_concat(b.number || b.state) FROM batches b"
        " WHERE b.issue = i.number AND b.state <> 'settled'), '') FROM issues i WHERE i.number = ?",
        (issue.number,),
    ).fetchone()
    return str(row[0])


def _count(db: Database, issue: Issue, settings: Settings, *, now: datetime) -> Counts:
    zones = _zones(db, issue, settings, now) if issue.local_time and issue.state in ("sending", "paused") else ()
    return Counts(**ledger.tally(db, issue.number), providers=_providers(db, issue.number), zones=zones)


def _providers(db: Database, number: int) -> tuple[Provided, ...]:
    rows = db.conn.execute(
        "SELECT provider, account, coalesce(sum(size) FILTER (WHERE state = 'settled' AND settled_by <> 'refused'"
        " AND settled_by <> 'setting'), 0), max(iif(trouble IS NULL, 0, number))"
        " FROM batches WHERE issue = ? GROUP BY provider, account ORDER BY min(number)",
        (number,),
    ).fetchall()
    found = []
    for provider, account, copies, last in rows:
        trouble = db.conn.execute(
            "SELECT trouble, coalesce(settled_at, uncertain_at, claimed_at) FROM batches WHERE number = ?", (last,)
        ).fetchone() or (None, None)
        at = times.from_text(trouble[1]) if trouble[1] else None
        found.append(Provided(provider, account, copies, trouble[0], at))
    return tuple(found)


def _zones(db: Database, issue: Issue, settings: Settings, now: datetime) -> tuple[Zone, ...]:
    assert issue.local_time is not None  # noqa: S101 (asked before)
    moments: dict[datetime, list[tuple[str, int]]] = {}
    for zone, readers in db.conn.execute(
        "SELECT coalesce(s.timezone, ''), count(*) FROM deliveries d JOIN subscribers s ON s.id = d.subscriber"
        " WHERE d.issue = ? AND d.state = 0 GROUP BY 1",
        (issue.number,),
    ):
        at = due_at(issue.local_time, zone, settings.timezone)
        if at > now:
            moments.setdefault(at, []).append((zone or settings.timezone, readers))
    return tuple(
        Zone(at, tuple(zone for zone, _ in sorted(of, key=lambda one: -one[1])), sum(count for _, count in of))
        for at, of in sorted(moments.items())
    )


# Pace --------------------------------------------------------------------------------------------------------------


def rate_now(db: Database, number: int, *, now: datetime) -> float:
    """Give how many copies a second were handed over lately; 0 where none was."""
    since = now - timedelta(seconds=LATELY_S)
    copies, begun = db.conn.execute(
        "SELECT coalesce(sum(size), 0), min(claimed_at) FROM (SELECT size, claimed_at, settled_at FROM batches"
        " WHERE issue = ? ORDER BY number DESC LIMIT ?) WHERE settled_at > ? AND settled_at <= ?",
        (number, LATELY_BATCHES, times.to_text(since), times.to_text(now)),
    ).fetchone()
    if not copies:
        return 0.0
    # What has just begun has not been at it for so long.
    return float(copies / max(0.5, (now - max(since, times.from_text(begun))).total_seconds()))


def rate_so_far(db: Database, issue: Issue, counts: Counts) -> float:
    """Give how many copies a second were handed over on average, from the beginning to the last of them."""
    last = db.conn.execute(
        "SELECT settled_at FROM batches WHERE issue = ? AND settled_at IS NOT NULL ORDER BY number DESC LIMIT 1",
        (issue.number,),
    ).fetchone()
    if issue.sending_at is None or last is None or not counts.done:
        return 0.0
    return counts.done / max(0.5, (times.from_text(last[0]) - issue.sending_at).total_seconds())


@dataclass(frozen=True)
class Way:
    """A provider as the settings have it now: its limits, how many copies it had today, until when it takes none.

    `problem` is what is wrong with its settings; `last` is what it did for the issue.
    """

    name: str
    pace: Pace = field(default_factory=Pace)
    today: int = 0
    cap: int = 0
    waits_until: datetime | None = None
    problem: str | None = None
    last: Provided | None = None


def ways(db: Database, settings: Settings, counts: Counts, *, now: datetime) -> list[Way]:
    """Give the providers of the settings, and those that have copies of the issue from other settings."""
    found = []
    named = names_of(settings)
    for name in named:
        last = next((one for one in reversed(counts.providers) if one.name == name), None)
        try:
            limits = settings.options_for(name).pace
        except (SettingsError, ValueError) as error:
            found.append(Way(name, problem=str(error), last=last))
            continue
        cap = pace.cap_today(db, name, limits, now=now)
        wait = pace.wait_of(db, name, now=now)
        until = now + timedelta(seconds=wait) if wait > 0 else None
        if pace.room_today(db, name, limits, now=now) == 0:
            until = max(until or now, pace.tomorrow(now))
        today = ledger.copies_on(db, name, f"{times.to_text(now)[:10]}")
        found.append(Way(name, limits, today, cap, until, last=last))
    return found + [Way(one.name, last=one) for one in counts.providers if one.name not in named]


def next_moment(settings: Settings, counts: Counts, first: Way | None, *, now: datetime) -> tuple[datetime, str] | None:
    """Give when there is more to do, and why not before; None where nothing keeps it."""
    if (until := quiet_until(now, settings.quiet, settings.zone)) is not None:
        return until, "quiet hours"
    if first is not None and first.waits_until is not None:
        return first.waits_until, "the day’s cap" if first.cap and first.today >= first.cap else "its provider said so"
    if counts.zones and sum(zone.readers for zone in counts.zones) >= counts.queued:
        return counts.zones[0].at, "readers’ own time"
    return None


# Why copies came to what they came to ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reason:
    """Why so many copies were rejected or skipped."""

    words: str
    copies: int


def reasons(db: Database, number: int, state: ledger.Delivery, *, most: int = 50) -> list[Reason]:
    """Give why copies were rejected, or skipped, the most frequent first. Addresses in it are left out."""
    rows = db.conn.execute(
        "SELECT replace(coalesce(d.reason, ''), iif(s.email = '', char(1), s.email), '…') AS words, count(*)"
        " FROM deliveries d JOIN subscribers s ON s.id = d.subscriber WHERE d.issue = ? AND d.state = ? GROUP BY words"
        " ORDER BY 2 DESC, 1 LIMIT ?",
        (number, int(state), most),
    )
    return [Reason(words or "no reason was given", count) for words, count in rows]


@dataclass(frozen=True)
class Refused:
    """A copy that was rejected; the address is None where its reader is forgotten."""

    subscriber: int
    email: str | None
    reason: str
    provider: str | None


def rejected(db: Database, number: int, *, limit: int, after: int = 0) -> list[Refused]:
    """Give the rejected copies of an issue by their readers' numbers, after the one given."""
    rows = db.conn.execute(
        "SELECT d.subscriber, nullif(s.email, ''), coalesce(d.reason, ''), b.provider FROM deliveries d"
        " JOIN subscribers s ON s.id = d.subscriber LEFT JOIN batches b ON b.number = d.batch"
        " WHERE d.issue = ? AND d.subscriber > ? AND d.state = ? ORDER BY d.subscriber LIMIT ?",
        (number, after, int(ledger.Delivery.REJECTED), limit),
    )
    return [Refused(*row) for row in rows]
