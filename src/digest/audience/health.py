"""How the list is: who would be mailed now, and who would not, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.audience import dummy, growth
from digest.audience.forgetting import NOBODY
from digest.audience.subscribers import REASONS
from digest.store import Database


@dataclass(frozen=True)
class Health:
    """How the list is. `mailed` are those who would get an issue now: active, not suppressed, not pausing.

    `active`, `pending` and `unsubscribed` are all subscribers by their state, the active ones being `mailed`, `pausing`
    and `suppressed_active`: still subscribed, and on the suppression list. `suppressed` are all addresses on that list,
    by reason. Who was forgotten is no subscriber any more, and counts there alone.
    """

    active: int
    mailed: int
    pausing: int
    suppressed_active: int
    pending: int
    unsubscribed: int
    suppressed: dict[str, int]


# One statement, so that all are of one moment. From the list to the readers, which SQLite would do the other way round:
# a million readers with 25,000 such addresses among them take 0.1 s, and 1.2. Whose address is on it as unsubscribed is
# no active reader. Those who pause are counted in the index alone, and those of them who are on the list taken off.
_COUNTS = f"""
WITH barred (readers, pausing) AS (
  SELECT count(*), count(*) FILTER (WHERE s.paused_until > :now)
  FROM suppressions x CROSS JOIN subscribers s ON s.email_key = x.email_key
  WHERE s.state = 'active' AND x.reason <> 'unsubscribed'
)
SELECT
  readers,
  (SELECT count(*) FROM subscribers WHERE paused_until > :now AND state = 'active') - pausing,
  (SELECT count(*) FROM subscribers WHERE state = 'pending' AND id <> {dummy.NUMBER}),
  (SELECT count(*) FROM subscribers WHERE state = 'unsubscribed')
    - (SELECT count(*) FROM subscribers WHERE state = 'unsubscribed' AND {NOBODY}),
  ({growth.SUBSCRIBED}),
  {", ".join(f"count(*) FILTER (WHERE x.reason = '{reason}')" for reason in REASONS)}
FROM barred LEFT JOIN suppressions x ON x.email_key <> '{dummy.KEY}'
"""  # noqa: S608 (our own words)


def health(db: Database, *, now: datetime) -> Health:
    """Count. Of a million readers with 25,000 suppressed and 10,000 pausing ones it takes a tenth of a second."""
    row = db.conn.execute(_COUNTS, {"now": times.to_text(now)}).fetchone()
    barred, pausing, pending, unsubscribed, active, *by_reason = row
    return Health(
        active=active,
        mailed=active - barred - pausing,
        pausing=pausing,
        suppressed_active=barred,
        pending=pending,
        unsubscribed=unsubscribed,
        suppressed=dict(zip(REASONS, by_reason, strict=True)),
    )
