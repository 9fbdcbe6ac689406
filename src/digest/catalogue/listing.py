"""Everything of the catalogue that has a page of its own, and when it changed last: for feeds and site maps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from digest import times
from digest.catalogue.finding import PUBLIC_TOOL
from digest.store import Database

_REVIEWED = "(SELECT coalesce(max(updated_at), '') FROM reviews WHERE tool = {}.id)"
_TOOL_CHANGED = f"max(t.updated_at, {_REVIEWED.format('t')})"
_CHANGED = (
    f"max(c.published_at, c.updated_at, l.updated_at, r.updated_at, {_REVIEWED.format('l')}, {_REVIEWED.format('r')})"
)
_FROM = "FROM comparisons c JOIN tools l ON l.id = c.left_tool JOIN tools r ON r.id = c.right_tool"


def changes(db: Database, comparisons: Sequence[int]) -> dict[int, datetime]:
    """Give when each of these comparisons changed last: it, a tool of it, or what a reviewer said. Votes are no change.

    One that is published later than it was written changed when it was published.
    """
    marks = ", ".join("?" * len(comparisons))
    rows = db.conn.execute(f"SELECT c.id, {_CHANGED} {_FROM} WHERE c.id IN ({marks})", list(comparisons))
    return {id_: times.from_text(changed) for id_, changed in rows}


def all_comparisons(db: Database, *, now: datetime) -> list[tuple[str, datetime]]:
    """Give the slug of every public comparison and when it changed last, the newest first."""
    rows = db.conn.execute(
        f"SELECT c.slug, {_CHANGED} {_FROM} WHERE c.published_at <= ? ORDER BY c.published_at DESC, c.id DESC",
        (times.to_text(now),),
    )
    return [(slug, times.from_text(changed)) for slug, changed in rows]


def all_tools(db: Database, *, now: datetime) -> list[tuple[str, datetime]]:
    """Give the slug of every public tool and when it, or what was said of it, changed last."""
    rows = db.conn.execute(
        f"SELECT t.slug, {_TOOL_CHANGED} FROM tools t WHERE {PUBLIC_TOOL} ORDER BY t.slug",  # noqa: S608
        {"now": times.to_text(now)},
    )
    return [(slug, times.from_text(changed)) for slug, changed in rows]
