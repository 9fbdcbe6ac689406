"""Which comparisons a draft has, in which order and form: as it stands in the store, and what becomes of it.

Those left out stand after the others. A form belongs to its place, so that the lead stays the one in full whichever
comparison is moved there; one that an editor chose belongs to its comparison and goes with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from digest.catalogue.queries import load_comparisons
from digest.errors import StateError
from digest.issue.merging import merge_sequences
from digest.issue.model import Form
from digest.store import Database


@dataclass(frozen=True)
class Item:
    """A comparison in a draft, by its id; `chosen` where an editor chose its form."""

    comparison: int
    form: Form
    updated: bool = False
    chosen: bool = False


Items = tuple[Item, ...]


# In the store -------------------------------------------------------------------------------------------------------


def arrangement_of(connection: sqlite3.Connection, number: int) -> Items:
    """Give the comparisons of an issue in their order."""
    rows = connection.execute(
        "SELECT comparison, form, updated, chosen FROM issue_comparisons WHERE issue = ? ORDER BY position", (number,)
    )
    return tuple(Item(id_, form, bool(updated), bool(chosen)) for id_, form, updated, chosen in rows.fetchall())


def arrange(db: Database, number: int, items: Sequence[Item]) -> None:
    """Write down what a draft has from now on; only rows that change are written. Inside `writing`.

    Raises:
        StateError: one of them is not in the catalogue any more.
    """
    there = {
        id_: (position, Item(id_, form, bool(updated), bool(chosen)))
        for id_, position, form, updated, chosen in db.conn.execute(
            "SELECT comparison, position, form, updated, chosen FROM issue_comparisons WHERE issue = ?", (number,)
        ).fetchall()
    }
    wanted = {item.comparison for item in items}
    for id_ in there.keys() - wanted:
        db.conn.execute("DELETE FROM issue_comparisons WHERE issue = ? AND comparison = ?", (number, id_))
    for position, item in enumerate(items):
        values = (position, item.form, item.updated, item.chosen)
        if item.comparison not in there:
            db.conn.execute(
                "INSERT INTO issue_comparisons (position, form, updated, chosen, issue, comparison, substance)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*values, number, item.comparison, _substance(db, item.comparison)),
            )
        elif there[item.comparison] != (position, item):
            db.conn.execute(
                "UPDATE issue_comparisons SET position = ?, form = ?, updated = ?, chosen = ?"
                " WHERE issue = ? AND comparison = ?",
                (*values, number, item.comparison),
            )


def _substance(db: Database, comparison: int) -> str:
    if db.conn.execute("SELECT 1 FROM comparisons WHERE id = ?", (comparison,)).fetchone() is None:
        raise StateError("one of the comparisons is not in the catalogue any more, so this cannot be brought back")
    return load_comparisons(db, [comparison])[0].substance


def as_json(items: Sequence[Item]) -> list[Any]:
    """Give it as the table of edits keeps it."""
    return [astuple(item) for item in items]


def from_json(kept: Sequence[Any]) -> Items:
    """Read it back."""
    return tuple(Item(*item) for item in kept)


# What becomes of it -------------------------------------------------------------------------------------------------


def shown(items: Sequence[Item]) -> list[Item]:
    """Give those that are not left out."""
    return [item for item in items if item.form != "out"]


def left_out(items: Sequence[Item]) -> list[Item]:
    """Give those that are left out."""
    return [item for item in items if item.form == "out"]


def moved(items: Sequence[Item], comparison: int, to: int) -> Items:
    """Move a comparison to a place among those shown, from 0; one that was left out comes back in.

    The forms stay with their places, but for those that were chosen.
    """
    rest = [item for item in shown(items) if item.comparison != comparison]
    one = next(item for item in items if item.comparison == comparison)
    if one.form == "out":
        one = replace(one, form=_last_form(rest), chosen=False)
        before = [*rest, one]
    else:
        before = shown(items)
    place = max(0, min(to, len(rest)))
    after = [*rest[:place], one, *rest[place:]]
    forms = iter([item.form for item in before if not item.chosen])
    dealt = [item if item.chosen else replace(item, form=next(forms)) for item in after]
    return (*dealt, *(item for item in left_out(items) if item.comparison != comparison))


def with_form(items: Sequence[Item], comparison: int, form: Form) -> Items:
    """Give a comparison the form that an editor chose; `out` leaves it out, and one that was comes back in, last.

    Where the lead is left out, the next has its form, if none was chosen for it.
    """
    one = next(item for item in items if item.comparison == comparison)
    changed = replace(one, form=form, chosen=form != "out")
    if (one.form == "out") == (form == "out"):
        return tuple(changed if item is one else item for item in items)
    rest = [item for item in shown(items) if item is not one]
    others = [item for item in left_out(items) if item is not one]
    if form != "out":
        return (*rest, changed, *others)
    if rest and shown(items)[0] is one and not rest[0].chosen and not one.chosen:
        rest[0] = replace(rest[0], form=one.form)
    return (*rest, changed, *others)


def with_more(items: Sequence[Item], more: Sequence[Item]) -> Items:
    """Put further comparisons after those shown."""
    return (*shown(items), *more, *left_out(items))


def merged(base: Sequence[Item], theirs: Sequence[Item], mine: Sequence[Item]) -> Items | None:
    """Give what has both changes of `base`; None where the same was changed, or nothing would be shown."""
    order = merge_sequences(*([str(item.comparison) for item in items] for items in (base, theirs, mine)))
    if order is None or len(set(order)) != len(order):
        return None
    was, one, other = ({item.comparison: item for item in items} for items in (base, theirs, mine))
    found: list[Item] = []
    for id_ in dict.fromkeys([*map(int, order), *was]):
        before, left, right = was.get(id_), one.get(id_), other.get(id_)
        if left != right and before not in (left, right):
            return None
        item = right if left == before else left
        if item is not None:
            found.append(item)
    return with_more(found, []) if shown(found) else None


def _last_form(items: Sequence[Item]) -> Form:
    return next((item.form for item in reversed(items) if not item.chosen), "brief")
