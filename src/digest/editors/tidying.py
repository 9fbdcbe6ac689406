"""What of signing in, and of who is here, is over and goes."""

from __future__ import annotations

from datetime import datetime, timedelta

from digest import times
from digest.editors.sessions import IDLE
from digest.store import Database, writing

LINKS_KEPT = timedelta(days=7)
"""So long after its end a link is known: who follows it learns that it was used, or has run out."""

SESSIONS_KEPT = timedelta(days=90)
"""So long after its end a session is shown among those of its editor."""

PRESENCE_KEPT = timedelta(minutes=1)


def delete_old(db: Database, *, now: datetime) -> None:
    """Delete links, challenges and sessions that ended, and who was at an issue a while ago.

    The audit stays, which tells who signed in, and when.
    """

    def ago(span: timedelta) -> str:
        return times.to_text(now - span)

    with writing(db) as connection:
        connection.execute("DELETE FROM challenges WHERE ends_at <= ?", (times.to_text(now),))
        connection.execute("DELETE FROM sign_in_links WHERE ends_at < ?", (ago(LINKS_KEPT),))
        connection.execute("DELETE FROM presence WHERE at < ?", (ago(PRESENCE_KEPT),))
        connection.execute(
            "DELETE FROM sessions WHERE (ended_at < :ago OR ends_at < :ago OR seen_at < :idle)"
            " AND NOT EXISTS (SELECT 1 FROM presence p WHERE p.session = sessions.id)",
            {"ago": ago(SESSIONS_KEPT), "idle": ago(SESSIONS_KEPT + IDLE)},
        )
