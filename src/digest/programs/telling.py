"""Telling programs what happened: POSTs signed as Standard Webhooks has it, tried again, and given up in the end.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the headers `webhook-id`
(the same on every try, so that who has it already passes it over), `webhook-timestamp` and `webhook-signature`; 2xx is
taken, 410 ends it for good, everything else is tried again.

A message is claimed by moving its moment on, before anything goes out: a process that dies over it leaves it to be
told again, and two processes do not tell it at the same time.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import httpx
from standardwebhooks import Webhook as Signature

from digest import times
from digest.store import Database, writing

PAUSES_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Between the tries: five seconds, five minutes, half an hour, two hours … a day, as the specification suggests: some
three days in all. What nobody took by then is dead, and waits for a person."""
TIMEOUT_S = 15.0
"""So long a program has for its answer, all together: one that sent a byte now and then would hold up all."""
REST_S, REST_BYTES = 2.0, 64 * 1024
"""So long, and so much, is read of what comes behind the status, so that the line can be used again."""
CLAIM_S = 120.0
"""So long a message in hand is nobody else's."""
LONGEST_WAIT_S = 86_400.0
"""The longest `Retry-After` that is believed."""
KEPT = timedelta(days=30)
"""Messages are personal data: so long after they were taken or given up, they are deleted."""


@dataclass(frozen=True)
class _InHand:
    id: int
    name: str
    body: str
    tries: int
    webhook: int
    url: str
    secret: bytes


def tell(
    db: Database, *, clock: Callable[[], datetime] = times.now, stopping: Callable[[], bool] = lambda: False
) -> dict[str, int]:
    """Tell what is due, one after the other; give how many were `sent`, put off for `later`, and `dead`.

    A program that did not take one is told no more in this round, so that the others do not wait for it.
    """
    done = {"sent": 0, "later": 0, "dead": 0}
    deaf: set[int] = set()
    post: _Post | None = None
    try:
        while not stopping() and (message := _claim(db, clock(), deaf)) is not None:
            # Made when it is needed: TLS's certificates take a while to load.
            post = post or _Post()
            outcome = _tell(db, post, message, clock)
            done[outcome] += 1
            if outcome != "sent":
                deaf.add(message.webhook)
    finally:
        if post is not None:
            post.close()
    return done


def delete_old(db: Database, *, now: datetime) -> int:
    """Delete what was taken or given up long ago; give how many."""
    with writing(db) as connection:
        return connection.execute(
            "DELETE FROM webhook_messages WHERE state <> 'queued' AND settled_at < ?", (times.to_text(now - KEPT),)
        ).rowcount


def _claim(db: Database, now: datetime, deaf: Collection[int]) -> _InHand | None:
    asked = (times.to_text(now), json.dumps(list(deaf)))
    due = (
        "SELECT id FROM webhook_messages WHERE state = 'queued' AND not_before <= ?"
        " AND webhook NOT IN (SELECT value FROM json_each(?)) ORDER BY not_before, id LIMIT 1"
    )
    if db.conn.execute(due, asked).fetchone() is None:
        # Asked for every second: no lock is taken where there is nothing.
        return None
    with writing(db) as connection:
        row = connection.execute(due, asked).fetchone()
        if row is None:
            return None
        connection.execute(
            "UPDATE webhook_messages SET tries = tries + 1, not_before = ? WHERE id = ?",
            (times.to_text(now + timedelta(seconds=CLAIM_S)), row[0]),
        )
        found = connection.execute(
            "SELECT m.id, m.name, m.body, m.tries, w.id, w.url, w.secret FROM webhook_messages m"
            " JOIN webhooks w ON w.id = m.webhook WHERE m.id = ?",
            row,
        ).fetchone()
    return _InHand(*found)


