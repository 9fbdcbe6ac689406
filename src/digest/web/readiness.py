"""Whether this process can do its work now: asked by load balancers, Docker and those who watch."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from digest.store import pending
from digest.tracking.spool import folder_of

if TYPE_CHECKING:
    from digest.web.state import State

LEAST_BYTES = 32 * 1024 * 1024
"""With less room than that on the disk, the next issue's ledger or the next hour's events may not fit."""


def unready(state: State) -> dict[str, str]:
    """Give the parts that are not as they should be, and in a few words why: none of it is secret.

    Nothing is written. The store's write lock is asked for without waiting and let go at once; where another has it,
    that is no trouble: it would show in the parts that wait for it.
    """
    found = _store(state) | _disk(state.settings.db)
    for part, age in state.pulse.silent().items():
        found[part] = f"no sign of life for {age:.0f} seconds"
    if state.closing.is_set():
        found["server"] = "it is being stopped"
    return found


def _store(state: State) -> dict[str, str]:
    try:
        db = state.stores.take()
    except sqlite3.Error:
        return {"store": "it cannot be opened"}
    try:
        if not Path(state.settings.db).exists():
            return {"store": "its file is gone"}
        if pending(db):
            return {"store": "it waits for a migration"}
        db.conn.execute("PRAGMA busy_timeout = 0")
        try:
            db.conn.execute("BEGIN IMMEDIATE")
            db.conn.execute("ROLLBACK")
        finally:
            db.conn.execute("PRAGMA busy_timeout = 30000")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            return {}
        return {"store": "it cannot be written to"}
    finally:
        state.stores.give_back(db)
    return {}


def _disk(store: Path) -> dict[str, str]:
    folder = store.resolve().parent
    try:
        if shutil.disk_usage(folder).free < LEAST_BYTES:
            return {"disk": "it is full"}
        spool = folder_of(store)
        if not os.access(spool if spool.is_dir() else folder, os.W_OK | os.X_OK):
            return {"spool": "it cannot be written to"}
    except OSError:
        return {"disk": "it cannot be reached"}
    return {}
