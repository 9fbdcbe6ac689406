"""Subscribers and the suppression list as programs and editors read them: a page at a time.

Who is forgotten is in neither.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from digest import times
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


Standing = Literal["active", "paused", "pending", "unsubscribed", "suppressed"]
STANDINGS: tuple[Standing, ...] = ("active", "paused", "pending", "unsubscribed", "suppressed")
"""How an editor asks for readers. `active` are those who are subscribed, `paused` those of them who want no mail now;
`suppressed` are those whose address bounced or complained, whatever their state."""

# The words of the partial indexes: a few rows of a million are found without a look at the others. Who is active is
# nearly everybody, so the newest of them are near the end of the table.
_STANDING: dict[Standing, tuple[str, str]] = {
    "active": ("subscribers s", "s.state = 'active'"),
    "paused": (
        "subscribers s INDEXED BY subscribers_pausing",
        "s.paused_until > :now AND s.paused_until IS NOT NULL AND s.state = 'active'",
    ),
    "pending": ("subscribers s INDEXED BY subscribers_pending", "s.state = 'pending'"),
    "unsubscribed": ("subscribers s INDEXED BY subscribers_left", "s.state = 'unsubscribed'"),
    "suppressed": (
        "suppressions b CROSS JOIN subscribers s ON s.email_key = b.email_key",
        "b.reason IN ('hard bounce', 'complaint')",
    ),
}


def newest(
    db: Database,
    *,
    limit: int,
    now: datetime,
    before: int | None = None,
    standing: Standing | None = None,
    topic: str | None = None,
    beginning: str = "",
) -> list[Listed]:
    """Give subscribers, the newest first.

    An address is looked for by its beginning, a name by the beginning of any of its words. There is no index of names:
    it would cost every import, and a look at a million readers for the rare name that few have takes half a second.

    Args:
        db: the store.
        limit: how many at the most.
        now: the moment, for who pauses.
        before: the id of the last one of the page before.
        standing: only those.
        topic: only those who chose this topic, by slug; not those who get everything.
        beginning: what the address or the name begins with.
    """
    table, condition = _STANDING[standing] if standing else ("subscribers s", "1")
    pattern = beginning.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    found = (
        f"SELECT s.id FROM {table} WHERE {condition} AND (:before IS NULL OR s.id < :before)"  # noqa: S608 (our own words)
        " AND (:topic IS NULL OR s.topic_set IN"
        " (SELECT t.id FROM topic_sets t, json_each(t.topics) WHERE json_each.value = :topic))"
        " AND (:beginning = '' OR s.email LIKE :pattern ESCAPE '\\' OR s.name LIKE :pattern ESCAPE '\\'"
        " OR s.name LIKE '% ' || :pattern ESCAPE '\\')"
        " AND s.source <> 'forgotten' ORDER BY s.id DESC LIMIT :limit"
    )
    rows = db.conn.execute(
        f"{_SELECT} WHERE s.id IN ({found}) ORDER BY s.id DESC",
        {
            "limit": limit,
            "now": times.to_text(now),
            "before": before,
            "topic": topic,
            "beginning": beginning,
            "pattern": pattern,
        },
    )
    return [_listed(row) for row in rows]


def barred(
    db: Database, *, limit: int, skip: int = 0, reason: Reason | None = None, beginning: str = ""
) -> list[Suppression]:
    """Give the suppression list by address, from some place on: where an address may not name the place.

    Args:
        db: the store.
        limit: how many at the most.
        skip: how many of them the pages before have.
        reason: only those that are on it for this.
        beginning: what the address begins with.
    """
    rows = db.conn.execute(
        "SELECT email_key, reason, source, created_at FROM suppressions"  # noqa: S608 (our own words)
        f" WHERE email_key >= :from AND email_key < :to AND (:reason IS NULL OR reason = :reason) AND {_NOT_MARKS}"
        " ORDER BY email_key LIMIT :limit OFFSET :skip",
        {"from": beginning, "to": beginning + "\U0010ffff", "reason": reason, "limit": limit, "skip": skip},
    )
    return [Suppression(*row) for row in rows]


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
