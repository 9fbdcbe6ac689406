"""The panel as readers see it: each reviewer's record, over the tools that are public."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.catalogue.finding import PUBLIC_TOOL
from digest.catalogue.model import Review, Reviewer, Tool, percent
from digest.catalogue.queries import load_tools
from digest.errors import NotFoundError
from digest.store import Database

_RECORD = (
    "SELECT p.id, p.slug, p.name, p.stance, p.position,"  # noqa: S608
    " coalesce(sum(r.verdict = 'ship'), 0), coalesce(sum(r.verdict = 'skip'), 0), count(r.quote)"
    f" FROM reviewers p LEFT JOIN (SELECT r.* FROM reviews r JOIN tools t ON t.id = r.tool WHERE {PUBLIC_TOOL}) r"
    " ON r.reviewer = p.id"
)


@dataclass(frozen=True)
class Critic:
    """A reviewer, and how many tools they said what of."""

    id: int
    reviewer: Reviewer
    ships: int
    skips: int
    reviews: int

    @property
    def ship_rate(self) -> int | None:
        """The share of their stated verdicts that are ship, in percent."""
        return percent(self.ships, self.ships + self.skips)


def panel(db: Database, *, now: datetime) -> list[Critic]:
    """Give the panel in its order."""
    rows = db.conn.execute(f"{_RECORD} GROUP BY p.id ORDER BY p.position, p.slug", {"now": times.to_text(now)})
    return [_critic(row) for row in rows]


def find_critic(db: Database, slug: str, *, now: datetime) -> Critic:
    """Give one reviewer.

    Raises:
        NotFoundError: there is none of that slug.
    """
    row = db.conn.execute(
        f"{_RECORD} WHERE p.slug = :slug GROUP BY p.id", {"slug": slug, "now": times.to_text(now)}
    ).fetchone()
    if row is None:
        raise NotFoundError("there is no reviewer at this address")
    return _critic(row)


def reviews_by(
    db: Database, critic: Critic, *, now: datetime, page: int = 1, size: int = 24
) -> list[tuple[Tool, Review]]:
    """Give what a reviewer said of which public tool, the tool that was compared last first."""
    rows = db.conn.execute(
        "SELECT t.id FROM reviews r JOIN tools t ON t.id = r.tool"  # noqa: S608
        f" WHERE r.reviewer = :reviewer AND {PUBLIC_TOOL} ORDER BY max("
        " (SELECT coalesce(max(published_at), '') FROM comparisons WHERE left_tool = t.id AND published_at <= :now),"
        " (SELECT coalesce(max(published_at), '') FROM comparisons WHERE right_tool = t.id AND published_at <= :now)"
        " ) DESC, t.name COLLATE NOCASE, t.id LIMIT :size OFFSET :offset",
        {"reviewer": critic.id, "now": times.to_text(now), "size": size, "offset": (page - 1) * size},
    ).fetchall()
    tools = load_tools(db, [id_ for (id_,) in rows])
    return [
        (tools[id_], next(review for review in tools[id_].reviews if review.reviewer.slug == critic.reviewer.slug))
        for (id_,) in rows
    ]


def _critic(row: tuple[int, str, str, str | None, int, int, int, int]) -> Critic:
    id_, slug, name, stance, position, ships, skips, reviews = row
    return Critic(id_, Reviewer(slug, name, stance, position), ships, skips, reviews)