class _Post:
    """Posts messages, one at a time. On an event loop, since only there a call as a whole has a time to end."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)

    def __call__(self, message: _InHand, now: datetime) -> httpx.Response:
        """Post a message, and give what is said first: status and headers.

        Raises:
            httpx.HTTPError: nothing is said.
            OSError: as above, or it takes too long.
        """
        return self._runner.run(self._post(message, now))

    def close(self) -> None:
        try:
            self._runner.run(self._client.aclose())
        finally:
            self._runner.close()

    async def _post(self, message: _InHand, now: datetime) -> httpx.Response:
        body, headers = message.body.encode(), _headers(message, now)
        async with asyncio.timeout(TIMEOUT_S):
            asking = self._client.build_request("POST", message.url, content=body, headers=headers)
            answer = await self._client.send(asking, stream=True)
        taken = 0
        try:
            with suppress(TimeoutError, httpx.HTTPError):
                async with asyncio.timeout(REST_S):
                    async for piece in answer.aiter_raw():
                        if (taken := taken + len(piece)) > REST_BYTES:
                            break
        finally:
            await answer.aclose()
        return answer


def _tell(db: Database, post: _Post, message: _InHand, clock: Callable[[], datetime]) -> str:
    now = clock()
    try:
        answer = post(message, now)
    except TimeoutError:
        return _put_off(db, message, f"no answer within {TIMEOUT_S:.0f} seconds", clock())
    # The last two are of addresses that httpx does not take.
    except (httpx.HTTPError, OSError, httpx.InvalidURL, ValueError) as error:
        return _put_off(db, message, f"{type(error).__name__}: {error}"[:300], clock())
    if answer.is_success:
        with writing(db) as connection:
            _settle(connection, message, "sent", None, clock())
            connection.execute("UPDATE webhooks SET trouble = NULL WHERE id = ?", (message.webhook,))
        return "sent"
    words = f"HTTP {answer.status_code}"
    if answer.status_code == HTTPStatus.GONE:
        with writing(db) as connection:
            _settle(connection, message, "dead", words, clock())
            _disable(connection, message, "it answered 410: it wants to be told nothing any more", clock())
        return "dead"
    return _put_off(db, message, words, clock(), wait_s=_asked_for(answer))


def _headers(message: _InHand, now: datetime) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "digest (+webhooks)",
        "webhook-id": message.name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signature(message.secret).sign(message.name, now, message.body),
    }


def _put_off(db: Database, message: _InHand, words: str, now: datetime, *, wait_s: float = 0) -> str:
    with writing(db) as connection:
        connection.execute("UPDATE webhooks SET trouble = ? WHERE id = ?", (words, message.webhook))
        if message.tries > len(PAUSES_S):
            _settle(connection, message, "dead", words, now)
            return "dead"
        pause = max(PAUSES_S[message.tries - 1], wait_s)
        connection.execute(
            "UPDATE webhook_messages SET not_before = ?, trouble = ? WHERE id = ? AND tries = ?",
            (times.to_text(now + timedelta(seconds=pause)), words, message.id, message.tries),
        )
    return "later"


def _settle(connection: sqlite3.Connection, message: _InHand, state: str, words: str | None, now: datetime) -> None:
    connection.execute(
        "UPDATE webhook_messages SET state = ?, trouble = ?, settled_at = ? WHERE id = ?",
        (state, words, times.to_text(now), message.id),
    )


def _disable(connection: sqlite3.Connection, message: _InHand, words: str, now: datetime) -> None:
    """Tell a program nothing more; what waits for it waits for a person too."""
    stamp = times.to_text(now)
    connection.execute("UPDATE webhooks SET disabled_at = ?, trouble = ? WHERE id = ?", (stamp, words, message.webhook))
    connection.execute(
        "UPDATE webhook_messages SET state = 'dead', trouble = ?, settled_at = ?"
        " WHERE webhook = ? AND state = 'queued'",
        (words, stamp, message.webhook),
    )


def _asked_for(answer: httpx.Response) -> float:
    """Give the seconds of a `Retry-After` (RFC 9110, section 10.2.3); one that is a date is left to our own pauses."""
    given = answer.headers.get("retry-after", "")
    return min(float(given), LONGEST_WAIT_S) if given.isascii() and given.isdigit() else 0.0
