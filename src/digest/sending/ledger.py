"""The sending ledger: claim, hand over, record. This is the store's side of it.

A delivery goes `queued → claimed → accepted | rejected | uncertain`, or `queued → skipped`. A batch is written
down, with its deliveries claimed, before the network is touched; so whatever dies, it is known which copies
may have gone out. An uncertain batch is settled by proof (see `uncertain.py`), never by guessing.

Every function is one short write transaction.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import blake2b
from typing import Literal

import orjson

from digest import times
from digest.errors import StateError
from digest.issue import issues, link_records, variant_records
from digest.issue.subject_records import groups_of
from digest.issue.variant_records import WAITS
from digest.issue.variants import NO_MAIL, WHOLE
from digest.providers.interface import Answer
from digest.sending.drawing import DRAWN, Drawing, lot
from digest.sending.message_ids import read_ids, write_ids
from digest.sending.topics import MAILED, NO_TOPICS, OFF_TOPIC, Plan, UnplannedError, as_text, report_on, sets_in_use
from digest.store import Database, writing

Settled = Literal["answer", "refused", "replay", "asked", "events", "setting", "person"]
"""How a batch was settled: by the provider's answer, by its refusal of the whole call, by the same call again, by
asking it, by its events, by the setting `uncertain`, by a person."""

Copies = tuple[tuple[int, str, str | None], ...]
"""(subscriber, email, name) of each copy, in the order of subscribers."""


# Why one who was in the frozen audience must not be mailed any more.
_GONE = (
    "CASE WHEN x.reason IS NOT NULL THEN x.reason WHEN s.state <> 'active' THEN s.state"
    " WHEN s.paused_until > :now THEN 'paused' END"
)
# All of it in one row: for each row that is stepped to, Python's lock is given up and waited for again, beside a loop
# that wants it too.
_QUEUED = (
    "SELECT json_group_array(json_array(subscriber, email, name, gone)) FROM (SELECT d.subscriber, s.email, s.name,"  # noqa: S608
    f" {_GONE} AS gone FROM deliveries d{{within}} JOIN subscribers s ON s.id = d.subscriber"
    " LEFT JOIN suppressions x ON x.email_key = s.email_key"
    " WHERE d.issue = :issue AND d.subscriber > :after AND d.state = 0 AND d.variant = :variant{of}{zones}"
    " ORDER BY d.subscriber LIMIT :size)"
)
# The open deliveries of a batch: a copy that has its outcome is never touched again.
_OPEN = " WHERE issue = ? AND subscriber BETWEEN ? AND ? AND batch = ? AND state IN (1, 4)"
# Between the readers of one variant stand those of others. A thousand copies of one of 40, claimed and recorded by the
# range of subscribers, take 14 ms, and by the index 6; where all readers are of one, 1 and 2.
_BY_VARIANT = " INDEXED BY deliveries_variant"
_WHOLE = 0
"""The number, no subscriber's, under which the id of a whole call is kept."""
_BUT = " AND subscriber NOT IN (SELECT value FROM json_each(?))"
# By the domain of the reader's address: 0.28 s for a million readers, on top of the 0.95 s that their freeze takes.
_HOST = " LEFT JOIN mailbox_hosts h ON h.domain = substr(s.email_key, instr(s.email_key, '@') + 1)"
_IN_ZONES = " AND coalesce(s.timezone, '') IN (SELECT value FROM json_each(:zones))"


class Delivery(IntEnum):
    """The states of a delivery, as the store numbers them."""

    QUEUED = 0
    CLAIMED = 1
    ACCEPTED = 2
    REJECTED = 3
    UNCERTAIN = 4
    SKIPPED = 5


@dataclass(frozen=True)
class Claimed:
    """A batch in the ledger, with those of its copies that are claimed or uncertain.

    `unchanged` says whether addresses and names are those of the first hand-over: with others it cannot be repeated.
    `variant` is the one of the issue that all of them get. `more` says whether there may be more queued behind them.
    """

    number: int
    issue: int
    provider: str
    account: str
    idempotency_key: str
    claimed_at: datetime
    first: int
    last: int
    copies: Copies
    uncertain_at: datetime | None = None
    unchanged: bool = True
    variant: int = WHOLE
    more: bool = True


@dataclass(frozen=True)
class CountedAs:
    """Of an issue, the key to the numbers that stand for its readers; and who of a batch is not counted at all.

    `group` is what their numbers end with, where the issue's subjects are tried out (see `issue/subject_records.py`).
    """

    key: bytes | None = None
    uncounted: frozenset[int] = frozenset()
    group: int | None = None


@dataclass(frozen=True)
class OpenBatch:
    """A batch that is not settled, and whose it is."""

    number: int
    worker: int
    provider: str
    account: str
    state: Literal["claimed", "uncertain", "held"]
    trouble: str | None
    size: int
    claimed_at: datetime


