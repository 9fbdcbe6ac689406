"""The history of a draft: who changed what, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.editors.audit import COMMAND_LINE
from digest.issue.arrangement import Item, from_json, left_out, shown
from digest.issue.edits import Edit, edits_of
from digest.issue.merging import changes_between
from digest.mail.text import isolated
from digest.store import Database

CALLED = {"subject": "the subject", "preheader": "the preheader", "intro": "the introduction"}
AS = {"full": "in full", "brief": "in brief", "link": "as a link"}
AROUND = 60
"""Characters shown on each side of what was changed."""


@dataclass(frozen=True)
class Told:
    """A change as people read it.

    `parts` are the words, each part ``same``, ``gone``, ``new``, or ``cut`` where some that stayed are not shown.
    """

    number: int
    at: datetime
    editor: int | None
    by: str
    did: str
    parts: tuple[tuple[str, str], ...] = ()
    is_undone: bool = False


def history(db: Database, number: int, *, limit: int, before: int | None = None) -> list[Told]:
    """Give the changes of an issue, the newest first; `before` is the number of the last one of the page before."""
    edits = edits_of(db.conn, number, limit=limit, before=before)
    names = dict(db.conn.execute("SELECT id, name FROM editors").fetchall())
    titles = _titles(db, edits)
    return [
        Told(
            edit.number,
            times.from_text(edit.at),
            edit.editor,
            names.get(edit.editor, COMMAND_LINE.who),
            _told(edit, titles),
            () if edit.field == "comparisons" else tuple(shortened(edit.before or "", edit.after or "")),
            edit.undone_by is not None,
        )
        for edit in edits
    ]


def shortened(before: str, after: str) -> list[tuple[str, str]]:
    """Tell two texts apart as `changes_between` does, without most of what is the same in both."""
    parts = changes_between(before, after)
    found: list[tuple[str, str]] = []
    for place, (kind, text) in enumerate(parts):
        if kind != "same" or len(text) <= 2 * AROUND + 20:
            found.append((kind, text))
            continue
        if place > 0:
            found.append(("same", text[:AROUND]))
        found.append(("cut", "…"))
        if place < len(parts) - 1:
            found.append(("same", text[-AROUND:]))
    return found


def _titles(db: Database, edits: list[Edit]) -> Mapping[int, str]:
    ids = {row[0] for edit in edits if edit.field == "comparisons" for row in (*edit.before, *edit.after)}
    # The ids are our own numbers; as text they have no limit of how many.
    rows = db.conn.execute(
        "SELECT c.id, l.name, r.name FROM comparisons c JOIN tools l ON l.id = c.left_tool"  # noqa: S608
        f" JOIN tools r ON r.id = c.right_tool WHERE c.id IN ({', '.join(str(int(id_)) for id_ in ids)})"
    )
    return {id_: f"{isolated(left)} vs {isolated(right)}" for id_, left, right in rows.fetchall()}


def _told(edit: Edit, titles: Mapping[int, str]) -> str:
    back = "took back a change: " if edit.undoes is not None else ""
    if edit.field != "comparisons":
        field = CALLED[edit.field]
        if edit.after is None:
            return f"{back}gave {field} back to digest"
        return f"{back}{'wrote' if edit.before is None else 'changed'} {field}"
    return back + ("; ".join(_acts(from_json(edit.before), from_json(edit.after), titles)) or "changed the comparisons")


def _acts(before: tuple[Item, ...], after: tuple[Item, ...], titles: Mapping[int, str]) -> list[str]:
    def called(id_: int) -> str:
        return titles.get(id_, "a comparison that is gone")

    was, now = ({item.comparison: item for item in items} for items in (before, after))
    acts = [f"added {called(id_)}" for id_ in now if id_ not in was]
    acts += [f"took out {called(id_)}" for id_ in was if id_ not in now]
    acts += [
        f"left out {called(item.comparison)}"
        for item in left_out(after)
        if item.comparison in was and was[item.comparison].form != "out"
    ]
    acts += [
        f"brought back {called(item.comparison)}"
        for item in shown(after)
        if item.comparison in was and was[item.comparison].form == "out"
    ]
    acts += [
        f"shows {called(id_)} {AS[item.form]}"
        for id_, item in now.items()
        if id_ in was and item != was[id_] and item.chosen and item.form in AS and was[id_].form != "out"
    ]
    old, new = ([item.comparison for item in shown(items)] for items in (before, after))
    if not acts and old != new:
        one = _the_moved(old, new)
        if one is None:
            acts.append("changed the order")
        elif new[0] == one:
            acts.append(f"made {called(one)} the lead")
        else:
            acts.append(f"moved {called(one)} to place {new.index(one) + 1}")
    return acts


def _the_moved(before: list[int], after: list[int]) -> int | None:
    """Give the one that was moved, where it was one; of two that changed places, the one that went up."""
    for id_ in after:
        if [one for one in before if one != id_] == [one for one in after if one != id_]:
            return id_
    return None
