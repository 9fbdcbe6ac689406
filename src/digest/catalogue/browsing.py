"""The catalogue as programs read it: all of it, also what is not public yet, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.catalogue.model import Comparison, Entry, Tool
from digest.catalogue.queries import load_comparisons, load_tools
from digest.errors import NotFoundError
from digest.store import Database


@dataclass(frozen=True)
class Listed:
    """A comparison in a list: its slug and date, and the slugs and names of its tools. The date is UTC text."""

    id: int
    slug: str
    published_at: str
    left: str
    left_name: str
    right: str
    right_name: str


@dataclass(frozen=True)
class ListedTool:
    """A tool in a list."""

    id: int
    slug: str
    name: str
    tagline: str | None
    category: str | None
    entry: Entry | None


def comparisons(
    db: Database, *, limit: int, after: tuple[str, int] | None = None, public: bool | None = None, now: datetime
) -> list[Listed]:
    """Give comparisons, the newest first.

    Args:
        db: the store.
        limit: how many at the most.
        after: date and id of the last one of the page before.
        public: only those that readers may see, or only the others.
        now: the moment.
    """
    rows = db.conn.execute(
        "SELECT c.id, c.slug, c.published_at, l.slug, l.name, r.slug, r.name FROM comparisons c"
        " JOIN tools l ON l.id = c.left_tool JOIN tools r ON r.id = c.right_tool"
        " WHERE (c.published_at, c.id) < (:at, :id) AND (:public IS NULL OR (c.published_at <= :now) = :public)"
        " ORDER BY c.published_at DESC, c.id DESC LIMIT :limit",
        {
            # Sorts after every date.
            "at": after[0] if after else ":",
            "id": after[1] if after else 0,
            "public": public,
            "now": times.to_text(now),
            "limit": limit,
        },
    )
    return [Listed(*row) for row in rows]


def comparison(db: Database, slug: str) -> Comparison:
    """Give a comparison, public or not.

    Raises:
        NotFoundError: there is none of that slug.
    """
    row = db.conn.execute("SELECT id FROM comparisons WHERE slug = ?", (slug,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no comparison {slug!r}")
    [found] = load_comparisons(db, [row[0]])
    return found


def tools(db: Database, *, limit: int, after: int = 0, category: str | None = None) -> list[ListedTool]:
    """Give tools in the order they came in.

    Args:
        db: the store.
        limit: how many at the most.
        after: the id of the last one of the page before.
        category: only those of this category, as it is spelled.
    """
    rows = db.conn.execute(
        "SELECT id, slug, name, tagline, category, entry FROM tools"
        " WHERE id > :after AND (:category IS NULL OR category = :category) ORDER BY id LIMIT :limit",
        {"after": after, "category": category, "limit": limit},
    )
    return [ListedTool(*row) for row in rows]


def tool(db: Database, slug: str) -> Tool:
    """Give a tool, also one that waits for its first comparison.

    Raises:
        NotFoundError: there is none of that slug.
    """
    row = db.conn.execute("SELECT id FROM tools WHERE slug = ?", (slug,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no tool {slug!r}")
    number: int = row[0]
    return load_tools(db, [number])[number]
