"""Words set aside: what somebody typed that met another's words, or an issue that was no draft any more.

They wait beside the issue until a person uses them or throws them away.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.editors.audit import By
from digest.errors import NotFoundError, StateError
from digest.issue.edits import Word
from digest.issue.merging import holds

MOST = 50
"""Words of one editor that wait beside an issue: every page there is told all of them whenever one comes."""


@dataclass(frozen=True)
class Aside:
    """Words that were set aside: whose, when (UTC text), and for which field."""

    id: int
    field: Word
    editor: int
    by: str
    words: str
    at: str


def set_aside(
    connection: sqlite3.Connection, issue: int, field: Word, words: str, *, by: By, now: datetime
) -> int | None:
    """Keep words; give the id they have, or None where as many of this hand wait as may. Inside `writing`.

    Who types on, not knowing yet, does not fill the store: words that hold all of those set aside before take their
    place, and words that are wholly in them are there already.
    """
    own = [known for known in asides(connection, issue) if known.editor == by.editor]
    for known in own:
        if known.field == field:
            if holds(known.words, words):
                return known.id
            if holds(words, known.words):
                connection.execute(
                    "UPDATE set_aside SET words = ?, at = ? WHERE id = ?", (words, times.to_text(now), known.id)
                )
                return known.id
    if len(own) >= MOST:
        return None
    id_: int = connection.execute(
        "INSERT INTO set_aside (issue, field, editor, words, at) VALUES (?, ?, ?, ?, ?) RETURNING id",
        (issue, field, by.editor, words, times.to_text(now)),
    ).fetchone()[0]
    return id_


def asides(connection: sqlite3.Connection, issue: int) -> list[Aside]:
    """Give the words that wait beside an issue, the oldest first."""
    rows = connection.execute(
        "SELECT s.id, s.field, s.editor, p.name, s.words, s.at FROM set_aside s JOIN editors p ON p.id = s.editor"
        " WHERE s.issue = ? AND s.settled_at IS NULL ORDER BY s.id",
        (issue,),
    )
    return [Aside(*row) for row in rows.fetchall()]


def settle(connection: sqlite3.Connection, issue: int, id_: int, *, now: datetime) -> Aside:
    """Let words wait no longer: they were used, or are thrown away. Inside `writing`.

    Raises:
        NotFoundError: nothing of this issue has the id.
        StateError: somebody settled them before.
    """
    found = next((aside for aside in asides(connection, issue) if aside.id == id_), None)
    if found is None:
        known = connection.execute("SELECT 1 FROM set_aside WHERE id = ? AND issue = ?", (id_, issue)).fetchone()
        if known:
            raise StateError("somebody has used or thrown away these words already")
        raise NotFoundError(f"nothing of issue {issue} was set aside as {id_}")
    connection.execute("UPDATE set_aside SET settled_at = ? WHERE id = ?", (times.to_text(now), id_))
    return found


def unsettle(connection: sqlite3.Connection, issue: int, id_: int) -> None:
    """Let words wait again that were thrown away. Inside `writing`.

    Raises:
        NotFoundError: nothing of this issue has the id.
    """
    sql = "UPDATE set_aside SET settled_at = NULL WHERE id = ? AND issue = ?"
    if not connection.execute(sql, (id_, issue)).rowcount:
        raise NotFoundError(f"nothing of issue {issue} was set aside as {id_}")
