"""Finding what readers may see: comparisons that are public by now, and the tools in them.

A comparison is public from its date on. A tool is hidden only while it waits for its first comparison: one that stands
in no comparison at all waits for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from digest import times
from digest.catalogue.model import Comparison, Tool
from digest.catalogue.names import slug_for
from digest.catalogue.queries import load_comparisons, load_tools
from digest.errors import NotFoundError
from digest.store import Database

PUBLIC_TOOL = (
    "(EXISTS (SELECT 1 FROM comparisons WHERE left_tool = t.id AND published_at <= :now)"
    " OR EXISTS (SELECT 1 FROM comparisons WHERE right_tool = t.id AND published_at <= :now)"
    " OR NOT EXISTS (SELECT 1 FROM comparisons WHERE left_tool = t.id OR right_tool = t.id))"
)
"""Whether readers may see the tool `t`, in SQL; two EXISTS, because SQLite looks each up in its own index."""


@dataclass(frozen=True)
class Category:
    """A category, under the name most of its tools have it by, with what of it is public."""

    slug: str
    name: str
    tools: int


@dataclass(frozen=True)
class Page:
    """Some of the comparisons that were asked for, the newest first, and how many there are in all."""

    comparisons: tuple[Comparison, ...]
    number: int
    size: int
    total: int

    @property
    def last(self) -> int:
        """The number of the last page; 1 where there is nothing."""
        return max(1, -(-self.total // self.size))


def newest(db: Database, *, now: datetime, page: int = 1, size: int = 24) -> Page:
    """Give the newest comparisons, `page` counted from 1."""
    return _page(db, "published_at <= :now", {"now": times.to_text(now)}, page, size)


def of_tools(db: Database, tools: Sequence[int], *, now: datetime, page: int = 1, size: int = 24) -> Page:
    """Give the newest comparisons in which one of these tools stands."""
    # The ids are our own numbers; as text they have no limit of how many.
    ids = ", ".join(str(int(tool)) for tool in tools)
    where = f"published_at <= :now AND (left_tool IN ({ids}) OR right_tool IN ({ids}))"
    return _page(db, where, {"now": times.to_text(now)}, page, size)


def find_comparison(db: Database, slug: str, *, now: datetime) -> Comparison:
    """Give a public comparison.

    Raises:
        NotFoundError: there is none of that slug, or its day has not come.
    """
    row = db.conn.execute(
        "SELECT id FROM comparisons WHERE slug = ? AND published_at <= ?", (slug, times.to_text(now))
    ).fetchone()
    if row is None:
        raise NotFoundError("there is no comparison at this address")
    [found] = load_comparisons(db, [row[0]])
    return found


def comparison_of(db: Database, one: str, other: str, *, now: datetime) -> str | None:
    """Give the slug of the newest public comparison of two tools, by their slugs in either order."""
    row = db.conn.execute(
        "SELECT c.slug FROM comparisons c JOIN tools l ON l.id = c.left_tool JOIN tools r ON r.id = c.right_tool"
        " WHERE (l.slug, r.slug) IN (VALUES (:one, :other), (:other, :one)) AND c.published_at <= :now"
        " ORDER BY c.published_at DESC, c.id DESC LIMIT 1",
        {"one": one, "other": other, "now": times.to_text(now)},
    ).fetchone()
    return row[0] if row else None


def related(db: Database, comparison: Comparison, *, now: datetime, limit: int = 3) -> list[Comparison]:
    """Give other comparisons: those with one of its tools, then those of its categories; the newest of each first."""
    sides = (comparison.left, comparison.right)
    tools = [_tool_id(db, tool.slug) for tool in sides]
    categories = sorted({slug_for(tool.category) for tool in sides if tool.category})
    found: dict[int, Comparison] = {}
    for near in (tools, [tool for category in categories for tool in tool_ids(db, category, now=now)]):
        for other in of_tools(db, near, now=now, size=limit + 1 + len(found)).comparisons if near else ():
            if other.id != comparison.id and len(found) < limit:
                found.setdefault(other.id, other)
    return list(found.values())


def find_tool(db: Database, slug: str, *, now: datetime) -> tuple[int, Tool]:
    """Give a public tool, with its id.

    Raises:
        NotFoundError: there is none of that slug, or it waits for its first comparison.
    """
    row = db.conn.execute(
        f"SELECT t.id FROM tools t WHERE t.slug = :slug AND {PUBLIC_TOOL}",  # noqa: S608 (our own words)
        {"slug": slug, "now": times.to_text(now)},
    ).fetchone()
    if row is None:
        raise NotFoundError("there is no tool at this address")
    id_: int = row[0]
    return id_, load_tools(db, [id_])[id_]


def categories(db: Database, *, now: datetime) -> list[Category]:
    """Give the categories of public tools by name; spellings that share a slug are one."""
    spellings: dict[str, list[tuple[int, str]]] = {}
    for name, count in db.conn.execute(
        f"SELECT t.category, count(*) FROM tools t WHERE t.category IS NOT NULL AND {PUBLIC_TOOL}"  # noqa: S608
        " GROUP BY t.category",
        {"now": times.to_text(now)},
    ):
        spellings.setdefault(slug_for(name), []).append((count, name))
    found = [Category(slug, max(names)[1], sum(count for count, _ in names)) for slug, names in spellings.items()]
    return sorted(found, key=lambda category: category.name.casefold())


def find_category(db: Database, slug: str, *, now: datetime) -> Category:
    """Give a category.

    Raises:
        NotFoundError: no public tool is of it.
    """
    for category in categories(db, now=now):
        if category.slug == slug:
            return category
    raise NotFoundError("there is no category at this address")


def tool_ids(db: Database, category: str, *, now: datetime) -> list[int]:
    """Give the ids of the public tools of a category, by name."""
    names = [
        name
        for (name,) in db.conn.execute("SELECT DISTINCT category FROM tools WHERE category IS NOT NULL")
        if slug_for(name) == category
    ]
    marks = ", ".join(f":name{number}" for number in range(len(names)))
    rows = db.conn.execute(
        f"SELECT t.id FROM tools t WHERE t.category IN ({marks}) AND {PUBLIC_TOOL}"  # noqa: S608 (our own words)
        " ORDER BY t.name COLLATE NOCASE, t.id",
        {"now": times.to_text(now), **{f"name{number}": name for number, name in enumerate(names)}},
    )
    return [id_ for (id_,) in rows]


def _tool_id(db: Database, slug: str) -> int:
    id_: int = db.conn.execute("SELECT id FROM tools WHERE slug = ?", (slug,)).fetchone()[0]
    return id_


def _page(db: Database, where: str, values: dict[str, Any], page: int, size: int) -> Page:
    total: int = db.conn.execute(f"SELECT count(*) FROM comparisons WHERE {where}", values).fetchone()[0]  # noqa: S608
    rows = db.conn.execute(
        f"SELECT id FROM comparisons WHERE {where}"  # noqa: S608 (our own words)
        " ORDER BY published_at DESC, id DESC LIMIT :size OFFSET :offset",
        {**values, "size": size, "offset": (page - 1) * size},
    ).fetchall()
    return Page(tuple(load_comparisons(db, [id_ for (id_,) in rows])), page, size, total)
