"""Who is here: the pages that look at an issue, and the field each has in hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest import times
from digest.errors import InputError
from digest.issue.issues import find_issue
from digest.store import Database, writing_soon

_LEFT = "left"
"""The field of a page that was closed: what it said just before may come after, and does not bring it back."""

LASTS = timedelta(seconds=15)
"""A page that has not said for so long that it is there, is not."""

SWEPT = timedelta(minutes=1)
PAGES = 20
"""Pages of one session that are known of an issue: a script that draws a new name each time fills nothing."""

PAGE_LENGTH, FIELD_LENGTH = 40, 120


@dataclass(frozen=True)
class Present:
    """One page: whose, which, and the field that is being edited there ('' where none is)."""

    editor: int
    name: str
    session: int
    page: str
    field: str


def here(db: Database, number: int, session: int, page: str, field: str, *, now: datetime) -> None:
    """Write down that a page is there; pages that went without a word are forgotten.

    Args:
        db: the store.
        number: the issue.
        session: whose page it is.
        page: what it calls itself, drawn by chance.
        field: the field being edited there; '' where none is.
        now: the moment.

    Raises:
        InputError: the page has no name, or one of them is too long.
        NotFoundError: there is no such issue.
    """
    if not 0 < len(page) <= PAGE_LENGTH or not page.isprintable():
        raise InputError(f"a page calls itself something of 1 to {PAGE_LENGTH} characters", field="page")
    if len(field) > FIELD_LENGTH or not field.isprintable():
        raise InputError(f"it has {FIELD_LENGTH} characters at most", field="field")
    find_issue(db, number)
    with writing_soon(db) as connection:
        if connection is None:
            # It is said again in some seconds, and threads that wait are missing elsewhere.
            return
        connection.execute(
            "INSERT INTO presence (issue, session, page, field, at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (issue, session, page)"
            " DO UPDATE SET field = excluded.field, at = excluded.at WHERE field <> ?",
            (number, session, page, field, times.to_text(now), _LEFT),
        )
        connection.execute("DELETE FROM presence WHERE issue = ? AND at < ?", (number, times.to_text(now - SWEPT)))
        connection.execute(
            "DELETE FROM presence WHERE issue = ?1 AND session = ?2 AND page NOT IN"
            " (SELECT page FROM presence WHERE issue = ?1 AND session = ?2 ORDER BY at DESC, page = ?3 DESC LIMIT ?4)",
            (number, session, page, PAGES),
        )


def leave(db: Database, number: int, session: int, page: str) -> None:
    """Forget a page that is being closed; what names none is not there."""
    with writing_soon(db) as connection:
        # Where it cannot be said now, it is forgotten by itself.
        if connection is not None:
            sql = "UPDATE presence SET field = ? WHERE issue = ? AND session = ? AND page = ?"
            connection.execute(sql, (_LEFT, number, session, page))


def who_is_here(db: Database, number: int, *, now: datetime) -> list[Present]:
    """Give the pages that look at an issue, by the names of their people; none whose session has ended."""
    rows = db.conn.execute(
        "SELECT s.editor, p.name, w.session, w.page, w.field FROM presence w JOIN sessions s ON s.id = w.session"
        " JOIN editors p ON p.id = s.editor WHERE w.issue = ? AND w.at > ? AND w.field <> ? AND s.ended_at IS NULL"
        " ORDER BY lower(p.name), s.editor, w.session, w.page",
        (number, times.to_text(now - LASTS), _LEFT),
    )
    return [Present(*row) for row in rows.fetchall()]
