"""The edits of a draft: a row for each change, by which it can be undone and people see who changed what.

Quick changes of the same words by the same hand are one row, or each letter typed would be one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from digest import times
from digest.editors import audit
from digest.editors.audit import COMMAND_LINE, By
from digest.issue.arrangement import arrangement_of, as_json

Word = Literal["subject", "preheader", "intro"]
Field = Literal["subject", "preheader", "intro", "comparisons"]
WORDS: tuple[Word, ...] = get_args(Word)

QUICK, LONGEST = timedelta(seconds=10), timedelta(seconds=60)
"""A change that comes so soon after the last one goes on with its row, until that has lasted so long."""

TAKEN_AWAY = 20
"""Characters that are taken away at once with a key or two; who takes away more has selected them, and may want them
back: that is an edit of its own."""

NOTED_EVERY = timedelta(minutes=10)
"""The audit says that somebody edited, not how often: the edits are here."""

_COLUMNS = "number, version, editor, began_at, at, field, before, after, undoes, undone_by"


@dataclass(frozen=True)
class Edit:
    """One change. `before` and `after` are the words, None where nobody's own; or the comparisons as JSON has them.

    `undoes` is the edit that this one takes back, `undone_by` the one that took this one back.
    """

    number: int
    version: int
    editor: int | None
    began_at: str
    at: str
    field: Field
    before: Any
    after: Any
    undoes: int | None
    undone_by: int | None


@dataclass(frozen=True)
class LastHand:
    """Who changed a field, or an issue, last: a name, a moment as UTC text, and what."""

    editor: int | None
    by: str
    at: str
    field: Field


def record(
    connection: sqlite3.Connection,
    issue: int,
    field: Field,
    before: Any,
    after: Any,
    *,
    by: By,
    now: datetime,
    undoes: int | None = None,
    goes_on: Callable[[Edit, Any], bool] | None = None,
) -> None:
    """Write down a change, in the transaction that makes it, after it was made.

    Args:
        connection: inside `writing`.
        issue: its number.
        field: what was changed.
        before: how it was.
        after: how it is.
        by: who changed it.
        now: the moment.
        undoes: the edit this takes back.
        goes_on: given the last edit of the field and `after`, tells whether this is still the same act.
    """
    version = connection.execute("SELECT version FROM issues WHERE number = ?", (issue,)).fetchone()[0]
    stamp, values = times.to_text(now), (json.dumps(before, ensure_ascii=False), json.dumps(after, ensure_ascii=False))
    last = _going_on(connection, issue, field, before, by=by, now=now) if goes_on and undoes is None else None
    if last is not None and goes_on is not None and goes_on(last, after):
        if last.before == json.loads(values[1]):
            # Typed and taken back again: nothing is left to undo.
            connection.execute("DELETE FROM edits WHERE issue = ? AND number = ?", (issue, last.number))
        else:
            connection.execute(
                "UPDATE edits SET after = ?, at = ?, version = ? WHERE issue = ? AND number = ?",
                (values[1], stamp, version, issue, last.number),
            )
        return
    number = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM edits WHERE issue = ?", (issue,)).fetchone()[
        0
    ]
    connection.execute(
        "INSERT INTO edits (issue, number, version, editor, began_at, at, field, before, after, undoes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (issue, number, version, by.editor, stamp, stamp, field, *values, undoes),
    )
    if undoes is not None:
        connection.execute("UPDATE edits SET undone_by = ? WHERE issue = ? AND number = ?", (number, issue, undoes))


def _going_on(
    connection: sqlite3.Connection, issue: int, field: Field, before: Any, *, by: By, now: datetime
) -> Edit | None:
    """Give the edit that a change may go on with: the last of the field, and of this hand, and just now."""
    if by.editor is None:
        return None
    last = last_edit(connection, issue, field)
    if last is None or last.editor != by.editor or last.undoes is not None or last.undone_by is not None:
        return None
    if last.after != json.loads(json.dumps(before)):
        return None
    newest = connection.execute(
        "SELECT max(number) FROM edits WHERE issue = ? AND editor = ?", (issue, by.editor)
    ).fetchone()[0]
    quick = times.from_text(last.at) <= now <= times.from_text(last.at) + QUICK
    return last if quick and newest == last.number and now <= times.from_text(last.began_at) + LONGEST else None


def goes_on_typing(last: Edit, after: Any) -> bool:
    """Tell whether a change of words goes on with an edit: it takes no more away than a key or two do."""
    if last.after is None or after is None:
        return False
    was: str = last.after
    most = min(len(was), len(after))
    head = next((at for at in range(most) if was[at] != after[at]), most)
    tail = next((at for at in range(most - head) if was[-1 - at] != after[-1 - at]), most - head)
    return len(was) - head - tail <= TAKEN_AWAY


def note_editing(connection: sqlite3.Connection, issue: int, *, by: By, now: datetime) -> None:
    """Say in the audit that somebody edits an issue, unless it was said some minutes ago."""
    known = connection.execute(
        "SELECT 1 FROM audit WHERE what = ? AND did = 'edited' AND editor IS ? AND at > ? LIMIT 1",
        (f"issue {issue}", by.editor, times.to_text(now - NOTED_EVERY)),
    ).fetchone()
    if known is None:
        audit.note(connection, by, "edited", f"issue {issue}", now=now)


def as_edited(connection: sqlite3.Connection, issue: int) -> dict[Field, Any]:
    """Give all that can be edited of a draft, as edits keep it."""
    *words, own = connection.execute(
        "SELECT subject, preheader, intro, own_words FROM issues WHERE number = ?", (issue,)
    ).fetchone()
    theirs = json.loads(own)
    found: dict[Field, Any] = {name: word if name in theirs else None for name, word in zip(WORDS, words, strict=True)}
    return {**found, "comparisons": as_json(arrangement_of(connection, issue))}


def record_all(connection: sqlite3.Connection, issue: int, before: dict[Field, Any], *, by: By, now: datetime) -> None:
    """Write down all that is not as `as_edited` gave it before."""
    for field, after in as_edited(connection, issue).items():
        if after != before[field]:
            record(connection, issue, field, before[field], after, by=by, now=now)


# Finding ------------------------------------------------------------------------------------------------------------


def last_edit(connection: sqlite3.Connection, issue: int, field: Field) -> Edit | None:
    """Give the last edit of a field."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM edits WHERE issue = ? AND field = ? ORDER BY number DESC LIMIT 1",  # noqa: S608
        (issue, field),
    ).fetchone()
    return _edit(row) if row else None


