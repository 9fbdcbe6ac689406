"""The sending ledger: claim, hand over, record. This is the store's side of it.

A delivery goes `queued → claimed → accepted | rejected | uncertain`, or `queued → skipped`. A batch is written
down, with its deliveries claimed, before the network is touched; so whatever dies, it is known which copies
may have gone out. An uncertain batch is settled by asking its provider, never by guessing.

Every function is one short write transaction.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from digest import times
from digest.errors import StateError
from digest.providers.interface import Outcome
from digest.store import Database, writing


class Delivery(IntEnum):
    """The states of a delivery, as the store numbers them."""

    QUEUED = 0
    CLAIMED = 1
    ACCEPTED = 2
    REJECTED = 3
    UNCERTAIN = 4
    SKIPPED = 5


@dataclass(frozen=True)
class Claimed:
    """A batch in the ledger: `copies` are (subscriber, email, name) of each delivery in it."""

    number: int
    issue: int
    provider: str
    account: str
    idempotency_key: str
    claimed_at: datetime
    first: int
    last: int
    copies: tuple[tuple[int, str, str | None], ...]


@dataclass(frozen=True)
class OpenBatch:
    """A batch that is not settled, and whose it is."""

    number: int
    worker: int
    provider: str
    account: str


def freeze_audience(db: Database, issue: int, *, now: datetime) -> int:
    """Begin sending: queue a delivery for everyone who is active and not suppressed; give how many.

    Of two who begin at once, one does it and the other finds it done.

    Raises:
        StateError: nobody is subscribed, and the issue stays approved; or it is not approved (any more).
    """
    stamp = times.to_text(now)
    with writing(db) as connection:
        begun = connection.execute(
            "UPDATE issues SET state = 'sending', sending_at = ?, updated_at = ?"
            " WHERE number = ? AND state = 'approved'",
            (stamp, stamp, issue),
        ).rowcount
        if not begun:
            state = connection.execute("SELECT state FROM issues WHERE number = ?", (issue,)).fetchone()
            if state != ("sending",):
                raise StateError(f"issue {issue} is not approved any more; `digest status` shows its state")
            return tally(db, issue)["audience"]
        count = connection.execute(
            "INSERT INTO deliveries (issue, subscriber) SELECT ?, s.id FROM subscribers s"
            " WHERE s.state = 'active'"
            " AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.email_key = s.email_key) ORDER BY s.id",
            (issue,),
        ).rowcount
        if not count:
            raise StateError(f"nobody is subscribed, so issue {issue} is not sent; `digest subscribers import` or add")
        return count


def claim_batch(
    db: Database, issue: int, *, provider: str, account: str, worker: int, size: int, after: int, now: datetime
) -> Claimed | None:
    """Claim the next queued deliveries, in the order of subscribers after the one given.

    Those who left or were suppressed since the audience was frozen are skipped, here, at the last moment. Gives
    None where nothing is queued or the issue is not being sent (any more), and a batch without copies where all
    of this stretch were skipped.
    """
    with writing(db) as connection:
        row = connection.execute("SELECT state FROM issues WHERE number = ?", (issue,)).fetchone()
        if row != ("sending",):
            return None
        rows = connection.execute(
            "SELECT d.subscriber, s.email, s.name, s.state, x.reason"
            " FROM deliveries d JOIN subscribers s ON s.id = d.subscriber"
            " LEFT JOIN suppressions x ON x.email_key = s.email_key"
            " WHERE d.issue = ? AND d.subscriber > ? AND d.state = 0 ORDER BY d.subscriber LIMIT ?",
            (issue, after, size),
        ).fetchall()
        if not rows:
            return None
        first, last = rows[0][0], rows[-1][0]
        copies = tuple(
            (id_, email, name) for id_, email, name, state, reason in rows if state == "active" and not reason
        )
        if len(copies) < len(rows):
            connection.executemany(
                "UPDATE deliveries SET state = 5, reason = ? WHERE issue = ? AND subscriber = ?",
                [(x or s, issue, id_) for id_, _, _, s, x in rows if s != "active" or x],
            )
        if not copies:
            return Claimed(0, issue, provider, account, "", now, first, last, ())
        key = secrets.token_hex(16)
        number = connection.execute(
            "INSERT INTO batches"
            " (issue, provider, account, idempotency_key, worker, state, first, last, size, claimed_at)"
            " VALUES (?, ?, ?, ?, ?, 'claimed', ?, ?, ?, ?) RETURNING number",
            (issue, provider, account, key, worker, first, last, len(copies), times.to_text(now)),
        ).fetchone()[0]
        connection.execute(
            "UPDATE deliveries SET state = 1, batch = ? WHERE issue = ? AND subscriber BETWEEN ? AND ? AND state = 0",
            (number, issue, first, last),
        )
        return Claimed(number, issue, provider, account, key, now, first, last, copies)


def record_outcomes(db: Database, batch: Claimed, outcomes: Sequence[Outcome], *, now: datetime) -> None:
    """Write down what the provider said of each copy, and settle the batch.

    Raises:
        ValueError: the outcomes are not one for each copy. The batch stays as it is: uncertain.
    """
    if {outcome.subscriber for outcome in outcomes} != {id_ for id_, _, _ in batch.copies}:
        raise ValueError(f"batch {batch.number} needs one outcome for each of its {len(batch.copies)} copies")
    with writing(db) as connection:
        _resolve(
            connection,
            batch,
            Delivery.ACCEPTED,
            {o.subscriber: (Delivery.REJECTED, None, o.reason) for o in outcomes if not o.accepted}
            | {o.subscriber: (Delivery.ACCEPTED, o.message_id, None) for o in outcomes if o.accepted and o.message_id},
            now=now,
        )


def settle_uncertain(db: Database, batch: Claimed, accepted: Iterable[int], *, now: datetime) -> None:
    """Settle an uncertain batch by what its provider showed: the rest was never accepted and is queued again."""
    proven = frozenset(accepted)
    with writing(db) as connection:
        _resolve(
            connection,
            batch,
            Delivery.ACCEPTED,
            {id_: (Delivery.QUEUED, None, None) for id_, _, _ in batch.copies if id_ not in proven},
            now=now,
        )


def _resolve(
    connection: sqlite3.Connection,
    batch: Claimed,
    most: Delivery,
    others: dict[int, tuple[Delivery, str | None, str | None]],
    *,
    now: datetime,
) -> None:
    """Give every delivery of a batch its state: `most` in one statement, `others` one by one."""
    settled = connection.execute(
        "UPDATE batches SET state = 'settled', settled_at = ? WHERE number = ? AND state <> 'settled'",
        (times.to_text(now), batch.number),
    ).rowcount
    if not settled:
        raise StateError(f"batch {batch.number} was settled by another worker")
    connection.execute(
        "UPDATE deliveries SET state = ? WHERE issue = ? AND subscriber BETWEEN ? AND ? AND batch = ?",
        (most, batch.issue, batch.first, batch.last, batch.number),
    )
    connection.executemany(
        "UPDATE deliveries SET state = ?, message_id = ?, reason = ? WHERE issue = ? AND subscriber = ? AND batch = ?",
        [(*outcome, batch.issue, id_, batch.number) for id_, outcome in others.items()],
    )


def open_batches(db: Database, issue: int) -> list[OpenBatch]:
    """Give the batches of an issue that are not settled, oldest first."""
    rows = db.conn.execute(
        "SELECT number, worker, provider, account FROM batches WHERE issue = ? AND state <> 'settled' ORDER BY number",
        (issue,),
    )
    return [OpenBatch(*row) for row in rows]


def adopt(db: Database, batch: OpenBatch, *, worker: int, trouble: str) -> Claimed | None:
    """Take over a batch whose worker died, or that one's own call left open: it is uncertain from here on.

    Of several who try, one gets it; the others get None.
    """
    with writing(db) as connection:
        taken = connection.execute(
            "UPDATE batches SET worker = ?, state = 'uncertain', trouble = coalesce(trouble, ?)"
            " WHERE number = ? AND worker = ? AND state <> 'settled'"
            " RETURNING issue, provider, account, idempotency_key, claimed_at, first, last",
            (worker, trouble, batch.number, batch.worker),
        ).fetchone()
        if taken is None:
            return None
        issue, provider, account, key, claimed_at, first, last = taken
        connection.execute(
            "UPDATE deliveries SET state = 4 WHERE issue = ? AND subscriber BETWEEN ? AND ? AND batch = ?",
            (issue, first, last, batch.number),
        )
        copies = connection.execute(
            "SELECT d.subscriber, s.email, s.name FROM deliveries d JOIN subscribers s ON s.id = d.subscriber"
            " WHERE d.issue = ? AND d.subscriber BETWEEN ? AND ? AND d.batch = ? ORDER BY d.subscriber",
            (issue, first, last, batch.number),
        ).fetchall()
        return Claimed(
            batch.number, issue, provider, account, key, times.from_text(claimed_at), first, last, tuple(copies)
        )


def finish(db: Database, issue: int, *, now: datetime) -> bool:
    """Call an issue sent when nothing of it is queued, claimed or uncertain; tell whether it is."""
    with writing(db) as connection:
        connection.execute(
            "UPDATE issues SET state = 'sent', sent_at = ?, updated_at = ? WHERE number = ? AND state = 'sending'"
            " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue = issues.number AND state IN (0, 1, 4))",
            (times.to_text(now), times.to_text(now), issue),
        )
        return bool(connection.execute("SELECT state = 'sent' FROM issues WHERE number = ?", (issue,)).fetchone()[0])


def tally(db: Database, issue: int) -> dict[str, int]:
    """Count an issue's deliveries by state; `audience` is their sum."""
    counts = dict(
        db.conn.execute("SELECT state, count(*) FROM deliveries WHERE issue = ? GROUP BY state", (issue,)).fetchall()
    )
    return {"audience": sum(counts.values())} | {state.name.lower(): counts.get(state, 0) for state in Delivery}


