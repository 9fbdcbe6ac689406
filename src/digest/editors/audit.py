"""Who did what: a row for each thing done, added in the transaction that does it, and never changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from digest import times
from digest.store import Database


@dataclass(frozen=True)
class By:
    """Who does something: an editor by number and name, or what is no editor, such as the command line."""

    editor: int | None
    who: str


COMMAND_LINE = By(None, "the command line")
ITSELF = By(None, "digest itself")


@dataclass(frozen=True)
class Done:
    """One thing that was done. `at` is UTC text."""

    id: int
    at: str
    editor: int | None
    who: str
    did: str
    what: str
    detail: Mapping[str, Any]


def note(connection: sqlite3.Connection, by: By, did: str, what: str, *, now: datetime, **detail: object) -> None:
    """Write down what is being done, in the transaction that does it.

    Args:
        connection: inside `writing`.
        by: who does it.
        did: a verb in the past, such as ``approved``.
        what: what it is done to, such as ``issue 12`` or ``subscriber 4``: never an address.
        now: the moment.
        detail: more of it, as JSON has it; no secrets, and nothing of readers but their numbers.
    """
    connection.execute(
        "INSERT INTO audit (at, editor, who, did, what, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (times.to_text(now), by.editor, by.who, did, what, json.dumps(detail, ensure_ascii=False)),
    )


def newest(db: Database) -> datetime | None:
    """Give when the last thing was done."""
    row = db.conn.execute("SELECT at FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    return times.from_text(row[0]) if row else None


def done(
    db: Database, *, limit: int, before: int | None = None, what: str | None = None, editor: int | None = None
) -> list[Done]:
    """Give what was done, the newest first.

    Args:
        db: the store.
        limit: how many at the most.
        before: the id of the last one of the page before.
        what: only what was done to it, such as ``issue 12``; or to any of a kind, such as ``issue``.
        editor: only what this one did; 0 is who is no editor, such as the command line.
    """
    rows = db.conn.execute(
        "SELECT id, at, editor, who, did, what, detail FROM audit WHERE (:before IS NULL OR id < :before)"
        " AND (:what IS NULL OR what = :what OR substr(what, 1, length(:what) + 1) = :what || ' ')"
        " AND (:editor IS NULL OR coalesce(editor, 0) = :editor) ORDER BY id DESC LIMIT :limit",
        {"before": before, "what": what, "editor": editor, "limit": limit},
    )
    return [
        Done(id_, at, by, who, did, of, json.loads(detail)) for id_, at, by, who, did, of, detail in rows.fetchall()
    ]
