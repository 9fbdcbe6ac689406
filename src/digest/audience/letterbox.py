"""Letters that wait to be mailed: put in here, in the transaction that is their reason; mailed by `sending/postman.py`.

A letter is rendered when it is mailed, from its kind and its detail, so that no token lies in the store. It goes
`queued → claimed → sent | failed | uncertain`, or `→ dropped` where there is nobody, or no reason, to mail it to any
more. As with an issue's copies it is claimed before the network is touched, and what is uncertain is never guessed.

Every function that writes is one short transaction.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from digest import times
from digest.audience.addresses import Address
from digest.store import Database, writing

Kind = Literal[
    "confirm",
    "welcome",
    "goodbye",
    "address",
    "notice",
    "summary",
    "sign-in",
    "test",
    "probe",
    "approval",
    "drafted",
    "reminder",
    "nothing-new",
    "missed",
    "trouble",
    "sent",
]
"""`address` asks at a new address whether it is the reader's, `detail["change"]` being the change of `address_changes`;
`notice` tells the old one of it. The others are for editors, no subscribers: `summary` is the week, its words being its
detail; `sign-in` lets one into the desk, its detail being what its link is made of; `test` is an issue to look at, as
`detail["test"]` of the table `trials` has it; `probe` shows that mail goes out; `approval` asks publishers to approve
an issue; `drafted`, `reminder` and `nothing-new` are of the week by itself, `missed` is of what was not done by itself;
`trouble` and `sent` say what became of sending one."""

Sort = Literal["any", "letters", "tests"]
"""Which letters a provider takes: tests of issues may go another way than the others."""

TO_EDITORS = (
    *("summary", "sign-in", "test", "probe", "approval", "drafted", "reminder", "nothing-new", "missed", "trouble"),
    "sent",
)
"""Letters that answer no subscriber: only a suppression of their address stops them."""

KEPT = timedelta(days=30)
"""Letters are personal data: so long after they are settled, they are deleted."""

_OPEN = "state IN ('queued', 'claimed', 'uncertain')"
"""The words of the index `letters_open`; SQLite uses it only where they stand in the query as they stand there."""

_OF_SORT: Mapping[Sort, str] = {
    "any": "",
    "letters": " AND kind NOT IN ('test', 'probe')",
    "tests": " AND kind IN ('test', 'probe')",
}

_HELD = times.to_text(times.LAST)
"""When a letter is looked at again that nobody can find out about."""


@dataclass(frozen=True)
class Posted:
    """A letter in hand, and the name of its reader. `claimed_at` is when it was first handed over.

    `subscriber` is 0 where it goes to an editor.
    """

    id: int
    kind: Kind
    subscriber: int
    email: str
    detail: Mapping[str, Any]
    idempotency_key: str
    tries: int
    provider: str
    account: str
    worker: int
    created_at: datetime
    claimed_at: datetime
    name: str | None = None


@dataclass(frozen=True)
class Due:
    """What is due: whether any letter is queued, and the providers that uncertain ones went to."""

    queued: bool
    doubtful: frozenset[str]


@dataclass(frozen=True)
class Fate:
    """What became of a letter so far. `trouble` is why it waits, failed, was dropped or is uncertain."""

    email: str
    state: Literal["queued", "claimed", "sent", "uncertain", "failed", "dropped"]
    trouble: str | None
    not_before: str


@dataclass(frozen=True)
class Waiting:
    """A letter that was not mailed, or of which that is not known, for a person."""

    id: int
    kind: Kind
    email: str
    state: Literal["queued", "claimed", "uncertain", "failed"]
    created_at: str
    not_before: str
    tries: int
    provider: str | None
    account: str | None
    worker: int | None
    trouble: str | None


def post(
    db: Database,
    kind: Kind,
    to: Address,
    *,
    subscriber: int | None,
    now: datetime,
    detail: Mapping[str, object] | None = None,
    not_before: datetime | None = None,
) -> int:
    """Put a letter in, to be mailed soon, or not before a moment; give its number."""
    with writing(db) as connection:
        number: int = connection.execute(
            "INSERT INTO letters (kind, subscriber, email, email_key, detail, idempotency_key, not_before, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                kind,
                subscriber,
                to.email,
                to.key,
                json.dumps(detail or {}),
                secrets.token_hex(16),
                times.to_text(not_before or now),
                times.to_text(now),
            ),
        ).fetchone()[0]
    return number


def withdraw(db: Database, kind: Kind, to: Address, *, why: str, now: datetime) -> int:
    """Take back the letters of a kind to an address that nobody has in hand yet; give how many."""
    with writing(db) as connection:
        return connection.execute(
            f"UPDATE letters SET state = 'dropped', trouble = ?, settled_at = ? WHERE {_OPEN} AND state = 'queued'"  # noqa: S608
            " AND kind = ? AND email_key = ?",
            (why, times.to_text(now), kind, to.key),
        ).rowcount


# Claiming ----------------------------------------------------------------------------------------------------------


def due(db: Database, *, now: datetime) -> Due:
    """Tell what is due. It is asked every second, and looks at an index only."""
    stamp = times.to_text(now)
    queued = db.conn.execute(
        f"SELECT EXISTS (SELECT 1 FROM letters WHERE {_OPEN} AND not_before <= ? AND state = 'queued')",  # noqa: S608
        (stamp,),
    ).fetchone()[0]
    doubtful = db.conn.execute(
        f"SELECT DISTINCT provider FROM letters WHERE {_OPEN} AND not_before <= ? AND state = 'uncertain'",  # noqa: S608
        (stamp,),
    )
    return Due(bool(queued), frozenset(provider for (provider,) in doubtful))


def queued(db: Database, sort: Sort, *, now: datetime) -> bool:
    """Tell whether a letter of a sort is due."""
    return _next(db.conn, "queued", now, sort=sort) is not None


def claim(
    db: Database, *, provider: str, account: str, worker: int, now: datetime, sort: Sort = "any"
) -> Posted | None:
    """Claim the letter of a sort that has been due longest, for a provider; None where none is.

    Those for which there is no reason any more, such as a confirmation of what was confirmed, are dropped on the way.
    """
    with writing(db) as connection:
        while (id_ := _next(connection, "queued", now, sort=sort)) is not None:
            if (why := _unwanted(connection, id_)) is not None:
                _drop(connection, id_, why, now)
                continue
            connection.execute(
                "UPDATE letters SET state = 'claimed', provider = ?, account = ?, worker = ?, claimed_at = ?,"
                " tries = tries + 1 WHERE id = ?",
                (provider, account, worker, times.to_text(now), id_),
            )
            return _read(connection, id_)
    return None


def claim_doubtful(db: Database, *, provider: str, account: str, worker: int, now: datetime) -> Posted | None:
    """Take an uncertain letter in hand that went to a provider, to find out about it; None where none is due.

    It counts as claimed meanwhile, since the same moment as before: whoever dies over it leaves it to be adopted.
    """
    with writing(db) as connection:
        while (id_ := _next(connection, "uncertain", now, provider, account)) is not None:
            if (why := _unwanted(connection, id_)) is not None:
                # Whether it went out or not, it is not needed any more.
                _drop(connection, id_, why, now)
                continue
            connection.execute("UPDATE letters SET state = 'claimed', worker = ? WHERE id = ?", (worker, id_))
            return _read(connection, id_)
    return None


def _next(
    connection: sqlite3.Connection,
    state: str,
    now: datetime,
    provider: str | None = None,
    account: str | None = None,
    *,
    sort: Sort = "any",
) -> int | None:
    row = connection.execute(
        f"SELECT id FROM letters WHERE {_OPEN} AND not_before <= :now AND state = :state{_OF_SORT[sort]}"  # noqa: S608
        " AND (:provider IS NULL OR (provider = :provider AND account = :account)) ORDER BY not_before, id LIMIT 1",
        {"now": times.to_text(now), "state": state, "provider": provider, "account": account},
    ).fetchone()
    return row[0] if row else None


def _unwanted(connection: sqlite3.Connection, id_: int) -> str | None:
    """Tell why a letter is not to be mailed any more; None where it is."""
    kind, same, state, suppressed, asked = connection.execute(
        "SELECT l.kind, s.email_key = l.email_key, s.state, x.reason,"
        " EXISTS (SELECT 1 FROM address_changes c WHERE c.id = json_extract(l.detail, '$.change')"
        " AND c.subscriber = l.subscriber AND c.email_key = l.email_key)"
        " FROM letters l LEFT JOIN subscribers s ON s.id = l.subscriber"
        " LEFT JOIN suppressions x ON x.email_key = l.email_key WHERE l.id = ?",
        (id_,),
    ).fetchone()
    if suppressed not in (None, "unsubscribed"):
        return f"the address is suppressed: {suppressed}"
    if kind in TO_EDITORS:
        return None
    if state is None:
        return "the reader is gone"
    if kind == "address":
        return None if asked else "the change of address is not asked for any more"
    if not same:
        # Its links are the reader's own, and the address is not the reader's any more.
        return "the reader has another address"
    if kind == "notice":
        return None
    if kind == "confirm":
        return "it is confirmed already" if state == "active" and suppressed is None else None
    if kind == "welcome":
        return None if state == "active" and suppressed is None else "the reader has left"
    return None if state == "unsubscribed" else "the reader has come back"


def _read(connection: sqlite3.Connection, id_: int) -> Posted:
    row = connection.execute(
        "SELECT l.id, l.kind, coalesce(l.subscriber, 0), l.email, l.detail, l.idempotency_key, l.tries, l.provider,"
        " l.account, l.worker, l.created_at, l.claimed_at, s.name FROM letters l LEFT JOIN subscribers s"
        " ON s.id = l.subscriber WHERE l.id = ?",
        (id_,),
    ).fetchone()
    id_, kind, reader, email, detail, key, tries, provider, account, worker, created_at, claimed_at, name = row
    return Posted(
        id_, kind, reader, email, json.loads(detail), key, tries, provider, account, worker,
        times.from_text(created_at), times.from_text(claimed_at), name,
    )  # fmt: skip


def _drop(connection: sqlite3.Connection, id_: int, why: str, now: datetime) -> None:
    connection.execute(
        "UPDATE letters SET state = 'dropped', trouble = ?, settled_at = ? WHERE id = ?",
        (why, times.to_text(now), id_),
    )


# What became of one ------------------------------------------------------------------------------------------------
# Each gives whether the letter was still in this worker's hands: another may have settled it, or it was erased.


def settle(
    db: Database,
    letter: Posted,
    state: Literal["sent", "failed", "dropped"],
    *,
    now: datetime,
    message_id: str | None = None,
    why: str | None = None,
) -> bool:
    """Write down that a letter was sent, refused for good or is not needed any more."""
    with writing(db) as connection:
        return _put(
            connection,
            letter,
            "state = ?, message_id = ?, trouble = ?, settled_at = ?",
            (state, message_id or None, why, times.to_text(now)),
        )


def queue_again(db: Database, letter: Posted, why: str, *, not_before: datetime, counted: bool) -> bool:
    """Queue a letter again that is proven not to be accepted; `counted` says whether that was one of its tries."""
    with writing(db) as connection:
        return _put(
            connection,
            letter,
            "state = 'queued', worker = NULL, trouble = ?, not_before = ?, tries = tries - ?",
            (why, times.to_text(not_before), 0 if counted else 1),
        )


def doubt(db: Database, letter: Posted, why: str, *, look_at: datetime) -> bool:
    """Write down that a letter may have been accepted, and when to look whether it was."""
    with writing(db) as connection:
        return _put(
            connection, letter, "state = 'uncertain', trouble = ?, not_before = ?", (why, times.to_text(look_at))
        )


def hold(db: Database, letter: Posted, why: str) -> bool:
    """Leave an uncertain letter as it is: nobody can find out, and it is not mailed twice."""
    with writing(db) as connection:
        return _put(connection, letter, "state = 'uncertain', trouble = ?, not_before = ?", (why, _HELD))


def _put(connection: sqlite3.Connection, letter: Posted, columns: str, values: tuple[object, ...]) -> bool:
    # By its key too: of a letter that was erased meanwhile, another may have the number.
    sql = (
        f"UPDATE letters SET {columns} WHERE id = ? AND idempotency_key = ? AND worker = ?"  # noqa: S608
        " AND state IN ('claimed', 'uncertain')"
    )
    return connection.execute(sql, (*values, letter.id, letter.idempotency_key, letter.worker)).rowcount > 0


# What dead processes, and other settings, left behind ----------------------------------------------------------------


def claimed(db: Database) -> list[tuple[int, int, str, str]]:
    """Give (letter, worker, provider, account) of those that somebody has in hand, or had when the process died."""
    return db.conn.execute(
        f"SELECT id, worker, provider, account FROM letters WHERE {_OPEN} AND state = 'claimed'"  # noqa: S608
    ).fetchall()


def newest_claim(db: Database) -> datetime | None:
    """Give when the last letter of all was claimed."""
    newest = db.conn.execute("SELECT max(claimed_at) FROM letters").fetchone()[0]
    return times.from_text(newest) if newest else None


def has_given(db: Database, provider: str, account: str) -> bool:
    """Tell whether any letter that is kept was claimed for a provider's account."""
    sql = "SELECT EXISTS (SELECT 1 FROM letters WHERE provider = ? AND account = ?)"
    return bool(db.conn.execute(sql, (provider, account)).fetchone()[0])


