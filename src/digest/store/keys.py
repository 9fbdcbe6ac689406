"""Secret keys that a store makes for itself, so that it works with nothing configured."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlite_utils import Database

from digest import times
from digest.store.transactions import writing

KEYS = ("links", "messages", "marks")


def make_keys(db: Database, *, now: datetime) -> None:
    """Make all keys with the store, so that every backup has them."""
    for name in KEYS:
        store_key(db, name, now=now)


def store_key(db: Database, name: str, *, now: datetime) -> bytes:
    """Give the store's key of a name, 32 random bytes; made when first asked for, kept for ever.

    It goes with the backups: the unsubscribe links of old mails must work in a store that was restored.
    """
    row = db.conn.execute("SELECT value FROM keys WHERE name = ?", (name,)).fetchone()
    if row is None:
        with writing(db) as connection:
            connection.execute(
                "INSERT INTO keys (name, value, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (name, secrets.token_bytes(32), times.to_text(now)),
            )
            row = connection.execute("SELECT value FROM keys WHERE name = ?", (name,)).fetchone()
    return bytes(row[0])