def freeze_audience(db: Database, issue: int, *, now: datetime, plan: Plan = NO_TOPICS) -> int:
    """Begin sending: queue a delivery for everyone who is active, not suppressed and has not paused; give how many.

    The variants of the plan are written down with it, and each reader gets the one of their topics; so are the
    addresses that are counted, and whose opens and clicks are not. Of two who begin at once, one does it and the other
    finds it done.

    Raises:
        StateError: nobody is to be mailed, and the issue stays approved; or it is not approved (any more).
        UnplannedError: the store is not what was planned for, and nothing is changed.
    """
    stamp, nonce = times.to_text(now), secrets.token_hex(8)
    with writing(db) as connection:
        begun = connection.execute(
            "UPDATE issues SET state = 'sending', sending_at = ?, updated_at = ?, nonce = ?"
            " WHERE number = ? AND state = 'approved'",
            (stamp, stamp, nonce, issue),
        ).rowcount
        if not begun:
            state = connection.execute("SELECT state FROM issues WHERE number = ?", (issue,)).fetchone()
            # Of a small issue, the other may have sent it all meanwhile.
            if state not in (("sending",), ("sent",)):
                raise StateError(f"issue {issue} is not approved any more; `digest status` shows its state")
            return tally(db, issue)["audience"]
        found = connection.execute("SELECT content_hash FROM issues WHERE number = ?", (issue,)).fetchone()
        if plan.content_hash not in (None, *found):
            raise UnplannedError
        retitled = plan.drawing.retitled if plan.drawing else ()
        variant_records.put(connection, issue, plan.variants, retitled)
        count = _queue(connection, issue, plan, stamp, nonce)
        if not count:
            raise StateError(f"nobody is subscribed, so issue {issue} is not sent; `digest subscribers import` or add")
        _count_links(connection, db, issue, plan)
        if not plan.drawing:
            _try_nothing(connection, issue, plan.untried, stamp)
        readers = sets_in_use(db, now=now)
        connection.execute(
            "UPDATE issues SET topics_report = ? WHERE number = ?", (as_text(report_on(plan, readers)), issue)
        )
        return count


def _try_nothing(connection: sqlite3.Connection, issue: int, why: str | None, now: str) -> None:
    """Decide for an issue's own subject, where several were to be tried and are not."""
    connection.execute(
        "UPDATE subject_tests SET winner = 0, decided_by = 'trouble', decided_at = ?, found = ? WHERE issue = ?"
        " AND EXISTS (SELECT 1 FROM subjects WHERE issue = ?)",
        (now, json.dumps({"trouble": why or "nothing was planned for it"}), issue, issue),
    )


def _queue(connection: sqlite3.Connection, issue: int, plan: Plan, now: str, nonce: str) -> int:
    """Queue a delivery for everyone who is to be mailed, in the variant of their topics; give how many.

    Where subjects are tried, in one of theirs.
    """
    if plan.drawing:
        return _queue_drawn(connection, issue, plan, plan.drawing, now, nonce)
    if not any(plan.allotment.of_set.values()):
        return connection.execute(
            "INSERT INTO deliveries (issue, subscriber, host)"  # noqa: S608
            f" SELECT :issue, s.id, coalesce(h.host, 0) FROM subscribers s{_HOST} WHERE {MAILED} ORDER BY s.id",
            {"issue": issue, "now": now},
        ).rowcount
    return connection.execute(
        "INSERT INTO deliveries (issue, subscriber, variant, state, reason, host)"  # noqa: S608
        f" SELECT :issue, s.id, max(coalesce(v.variant, 0), 0), iif(v.variant = {NO_MAIL}, 5, 0),"
        f" iif(v.variant = {NO_MAIL}, :off_topic, NULL), coalesce(h.host, 0)"
        " FROM subscribers s LEFT JOIN (SELECT key + 0 AS topic_set, value AS variant FROM json_each(:of_set)) v"
        f" ON v.topic_set = s.topic_set{_HOST} WHERE {MAILED} ORDER BY s.id",
        {"issue": issue, "now": now, "off_topic": OFF_TOPIC, "of_set": json.dumps(dict(plan.allotment.of_set))},
    ).rowcount


