"""Four eyes: where the setting `four_eyes` says so, who approves an issue is somebody else than who made it.

The rule: a publisher approves who has not edited the issue, nor asked for its approval. Where all publishers have,
whoever did not edit it last. So two who work on everything together are not stuck, and nobody approves their own last
word. What was done on the command line is the operator's, and binds nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.editors import people
from digest.editors.people import Editor
from digest.store import Database


@dataclass(frozen=True)
class Hands:
    """Who had an issue in hand, as numbers of editors; `last` edited it last, None where nobody did."""

    edited: frozenset[int]
    last: int | None
    asked: int | None


def hands_of(db: Database, number: int) -> Hands:
    """Tell who edited an issue, and who asked for its approval."""
    # Alternatives to the subject are words of it too, and stand in no edit.
    rows = db.conn.execute(
        "SELECT editor, max(at) FROM (SELECT editor, at FROM edits WHERE issue = :number UNION ALL"
        " SELECT editor, at FROM audit WHERE what = 'issue ' || :number AND did IN ('added a subject to',"
        " 'changed a subject of', 'took a subject out of')) WHERE editor NOT NULL GROUP BY editor ORDER BY 2",
        {"number": number},
    ).fetchall()
    asked = db.conn.execute("SELECT asked_by FROM issues WHERE number = ?", (number,)).fetchone()
    return Hands(frozenset(row[0] for row in rows), rows[-1][0] if rows else None, asked[0] if asked else None)


def approvers(db: Database, number: int) -> list[Editor]:
    """Give the publishers who may approve an issue where two must agree."""
    hands, publishers = hands_of(db, number), [one for one in people.everyone(db) if one.may("publisher")]
    fresh = [one for one in publishers if one.id not in hands.edited and one.id != hands.asked]
    return fresh or [one for one in publishers if one.id != (hands.last or hands.asked)]


def barred(db: Database, number: int, editor: int) -> str | None:
    """Tell a publisher why another one must approve an issue; None where this one may."""
    able = approvers(db, number)
    if any(one.id == editor for one in able):
        return None
    hands = hands_of(db, number)
    why = "you edited it" if editor in hands.edited else "you asked for its approval"
    if not able:
        return f"{why}, and two must agree, but there is no other publisher; an owner can make somebody one"
    names = [one.name for one in able]
    who = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    return f"{why}, so somebody else must approve it: {who}"
