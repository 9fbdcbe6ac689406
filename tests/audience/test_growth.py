"""Who came and went is counted whichever way it happens, and how the list is follows from it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from conftest import NOW
from digest.audience import adding, forgetting, growth, preferences, subscribers, suppression
from digest.audience.adding import Consent
from digest.audience.addresses import read_address
from digest.audience.growth import days, subscribed
from digest.audience.health import health
from digest.audience.importing import import_subscribers
from digest.audience.leaving import come_back, leave
from digest.audience.signing_up import Wish
from digest.settings import Settings
from digest.store import Database
from digest.tracking import recounting

ADA, BOB, CID = "ada@example.com", "bob@example.com", "cid@example.com"
TODAY, TOMORROW = NOW.date(), (NOW + timedelta(days=1)).date()


def counts(db: Database) -> dict[str, int]:
    assert recounting.audience(db) == []
    return {measure: count for measure, count in days(db).get(TODAY, {}).items() if count}


def imported(db: Database, *lines: str) -> None:
    import_subscribers(db, "readers.csv", [line + "\n" for line in lines], now=NOW)


def wish(email: str) -> Wish:
    return Wish(read_address(email))


def test_who_is_added_by_hand_joined_once(db: Database) -> None:
    subscribers.add(db, ADA, now=NOW)
    subscribers.add(db, ADA, now=NOW, name="Ada")
    assert counts(db) == {"joined": 1}


def test_an_import_counts_the_active_ones_of_its_new_rows(db: Database) -> None:
    subscribers.add(db, ADA, now=NOW)
    lines = ("email,state,suppressed", f"{ADA},,", f"{BOB},,", f"{CID},pending,", "dan@example.com,unsubscribed,")
    imported(db, *lines, "eva@example.com,,hard bounce", "eva@example.com,,")
    assert counts(db) == {"joined": 3, "hard bounce": 1}
    imported(db, *lines)
    assert counts(db) == {"joined": 3, "hard bounce": 1}, "what is known joins no more"
    imported(db, "email,state", f"{ADA},unsubscribed")
    assert counts(db) == {"joined": 3, "left": 1, "hard bounce": 1}


def test_a_program_that_adds_counts(db: Database, settings: Settings) -> None:
    consent = Consent("shop", "yes", NOW)
    assert adding.add(db, settings, wish(ADA), consent, source="shop", now=NOW) == "added"
    assert adding.add(db, settings, wish(ADA), consent, source="shop", now=NOW) == "known"
    assert adding.add(db, settings, wish(BOB), None, source="shop", now=NOW) == "asked"
    assert counts(db) == {"joined": 1}
    assert adding.add(db, settings, wish(BOB), consent, source="shop", now=NOW) == "added"
    assert counts(db) == {"joined": 2}, "who was asked and is confirmed elsewhere"


def test_who_confirms_leaves_and_returns_counts_each_time(db: Database, settings: Settings) -> None:
    adding.add(db, settings, wish(ADA), None, source="shop", now=NOW)
    assert counts(db) == {}
    db.execute("UPDATE subscribers SET state = 'active'")
    leave(db, 1, way="page", now=NOW)
    come_back(db, 1, now=NOW)
    leave(db, 1, way="page", now=NOW + timedelta(days=1))
    assert counts(db) == {"joined": 2, "left": 1}
    assert days(db)[TOMORROW]["left"] == 1
    assert subscribed(db) == 0


def test_who_is_forgotten_has_left(db: Database) -> None:
    subscribers.add(db, ADA, now=NOW)
    forgetting.forget(db, 1, now=NOW)
    assert counts(db) == {"joined": 1, "left": 1}


def test_whose_address_bounces_or_complains_is_counted_once_and_stays_subscribed(db: Database) -> None:
    for email in (ADA, BOB):
        subscribers.add(db, email, now=NOW)
    suppression.add_suppression(db, ADA, "hard bounce", source="ses", now=NOW)
    suppression.add_suppression(db, ADA, "hard bounce", source="ses", now=NOW)
    suppression.add_suppression(db, BOB, "complaint", source="ses", now=NOW)
    suppression.add_suppression(db, CID, "complaint", source="ses", now=NOW)
    assert counts(db) == {"joined": 2, "hard bounce": 1, "complaint": 1}
    assert subscribed(db) == 2


@pytest.mark.parametrize("paused", [False, True])
def test_the_health_of_the_list_is_what_would_be_mailed(db: Database, settings: Settings, paused: bool) -> None:
    for email in (ADA, BOB, CID, "dan@example.com", "eva@example.com"):
        subscribers.add(db, email, now=NOW)
    adding.add(db, settings, wish("new@example.com"), None, source="shop", now=NOW)
    leave(db, 1, way="page", now=NOW)
    suppression.add_suppression(db, BOB, "hard bounce", source="ses", now=NOW)
    suppression.add_suppression(db, "stranger@example.com", "complaint", source="ses", now=NOW)
    preferences.pause_until(db, 3, NOW + timedelta(days=9), now=NOW)
    if paused:
        # Who is on the list and pauses too is not taken away twice.
        preferences.pause_until(db, 2, NOW + timedelta(days=9), now=NOW)
    found = health(db, now=NOW)
    assert (found.active, found.mailed, found.pausing, found.suppressed_active) == (4, 2, 1, 1)
    assert (found.pending, found.unsubscribed) == (1, 1)
    assert found.suppressed == {"unsubscribed": 1, "hard bounce": 1, "complaint": 1, "forgotten": 0}
    mailed = db.execute(
        "SELECT count(*) FROM subscribers s LEFT JOIN suppressions x ON x.email_key = s.email_key"
        " WHERE s.state = 'active' AND x.reason IS NULL AND (s.paused_until IS NULL OR s.paused_until <= ?)",
        [f"{NOW:%Y-%m-%dT%H:%M:%S.000000Z}"],
    ).fetchone()[0]
    assert found.mailed == mailed
    assert health(db, now=NOW + timedelta(days=10)).pausing == 0


def test_joining_nobody_writes_nothing(db: Database) -> None:
    growth.joined(db.conn, 0, NOW)
    assert days(db) == {}
