"""The tokens of programs: made once, kept as a hash, held to their scopes.

A token is 256 random bits, so a plain SHA-256 of it is enough to keep: nobody can try their way to it, and what the
store or a backup has opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from digest import times
from digest.errors import DigestError, InputError, NotFoundError, StateError, nearest
from digest.store import Database, writing

Scope = Literal[
    "comparisons:read", "comparisons:write", "subscribers:read", "subscribers:write", "issues:read", "stats:read"
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "dgt_"
"""What every token begins with, so that scanners for leaked secrets can know one."""

USE_NOTED_EVERY = timedelta(hours=1)
"""How often it is written down that a token was used: a call that only reads should write next to nothing."""

NAME_LENGTH = 100
_SPELLING = re.compile(r"dgt_[A-Za-z0-9_-]{43}")
_COLUMNS = "id, name, scopes, created_at, expires_at, last_used_at, revoked_at"


class RefusedTokenError(DigestError):
    """A token that is none of ours, was revoked or has run out."""


@dataclass(frozen=True)
class ApiToken:
    """A token as the store knows it: all but itself. Moments are UTC text."""

    id: int
    name: str
    scopes: tuple[Scope, ...]
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None

    def as_dict(self) -> dict[str, object]:
        """Give it for JSON, without the store's own number."""
        fields = asdict(self)
        del fields["id"]
        return fields

    def state(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        """Tell whether it still opens anything."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= times.to_text(now) else "active"


def create(
    db: Database, name: str, scopes: Iterable[str], *, now: datetime, expires_at: datetime | None = None
) -> tuple[str, ApiToken]:
    """Make a token; give it, this once, and what the store knows of it.

    Raises:
        InputError: the name, a scope or the moment will not do.
        StateError: another token has this name.
    """
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise InputError(f"a name has 1 to {NAME_LENGTH} characters that can be printed", field="name")
    wanted = set(scopes)
    for scope in sorted(wanted):
        if scope not in SCOPES:
            raise InputError(f"there is no scope {scope!r}{nearest(scope, SCOPES)}", field="scope")
    if not wanted:
        raise InputError(f"give it at least one of {', '.join(SCOPES)}", field="scope")
    if expires_at is not None and expires_at <= now:
        raise InputError("that moment has passed; give one to come", field="expires")
    token = PREFIX + secrets.token_urlsafe(32)
    kept = json.dumps([scope for scope in SCOPES if scope in wanted])
    until = times.to_text(expires_at) if expires_at else None
    with writing(db) as connection:
        if connection.execute("SELECT 1 FROM api_tokens WHERE name = ?", (name,)).fetchone():
            raise StateError(f"a token is called {name!r} already; give this one another name")
        connection.execute(
            "INSERT INTO api_tokens (name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
            (name, _hash(token), kept, times.to_text(now), until),
        )
        return token, find(db, name)


def find(db: Database, name: str) -> ApiToken:
    """Give the token of a name.

    Raises:
        NotFoundError: there is none.
    """
    row = db.conn.execute(f"SELECT {_COLUMNS} FROM api_tokens WHERE name = ?", (name,)).fetchone()  # noqa: S608
    if row is None:
        known = [each.name for each in all_of(db)]
        raise NotFoundError(f"there is no token {name!r}{nearest(name, known)}; `digest tokens list` shows all")
    return _token(row)


def all_of(db: Database) -> list[ApiToken]:
    """Give all tokens, the oldest first."""
    return [_token(row) for row in db.conn.execute(f"SELECT {_COLUMNS} FROM api_tokens ORDER BY id")]  # noqa: S608


def revoke(db: Database, name: str, *, now: datetime) -> tuple[ApiToken, bool]:
    """End a token for good, at once; give it, and whether it was still in force.

    Raises:
        NotFoundError: there is none of this name.
    """
    with writing(db) as connection:
        known = find(db, name)
        if known.revoked_at:
            return known, False
        connection.execute("UPDATE api_tokens SET revoked_at = ? WHERE id = ?", (times.to_text(now), known.id))
        return find(db, name), True


def read(db: Database, token: str, *, now: datetime) -> ApiToken:
    """Give what the store knows of a token that somebody shows, and note now and then that it was used.

    Raises:
        RefusedTokenError: it opens nothing.
    """
    shown = _hash(token) if _SPELLING.fullmatch(token) else b""
    row = db.conn.execute(f"SELECT {_COLUMNS}, hash FROM api_tokens WHERE hash = ?", (shown,)).fetchone()  # noqa: S608
    if row is None or not hmac.compare_digest(row[-1], shown):
        raise RefusedTokenError("this token is not known here; `digest tokens create` makes one")
    found = _token(row[:-1])
    match found.state(now):
        case "revoked":
            raise RefusedTokenError("this token was revoked; `digest tokens create` makes another")
        case "expired":
            raise RefusedTokenError(f"this token ran out at {found.expires_at}; `digest tokens create` makes another")
    if found.last_used_at is None or found.last_used_at <= times.to_text(now - USE_NOTED_EVERY):
        # A call that only reads is not refused because somebody else holds the lock for long.
        with suppress(sqlite3.OperationalError), writing(db) as connection:
            connection.execute("UPDATE api_tokens SET last_used_at = ? WHERE id = ?", (times.to_text(now), found.id))
    return found


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _token(row: tuple[object, ...]) -> ApiToken:
    number, name, scopes, *moments = row
    return ApiToken(number, name, tuple(json.loads(str(scopes))), *moments)  # type: ignore[arg-type]
