"""How fast a provider is worked, by all processes together: what they must know of each other is in the store.

Calls are spaced evenly, so that in no second more of them begin than the provider's limit. A clock that was put
back cannot stop a sending: what lies further ahead than a wait can be, is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from digest import times
from digest.providers.interface import Pace
from digest.sending import ledger
from digest.store import Database, writing

MOST_AHEAD_S = 600.0
"""Further ahead no slot is given, and no provider is waited for without asking it again."""
SLOTS_AHEAD = 200
"""More slots than that are not taken before their time, whatever the number of processes and connections."""
BASE_S, MOST_S = 0.25, 30.0
"""Between these lies the pause after a call that failed."""
TROUBLES, TROUBLED_S = 8, 60.0
"""After so many failures in a row, over so long a time, the breaker opens: more of the same does nobody any good."""


def reserve(db: Database, provider: str, pace: Pace, copies: int, *, now: datetime) -> float:
    """Take the next slot for a call with so many copies; give the seconds until it begins."""
    if not pace.calls_a_second and not pace.copies_a_second:
        return 0.0
    at = now.timestamp()
    with writing(db) as connection:
        row = connection.execute("SELECT calls_at, copies_at FROM paces WHERE provider = ?", (provider,)).fetchone()
        call_s = 1 / pace.calls_a_second if pace.calls_a_second else 0.0
        copies_s = copies / pace.copies_a_second if pace.copies_a_second else 0.0
        ahead_s = MOST_AHEAD_S + SLOTS_AHEAD * max(call_s, copies_s)
        begin = max(_sane(moment, at, ahead_s) for moment in row or (at, at))
        connection.execute(
            "INSERT INTO paces (provider, calls_at, copies_at) VALUES (?1, ?2, ?3)"
            " ON CONFLICT DO UPDATE SET calls_at = ?2, copies_at = ?3",
            (provider, begin + call_s, begin + copies_s),
        )
    return begin - at


def wait_of(db: Database, provider: str, *, now: datetime) -> float:
    """Give the seconds for which the provider told one of us to wait; 0 where it did not."""
    row = db.conn.execute("SELECT not_before FROM paces WHERE provider = ?", (provider,)).fetchone()
    return _sane(row[0], now.timestamp()) - now.timestamp() if row else 0.0


def slow_down(db: Database, provider: str, seconds: float, *, now: datetime) -> None:
    """Let nobody call the provider for so long, at most ten minutes."""
    until = now.timestamp() + min(seconds, MOST_AHEAD_S)
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO paces (provider, not_before) VALUES (?1, ?2)"
            # What lies too far ahead is of a clock that was wrong.
            " ON CONFLICT DO UPDATE SET not_before = iif(not_before > ?3, ?2, max(not_before, ?2))",
            (provider, until, now.timestamp() + MOST_AHEAD_S),
        )


def _sane(moment: float, now: float, ahead_s: float = MOST_AHEAD_S) -> float:
    return moment if now < moment <= now + ahead_s else now


def cap_today(db: Database, provider: str, pace: Pace, *, now: datetime) -> int:
    """Give how many copies the provider may be given this day; 0 is without a limit.

    A warm-up doubles each day on which something is sent: a mailbox provider wants to see a sender grow.
    """
    caps = [pace.a_day] if pace.a_day else []
    if pace.first_day:
        caps.append(pace.first_day * 2 ** min(ledger.days_before(db, provider, _day(now)), 40))
    return min(caps, default=0)


def room_today(db: Database, provider: str, pace: Pace, *, now: datetime) -> int | None:
    """Give how many copies more it may be given this day; None is without a limit."""
    cap = cap_today(db, provider, pace, now=now)
    return max(0, cap - ledger.copies_on(db, provider, _day(now))) if cap else None


def tomorrow(now: datetime) -> datetime:
    """Give the moment at which the next day's copies may go."""
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _day(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%d}"


@dataclass
class Health:
    """How a provider's calls have been going lately: how long to pause after a failure, and when to give up."""

    troubles: int = 0
    since: datetime | None = None
    pause_s: float = field(default=BASE_S)
    until: datetime | None = None

    def well(self) -> None:
        """A call went well."""
        self.troubles, self.since, self.pause_s, self.until = 0, None, BASE_S, None

    def ill(self, *, now: datetime, draw: float, told_s: float | None = None) -> float:
        """A call failed; give the seconds to pause: what the provider told, or a growing, jittered pause of ours.

        `draw` is a random number from 0 to 1. The jitter is "decorrelated": up to three times the last pause
        (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
        """
        if self.until is None or now >= self.until or now < self.until - times.seconds(MOST_S):
            self.troubles += 1
            self.since = self.since or now
            self.pause_s = min(MOST_S, BASE_S + draw * (self.pause_s * 3 - BASE_S))
            self.until = now + times.seconds(self.pause_s)
        # Calls under way at the same time fail together: that is one failure.
        return (self.until - now).total_seconds() if told_s is None else max(told_s, draw * BASE_S)

    def broken(self, *, now: datetime) -> bool:
        """Tell whether to give up for now."""
        return self.troubles >= TROUBLES and self.since is not None and (now - self.since).total_seconds() >= TROUBLED_S