def check_ledger(db: Database) -> list[str]:
    """Look for anything that contradicts the ledger's rules; a line each, an empty list where all holds."""
    rules = {
        "issue {0} is sent, but {1} of its deliveries are not settled": (
            "SELECT d.issue, count(*) FROM deliveries d JOIN issues i ON i.number = d.issue"
            " WHERE i.state = 'sent' AND d.state IN (0, 1, 4) GROUP BY d.issue"
        ),
        "issue {0} is {1}, but has deliveries": (
            "SELECT i.number, i.state FROM issues i WHERE i.sending_at IS NULL"
            " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.issue = i.number)"
        ),
        "batch {0} is {1}, but {2} of its deliveries are in a state that does not fit": (
            "SELECT b.number, b.state, count(*) FROM batches b JOIN deliveries d"
            " ON d.issue = b.issue AND d.subscriber BETWEEN b.first AND b.last AND d.batch = b.number"
            " WHERE (b.state = 'settled' AND d.state IN (1, 4)) OR (b.state = 'claimed' AND d.state <> 1)"
            " OR (b.state = 'uncertain' AND d.state <> 4) GROUP BY b.number"
        ),
        "{1} deliveries of issue {0} name a batch that is not theirs": (
            "SELECT d.issue, count(*) FROM deliveries d LEFT JOIN batches b ON b.number = d.batch"
            " WHERE d.batch IS NOT NULL AND (b.number IS NULL OR b.issue <> d.issue"
            " OR d.subscriber NOT BETWEEN b.first AND b.last) GROUP BY d.issue"
        ),
    }
    return [text.format(*row) for text, sql in rules.items() for row in db.conn.execute(sql)]
