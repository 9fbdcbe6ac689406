"""What an issue has of comparisons, and why: for whoever edits it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from digest import times
from digest.catalogue.model import Comparison
from digest.issue.collect import STANDS, collect
from digest.issue.fit import Fitted
from digest.issue.model import Form
from digest.store import Database

Why = Literal["new", "updated", "again"]
"""It was in no issue before; it was, and changed since; it was, and somebody took it in once more."""


@dataclass(frozen=True)
class Earlier:
    """An issue before this one, and when it went out, or is to."""

    number: int
    at: datetime


@dataclass(frozen=True)
class Placing:
    """A comparison of an issue.

    `form` is what was chosen, `fits` what there was room for. `mailed` is the last issue that it went out in. `by` is
    who took it in, or left it out, where a person did.
    """

    comparison: Comparison
    form: Form
    fits: Form
    why: Why
    mailed: Earlier | None
    by: str | None = None


@dataclass(frozen=True)
class Contents:
    """What an issue has, in its order; what was left out of it; what is public by now and in no issue.

    `changed` are those that came in because they were mailed and changed since. `before` is the issue before this one.
    """

    shown: tuple[Placing, ...]
    left_out: tuple[Placing, ...]
    came_in: tuple[Comparison, ...]
    changed: tuple[Placing, ...]
    before: Earlier | None

    @property
    def slugs(self) -> frozenset[str]:
        """The slugs of all that stand in it, also of what was left out."""
        return frozenset(item.comparison.slug for item in (*self.shown, *self.left_out))


def contents(db: Database, fitted: Fitted, *, now: datetime, is_draft: bool) -> Contents:
    """Tell what an issue has, as `laid_out` gave it, and why each is in.

    What came in since is looked for only where it could be taken in: of a draft.
    """
    number = fitted.draft.number
    chosen = {move.comparison.id: move.before for move in fitted.moved}
    placed = fitted.draft.placed
    found = collect(db, now=now) if is_draft else None
    changed = found.updated if found else ()
    mailed = last_mailed(db, [*(item.comparison.id for item in placed), *(one.id for one in changed)], but=number)
    hands = _hands(db, number)
    items = [
        Placing(
            item.comparison,
            chosen.get(item.comparison.id, item.form),
            item.form,
            "updated" if item.updated else "again" if item.comparison.id in mailed else "new",
            mailed.get(item.comparison.id),
            hands.get((item.comparison.id, item.form == "out")),
        )
        for item in placed
    ]
    return Contents(
        tuple(item for item in items if item.form != "out"),
        tuple(item for item in items if item.form == "out"),
        found.new if found else (),
        tuple(Placing(one, "out", "out", "updated", mailed.get(one.id)) for one in changed),
        issue_before(db, number),
    )


def _hands(db: Database, number: int) -> dict[tuple[int, bool], str]:
    """Give who took a comparison in, or left it out, last: by its id and whether it is out."""
    rows = db.conn.execute(
        "SELECT e.before, e.after, p.name FROM edits e JOIN editors p ON p.id = e.editor"
        " WHERE e.issue = ? AND e.field = 'comparisons' ORDER BY e.number",
        (number,),
    )
    found: dict[tuple[int, bool], str] = {}
    for before, after, name in rows:
        was = {id_: form == "out" for id_, form, *_ in json.loads(before)}
        for id_, form, *_ in json.loads(after):
            is_out = form == "out"
            if was.get(id_) is not is_out:
                found[id_, is_out] = name
    return found


def version_of(db: Database, number: int) -> int:
    """Give the version of an issue, which every change of it counts up; 0 where there is no such issue."""
    row = db.conn.execute("SELECT version FROM issues WHERE number = ?", (number,)).fetchone()
    return int(row[0]) if row else 0


def last_mailed(db: Database, comparisons: Iterable[int], *, but: int | None = None) -> Mapping[int, Earlier]:
    """Give for each comparison the last issue it went out in, not counting one; those never mailed are missing."""
    # The ids are our own numbers; as text they have no limit of how many.
    ids = ", ".join(str(int(id_)) for id_ in comparisons)
    rows = db.conn.execute(
        "SELECT ic.comparison, i.number, i.sending_at FROM issue_comparisons ic JOIN issues i ON i.number = ic.issue"  # noqa: S608
        f" WHERE ic.comparison IN ({ids}) AND ic.form <> 'out' AND i.sending_at IS NOT NULL AND {STANDS}"
        " AND i.number IS NOT ? ORDER BY i.number",
        (but,),
    )
    return {comparison: Earlier(number, times.from_text(at)) for comparison, number, at in rows}


def issue_before(db: Database, number: int | None = None) -> Earlier | None:
    """Give the issue that stands before one, or the last one of all; None for the first."""
    row: tuple[int, str] | None = db.conn.execute(
        "SELECT i.number, coalesce(i.sending_at, i.scheduled_at, i.approved_at, i.cutoff) FROM issues i"  # noqa: S608
        f" WHERE (:number IS NULL OR i.number < :number) AND {STANDS} ORDER BY i.number DESC LIMIT 1",
        {"number": number},
    ).fetchone()
    return Earlier(row[0], times.from_text(row[1])) if row else None
