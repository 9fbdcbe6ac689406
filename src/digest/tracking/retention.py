"""Events of long ago are deleted, whole issues at a time; their figures stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from digest import times
from digest.store import Database, writing

AT_ONCE = 5_000
"""Copies whose events are deleted in one transaction: others wait for it who want to write."""

_TABLES = {"events": "subscriber", "readings": "copy", "uncounted": "subscriber"}


def delete_old(db: Database, *, days: int, now: datetime, stopping: Callable[[], bool] = lambda: False) -> list[int]:
    """Delete what happened to the copies of issues that were sent so many days ago; give the issues. 0 days: nothing.

    That they are deleted is written down first: from then on nothing of them is taken in, and nobody takes what is
    left for all there was. What a broken off run left is deleted by the next one.
    """
    if not days:
        return []
    before = times.to_text(now - timedelta(days=days))
    old = db.conn.execute(
        # Without the index, each issue's whole content would be stepped over to see its date.
        "SELECT number FROM issues WHERE number IN (SELECT number FROM issues INDEXED BY issues_updated_at"
        " WHERE state IN ('sent', 'cancelled')) AND coalesce(sent_at, cancelled_at) < ? AND sending_at < ?"
        " AND events_deleted_at IS NULL ORDER BY number",
        (before, before),
    ).fetchall()
    with writing(db) as connection:
        connection.executemany(
            "UPDATE issues SET events_deleted_at = ? WHERE number = ?", [(times.to_text(now), *row) for row in old]
        )
        connection.execute("DELETE FROM unknown_events WHERE received_at < ?", (before,))
    for (issue,) in db.conn.execute("SELECT number FROM issues WHERE events_deleted_at IS NOT NULL").fetchall():
        for table, copy in _TABLES.items():
            while not stopping() and _delete(db, issue, table, copy):
                pass
    return [number for (number,) in old]


def _delete(db: Database, issue: int, table: str, copy: str) -> bool:
    """Delete the first rows of an issue; tell whether there were any."""
    to = db.conn.execute(
        f"SELECT max({copy}) FROM (SELECT {copy} FROM {table} WHERE issue = ? ORDER BY {copy} LIMIT ?)",  # noqa: S608
        (issue, AT_ONCE),
    ).fetchone()[0]
    if to is None:
        return False
    with writing(db) as connection:
        connection.execute(f"DELETE FROM {table} WHERE issue = ? AND {copy} <= ?", (issue, to))  # noqa: S608 (ours)
    return True
