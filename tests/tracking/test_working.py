"""What is taken in comes to the copies it is about, in whatever order and however often it came."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from tellings import (
    COUNTED,
    ISSUES,
    LATER,
    READERS,
    SENT,
    SETTINGS,
    SIGNERS,
    Teller,
    address,
    call,
    events,
    figures,
    opened,
    store,
    suppressed,
    teller,
    told,
    work,
)

from conftest import NOW
from digest import times
from digest.audience.changing_address import ask, confirm
from digest.audience.forgetting import forget
from digest.audience.leaving import come_back, leave
from digest.audience.suppression import lift
from digest.events import Kind
from digest.tracking.agents import Agent
from digest.tracking.records import HookCall, encode
from digest.tracking.recounting import recount

__all__ = ["teller"]
pytestmark = pytest.mark.usefixtures("teller")


@pytest.fixture
def db() -> Database:
    return store()


# Events -------------------------------------------------------------------------------------------------------------


def test_each_word_is_an_event_of_its_copy(db: Database) -> None:
    done = work(
        db,
        call(
            told("accepted", 1), told("deferred", 1, code="4.2.2", words="full"), told("delivered", 1, words="250 ok"),
            told("bounced", 2, hard=True, code="5.1.1", words="no such user"), told("bounced", 3, words="later"),
            told("complained", 4),
        ),
    ).done  # fmt: skip
    assert events(db) == [
        (1, 1, "accepted", "", None),
        (1, 1, "deferred", "", "4.2.2 full"),
        (1, 1, "delivered", "", None),
        (1, 2, "bounced", "hard", "5.1.1 no such user"),
        (1, 3, "bounced", "soft", "later"),
        (1, 4, "complained", "", None),
    ]
    assert done == {"taken": 1, "new": 6}
    assert figures(db)["bounced hard"] == figures(db)["delivered"] == 1


def test_the_earliest_word_counts_whatever_comes_first(db: Database) -> None:
    work(db, call(told("deferred", after_s=7300, words="second")))
    work(db, call(told("deferred", after_s=60, words="first"), told("deferred", after_s=9000, words="third")))
    assert events(db) == [(1, 1, "deferred", "", "first")]
    assert figures(db, part="hour") == {"deferred 2026-11-26T09": 1}


def test_a_moment_before_the_sending_or_after_the_call_is_put_right(db: Database) -> None:
    work(db, call(told("delivered", 1, after_s=-3600), told("delivered", 2, after_s=10**8), told("deferred", 2)))
    found = dict(db.conn.execute("SELECT subscriber, at FROM events WHERE kind = 2").fetchall())
    assert found == {1: int(SENT[1].timestamp()), 2: int(LATER.timestamp())}


def test_words_are_cut_and_nothing_in_them_steers_a_terminal(db: Database) -> None:
    work(db, call(told("deferred", code="4.0.0", words="a\0b\x1b[31m\u2028" + "é" * 900)))
    (detail,) = db.conn.execute("SELECT detail FROM events").fetchone()
    assert detail.startswith("4.0.0 a b [31m ")
    assert detail.isprintable()
    assert len(detail) == 300


def test_a_copy_is_found_by_the_name_of_its_message(db: Database) -> None:
    name = SIGNERS.messages.salted("nonce 1").sign("message", 1, 2)
    stranger = SIGNERS.messages.salted("nonce 2").sign("message", 1, 3)
    done = work(
        db,
        call(
            told("delivered", copy=None, name=name),
            told("deferred", copy="nonsense", name=f"<{name}@example.com>"),
            told("delivered", copy=None, name=stranger),
        ),
    ).done
    assert [(one[1], one[2]) for one in events(db)] == [(2, "deferred"), (2, "delivered")]
    assert done["foreign"] == 1


def test_a_copy_is_found_by_its_batch_and_address(db: Database) -> None:
    work(db, call(told("delivered", copy=None, batch="key 2", address="Reader3@Example.com")))
    assert events(db) == [(2, 3, "delivered", "", None)]


@pytest.mark.parametrize(
    "event",
    [
        told("delivered", 99),
        told("delivered", copy=SIGNERS.links.sign("copy", 77, 1)),
        told("delivered", copy=SIGNERS.links.sign("track", 1, 1)),
        told("delivered", copy=None, address="reader1@example.com"),
        told("unsubscribed", copy=None, address="reader1@example.com"),
        told("bounced", copy=None, hard=True, address="nobody@example.org"),
        told("bounced", copy=None, hard=True, address="no address"),
        told("bounced", copy=None, hard=True),
    ],
)
def test_what_is_about_no_copy_of_ours_is_counted_and_nothing_else(db: Database, event: dict[str, Any]) -> None:
    assert work(db, call(event)).done == {"taken": 1, "foreign": 1}
    assert events(db) == []
    assert suppressed(db) == {}


def test_events_of_an_issue_whose_events_were_deleted_are_not_taken_in(db: Database) -> None:
    db.execute("UPDATE issues SET events_deleted_at = ? WHERE number = 1", [times.to_text(NOW)])
    work(db, call(told("delivered")), opened())
    assert events(db) == []
    assert figures(db) == {}


# What follows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "reason", "source"),
    [
        (told("bounced", hard=True, code="5.1.1"), "hard bounce", "teller: 5.1.1"),
        (told("bounced", hard=True), "hard bounce", "teller: bounced"),
        (told("complained"), "complaint", "teller: complained"),
        (told("bounced", copy=None, hard=True, address="Reader1@example.com"), "hard bounce", "teller: bounced"),
        (told("bounced", copy=SIGNERS.links.sign("copy", 0, 1), hard=True), "hard bounce", "teller: bounced"),
    ],
)
def test_a_hard_bounce_and_a_complaint_suppress_at_once(
    db: Database, event: dict[str, Any], reason: str, source: str
) -> None:
    work(db, call(event))
    assert suppressed(db) == {address(1): (reason, source)}
    assert db.execute("SELECT count FROM audience_days WHERE measure = ?", [reason]).fetchall() == [(1,)]


def test_a_soft_bounce_alone_suppresses_nobody(db: Database) -> None:
    work(db, call(told("bounced")))
    assert suppressed(db) == {}


def test_the_old_address_is_suppressed_and_not_the_new_one(db: Database) -> None:
    db.execute("UPDATE subscribers SET email = 'new@example.org', email_key = 'new@example.org' WHERE id = 1")
    work(db, call(told("bounced", hard=True, address=address(1))))
    assert suppressed(db) == {address(1): ("hard bounce", "teller: bounced")}


def test_without_an_address_nobody_is_suppressed_who_moved_since(db: Database) -> None:
    ask(db, 1, "new@example.org", letters_a_day=3, now=SENT[2])
    change = db.execute("SELECT id FROM address_changes").fetchone()[0]
    confirm(db, change, now=SENT[2])
    work(db, call(told("bounced", hard=True)))
    assert suppressed(db) == {}
    work(db, call(told("bounced", issue=3, hard=True)))
    assert suppressed(db) == {"new@example.org": ("hard bounce", "teller: bounced")}


def test_a_forgotten_reader_stays_forgotten(db: Database) -> None:
    forget(db, 1, now=NOW)
    before = suppressed(db)
    words = f"no such user {address(1)}"
    work(
        db,
        call(
            told("bounced", hard=True, address=address(1), words=words),
            told("complained", address="older@example.org"),
            told("bounced", copy=None, hard=True, address=address(1)),
        ),
        opened(1),
    )
    assert suppressed(db) == before
    assert {one[4] for one in events(db)} == {None}
    assert db.execute("SELECT count(*) FROM readings").fetchone() == (0,)


def test_a_letter_that_bounces_suppresses_the_address_it_went_to(db: Database) -> None:
    db.execute(
        "INSERT INTO letters (kind, subscriber, email, email_key, idempotency_key, not_before, created_at)"
        " VALUES ('confirm', 1, 'other@example.org', 'other@example.org', 'k', '', '')"
    )
    name = SIGNERS.messages.salted("k").sign("message", 0, 1)
    done = work(db, call(told("bounced", copy=name, hard=True))).done
    assert suppressed(db) == {"other@example.org": ("hard bounce", "teller: bounced")}
    assert done["letter"] == 1
    assert events(db) == []


def test_an_address_that_was_taken_off_the_list_stays_off_it_when_the_same_is_told_again(db: Database) -> None:
    bounce = call(told("bounced", hard=True, code="5.1.1"))
    work(db, bounce)
    lift(db, address(1), now=LATER)
    work(db, bounce)
    assert suppressed(db) == {}
    work(db, call(told("bounced", issue=2, hard=True)))
    assert address(1) in suppressed(db)


def test_who_tells_the_provider_leaves(db: Database) -> None:
    work(db, call(told("unsubscribed")))
    assert db.execute("SELECT state FROM subscribers WHERE id = 1").fetchone() == ("unsubscribed",)
    assert db.execute("SELECT subscriber, issue, way FROM departures").fetchall() == [(1, 1, "one-click")]
    assert [one[:3] for one in events(db)] == [(1, 1, "unsubscribed")]
    assert figures(db)["unsubscribed"] == 1


def test_who_came_back_since_stays(db: Database) -> None:
    leave(db, 1, way="page", issue=1, now=SENT[1] + timedelta(hours=2))
    come_back(db, 1, now=SENT[1] + timedelta(hours=3))
    work(db, call(told("unsubscribed", after_s=60)))
    assert db.execute("SELECT state FROM subscribers WHERE id = 1").fetchone() == ("active",)
    work(db, call(told("unsubscribed", issue=2)))
    assert db.execute("SELECT state FROM subscribers WHERE id = 1").fetchone() == ("unsubscribed",)


# Soft bounces -------------------------------------------------------------------------------------------------------


def softly(*issues: int) -> list[bytes]:
    return [call(told("bounced", 1, issue, words="mailbox full")) for issue in issues]


def test_soft_bounces_of_enough_issues_suppress(db: Database) -> None:
    work(db, *softly(1), call(told("bounced", 1, 1, after_s=9000)))
    assert suppressed(db) == {}
    work(db, *softly(2))
    assert suppressed(db) == {address(1): ("hard bounce", "soft bounces in 2 issues")}


def test_a_delivery_in_between_ends_the_row_whenever_it_is_told(db: Database) -> None:
    work(db, *softly(1, 3))
    assert address(1) in suppressed(db)
    work(db, call(told("delivered", 1, 2)))
    assert suppressed(db) == {}, "it begins anew after 2, and 3 alone is not enough"


def test_what_was_read_arrived(db: Database) -> None:
    work(db, *softly(2, 3))
    work(db, opened(1, 3))
    assert suppressed(db) == {}


def test_soft_bounces_too_far_apart_suppress_nobody(db: Database) -> None:
    short = SETTINGS.model_copy(update={"soft_bounce_weeks": 1})
    work(db, *softly(1, 3), settings=short)
    assert suppressed(db) == {}
    work(db, *softly(4), settings=short)
    assert address(1) in suppressed(db)


def test_soft_bounces_are_let_be_where_the_setting_says_so(db: Database) -> None:
    work(db, *softly(1, 2, 3), settings=SETTINGS.model_copy(update={"soft_bounces": 0}))
    assert suppressed(db) == {}


def test_who_left_has_left_still_when_soft_bounces_count_no_more(db: Database) -> None:
    leave(db, 1, way="page", now=SENT[3])
    work(db, *softly(2, 3))
    work(db, call(told("delivered", 1, 3)))
    assert suppressed(db) == {address(1): ("unsubscribed", None)}


# Opens and clicks that a provider tells ------------------------------------------------------------------------------


def test_an_open_a_provider_saw_is_counted_where_it_is_kept_who_reads(db: Database) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
    work(db, call(told("opened", after_s=3600, agent=agent), told("clicked", 2, after_s=3600, link="https://a.example/2",
                                                                   agent=agent)))  # fmt: skip
    rows = db.execute("SELECT copy, kind, link, agent FROM readings").fetchall()
    assert rows == [(1, Kind.OPENED, 0, Agent.BROWSER), (2, Kind.CLICKED, 2, Agent.BROWSER)]
    assert events(db) == []


def test_what_the_provider_calls_a_machine_is_one(db: Database) -> None:
    work(db, call(told("opened", after_s=3600, agent="Mozilla/5.0 (X11; rv:130.0) Firefox/130.0", machine=True)))
    assert figures(db)["opened machines"] == 1


def test_else_nothing_tells_afterwards_who_read_and_when(db: Database) -> None:
    done = work(db, call(told("opened", issue=COUNTED), told("clicked", 2, link="https://news.example/c/x/1"))).done
    assert done["not wanted"] == 2
    assert events(db) == []
    assert db.execute("SELECT count(*) FROM readings").fetchone() == (0,)


@pytest.mark.parametrize(("state", "settled_by"), [(1, None), (4, None), (0, "person"), (0, "setting")])
def test_it_shows_that_a_copy_arrived_of_which_nobody_knew(db: Database, state: int, settled_by: str | None) -> None:
    db.execute("UPDATE batches SET settled_by = ? WHERE issue = ?", [settled_by, COUNTED])
    db.execute("UPDATE deliveries SET state = ? WHERE issue = ? AND subscriber IN (1, 2)", [state, COUNTED])
    work(db, call(*(told("opened", reader, COUNTED, after_s=reader * 600) for reader in (1, 2, 3))))
    assert [one[:3] for one in events(db)] == [(COUNTED, 1, "accepted"), (COUNTED, 2, "accepted")]
    handed_over = int(SENT[COUNTED].timestamp())
    assert db.execute("SELECT DISTINCT at FROM events").fetchall() == [(handed_over,)], "nobody sees when it was"


# Bad records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"[1]",
        b'["teller", "%%%", null, 0]',
        call("trip"),
        call(5),
        call(told("teleported")),
    ],
)
def test_a_bad_record_is_set_aside_and_the_others_go_on(
    db: Database, bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    done = work(db, call(told("delivered", 1)), bad, call(told("delivered", 2)), opened(3)).done
    assert [one[1] for one in events(db)] == [1, 2]
    assert db.execute("SELECT count(*) FROM readings").fetchone() == (1,)
    assert db.execute("SELECT kind FROM unknown_events").fetchall() == [("unreadable",)]
    assert (done["unreadable"], done["new"], done["kept"]) == (1, 2, 1)
    assert recount(db, now=LATER).wrong == []


def test_a_record_of_a_provider_that_is_no_more_is_set_aside(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    work(db, encode(HookCall("gone", b"{}", None, 0)))
    assert db.execute("SELECT provider, kind, raw FROM unknown_events").fetchall() == [("gone", "unreadable", "{}")]


def test_a_full_disk_is_no_fault_of_the_records(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Teller, body: bytes) -> list[object]:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Teller, "read", full)
    with pytest.raises(sqlite3.OperationalError):
        work(db, call(told("delivered")))
    assert db.execute("SELECT count(*) FROM unknown_events").fetchone() == (0,)


def test_kinds_we_do_not_know_are_kept_once_and_counted_each_time(db: Database) -> None:
    strange = call({"unknown": "teleported", "raw": "\ud800"})
    assert work(db, strange, strange, call({"nothing": "domain verified"})).done == {
        "taken": 3,
        "unknown": 2,
        "nothing": 1,
    }
    assert db.execute("SELECT provider, kind FROM unknown_events").fetchall() == [("teller", "teleported")]


def test_a_call_with_a_key_is_worked_once_and_a_forgery_never(db: Database) -> None:
    one = call(told("delivered", 1), key="k")
    done = work(db, one, one, call(told("complained", 2), key="k")).done
    assert done == {"taken": 1, "repeated": 1, "refused: wrong signature": 1, "new": 1}
    assert suppressed(db) == {}


# In any order --------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["accepted", "deferred", "delivered", "bounced", "complained", "opened", "clicked", "unsubscribed"]
)
AFTER = st.sampled_from([-100.0, 0.0, 60.0, 60.5, 4000.0, 90_000.0, 10.0**9])


@st.composite
def told_somehow(draw: st.DrawFn) -> dict[str, Any]:
    word = draw(st.one_of(st.just("bounced"), st.just("delivered"), WORDS))
    event = told(word, draw(st.sampled_from(READERS)), draw(st.sampled_from(ISSUES)), after_s=draw(AFTER))
    event |= {
        "hard": draw(st.sampled_from([False, False, True])),
        "code": draw(st.sampled_from(["", "5.1.1", "4.2.2"])),
    }
    event |= {"words": draw(st.sampled_from(["", "1 no", "such"])), "machine": draw(st.booleans())}
    return event | {"link": draw(st.sampled_from(["https://a.example/1", "https://b.example"]))}


RECORDS = st.lists(
    st.one_of(
        st.builds(call, told_somehow(), at=st.sampled_from([LATER, LATER + timedelta(days=40)])),
        st.builds(call, told_somehow(), told_somehow(), told_somehow()),
        st.builds(
            opened,
            st.sampled_from([1, 2]),
            st.sampled_from([1, COUNTED]),
            after_s=st.sampled_from([5.0, 3600.0, 3600.2, 3601.0, 50_000.0]),
            agent=st.sampled_from([Agent.BROWSER, Agent.APPLE_PROXY, Agent.GMAIL_PROXY, Agent.SCANNER, Agent.NONE]),
            link=st.sampled_from([None, 0, 1, 2, 3]),
        ),
        st.just(call({"unknown": "teleported"})),
    ),
    min_size=1,
    max_size=25,
)
TABLES = ("events", "readings", "figures", "suppressions", "deliveries")


def state(db: Database) -> dict[str, list[tuple[object, ...]]]:
    return {table: db.conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4").fetchall() for table in TABLES}


@given(records=RECORDS, data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_any_repetition_and_any_lots_come_to_the_same(records: list[bytes], data: st.DataObject) -> None:
    once, again = store(), store()
    work(once, *records)
    repeated = data.draw(st.lists(st.sampled_from(records), max_size=8))
    shuffled = data.draw(st.permutations([*records, *repeated]))
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        work(again, *shuffled[:size])
        shuffled = shuffled[size:]
    assert state(again) == state(once)
    for db in (once, again):
        assert recount(db, now=LATER).wrong == []
        db.conn.close()
