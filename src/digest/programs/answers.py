"""Answers to calls that carry an idempotency key: the same call again gets the same answer, and nothing happens twice.

The answer is written in the transaction of what the call did, so that a crash leaves both or neither. Refusals are not
kept: they changed nothing, and the call may be made again. After draft-ietf-httpapi-idempotency-key-header-07 (IETF).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digest import times
from digest.errors import DigestError
from digest.store import Database, writing

KEPT_FOR = timedelta(hours=24)
"""How long a call may be repeated: longer than any program's patience, short because answers name readers."""

KEY_LENGTH = 255


class KeyReusedError(DigestError):
    """An idempotency key came again with another call."""


class KeyBusyError(DigestError):
    """The call of an idempotency key is being worked on right now."""


@dataclass(frozen=True)
class Answer:
    """What a call was answered with: the status, the body, and where what it made is found."""

    status: int
    body: bytes
    location: str | None = None
    replayed: bool = False


@dataclass(frozen=True)
class Call:
    """A call with an idempotency key: whose token, which key, and a hash of the whole request."""

    token: int
    key: str
    fingerprint: bytes


class Underway:
    """The calls this process is working on, so that one that is repeated too soon need not wait for the first."""

    def __init__(self) -> None:
        self._calls: set[tuple[int, str]] = set()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, call: Call) -> Iterator[None]:
        """Hold a key for a block.

        Raises:
            KeyBusyError: another call holds it.
        """
        name = (call.token, call.key)
        with self._lock:
            if name in self._calls:
                raise KeyBusyError("a call with this Idempotency-Key is being worked on; ask again in a moment")
            self._calls.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(name)


def once(db: Database, call: Call, work: Callable[[], Answer], *, now: datetime) -> Answer:
    """Do the work of a call, or give the answer that the same call got before.

    Raises:
        KeyReusedError: the key came before with another call.
    """
    with writing(db) as connection:
        row = connection.execute(
            "SELECT fingerprint, status, body, location FROM answers WHERE token = ? AND key = ? AND made_at > ?",
            (call.token, call.key, times.to_text(now - KEPT_FOR)),
        ).fetchone()
        if row is not None:
            if row[0] != call.fingerprint:
                raise KeyReusedError("this Idempotency-Key came before with another call; a new call takes a new key")
            return Answer(row[1], row[2], row[3], replayed=True)
        purge(db, now=now)
        answer = replace(work(), replayed=False)
        connection.execute(
            "INSERT INTO answers (token, key, fingerprint, status, body, location, made_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (call.token, call.key, call.fingerprint, answer.status, answer.body, answer.location, times.to_text(now)),
        )
        return answer


def purge(db: Database, *, now: datetime) -> int:
    """Drop the answers whose time is over; give how many."""
    with writing(db) as connection:
        until = times.to_text(now - KEPT_FOR)
        return int(connection.execute("DELETE FROM answers WHERE made_at <= ?", (until,)).rowcount)
