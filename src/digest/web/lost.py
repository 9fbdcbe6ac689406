"""What a page that is not there can offer instead: the page that was likely meant, and the newest comparisons."""

from __future__ import annotations

import difflib
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from slugify import slugify

from digest import times
from digest.catalogue.finding import PUBLIC_TOOL, newest
from digest.catalogue.model import Comparison
from digest.store import Database
from digest.web.reading import address
from digest.web.state import State

LOOKED_AT = 1_000
"""Slugs that are held against the one that was asked for; comparing one takes about 10 µs."""


_ROOMS = {
    "compare": "SELECT c.slug, l.name || ' vs ' || r.name FROM comparisons c JOIN tools l ON l.id = c.left_tool"
    " JOIN tools r ON r.id = c.right_tool WHERE c.published_at <= :now",
    "tools": f"SELECT t.slug, t.name FROM tools t WHERE {PUBLIC_TOOL}",  # noqa: S608 (our own words)
    "panel": "SELECT slug, name FROM reviewers WHERE :now",
}


@dataclass(frozen=True)
class Nearest:
    """A page that may have been meant."""

    address: str
    name: str


@dataclass(frozen=True)
class Lost:
    """What a reader who got lost is offered."""

    newest: tuple[Comparison, ...]
    nearest: Nearest | None


def lost_at(state: State, path: str) -> Lost | None:
    """Find what can be offered to one who asked for `path`; nothing where the store is the trouble."""
    try:
        db = state.stores.take()
        try:
            return lost(db, path, now=state.clock())
        finally:
            state.stores.give_back(db)
    except sqlite3.Error:
        return None


def lost(db: Database, path: str, *, now: datetime) -> Lost:
    """Find what can be offered to one who asked for `path`."""
    return Lost(newest(db, now=now, size=3).comparisons, _nearest(db, path, now))


def _nearest(db: Database, path: str, now: datetime) -> Nearest | None:
    room, _, rest = path.strip("/").partition("/")
    rooms = [room] if room in _ROOMS and rest else [*_ROOMS]
    wanted = slugify((rest if room in _ROOMS else path)[:200])
    found: dict[str, Nearest] = {}
    for name in rooms if wanted else ():
        # Those that begin alike first: in a large catalogue the others are not looked at.
        rows = db.conn.execute(
            f"SELECT * FROM ({_ROOMS[name]}) ORDER BY substr(slug, 1, 1) <> :first, slug LIMIT {LOOKED_AT}",  # noqa: S608
            {"now": times.to_text(now), "first": wanted[0]},
        )
        found |= {slug: Nearest(address(name, slug), called) for slug, called in rows if slug not in found}
    close = difflib.get_close_matches(wanted, found, n=1, cutoff=0.6)
    return found[close[0]] if close else None
