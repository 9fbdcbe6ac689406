"""Programs that are told what happens: their addresses, their secrets, and what waits to be told.

What there is to tell is put in by triggers of the store (db/migrations/0005_events.sql), in the transaction that made
it true: nothing is told that did not happen, and what happened is told, whatever dies. `telling.py` tells it.
"""

from __future__ import annotations

import json
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, get_args
from urllib.parse import urlsplit

from digest import times
from digest.errors import InputError, NotFoundError, StateError, nearest
from digest.store import Database, writing

Kind = Literal["subscriber.subscribed", "subscriber.unsubscribed", "issue.sent", "copy.bounced"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TEST = "webhook.test"
"""What `digest webhooks test` tells."""

SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64."""

_PLAIN = re.compile("[!-~]+")
_LOCAL = ("localhost", "127.0.0.1", "::1")
_COLUMNS = (
    "w.id, w.url, w.kinds, w.created_at, w.disabled_at, w.trouble,"
    " (SELECT count(*) FROM webhook_messages m WHERE m.webhook = w.id AND m.state = 'queued'),"
    " (SELECT count(*) FROM webhook_messages m WHERE m.webhook = w.id AND m.state = 'sent'),"
    " (SELECT count(*) FROM webhook_messages m WHERE m.webhook = w.id AND m.state = 'dead')"
)


@dataclass(frozen=True)
class Webhook:
    """A program that is told, without its secret; and how many messages wait, were taken, and were given up."""

    id: int
    url: str
    kinds: tuple[Kind, ...]
    created_at: str
    disabled_at: str | None
    trouble: str | None
    queued: int
    sent: int
    dead: int

    def as_dict(self) -> dict[str, object]:
        """Give it for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Message:
    """Something to tell, or told. Moments are UTC text."""

    name: str
    webhook: int
    kind: str
    state: Literal["queued", "sent", "dead"]
    tries: int
    not_before: str
    trouble: str | None
    created_at: str
    settled_at: str | None

    def as_dict(self) -> dict[str, object]:
        """Give it for JSON."""
        return asdict(self)


def add(db: Database, url: str, kinds: Iterable[str], *, now: datetime) -> tuple[Webhook, str]:
    """Tell a program from now on; give it, and the secret its messages are signed with, which is not shown again.

    Raises:
        InputError: the address or a kind will not do.
        StateError: this address is told already.
    """
    url, wanted = _address(url), set(kinds)
    for kind in sorted(wanted):
        if kind not in KINDS:
            raise InputError(f"there is no kind {kind!r}{nearest(kind, KINDS)}", field="kind")
    kept = [kind for kind in KINDS if kind in wanted or not wanted]
    secret = secrets.token_bytes(SECRET_BYTES)
    with writing(db) as connection:
        if connection.execute("SELECT 1 FROM webhooks WHERE url = ?", (url,)).fetchone():
            raise StateError(f"{url} is told already; `digest webhooks remove` it first")
        number = connection.execute(
            "INSERT INTO webhooks (url, secret, kinds, created_at) VALUES (?, ?, ?, ?) RETURNING id",
            (url, secret, json.dumps(kept), times.to_text(now)),
        ).fetchone()[0]
        return find(db, number), "whsec_" + b64encode(secret).decode()


def find(db: Database, number: int) -> Webhook:
    """Give the one of a number.

    Raises:
        NotFoundError: there is none.
    """
    row = db.conn.execute(f"SELECT {_COLUMNS} FROM webhooks w WHERE w.id = ?", (number,)).fetchone()  # noqa: S608
    if row is None:
        raise NotFoundError(f"there is no webhook {number}; `digest webhooks list` shows all")
    return _webhook(row)


def all_of(db: Database) -> list[Webhook]:
    """Give all, the oldest first."""
    return [_webhook(row) for row in db.conn.execute(f"SELECT {_COLUMNS} FROM webhooks w ORDER BY w.id")]  # noqa: S608


def remove(db: Database, number: int) -> Webhook:
    """Tell it nothing any more, and throw away what waits; give it as it was.

    Raises:
        NotFoundError: there is none.
    """
    with writing(db) as connection:
        known = find(db, number)
        connection.execute("DELETE FROM webhooks WHERE id = ?", (number,))
        return known


def enable(db: Database, number: int, *, now: datetime) -> tuple[Webhook, int]:
    """Tell a program again that was given up, and queue what was given up of it; give it, and how many that is.

    Raises:
        NotFoundError: there is none.
    """
    with writing(db) as connection:
        find(db, number)
        connection.execute("UPDATE webhooks SET disabled_at = NULL, trouble = NULL WHERE id = ?", (number,))
        again = connection.execute(
            "UPDATE webhook_messages SET state = 'queued', tries = 0, not_before = ?, settled_at = NULL"
            " WHERE webhook = ? AND state = 'dead'",
            (times.to_text(now), number),
        ).rowcount
        return find(db, number), again


def test(db: Database, number: int, *, now: datetime) -> str:
    """Put in a message that says nothing but that it arrives; give its name.

    Raises:
        NotFoundError: there is none.
    """
    name, stamp = f"msg_{secrets.token_hex(16)}", times.to_text(now)
    body = json.dumps({"type": TEST, "timestamp": stamp, "data": {"words": "Hello from digest: this one arrives."}})
    with writing(db) as connection:
        find(db, number)
        connection.execute(
            "INSERT INTO webhook_messages (webhook, name, kind, body, not_before, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (number, name, TEST, body, stamp, stamp),
        )
    return name


def messages_of(db: Database, number: int, *, limit: int = 50) -> list[Message]:
    """Give the latest messages of a program, the newest first."""
    rows = db.conn.execute(
        "SELECT name, webhook, kind, state, tries, not_before, trouble, created_at, settled_at FROM webhook_messages"
        " WHERE webhook = ? ORDER BY id DESC LIMIT ?",
        (number, limit),
    )
    return [Message(*row) for row in rows]


def _address(url: str) -> str:
    # Here, because no other command should wait until it is loaded.
    import httpx

    try:
        parts = urlsplit(url.strip())
        _ = parts.port  # refuses one that is no port
        httpx.Request("POST", url.strip())  # what calls it later refuses some more
    except (ValueError, httpx.InvalidURL) as error:
        raise InputError(f"{url[:200]!r} is no address: {error}", field="url") from None
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or not _PLAIN.fullmatch(url.strip())
        or parts.fragment
    ):
        raise InputError(f"{url!r} is no address; write it like https://crm.example.com/hooks/digest", field="url")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise InputError("messages have readers' addresses in them: give one with https://", field="url")
    if parts.username is not None:
        raise InputError("leave name and password out of it; every message is signed", field="url")
    return url.strip()


def _webhook(row: tuple[object, ...]) -> Webhook:
    number, url, kinds, *rest = row
    return Webhook(number, url, tuple(json.loads(str(kinds))), *rest)  # type: ignore[arg-type]