def adopt(db: Database, id_: int, *, before: int, worker: int, look_at: datetime) -> bool:
    """Take over a claimed letter whose worker, the one `before`, died; give whether it was still that one's.

    It is uncertain from here on.
    """
    with writing(db) as connection:
        return (
            connection.execute(
                "UPDATE letters SET state = 'uncertain', worker = ?, trouble = 'its process died', not_before = ?"
                " WHERE id = ? AND worker = ? AND state = 'claimed'",
                (worker, times.to_text(look_at), id_, before),
            ).rowcount
            > 0
        )


def put_off(db: Database, places: Collection[tuple[str, str]], *, now: datetime, until: datetime) -> None:
    """Leave uncertain letters alone for a while that went to other (provider, account) than these."""
    with writing(db) as connection:
        connection.execute(
            f"UPDATE letters SET not_before = ?, trouble = 'it went to ' || provider || ' (' || account || '), and only"  # noqa: S608
            " that can say what it has; look with those settings'"
            f" WHERE {_OPEN} AND not_before <= ? AND state = 'uncertain'"
            " AND json_array(provider, account) NOT IN (SELECT value FROM json_each(?))",
            (times.to_text(until), times.to_text(now), json.dumps([_pair(place) for place in places])),
        )


def _pair(place: tuple[str, str]) -> str:
    return json.dumps(place, ensure_ascii=False, separators=(",", ":"))


