"""Where comparisons stand: in which issues each is, and was left out of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

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


@contextmanager
def no_news(db: Database) -> Iterator[None]:
    """Let a block change the panel's order, and no comparison come back for it as updated."""
    with writing(db):
        renew(db)
        yield


def renew(db: Database) -> int:
    """Put today's hashes of substance in the place of those an older digest kept, which go by the panel's order.

    Only of what is in substance what it was; give how many. After it, the panel may have any order.
    """
    with writing(db) as connection:
        kept = connection.execute("SELECT DISTINCT comparison, substance FROM issue_comparisons").fetchall()
        found = {one.id: one for one in load_comparisons(db, {comparison for comparison, _ in kept})}
        older = [
            (found[comparison].substance, comparison, known)
            for comparison, known in kept
            if known != found[comparison].substance and found[comparison].has_substance(known)
        ]
        connection.executemany(
            "UPDATE issue_comparisons SET substance = ? WHERE comparison = ? AND substance = ?", older
        )
        return len(older)
