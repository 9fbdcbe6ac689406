"""The catalogue as an editor looks through it: found by words, a page at a time, also what is not public yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.catalogue.model import Comparison, Entry, Reviewer
from digest.catalogue.names import spelling_key
from digest.catalogue.queries import load_comparisons
from digest.store import Database

WORDS = 8
"""Words of a search that count."""

_BETWEEN = ("vs", "vs.", "and", "&")
"""Words between two names, which nobody looks for."""

_PAIRS = "FROM comparisons c JOIN tools l ON l.id = c.left_tool JOIN tools r ON r.id = c.right_tool"
_PAIR_TEXT = (
    "l.name_key || ' ' || r.name_key || ' ' || c.slug"
    " || ' ' || lower(coalesce(l.category, '')) || ' ' || lower(coalesce(r.category, ''))"
)
_TOOL_TEXT = "t.name_key || ' ' || t.slug || ' ' || lower(coalesce(t.category, '') || ' ' || coalesce(t.tagline, ''))"


@dataclass(frozen=True)
class ShownTool:
    """A tool in a list: how many reviews it has, and in how many comparisons it stands."""

    slug: str
    name: str
    tagline: str | None
    category: str | None
    entry: Entry | None
    reviews: int
    comparisons: int


@dataclass(frozen=True)
class Place:
    """A reviewer in the panel's order, and how many reviews are by this one, of public tools or not."""

    reviewer: Reviewer
    reviews: int


def find_pairs(db: Database, typed: str, *, page: int, size: int) -> tuple[list[Comparison], int]:
    """Give the comparisons with all of these words in names, slug or categories, the newest first; and how many."""
    where, values = _holding(_PAIR_TEXT, typed)
    total = db.conn.execute(f"SELECT count(*) {_PAIRS} WHERE {where}", values).fetchone()[0]
    rows = db.conn.execute(
        f"SELECT c.id {_PAIRS} WHERE {where} ORDER BY c.published_at DESC, c.id DESC LIMIT ? OFFSET ?",
        [*values, size, (page - 1) * size],
    )
    return load_comparisons(db, [id_ for (id_,) in rows.fetchall()]), total


def find_tools(db: Database, typed: str, *, page: int, size: int) -> tuple[list[ShownTool], int]:
    """Give the tools with all of these words in name, slug, category or tagline, by name; and how many."""
    where, values = _holding(_TOOL_TEXT, typed)
    total = db.conn.execute(f"SELECT count(*) FROM tools t WHERE {where}", values).fetchone()[0]  # noqa: S608
    rows = db.conn.execute(
        "SELECT t.slug, t.name, t.tagline, t.category, t.entry,"  # noqa: S608 (our own words)
        " (SELECT count(*) FROM reviews WHERE tool = t.id),"
        " (SELECT count(*) FROM comparisons WHERE left_tool = t.id)"
        " + (SELECT count(*) FROM comparisons WHERE right_tool = t.id)"
        f" FROM tools t WHERE {where} ORDER BY t.name COLLATE NOCASE, t.id LIMIT ? OFFSET ?",
        [*values, size, (page - 1) * size],
    )
    return [ShownTool(*row) for row in rows.fetchall()], total


def pairs_of_tool(db: Database, slug: str) -> list[tuple[str, str]]:
    """Give slug and names of the comparisons in which a tool stands, the newest first."""
    rows = db.conn.execute(
        f"SELECT c.slug, l.name || ' vs ' || r.name {_PAIRS} WHERE l.slug = ?1 OR r.slug = ?1"
        " ORDER BY c.published_at DESC, c.id DESC LIMIT 50",
        (slug,),
    )
    return [(found, title) for found, title in rows.fetchall()]


def tool_called(db: Database, named: str) -> tuple[str, str] | None:
    """Give slug and name of the tool that a slug, or a name in any spelling, means."""
    sql = "SELECT slug, name FROM tools WHERE {} = ?"
    for field, value in (("slug", named), ("name_key", spelling_key(named))):
        row = db.conn.execute(sql.format(field), (value,)).fetchone()
        if row:
            return row[0], row[1]
    return None


def has_comparison(db: Database, slug: str) -> bool:
    """Tell whether a comparison has this slug."""
    return db.conn.execute("SELECT 1 FROM comparisons WHERE slug = ?", (slug,)).fetchone() is not None


def has_tool(db: Database, slug: str) -> bool:
    """Tell whether a tool has this slug."""
    return db.conn.execute("SELECT 1 FROM tools WHERE slug = ?", (slug,)).fetchone() is not None


def names(db: Database, *, limit: int = 2000) -> list[str]:
    """Give the names of tools, to choose from."""
    rows = db.conn.execute("SELECT name FROM tools ORDER BY name COLLATE NOCASE LIMIT ?", (limit,))
    return [name for (name,) in rows.fetchall()]


def category_names(db: Database) -> list[str]:
    """Give the categories as they are spelled, to choose from."""
    rows = db.conn.execute(
        "SELECT category FROM tools WHERE category IS NOT NULL GROUP BY category ORDER BY category COLLATE NOCASE"
    )
    return [name for (name,) in rows.fetchall()]


def places(db: Database) -> list[Place]:
    """Give the panel in its order."""
    rows = db.conn.execute(
        "SELECT p.slug, p.name, p.stance, p.position, (SELECT count(*) FROM reviews WHERE reviewer = p.id)"
        " FROM reviewers p ORDER BY p.position, p.slug"
    )
    return [Place(Reviewer(*reviewer), count) for *reviewer, count in rows.fetchall()]


def _holding(text: str, typed: str) -> tuple[str, Sequence[str]]:
    """Give a condition that a text has all words of what was typed, and its values."""
    words = [word for word in typed.split() if word.casefold() not in _BETWEEN][:WORDS]
    # As names are spelled in the store, and as the word was typed: a tagline keeps its accents and its dots.
    one = f"(instr({text}, ?) OR instr({text}, ?))"
    values = [value for word in words for value in (spelling_key(word), word.lower())]
    return " AND ".join([one] * len(words)) or "1", values
