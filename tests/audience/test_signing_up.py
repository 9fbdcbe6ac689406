from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from conftest import NOW, memory_store
from digest.audience import brake, leaving, signing_up, topics
from digest.audience.addresses import read_address
from digest.audience.consents import Witness
from digest.audience.forgetting import forget, is_forgotten
from digest.audience.signing_up import Wish
from digest.audience.subscribers import add, suppress
from digest.errors import InputError
from digest.settings import Settings
from digest.store import Database

WITNESS = Witness("sign-up form", "203.0.113.7", "Firefox")


@pytest.fixture
def settings() -> Settings:
    return Settings(sign_ups_per_hour=1000)


@pytest.fixture
def db() -> Database:
    return memory_store()


def ask(
    db: Database,
    settings: Settings,
    email: str = "ada@example.org",
    *,
    now: datetime = NOW,
    proven: bool = False,
    name: str | None = None,
    topics: tuple[str, ...] = (),
) -> str:
    wish = Wish(read_address(email), name, None, topics)
    return signing_up.ask(db, settings, wish, WITNESS, now=now, proven=proven)


def reader(db: Database, email: str = "ada@example.org") -> tuple[int, str, str | None]:
    row: tuple[int, str, str | None] = db.conn.execute(
        "SELECT id, state, name FROM subscribers WHERE email_key = ?", (email,)
    ).fetchone()
    return row


def letters(db: Database, kind: str = "confirm") -> list[tuple[str, str]]:
    return db.conn.execute("SELECT email, not_before FROM letters WHERE kind = ? ORDER BY id", (kind,)).fetchall()


def confirm(db: Database, settings: Settings, subscriber: int, *, now: datetime = NOW) -> str:
    return signing_up.confirm(db, settings, subscriber, WITNESS, now=now)


def test_asking_makes_a_pending_reader_and_a_letter(db: Database, settings: Settings) -> None:
    assert ask(db, settings, name="Ada") == "asked"
    _, state, name = reader(db)
    assert (state, name) == ("pending", None)
    assert [email for email, _ in letters(db)] == ["ada@example.org"]
    kind, source, words, ip = db.conn.execute("SELECT kind, source, words, ip FROM consents").fetchone()
    assert (kind, source) == ("asked", "sign-up form")
    assert "leave with one click" in words
    assert len(ip) == 64


def test_confirming_makes_them_a_reader_as_wished_and_once(db: Database, settings: Settings) -> None:
    ask(db, settings, name="Ada", topics=("coding", "voice"))
    id_ = reader(db)[0]
    assert signing_up.standing(db, id_) == "waits"
    assert confirm(db, settings, id_) == "confirmed"
    assert confirm(db, settings, id_) == "already"
    assert signing_up.standing(db, id_) == "already"
    assert reader(db) == (id_, "active", "Ada")
    row = db.conn.execute("SELECT topic_set, confirmed_at FROM subscribers").fetchone()
    assert topics.topics_in(db, row[0]) == ("coding", "voice")
    assert row[1].startswith("2026-11-26T09:00")
    assert len(letters(db, "welcome")) == 1
    assert db.conn.execute("SELECT kind FROM consents ORDER BY id").fetchall() == [("asked",), ("confirmed",)]


def test_no_welcome_where_none_is_wanted(db: Database) -> None:
    settings = Settings(welcome_letter=False)
    ask(db, settings)
    confirm(db, settings, reader(db)[0])
    assert letters(db, "welcome") == []


def test_a_form_that_is_sent_twice_asks_once(db: Database, settings: Settings) -> None:
    assert ask(db, settings) == "asked"
    assert ask(db, settings, "ADA@example.org", now=NOW + timedelta(seconds=119)) == "repeated"
    assert len(letters(db)) == 1
    assert ask(db, settings, now=NOW + timedelta(minutes=2)) == "again"
    assert len(letters(db)) == 2
    assert db.conn.execute("SELECT count(*) FROM subscribers").fetchone() == (1,)


def test_one_address_gets_so_many_letters_a_day(db: Database, settings: Settings) -> None:
    became = [ask(db, settings, now=NOW + timedelta(hours=hours)) for hours in range(10)]
    assert became == ["asked", "again", "again"] + ["repeated"] * 7
    assert ask(db, settings, now=NOW + timedelta(hours=25)) == "again"


def test_a_stranger_changes_nothing_of_a_reader(db: Database, settings: Settings) -> None:
    add(db, "ada@example.org", now=NOW, name="Ada")
    before = db.conn.execute("SELECT * FROM subscribers").fetchall()
    assert ask(db, settings, name="Silly", topics=("voice",)) == "known"
    assert db.conn.execute("SELECT * FROM subscribers").fetchall() == before
    for table in ("letters", "wishes", "consents"):
        assert db.conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_one_who_left_comes_back_by_confirming_only(db: Database, settings: Settings) -> None:
    id_ = add(db, "ada@example.org", now=NOW, name="Ada")[0].id
    leaving.leave(db, id_, way="page", now=NOW)
    assert ask(db, settings, name="Silly") == "again"
    assert reader(db) == (id_, "unsubscribed", "Ada")
    assert db.conn.execute("SELECT reason FROM suppressions").fetchall() == [("unsubscribed",)]
    assert confirm(db, settings, id_) == "confirmed"
    assert reader(db)[1] == "active"
    assert db.conn.execute("SELECT * FROM suppressions").fetchall() == []