def _queue_drawn(connection: sqlite3.Connection, issue: int, plan: Plan, drawing: Drawing, now: str, nonce: str) -> int:
    # A million readers take 6.3 s of processor time, and 1.7 without: the order of chance, and the index of variants.
    connection.create_function("lot", 1, lot(nonce), deterministic=True)
    audience = (
        "SELECT s.id, coalesce(v.variant, 0) AS wanted, coalesce(h.host, 0) AS host FROM subscribers s"  # noqa: S608
        " LEFT JOIN (SELECT key + 0 AS topic_set, value AS variant FROM json_each(:of_set)) v"
        f" ON v.topic_set = s.topic_set{_HOST} WHERE {MAILED}"
    )
    return connection.execute(
        "INSERT INTO deliveries (issue, subscriber, variant, state, reason, host)"  # noqa: S608
        f" SELECT :issue, id, variant, iif(wanted = {NO_MAIL}, 5, 0), iif(wanted = {NO_MAIL}, :off_topic, NULL), host"
        f" FROM ({DRAWN.format(no_mail=NO_MAIL, audience=audience)}) ORDER BY id",
        {
            "issue": issue,
            "now": now,
            "off_topic": OFF_TOPIC,
            "of_set": json.dumps(dict(plan.allotment.of_set)),
            "subjects": drawing.subjects,
            "share": drawing.share,
            "variants": drawing.variants,
        },
    ).rowcount


def _count_links(connection: sqlite3.Connection, db: Database, issue: int, plan: Plan) -> None:
    """Write down what counting the issue's opens and clicks needs, where they are counted."""
    content = issues.frozen(db, issue)
    if content is None or content.tracking is None or not content.tracking.counts:
        return
    contents = [content, *(variant.content for variant in plan.variants)]
    more = plan.drawing.addresses if plan.drawing else ()
    link_records.put(connection, db, issue, contents, content.tracking.site, more)
    connection.execute(
        "INSERT INTO uncounted (issue, subscriber) SELECT d.issue, s.id FROM subscribers s"
        " CROSS JOIN deliveries d ON d.issue = ? AND d.subscriber = s.id WHERE s.uncounted = 1",
        (issue,),
    )
    draw_pseudonyms(connection, issue)


def draw_pseudonyms(connection: sqlite3.Connection, issue: int) -> None:
    """Draw the key by which numbers stand for an issue's readers, where it is counted how many read and not who.

    The store erases it when the issue is sent. Until then one that was drawn stays: a batch that is handed over again
    has the same bytes.
    """
    connection.execute(
        "UPDATE issues SET pseudonym_key = ?"
        " WHERE number = ? AND pseudonym_key IS NULL AND tracking ->> 'mode' = 'counts'",
        (secrets.token_bytes(32), issue),
    )


def copies_counted(db: Database, batch: Claimed) -> CountedAs:
    """Give what the numbers of a batch's copies are made of."""
    key = db.conn.execute("SELECT pseudonym_key FROM issues WHERE number = ?", (batch.issue,)).fetchone()[0]
    uncounted = db.conn.execute(
        "SELECT subscriber FROM uncounted WHERE issue = ? AND subscriber BETWEEN ? AND ?",
        (batch.issue, batch.first, batch.last),
    )
    # Where it is kept who reads, the ledger says which group they are of.
    group = groups_of(db.conn, batch.issue).get(batch.variant) if key is not None else None
    return CountedAs(key, frozenset(subscriber for (subscriber,) in uncounted), group)


def claim_batch(
    db: Database,
    issue: int,
    *,
    provider: str,
    account: str,
    worker: int,
    size: int,
    after: int,
    now: datetime,
    variant: int = WHOLE,
    zones: Sequence[str] | None = None,
    a_day: int = 0,
) -> Claimed | None:
    """Claim the next queued deliveries of a variant, in the order of subscribers after the one given.

    Those who left, paused or were suppressed since the audience was frozen are skipped, here, at the last moment. Gives
    None where nothing is queued, the issue is not being sent (any more) or the day's cap is reached, and a batch
    without copies where all of this stretch were skipped.

    Args:
        db: the store.
        issue: its number.
        provider: who is to take them, and
        account: where at it.
        worker: who claims.
        size: how many at most.
        after: the subscriber after whom to begin.
        now: the moment.
        variant: of which variant of the issue.
        zones: only readers in these time zones; the empty one stands for those whose zone is not known.
        a_day: how many copies the provider may be given this day (UTC), all issues together; 0 is without a limit.
    """
    day = f"{now.astimezone(UTC):%Y-%m-%d}"
    with writing(db) as connection:
        # Of one that was brought back from a backup, nobody knows yet who got it since: see `doubts.py`.
        stands = connection.execute("SELECT state, doubted_at FROM issues WHERE number = ?", (issue,)).fetchone()
        if stands != ("sending", None):
            return None
        if a_day and (size := min(size, a_day - copies_on(db, provider, day))) <= 0:
            return None
        if variant and _waits(connection, issue, variant):
            return None
        within, of = (_BY_VARIANT, " AND d.variant <> 0") if variant else ("", "")
        found = connection.execute(
            _QUEUED.format(within=within, of=of, zones=_IN_ZONES if zones is not None else ""),
            {
                "issue": issue,
                "after": after,
                "size": size,
                "variant": variant,
                "now": times.to_text(now),
                "zones": json.dumps(list(zones or ())),
            },
        ).fetchone()
        rows = orjson.loads(found[0])
        if not rows:
            return None
        first, last, more = rows[0][0], rows[-1][0], len(rows) == size
        copies = tuple([(id_, email, name) for id_, email, name, gone in rows if gone is None])
        if len(copies) < len(rows):
            connection.executemany(
                "UPDATE deliveries SET state = 5, reason = ? WHERE issue = ? AND subscriber = ?",
                [(gone, issue, id_) for id_, _, _, gone in rows if gone is not None],
            )
        if not copies:
            return Claimed(0, issue, provider, account, "", now, first, last, (), variant=variant, more=more)
        batch = _new_batch(connection, issue, provider, account, worker, copies, variant, now)
        if zones is None:
            # Of this stretch, all of the variant that are still queued are in the batch.
            connection.execute(
                f"UPDATE deliveries{within} SET state = 1, batch = ? WHERE issue = ? AND subscriber BETWEEN ? AND ?"  # noqa: S608
                f" AND state = 0 AND variant = ?{of.replace('d.', '')}",
                (batch.number, issue, first, last, variant),
            )
        else:
            _put(connection, batch, 1)
        count_for_day(connection, provider, day, len(copies))
        # The cursor goes on after the last one looked at, skipped or not.
        return replace(batch, more=more)


