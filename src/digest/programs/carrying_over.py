"""What programs may do, after a backup was brought back: nothing again that was taken from them since."""

from __future__ import annotations

import sqlite3

from digest.store import Database, writing


def carry_over(old: sqlite3.Connection, db: Database) -> int:
    """Revoke the tokens that were revoked since; give how many that were."""
    rows = old.execute("SELECT revoked_at, hash FROM api_tokens WHERE revoked_at IS NOT NULL").fetchall()
    with writing(db) as connection:
        return sum(
            connection.execute(
                "UPDATE api_tokens SET revoked_at = ? WHERE hash = ? AND revoked_at IS NULL", row
            ).rowcount
            for row in rows
        )