def test_an_old_letter_does_not_bring_back_one_who_left_since(db: Database, settings: Settings) -> None:
    ask(db, settings)
    id_ = reader(db)[0]
    confirm(db, settings, id_)
    leaving.leave(db, id_, way="page", now=NOW)
    assert signing_up.standing(db, id_) == "gone"
    assert confirm(db, settings, id_) == "gone"
    assert reader(db)[1] == "unsubscribed"


@pytest.mark.parametrize("reason", ["hard bounce", "complaint"])
def test_an_address_that_bounced_or_complained_gets_no_letter(db: Database, settings: Settings, reason: str) -> None:
    suppress(db, "ada@example.org", reason, now=NOW)  # type: ignore[arg-type]
    assert ask(db, settings) == "barred"
    assert letters(db) == []
    assert reader(db) is None


def test_one_whose_letter_bounced_meanwhile_is_told(db: Database, settings: Settings) -> None:
    ask(db, settings)
    suppress(db, "ada@example.org", "hard bounce", now=NOW)
    assert confirm(db, settings, reader(db)[0]) == "barred"
    assert db.conn.execute("SELECT reason FROM suppressions").fetchall() == [("hard bounce",)]


def test_one_who_was_forgotten_may_sign_up_again(db: Database, settings: Settings) -> None:
    old = add(db, "ada@example.org", now=NOW)[0].id
    forget(db, old, now=NOW)
    assert ask(db, settings) == "asked"
    assert is_forgotten(db, "ada@example.org")
    assert confirm(db, settings, reader(db)[0]) == "confirmed"
    assert not is_forgotten(db, "ada@example.org")
    assert signing_up.standing(db, old) == "gone"


@pytest.mark.parametrize(("details", "kept"), [("kept", ("203.0.113.7", "Firefox")), ("none", (None, None))])
def test_what_is_kept_of_network_and_browser_is_chosen(db: Database, details: str, kept: tuple[object, object]) -> None:
    ask(db, Settings(consent_details=details))
    assert db.conn.execute("SELECT ip, agent FROM consents").fetchone() == kept


def test_what_was_hashed_can_be_asked_for_but_not_read(db: Database, settings: Settings) -> None:
    ask(db, settings, "a@example.org")
    ask(db, settings, "b@example.org")
    hashed = db.conn.execute("SELECT DISTINCT ip, agent FROM consents").fetchall()
    assert len(hashed) == 1
    other = memory_store()
    ask(other, settings, "a@example.org")
    assert other.conn.execute("SELECT ip, agent FROM consents").fetchall() != hashed


# The brake ---------------------------------------------------------------------------------------------------------


def minutes_waited(db: Database) -> list[float]:
    return [(datetime.fromisoformat(at) - NOW).total_seconds() / 60 for _, at in letters(db)]


def test_letters_beyond_an_hours_share_wait(db: Database) -> None:
    settings = Settings(sign_ups_per_hour=10)
    for number in range(12):
        ask(db, settings, f"r{number}@example.org")
    assert minutes_waited(db) == [0] * 5 + [60] * 5 + [120] * 2


def test_those_with_proof_do_not_wait_behind_those_without(db: Database) -> None:
    settings = Settings(sign_ups_per_hour=10)
    for number in range(40):
        ask(db, settings, f"r{number}@example.org")
    ask(db, settings, "ada@example.org", proven=True)
    assert minutes_waited(db)[-1] == 0


def test_those_with_proof_take_what_the_others_leave(db: Database) -> None:
    settings = Settings(sign_ups_per_hour=10)
    for number in range(11):
        ask(db, settings, f"r{number}@example.org", proven=True)
    ask(db, settings, "late@example.org")
    assert minutes_waited(db) == [0] * 10 + [60] + [60]


def test_no_hour_has_more_letters_than_it_may(db: Database) -> None:
    settings = Settings(sign_ups_per_hour=10)
    moment = NOW
    for number in range(150):
        moment += timedelta(minutes=number % 7)
        ask(db, settings, f"r{number}@example.org", proven=number % 3 == 0 or number < 20, now=moment)
    waited = sorted(datetime.fromisoformat(at) for _, at in letters(db))
    for place, begin in enumerate(waited):
        assert sum(1 for at in waited[place:] if at < begin + timedelta(hours=1)) <= 10


