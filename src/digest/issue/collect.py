"""Collecting: which comparisons the next issue is to have.

Every comparison that is public and stands in no issue yet is new, however late it was imported and whatever
the clocks did: what an issue considered is written down comparison by comparison, not told from dates. A
cancelled issue that was mailed to nobody gives its comparisons back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.catalogue.model import Comparison
from digest.catalogue.queries import load_comparisons
from digest.store import Database

# A cancelled issue counts where somebody was, or may have been, mailed it: claimed, accepted, uncertain.
_MAILED = "EXISTS (SELECT 1 FROM deliveries d WHERE d.issue = i.number AND d.state IN (1, 2, 4))"
STANDS = f"(i.state <> 'cancelled' OR {_MAILED})"
"""Whether the issue `i` stands, in SQL: it is not cancelled, or somebody was or may have been mailed it."""
_IS_NEW = (
    "c.published_at <= ? AND NOT EXISTS (SELECT 1 FROM issue_comparisons ic JOIN issues i ON i.number = ic.issue"  # noqa: S608
    f" WHERE ic.comparison = c.id AND {STANDS})"
)


@dataclass(frozen=True)
class Collected:
    """What was found: new comparisons, sent ones that changed in substance, and older ones left out by choice."""

    new: tuple[Comparison, ...]
    updated: tuple[Comparison, ...]
    left_out: tuple[Comparison, ...] = ()


def collect(db: Database, *, now: datetime, since: datetime | None = None) -> Collected:
    """Find what is public at `now` and in no issue that stands; of that, what was published before `since` is left out.

    A comparison that changed in substance since it was last mailed (its verdicts, panel ship or entry, not its
    wording) is given as updated, once for each change.
    """
    rows = db.conn.execute(
        f"SELECT c.id FROM comparisons c WHERE {_IS_NEW} ORDER BY c.published_at DESC, c.slug",  # noqa: S608
        (times.to_text(now),),
    )
    found = load_comparisons(db, [id_ for (id_,) in rows])
    new = tuple(comparison for comparison in found if since is None or comparison.published_at >= since)
    kept = {comparison.id for comparison in new}
    return Collected(new, _updated(db), tuple(comparison for comparison in found if comparison.id not in kept))


def _updated(db: Database) -> tuple[Comparison, ...]:
    # All that were ever mailed are looked at: 1,500 after a year of thirty a week, a tenth of a second.
    mailed = dict(
        db.conn.execute(
            "SELECT c.id, ic.substance FROM comparisons c"  # noqa: S608
            " JOIN issue_comparisons ic ON ic.comparison = c.id"
            " JOIN issues i ON i.number = ic.issue"
            " WHERE i.sending_at IS NOT NULL AND ic.form <> 'out'"
            " AND i.number = (SELECT max(i.number) FROM issue_comparisons x JOIN issues i ON i.number = x.issue"
            f"   WHERE x.comparison = c.id AND {STANDS})"
            " ORDER BY c.published_at DESC, c.slug"
        ).fetchall()
    )
    return tuple(
        comparison for comparison in load_comparisons(db, mailed) if not comparison.has_substance(mailed[comparison.id])
    )


def came_in_since(db: Database, *, now: datetime) -> int:
    """Count what a new draft would find: comparisons that are public at `now` and stand in no issue."""
    count: int = db.conn.execute(
        f"SELECT count(*) FROM comparisons c WHERE {_IS_NEW}",  # noqa: S608
        (times.to_text(now),),
    ).fetchone()[0]
    return count
