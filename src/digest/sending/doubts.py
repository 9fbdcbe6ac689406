"""What a store that was brought back from a backup does not know: which copies went out since. Its side of it.

An issue that was being sent when the backup was made is *doubted* (`issues.doubted_at`). Nothing of it is claimed and
nothing handed over again (`ledger.claim_batch`, `ledger.doubt_anew`), until those who took its copies were asked for
all they accepted (`recalling.py`), or a person decides.

Every function is one short write transaction, and each may be done again: whatever dies on the way, the next begins
anew.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digest import times
from digest.editors import audit
from digest.editors.audit import COMMAND_LINE, By
from digest.errors import StateError
from digest.issue import issues
from digest.issue.model import Issue
from digest.numbers import several
from digest.sending import ledger
from digest.sending.message_ids import read_ids, write_ids
from digest.store import Database, writing

BACK = (
    "this store was brought back from a backup that was made while the issue was sent; who got it since is being found"
    " out, and nobody is mailed meanwhile"
)
UNKNOWN = "unknown"
"""The provider of copies of which nobody knows whether, and where, they were handed over."""
HELD_AT_ONCE, HELD_BATCHES = 500, 20
"""Copies that are left to a person are in batches of at least so many, and at most so many batches of a variant: they
went out in the order of subscribers, so a person who asks some readers finds the batch where it ended."""
CLOCKS = timedelta(hours=1)


def doubt_all(db: Database, now: datetime) -> list[int]:
    """Doubt what a backup knows of issues that may have gone out since; give those that were begun.

    Those are paused: what a person decided since, such as to cancel, is lost as well. Called while a backup is brought
    back, with no other process at work on the store.
    """
    stamp = times.to_text(now)
    with writing(db) as connection:
        begun = [
            number
            for (number,) in connection.execute(
                "UPDATE issues SET state = 'paused', doubted_at = ?1, trouble = ?2, trouble_at = ?1, updated_at = ?1"
                " WHERE state IN ('sending', 'paused') RETURNING number",
                (stamp, BACK),
            ).fetchall()
        ]
        connection.execute("UPDATE issues SET doubted_at = ? WHERE state IN ('draft', 'approved')", (stamp,))
        # Whoever worked on them is not here; and another process may get the number of one.
        connection.execute(
            "UPDATE deliveries SET state = 4 WHERE state = 1 AND batch IN"
            " (SELECT number FROM batches WHERE state = 'claimed')"
            " AND issue IN (SELECT issue FROM batches WHERE state = 'claimed')"
        )
        connection.execute(
            "UPDATE batches SET state = 'uncertain', uncertain_at = ?, worker = 0,"
            " trouble = coalesce(trouble, 'a backup was brought back') WHERE state = 'claimed'",
            (stamp,),
        )
        connection.execute("UPDATE batches SET worker = 0 WHERE state <> 'settled'")
        return sorted(begun)


def doubt_rejected(connection: sqlite3.Connection, number: int) -> None:
    """Doubt an issue whose rejected copies are queued again, where a backup was brought back since it was sent.

    Somebody may have done the same after the backup was made.
    """
    connection.execute(
        "UPDATE issues SET doubted_at = coalesce(doubted_at, (SELECT max(r.at) FROM restores r WHERE r.at > sending_at"
        " AND EXISTS (SELECT 1 FROM deliveries d JOIN batches b ON b.number = d.batch WHERE d.issue = ?1"
        " AND d.state = 0 AND b.claimed_at < r.at))) WHERE number = ?1",
        (number,),
    )


@dataclass(frozen=True)
class Window:
    """Since when copies of an issue may have gone out that the store does not know of.

    `strict` is whether it had been begun by then. One that was begun anew after that, a person approved once more,
    knowing that it may have gone out: what cannot be found out of such a one does not keep it.
    """

    since: datetime
    strict: bool


def window_of(db: Database, issue: Issue) -> Window:
    """Give since when a doubted issue's copies are to be looked for."""
    assert issue.doubted_at is not None  # noqa: S101 (whoever asks has looked)
    if issue.sending_at is not None and issue.sending_at <= issue.doubted_at:
        return Window(issue.sending_at - CLOCKS, strict=True)
    row = db.conn.execute(
        "SELECT knows_until FROM restores WHERE at <= ? ORDER BY at DESC, id DESC LIMIT 1",
        (times.to_text(issue.doubted_at),),
    ).fetchone()
    return Window((times.from_text(row[0]) if row else issue.doubted_at) - CLOCKS, strict=False)


def places_of(db: Database, number: int) -> list[tuple[str, str]]:
    """Give the providers and accounts that were given copies of an issue, or may have been."""
    rows = db.conn.execute(
        "SELECT DISTINCT provider, account FROM batches WHERE issue = ? AND provider <> ?"
        " AND coalesce(settled_by, '') <> 'refused' ORDER BY 1, 2",
        (number, UNKNOWN),
    )
    return rows.fetchall()


