"""Sessions of the desk: kept by the server, so that each can be ended; the browser has a secret and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from digest import times
from digest.editors import audit, people
from digest.editors.audit import By
from digest.editors.people import Editor, Role
from digest.store import Database, writing, writing_soon

Way = Literal["link", "passkey"]

LASTS = timedelta(days=30)
IDLE = timedelta(days=7)
"""A session ends so long after it began, and so long after it was used last."""

NOTED_EVERY = timedelta(minutes=5)
"""How exact `seen_at` is: a page that is looked at must not write each time."""


@dataclass(frozen=True)
class Here:
    """Who is asking, in which session; `csrf` is what its forms must carry."""

    editor: Editor
    session: int
    csrf: str

    @property
    def by(self) -> By:
        """What is written down of who does something."""
        return By(self.editor.id, self.editor.name)

    def may(self, role: Role) -> bool:
        """Tell whether this one may do what is for a role."""
        return self.editor.may(role)


@dataclass(frozen=True)
class Session:
    """A session for its owner to look at. Moments are UTC text."""

    id: int
    way: Way
    browser: str
    created_at: str
    seen_at: str
    ends_at: str
    ended_at: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Tell whether it still lets in."""
        return self.ended_at is None and self.ends_at > times.to_text(now) and self.seen_at > times.to_text(now - IDLE)


def begin(db: Database, editor: int, *, way: Way, browser: str, now: datetime) -> str:
    """Begin a session; give the secret that is its browser's cookie."""
    secret = secrets.token_urlsafe(32)
    stamp = times.to_text(now)
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO sessions (secret, editor, way, browser, created_at, seen_at, ends_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (hashed(secret), editor, way, browser[:80], stamp, stamp, times.to_text(now + LASTS)),
        )
        connection.execute("UPDATE editors SET seen_at = ? WHERE id = ?", (stamp, editor))
    return secret


def here(db: Database, secret: str, *, now: datetime) -> Here | None:
    """Tell whose session a secret is; None where it is nobody's, or has ended."""
    row = db.conn.execute(
        "SELECT s.id, s.editor, s.seen_at FROM sessions s JOIN editors e ON e.id = s.editor WHERE s.secret = ?"
        " AND s.ended_at IS NULL AND s.ends_at > ? AND s.seen_at > ? AND e.removed_at IS NULL",
        (hashed(secret), times.to_text(now), times.to_text(now - IDLE)),
    ).fetchone()
    if row is None:
        return None
    session, editor, seen_at = row
    if seen_at <= times.to_text(now - NOTED_EVERY):
        # Not at any price: whoever looks at a page does not wait for an import to be over.
        with writing_soon(db) as connection:
            if connection is not None:
                connection.execute("UPDATE sessions SET seen_at = ? WHERE id = ?", (times.to_text(now), session))
                connection.execute("UPDATE editors SET seen_at = ? WHERE id = ?", (times.to_text(now), editor))
    return Here(people.find(db, editor), session, csrf_of(secret))


def is_open(db: Database, session: int, *, now: datetime) -> bool:
    """Tell whether a session still lets in; one that only looks on is not in use by that, but has not ended either."""
    return bool(
        db.conn.execute(
            "SELECT 1 FROM sessions s JOIN editors e ON e.id = s.editor WHERE s.id = ? AND s.ended_at IS NULL"
            " AND s.ends_at > ? AND e.removed_at IS NULL",
            (session, times.to_text(now)),
        ).fetchone()
    )


def of(db: Database, editor: int, *, now: datetime) -> list[Session]:
    """Give an editor's sessions that have not ended, the one used last first."""
    return [session for session in history(db, editor, limit=1_000) if session.is_open(now)]


def history(db: Database, editor: int, *, limit: int) -> list[Session]:
    """Give an editor's sessions, those that ended too, the one used last first."""
    rows = db.conn.execute(
        "SELECT id, way, browser, created_at, seen_at, ends_at, ended_at FROM sessions WHERE editor = ?"
        " ORDER BY seen_at DESC, id DESC LIMIT ?",
        (editor, limit),
    )
    return [Session(*row) for row in rows]


def end(db: Database, session: int, *, editor: int, by: By, now: datetime) -> bool:
    """End one of an editor's sessions; give whether there was one to end."""
    with writing(db) as connection:
        sql = "UPDATE sessions SET ended_at = ? WHERE id = ? AND editor = ? AND ended_at IS NULL"
        ended = connection.execute(sql, (times.to_text(now), session, editor)).rowcount > 0
        if ended:
            audit.note(connection, by, "ended a session of", f"editor {editor}", now=now)
        return ended


def end_others(db: Database, session: int | None, *, editor: int, by: By, now: datetime) -> int:
    """End all of an editor's sessions but one, or all of them; give how many."""
    with writing(db) as connection:
        open_ = [one.id for one in of(db, editor, now=now) if one.id != session]
        for one in open_:
            connection.execute("UPDATE sessions SET ended_at = ? WHERE id = ?", (times.to_text(now), one))
        if open_:
            audit.note(connection, by, "ended sessions of", f"editor {editor}", now=now, sessions=len(open_))
        return len(open_)


def sign_out(db: Database, here: Here, *, now: datetime) -> None:
    """End the session of somebody who goes."""
    with writing(db) as connection:
        sql = "UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL"
        if connection.execute(sql, (times.to_text(now), here.session)).rowcount:
            audit.note(connection, here.by, "signed out", f"editor {here.editor.id}", now=now)


def csrf_of(secret: str) -> str:
    """Give what the forms of a session must carry: it tells nothing of the session's secret."""
    return urlsafe_b64encode(hmac.digest(secret.encode(), b"digest: forms of this session", "sha256")[:18]).decode()


def hashed(secret: str) -> bytes:
    """Give what the store has of a secret."""
    return hashlib.sha256(secret.encode()).digest()
