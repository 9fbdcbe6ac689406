"""What a person decides about an issue that is being sent: pause, resume, cancel, retry, resolve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from digest import times
from digest.editors import audit
from digest.editors.audit import COMMAND_LINE, By
from digest.errors import NotFoundError, StateError
from digest.issue import issues
from digest.issue.model import Issue
from digest.sending import doubts, ledger
from digest.sending.ledger import OpenBatch
from digest.store import Database, writing

As = Literal["accepted", "resend"]


@dataclass(frozen=True)
class Unsettled:
    """An uncertain batch, for a person: `addresses` are those of its uncertain copies."""

    batch: OpenBatch
    addresses: tuple[str, ...]


def cancel(db: Database, number: int, *, now: datetime, by: By = COMMAND_LINE) -> Issue:
    """Cancel an issue for good; what was queued of it is skipped.

    One that nobody was mailed gives its comparisons back.
    """
    with writing(db) as connection:
        issue = issues.cancel(db, number, now=now, by=by)
        connection.execute(
            "UPDATE deliveries SET state = 5, reason = 'cancelled' WHERE issue = ? AND state = 0", (number,)
        )
        return issue


def stop(db: Database, number: int, *, now: datetime, by: By = COMMAND_LINE) -> Issue:
    """Cancel an issue for good, though it is being sent: what is in hand is finished, and the rest is skipped."""
    with writing(db):
        if issues.find_issue(db, number).state == "sending":
            issues.pause(db, number, now=now, by=by)
        return cancel(db, number, now=now, by=by)


def retry_rejected(db: Database, number: int, *, now: datetime, by: By = COMMAND_LINE) -> int:
    """Queue the rejected copies of an issue again, and give how many there are; one that was sent is sending again.

    Those who left or were suppressed since are skipped when they are claimed.

    Raises:
        StateError: the issue was not mailed, or was cancelled.
    """
    with writing(db) as connection:
        issue = issues.find_issue(db, number)
        issues.expect(issue, "mailed again to those rejected", "sending", "paused", "sent")
        count = connection.execute(
            "UPDATE deliveries SET state = 0, reason = NULL WHERE issue = ? AND state = 3", (number,)
        ).rowcount
        if count:
            # That it changed is written down also where its state stays: figures are counted anew then.
            connection.execute(
                "UPDATE issues SET state = iif(state = 'sent', 'sending', state),"
                " sent_at = iif(state = 'sent', NULL, sent_at), updated_at = ? WHERE number = ?",
                (times.to_text(now), number),
            )
            ledger.draw_pseudonyms(connection, number)
            doubts.doubt_rejected(connection, number)
            audit.note(connection, by, "sent again to those rejected", f"issue {number}", now=now, copies=count)
        return count


def unsettled(db: Database, number: int, *, lives: Callable[[int], bool] = lambda worker: False) -> list[Unsettled]:
    """Give the uncertain batches of an issue with the addresses in them, oldest first.

    What a living process has claimed is not among them: it is being handed over.
    """
    issues.find_issue(db, number)
    found = []
    for batch in ledger.open_batches(db, number):
        if batch.state == "claimed" and lives(batch.worker):
            continue
        rows = db.conn.execute(
            "SELECT s.email FROM batches b JOIN deliveries d ON d.issue = b.issue"
            " AND d.subscriber BETWEEN b.first AND b.last AND d.batch = b.number"
            " JOIN subscribers s ON s.id = d.subscriber WHERE b.number = ? AND d.state IN (1, 4) ORDER BY d.subscriber",
            (batch.number,),
        )
        found.append(Unsettled(batch, tuple(email for (email,) in rows)))
    return found


def resolve(
    db: Database,
    number: int,
    batch: int,
    as_: As,
    *,
    lives: Callable[[int], bool],
    worker: int,
    now: datetime,
    by: By = COMMAND_LINE,
) -> int:
    """Settle an uncertain batch as a person says; give how many copies that are.

    Args:
        db: the store.
        number: the issue's.
        batch: the batch's.
        as_: they were accepted, or are to be sent again.
        lives: tells whether the worker of a number is at work.
        worker: who does this.
        now: the moment.
        by: who says so.

    Raises:
        NotFoundError: the issue has no such open batch.
        StateError: a process is at work on it.
    """
    issues.find_issue(db, number)
    found = next((one for one in ledger.open_batches(db, number) if one.number == batch), None)
    if found is None:
        raise NotFoundError(f"issue {number} has no uncertain batch {batch}; `digest uncertain {number}` lists them")
    # What a living process holds, it does not touch any more.
    if found.state != "held" and found.worker != worker and lives(found.worker):
        raise StateError(f"a `digest send` is at work on batch {batch}; let it finish, or stop it first")
    claimed = ledger.adopt(db, batch, before=found.worker, worker=worker, trouble="its process died", now=now)
    if claimed is None:
        raise StateError(f"another process took batch {batch} up meanwhile; look again: `digest uncertain {number}`")
    accepted = {id_: None for id_, _, _ in claimed.copies} if as_ == "accepted" else {}
    with writing(db) as connection:
        ledger.settle(db, claimed, accepted, by="person", now=now)
        ledger.finish(db, number, now=now)
        said = {"batch": batch, "copies": len(claimed.copies), "as": as_}
        audit.note(connection, by, "resolved", f"issue {number}", now=now, **said)
    return len(claimed.copies)
