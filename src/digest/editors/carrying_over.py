"""Who may use the desk, after a backup was brought back: nobody again who was shut out since."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from digest import times
from digest.store import Database, writing


def end_all_sessions(db: Database, *, now: datetime) -> int:
    """End every session, and every link that lets in: nobody knows which were ended since. Give how many sessions."""
    stamp = times.to_text(now)
    with writing(db) as connection:
        connection.execute("UPDATE sign_in_links SET used_at = ? WHERE used_at IS NULL", (stamp,))
        connection.execute("DELETE FROM challenges")
        return connection.execute(
            "UPDATE sessions SET ended_at = ?1 WHERE ended_at IS NULL AND ends_at > ?1", (stamp,)
        ).rowcount


def carry_over(old: sqlite3.Connection, db: Database) -> int:
    """Carry over who was removed or has another role, and take away passkeys that are gone; give how many that were."""
    with writing(db) as connection:
        rows = old.execute("SELECT removed_at, role, id, created_at FROM editors").fetchall()
        count = sum(
            connection.execute(
                "UPDATE editors SET removed_at = ?1, role = ?2 WHERE id = ?3 AND created_at = ?4"
                " AND (removed_at IS NOT ?1 OR role <> ?2)",
                row,
            ).rowcount
            for row in rows
        )
        kept = {id_ for (id_,) in old.execute("SELECT id FROM passkeys")}
        gone = [row for row in connection.execute("SELECT id FROM passkeys").fetchall() if row[0] not in kept]
        connection.executemany("DELETE FROM passkeys WHERE id = ?", gone)
    return count + len(gone)
