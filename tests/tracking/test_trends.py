"""Issues and audience over time, and the week for the summary."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from conftest import NOW
from digest import times
from digest.audience import subscribers
from digest.store import Database, writing
from digest.tracking.trends import Unit, growth_by, issue_lines, over_time
from digest.tracking.weeks import week

WEEK = timedelta(weeks=1)


def an_issue(
    db: Database,
    number: int,
    at: datetime,
    *,
    delivered: int | None = 1000,
    clicked: int = 100,
    mode: str = "counts",
    state: str = "sent",
    **more: int,
) -> None:
    stamp = times.to_text(at)
    figures = {"audience": 1010, "accepted copies": 1000, "delivered": delivered or 0, "clicked people": clicked}
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, content_hash, html, text, envelope,"
            " created_at, updated_at, sending_at, sent_at, tracking)"
            " VALUES (?1, ?2, 'Subject ' || ?1, '', '', ?3, 'h', '', '', '{}', ?3, ?3, ?3, ?3, ?4)",
            (number, state, stamp, None if mode == "off" else json.dumps({"mode": mode, "utm": "", "hidden": False})),
        )
        connection.executemany(
            "INSERT INTO figures (issue, measure, count) VALUES (?, ?, ?)",
            [(number, measure.replace("_", " "), count) for measure, count in (figures | more).items() if count],
        )


def days(db: Database, *rows: tuple[date, str, int]) -> None:
    db.conn.executemany(
        "INSERT INTO audience_days VALUES (?, ?, ?)",
        [(day.isoformat(), measure, count) for day, measure, count in rows],
    )


def test_issues_stand_in_their_order_with_the_mean_of_their_rates(db: Database) -> None:
    an_issue(db, 1, NOW - 4 * WEEK, clicked=100)
    an_issue(db, 2, NOW - 3 * WEEK, clicked=40, delivered=None)
    an_issue(db, 4, NOW - 2 * WEEK, mode="off", clicked=0)
    db.execute("UPDATE issues SET sending_at = NULL WHERE number = 5")
    trends = over_time(db, now=NOW)
    assert [line.number for line in trends.issues] == [1, 2, 4]
    assert [line.delivered for line in trends.issues] == [1000, None, 1000]
    assert trends.averages.clicked == pytest.approx((0.1 + 0.04) / 2), "where it is not counted it is no nought"
    assert trends.averages.delivered == 1.0
    assert any("Of issue 2 nobody told of a delivery" in note for note in trends.notes)
    assert [line.number for line in over_time(db, now=NOW, issues=2).issues] == [2, 4]
    assert [line.number for line in issue_lines(db, limit=5, before=4)] == [1, 2]


def test_what_nobody_told_of_is_in_no_average(db: Database) -> None:
    an_issue(db, 1, NOW - 4 * WEEK, bounced_hard=40, complained=2)
    an_issue(db, 2, NOW - 3 * WEEK, delivered=None)
    an_issue(db, 3, NOW - 2 * WEEK, delivered=None, bounced_soft=20)
    trends = over_time(db, now=NOW)
    assert [line.complained for line in trends.issues] == [2, None, 0]
    assert [line.rates.bounced and line.rates.bounced.value for line in trends.issues] == [0.04, None, 0.02]
    assert trends.averages.bounced == pytest.approx((0.04 + 0.02) / 2)
    assert trends.averages.complained == pytest.approx(0.002 / 2)
    assert any("Bounces and complaints of issue 2 are unknown" in note for note in trends.notes)
    by_mail = over_time(db, now=NOW, by_mail=True)
    assert [line.complained for line in by_mail.issues] == [2, 0, 0]
    assert not any("unknown" in note for note in by_mail.notes)


def test_a_store_without_issues_and_readers_has_empty_trends(db: Database) -> None:
    trends = over_time(db, now=NOW)
    assert (trends.issues, trends.growth, trends.subjects, trends.troubles) == ((), (), (), ())
    assert trends.averages.clicked is None
    assert (trends.health.active, trends.health.mailed) == (0, 0)


def test_subjects_are_called_better_or_worse_only_where_chance_does_not_explain_it(db: Database) -> None:
    for number, clicked in enumerate((100, 104, 170, 40, 98), start=1):
        an_issue(db, number, NOW - number * WEEK, clicked=clicked)
    an_issue(db, 6, NOW - timedelta(hours=5), clicked=300)
    an_issue(db, 7, NOW - WEEK, clicked=30, delivered=50)
    subjects = over_time(db, now=NOW).subjects
    assert [(one.number, one.verdict) for one in subjects] == [
        (3, "better"),
        (2, "alike"),
        (1, "alike"),
        (5, "alike"),
        (4, "worse"),
    ], "too new and too small issues are not compared"


@pytest.mark.parametrize(
    ("unit", "starts"),
    [
        ("day", ["2026-11-24", "2026-11-25", "2026-11-26"]),
        ("week", ["2026-11-09", "2026-11-16", "2026-11-23"]),
        ("month", ["2026-09-01", "2026-10-01", "2026-11-01"]),
    ],
)
def test_growth_counts_everybody_once_whatever_the_unit(db: Database, unit: Unit, starts: list[str]) -> None:
    for back in range(0, 200, 3):
        days(
            db, (NOW.date() - timedelta(days=back), "joined", back + 5), (NOW.date() - timedelta(days=back), "left", 2)
        )
    days(db, (NOW.date(), "hard bounce", 3), (NOW.date(), "complaint", 1))
    growth = growth_by(db, unit, 3, now=NOW)
    assert [one.start for one in growth] == starts
    assert growth[-1].active == sum(back + 3 for back in range(0, 200, 3))
    assert all(later.active - one.active == later.net == later.joined - later.left for one, later in pairwise(growth))
    assert (growth[-1].bounced, growth[-1].complained) == (3, 1)


def test_growth_begins_with_the_first_reader_and_loses_nobody_to_a_wrong_clock(db: Database) -> None:
    days(db, (date(2026, 11, 18), "joined", 5), (date(2027, 3, 1), "joined", 2))
    growth = growth_by(db, "week", 26, now=NOW)
    assert [(one.label, one.joined, one.active) for one in growth] == [("16 Nov", 5, 5), ("23 Nov", 2, 7)]


def test_the_week_has_its_issues_beside_the_average_of_those_before(db: Database) -> None:
    monday = datetime(2026, 11, 30, 9, tzinfo=UTC)
    for back in range(10):
        an_issue(db, 10 - back, NOW - back * WEEK, clicked=100 + back * 10, complained=10 if back == 0 else 0)
    found = week(db, now=monday)
    assert (found.since, found.until) == ("2026-11-23T00:00:00.000000Z", "2026-11-30T00:00:00.000000Z")
    (one,) = found.issues
    assert one.line.number == 10
    assert one.before.issues == 8
    assert one.before.clicked == pytest.approx(sum(0.1 + back / 100 for back in range(1, 9)) / 8)
    assert [trouble.level for trouble in found.troubles] == ["bad"]
    assert week(db, now=monday + 2 * WEEK).issues == ()


def test_every_day_is_in_one_week(db: Database) -> None:
    monday = datetime(2026, 11, 30, 9, tzinfo=UTC)
    for back in range(30):
        days(
            db,
            ((monday - timedelta(days=back)).date(), "joined", 1),
            ((monday - timedelta(days=back)).date(), "left", 2),
        )
    found = [week(db, now=monday + ahead * WEEK) for ahead in (-2, -1, 0, 1)]
    assert [one.joined for one in found] == [7, 7, 7, 1]
    assert [one.net for one in found] == [-7, -7, -7, -1]


def test_the_week_tells_what_waits_and_what_was_refused(db: Database) -> None:
    monday = datetime(2026, 11, 30, 9, tzinfo=UTC)
    subscribers.add(db, "ada@example.com", now=NOW)
    with writing(db) as connection:
        an_issue(db, 1, NOW - 5 * WEEK)
        connection.execute(
            "INSERT INTO batches (number, issue, provider, account, idempotency_key, worker, state, first, last, size,"
            " claimed_at) VALUES (1, 1, 'ses', 'here', 'key', 1, 'held', 1, 1, 1, ?)",
            (times.to_text(NOW),),
        )
        connection.execute("INSERT INTO deliveries (issue, subscriber, state, batch) VALUES (1, 1, 4, 1)")
        connection.execute(
            "INSERT INTO unknown_events (provider, kind, raw, digest, received_at)"
            " VALUES ('ses', 'new', '{}', x'00', ?)",
            (times.to_text(NOW),),
        )
        connection.execute(
            "INSERT INTO webhooks (url, secret, kinds, created_at, disabled_at)"
            " VALUES ('https://a.example', x'00', '[]', ?1, ?1)",
            (times.to_text(NOW),),
        )
        connection.execute(
            "INSERT INTO webhook_messages (webhook, name, kind, body, state, not_before, created_at, settled_at)"
            " VALUES (1, 'a', 'bounced', '{}', 'dead', ?1, ?1, ?1)",
            (times.to_text(NOW),),
        )
        connection.execute(
            "INSERT INTO suppressions VALUES ('bob@example.com', 'complaint', ?, 'ses')", (times.to_text(NOW),)
        )
        connection.executemany(
            "INSERT INTO hook_counts VALUES ('2026-11-26T09', ?, ?, ?)",
            [("ses", "refused: signature", 3), ("ses", "refused: old", 1), ("resend", "taken", 9)],
        )
    found = week(db, now=monday)
    assert found.waiting == {"uncertain": 1, "held": 1, "unknown_events": 1, "webhooks_off": 1, "webhooks_dead": 1}
    assert found.suppressed == {"complaint": 1}
    (trouble,) = found.troubles
    assert (trouble.level, trouble.what) == ("bad", "4 calls to /hooks/ses were refused, 0 taken")
    later = week(db, now=monday + 3 * WEEK)
    assert later.waiting == {"uncertain": 1, "held": 1, "unknown_events": 0, "webhooks_off": 1, "webhooks_dead": 0}
    assert later.troubles == ()
