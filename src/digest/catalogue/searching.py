"""Searching the catalogue: SQLite's FTS5 over what is said of each tool (https://www.sqlite.org/fts5.html)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest import times
from digest.catalogue.finding import PUBLIC_TOOL, of_tools
from digest.catalogue.model import Comparison, Tool
from digest.catalogue.names import spelling_key
from digest.catalogue.queries import load_tools
from digest.store import Database

WORDS = 12
"""Words of a search that are looked for; the others are passed over."""

SHOWN = 30
"""Tools that a search gives at most: who finds none among them types another word."""

_OPEN, _CLOSE = "\x02", "\x03"
"""Around what was found, in SQLite's excerpt: control characters, which no text of the catalogue may have."""

_WEIGHTS = "10.0, 4.0, 4.0, 1.0, 0.5"
"""What a word counts in name, tagline, category, description and quotes."""

_BETWEEN = re.compile(r"\s(?:vs\.?|versus)\s", re.IGNORECASE)
"""What stands between two names, and is in neither."""


@dataclass(frozen=True)
class Hit:
    """A tool that was found, and the words around what was found: parts, each with whether it is what was found."""

    tool: Tool
    excerpt: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Found:
    """What a search gave. `nearest` is a name like what was typed, where nothing was found."""

    hits: tuple[Hit, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    nearest: str | None = None


def search(db: Database, typed: str, *, now: datetime) -> Found:
    """Find tools by the beginnings of words, all of them, else any; else by a part of the name.

    ``cursor vs claude`` finds what each side does. What is typed is never read as FTS5's query language: every word
    is quoted.
    """
    stamp = times.to_text(now)
    rows: dict[int, str] = {}
    for side in _BETWEEN.split(f" {typed} ")[:2]:
        rows |= {id_: excerpt for id_, excerpt in _one(db, side, stamp) if id_ not in rows}
    if not rows:
        return Found(nearest=_nearest(db, typed, stamp))
    tools = load_tools(db, rows)
    hits = tuple(Hit(tools[id_], _parts(excerpt, tools[id_])) for id_, excerpt in rows.items())
    return Found(hits, _between(db, {id_: tools[id_].slug for id_ in [*rows][:8]}, now))


def _one(db: Database, typed: str, now: str) -> list[tuple[int, str]]:
    words = re.findall(r"\w+", typed.replace("_", " "))[:WORDS]
    if not words:
        return []
    return _matching(db, words, " AND ", now) or _matching(db, words, " OR ", now) or _named(db, typed, now)


def _matching(db: Database, words: Sequence[str], joint: str, now: str) -> list[tuple[int, str]]:
    query = joint.join(f'"{word}"*' for word in words)
    return db.conn.execute(
        "SELECT t.id, snippet(tool_words, -1, :open, :close, '…', 28)"  # noqa: S608
        " FROM tool_words w JOIN tools t ON t.id = w.rowid"
        f" WHERE tool_words MATCH :query AND {PUBLIC_TOOL}"
        f" ORDER BY bm25(tool_words, {_WEIGHTS}), t.name COLLATE NOCASE LIMIT {SHOWN}",
        {"query": query, "open": _OPEN, "close": _CLOSE, "now": now},
    ).fetchall()


def _named(db: Database, typed: str, now: str) -> list[tuple[int, str]]:
    """Find by any part of a name: words are not parted by spaces in every script, nor by every typist."""
    return db.conn.execute(
        f"SELECT t.id, '' FROM tools t WHERE instr(t.name_key, :key) AND {PUBLIC_TOOL}"  # noqa: S608 (our own words)
        f" ORDER BY length(t.name_key), t.id LIMIT {SHOWN}",
        {"key": spelling_key(typed), "now": now},
    ).fetchall()


def _nearest(db: Database, typed: str, now: str) -> str | None:
    """Give the name most like what was typed, among those that begin with the same letter."""
    key = spelling_key(typed)
    names = dict(
        db.conn.execute(
            "SELECT t.name_key, t.name FROM tools t"  # noqa: S608
            " WHERE t.name_key >= :first AND t.name_key < :first || :last"
            f" AND {PUBLIC_TOOL} LIMIT 2000",
            {"first": key[:1], "last": "\U0010ffff", "now": now},
        ).fetchall()
    )
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    return names[close[0]] if close else None


def _between(db: Database, tools: Mapping[int, str], now: datetime) -> tuple[Comparison, ...]:
    """Give the comparisons of the tools that were found; first those where both sides were."""
    found = of_tools(db, [*tools], now=now).comparisons
    slugs = set(tools.values())
    # Python's sort keeps the order, newest first, among equals.
    return tuple(sorted(found, key=lambda one: not {one.left.slug, one.right.slug} <= slugs)[:3])


def _parts(excerpt: str, tool: Tool) -> tuple[tuple[str, bool], ...]:
    """Part an excerpt at what was found; there is none where it is the name or the tagline, which stand above it."""
    parts = re.split(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}", excerpt)
    if "".join(parts) in (tool.name, tool.tagline):
        return ()
    return tuple((part, number % 2 == 1) for number, part in enumerate(parts) if part)
