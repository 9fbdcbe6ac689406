"""From the spool into the store: what was taken in is read, brought to the copies it is about, and counted.

All of a lot happens in one transaction, which the spool moves its own mark in: each record is worked exactly once,
whatever dies in between. One that cannot be worked is set aside, and the others go on.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from digest import times
from digest.providers import hooks
from digest.providers.hooks.interface import Told, Unknown
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import Database
from digest.tracking import counting, hook_counting, hook_keys, soft_bounces
from digest.tracking.finding import Finder
from digest.tracking.happening import Heard, happen
from digest.tracking.records import HookCall, Reading, decode

UNREADABLE = "unreadable"
"""The kind under which a record is kept that could not be worked."""

LONGEST = 100_000
"""Characters that are kept of an event of a kind we do not know."""

log = logging.getLogger("digest")

Counts = Counter[tuple[str, str, str]]
"""Hour, provider, outcome: what became of calls and of the events in them."""


class Working:
    """Works what comes out of the spool of one store; `done` counts what became of it, by outcome."""

    def __init__(self, db: Database, settings: Settings, signers: Signers, *, clock: Callable[[], datetime]) -> None:
        self._db, self._settings, self._signers, self._clock = db, settings, signers, clock
        self.done: Counter[str] = Counter()

    def take(self, connection: sqlite3.Connection, records: Sequence[bytes]) -> None:
        """Work some records, in the transaction that they are taken from the spool in."""
        connection.execute("SAVEPOINT lot")
        try:
            counts = self._work(connection, records)
        except sqlite3.OperationalError:
            # The disk is full, or the like: nothing is wrong with the records, and they come again.
            raise
        except Exception:
            connection.execute("ROLLBACK TO lot")
            counts = Counter()
            for record in records:
                counts += self._alone(connection, record)
        connection.execute("RELEASE lot")
        hook_counting.count(self._db, counts)
        for (_, _, outcome), count in counts.items():
            self.done[outcome] += count

    def _alone(self, connection: sqlite3.Connection, record: bytes) -> Counts:
        """Work one record of a lot that could not be worked as a whole; set it aside where it was to blame."""
        connection.execute("SAVEPOINT one")
        try:
            counts = self._work(connection, [record])
        except sqlite3.OperationalError:
            raise
        except Exception as error:
            connection.execute("ROLLBACK TO one")
            log.exception("events: a record cannot be worked, and is kept as it is: %s", type(error).__name__)
            counts = Counter()
            self._set_aside(connection, record, counts)
        connection.execute("RELEASE one")
        return counts

    def _work(self, connection: sqlite3.Connection, records: Sequence[bytes]) -> Counts:
        now = self._clock()
        counts: Counts = Counter()
        readings: list[Reading] = []
        heard: list[Heard] = []
        for written in records:
            record = _decoded(written)
            if isinstance(record, Reading):
                readings.append(record)
            elif isinstance(record, HookCall):
                heard += self._call(connection, record, counts, now)
            else:
                self._set_aside(connection, written, counts)
        happened = happen(self._db, heard, Finder(connection, self._signers), self._settings, now=now)
        counts += happened.counts
        readings += happened.readings
        for outcome, count in counting.record(connection, readings).items():
            counts[hook_counting.hour_of(now), "", outcome] += count
        arrived = soft_bounces.suppressed_softly(connection, {reading.copy for reading in readings})
        soft_bounces.review(self._db, self._settings, happened.reviewed | arrived.keys())
        counting.drop_noughts(connection, happened.issues | {reading.issue for reading in readings})
        return counts

    def _call(self, connection: sqlite3.Connection, call: HookCall, counts: Counts, now: datetime) -> list[Heard]:
        """Read a provider's call; give what it says of copies, and keep what we do not know."""
        hour, provider = counting.hour_of(call.at), call.provider
        if call.key is not None:
            seen = hook_keys.keep(connection, provider, call.key, hook_keys.digest_of(call.body), now=now)
            if seen != "new":
                # Two processes took it at once; or somebody signed something else with what they had seen.
                counts[hour, provider, "repeated" if seen == "repeated" else "refused: wrong signature"] += 1
                return []
        counts[hour, provider, "taken"] += 1
        heard = []
        for event in hooks.hooks_of(provider).read(call.body):
            if isinstance(event, Told):
                heard.append(Heard(provider, call.at, event))
            elif isinstance(event, Unknown):
                _keep(connection, provider, event.kind, event.raw, call.at)
                counts[hour, provider, "unknown"] += 1
            else:
                counts[hour, provider, "nothing"] += 1
        return heard

    def _set_aside(self, connection: sqlite3.Connection, written: bytes, counts: Counts) -> None:
        record = _decoded(written)
        at = record.at if record else int(self._clock().timestamp() * 1000)
        provider, raw = (record.provider, record.body) if isinstance(record, HookCall) else ("", written)
        _keep(connection, provider, UNREADABLE, raw.decode(errors="replace"), at)
        counts[counting.hour_of(at), provider, UNREADABLE] += 1


def _decoded(written: bytes) -> Reading | HookCall | None:
    try:
        return decode(written)
    except (ValueError, TypeError):
        return None


def _keep(connection: sqlite3.Connection, provider: str, kind: str, raw: str, at: int) -> None:
    """Keep what we do not know, each once, with the first moment it came in."""
    raw = raw[:LONGEST].encode(errors="replace").decode().replace("\0", "\\u0000")
    digest = hashlib.sha256(f"{provider}\n{kind}\n{raw}".encode()).digest()
    connection.execute(
        "INSERT INTO unknown_events (provider, kind, raw, digest, received_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET received_at = min(received_at, excluded.received_at)",
        (provider, kind[:100], raw, digest, times.to_text(datetime.fromtimestamp(at / 1000, UTC))),
    )
