"""What is measured of issues and their batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from digest import times
from digest.gauges import Gauge, single
from digest.sending.subject_test import copies_wait
from digest.sending.timing import quiet_until
from digest.settings import Settings
from digest.store import Database

ISSUES = ("draft", "approved", "sending", "paused", "sent", "cancelled")
OPEN = ("claimed", "uncertain", "held")


def latest(db: Database) -> int | None:
    """Give the issue that is being sent, or else the last one that was begun."""
    # Numbers and states stand before the large columns of a row: of the others nothing is read.
    row = db.conn.execute(
        "SELECT number FROM issues WHERE state IN ('sending', 'paused', 'sent')"
        " ORDER BY state = 'sending' DESC, number DESC LIMIT 1"
    ).fetchone()
    return row[0] if row else None


def gauges(db: Database, settings: Settings, *, now: datetime) -> Iterator[Gauge]:
    """Measure."""
    by_state = dict(db.conn.execute("SELECT state, count(*) FROM issues GROUP BY state").fetchall())
    number = latest(db)
    yield Gauge("issues", "Issues by state.", ("state",), {(state,): by_state.get(state, 0) for state in ISSUES})
    yield single("latest_issue_number", "The issue that is being sent, or else the last one that was begun.", number)
    sent = db.conn.execute(
        "SELECT sent_at FROM issues WHERE number = (SELECT max(number) FROM issues WHERE state = 'sent')"
    ).fetchone()
    yield single(
        "issue_last_sent_timestamp_seconds",
        "When the last issue had been sent to all its readers.",
        times.from_text(sent[0]).timestamp() if sent and sent[0] else None,
    )
    troubled, doubted = db.conn.execute(
        "SELECT count(*) FILTER (WHERE trouble IS NOT NULL AND state IN ('approved', 'sending', 'paused')),"
        " count(*) FILTER (WHERE doubted_at IS NOT NULL)"
        " FROM issues WHERE state IN ('approved', 'sending', 'paused')"
    ).fetchone()
    yield single("issues_in_trouble", "Issues that something keeps from being sent; the desk says what.", troubled)
    yield single("issues_in_doubt", "Issues that a restore has made doubtful: of some copies nobody knows.", doubted)
    yield Gauge(
        "sending_waits",
        "1 where the issue that is being sent waits for something that is meant to be waited for.",
        ("why",),
        {(why,): float(waits) for why, waits in _waits(db, settings, number, now)},
    )
    yield from _batches(db, now)
    yield from _providers(db, now)


def _waits(db: Database, settings: Settings, number: int | None, now: datetime) -> Iterator[tuple[str, bool]]:
    row = db.conn.execute(
        "SELECT local_time IS NOT NULL FROM issues WHERE number = ? AND state = 'sending'", (number,)
    ).fetchone()
    yield "quiet hours", row is not None and quiet_until(now, settings.quiet, settings.zone) is not None
    yield "readers' own time", row is not None and bool(row[0])
    yield "a subject to be decided", row is not None and number is not None and copies_wait(db, number)


def _batches(db: Database, now: datetime) -> Iterator[Gauge]:
    rows = db.conn.execute(
        "SELECT state, count(*), sum(size), min(coalesce(uncertain_at, claimed_at)) FROM batches"
        " WHERE state <> 'settled' GROUP BY state"
    ).fetchall()
    found = {state: (batches, copies, times.from_text(oldest)) for state, batches, copies, oldest in rows}
    yield Gauge(
        "batches",
        "Batches that are not settled, by state: being handed over, uncertain, held for a person.",
        ("state",),
        {(state,): found[state][0] if state in found else 0 for state in OPEN},
    )
    yield Gauge(
        "batch_copies",
        "The copies that were claimed with those batches.",
        ("state",),
        {(state,): found[state][1] if state in found else 0 for state in OPEN},
    )
    yield Gauge(
        "batch_oldest_seconds",
        "For how long the oldest of those batches has been so.",
        ("state",),
        {
            (state,): max(0.0, (now - found[state][2]).total_seconds()) if state in found else 0.0
            for state in OPEN
        },
    )  # fmt: skip


def _providers(db: Database, now: datetime) -> Iterator[Gauge]:
    rows = db.conn.execute("SELECT provider, not_before FROM paces").fetchall()
    yield Gauge(
        "provider_wait_seconds",
        "For how long a provider is to be left alone, because it said so or calls to it failed.",
        ("provider",),
        {(provider,): max(0.0, not_before - now.timestamp()) for provider, not_before in rows},
    )
    today = db.conn.execute(
        "SELECT p.provider, coalesce(d.copies, 0) FROM paces p"
        " LEFT JOIN provider_days d ON d.provider = p.provider AND d.day = ?",
        (times.to_text(now)[:10],),
    ).fetchall()
    yield Gauge(
        "provider_copies_today",
        "Copies handed over to a provider and not refused, on this day in UTC.",
        ("provider",),
        {(provider,): copies for provider, copies in today},
    )


class Settled:
    """Counts batches as they are settled, by whichever process: looks only at those that are new or were open.

    A batch's row has the ids of its copies beside, some 16 KB: all of a year's are not read for a figure. So it counts
    from when it began, as counters of Prometheus do.
    """

    def __init__(self, db: Database) -> None:
        self._batches: Counter[tuple[str, str]] = Counter()
        self._copies: Counter[str] = Counter()
        self._open = {number for (number,) in db.conn.execute("SELECT number FROM batches WHERE state <> 'settled'")}
        self._last: int = db.conn.execute("SELECT coalesce(max(number), 0) FROM batches").fetchone()[0]

    def gauges(self, db: Database) -> Iterator[Gauge]:
        """Look at what is new, and give the figures."""
        sql = "SELECT number, provider, state, settled_by, size FROM batches WHERE number"
        rows = db.conn.execute(f"{sql} > ?", (self._last,)).fetchall()
        for number in sorted(self._open):
            rows += db.conn.execute(f"{sql} = ?", (number,)).fetchall()
        for number, provider, state, settled_by, size in rows:
            self._last = max(self._last, number)
            if state != "settled":
                self._open.add(number)
                continue
            self._open.discard(number)
            self._batches[provider, settled_by or "answer"] += 1
            self._copies[provider] += size
        yield Gauge(
            "batches_settled_total",
            "Batches settled since the server started, by provider and by what settled them.",
            ("provider", "by"),
            {pair: float(count) for pair, count in self._batches.items()},
            counts_up=True,
        )
        yield Gauge(
            "copies_settled_total",
            "The copies in those batches, however they ended.",
            ("provider",),
            {(provider,): copies for provider, copies in self._copies.items()},
            counts_up=True,
        )
