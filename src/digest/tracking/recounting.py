"""Whether the figures are true: all of them counted again from the rows they were made of, and compared.

It goes through the rows in the order they lie in, an issue at a time, and keeps nothing but counts: a store of fifty
million events needs no more memory than one of a thousand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

from digest.events import Kind
from digest.issue.subject_records import groups_of
from digest.store import Database
from digest.tracking import counting
from digest.tracking.counting import Judged, Key, contribution, forgotten_host, group_of
from digest.tracking.figures import STATES, mode_of

Progress = Callable[[int], None]

EVERY = 10_000
"""Progress is told of so many rows at a time."""

SHOWN = 20
"""Wrong figures of an issue that are named one by one."""

_OF_DELIVERIES = frozenset({"audience", *STATES.values()})


@dataclass
class Recount:
    """What the recount found: `wrong` names the figures that are not what they should be, `left_out` what could not be
    counted again. `rows` is how many were gone through.
    """

    wrong: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    figures: int = 0
    rows: int = 0


def recount(db: Database, *, now: datetime, progress: Progress = lambda rows: None) -> Recount:
    """Count all figures again and compare them with those that are kept.

    Deliveries of an issue that is still being sent, or was a moment ago, are counted into its figures first: those of
    them follow a little later, and are wrong in no other way.
    """
    found = Recount()
    for issue in counting.to_roll_up(db):
        counting.roll_up(db, issue, now=now)
    moving = frozenset(counting.to_roll_up(db))
    issues = db.conn.execute(
        "SELECT number, tracking, events_deleted_at FROM issues WHERE sending_at IS NOT NULL ORDER BY number"
    ).fetchall()
    for issue, tracking, deleted_at in issues:
        _compare(db, found, issue, mode_of(tracking) == "readers", deleted_at, moving, progress)
    known = {issue for issue, _, _ in issues}
    for (issue,) in db.conn.execute("SELECT DISTINCT issue FROM figures").fetchall():
        if issue not in known:
            found.wrong.append(f"issue {issue} was never sent, and has figures")
    return found


def _compare(
    db: Database,
    found: Recount,
    issue: int,
    of_readers: bool,
    deleted_at: str | None,
    moving: frozenset[int],
    progress: Progress,
) -> None:
    # One moment of the store for all of an issue, whatever is written meanwhile.
    db.conn.execute("BEGIN")
    try:
        kept = _kept(db, issue)
        counted = counting.deliveries(db, issue)
        found.rows += counted["audience", "", ""]
        progress(counted["audience", "", ""])
        if deleted_at is None:
            counted += events(db, issue, found, progress)
            counted += readings(db, issue, found, progress, of_readers=of_readers)
    finally:
        db.conn.execute("ROLLBACK")
    if deleted_at is not None:
        found.left_out.append(f"issue {issue}: its events were deleted on {deleted_at[:10]}, and its figures stay")
        kept = Counter({key: count for key, count in kept.items() if key[0] in _OF_DELIVERIES})
    if issue in moving:
        found.left_out.append(f"issue {issue}: it is being sent, and its deliveries change while they are counted")
        kept, counted = (
            Counter({key: count for key, count in counts.items() if key[0] not in _OF_DELIVERIES})
            for counts in (kept, counted)
        )
    found.figures += len(kept)
    wrong = sorted(key for key in kept.keys() | counted.keys() if kept[key] != counted[key])
    for measure, part, value in wrong[:SHOWN]:
        of = f" ({part} {value})" if part else ""
        is_, should = kept[measure, part, value], counted[measure, part, value]
        found.wrong.append(f"issue {issue}: {measure}{of} is {is_}, and counted again {should}")
    if len(wrong) > SHOWN:
        found.wrong.append(f"issue {issue}: {len(wrong) - SHOWN} more figures are wrong")


def _kept(db: Database, issue: int) -> Counter[Key]:
    rows = db.conn.execute("SELECT measure, part, value, count FROM figures WHERE issue = ?", (issue,))
    return Counter({(measure, part, value): count for measure, part, value, count in rows})


def events(db: Database, issue: int, found: Recount, progress: Progress = lambda rows: None) -> Counter[Key]:
    """Count the events of an issue into figures: what the view `event_parts` says, in one pass instead of four."""
    # As small numbers: a text for each of millions of rows would take most of the time.
    seen: Counter[tuple[int, str, int, int]] = Counter()
    rows = db.conn.execute(
        "SELECT e.kind, e.key, e.at / 3600, d.host FROM events e"
        " JOIN deliveries d ON d.issue = e.issue AND d.subscriber = e.subscriber WHERE e.issue = ?",
        (issue,),
    )
    while lot := rows.fetchmany(EVERY):
        seen.update(lot)
        found.rows += len(lot)
        progress(len(lot))
    total: Counter[Key] = Counter()
    for (kind, key, hour, host), count in seen.items():
        measure = f"bounced {key}" if kind == Kind.BOUNCED else Kind(kind).word
        total[measure, "", ""] += count
        total[measure, "host", str(host)] += count
        total[measure, "hour", f"{datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%dT%H}"] += count
        if kind == Kind.VOTED:
            total[measure, "tool", key] += count
    return total


def readings(
    db: Database, issue: int, found: Recount, progress: Progress = lambda rows: None, *, of_readers: bool
) -> Counter[Key]:
    """Count the opens and clicks of an issue into figures, as they were judged."""
    total: Counter[Key] = Counter()
    groups = groups_of(db.conn, issue)
    rows = db.conn.execute(
        "SELECT r.copy, d.host, d.variant, r.kind, r.link, r.at, r.agent, r.mark, r.why FROM readings r"
        " LEFT JOIN deliveries d ON d.issue = r.issue AND d.subscriber = r.copy WHERE r.issue = ?"
        " ORDER BY r.issue, r.copy",
        (issue,),
    )
    for (copy, host, variant), of_copy in groupby(_told(rows, found, progress), itemgetter(0, 1, 2)):
        judged = [Judged(*row[3:]) for row in of_copy]
        forgotten = forgotten_host(copy)
        group = group_of(copy, variant if of_readers else None, groups)
        total.update(contribution(judged, (host if forgotten is None else forgotten) if of_readers else None, group))
    return total


def _told(rows: Iterator[tuple[int, ...]], found: Recount, progress: Progress) -> Iterator[tuple[int, ...]]:
    count = 0
    for row in rows:
        yield row
        count += 1
        if count % EVERY == 0:
            progress(EVERY)
    progress(count % EVERY)
    found.rows += count


def audience(db: Database) -> list[str]:
    """Say where the days on which readers came and went do not come to the readers there are."""
    joined, left = db.conn.execute(
        "SELECT coalesce(sum(iif(measure = 'joined', count, 0)), 0), coalesce(sum(iif(measure = 'left', count, 0)), 0)"
        " FROM audience_days"
    ).fetchone()
    active = db.conn.execute("SELECT count(*) FROM subscribers WHERE state = 'active'").fetchone()[0]
    if joined - left == active:
        return []
    return [f"the audience: {joined} joined and {left} left, which leaves {joined - left}; {active} are active"]
