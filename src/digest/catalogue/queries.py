"""Finding things in the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from digest import times
from digest.catalogue.model import Comparison, Review, Reviewer, Tool, Votes
from digest.store import Database


def count_catalogue(db: Database) -> dict[str, int]:
    """Count tools, reviewers, reviews and comparisons."""
    row = db.conn.execute(
        "SELECT (SELECT count(*) FROM tools), (SELECT count(*) FROM reviewers),"
        " (SELECT count(*) FROM reviews), (SELECT count(*) FROM comparisons)"
    ).fetchone()
    return dict(zip(("tools", "reviewers", "reviews", "comparisons"), row, strict=True))


def load_comparisons(db: Database, ids: Iterable[int]) -> list[Comparison]:
    """Load comparisons whole, in the order of `ids`: four queries, however many there are."""
    wanted = list(ids)
    rows = _select(db, "SELECT id, slug, left_tool, right_tool, published_at FROM comparisons WHERE id IN ({})", wanted)
    tools = load_tools(db, {tool for _, _, left, right, _ in rows for tool in (left, right)})
    found = {
        id_: Comparison(id_, slug, tools[left], tools[right], times.from_text(published_at))
        for id_, slug, left, right, published_at in rows
    }
    return [found[id_] for id_ in wanted]


def load_tools(db: Database, ids: Iterable[int]) -> dict[int, Tool]:
    """Load tools whole, by their ids: three queries, however many there are."""
    wanted = sorted(ids)
    reviews: dict[int, list[Review]] = defaultdict(list)
    for tool, verdict, quote, *reviewer in _select(
        db,
        "SELECT r.tool, r.verdict, r.quote, p.slug, p.name, p.stance, p.position"
        " FROM reviews r JOIN reviewers p ON p.id = r.reviewer"
        " WHERE r.tool IN ({}) ORDER BY p.position, p.slug",
        wanted,
    ):
        reviews[tool].append(Review(Reviewer(*reviewer), verdict, quote))
    votes = {
        tool: Votes(ship, skip)
        for tool, ship, skip in _select(
            db,
            # By the index of verdicts: rows that are read one by one take four times as long.
            "SELECT id, (SELECT count(*) FROM votes WHERE tool = tools.id AND verdict = 'ship'),"
            " (SELECT count(*) FROM votes WHERE tool = tools.id AND verdict = 'skip') FROM tools WHERE id IN ({})",
            wanted,
        )
    }
    rows = _select(
        db,
        "SELECT id, slug, name, tagline, category, description, entry, url, panel_ship, community"
        " FROM tools WHERE id IN ({})",
        wanted,
    )
    return {row[0]: _tool(row, tuple(reviews[row[0]]), votes[row[0]]) for row in rows}


def _tool(row: tuple[Any, ...], reviews: tuple[Review, ...], votes: Votes) -> Tool:
    _, slug, name, tagline, category, description, entry, url, panel_ship, community = row
    return Tool(slug, name, tagline, category, description, entry, url, panel_ship, community, reviews, votes)


def _select(db: Database, sql: str, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """Run a query over any number of ids: `{}` in it stands for them."""
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        found += db.conn.execute(sql.format(", ".join("?" * len(part))), part).fetchall()
    return found