def known(db: Database, number: int, provider: str, account: str) -> set[int]:
    """Give those whose copies a provider said it accepted: its list must show them, or it is not the whole list."""
    rows = db.conn.execute(
        "SELECT d.subscriber FROM batches b CROSS JOIN deliveries d ON d.issue = b.issue"
        " AND d.subscriber BETWEEN b.first AND b.last AND d.batch = b.number AND d.state = 2"
        " JOIN subscribers s ON s.id = d.subscriber WHERE b.issue = ? AND b.provider = ? AND b.account = ?"
        " AND b.settled_by = 'answer' AND s.email <> ''",
        (number, provider, account),
    )
    return {subscriber for (subscriber,) in rows}


def by_address(db: Database, number: int, keys: Iterable[str]) -> dict[str, int]:
    """Give the subscribers of an issue's copies by the keys of their addresses."""
    rows = db.conn.execute(
        "SELECT s.email_key, s.id FROM json_each(?) k JOIN subscribers s ON s.email_key = k.value"
        " JOIN deliveries d ON d.issue = ? AND d.subscriber = s.id",
        (json.dumps([*keys]), number),
    )
    return dict(rows.fetchall())


def accept(
    db: Database,
    number: int,
    provider: str,
    account: str,
    found: Mapping[int, str | None],
    *,
    at: datetime,
    now: datetime,
) -> int:
    """Write down copies that a provider's list shows, with its ids, as accepted; give how many were open.

    Those that the store thought were queued get a batch of their own. `at` is when the first of them was handed over.

    Raises:
        StateError: the issue is doubted no longer: what is open now may be in another process's hands.
    """
    with writing(db) as connection:
        _expect_doubted(connection, number)
        rows = connection.execute(
            "SELECT subscriber, state, batch, variant FROM deliveries WHERE issue = ?"
            " AND subscriber IN (SELECT value FROM json_each(?)) AND state IN (0, 1, 4) ORDER BY subscriber",
            (number, json.dumps([*found])),
        ).fetchall()
        queued: dict[int, list[int]] = {}
        opened: dict[int, list[int]] = {}
        for subscriber, state, batch, variant in rows:
            (queued.setdefault(variant, []) if state == 0 else opened.setdefault(batch, [])).append(subscriber)
        for variant, mine in queued.items():
            batch = _new_batch(connection, number, provider, account, mine, variant, at)
            _put(connection, number, mine, 2, batch)
            ids = {one: name for one in mine if (name := found[one])}
            connection.execute(
                "UPDATE batches SET state = 'settled', settled_by = 'asked', settled_at = ?, message_ids = ?"
                " WHERE number = ?",
                (times.to_text(now), write_ids(ids) if ids else None, batch),
            )
            ledger.count_for_day(connection, provider, f"{at.astimezone(UTC):%Y-%m-%d}", len(mine))
        for batch, mine in opened.items():
            _put(connection, number, mine, 2, batch)
            _settle(connection, number, batch, {one: name for one in mine if (name := found[one])}, now)
        return len(rows)


def _new_batch(
    connection: sqlite3.Connection,
    number: int,
    provider: str,
    account: str,
    mine: list[int],
    variant: int,
    claimed_at: datetime,
) -> int:
    found = connection.execute(
        "INSERT INTO batches (issue, provider, account, idempotency_key, worker, state, first, last, size, variant,"
        " claimed_at) VALUES (?, ?, ?, ?, 0, 'claimed', ?, ?, ?, ?, ?) RETURNING number",
        (number, provider, account, secrets.token_hex(16), mine[0], mine[-1], len(mine), variant,
         times.to_text(claimed_at)),
    ).fetchone()  # fmt: skip
    return int(found[0])


def _put(connection: sqlite3.Connection, number: int, mine: list[int], state: int, batch: int) -> None:
    connection.executemany(
        "UPDATE deliveries SET state = ?, batch = ?, reason = NULL WHERE issue = ? AND subscriber = ?",
        [(state, batch, number, one) for one in mine],
    )


def _settle(connection: sqlite3.Connection, number: int, batch: int, ids: Mapping[int, str], now: datetime) -> None:
    """Settle an open batch where nothing of it is uncertain any more."""
    first, last, kept = connection.execute(
        "SELECT first, last, message_ids FROM batches WHERE number = ?", (batch,)
    ).fetchone()
    if ids:
        both = write_ids(read_ids(kept) | dict(ids))
        connection.execute("UPDATE batches SET message_ids = ? WHERE number = ?", (both, batch))
    connection.execute(
        "UPDATE batches SET state = 'settled', settled_by = 'asked', settled_at = ? WHERE number = ? AND NOT EXISTS"
        " (SELECT 1 FROM deliveries WHERE issue = ? AND subscriber BETWEEN ? AND ? AND batch = ? AND state IN (1, 4))",
        (times.to_text(now), batch, number, first, last, batch),
    )