def _waits(connection: sqlite3.Connection, issue: int, variant: int) -> bool:
    """Tell whether a variant waits for the subject that wins."""
    sql = f"SELECT EXISTS (SELECT 1 FROM variants WHERE issue = ? AND variant = ? AND {WAITS})"  # noqa: S608 (our own)
    return bool(connection.execute(sql, (issue, variant)).fetchone()[0])


def _new_batch(
    connection: sqlite3.Connection,
    issue: int,
    provider: str,
    account: str,
    worker: int,
    copies: Copies,
    variant: int,
    now: datetime,
) -> Claimed:
    key, first, last = secrets.token_hex(16), copies[0][0], copies[-1][0]
    number = connection.execute(
        "INSERT INTO batches"
        " (issue, provider, account, idempotency_key, worker, state, first, last, size, fingerprint, variant,"
        " claimed_at) VALUES (?, ?, ?, ?, ?, 'claimed', ?, ?, ?, ?, ?, ?) RETURNING number",
        (
            issue,
            provider,
            account,
            key,
            worker,
            first,
            last,
            len(copies),
            _fingerprint(copies),
            variant,
            times.to_text(now),
        ),
    ).fetchone()[0]
    return Claimed(number, issue, provider, account, key, now, first, last, copies, variant=variant)


def _put(connection: sqlite3.Connection, batch: Claimed, state: Literal[1, 4]) -> None:
    connection.executemany(
        "UPDATE deliveries SET state = ?, batch = ? WHERE issue = ? AND subscriber = ?",
        [(state, batch.number, batch.issue, id_) for id_, _, _ in batch.copies],
    )


def _fingerprint(copies: Copies) -> bytes:
    return blake2b(orjson.dumps(copies), digest_size=16).digest()


def copies_on(db: Database, provider: str, day: str) -> int:
    """Give how many copies a provider was given on a day, such as ``2026-11-26`` (UTC), and did not refuse."""
    row = db.conn.execute("SELECT copies FROM provider_days WHERE provider = ? AND day = ?", (provider, day)).fetchone()
    return row[0] if row else 0


def days_before(db: Database, provider: str, day: str) -> int:
    """Count the days before this one on which a provider was given anything."""
    sql = "SELECT count(*) FROM provider_days WHERE provider = ? AND day < ? AND copies > 0"
    return int(db.conn.execute(sql, (provider, day)).fetchone()[0])


def count_for_day(connection: sqlite3.Connection, provider: str, day: str, copies: int) -> None:
    """Count copies that a provider was given on a day, such as ``2026-11-26`` (UTC), or was not after all."""
    connection.execute(
        "INSERT INTO provider_days VALUES (?, ?, max(0, ?)) ON CONFLICT DO UPDATE SET copies = max(0, copies + ?)",
        (provider, day, copies, copies),
    )


