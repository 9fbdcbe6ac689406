"""Subscribers in the store: add, find, count; and what leaving writes, which `leaving.py` decides about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from digest import times
from digest.audience import dummy, growth
from digest.audience.addresses import Address, read_address, read_name, read_timezone
from digest.audience.forgetting import NOBODY, is_forgotten
from digest.errors import InputError, NotFoundError, StateError
from digest.store import Database, writing

State = Literal["pending", "active", "unsubscribed"]
STATES: tuple[State, ...] = ("pending", "active", "unsubscribed")
Reason = Literal["unsubscribed", "hard bounce", "complaint", "forgotten"]
REASONS: tuple[Reason, ...] = ("unsubscribed", "hard bounce", "complaint", "forgotten")


@dataclass(frozen=True)
class Subscriber:
    """Someone who gets, or got, the newsletter; `suppressed` is the reason why the address must not be mailed.

    `timezone` is an IANA name, or None where it is not known.
    """

    id: int
    email: str
    name: str | None
    state: State
    suppressed: Reason | None
    source: str
    created_at: str
    timezone: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Give it for JSON and CSV, without the store's own number."""
        fields = asdict(self)
        del fields["id"]
        return fields


_SELECT = (
    "SELECT s.id, s.email, s.name, s.state, x.reason, s.source, s.created_at, s.timezone"
    " FROM subscribers s LEFT JOIN suppressions x ON x.email_key = s.email_key"
)


def add(
    db: Database,
    email: str,
    *,
    now: datetime,
    name: str | None = None,
    timezone: str | None = None,
    resubscribe: bool = False,
) -> tuple[Subscriber, bool]:
    """Add an active subscriber; give it, and whether it is new or changed.

    Args:
        db: the store.
        email: the address.
        now: the moment.
        name: a name to greet with.
        timezone: where the reader is, as an IANA name.
        resubscribe: take back one who unsubscribed and asked to return.

    Raises:
        InputError: not an address, or no time zone.
        StateError: the address unsubscribed, or is suppressed.
    """
    address = read_address(email)
    zone = read_timezone(timezone)
    if timezone and zone is None:
        raise InputError(f"no time zone is called {timezone!r}; write it like Europe/Berlin", field="timezone")
    stamp = times.to_text(now)
    with writing(db) as connection:
        known = _by_key(db, address)
        # One who left has left, also where somebody took the address off the list since.
        suppressed = _suppression(db, address) or ("unsubscribed" if known and known.state == "unsubscribed" else None)
        if is_forgotten(db, address.key):
            raise StateError(f"{email} asked to be forgotten; only its owner can sign up anew, by the form of the site")
        if suppressed and not (resubscribe and suppressed == "unsubscribed"):
            advice = " add --resubscribe if they asked to come back" if suppressed == "unsubscribed" else ""
            raise StateError(f"{email} must not be mailed ({suppressed});{advice or ' nothing was changed'}")
        connection.execute("DELETE FROM suppressions WHERE email_key = ?", (address.key,))
        clean = read_name(name)
        same = known and clean in (None, known.name) and zone in (None, known.timezone)
        if known and known.state == "active" and same:
            return known, False
        connection.execute(
            "INSERT INTO subscribers (email, email_key, name, timezone, state, source, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, 'active', 'added by hand', ?, ?)"
            " ON CONFLICT (email_key) DO UPDATE SET state = 'active', name = coalesce(excluded.name, name),"
            " timezone = coalesce(excluded.timezone, timezone), updated_at = excluded.updated_at",
            (address.email, address.key, clean, zone, stamp, stamp),
        )
        if known is None:
            growth.joined(connection, 1, now)
        found = _by_key(db, address)
        assert found is not None  # noqa: S101 (just written)
        return found, True


def unsubscribe(db: Database, subscriber: int, key: str, *, now: datetime) -> None:
    """Write an unsubscription down: the subscriber's state, and a suppression of the address."""
    stamp = times.to_text(now)
    with writing(db) as connection:
        connection.execute(
            "UPDATE subscribers SET state = 'unsubscribed', updated_at = ? WHERE id = ?", (stamp, subscriber)
        )
        suppress(db, key, "unsubscribed", now=now)


def suppress(db: Database, key: str, reason: Reason, *, now: datetime) -> None:
    """Put an address, by its key, on the suppression list; the first reason stays."""
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO suppressions (email_key, reason, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (key, reason, times.to_text(now)),
        )


def find_subscribers(
    db: Database, *, state: State | None = None, search: str = "", limit: int | None = None
) -> Iterator[Subscriber]:
    """Give subscribers in the order they came, by state and by a part of the address or name."""
    pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    cursor = db.conn.execute(
        f"{_SELECT} WHERE (:state IS NULL OR s.state = :state) AND s.id <> :nobody"
        " AND (:search = '' OR s.email LIKE :pattern ESCAPE '\\' OR s.name LIKE :pattern ESCAPE '\\')"
        " ORDER BY s.id LIMIT :limit",
        {
            "state": state,
            "nobody": dummy.NUMBER,
            "search": search,
            "pattern": pattern,
            "limit": -1 if limit is None else limit,
        },
    )
    return (Subscriber(*row) for row in cursor)


def find_subscriber(db: Database, email: str) -> Subscriber:
    """Give the subscriber who has an address.

    Raises:
        InputError: it is no address.
        NotFoundError: nobody has it.
    """
    found = _by_key(db, read_address(email))
    if found is None:
        raise NotFoundError(f"no subscriber has the address {email}")
    return found


def count_audience(db: Database) -> dict[str, int]:
    """Count active, pending and unsubscribed subscribers and suppressed addresses; nobody is counted twice.

    `active` are those who would be mailed now. `suppressed` are the addresses on the suppression list of which
    no subscriber counts as unsubscribed; who was forgotten is no subscriber any more, and is one of those.
    """
    row = db.conn.execute(
        "SELECT"  # noqa: S608 (our own words)
        " count(*) FILTER (WHERE s.state = 'active' AND x.reason IS NULL),"
        " count(*) FILTER (WHERE s.state = 'pending' AND x.reason IS NULL),"
        " count(*) FILTER (WHERE s.state = 'unsubscribed'),"
        " (SELECT count(*) FROM suppressions WHERE email_key <> ?)"
        " - count(*) FILTER (WHERE s.state = 'unsubscribed' AND x.reason NOTNULL)"
        f" FROM (SELECT email_key, state FROM subscribers WHERE NOT ({NOBODY})) s"
        " LEFT JOIN suppressions x ON x.email_key = s.email_key",
        (dummy.KEY,),
    ).fetchone()
    return dict(zip(("active", "pending", "unsubscribed", "suppressed"), row, strict=True))


def _by_key(db: Database, address: Address) -> Subscriber | None:
    row = db.conn.execute(f"{_SELECT} WHERE s.email_key = ?", (address.key,)).fetchone()
    return Subscriber(*row) if row else None


def _suppression(db: Database, address: Address) -> Reason | None:
    row = db.conn.execute("SELECT reason FROM suppressions WHERE email_key = ?", (address.key,)).fetchone()
    return row[0] if row else None
