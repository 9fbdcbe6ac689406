"""Links to a preview for people without an account: each for one issue, for some days, and to be taken back.

The secret is told once and never kept: the store has its SHA-256 (as of everything that lets somebody in).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from digest import times
from digest.editors import audit
from digest.editors.audit import By
from digest.errors import InputError, NotFoundError, StateError
from digest.issue.issues import find_issue
from digest.store import Database, writing

DAYS = (1, 3, 7, 14)
"""How long a link may work."""

MOST = 50
"""Links that may work at the same time for one issue."""

LENGTH = 43
"""Characters of a secret: 32 bytes of chance."""

Ended = Literal["time", "revoked", "sent", "cancelled"]


@dataclass(frozen=True)
class Share:
    """A link: who made it, and when it ends. `ended` says why it works no more; None while it does."""

    id: int
    issue: int
    by: str
    created_at: datetime
    ends_at: datetime
    revoked_at: datetime | None
    ended: Ended | None


def make(db: Database, number: int, *, days: int, by: By, now: datetime) -> tuple[str, Share]:
    """Make a link to an issue that has not gone out; give its secret, which nobody can find again, and the link.

    Raises:
        InputError: so many days are not among `DAYS`.
        NotFoundError: there is no such issue.
        StateError: it went out, or is cancelled; or it has too many links already.
    """
    if days not in DAYS:
        raise InputError(f"a link works for {', '.join(map(str, DAYS[:-1]))} or {DAYS[-1]} days", field="days")
    secret = secrets.token_urlsafe(32)
    with writing(db) as connection:
        issue = find_issue(db, number)
        if issue.sending_at is not None:
            raise StateError(f"issue {number} went out: everybody may read it at /issues/{number}")
        if issue.state == "cancelled":
            raise StateError(f"issue {number} is cancelled; there is nothing to share of it")
        if sum(share.ended is None for share in of(db, number, now=now)) >= MOST:
            raise StateError(f"issue {number} has {MOST} links that work; take some back first")
        id_: int = connection.execute(
            "INSERT INTO shares (secret, issue, editor, created_at, ends_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
            (_hashed(secret), number, by.editor, times.to_text(now), times.to_text(now + timedelta(days=days))),
        ).fetchone()[0]
        audit.note(connection, by, "shared", f"issue {number}", now=now, link=id_, days=days)
    return secret, next(share for share in of(db, number, now=now) if share.id == id_)


def revoke(db: Database, number: int, id_: int, *, by: By, now: datetime) -> bool:
    """Let a link work no more; give whether it did.

    Raises:
        NotFoundError: the issue has no such link.
    """
    with writing(db) as connection:
        share = next((share for share in of(db, number, now=now) if share.id == id_), None)
        if share is None:
            raise NotFoundError(f"issue {number} has no link {id_}")
        if share.revoked_at is not None:
            return False
        connection.execute("UPDATE shares SET revoked_at = ? WHERE id = ?", (times.to_text(now), id_))
        audit.note(connection, by, "took back a link to", f"issue {number}", now=now, link=id_)
    return share.ended is None


def of(db: Database, number: int, *, now: datetime) -> list[Share]:
    """Give the links to an issue, the newest first."""
    return _shares(db, "s.issue = ?", number, now)


def find(db: Database, secret: str, *, now: datetime) -> Share | None:
    """Give the link that a secret is of, also one that works no more; None where it is none.

    It is looked up by its hash: how long that takes tells nothing of the secret.
    """
    if len(secret) != LENGTH or not secret.isascii():
        return None
    return next(iter(_shares(db, "s.secret = ?", _hashed(secret), now)), None)


def _shares(db: Database, where: str, value: object, now: datetime) -> list[Share]:
    rows = db.conn.execute(
        "SELECT s.id, s.issue, coalesce(e.name, 'the command line'), s.created_at, s.ends_at, s.revoked_at, i.state,"  # noqa: S608
        " i.sending_at FROM shares s JOIN issues i ON i.number = s.issue LEFT JOIN editors e ON e.id = s.editor"
        f" WHERE {where} ORDER BY s.id DESC",
        (value,),
    )
    found = []
    for id_, issue, by, created_at, ends_at, revoked_at, state, sending_at in rows:
        ends = times.from_text(ends_at)
        ended: Ended | None = None
        if revoked_at:
            ended = "revoked"
        elif ends <= now:
            ended = "time"
        elif sending_at:
            ended = "sent"
        elif state == "cancelled":
            ended = "cancelled"
        revoked = times.from_text(revoked_at) if revoked_at else None
        found.append(Share(id_, issue, by, times.from_text(created_at), ends, revoked, ended))
    return found


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
