"""Where comparisons stand: in which issues each is, was left out of, and which are still to come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from digest.catalogue import panel_order
from digest.catalogue.queries import load_comparisons
from digest.issue.collect import STANDS
from digest.store import Database, writing


@dataclass(frozen=True)
class Standing:
    """One issue that considered a comparison, with the issue's state; `out` where it left the comparison out."""

    issue: int
    state: str
    out: bool


def issues_of(db: Database, comparisons: Sequence[int]) -> dict[int, list[Standing]]:
    """Give the issues that considered each of these comparisons, the newest first; not those that gave it back."""
    marks = ", ".join("?" * len(comparisons))
    rows = db.conn.execute(
        "SELECT ic.comparison, i.number, i.state, ic.form = 'out' FROM issue_comparisons ic"  # noqa: S608
        f" JOIN issues i ON i.number = ic.issue WHERE ic.comparison IN ({marks}) AND {STANDS} ORDER BY i.number DESC",
        list(comparisons),
    )
    found: dict[int, list[Standing]] = defaultdict(list)
    for comparison, number, state, out in rows.fetchall():
        found[comparison].append(Standing(number, state, bool(out)))
    return found
