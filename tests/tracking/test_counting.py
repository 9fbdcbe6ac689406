"""Figures: what a copy adds to them, and that they are those of the rows whatever happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlite_utils import Database
from tellings import COUNTED, LATER, SENT, address, call, events, figures, opened, store, teller, told, work

from conftest import NOW
from digest import times
from digest.audience.forgetting import forget
from digest.events import Kind, Mark
from digest.sending import steering
from digest.tracking import counting, recounting, retention
from digest.tracking.agents import Agent
from digest.tracking.counting import Judged, contribution, record, roll_up, to_roll_up
from digest.tracking.judging import Why
from digest.tracking.records import Reading
from digest.tracking.recounting import Recount, recount

__all__ = ["teller"]
pytestmark = pytest.mark.usefixtures("teller")
AT = int(NOW.timestamp() * 1000)
PERSON, MACHINE, UNSURE = Mark.PERSON, Mark.MACHINE, Mark.UNSURE


@pytest.fixture
def db() -> Database:
    return store()


def opening(mark: Mark, *, at: int = AT, why: Why = Why.PLAIN) -> Judged:
    return Judged(Kind.OPENED, 0, at, Agent.BROWSER, mark, why)


def click(mark: Mark, link: int = 1, *, at: int = AT) -> Judged:
    return Judged(Kind.CLICKED, link, at, Agent.BROWSER, mark, Why.PLAIN)


def totals(*readings: Judged) -> dict[str, int]:
    return {measure: count for (measure, part, _), count in contribution(readings).items() if not part}


# A copy -------------------------------------------------------------------------------------------------------------


def test_a_copy_is_a_persons_if_anything_of_it_is_else_unsure_else_machines() -> None:
    assert totals(opening(PERSON), opening(MACHINE), opening(UNSURE)) == {
        "opened": 1, "opened people": 1, "opens": 3, "opens people": 1,
    }  # fmt: skip
    assert totals(opening(UNSURE), opening(MACHINE)) == {"opened": 1, "opened unsure": 1, "opens": 2}
    assert totals(opening(MACHINE), opening(MACHINE)) == {"opened": 1, "opened machines": 1, "opens": 2}
    assert totals() == {}


def test_who_clicked_has_opened_though_pictures_are_off() -> None:
    assert totals(click(PERSON)) == {
        "opened": 1, "opened people": 1, "clicked": 1, "clicked people": 1, "clicks": 1, "clicks people": 1,
    }  # fmt: skip
    assert totals(click(MACHINE)) == {"clicked": 1, "clicked machines": 1, "clicks": 1}
    assert totals(click(UNSURE), click(MACHINE)) == {"clicked": 1, "clicked unsure": 1, "clicks": 2}


def test_the_hidden_link_is_no_link() -> None:
    assert totals(click(MACHINE, 0)) == {}


def test_what_only_a_proxy_asked_for_is_hidden() -> None:
    proxy = opening(MACHINE, why=Why.APPLE_PROXY)
    assert totals(proxy)["hidden"] == 1
    assert "hidden people" not in totals(proxy)
    assert totals(proxy, click(PERSON))["hidden people"] == 1
    assert "hidden" not in totals(proxy, click(PERSON))


def test_the_hour_is_that_of_the_first_a_person_did() -> None:
    found = contribution([opening(PERSON, at=AT + 7_200_000), opening(MACHINE), click(PERSON, at=AT + 3_600_000)])
    hours = {key: count for key, count in found.items() if key[1] == "hour"}
    assert hours == {
        ("opened people", "hour", "2026-11-26T10"): 1,
        ("clicked people", "hour", "2026-11-26T10"): 1,
    }


def test_links_are_counted_one_by_one() -> None:
    found = contribution([click(PERSON, 1), click(MACHINE, 1, at=AT + 1), click(MACHINE, 2)])
    of = {(measure, value): count for (measure, part, value), count in found.items() if part == "link"}
    assert of == {
        ("clicked", "1"): 1, ("clicked people", "1"): 1, ("clicks", "1"): 2, ("clicks people", "1"): 1,
        ("clicked", "2"): 1, ("clicks", "2"): 1,
    }  # fmt: skip


def test_mailbox_providers_have_figures_of_their_own_where_they_are_known() -> None:
    found = contribution([opening(PERSON)], 3)
    assert found["opened people", "host", "3"] == found["opens", "host", "3"] == 1
    assert not any(part == "host" for _, part, _ in contribution([opening(PERSON)]))


@pytest.mark.parametrize("reading", [opening(PERSON), opening(MACHINE, why=Why.APPLE_PROXY), click(UNSURE, 2)])
def test_the_quick_way_for_one_reading_gives_the_same(reading: Judged) -> None:
    assert contribution([reading], 2) == counting._contribution([reading], 2)


# Keeping ------------------------------------------------------------------------------------------------------------


def reading(copy: int = 1, issue: int = 1, *, at: int = 0, agent: Agent = Agent.BROWSER) -> Reading:
    return Reading(issue, copy, Kind.OPENED, 0, int(SENT[issue].timestamp() * 1000) + 3_600_000 + at, agent)


def test_the_same_reading_counts_once(db: Database) -> None:
    assert record(db.conn, [reading(), reading()]) == {"kept": 1, "known": 1}
    assert record(db.conn, [reading()]) == {"known": 1}
    assert figures(db)["opens"] == 1


def test_where_it_is_not_kept_who_reads_any_number_may_be_a_copy(db: Database) -> None:
    assert record(db.conn, [reading(4_000_000_000, COUNTED), reading(4_000_000_000, 1)]) == {"kept": 1, "foreign": 1}
    assert figures(db, COUNTED)["opened people"] == 1
    assert figures(db, COUNTED, "host") == {}


@pytest.mark.parametrize("copy", [0, -5])
def test_a_copy_that_is_not_counted_is_not_counted(db: Database, copy: int) -> None:
    assert record(db.conn, [reading(copy, COUNTED)]) == {"foreign": 1}


def test_readers_who_want_nothing_counted_are_let_be_with_their_old_copies(db: Database) -> None:
    db.execute("UPDATE subscribers SET uncounted = 1 WHERE id = 1")
    assert record(db.conn, [reading(1), reading(2)]) == {"not wanted": 1, "kept": 1}


def test_an_issue_that_counts_nothing_keeps_nothing(db: Database) -> None:
    db.execute("UPDATE issues SET tracking = NULL WHERE number = 1")
    assert record(db.conn, [reading(), replace(reading(), issue=99)]) == {"not wanted": 1, "foreign": 1}


def test_of_a_copy_asked_for_without_an_end_the_first_ones_are_kept(db: Database) -> None:
    many = [reading(at=1000 * n) for n in range(counting.MOST + 50)]
    for lot in (many[400:], many[:400]):
        record(db.conn, lot)
    assert db.execute("SELECT count(*), max(at) FROM readings").fetchone() == (
        counting.MOST,
        many[counting.MOST - 1].at,
    )
    assert figures(db)["opens"] == counting.MOST
    assert recount(db, now=LATER).wrong == []


def test_figures_stay_true_when_a_reader_is_forgotten(db: Database) -> None:
    work(db, opened(1), opened(1, 2), opened(2), opened(1, link=2))
    before = figures(db, part="host")
    forget(db, 1, now=LATER)
    assert db.execute("SELECT count(*) FROM readings WHERE copy = 1 AND issue <> ?", [COUNTED]).fetchone() == (0,)
    work(db, opened(2, after_s=9999))
    assert figures(db, part="host")["opened 1"] == before["opened 1"]
    assert recount(db, now=LATER).wrong == []


def test_what_a_forgotten_reader_read_belongs_together_in_no_two_issues(db: Database) -> None:
    work(db, opened(1), opened(1, link=2), opened(1, 2), opened(1, 3))
    forget(db, 1, now=LATER)
    rows = db.execute("SELECT issue, count(*), count(DISTINCT copy), max(copy) < 0 FROM readings GROUP BY issue")
    assert rows.fetchall() == [(1, 2, 1, 1), (2, 1, 1, 1), (3, 1, 1, 1)]
    assert db.execute("SELECT count(DISTINCT copy) FROM readings").fetchone() == (3,)


# Deliveries -----------------------------------------------------------------------------------------------------------


def test_deliveries_are_counted_by_state_and_mailbox_provider(db: Database) -> None:
    db.execute("UPDATE deliveries SET state = 3, reason = 'no' WHERE issue = 1 AND subscriber = 1")
    roll_up(db, 1, now=LATER)
    assert figures(db) == {"audience": 4, "accepted copies": 3, "rejected": 1}
    assert figures(db, part="host")["accepted copies 1"] == 1


def test_they_are_counted_again_once_they_may_have_changed(db: Database) -> None:
    assert to_roll_up(db) == [1, 2, 3, 4]
    for issue in to_roll_up(db):
        roll_up(db, issue, now=LATER)
    assert to_roll_up(db) == []
    db.execute("UPDATE deliveries SET state = 3, reason = 'no' WHERE issue = 1 AND subscriber = 1")
    steering.retry_rejected(db, 1, now=LATER)
    assert to_roll_up(db) == [1]
    roll_up(db, 1, now=LATER)
    assert figures(db)["queued"] == 1
    assert to_roll_up(db) == [1], "it is being sent"


# Counting again -------------------------------------------------------------------------------------------------------


def test_figures_of_events_are_those_of_the_view(db: Database) -> None:
    work(db, call(told("delivered", 1), told("bounced", 2, hard=True), told("complained", 3), told("delivered", 2)))
    db.execute("INSERT INTO events (issue, subscriber, kind, key, at) VALUES (1, 1, 7, 'n8n', 1795683600)")
    rows = db.execute(
        "SELECT measure, part, value, count(*) FROM event_parts WHERE issue = 1 GROUP BY 1, 2, 3"
    ).fetchall()
    view = {(measure, part, value): count for measure, part, value, count in rows}
    assert recounting.events(db, 1, Recount()) == view
    assert view["voted", "tool", "n8n"] == 1


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE figures SET count = count + 1 WHERE issue = 1 AND measure = 'delivered' AND part = ''",
        "DELETE FROM figures WHERE issue = 1 AND measure = 'opened people' AND part = 'hour'",
        "UPDATE readings SET mark = 2 WHERE issue = 1",
        "INSERT INTO figures VALUES (1, 'clicked', 'link', '9', 1)",
        "INSERT INTO figures VALUES (77, 'delivered', '', '', 1)",
        "UPDATE figures SET count = 0 WHERE issue = 2 AND measure = 'audience' AND part = 'host'",
    ],
)
def test_a_figure_that_is_not_true_is_found(db: Database, tampering: str) -> None:
    work(db, call(told("delivered", 1)), opened(1))
    assert recount(db, now=LATER).wrong == []
    assert db.conn.execute(tampering).rowcount
    assert recount(db, now=LATER).wrong != []


def test_readers_who_came_and_went_come_to_the_readers_there_are(db: Database) -> None:
    assert recounting.audience(db) == []
    work(db, call(told("unsubscribed")))
    assert recounting.audience(db) == []
    db.execute("UPDATE audience_days SET count = count + 2 WHERE measure = 'joined'")
    assert recounting.audience(db) == ["the audience: 6 joined and 1 left, which leaves 5; 3 are active"]


# Retention ------------------------------------------------------------------------------------------------------------


def test_events_of_long_ago_are_deleted_and_their_figures_stay(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    work(db, *(call(told("delivered", n, issue)) for n in (1, 2, 3, 4) for issue in (1, 2)), opened(1), opened(1, 2))
    kept = figures(db)
    after = SENT[1] + timedelta(days=30, hours=1)
    assert retention.delete_old(db, days=0, now=after) == []
    assert retention.delete_old(db, days=30, now=after) == [1]
    assert {one[0] for one in events(db)} == {2}
    assert db.execute("SELECT DISTINCT issue FROM readings").fetchall() == [(2,)]
    assert figures(db) == kept
    found = recount(db, now=LATER)
    assert found.wrong == []
    assert found.left_out == [f"issue 1: its events were deleted on {times.to_text(after)[:10]}, and its figures stay"]
    assert retention.delete_old(db, days=30, now=after) == []


def test_a_deletion_that_was_broken_off_goes_on(db: Database) -> None:
    work(db, call(told("delivered", 1), told("delivered", 2)))
    retention.delete_old(db, days=30, now=SENT[1] + timedelta(days=31), stopping=lambda: True)
    assert len(events(db)) == 2
    retention.delete_old(db, days=30, now=SENT[1] + timedelta(days=31))
    assert events(db) == []


def test_soft_bounces_that_were_deleted_still_keep_an_address_out(db: Database) -> None:
    work(db, call(told("bounced", 1, 1)), call(told("bounced", 1, 2)))
    retention.delete_old(db, days=6, now=SENT[3] + timedelta(hours=1))
    work(db, opened(1, 3))
    assert db.execute("SELECT email_key FROM suppressions").fetchall() == [(address(1),)]
