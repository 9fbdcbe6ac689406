"""Whether what was approved is still what the settings would make of it."""

from __future__ import annotations

from digest.issue import issues
from digest.issue.render import render
from digest.mail.templates import TemplateError
from digest.settings import Settings
from digest.store import Database


def approved_otherwise(db: Database, settings: Settings) -> list[int]:
    """Give the issues that are approved and not sent yet, and would not come out the same with the settings of now.

    They go out as they were approved: whoever wants the new look takes them back to a draft.
    """
    approved = db.conn.execute("SELECT number FROM issues WHERE state = 'approved' ORDER BY number").fetchall()
    return [number for (number,) in approved if not _is_still(db, settings, number)]


def _is_still(db: Database, settings: Settings, number: int) -> bool:
    snapshot, frozen = issues.find_snapshot(db, number), issues.frozen(db, number)
    if snapshot is None or frozen is None:
        # Of an older digest, which kept no draft to compare with.
        return True
    try:
        again = render(snapshot.draft, settings)
    except TemplateError:
        return False
    return (again.html, again.text, again.envelope, again.tracking) == (
        frozen.html,
        frozen.text,
        frozen.envelope,
        frozen.tracking,
    )
