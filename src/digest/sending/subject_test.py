"""Which of an issue's subjects wins: decided by readers' clicks, or by a person.

While it is not decided, copies of the rest wait in the queue, since the variants they are to get have no content yet.
Deciding is one short transaction that gives them theirs, and stays: whatever dies, the rest goes out with that subject.
The wait begins when the last copy of the share has been handed over.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from digest import times
from digest.editors import audit
from digest.editors.audit import COMMAND_LINE, ITSELF, By
from digest.errors import InputError, NotFoundError, StateError
from digest.issue import issues
from digest.issue.variant_records import WAITS, content_of
from digest.sending.subject_standing import DecidedBy, Standing, letter_of, standing
from digest.store import Database, writing

_STATES = ("sending", "paused", "sent")
"""Of an issue that is in one of these it can be decided which subject wins: before, nobody has any; of one that is
cancelled, nobody is to get another."""


@dataclass(frozen=True)
class Wait:
    """Which subject wins is not decided: readers' clicks do when it is `until`, which is None where nobody knows.

    That is so while some of the share have no copy yet, and where a person is to decide. `by_person` tells these apart.
    """

    until: datetime | None
    by_person: bool


def copies_wait(db: Database, number: int) -> bool:
    """Tell whether copies of an issue are queued for whom it is still to be decided which subject wins."""
    found: bool = db.conn.execute(
        "SELECT EXISTS (SELECT 1 FROM variants v CROSS JOIN deliveries d INDEXED BY deliveries_variant"  # noqa: S608
        " ON d.issue = v.issue AND d.variant = v.variant AND d.variant <> 0"
        f" WHERE v.issue = ? AND {WAITS} AND d.state = 0)",
        (number,),
    ).fetchone()[0]
    return bool(found)


def decide(db: Database, number: int, winner: int, *, now: datetime, by: By = COMMAND_LINE) -> Standing:
    """Let a subject win, as a person says: the rest gets it. That it was said before changes nothing.

    Raises:
        InputError: the issue has no such subject.
        NotFoundError: there is no such issue, or it has one subject alone.
        StateError: it is not being sent yet, is cancelled, or another subject won already.
    """
    before = _found(db, number)
    if winner not in range(len(before.tried)):
        there = ", ".join(f"{one.number} ({one.letter})" for one in before.tried)
        raise InputError(f"issue {number} has no subject {winner}; it has {there}", field="winner")
    with writing(db):
        won, state = db.conn.execute(
            "SELECT t.winner, i.state FROM subject_tests t JOIN issues i ON i.number = t.issue WHERE t.issue = ?",
            (number,),
        ).fetchone()
        if won is not None and won != winner:
            raise StateError(f"it was decided already: subject {letter_of(won)} of issue {number} won, and goes out")
        if won is None:
            if state not in _STATES:
                raise StateError(f"issue {number} is {state}; which subject wins is decided while it is being sent")
            _decide(db, before, winner, "person", now=now, by=by)
    return _found(db, number)


def decide_due(db: Database, number: int, *, now: datetime) -> Wait | None:
    """Do what is due about an issue's subjects; give what is waited for, or None where nothing is to be decided (now).

    It is written down when the last copy of the share had been handed over; and when readers had their time, what they
    clicked decides. Where the difference may be chance, the issue's own subject wins.
    """
    row = _undecided(db, number)
    if row is None:
        return None
    tested, minutes, rule = row
    tested_at = times.from_text(tested) if tested else None
    # Nobody is kept from writing while it is looked for. A moment to come is of a clock that was wrong.
    if tested_at is None or tested_at > now:
        if tested_at is None and not _is_through(db, number):
            return Wait(None, by_person=rule == "person")
        _say_tested(db, number, now)
        tested_at = now
    if rule == "person":
        return Wait(None, by_person=True)
    due_at = tested_at + timedelta(minutes=minutes)
    if due_at > now:
        return Wait(due_at, by_person=False)
    before = _found(db, number)
    with writing(db):
        if _undecided(db, number) is not None:
            if before.too_close or before.leader is None:
                _decide(db, before, 0, "too close", now=now, by=ITSELF)
            else:
                _decide(db, before, before.leader, "clicks", now=now, by=ITSELF)
    return None


def decide_all_due(db: Database, *, now: datetime) -> None:
    """Do what is due about the subjects of all issues."""
    for (number,) in db.conn.execute("SELECT issue FROM subject_tests WHERE winner IS NULL ORDER BY issue").fetchall():
        decide_due(db, number, now=now)


def _undecided(db: Database, number: int) -> tuple[str | None, int, str] | None:
    """Give since when all of the share have their copies, the minutes to wait and the rule; None once it is decided."""
    row: tuple[str | None, int, str] | None = db.conn.execute(
        "SELECT t.tested_at, t.wait, t.rule FROM subject_tests t JOIN issues i ON i.number = t.issue"
        " WHERE t.issue = ? AND t.winner IS NULL AND i.state IN (?, ?, ?)"
        " AND EXISTS (SELECT 1 FROM subjects WHERE issue = t.issue)",
        (number, *_STATES),
    ).fetchone()
    return row


def _found(db: Database, number: int) -> Standing:
    found = standing(db, number)
    if found is None:
        raise NotFoundError(f"issue {number} has one subject, and no alternative to it")
    return found


def _is_through(db: Database, number: int) -> bool:
    """Tell whether no copy of the share is queued: what is in somebody's hands will have gone long before the end."""
    queued: bool = db.conn.execute(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE issue = ?1 AND state = 0"
        " AND variant NOT IN (SELECT variant FROM variants WHERE issue = ?1 AND alternative IS NULL))",
        (number,),
    ).fetchone()[0]
    return not queued