def record(db: Database, batch: Claimed, answer: Answer, *, by: Settled = "answer", now: datetime) -> None:
    """Write down what the provider said of each copy, and settle the batch, unless some are uncertain still.

    Raises:
        ValueError: the answer does not fit the batch, which stays as it is.
        StateError: another worker settled it meanwhile.
    """
    others: dict[int, tuple[Delivery, str | None]] = {
        id_: (Delivery.REJECTED, reason) for id_, reason in answer.rejected.items()
    }
    others |= dict.fromkeys(answer.again, (Delivery.QUEUED, None))
    others |= dict.fromkeys(answer.uncertain, (Delivery.UNCERTAIN, None))
    accepted = [id_ for id_, _, _ in batch.copies if id_ not in others]
    if len(accepted) + len(others) != len(batch.copies):
        raise ValueError(f"the answer to batch {batch.number} names copies that are not in it")
    if len(answer.message_ids) not in (0, 1, len(accepted)):
        raise ValueError(f"{len(answer.message_ids)} message ids for {len(accepted)} copies of batch {batch.number}")
    whole = len(answer.message_ids) == 1 < len(accepted)
    ids = {id_: name for id_, name in zip([_WHOLE] if whole else accepted, answer.message_ids, strict=False) if name}
    with writing(db) as connection:
        why = "; ".join(dict.fromkeys(answer.uncertain.values()))[:500]
        if answer.again:
            day = f"{batch.claimed_at.astimezone(UTC):%Y-%m-%d}"
            count_for_day(connection, batch.provider, day, -len(answer.again))
            others |= dict.fromkeys(answer.again, _never_accepted(connection, batch.issue))
        proof = None if answer.uncertain else by
        _resolve(connection, batch, Delivery.ACCEPTED, others, ids, by=proof, why=why, now=now)


def settle(db: Database, batch: Claimed, accepted: Mapping[int, str | None], *, by: Settled, now: datetime) -> None:
    """Settle an uncertain batch by what was shown of it: the rest was never accepted and is queued again."""
    with writing(db) as connection:
        back = _never_accepted(connection, batch.issue)
        _resolve(
            connection,
            batch,
            Delivery.ACCEPTED,
            {id_: back for id_, _, _ in batch.copies if id_ not in accepted},
            {id_: name for id_, name in accepted.items() if name},
            by=by,
            now=now,
        )


def accept_some(
    db: Database, batch: Claimed, accepted: Mapping[int, str | None], *, by: Settled, now: datetime
) -> None:
    """Write down which copies of an uncertain batch are proven accepted; the rest stays uncertain, if there is one."""
    with writing(db) as connection:
        rest = {id_: (Delivery.UNCERTAIN, None) for id_, _, _ in batch.copies if id_ not in accepted}
        names = {id_: name for id_, name in accepted.items() if name}
        _resolve(connection, batch, Delivery.ACCEPTED, rest, names, by=None if rest else by, now=now)
        if rest and len(rest) < len(batch.copies):
            _say_changed(connection, batch.issue, now)


def queued_again(db: Database, issue: int) -> list[Claimed]:
    """Give the batches of which a person, or the setting `uncertain`, said that they were not accepted.

    Each with those of its copies that were queued again by that and wait still, without their addresses.
    """
    rows = db.conn.execute(
        "SELECT b.number, b.provider, b.account, b.idempotency_key, b.claimed_at, b.first, b.last, b.variant,"
        " (SELECT json_group_array(d.subscriber) FROM deliveries d WHERE d.issue = b.issue"
        " AND d.subscriber BETWEEN b.first AND b.last AND d.batch = b.number AND d.state = 0)"
        " FROM batches b WHERE b.issue = ? AND b.settled_by IN ('setting', 'person') ORDER BY b.number",
        (issue,),
    )
    return [
        Claimed(
            number, issue, provider, account, key, times.from_text(claimed_at), first, last, copies, variant=variant
        )
        for number, provider, account, key, claimed_at, first, last, variant, found in rows
        if (copies := tuple((id_, "", None) for id_ in json.loads(found)))
    ]


def accept_queued(db: Database, batch: Claimed, accepted: Collection[int], *, now: datetime) -> int:
    """Write down which copies that were queued again had been accepted after all; give how many still waited."""
    with writing(db) as connection:
        count = connection.execute(
            "UPDATE deliveries SET state = 2 WHERE issue = ? AND subscriber IN (SELECT value FROM json_each(?))"
            " AND batch = ? AND state = 0",
            (batch.issue, json.dumps([*accepted]), batch.number),
        ).rowcount
        if count:
            _say_changed(connection, batch.issue, now)
        return count


def _say_changed(connection: sqlite3.Connection, issue: int, now: datetime) -> None:
    """Write down that copies changed by which neither batches nor issue do: figures are counted anew then.

    Those of one that is being sent always are.
    """
    connection.execute(
        "UPDATE issues SET updated_at = ? WHERE number = ? AND state <> 'sending'", (times.to_text(now), issue)
    )