def find_edit(connection: sqlite3.Connection, issue: int, number: int) -> Edit:
    """Give an edit that is known to be there."""
    sql = f"SELECT {_COLUMNS} FROM edits WHERE issue = ? AND number = ?"  # noqa: S608
    return _edit(connection.execute(sql, (issue, number)).fetchone())


def edits_of(connection: sqlite3.Connection, issue: int, *, limit: int, before: int | None = None) -> list[Edit]:
    """Give the edits of an issue, the newest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM edits WHERE issue = ? AND (? IS NULL OR number < ?) ORDER BY number DESC LIMIT ?",  # noqa: S608
        (issue, before, before, limit),
    )
    return [_edit(row) for row in rows.fetchall()]


def last_hand(connection: sqlite3.Connection, issue: int, field: Field | None = None) -> LastHand | None:
    """Tell who changed a field last, or anything of an issue; None where nobody did."""
    row = connection.execute(
        # The last key may have gone on with a row that began before others: of the last few, the one touched last.
        "SELECT e.editor, p.name, e.at, e.field FROM (SELECT editor, at, field FROM edits"
        " WHERE issue = ? AND (? IS NULL OR field = ?) ORDER BY number DESC LIMIT ?) e"
        " LEFT JOIN editors p ON p.id = e.editor ORDER BY e.at DESC LIMIT 1",
        (issue, field, field, 1 if field else 8),
    ).fetchone()
    return LastHand(row[0], row[1] or COMMAND_LINE.who, row[2], row[3]) if row else None


def undoable(connection: sqlite3.Connection, issue: int, editor: int) -> tuple[int | None, int | None]:
    """Give what of an editor's own edits would be undone next, and what would be done again; None where nothing."""
    rows = connection.execute(
        "SELECT number, undoes, undone_by FROM edits WHERE issue = ? AND editor = ? ORDER BY number", (issue, editor)
    ).fetchall()
    takes_back: dict[int, bool] = {}
    undo = redo = None
    for number, undoes, undone_by in rows:
        # What takes back an undo does it again, and can be undone like any other.
        takes_back[number] = undoes is not None and not takes_back[undoes]
        if undoes is None:
            redo = None
        if undone_by is None:
            undo, redo = (undo, number) if takes_back[number] else (number, redo)
    return undo, redo


def _edit(row: tuple[Any, ...]) -> Edit:
    number, version, editor, began_at, at, field, before, after, undoes, undone_by = row
    return Edit(number, version, editor, began_at, at, field, json.loads(before), json.loads(after), undoes, undone_by)
