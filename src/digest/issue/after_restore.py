"""Issues in a backup that was brought back: what may have gone out since is for a person."""

from __future__ import annotations

from datetime import datetime

from digest import times
from digest.editors import audit
from digest.editors.audit import ITSELF
from digest.issue.issues import thaw
from digest.store import Database, writing


def to_a_person(db: Database, *, now: datetime) -> list[int]:
    """Make approved issues drafts again, and let none of the drafts be approved but by a person; give those approved.

    An issue that waited for its time in the backup may have been sent since.
    """
    with writing(db) as connection:
        approved = [
            number
            for (number,) in connection.execute("SELECT number FROM issues WHERE state = 'approved' ORDER BY number")
        ]
        for number in approved:
            thaw(connection, number)
            connection.execute("UPDATE issues SET updated_at = ? WHERE number = ?", (times.to_text(now), number))
            audit.note(
                connection, ITSELF, "took back to draft", f"issue {number}", now=now, why="a backup was restored"
            )
        connection.execute("UPDATE issues SET by_hand = 1 WHERE state = 'draft'")
    return approved
