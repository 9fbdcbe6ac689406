"""The subjects of an issue in the store: its alternatives, how they are tried out, and a copy's group in that."""

from __future__ import annotations

import json
import sqlite3

from digest.errors import StateError
from digest.issue.model import Alternative, Rule, SubjectTest
from digest.issue.tracked import Tracking
from digest.issue.variants import WHOLE
from digest.store import Database

REST = "rest"
"""The group of those who are not drawn, and get the subject that wins."""

GROUPS = ("", "0", "1", "2", "3", "4", REST)
"""The groups of copies by their small numbers, which a copy's number ends with where it is counted how many read and
not who: the issue's own subject, its alternatives, the rest. 0 is of an issue without alternatives."""


def subject_test_of(db: Database, number: int) -> SubjectTest | None:
    """Give how the subjects of an issue are tried out; None where it has one subject alone."""
    row = db.conn.execute(
        "SELECT share, wait, rule, (SELECT json_group_array(json_array(subject, preheader)) FROM (SELECT subject,"
        " preheader FROM subjects WHERE issue = ?1 ORDER BY number)) FROM subject_tests WHERE issue = ?1"
        " AND EXISTS (SELECT 1 FROM subjects WHERE issue = ?1)",
        (number,),
    ).fetchone()
    if row is None:
        return None
    share, wait, rule, others = row
    return SubjectTest(share, wait, rule, tuple(Alternative(*each) for each in json.loads(others)))


def expect_to_try(number: int, test: SubjectTest | None, tracking: Tracking | None, *, local: bool) -> None:
    """Refuse to approve an issue whose subjects cannot be tried out as they are to be.

    Raises:
        StateError: it is to go out by readers' own clocks, or readers' clicks are to decide and are not counted.
    """
    if test is None:
        return
    if local:
        raise StateError(
            f"issue {number} has {len(test.others) + 1} subjects to try, so it cannot go out by readers’ own clocks;"
            " send it at one time for all, or take the alternatives out"
        )
    if is_uncounted(test.rule, tracking):
        raise StateError(
            f"readers’ clicks are to decide which subject of issue {number} wins, and clicks are not counted"
            " (`tracking` is off); let a person decide"
        )


def is_uncounted(rule: Rule, tracking: Tracking | None) -> bool:
    """Tell whether readers' clicks are to decide though nobody counts them."""
    return rule == "clicks" and (tracking is None or not tracking.counts)


def shown_words(db: Database, number: int) -> tuple[str, str]:
    """Give an issue's subject and preheader as the world is shown them: those that won, where several were tried."""
    row = db.conn.execute("SELECT subject, preheader FROM shown_words WHERE issue = ?", (number,)).fetchone()
    return row[0], row[1]


def groups_of(connection: sqlite3.Connection, issue: int) -> dict[int, int]:
    """Give the groups of an issue's variants, by small numbers; none where its subjects are not tried out."""
    rows = connection.execute(
        "SELECT variant, alternative FROM variants WHERE issue = ? AND EXISTS (SELECT 1 FROM variants"
        " WHERE issue = ? AND variant <> of_variant)",
        (issue, issue),
    ).fetchall()
    found = {variant: _group(alternative) for variant, alternative in rows}
    return {WHOLE: _group(0), **found} if found else {}


def _group(alternative: int | None) -> int:
    return GROUPS.index(REST) if alternative is None else alternative + 1


def group_in(copy: int) -> int:
    """Give the group that a copy's number ends with, of an issue whose subjects are tried out."""
    group = copy & 7
    return group if group < len(GROUPS) else 0


def with_group(number: int, group: int) -> int:
    """Write a group into the last bits of a number of 32 bits that stands for a copy."""
    return number & ~7 | group
