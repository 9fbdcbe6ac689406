"""What the tests of events share: a store with issues that were sent, a provider that tells what a test says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from sqlite_utils import Database

from conftest import NOW, memory_store
from digest import times
from digest.events import Kind
from digest.providers import hooks
from digest.providers.hooks.interface import Nothing, Told, Unknown
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import writing
from digest.tokens import Signer
from digest.tracking.agents import Agent
from digest.tracking.records import HookCall, Reading, encode
from digest.tracking.working import Working

SIGNERS = Signers(links=Signer(b"k" * 32), messages=Signer(b"m" * 32))
WEEK = timedelta(days=7)
ISSUES = (1, 2, 3, 4)
READERS = (1, 2, 3, 4)
COUNTED = 4
"""The issue of which it is counted how many read, and not who; of the others it is kept."""
SENT = {issue: NOW + WEEK * (issue - 1) for issue in ISSUES}
LATER = SENT[4] + timedelta(days=1)
SETTINGS = Settings(soft_bounces=2, soft_bounce_weeks=8)


def address(reader: int) -> str:
    return f"reader{reader}@example.com"


def token(issue: int, reader: int) -> str:
    return SIGNERS.links.sign("copy", issue, reader)


def store() -> Database:
    """A store in memory in which four issues were sent to four readers."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _template().conn.backup(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    return Database(connection)


@cache
def _template() -> Database:
    db = memory_store()
    fill(db)
    return db


def fill(db: Database) -> None:
    """Put in four issues that were sent to four readers, at Gmail and elsewhere."""
    envelope = {"sender_name": "V", "sender_address": "v@example.org", "reply_to": "", "headers": {}}
    with writing(db) as connection:
        for reader in READERS:
            connection.execute(
                "INSERT INTO subscribers (email, email_key, state, source, created_at, updated_at)"
                " VALUES (?1, ?1, 'active', 'added by hand', ?2, ?2)",
                (address(reader), times.to_text(NOW)),
            )
        connection.execute("INSERT INTO audience_days VALUES (?, 'joined', ?)", (times.to_text(NOW)[:10], len(READERS)))
        for issue, sent in SENT.items():
            tracking = {"mode": "counts" if issue == COUNTED else "readers", "utm": "", "hidden": False, "site": ""}
            connection.execute(
                "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, content_hash, html, text,"
                " envelope, created_at, updated_at, sending_at, sent_at, tracking, nonce)"
                " VALUES (?1, 'sent', '', '', '', ?2, '', '', '', ?5, ?2, ?2, ?2, ?2, ?3, ?4)",
                (issue, times.to_text(sent), json.dumps(tracking), f"nonce {issue}", json.dumps(envelope)),
            )
            connection.execute(
                "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last,"
                " size, claimed_at, settled_at, settled_by)"
                " VALUES (?1, ?1, 'teller', 'here', ?2, 1, 'settled', 1, 4, 4, ?3, ?3, 'answer')",
                (issue, f"key {issue}", times.to_text(sent)),
            )
            connection.executemany(
                "INSERT INTO deliveries (issue, subscriber, state, batch, host) VALUES (?, ?, 2, ?, ?)",
                [(issue, reader, issue, reader % 2) for reader in READERS],
            )
            connection.executemany(
                "INSERT INTO links VALUES (?, ?, ?, NULL)", [(issue, n, f"https://a.example/{n}") for n in (1, 2, 3)]
            )


# A provider ---------------------------------------------------------------------------------------------------------


class Teller:
    """Reads what `call` wrote; a body that says "trip" trips it up."""

    def read(self, body: bytes) -> Sequence[Told | Unknown | Nothing]:
        found: list[Told | Unknown | Nothing] = []
        for event in json.loads(body):
            if event == "trip":
                raise RuntimeError("tripped")
            if "unknown" in event:
                found.append(Unknown(event["unknown"], json.dumps(event)))
            elif "nothing" in event:
                found.append(Nothing(event["nothing"]))
            else:
                found.append(Told(**event | {"at": datetime.fromtimestamp(event["at"], UTC)}))
        return found


@pytest.fixture
def teller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every provider be the one that reads what `call` wrote."""
    monkeypatch.setattr(hooks, "hooks_of", lambda name: Teller())


def told(word: str, reader: int = 1, issue: int = 1, *, after_s: float = 60, **more: Any) -> dict[str, Any]:
    """Say that something happened to a copy, so long after its issue was sent."""
    at = SENT[issue].timestamp() + after_s
    return {"word": word, "at": at, "copy": token(issue, reader)} | more


def call(*events: Any, at: datetime = LATER, key: str | None = None) -> bytes:
    """Write a provider's call that came in at a moment."""
    return encode(HookCall("teller", json.dumps(events).encode(), key, int(at.timestamp() * 1000)))


def opened(
    copy: int = 1, issue: int = 1, *, after_s: float = 3600, agent: Agent = Agent.BROWSER, link: int | None = None
) -> bytes:
    """Write an open, or with a link a click, so long after its issue was sent."""
    kind = Kind.OPENED if link is None else Kind.CLICKED
    at = int((SENT[issue].timestamp() + after_s) * 1000)
    return encode(Reading(issue, copy, kind, link or 0, at, agent))  # type: ignore[arg-type]


def work(db: Database, *records: bytes, settings: Settings = SETTINGS) -> Working:
    """Work records, all in one transaction."""
    doing = Working(db, settings, SIGNERS, clock=lambda: LATER)
    with writing(db) as connection:
        doing.take(connection, list(records))
    return doing


def events(db: Database) -> list[tuple[Any, ...]]:
    """Issue, reader, word, key and detail of each event."""
    rows = db.conn.execute("SELECT issue, subscriber, kind, key, detail FROM events").fetchall()
    return [(issue, reader, Kind(kind).word, key, detail) for issue, reader, kind, key, detail in rows]


def suppressed(db: Database) -> dict[str, tuple[str, str | None]]:
    rows = db.conn.execute("SELECT email_key, reason, source FROM suppressions").fetchall()
    return {key: (reason, source) for key, reason, source in rows}


def figures(db: Database, issue: int = 1, part: str = "") -> dict[str, int]:
    """The figures of an issue of all together, or of a part as `measure value`."""
    rows = db.conn.execute("SELECT measure, value, count FROM figures WHERE issue = ? AND part = ?", (issue, part))
    return {f"{measure} {value}".strip(): count for measure, value, count in rows}
