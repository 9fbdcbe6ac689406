from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.audience import consents, forgetting, preferences, subscribers
from digest.audience.changing_address import ask
from digest.audience.leaving import leave
from digest.audience.preferences import find_preferences, kept_about
from digest.catalogue import voting
from digest.errors import InputError, NotFoundError
from digest.settings import Settings


@pytest.fixture
def ada(db: Database) -> int:
    for name, category in (("Cursor", "Coding"), ("Otter", "Meetings"), ("Suno", "Music")):
        db.execute(
            "INSERT INTO tools (slug, name, name_key, category, created_at, updated_at) VALUES (?, ?, ?, ?, '', '')",
            [name.lower(), name, name.lower(), category],
        )
    return subscribers.add(db, "ada@example.com", now=NOW, name="Ada", timezone="Europe/London")[0].id


def test_a_new_reader_gets_everything_at_once(db: Database, ada: int) -> None:
    found = find_preferences(db, ada, now=NOW)
    assert (found.topics, found.paused_until, found.state, found.suppressed) == ((), None, "active", None)
    assert (found.email, found.name, found.timezone, found.moving_to) == (
        "ada@example.com", "Ada", "Europe/London", None,
    )  # fmt: skip


def test_topics_are_chosen_and_none_is_everything(db: Database, ada: int) -> None:
    preferences.choose_topics(db, ada, ["music", "coding"], now=NOW)
    assert find_preferences(db, ada, now=NOW).topics == ("coding", "music")
    preferences.choose_topics(db, ada, [], now=NOW)
    assert find_preferences(db, ada, now=NOW).topics == ()


def test_a_topic_there_is_not_is_refused_and_nothing_changes(db: Database, ada: int) -> None:
    preferences.choose_topics(db, ada, ["music"], now=NOW)
    with pytest.raises(InputError) as error:
        preferences.choose_topics(db, ada, ["music", "'; DROP TABLE subscribers"], now=NOW)
    assert error.value.field == "topics"
    assert find_preferences(db, ada, now=NOW).topics == ("music",)


def test_a_break_lasts_as_long_as_asked_for(db: Database, ada: int) -> None:
    assert preferences.pause(db, ada, "2", now=NOW) == NOW + timedelta(weeks=2)
    assert find_preferences(db, ada, now=NOW + timedelta(days=13)).paused_until == NOW + timedelta(weeks=2)
    assert find_preferences(db, ada, now=NOW + timedelta(days=14)).paused_until is None


def test_a_break_can_end_now(db: Database, ada: int) -> None:
    preferences.pause(db, ada, "8", now=NOW)
    preferences.resume(db, ada, now=NOW)
    assert find_preferences(db, ada, now=NOW).paused_until is None


@pytest.mark.parametrize("weeks", ["", "0", "-1", "3", "9999999999", "1.0", "١", "1 OR 1"])
def test_only_the_weeks_that_are_offered_can_be_had(db: Database, ada: int, weeks: str) -> None:
    with pytest.raises(InputError):
        preferences.pause(db, ada, weeks, now=NOW)
    assert find_preferences(db, ada, now=NOW).paused_until is None


def test_name_and_zone_are_changed_and_forgotten(db: Database, ada: int) -> None:
    preferences.introduce(db, ada, name=" Countess  Ada ", timezone="Asia/Tokyo", now=NOW)
    found = find_preferences(db, ada, now=NOW)
    assert (found.name, found.timezone) == ("Countess Ada", "Asia/Tokyo")
    preferences.introduce(db, ada, name="", timezone="", now=NOW)
    found = find_preferences(db, ada, now=NOW)
    assert (found.name, found.timezone) == (None, None)


@pytest.mark.parametrize(
    ("name", "zone", "field"),
    [("https://spam.example/", "", "name"), ("x" * 101, "Asia/Tokyo", "name"), ("Bea", "Mars/Olympus", "timezone")],
)
def test_what_is_no_name_or_no_zone_changes_neither(db: Database, ada: int, name: str, zone: str, field: str) -> None:
    with pytest.raises(InputError) as error:
        preferences.introduce(db, ada, name=name, timezone=zone, now=NOW)
    assert error.value.field == field
    found = find_preferences(db, ada, now=NOW)
    assert (found.name, found.timezone) == ("Ada", "Europe/London")


def test_saving_what_is_so_already_writes_nothing(db: Database, ada: int) -> None:
    before = list(db.conn.iterdump())
    preferences.introduce(db, ada, name="Ada", timezone="Europe/London", now=NOW + timedelta(days=1))
    preferences.resume(db, ada, now=NOW + timedelta(days=1))
    preferences.count(db, ada, True, now=NOW + timedelta(days=1))
    assert list(db.conn.iterdump()) == before


def test_the_zones_offered_are_places_we_know(db: Database, ada: int) -> None:
    assert "Europe/Berlin" in preferences.zones()
    assert not any(zone.startswith("Etc/") for zone in preferences.zones())
    preferences.introduce(db, ada, name="", timezone=preferences.zones()[-1], now=NOW)


def test_who_is_forgotten_or_never_was_has_no_preferences(db: Database, ada: int) -> None:
    forgetting.forget(db, ada, now=NOW)
    preferences.pause(db, ada, "1", now=NOW)
    preferences.introduce(db, ada, name="Ada", timezone="Asia/Tokyo", now=NOW)
    assert db.execute("SELECT name, timezone, paused_until FROM subscribers").fetchall() == [(None, None, None)]
    for id_ in (ada, 999):
        with pytest.raises(NotFoundError):
            find_preferences(db, id_, now=NOW)
        with pytest.raises(NotFoundError):
            kept_about(db, id_)