def _say_tested(db: Database, number: int, now: datetime) -> None:
    with writing(db) as connection:
        connection.execute(
            "UPDATE subject_tests SET tested_at = ? WHERE issue = ? AND winner IS NULL"
            " AND (tested_at IS NULL OR tested_at > ?)",
            (times.to_text(now), number, times.to_text(now)),
        )


def _decide(db: Database, before: Standing, winner: int, how: DecidedBy, *, now: datetime, by: By) -> None:
    """Write down which subject wins, and what those get who waited for it; in one transaction of yours."""
    connection, number, stamp = db.conn, before.number, times.to_text(now)
    found = {
        "tried": [asdict(one) | {"share": one.share} for one in before.tried],
        "leader": before.leader,
        "sure": before.sure,
    }
    connection.execute(
        "UPDATE subject_tests SET winner = ?, decided_at = ?, decided_by = ?, editor = ?, found = ? WHERE issue = ?",
        (winner, stamp, how, by.editor, json.dumps(found), number),
    )
    _give(connection, db, number, winner)
    # What is shown of the issue changes with it.
    connection.execute("UPDATE issues SET updated_at = ? WHERE number = ?", (stamp, number))
    subject = before.tried[winner].subject
    audit.note(connection, by, "chose the subject of", f"issue {number}", now=now, subject=subject, how=how)


def _give(connection: sqlite3.Connection, db: Database, number: int, winner: int) -> None:
    rows = connection.execute(
        f"SELECT w.variant, v.variant FROM (SELECT * FROM variants WHERE issue = ? AND {WAITS}) w"  # noqa: S608 (ours)
        " LEFT JOIN variants v ON v.issue = w.issue AND v.of_variant = w.of_variant AND v.alternative = ?",
        (number, winner),
    ).fetchall()
    for waits, found in rows:
        # What is not there is the issue itself.
        content = content_of(db, number, found or 0)
        connection.execute(
            "UPDATE variants SET same_as = ?, subject = ?, preheader = ?, content_hash = ?"
            " WHERE issue = ? AND variant = ?",
            (found or 0, content.subject, content.preheader, issues.content_hash(content), number, waits),
        )


def check_subject_tests(db: Database) -> list[str]:
    """Look for anything that contradicts the rules of deciding; a line each, an empty list where all holds."""
    rules = {
        "batch {1} of issue {0} is of a variant that waits for the subject that wins": (
            f"SELECT b.issue, b.number FROM batches b JOIN (SELECT issue, variant FROM variants WHERE {WAITS}) v"  # noqa: S608
            " ON v.issue = b.issue AND v.variant = b.variant"
        ),
        "which subject of issue {0} wins is decided, but variant {1} waits": (
            f"SELECT v.issue, v.variant FROM variants v JOIN subject_tests t ON t.issue = v.issue"  # noqa: S608
            f" WHERE {WAITS} AND t.winner IS NOT NULL"
        ),
        "variant {1} of issue {0} has another subject than the one that won": (
            "SELECT w.issue, w.variant FROM variants w JOIN subject_tests t ON t.issue = w.issue"
            " LEFT JOIN variants v ON v.issue = w.issue AND v.variant = w.same_as WHERE w.same_as IS NOT NULL"
            " AND (t.winner IS NULL OR coalesce(v.alternative, 0) <> t.winner"
            " OR coalesce(v.of_variant, 0) <> w.of_variant)"
        ),
        "subject {1} of issue {0} won, and is none of its subjects": (
            "SELECT t.issue, t.winner FROM subject_tests t LEFT JOIN subjects s ON s.issue = t.issue"
            " AND s.number = t.winner WHERE t.winner > 0 AND s.issue IS NULL"
        ),
    }
    return [text.format(*row) for text, sql in rules.items() for row in db.conn.execute(sql)]
