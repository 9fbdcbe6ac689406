"""An issue as those see it who make it together: what it has now, who changed it last, what each could undo."""

from __future__ import annotations

from dataclasses import dataclass

from digest.issue import browsing
from digest.issue.browsing import Placed
from digest.issue.edits import WORDS, LastHand, Word, last_hand, undoable
from digest.issue.model import State
from digest.issue.set_aside import Aside, asides
from digest.issue.words import composed, words_of
from digest.store import Database


@dataclass(frozen=True)
class Together:
    """What a page shows of an issue; words nobody wrote are as composed by now.

    `catalogue` counts the changes of what the comparisons say. `comparisons` are in their order.
    """

    version: int
    catalogue: int
    state: State
    words: dict[Word, str]
    own: frozenset[Word]
    comparisons: tuple[Placed, ...]
    last: LastHand | None
    can_undo: bool
    can_redo: bool
    asides: tuple[Aside, ...]


def stamp_of(db: Database, number: int) -> tuple[object, ...] | None:
    """Give what changes whenever `together` may; None where there is no such issue. It takes three looks at indexes."""
    row: tuple[object, ...] | None = db.conn.execute(
        "SELECT version, (SELECT version FROM catalogue_version),"
        " (SELECT group_concat(id || ' ' || at) FROM set_aside WHERE issue = issues.number AND settled_at IS NULL)"
        " FROM issues WHERE number = ?",
        (number,),
    ).fetchone()
    return row


def together(db: Database, number: int, *, editor: int) -> Together:
    """Give what one editor's page shows of an issue.

    Raises:
        NotFoundError: there is no such issue.
    """
    known = words_of(db, number)
    own = frozenset(name for name, word in known.own.items() if word is not None)
    words = dict(known.stored)
    if known.state == "draft" and len(own) < len(WORDS):
        words |= {name: text for name, text in composed(db, number).items() if name not in own}
    undo, redo = undoable(db.conn, number, editor)
    is_draft = known.state == "draft"
    return Together(
        known.version,
        int(db.conn.execute("SELECT version FROM catalogue_version").fetchone()[0]),
        known.state,
        words,
        own,
        tuple(browsing.placed(db, number)),
        last_hand(db.conn, number),
        is_draft and undo is not None,
        is_draft and redo is not None,
        tuple(asides(db.conn, number)),
    )
