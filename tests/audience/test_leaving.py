from __future__ import annotations

from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.audience import forgetting, subscribers
from digest.audience.addresses import read_address
from digest.audience.consents import Witness
from digest.audience.leaving import WHY, come_back, give_reason, leave
from digest.audience.signing_up import Wish, ask, confirm
from digest.errors import InputError, StateError
from digest.events import Kind
from digest.settings import Settings
from digest.store import writing


def subscriber(db: Database, email: str = "ada@example.com") -> int:
    return subscribers.add(db, email, now=NOW)[0].id


def delivered(db: Database, id_: int) -> None:
    """Give issue 7 to a reader."""
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO issues (number, state, subject, preheader, intro, cutoff, created_at, updated_at)"
            " VALUES (7, 'draft', '', '', '', '', '', '')"
        )
        connection.execute("INSERT INTO deliveries (issue, subscriber) VALUES (7, ?)", (id_,))


def state(db: Database, id_: int) -> tuple[str, str | None]:
    row: tuple[str, str | None] = db.execute(
        "SELECT s.state, x.reason FROM subscribers s LEFT JOIN suppressions x USING (email_key) WHERE s.id = ?", [id_]
    ).fetchone()
    return row


def rows(db: Database, sql: str) -> list[tuple[object, ...]]:
    return list(db.execute(sql).fetchall())


def test_who_leaves_is_unsubscribed_and_suppressed_and_it_is_written_down(db: Database) -> None:
    id_ = subscriber(db)
    delivered(db, id_)
    assert leave(db, id_, way="one-click", issue=7, now=NOW)
    assert state(db, id_) == ("unsubscribed", "unsubscribed")
    assert rows(db, "SELECT subscriber, issue, way, returned_at FROM departures") == [(id_, 7, "one-click", None)]
    assert rows(db, "SELECT issue, subscriber, kind FROM events") == [(7, id_, Kind.UNSUBSCRIBED)]
    assert rows(db, "SELECT subscriber, kind, source, ip FROM consents") == [(id_, "left", "one-click", None)]


def test_leaving_twice_is_leaving_once(db: Database) -> None:
    id_ = subscriber(db)
    assert leave(db, id_, way="page", now=NOW)
    before = list(db.conn.iterdump())
    assert not leave(db, id_, way="one-click", now=NOW + timedelta(hours=1))
    assert list(db.conn.iterdump()) == before


def test_a_confirmation_letter_from_before_brings_nobody_back(db: Database, settings: Settings) -> None:
    witness = Witness("the page")
    ask(db, settings, Wish(read_address("ada@example.com")), witness, now=NOW)
    id_ = subscriber(db)  # an editor was quicker
    assert leave(db, id_, way="page", now=NOW)
    assert confirm(db, settings, id_, witness, now=NOW) == "gone"
    assert state(db, id_) == ("unsubscribed", "unsubscribed")
    ask(db, settings, Wish(read_address("ada@example.com")), witness, now=NOW + timedelta(hours=1))
    assert confirm(db, settings, id_, witness, now=NOW + timedelta(hours=1)) == "confirmed"


def test_nobody_leaves_who_is_not_there(db: Database) -> None:
    assert not leave(db, 999, way="mail", now=NOW)
    assert rows(db, "SELECT * FROM departures") == []


def test_leaving_by_a_letter_or_an_issue_that_was_not_theirs_is_no_event(db: Database) -> None:
    ada, bob = subscriber(db), subscriber(db, "bob@example.com")
    delivered(db, ada)
    assert leave(db, bob, way="page", issue=7, now=NOW)
    assert leave(db, ada, way="page", issue=0, now=NOW)
    assert rows(db, "SELECT * FROM events") == []
    assert rows(db, "SELECT issue FROM departures ORDER BY id") == [(7,), (None,)]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_letter_of_goodbye_goes_out_where_it_is_wanted(db: Database, wanted: bool) -> None:
    id_ = subscriber(db)
    leave(db, id_, way="page", goodbye=wanted, now=NOW)
    expected = [("goodbye", id_, "ada@example.com")] if wanted else []
    assert rows(db, "SELECT kind, subscriber, email FROM letters") == expected


def test_no_goodbye_to_an_address_that_must_not_be_mailed(db: Database) -> None:
    id_ = subscriber(db)
    subscribers.suppress(db, "ada@example.com", "complaint", now=NOW)
    leave(db, id_, way="page", goodbye=True, now=NOW)
    assert rows(db, "SELECT * FROM letters") == []


def test_coming_back_undoes_it(db: Database) -> None:
    id_ = subscriber(db)
    leave(db, id_, way="page", now=NOW)
    assert come_back(db, id_, now=NOW + timedelta(minutes=1))
    assert state(db, id_) == ("active", None)
    assert rows(db, "SELECT returned_at NOTNULL FROM departures") == [(1,)]
    assert rows(db, "SELECT kind FROM consents ORDER BY id") == [("left",), ("returned",)]
    assert not come_back(db, id_, now=NOW + timedelta(minutes=2))


def test_only_the_last_departure_is_undone(db: Database) -> None:
    id_ = subscriber(db)
    for _ in range(2):
        leave(db, id_, way="page", now=NOW)
        come_back(db, id_, now=NOW)
    leave(db, id_, way="page", now=NOW)
    assert rows(db, "SELECT returned_at NOTNULL FROM departures ORDER BY id") == [(1,), (1,), (0,)]


@pytest.mark.parametrize("reason", ["complaint", "hard bounce"])
def test_nobody_comes_back_whose_address_is_suppressed_for_something_else(
    db: Database, reason: subscribers.Reason
) -> None:
    id_ = subscriber(db)
    subscribers.suppress(db, "ada@example.com", reason, now=NOW)
    leave(db, id_, way="page", now=NOW)
    with pytest.raises(StateError):
        come_back(db, id_, now=NOW)
    assert state(db, id_) == ("unsubscribed", reason)


def test_who_was_forgotten_does_not_come_back(db: Database) -> None:
    id_ = subscriber(db)
    forgetting.forget(db, id_, now=NOW)
    with pytest.raises(StateError, match="forgotten"):
        come_back(db, id_, now=NOW)
    with pytest.raises(StateError, match="forgotten"):
        come_back(db, 999, now=NOW)


def test_a_reason_is_kept_with_the_departure(db: Database) -> None:
    id_ = subscriber(db)
    leave(db, id_, way="page", now=NOW)
    assert give_reason(db, id_, reason="too-often", words=" Less is more. ")
    assert rows(db, "SELECT reason, words FROM departures") == [("too-often", "Less is more.")]
    assert "too-often" in WHY


def test_no_reason_is_no_reason(db: Database) -> None:
    id_ = subscriber(db)
    leave(db, id_, way="page", now=NOW)
    assert not give_reason(db, id_, reason="", words="  ")
    assert rows(db, "SELECT reason, words FROM departures") == [(None, None)]


def test_who_has_not_left_has_no_reason(db: Database) -> None:
    id_ = subscriber(db)
    assert not give_reason(db, id_, reason="other")
    leave(db, id_, way="page", now=NOW)
    come_back(db, id_, now=NOW)
    assert not give_reason(db, id_, reason="other")


@pytest.mark.parametrize(("reason", "words"), [("because", ""), ("other", "x" * 1_001)])
def test_a_reason_that_is_none_is_refused(db: Database, reason: str, words: str) -> None:
    with pytest.raises(InputError):
        give_reason(db, 1, reason=reason, words=words)