def delete_old(db: Database, *, now: datetime) -> int:
    """Delete letters that were settled long ago, and uncertain ones as old; give how many."""
    stamp = times.to_text(now - KEPT)
    # Looked for outside the transaction, and deleted in parts: others want to write too.
    found = [
        id_
        for (id_,) in db.conn.execute(
            "SELECT id FROM letters WHERE settled_at < ?1 OR (state = 'uncertain' AND created_at < ?1)", (stamp,)
        )
    ]
    for start in range(0, len(found), 1000):
        with writing(db) as connection:
            connection.execute(
                "DELETE FROM letters WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps(found[start : start + 1000]),),
            )
    return len(found)


def drop_queued(db: Database, why: str, *, but: Collection[str] = (), now: datetime) -> int:
    """Drop the letters that wait, but those of some idempotency keys; give how many.

    It is for a store that was brought back from a backup: what was queued there was mailed some seconds later.
    """
    with writing(db) as connection:
        return connection.execute(
            f"UPDATE letters SET state = 'dropped', trouble = ?, settled_at = ? WHERE {_OPEN} AND state = 'queued'"  # noqa: S608
            " AND idempotency_key NOT IN (SELECT value FROM json_each(?))",
            (why, times.to_text(now), json.dumps(sorted(but))),
        ).rowcount


