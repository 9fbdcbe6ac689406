"""Subscribers: how they come and go, who is found, and how they are counted."""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import NOW, memory_store, remove
from digest.audience import subscribers
from digest.audience.addresses import read_address
from digest.audience.subscribers import (
    REASONS,
    Reason,
    Subscriber,
    add,
    count_audience,
    find_subscribers,
)
from digest.audience.suppression import lift
from digest.errors import InputError, NotFoundError, StateError
from digest.store import Database, writing


def bar(db: Database, email: str, reason: Reason = "complaint") -> None:
    subscribers.suppress(db, read_address(email).key, reason, now=NOW)


def found(db: Database, **how: Any) -> list[str]:
    return [subscriber.email for subscriber in find_subscribers(db, **how)]


def only(db: Database) -> Subscriber:
    (subscriber,) = find_subscribers(db)
    return subscriber


def counts(db: Database) -> tuple[int, ...]:
    count = count_audience(db)
    assert list(count) == ["active", "pending", "unsubscribed", "suppressed"]
    return tuple(count.values())


def test_one_who_is_added_is_active(db: Database, now: datetime) -> None:
    subscriber, changed = add(db, " Ada@Example.org ", now=now, name="Ada")
    assert changed
    assert subscriber == only(db)
    assert subscriber.as_dict() == {
        "email": "Ada@Example.org",
        "name": "Ada",
        "state": "active",
        "suppressed": None,
        "source": "added by hand",
        "created_at": "2026-11-26T09:00:00.000000Z",
        "timezone": None,
    }


def test_a_time_zone_is_kept_and_one_that_is_none_is_refused(db: Database, now: datetime) -> None:
    assert add(db, "ada@example.org", now=now, timezone="Europe/Berlin")[0].timezone == "Europe/Berlin"
    assert add(db, "ada@example.org", now=now, name="Ada")[0].timezone == "Europe/Berlin"
    assert add(db, "ada@example.org", now=now, timezone="Asia/Tokyo")[1]
    with pytest.raises(InputError, match="no time zone is called 'Berlin'; write it like Europe/Berlin"):
        add(db, "bea@example.org", now=now, timezone="Berlin")


def test_one_who_is_added_again_stays_as_they_are(db: Database, now: datetime) -> None:
    first, _ = add(db, "ada@example.org", now=now, name="Ada")
    for email, name in (("ada@example.org", None), ("ADA@Example.org", "Ada"), ("ada@example.org", "http://evil")):
        again, changed = add(db, email, now=now + timedelta(days=1), name=name)
        assert (again, changed) == (first, False)
    assert only(db) == first


def test_one_who_is_added_again_may_have_a_new_name(db: Database, now: datetime) -> None:
    add(db, "ada@example.org", now=now)
    again, changed = add(db, "ada@example.org", now=now, name="Ada")
    assert (again.name, changed) == ("Ada", True)
    assert add(db, "ada@example.org", now=now)[0].name == "Ada"


def test_what_is_no_address_is_not_added(db: Database, now: datetime) -> None:
    with pytest.raises(InputError):
        add(db, "ada", now=now)
    assert found(db) == []


def test_one_who_has_not_confirmed_becomes_active_when_added_by_hand(db: Database, now: datetime) -> None:
    add(db, "ada@example.org", now=now)
    with writing(db) as connection:
        connection.execute("UPDATE subscribers SET state = 'pending'")
    assert counts(db) == (0, 1, 0, 0)
    assert add(db, "ada@example.org", now=now)[1]
    assert counts(db) == (1, 0, 0, 0)


def test_one_who_is_removed_is_unsubscribed_and_suppressed(db: Database, now: datetime) -> None:
    add(db, "ada@example.org", now=now)
    subscriber, changed = remove(db, "ADA@example.org", now=now)
    assert changed
    assert subscriber == only(db)
    assert (subscriber.state, subscriber.suppressed) == ("unsubscribed", "unsubscribed")
    assert remove(db, "ada@example.org", now=now) == (subscriber, False)
    assert counts(db) == (0, 0, 1, 0)


def test_nobody_can_be_removed_who_is_not_there(db: Database, now: datetime) -> None:
    with pytest.raises(NotFoundError, match="no subscriber has the address ada@"):
        remove(db, "ada@example.org", now=now)
    assert counts(db) == (0, 0, 0, 0)


def test_one_who_unsubscribed_comes_back_only_when_they_asked(db: Database, now: datetime) -> None:
    add(db, "ada@example.org", now=now, name="Ada")
    remove(db, "ada@example.org", now=now)
    with pytest.raises(StateError) as error:
        add(db, "Ada@example.org", now=now)
    assert str(error.value) == (
        "Ada@example.org must not be mailed (unsubscribed); add --resubscribe if they asked to come back"
    )
    assert only(db).state == "unsubscribed"
    subscriber, changed = add(db, "ada@example.org", now=now, resubscribe=True)
    assert changed
    assert (subscriber.state, subscriber.suppressed, subscriber.name) == ("active", None, "Ada")
    assert counts(db) == (1, 0, 0, 0)