def test_beyond_a_days_worth_nothing_is_taken_whoever_asks(db: Database) -> None:
    settings = Settings(sign_ups_per_hour=4)
    add(db, "ada@example.org", now=NOW)
    for number in range(50):
        ask(db, settings, f"r{number}@example.org")
    for email in ("new@example.org", "ada@example.org", "r1@example.org"):
        with pytest.raises(brake.BrakeError, match="come back tomorrow"):
            ask(db, settings, email)
    assert reader(db, "new@example.org") is None
    assert db.conn.execute("SELECT sum(count) FROM sign_up_counts").fetchone() == (50,)


def test_a_letter_that_is_held_for_a_person_holds_up_no_other(db: Database) -> None:
    settings = Settings(sign_ups_per_hour=2)
    ask(db, settings, "a@example.org")
    db.conn.execute("UPDATE letters SET not_before = '9999-12-29T00:00:00.000000Z', state = 'uncertain'")
    ask(db, settings, "b@example.org")
    assert minutes_waited(db)[1] == 60


# The end of what nobody confirmed -----------------------------------------------------------------------------------


def test_sign_ups_that_nobody_confirms_end_with_all_that_was_kept(db: Database, settings: Settings) -> None:
    many = Settings(sign_ups_per_hour=10**6)
    for number in range(1100):
        ask(db, many, f"r{number}@example.org")
    ask(db, settings, "late@example.org", now=NOW + timedelta(days=5))
    assert signing_up.expire(db, settings, now=NOW + timedelta(days=7, hours=23)) == 0
    assert signing_up.expire(db, settings, now=NOW + timedelta(days=8)) == 1100
    for table in ("subscribers", "wishes", "consents", "letters"):
        assert db.conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
    assert db.conn.execute("PRAGMA foreign_key_check").fetchall() == []
    assert db.conn.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_the_newest_stays_so_that_no_number_is_given_twice(db: Database, settings: Settings) -> None:
    ask(db, settings, "attacker@example.org")
    number = reader(db, "attacker@example.org")[0]
    assert signing_up.expire(db, settings, now=NOW + timedelta(days=30)) == 0
    ask(db, settings, "ada@example.org", now=NOW + timedelta(days=30))
    assert reader(db)[0] != number
    assert signing_up.expire(db, settings, now=NOW + timedelta(days=30)) == 1


def test_readers_of_issues_never_end_and_who_asked_anew_stays(db: Database, settings: Settings) -> None:
    ask(db, settings)
    confirm(db, settings, reader(db)[0])
    ask(db, settings, "anew@example.org")
    ask(db, settings, "anew@example.org", now=NOW + timedelta(days=6))
    left = add(db, "left@example.org", now=NOW)[0].id
    leaving.leave(db, left, way="page", now=NOW)
    ask(db, settings, "left@example.org")
    ask(db, settings, "last@example.org", now=NOW + timedelta(days=8))
    assert signing_up.expire(db, settings, now=NOW + timedelta(days=8)) == 0
    assert [row[0] for row in db.conn.execute("SELECT state FROM subscribers ORDER BY id")] == [
        "active",
        "pending",
        "unsubscribed",
        "pending",
    ]
    assert signing_up.standing(db, left) == "gone"


def test_everything_that_names_a_reader_is_known_to_expiry(db: Database) -> None:
    named = {
        table
        for table in db.table_names()
        for row in db.conn.execute(f"PRAGMA foreign_key_list([{table}])")
        if row[2] == "subscribers"
    }
    assert named == set(signing_up.OF_SIGN_UP) - {"subscribers"} | {"deliveries", "departures"}


# Topics -------------------------------------------------------------------------------------------------------------


def test_topics_are_the_categories_by_their_slugs(sample: Database) -> None:
    found = topics.topics_of(sample)
    assert found
    assert all(topic.slug == topics.topic_of(topic.name) for topic in found)
    assert [topic.name.casefold() for topic in found] == sorted(topic.name.casefold() for topic in found)


def test_a_set_of_topics_is_kept_once_whatever_the_order(db: Database) -> None:
    assert topics.topic_set_of(db, ()) is None
    one = topics.topic_set_of(db, ["voice", "coding"])
    assert one == topics.topic_set_of(db, ["coding", "voice", "coding"])
    assert topics.topics_in(db, one) == ("coding", "voice")
    assert topics.topics_in(db, None) == ()
    assert db.conn.execute("SELECT topics FROM topic_sets").fetchall() == [
        (json.dumps(["coding", "voice"], separators=(",", ":")),)
    ]
    assert topics.topic_sets(db) == {one: ("coding", "voice")}


def test_who_chooses_every_topic_gets_everything(sample: Database) -> None:
    slugs = [topic.slug for topic in topics.topics_of(sample)]
    assert topics.read_topics(sample, slugs) == ()
    assert topics.read_topics(sample, slugs[:1]) == (slugs[0],)
    with pytest.raises(InputError, match="no topic is called"):
        topics.read_topics(sample, [slugs[0], slugs[0][:-1]])
