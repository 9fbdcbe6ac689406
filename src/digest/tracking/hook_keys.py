"""Keys of calls, for providers whose signature does not cover the body: each is good for one body.

The route looks before it takes a call; what works the call keeps its key, in the transaction that works it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import datetime, timedelta
from typing import Literal

from digest import times

KEPT = timedelta(days=2)
"""Longer than any provider's signature may be repeated."""

Seen = Literal["new", "repeated", "forged"]
"""`repeated`: the same call came before. `forged`: the key came before, with another body."""


def digest_of(body: bytes) -> bytes:
    """Give what a body is known again by."""
    return hashlib.sha256(body).digest()


def look(connection: sqlite3.Connection, provider: str, key: str, digest: bytes) -> Seen:
    """Tell whether a key was worked before; nothing is written."""
    row = connection.execute("SELECT digest FROM hook_keys WHERE provider = ? AND key = ?", (provider, key)).fetchone()
    if row is None:
        return "new"
    return "repeated" if row[0] == digest else "forged"


def keep(connection: sqlite3.Connection, provider: str, key: str, digest: bytes, *, now: datetime) -> Seen:
    """Keep the key of a call that is worked now; tell whether it was before."""
    seen = look(connection, provider, key, digest)
    if seen == "new":
        connection.execute(
            "INSERT INTO hook_keys (provider, key, digest, seen_at) VALUES (?, ?, ?, ?)",
            (provider, key, digest, times.to_text(now)),
        )
    return seen


def forget(connection: sqlite3.Connection, *, now: datetime) -> int:
    """Delete keys whose signature is too old to be repeated; give how many."""
    return connection.execute("DELETE FROM hook_keys WHERE seen_at < ?", (times.to_text(now - KEPT),)).rowcount