def test_who_left_stays_out_also_when_the_address_is_off_the_list(db: Database, now: datetime) -> None:
    add(db, "ada@example.org", now=now)
    remove(db, "ada@example.org", now=now)
    lift(db, "ada@example.org", now=now)
    with pytest.raises(StateError, match="--resubscribe"):
        add(db, "ada@example.org", now=now)
    assert only(db).state == "unsubscribed"
    assert add(db, "ada@example.org", now=now, resubscribe=True)[0].state == "active"


@pytest.mark.parametrize("reason", [reason for reason in REASONS if reason != "unsubscribed"])
@pytest.mark.parametrize("resubscribe", [False, True])
@pytest.mark.parametrize("was_there", [False, True])
def test_one_who_bounced_or_complained_cannot_be_added(
    db: Database, now: datetime, reason: Reason, resubscribe: bool, was_there: bool
) -> None:
    if was_there:
        add(db, "ada@example.org", now=now)
    bar(db, "Ada@Example.org", reason)
    with pytest.raises(StateError, match=rf"must not be mailed \({reason}\); nothing was changed"):
        add(db, "ada@example.org", now=now, resubscribe=resubscribe)
    assert counts(db) == (0, 0, 0, 1)


def test_the_first_reason_stays(db: Database, now: datetime) -> None:
    add(db, "ada@example.org", now=now)
    bar(db, "ada@example.org", "hard bounce")
    bar(db, "ada@example.org", "complaint")
    remove(db, "ada@example.org", now=now)
    assert only(db).suppressed == "hard bounce"
    assert counts(db) == (0, 0, 1, 0)


def test_subscribers_are_found_in_the_order_they_came(db: Database, now: datetime) -> None:
    for email in ("cid@example.org", "ada@example.org", "bea@example.org"):
        add(db, email, now=now)
    remove(db, "ada@example.org", now=now)
    assert found(db) == ["cid@example.org", "ada@example.org", "bea@example.org"]
    assert found(db, limit=2) == ["cid@example.org", "ada@example.org"]
    assert found(db, state="active") == ["cid@example.org", "bea@example.org"]
    assert found(db, state="unsubscribed") == ["ada@example.org"]
    assert found(db, state="pending") == []


def test_subscribers_are_found_by_a_part_of_address_or_name(db: Database, now: datetime) -> None:
    add(db, "ada_l@example.org", now=now, name="Countess")
    add(db, "adaxl@example.org", now=now, name="100% Ada\\Bea")
    add(db, "o'brien@example.com", now=now)
    assert found(db, search="ADA") == ["ada_l@example.org", "adaxl@example.org"]
    assert found(db, search="a_l") == ["ada_l@example.org"]
    assert found(db, search="%") == ["adaxl@example.org"]
    assert found(db, search="\\") == ["adaxl@example.org"]
    assert found(db, search="o'b") == ["o'brien@example.com"]
    assert found(db, search="countess", state="active") == ["ada_l@example.org"]
    assert found(db, search="countess", state="pending") == []


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.text("uv%_\\'", min_size=1, max_size=3), st.lists(st.text("uv%_\\'", max_size=5), max_size=5))
def test_a_search_finds_what_has_the_text_in_it_and_nothing_else(search: str, names: list[str]) -> None:
    with closing(memory_store()) as db:
        for number, name in enumerate(names):
            add(db, f"{number}@example.org", now=NOW, name=name)
        assert found(db, search=search) == [
            f"{number}@example.org" for number, name in enumerate(names) if search in name
        ]


_PEOPLE = ["ada@example.org", "bea@example.org"]
_deeds = st.tuples(st.sampled_from(["add", "back", "remove", "pend", *REASONS]), st.sampled_from(_PEOPLE))


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(_deeds, max_size=12))
@example([("add", _PEOPLE[0]), ("pend", _PEOPLE[0]), ("complaint", _PEOPLE[0])])
def test_everyone_is_counted_once(deeds: list[tuple[str, str]]) -> None:
    with closing(memory_store()) as db:
        for deed, email in deeds:
            with suppress(StateError, NotFoundError):
                if deed in ("add", "back"):
                    add(db, email, now=NOW, resubscribe=deed == "back")
                elif deed == "remove":
                    remove(db, email, now=NOW)
                elif deed == "pend":
                    db.conn.execute("UPDATE subscribers SET state = 'pending' WHERE email = ?", (email,))
                else:
                    bar(db, email, next(reason for reason in REASONS if reason == deed))
        everyone = "SELECT email_key FROM subscribers UNION SELECT email_key FROM suppressions"
        assert sum(counts(db)) == len(db.conn.execute(everyone).fetchall())
        mailed = [one for one in find_subscribers(db) if one.state == "active" and not one.suppressed]
        assert count_audience(db)["active"] == len(mailed)