def release(db: Database, batch: Claimed, why: str, *, now: datetime) -> None:
    """Queue a batch's copies again: it is proven that nothing of it was accepted."""
    with writing(db) as connection:
        state, reason = _never_accepted(connection, batch.issue)
        _resolve(connection, batch, state, {}, {}, by="refused", why=why, reason=reason, now=now)
        count_for_day(connection, batch.provider, f"{batch.claimed_at.astimezone(UTC):%Y-%m-%d}", -len(batch.copies))


def split(
    db: Database, batch: Claimed, why: str, *, rejected: Mapping[int, str], worker: int, now: datetime
) -> list[Claimed]:
    """Make new batches of one that was refused whole: without those who are to blame, or in halves; give them.

    They are claimed anew: who left meanwhile is skipped, and where the issue is not being sent any more, all that is
    left is put back. A batch of one copy has nothing to split: that copy is rejected.
    """
    if len(batch.copies) == 1:
        rejected = {batch.copies[0][0]: why}
    with writing(db) as connection:
        others: dict[int, tuple[Delivery, str | None]] = {
            id_: (Delivery.REJECTED, reason) for id_, reason in rejected.items()
        }
        if connection.execute("SELECT state FROM issues WHERE number = ?", (batch.issue,)).fetchone() == ("sending",):
            left = _gone(connection, [id_ for id_, _, _ in batch.copies], now)
            others = {id_: (Delivery.SKIPPED, reason) for id_, reason in left.items()} | others
        else:
            back = _never_accepted(connection, batch.issue)
            others = {id_: back for id_, _, _ in batch.copies} | others
        _resolve(connection, batch, Delivery.CLAIMED, others, {}, by="refused", why=why, now=now)
        rest = tuple(copy for copy in batch.copies if copy[0] not in others)
        middle = len(rest) if rejected else len(rest) // 2
        made = []
        for part in filter(None, (rest[:middle], rest[middle:])):
            new = _new_batch(connection, batch.issue, batch.provider, batch.account, worker, part, batch.variant, now)
            _put(connection, new, 1)
            made.append(new)
        day = f"{batch.claimed_at.astimezone(UTC):%Y-%m-%d}"
        count_for_day(connection, batch.provider, day, len(rest) - len(batch.copies))
        return made


def _gone(connection: sqlite3.Connection, subscribers: list[int], now: datetime) -> dict[int, str]:
    """Give those of some subscribers who must not be mailed any more, and why."""
    return dict(
        connection.execute(
            f"SELECT id, gone FROM (SELECT s.id, {_GONE} AS gone FROM subscribers s"  # noqa: S608 (our own words)
            " LEFT JOIN suppressions x ON x.email_key = s.email_key"
            " WHERE s.id IN (SELECT value FROM json_each(:subscribers))) WHERE gone IS NOT NULL",
            {"subscribers": json.dumps(subscribers), "now": times.to_text(now)},
        ).fetchall()
    )


def _never_accepted(connection: sqlite3.Connection, issue: int) -> tuple[Delivery, str | None]:
    """What becomes of a copy that was not accepted: queued again, unless its issue was cancelled meanwhile."""
    state = connection.execute("SELECT state FROM issues WHERE number = ?", (issue,)).fetchone()
    return (Delivery.SKIPPED, "cancelled") if state == ("cancelled",) else (Delivery.QUEUED, None)


def _resolve(
    connection: sqlite3.Connection,
    batch: Claimed,
    most: Delivery,
    others: Mapping[int, tuple[Delivery, str | None]],
    message_ids: Mapping[int, str],
    *,
    by: Settled | None,
    now: datetime,
    why: str | None = None,
    reason: str | None = None,
) -> None:
    """Give every open delivery of a batch its state: `most` in one statement, `others` one by one.

    Without `by` the batch is uncertain from here on.
    """
    stamp = times.to_text(now)
    state = "settled" if by else "uncertain"
    found = connection.execute(
        "UPDATE batches SET state = ?1, settled_by = ?2,"
        " settled_at = iif(?1 = 'settled', ?3, NULL),"
        " uncertain_at = iif(?1 = 'settled', uncertain_at, coalesce(uncertain_at, ?3)),"
        " trouble = coalesce(trouble, ?4) WHERE number = ?5 AND state <> 'settled' RETURNING message_ids",
        (state, by, stamp, why or None, batch.number),
    ).fetchone()
    if found is None:
        raise StateError(f"batch {batch.number} was settled by another worker")
    connection.executemany(
        "UPDATE deliveries SET state = ?, reason = ?"
        " WHERE issue = ? AND subscriber = ? AND batch = ? AND state IN (1, 4)",
        [(*outcome, batch.issue, id_, batch.number) for id_, outcome in others.items()],
    )
    unsure = [id_ for id_, (state, _) in others.items() if state in (Delivery.UNCERTAIN, Delivery.CLAIMED)]
    mine = (batch.issue, batch.first, batch.last, batch.number, *([json.dumps(unsure)] if unsure else []))
    still, within = (_OPEN + _BUT if unsure else _OPEN), ""
    if batch.variant:
        mine, still, within = (*mine, batch.variant), f"{still} AND variant = ? AND variant <> 0", _BY_VARIANT
    if reason:
        connection.execute(f"UPDATE deliveries{within} SET reason = ?{still}", (reason, *mine))  # noqa: S608 (our own words)
    # Apart from the state, because a reason that stays empty costs as much again when it is written.
    connection.execute(f"UPDATE deliveries{within} SET state = ?{still}", (most, *mine))  # noqa: S608
    if message_ids:
        known = read_ids(found[0]) | dict(message_ids)
        connection.execute("UPDATE batches SET message_ids = ? WHERE number = ?", (write_ids(known), batch.number))


