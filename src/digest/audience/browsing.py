"""Subscribers and the suppression list as programs read them: a page at a time. Who is forgotten is in neither."""

from __future__ import annotations

import json
from dataclasses import dataclass

from digest.audience.addresses import read_address
from digest.audience.forgetting import PREFIX
from digest.audience.subscribers import Reason, State
from digest.audience.suppression import Suppression
from digest.errors import NotFoundError
from digest.store import Database

_NOT_MARKS = f"(email_key < '{PREFIX}' OR email_key >= '{PREFIX[:-1]};')"


@dataclass(frozen=True)
class Listed:
    """A subscriber with all a program may know. Moments are UTC text; `topics` is None for everything."""

    id: int
    email: str
    name: str | None
    state: State
    suppressed: Reason | None
    topics: tuple[str, ...] | None
    timezone: str | None
    paused_until: str | None
    source: str
    created_at: str
    updated_at: str
    confirmed_at: str | None


_SELECT = (
    "SELECT s.id, s.email, s.name, s.state, x.reason, t.topics, s.timezone, s.paused_until, s.source, s.created_at,"
    " s.updated_at, s.confirmed_at FROM subscribers s LEFT JOIN suppressions x ON x.email_key = s.email_key"
    " LEFT JOIN topic_sets t ON t.id = s.topic_set"
)


def subscribers(
    db: Database, *, limit: int, after: int = 0, state: State | None = None, email: str | None = None
) -> list[Listed]:
    """Give subscribers in the order they came.

    Args:
        db: the store.
        limit: how many at the most.
        after: the id of the last one of the page before.
        state: only those in it.
        email: only the one with this address, in any spelling.

    Raises:
        InputError: it is no address.
    """
    rows = db.conn.execute(
        f"{_SELECT} WHERE s.id > :after AND (:state IS NULL OR s.state = :state)"
        " AND (:key IS NULL OR s.email_key = :key) AND s.source <> 'forgotten' ORDER BY s.id LIMIT :limit",
        {"after": after, "state": state, "key": read_address(email).key if email else None, "limit": limit},
    )
    return [_listed(row) for row in rows]


def subscriber(db: Database, which: str) -> Listed:
    """Give a subscriber by number or address.

    Raises:
        InputError: it is neither.
        NotFoundError: there is nobody of it.
    """
    if which.isascii() and which.isdigit():
        # More digits than any number of ours has.
        row = db.conn.execute(f"{_SELECT} WHERE s.id = ?", (int(which),)).fetchone() if len(which) <= 18 else None
    else:
        row = db.conn.execute(f"{_SELECT} WHERE s.email_key = ?", (read_address(which).key,)).fetchone()
    if row is None or row[8] == "forgotten":
        raise NotFoundError(f"there is no subscriber {which}")
    return _listed(row)


def suppressions(
    db: Database, *, limit: int, after: str = "", reason: Reason | None = None, email: str | None = None
) -> list[Suppression]:
    """Give the suppression list by address.

    Args:
        db: the store.
        limit: how many at the most.
        after: the last address of the page before.
        reason: only those that are on it for this.
        email: only this address, in any spelling.

    Raises:
        InputError: it is no address.
    """
    rows = db.conn.execute(
        "SELECT email_key, reason, source, created_at FROM suppressions"  # noqa: S608 (our own words)
        f" WHERE email_key > :after AND (:reason IS NULL OR reason = :reason) AND (:key IS NULL OR email_key = :key)"
        f" AND {_NOT_MARKS} ORDER BY email_key LIMIT :limit",
        {"after": after, "reason": reason, "key": read_address(email).key if email else None, "limit": limit},
    )
    return [Suppression(*row) for row in rows]


def _listed(row: tuple[object, ...]) -> Listed:
    values = list(row)
    values[5] = tuple(json.loads(str(values[5]))) if values[5] else None
    return Listed(*values)  # type: ignore[arg-type]