def believe(db: Database, number: int, *, now: datetime) -> int:
    """End the doubt: all lists were read to their end, so what is open was never accepted; give how many that are.

    Raises:
        StateError: another process ended it meanwhile.
    """
    with writing(db) as connection:
        _expect_doubted(connection, number)
        for batch in ledger.open_batches(db, number):
            taken = ledger.adopt(db, batch.number, before=batch.worker, worker=0, trouble="a backup", now=now)
            if taken is not None:
                ledger.settle(db, taken, {}, by="asked", now=now)
        tally = ledger.tally(db, number)
        went = several(tally["accepted"], "copy", "copies")
        left = several(tally["queued"], "reader")
        words = f"it was brought back from a backup, and asked for: {went} had gone out; {left} did not get theirs yet"
        _end(connection, number, words, now)
        ledger.finish(db, number, now=now)
        return tally["queued"]


def hold(db: Database, number: int, why: str, *, now: datetime) -> int:
    """Leave some of the open copies of a doubted issue to a person; give how many are left, and with 0 the doubt ends.

    Raises:
        StateError: another process ended it meanwhile.
    """
    with writing(db) as connection:
        _expect_doubted(connection, number)
        issue = issues.find_issue(db, number)
        tally = ledger.tally(db, number)
        size = max(HELD_AT_ONCE, -(-tally["audience"] // HELD_BATCHES))
        stamp = times.to_text(now)
        # Those that went out went by the order of subscribers, variant by variant.
        rows = connection.execute(
            "SELECT subscriber, variant FROM deliveries WHERE issue = ?1 AND state = 0 AND variant ="
            " (SELECT min(variant) FROM deliveries WHERE issue = ?1 AND state = 0) ORDER BY subscriber LIMIT ?2",
            (number, size),
        ).fetchall()
        if rows:
            mine = [subscriber for subscriber, _ in rows]
            batch = _new_batch(connection, number, UNKNOWN, "", mine, rows[0][1], issue.sending_at or now)
            _put(connection, number, mine, 4, batch)
            connection.execute(
                "UPDATE batches SET state = 'held', uncertain_at = ?, trouble = ? WHERE number = ?", (stamp, why, batch)
            )
            if left := tally["queued"] - len(mine):
                return left
        # What is known to have been under way may have gone out by another batch since, of any provider.
        connection.execute(
            "UPDATE batches SET state = 'held', worker = 0, uncertain_at = coalesce(uncertain_at, ?1),"
            " trouble = iif(provider = ?2, trouble, ?3 || ' (it was being handed to ' || provider || ')'),"
            " provider = ?2, account = iif(provider = ?2, account, '') WHERE issue = ?4 AND state <> 'settled'",
            (stamp, UNKNOWN, why, number),
        )
        unsure = several(tally["queued"] + tally["claimed"] + tally["uncertain"], "copy", "copies")
        words = f"of {unsure} nobody can find out whether they went out before the backup was brought back: {why}"
        _end(connection, number, words, now)
        ledger.finish(db, number, now=now)
        return 0


def forgo(db: Database, number: int, *, now: datetime) -> None:
    """End the doubt about an issue that was begun after the backup was brought back: a person approved it, knowing."""
    with writing(db) as connection:
        _expect_doubted(connection, number)
        _end(connection, number, None, now)


def tell(db: Database, number: int, why: str, *, now: datetime) -> None:
    """Write down why it is not known yet; when the trouble began stays as it is."""
    with writing(db) as connection:
        connection.execute(
            "UPDATE issues SET trouble = ?, trouble_at = coalesce(trouble_at, ?)"
            " WHERE number = ? AND doubted_at IS NOT NULL AND state IN ('sending', 'paused') AND trouble IS NOT ?",
            (why, times.to_text(now), number, why),
        )


def give_up(db: Database, number: int, *, now: datetime, by: By = COMMAND_LINE) -> int:
    """Leave all open copies of a doubted issue to a person, without asking any further; give how many.

    Raises:
        StateError: nothing of the issue is in doubt.
    """
    with writing(db) as connection:
        issue = issues.find_issue(db, number)
        if issue.doubted_at is None or issue.state not in ("sending", "paused"):
            hint = f"`digest uncertain {number}` lists what nobody knows of it"
            raise StateError(f"issue {number} is not in doubt after a restore; {hint}")
        while hold(db, number, "a person chose to decide about them", now=now):
            pass
        count = ledger.tally(db, number)["uncertain"]
        audit.note(connection, by, "holds what is in doubt of", f"issue {number}", now=now, copies=count)
        return count


def is_doubted(connection: sqlite3.Connection, number: int) -> bool:
    """Tell whether an issue is doubted."""
    row = connection.execute("SELECT doubted_at IS NOT NULL FROM issues WHERE number = ?", (number,)).fetchone()
    return bool(row and row[0])


def _expect_doubted(connection: sqlite3.Connection, number: int) -> None:
    if not is_doubted(connection, number):
        raise StateError(f"issue {number} is not in doubt any more")


def _end(connection: sqlite3.Connection, number: int, words: str | None, now: datetime) -> None:
    stamp = times.to_text(now)
    connection.execute(
        "UPDATE issues SET doubted_at = NULL, updated_at = ?1, trouble = iif(state = 'paused', ?2, NULL),"
        " trouble_at = iif(state = 'paused' AND ?2 IS NOT NULL, coalesce(trouble_at, ?1), NULL) WHERE number = ?3",
        (stamp, words, number),
    )
