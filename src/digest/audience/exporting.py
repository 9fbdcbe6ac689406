"""Writing readers as CSV: in our own shape, which can be imported again, and in the shapes of other services.

In our own shape everybody is there, with what must not be mailed and why. For another service only those are who would
be mailed now: most importers take everybody in their file for a subscriber, whatever its columns say. `everyone` adds
the others, marked as that service marks them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from digest import times
from digest.audience.forgetting import PREFIX
from digest.audience.reading import FORMULA
from digest.audience.services import Service
from digest.audience.subscribers import Reason, State
from digest.store import Database

COLUMNS = ("email", "name", "state", "suppressed", "source", "created_at", "timezone", "topics", "paused_until")


@dataclass(frozen=True)
class Reader:
    """A reader as exports need it; `topics` have spaces between them."""

    email: str
    name: str | None
    state: State
    suppressed: Reason | None
    source: str
    created_at: str
    timezone: str | None
    topics: str | None
    paused_until: str | None

    @property
    def mailable(self) -> bool:
        """Whether they would be mailed now, or after their pause."""
        return self.state == "active" and self.suppressed is None

    @property
    def status(self) -> str:
        """Tell in one word: active, pending, left, bounced or complained."""
        if self.suppressed == "hard bounce":
            return "bounced"
        if self.suppressed == "complaint":
            return "complained"
        if self.suppressed or self.state == "unsubscribed":
            return "left"
        return self.state

    @property
    def came(self) -> datetime:
        """When they came."""
        return times.from_text(self.created_at)


def readers(db: Database, *, state: State | None = None) -> Iterator[Reader]:
    """Give all readers in the order they came; not those we were asked to forget."""
    for email, name, kept_state, reason, source, came, zone, topics, paused in db.conn.execute(
        "SELECT s.email, s.name, s.state, x.reason, s.source, s.created_at, s.timezone, t.topics, s.paused_until"
        " FROM subscribers s LEFT JOIN suppressions x ON x.email_key = s.email_key"
        " LEFT JOIN topic_sets t ON t.id = s.topic_set"
        " WHERE (:state IS NULL OR s.state = :state) AND NOT (s.email_key >= :marks AND s.email_key < :after)"
        " ORDER BY s.id",
        {"state": state, "marks": PREFIX, "after": PREFIX[:-1] + ";"},
    ):
        spaced = " ".join(json.loads(topics)) if topics else None
        yield Reader(email, name, kept_state, reason, source, came, zone, spaced, paused)


def export_subscribers(db: Database, to: IO[str], *, state: State | None = None) -> int:
    """Write readers in our own shape; give how many."""
    return _write(to, COLUMNS, (vars(reader) for reader in readers(db, state=state)))


def export_for(
    db: Database, to: IO[str], service: Service, *, state: State | None = None, everyone: bool = False, part: str = ""
) -> int:
    """Write readers in the shape of a service; give how many.

    Args:
        db: the store.
        to: where.
        service: whose shape.
        state: only those in this state.
        everyone: also those who would not be mailed now.
        part: of a service that has a file for each status, which: a key of `PARTS`.
    """
    columns, row = _SHAPES[service.key]
    columns += _OF_PART.get(part, ())
    chosen = (
        row(reader)
        for reader in readers(db, state=state)
        if (reader.status in PARTS[part] if part else everyone or state == reader.state or reader.mailable)
    )
    return _write(to, columns, ({name: value for name, value in one.items() if name in columns} for one in chosen))


PARTS = {"subscribed": ("active",), "unsubscribed": ("left", "complained"), "cleaned": ("bounced",)}
"""The files of a Mailchimp export, and whom each has. Who has yet to confirm is in none."""

_OF_PART = {"unsubscribed": ("UNSUB_TIME", "UNSUB_REASON"), "cleaned": ("CLEAN_TIME",)}


def _write(to: IO[str], columns: tuple[str, ...], rows: Iterator[dict[str, object]]) -> int:
    writer = csv.DictWriter(to, columns, lineterminator="\n", restval="")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow({name: _unarmed(value) for name, value in row.items()})
        count += 1
    return count


def _unarmed(value: object) -> object:
    """Keep a spreadsheet from running a name as a formula (OWASP, “CSV Injection”). Importing takes the ' off again."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def _names(reader: Reader) -> tuple[str, str]:
    """Give a first and a last name, parted at the first space."""
    first, _, last = (reader.name or "").partition(" ")
    return first, last


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _plain(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _mailchimp(reader: Reader) -> dict[str, object]:
    first, last = _names(reader)
    came = _plain(reader.came)
    return {
        "Email Address": reader.email,
        "First Name": first,
        "Last Name": last,
        "OPTIN_TIME": came,
        "CONFIRM_TIME": came,
        "TIMEZONE": reader.timezone,
        "UNSUB_TIME": came,  # when they left is not kept by this name; the column must have something in it
        "UNSUB_REASON": "SPAM" if reader.status == "complained" else "",
        "CLEAN_TIME": came,
    }


def _substack(reader: Reader) -> dict[str, object]:
    return {
        "email": reader.email,
        "active_subscription": "false",
        "email_disabled": "false" if reader.mailable else "true",
        "created_at": _iso(reader.came),
    }


def _beehiiv(reader: Reader) -> dict[str, object]:
    first, last = _names(reader)
    return {
        "email": reader.email,
        "First Name": first,
        "Last Name": last,
        "status": {"active": "active", "pending": "pending", "bounced": "invalid"}.get(reader.status, "inactive"),
        "tier": "free",
        "created_at": _plain(reader.came) + " UTC",
    }


def _ghost(reader: Reader) -> dict[str, object]:
    return {
        "email": reader.email,
        "name": reader.name,
        "subscribed_to_emails": "true" if reader.mailable else "false",
        "complimentary_plan": "false",
        "created_at": _iso(reader.came),
    }


def _listmonk(reader: Reader) -> dict[str, object]:
    about = {"timezone": reader.timezone, "topics": reader.topics}
    return {
        "email": reader.email,
        "name": reader.name,
        "attributes": json.dumps({name: value for name, value in about.items() if value}, ensure_ascii=False),
        "status": {"active": "enabled", "pending": "disabled"}.get(reader.status, "blocklisted"),
        "created_at": _plain(reader.came) + " +0000 UTC",
    }


def _buttondown(reader: Reader) -> dict[str, object]:
    return {
        "email": reader.email,
        "name": reader.name,
        "type": {
            "active": "regular",
            "pending": "unactivated",
            "left": "unsubscribed",
            "bounced": "undeliverable",
            "complained": "complained",
        }[reader.status],
        "tags": (reader.topics or "").replace(" ", ","),
        "creation_date": _iso(reader.came),
    }


def _kit(reader: Reader) -> dict[str, object]:
    first, last = _names(reader)
    return {
        "first_name": first,
        "last_name": last,
        "email": reader.email,
        "status": {"pending": "unconfirmed", "left": "cancelled"}.get(reader.status, reader.status),
        "created_at": _iso(reader.came),
    }


_SHAPES: dict[str, tuple[tuple[str, ...], Callable[[Reader], dict[str, object]]]] = {
    "mailchimp": (("Email Address", "First Name", "Last Name", "OPTIN_TIME", "CONFIRM_TIME", "TIMEZONE"), _mailchimp),
    "substack": (
        ("email", "active_subscription", "expiry", "plan", "email_disabled", "created_at", "first_payment_at"),
        _substack,
    ),
    "beehiiv": (("email", "First Name", "Last Name", "status", "tier", "created_at"), _beehiiv),
    "ghost": (
        (
            *("id", "email", "name", "note", "subscribed_to_emails", "complimentary_plan", "stripe_customer_id"),
            *("created_at", "deleted_at", "labels", "tiers"),
        ),
        _ghost,
    ),
    "listmonk": (("uuid", "email", "name", "attributes", "status", "created_at", "updated_at"), _listmonk),
    "buttondown": (("email", "name", "type", "notes", "metadata", "tags", "creation_date"), _buttondown),
    "kit": (("first_name", "last_name", "email", "status", "created_at"), _kit),
}
