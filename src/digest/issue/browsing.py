"""Issues as programs read them: all of them, whatever their state, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from digest.issue.issues import load_draft
from digest.issue.model import Form, State
from digest.store import Database


@dataclass(frozen=True)
class Listed:
    """An issue in a list. Moments are UTC text; a draft's subject is composed from the catalogue as it is now."""

    number: int
    state: State
    subject: str
    comparisons: int
    cutoff: str
    scheduled_at: str | None
    approved_at: str | None
    sending_at: str | None
    sent_at: str | None
    cancelled_at: str | None
    trouble: str | None


@dataclass(frozen=True)
class Placed:
    """A comparison in an issue."""

    slug: str
    title: str
    form: Form
    updated: bool


def issues(db: Database, *, limit: int, before: int | None = None, state: State | None = None) -> list[Listed]:
    """Give issues, the newest first.

    Args:
        db: the store.
        limit: how many at the most.
        before: the number of the last one of the page before.
        state: only those in it.
    """
    rows = db.conn.execute(
        "SELECT i.number, i.state, w.subject,"
        " (SELECT count(*) FROM issue_comparisons c WHERE c.issue = i.number AND c.form <> 'out'),"
        " i.cutoff, i.scheduled_at, i.approved_at, i.sending_at, i.sent_at, i.cancelled_at, i.trouble FROM issues i"
        " JOIN shown_words w ON w.issue = i.number"
        " WHERE (:before IS NULL OR i.number < :before) AND (:state IS NULL OR i.state = :state)"
        " ORDER BY i.number DESC LIMIT :limit",
        {"before": before, "state": state, "limit": limit},
    ).fetchall()
    return [
        Listed(number, state, load_draft(db, number).subject if state == "draft" else subject, *rest)
        for number, state, subject, *rest in rows
    ]


def placed(db: Database, number: int) -> list[Placed]:
    """Give the comparisons of an issue in their order, in the form they have, or will have, in the mail."""
    rows = db.conn.execute(
        "SELECT c.slug, l.name || ' vs ' || r.name, coalesce(p.frozen_form, p.form), p.updated"
        " FROM issue_comparisons p JOIN comparisons c ON c.id = p.comparison JOIN tools l ON l.id = c.left_tool"
        " JOIN tools r ON r.id = c.right_tool WHERE p.issue = ? ORDER BY p.position",
        (number,),
    )
    return [Placed(slug, title, form, bool(updated)) for slug, title, form, updated in rows]