def message_id(db: Database, issue: int, subscriber: int) -> str | None:
    """Give the provider's id of an accepted copy, or of the call it went in; None where it gave none."""
    row = db.conn.execute(
        "SELECT b.message_ids FROM deliveries d JOIN batches b ON b.number = d.batch"
        " WHERE d.issue = ? AND d.subscriber = ? AND d.state = 2",
        (issue, subscriber),
    ).fetchone()
    ids = read_ids(row[0]) if row else {}
    return ids.get(subscriber) or ids.get(_WHOLE)


def open_batches(db: Database, issue: int) -> list[OpenBatch]:
    """Give the batches of an issue that are not settled, oldest first."""
    rows = db.conn.execute(
        "SELECT number, worker, provider, account, state, trouble, size, claimed_at"
        " FROM batches WHERE issue = ? AND state <> 'settled' ORDER BY number",
        (issue,),
    )
    return [
        OpenBatch(number, worker, provider, account, state, trouble, size, times.from_text(claimed_at))
        for number, worker, provider, account, state, trouble, size, claimed_at in rows
    ]


def adopt(db: Database, number: int, *, before: int, worker: int, trouble: str, now: datetime) -> Claimed | None:
    """Take over a batch whose worker, the one `before`, died, or that one's own call left open.

    It is uncertain from here on. Of several who try, one gets it; the others get None.
    """
    with writing(db) as connection:
        taken = connection.execute(
            "UPDATE batches SET worker = ?1, state = 'uncertain', trouble = coalesce(trouble, ?2),"
            # A moment to come is of a clock that was wrong.
            " uncertain_at = iif(uncertain_at <= ?3, uncertain_at, ?3)"
            " WHERE number = ?4 AND worker = ?5 AND state <> 'settled'"
            " RETURNING issue, provider, account, idempotency_key, claimed_at, first, last, uncertain_at, fingerprint,"
            " size, variant",
            (worker, trouble, times.to_text(now), number, before),
        ).fetchone()
        if taken is None:
            return None
        issue, provider, account, key, claimed_at, first, last, uncertain_at, fingerprint, size, variant = taken
        connection.execute(
            "UPDATE deliveries SET state = 4"
            " WHERE issue = ? AND subscriber BETWEEN ? AND ? AND batch = ? AND state = 1",
            (issue, first, last, number),
        )
        copies = uncertain_copies(db, issue, number, first, last)
        return Claimed(
            number, issue, provider, account, key, times.from_text(claimed_at), first, last, copies,
            times.from_text(uncertain_at), len(copies) == size and fingerprint in (None, _fingerprint(copies)), variant,
        )  # fmt: skip


def uncertain_copies(db: Database, issue: int, batch: int, first: int, last: int) -> Copies:
    """Give the uncertain copies of a batch, whose subscribers are between two."""
    return tuple(
        db.conn.execute(
            "SELECT d.subscriber, s.email, s.name FROM deliveries d JOIN subscribers s ON s.id = d.subscriber"
            " WHERE d.issue = ? AND d.subscriber BETWEEN ? AND ? AND d.batch = ? AND d.state = 4"
            " ORDER BY d.subscriber",
            (issue, first, last, batch),
        ).fetchall()
    )


def doubt_anew(db: Database, batch: Claimed, *, now: datetime) -> Claimed:
    """Count from now for how long a batch is uncertain: it is about to be handed over once more; give it so.

    Raises:
        StateError: its issue was brought back from a backup: its copies may have gone by another batch since.
    """
    with writing(db) as connection:
        row = connection.execute("SELECT doubted_at FROM issues WHERE number = ?", (batch.issue,)).fetchone()
        if row != (None,):
            raise StateError(f"issue {batch.issue} is in doubt since a restore, so nothing of it is handed over again")
        connection.execute(
            "UPDATE batches SET uncertain_at = ? WHERE number = ? AND state <> 'settled'",
            (times.to_text(now), batch.number),
        )
    return replace(batch, uncertain_at=now)


