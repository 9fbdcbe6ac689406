from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.audience import forgetting, letterbox, subscribers
from digest.audience.changing_address import A_DAY, ask, call_off, confirm, find_change
from digest.audience.leaving import leave
from digest.errors import InputError, NotFoundError, StateError

OLD, NEW = "ada@example.com", "Ada@example.org"


@pytest.fixture
def ada(db: Database) -> int:
    return subscribers.add(db, OLD, now=NOW, name="Ada", timezone="Europe/London")[0].id


def letters(db: Database, kind: str = "address") -> list[tuple[str, object]]:
    """Give to whom letters of a kind go, and for which change."""
    found = db.execute("SELECT email, detail FROM letters WHERE kind = ? ORDER BY id", [kind])
    return [(email, json.loads(detail).get("change")) for email, detail in found]


def change(db: Database, id_: int, email: str = NEW, **more: int) -> int:
    """Ask, and give the number of the change."""
    ask(db, id_, email, letters_a_day=more.get("letters_a_day", 3), now=NOW)
    number: int = db.execute("SELECT id FROM address_changes WHERE subscriber = ?", [id_]).fetchone()[0]
    return number


def address_of(db: Database, id_: int) -> tuple[str, str, str]:
    row: tuple[str, str, str] = db.execute(
        "SELECT email, email_key, state FROM subscribers WHERE id = ?", [id_]
    ).fetchone()
    return row


def test_asking_changes_nothing_but_writes_to_both(db: Database, ada: int) -> None:
    number = change(db, ada)
    assert address_of(db, ada)[0] == OLD
    assert letters(db) == [(NEW, number)]
    assert letters(db, "notice") == [(OLD, None)]


def test_the_old_address_is_told_before_the_new_one_is_asked(db: Database, ada: int) -> None:
    change(db, ada)
    claimed = [letterbox.claim(db, provider="p", account="a", worker=1, now=NOW) for _ in range(2)]
    assert [letter.kind for letter in claimed if letter] == ["notice", "address"]


def test_confirming_moves_the_reader(db: Database, ada: int) -> None:
    moved = confirm(db, change(db, ada), now=NOW)
    assert (moved.subscriber, moved.email, moved.merged) == (ada, NEW, False)
    assert address_of(db, ada) == (NEW, NEW.lower(), "active")
    assert db.execute("SELECT kind, source FROM consents").fetchall() == [("changed", "the new address")]


def test_a_change_is_done_once(db: Database, ada: int) -> None:
    number = change(db, ada)
    confirm(db, number, now=NOW)
    with pytest.raises(NotFoundError, match="used already"):
        confirm(db, number, now=NOW)


def test_another_change_ends_the_first_and_its_number_is_never_used_again(db: Database, ada: int) -> None:
    first = change(db, ada)
    second = change(db, ada, "ada@example.net")
    assert second != first
    with pytest.raises(NotFoundError):
        confirm(db, first, now=NOW)
    call_off(db, ada)
    assert change(db, ada, "third@example.net") not in (first, second)


def test_the_readers_own_address_calls_it_off(db: Database, ada: int) -> None:
    number = change(db, ada)
    assert ask(db, ada, "ADA@example.com", letters_a_day=3, now=NOW) is None
    with pytest.raises(NotFoundError):
        find_change(db, number)
    assert address_of(db, ada)[:2] == ("ADA@example.com", OLD)
    assert len(letters(db)) == 1


def test_too_many_changes_in_a_day_are_refused(db: Database, ada: int) -> None:
    for number in range(A_DAY):
        change(db, ada, f"ada{number}@example.org")
    with pytest.raises(InputError, match="tomorrow"):
        change(db, ada, "one.more@example.org")
    ask(db, ada, "one.more@example.org", letters_a_day=3, now=NOW + timedelta(days=1, seconds=1))


def test_one_address_gets_only_so_many_letters(db: Database) -> None:
    for number in range(3):
        id_ = subscribers.add(db, f"reader{number}@example.com", now=NOW)[0].id
        ask(db, id_, NEW, letters_a_day=2, now=NOW)
    assert len(letters(db)) == 2


@pytest.mark.parametrize("reason", ["complaint", "hard bounce"])
def test_an_address_that_must_not_be_mailed_gets_no_letter_and_nobody_is_told(
    db: Database, ada: int, reason: subscribers.Reason
) -> None:
    subscribers.suppress(db, NEW.lower(), reason, now=NOW)
    assert ask(db, ada, NEW, letters_a_day=3, now=NOW) is not None
    assert letters(db) == []
    assert letters(db, "notice") == [(OLD, None)]


def test_an_address_that_was_suppressed_meanwhile_is_not_taken(db: Database, ada: int) -> None:
    number = change(db, ada)
    subscribers.suppress(db, NEW.lower(), "complaint", now=NOW)
    with pytest.raises(StateError):
        confirm(db, number, now=NOW)
    assert address_of(db, ada)[0] == OLD


def test_who_left_cannot_move(db: Database, ada: int) -> None:
    number = change(db, ada)
    leave(db, ada, way="page", now=NOW)
    with pytest.raises(StateError, match="left"):
        confirm(db, number, now=NOW)
    with pytest.raises(StateError, match="left"):
        ask(db, ada, "ada@example.net", letters_a_day=3, now=NOW)


@pytest.mark.parametrize("before", ["active", "unsubscribed", "pending"])
def test_an_address_that_is_known_stays_with_whom_it_was(db: Database, ada: int, before: str) -> None:
    other = subscribers.add(db, NEW, now=NOW, timezone="Asia/Tokyo")[0].id
    if before == "unsubscribed":
        leave(db, other, way="page", now=NOW)
    db.execute("UPDATE subscribers SET state = ? WHERE id = ?", [before, other])
    asked = ask(db, ada, NEW, letters_a_day=3, now=NOW)
    assert asked is not None
    assert letters(db) == [(NEW, 1)]
    moved = confirm(db, 1, now=NOW)
    assert (moved.subscriber, moved.merged) == (other, True)
    assert address_of(db, other) == (NEW, NEW.lower(), "active")
    assert address_of(db, ada) == (OLD, OLD, "unsubscribed")
    assert db.execute("SELECT email_key, reason FROM suppressions").fetchall() == [(OLD, "unsubscribed")]
    assert db.execute("SELECT name, timezone FROM subscribers WHERE id = ?", [other]).fetchone() == (
        "Ada", "Asia/Tokyo",
    )  # fmt: skip


def test_a_forgotten_address_is_its_owners_again(db: Database, ada: int) -> None:
    other = subscribers.add(db, NEW, now=NOW)[0].id
    forgetting.forget(db, other, now=NOW)
    confirm(db, change(db, ada), now=NOW)
    assert not forgetting.is_forgotten(db, NEW.lower())
    assert address_of(db, ada)[0] == NEW


def test_nobody_who_is_gone_moves(db: Database, ada: int) -> None:
    forgetting.forget(db, ada, now=NOW)
    with pytest.raises(StateError):
        ask(db, ada, NEW, letters_a_day=3, now=NOW)
    with pytest.raises(NotFoundError):
        ask(db, 999, NEW, letters_a_day=3, now=NOW)
    with pytest.raises(InputError):
        ask(db, ada, "no address", letters_a_day=3, now=NOW)
