"""What will happen when an issue is sent: to how many, in how many variants, by whom, and about how long it takes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from digest import times
from digest.errors import SettingsError
from digest.issue.model import Draft
from digest.providers import connect
from digest.sending import pace, topics
from digest.sending.topics import MAILED, Report
from digest.settings import Settings
from digest.store import Database


@dataclass(frozen=True)
class Foresight:
    """What is foreseen if an issue were sent now.

    `topics` is None where nobody chose any. `seconds` is how long the provider's own limits make it take at least, None
    where it has none; `today` is how many a day's cap lets go today, None where there is none. `trouble` is why the
    provider cannot be used at all.
    """

    audience: int
    topics: Report | None
    provider: str
    failover: str
    seconds: float | None = None
    today: int | None = None
    trouble: str = ""


def foresee(db: Database, settings: Settings, draft: Draft, *, now: datetime) -> Foresight:
    """Tell what would happen if an issue, as it fits into a mail, were sent now. It asks no provider."""
    audience = count_audience(db, now=now)
    report = topics.foreseen_of(db, settings, draft, now=now)
    seconds, today, trouble = None, None, ""
    try:
        provider = connect(settings.provider, settings.options_for(settings.provider))
    except (SettingsError, ValueError) as error:
        trouble = " ".join(str(error).split())
    else:
        asyncio.run(provider.close())
        today = pace.room_today(db, provider.name, provider.pace, now=now)
        calls = ceil(audience / min(provider.limit, settings.batch_size))
        by_calls = calls / provider.pace.calls_a_second if provider.pace.calls_a_second else 0
        by_copies = audience / provider.pace.copies_a_second if provider.pace.copies_a_second else 0
        seconds = max(by_calls, by_copies) or None
    return Foresight(audience, report, settings.provider, settings.failover, seconds, today, trouble)


def count_audience(db: Database, *, now: datetime) -> int:
    """Count those who would be mailed an issue now."""
    sql = f"SELECT count(*) FROM subscribers s WHERE {MAILED}"  # noqa: S608
    found: int = db.conn.execute(sql, {"now": times.to_text(now)}).fetchone()[0]
    return found