def any_queued(db: Database, issue: int) -> bool:
    """Tell whether any copy of an issue is queued."""
    sql = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE issue = ? AND state = 0)"
    return bool(db.conn.execute(sql, (issue,)).fetchone()[0])


def queued_variants(db: Database, issue: int, *, zones: Sequence[str] | None = None) -> list[int]:
    """Give the variants of which copies are queued that `claim_batch` would claim, with the same `zones`.

    Those that wait for the subject that wins are not among them.
    """
    rows = db.conn.execute(
        "SELECT DISTINCT d.variant FROM deliveries d JOIN subscribers s ON s.id = d.subscriber"  # noqa: S608
        f" WHERE d.issue = :issue AND d.state = 0 AND d.variant NOT IN"
        f" (SELECT variant FROM variants WHERE issue = :issue AND {WAITS})"
        f"{_IN_ZONES if zones is not None else ''} ORDER BY d.variant",
        {"issue": issue, "zones": json.dumps(list(zones or ()))},
    )
    return [variant for (variant,) in rows]


def queued_by_zone(db: Database, issue: int) -> dict[str, set[int]]:
    """Give the time zones of the readers whose copies are queued, and the variants of those in each."""
    rows = db.conn.execute(
        "SELECT DISTINCT coalesce(s.timezone, ''), d.variant FROM deliveries d"
        " JOIN subscribers s ON s.id = d.subscriber WHERE d.issue = ? AND d.state = 0",
        (issue,),
    )
    found: dict[str, set[int]] = {}
    for zone, variant in rows:
        found.setdefault(zone, set()).add(variant)
    return found


def has_given(db: Database, issue: int | None, provider: str, account: str) -> bool:
    """Tell whether anything of an issue, or of any one, was ever claimed for a provider's account."""
    sql = "SELECT EXISTS (SELECT 1 FROM batches WHERE issue = coalesce(?, issue) AND provider = ? AND account = ?)"
    return bool(db.conn.execute(sql, (issue, provider, account)).fetchone()[0])


def newest_claim(db: Database) -> datetime | None:
    """Give when the last batch of all was claimed."""
    newest = db.conn.execute("SELECT max(claimed_at) FROM batches").fetchone()[0]
    return times.from_text(newest) if newest else None


def gone(db: Database, batch: Claimed, *, now: datetime) -> dict[int, str]:
    """Give those of a batch who left, paused or were suppressed, and why."""
    return _gone(db.conn, [id_ for id_, _, _ in batch.copies], now)


def hold(db: Database, batch: Claimed, why: str) -> None:
    """Leave an uncertain batch to a person."""
    with writing(db) as connection:
        connection.execute(
            "UPDATE batches SET state = 'held', trouble = ? WHERE number = ? AND state = 'uncertain'",
            (why, batch.number),
        )


def finish(db: Database, issue: int, *, now: datetime) -> bool:
    """Call an issue sent when nothing of it is queued, claimed or uncertain; tell whether it is.

    One that was paused for a trouble, and has nothing left, is sent too.
    """
    with writing(db) as connection:
        connection.execute(
            "UPDATE issues SET state = 'sent', sent_at = ?, updated_at = ?, doubted_at = NULL WHERE number = ?"
            " AND (state = 'sending' OR (state = 'paused' AND trouble IS NOT NULL))"
            " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue = issues.number AND state IN (0, 1, 4))",
            (times.to_text(now), times.to_text(now), issue),
        )
        return bool(connection.execute("SELECT state = 'sent' FROM issues WHERE number = ?", (issue,)).fetchone()[0])


def tally(db: Database, issue: int) -> dict[str, int]:
    """Count an issue's deliveries by state; `audience` is their sum."""
    counts = dict(
        db.conn.execute("SELECT state, count(*) FROM deliveries WHERE issue = ? GROUP BY state", (issue,)).fetchall()
    )
    return {"audience": sum(counts.values())} | {state.name.lower(): counts.get(state, 0) for state in Delivery}


def readers_of_variants(db: Database, issue: int) -> dict[int, int]:
    """Count the deliveries of each variant for topics of an issue, whatever their subject; not those of the issue."""
    rows = db.conn.execute(
        "SELECT v.of_variant, count(*) FROM deliveries d JOIN variants v ON v.issue = d.issue AND v.variant = d.variant"
        " WHERE d.issue = ? AND d.variant <> 0 AND v.of_variant <> 0 GROUP BY v.of_variant",
        (issue,),
    )
    return dict(rows.fetchall())