def still_queued(old: sqlite3.Connection) -> set[str]:
    """Give the idempotency keys of the letters that still wait in a store that is replaced by a backup of it."""
    return {key for (key,) in old.execute("SELECT idempotency_key FROM letters WHERE state = 'queued'")}


# For people --------------------------------------------------------------------------------------------------------


def tally(db: Database) -> dict[str, Any]:
    """Count the letters that are queued, uncertain, and failed lately; `trouble` is why the oldest one waits."""
    counts = dict(
        db.conn.execute(
            "SELECT state, count(*) FROM letters WHERE state IN ('queued', 'uncertain', 'failed') GROUP BY state"
        ).fetchall()
    )
    trouble = db.conn.execute(
        f"SELECT trouble FROM letters WHERE {_OPEN} AND state = 'queued' AND trouble IS NOT NULL ORDER BY id LIMIT 1"  # noqa: S608
    ).fetchone()
    return {name: counts.get(name, 0) for name in ("queued", "uncertain", "failed")} | {
        "trouble": trouble[0] if trouble else None
    }


def fates(db: Database, kind: Kind, name: str, value: object, *, since: str) -> list[Fate]:
    """Give what became of the letters of a kind, posted since then, whose detail has a value under a name."""
    rows = db.conn.execute(
        "SELECT email, state, trouble, not_before FROM letters WHERE kind = ? AND created_at >= ?"
        " AND json_extract(detail, '$.' || ?) = ? ORDER BY id",
        (kind, since, name, value),
    )
    return [Fate(*row) for row in rows]


def message_ids(db: Database, *, since: datetime) -> frozenset[str]:
    """Give the provider's ids of the letters that were put in from a moment on."""
    sql = "SELECT message_id FROM letters WHERE message_id IS NOT NULL AND created_at >= ?"
    return frozenset(id_ for (id_,) in db.conn.execute(sql, (times.to_text(since),)))


def count_since(db: Database, kind: Kind, *, since: str) -> int:
    """Count the letters of a kind that were posted since a moment."""
    sql = "SELECT count(*) FROM letters WHERE kind = ? AND created_at > ?"
    return int(db.conn.execute(sql, (kind, since)).fetchone()[0])


def waiting(db: Database) -> list[Waiting]:
    """Give the letters that were not mailed, or of which that is not known, oldest first."""
    rows = db.conn.execute(
        "SELECT id, kind, email, state, created_at, not_before, tries, provider, account, worker, trouble FROM letters"
        " WHERE state IN ('queued', 'claimed', 'uncertain', 'failed') ORDER BY id"
    )
    return [Waiting(*row) for row in rows]
