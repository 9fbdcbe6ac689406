"""A copy held against the store it was made of: the proof that it could take its place."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from digest import times
from digest.safekeeping.checking import problems_of
from digest.safekeeping.knowing import knows_until
from digest.store import Database, migrate, open_store
from digest.store.check import check_schema
from digest.store.restore import copy_to


@dataclass(frozen=True)
class Side:
    """What one of the two has: rows by table, until when it knows, and the last run of the schedule."""

    rows: dict[str, int]
    knows_until: datetime
    last_run: str | None


@dataclass(frozen=True)
class Compared:
    """The store and its copy, and what is wrong with the copy."""

    store: Side
    copy: Side
    problems: tuple[str, ...]

    @property
    def behind_s(self) -> float:
        """By how many seconds the copy knows less."""
        return max(0.0, (self.store.knows_until - self.copy.knows_until).total_seconds())

    @property
    def different(self) -> list[str]:
        """The tables that have more rows in one than in the other."""
        return [table for table, rows in self.store.rows.items() if self.copy.rows.get(table) != rows]


def compare(db: Database, file: Path, *, now: datetime) -> Compared:
    """Read a copy as bringing it back would, and count what is in both; neither is changed.

    Raises:
        StoreError: the copy cannot be read.
    """
    store = _side(db, now)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "copy.db"
        copy_to(file, path)
        with closing(open_store(path, allow_pending=True)) as copy:
            migrate(copy)
            found = _side(copy, now)
            problems = check_schema(copy) + problems_of(copy)
    problems += [
        f"{table}: it has no rows, and the store has {rows:,}"
        for table, rows in store.rows.items()
        if rows and not found.rows.get(table) and table in _KEPT
    ]
    return Compared(store, found, tuple(problems))


_KEPT = ("keys", "subscribers", "issues", "deliveries", "comparisons", "tools")
"""Tables that are never emptied: without their rows, a copy is of another store, or none."""


def _side(db: Database, now: datetime) -> Side:
    tables = [
        name
        for (name,) in db.conn.execute(
            # The words that are searched have tables of their own, made from others.
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            " AND name NOT LIKE '\\_sqlite%' ESCAPE '\\' AND name NOT LIKE 'tool\\_words%' ESCAPE '\\' ORDER BY name"
        )
    ]
    rows = {name: int(db.conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in tables}  # noqa: S608 (its own)
    run = db.conn.execute("SELECT job || ', ' || began_at FROM runs ORDER BY began_at DESC LIMIT 1").fetchone()
    return Side(rows, knows_until(db, now=now), run[0] if run else None)


def as_dict(compared: Compared) -> dict[str, object]:
    """Give it for JSON."""

    def side(of: Side) -> dict[str, object]:
        return {"rows": of.rows, "knows_until": times.to_text(of.knows_until), "last_run": of.last_run}

    return {
        "store": side(compared.store),
        "copy": side(compared.copy),
        "behind_s": compared.behind_s,
        "different": compared.different,
        "problems": [*compared.problems],
    }