def test_all_that_is_kept_is_told(db: Database, ada: int, settings: Settings) -> None:
    keeping = settings.model_copy(update={"consent_details": "kept"})
    witness = consents.Witness("the page", "192.0.2.7", "a browser")
    consents.record(db, keeping, ada, "asked", witness, now=NOW, words="I agree")
    preferences.choose_topics(db, ada, ["music"], now=NOW)
    ask(db, ada, "new@example.com", letters_a_day=3, now=NOW)
    voting.vote(db, "suno", f"copy:{ada}", "skip", now=NOW)
    db.execute(
        "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, created_at, updated_at)"
        " VALUES (7, 'draft', 'Seven', '', '', '', '', '')"
    )
    db.execute("INSERT INTO deliveries (issue, subscriber) VALUES (7, ?)", [ada])
    db.execute("INSERT INTO uncounted (issue, subscriber) VALUES (7, ?)", [ada])
    db.execute("INSERT INTO api_tokens (id, name, hash, scopes, created_at) VALUES (1, 'shop', x'00', '[]', '')")
    db.execute(
        "INSERT INTO answers (token, key, fingerprint, status, body, made_at) VALUES (1, 'k', x'00', 201, ?, 'today')",
        [b'{"email": "ada@example.com"}'],
    )
    db.execute("UPDATE letters SET trouble = 'it said no', tries = 2 WHERE kind = 'notice'")
    leave(db, ada, way="page", issue=7, now=NOW)
    kept = kept_about(db, ada)
    assert kept["subscription"]["email"] == "ada@example.com"
    assert kept["subscription"]["topics"] == ["music"]
    assert kept["subscription"]["suppressed"] == "unsubscribed"
    assert [row["kind"] for row in kept["consents"]] == ["asked", "left"]
    assert kept["consents"][0]["ip"] == "192.0.2.7"
    assert [row["way"] for row in kept["departures"]] == ["page"]
    assert [row["email"] for row in kept["address_changes_asked_for"]] == ["new@example.com"]
    assert [row["kind"] for row in kept["letters"]] == ["notice", "address"]
    assert [(row["trouble"], row["tries"]) for row in kept["letters"]] == [("it said no", 2), (None, 0)]
    assert kept["answers_to_programs"] == [{"program": "shop", "made_at": "today"}]
    assert [(row["issue"], row["subject"], row["state"]) for row in kept["issues"]] == [(7, "Seven", "queued")]
    assert [row["opens_and_clicks"] for row in kept["issues"]] == ["not counted"]
    assert [row["kind"] for row in kept["events"]] == ["unsubscribed"]
    assert [(row["tool"], row["verdict"]) for row in kept["votes"]] == [("suno", "skip")]
    json.dumps(kept)


@pytest.mark.parametrize(("mode", "told"), [("readers", 2), ("counts", 0)])
def test_opens_and_clicks_are_told_where_they_are_kept_as_hers(db: Database, ada: int, mode: str, told: int) -> None:
    db.execute(
        "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, created_at, updated_at, tracking)"
        " VALUES (7, 'draft', 'Seven', '', '', '', '', '', ?)",
        [json.dumps({"mode": mode, "utm": "", "hidden": False})],
    )
    db.execute("INSERT INTO links (issue, number, address) VALUES (7, 3, 'https://example.com/a')")
    for copy, kind, link, mark in ((ada, 5, 0, 2), (ada, 6, 3, 1), (ada + 1, 6, 3, 1)):
        db.execute("INSERT INTO readings VALUES (7, ?, ?, ?, ?, 0, ?, 0)", [copy, kind, link, 1_764_147_600_000, mark])
    rows = kept_about(db, ada)["opens_and_clicks"]
    assert len(rows) == told
    if told:
        assert rows[0] == {
            "issue": 7, "kind": "opened", "link": None, "at": "2025-11-26T09:00:00Z", "by": "a machine",
        }  # fmt: skip
        assert rows[1]["link"] == "https://example.com/a"
        assert rows[1]["by"].startswith("you")


def test_what_is_kept_is_found_without_reading_every_delivery(db: Database, ada: int) -> None:
    """Millions of rows are of other readers: each large table is looked into by a key."""
    read: list[str] = []
    db.conn.set_trace_callback(read.append)
    kept_about(db, ada)
    forgetting.forget(db, ada, now=NOW)
    db.conn.set_trace_callback(None)
    plans = [
        row[3]
        for sql in read
        if sql.startswith(("SELECT", "UPDATE"))
        for row in db.conn.execute(f"EXPLAIN QUERY PLAN {sql}")
    ]
    large = [
        plan
        for plan in plans
        if plan.split()[1] in ("d", "v", "e", "r", "u", "events", "deliveries", "votes", "readings")
    ]
    assert large
    assert [plan for plan in large if not plan.startswith("SEARCH")] == []


def test_every_table_that_knows_a_reader_is_told_of(db: Database, ada: int) -> None:
    """A table with a column for a subscriber, made later, must be in what is told and in what is erased."""
    known = {
        "consents", "departures", "address_changes", "letters", "deliveries", "events", "wishes",
        "uncounted",
    }  # fmt: skip
    tables = {
        name
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        if any(column.name == "subscriber" for column in db[name].columns)
    }
    assert tables == known
