"""Readers' votes: one of a voter on a tool, changed and withdrawn freely."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from digest import times
from digest.catalogue.finding import find_tool, of_tools
from digest.catalogue.model import Comparison, Tool, Verdict
from digest.errors import InputError
from digest.store import Database, writing

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Ballot:
    """A tool to vote on, with the votes there are; what one voter said of it; and the newest comparison it is in."""

    id: int
    tool: Tool
    own: Verdict | None
    comparison: Comparison | None


def read_verdict(text: str) -> Verdict:
    """Read a vote.

    Raises:
        InputError: it is neither ship nor skip.
    """
    for verdict in VERDICTS:
        if text == verdict:
            return verdict
    raise InputError("a vote is ship or skip")


def ballot(db: Database, slug: str, voter: str | None, *, now: datetime) -> Ballot:
    """Give a public tool to vote on, by its slug, and what this voter said of it.

    Raises:
        NotFoundError: there is no such tool, or it is not public yet.
    """
    id_, tool = find_tool(db, slug, now=now)
    own: tuple[Verdict] | None = None
    if voter is not None:
        own = db.conn.execute("SELECT verdict FROM votes WHERE tool = ? AND voter = ?", (id_, voter)).fetchone()
    newest = of_tools(db, [id_], now=now, size=1).comparisons
    return Ballot(id_, tool, own[0] if own else None, newest[0] if newest else None)


def vote(db: Database, slug: str, voter: str, verdict: Verdict, *, now: datetime) -> bool:
    """Count a voter's vote on a tool in place of an earlier one; give whether anything changed.

    Raises:
        NotFoundError: there is no such tool, or it is not public yet.
    """
    with writing(db) as connection:
        tool, _ = find_tool(db, slug, now=now)
        # The same vote again writes nothing: pages that are kept stay kept.
        return (
            connection.execute(
                "INSERT INTO votes (tool, voter, verdict, voted_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (tool, voter) DO UPDATE SET verdict = excluded.verdict, voted_at = excluded.voted_at"
                " WHERE verdict <> excluded.verdict",
                (tool, voter, verdict, times.to_text(now)),
            ).rowcount
            > 0
        )


def tallies(db: Database, slugs: Collection[str]) -> dict[str, tuple[str, int, int]]:
    """Give the names of some tools by their slugs, with how many votes are ship and how many skip."""
    rows = db.conn.execute(
        "SELECT t.slug, t.name, (SELECT count(*) FROM votes WHERE tool = t.id AND verdict = 'ship'),"
        " (SELECT count(*) FROM votes WHERE tool = t.id AND verdict = 'skip')"
        " FROM tools t WHERE t.slug IN (SELECT value FROM json_each(?))",
        (json.dumps([*slugs]),),
    )
    return {slug: (name, ship, skip) for slug, name, ship, skip in rows}


def withdraw(db: Database, slug: str, voter: str, *, now: datetime) -> bool:
    """Take a voter's vote on a tool back; give whether there was one.

    Raises:
        NotFoundError: there is no such tool, or it is not public yet.
    """
    with writing(db) as connection:
        tool, _ = find_tool(db, slug, now=now)
        return connection.execute("DELETE FROM votes WHERE tool = ? AND voter = ?", (tool, voter)).rowcount > 0
