from __future__ import annotations

import io
from datetime import timedelta

import pytest
from sqlite_utils import Database

from conftest import NOW
from digest.audience import forgetting, subscribers
from digest.audience.leaving import leave
from digest.audience.suppression import (
    Report,
    add_suppression,
    export_suppressions,
    find_suppressions,
    import_suppressions,
    lift,
)
from digest.errors import InputError, NotFoundError

LATER = NOW + timedelta(hours=1)


def entries(db: Database) -> dict[str, str]:
    """Give every suppressed address and why."""
    return {entry.email: entry.reason for entry in find_suppressions(db)}


def state(db: Database, email: str) -> str:
    return next(found.state for found in subscribers.find_subscribers(db) if found.email == email)


def take_in(db: Database, text: str, **options: object) -> Report:
    return import_suppressions(db, "list.csv", io.StringIO(text), now=NOW, **options)  # type: ignore[arg-type]


def test_an_address_is_put_on_the_list_by_any_spelling_and_once(db: Database) -> None:
    assert add_suppression(db, "Ada@Example.com", "hard bounce", source="by hand", now=NOW)
    assert not add_suppression(db, "ada@example.com", "hard bounce", source="by hand", now=LATER)
    [entry] = find_suppressions(db)
    assert entry.as_dict() == {
        "email": "ada@example.com",
        "reason": "hard bounce",
        "source": "by hand",
        "created_at": "2026-11-26T09:00:00.000000Z",
    }


def test_what_says_more_stays(db: Database) -> None:
    for reason in ("unsubscribed", "complaint", "unsubscribed", "hard bounce"):
        add_suppression(db, "ada@example.com", reason, source="by hand", now=NOW)
    assert entries(db) == {"ada@example.com": "complaint"}


def test_a_subscriber_who_asked_to_leave_leaves_by_it_and_others_keep_their_state(db: Database) -> None:
    for email in ("ada@example.com", "bob@example.com"):
        subscribers.add(db, email, now=NOW)
    add_suppression(db, "ada@example.com", "unsubscribed", source="by hand", now=NOW)
    add_suppression(db, "bob@example.com", "complaint", source="by hand", now=NOW)
    assert (state(db, "ada@example.com"), state(db, "bob@example.com")) == ("unsubscribed", "active")
    assert db.execute("SELECT way FROM departures").fetchall() == [("editor",)]
    assert [entry.source for entry in find_suppressions(db)] == ["by hand", "by hand"]


def test_a_forgotten_address_is_not_written_down_again(db: Database) -> None:
    id_ = subscribers.add(db, "ada@example.com", now=NOW)[0].id
    forgetting.forget(db, id_, now=NOW)
    before = entries(db)
    assert not add_suppression(db, "ada@example.com", "hard bounce", source="by hand", now=NOW)
    assert take_in(db, "email,reason\nada@example.com,bounce\n").unchanged == 1
    assert entries(db) == before


def test_an_address_is_taken_off_and_stays_out_where_it_left(db: Database) -> None:
    ada, _ = subscribers.add(db, "ada@example.com", now=NOW)
    leave(db, ada.id, way="editor", now=NOW)
    assert lift(db, "ADA@example.com", now=NOW).reason == "unsubscribed"
    assert entries(db) == {}
    assert state(db, "ada@example.com") == "unsubscribed"
    with pytest.raises(NotFoundError, match="not on the suppression list"):
        lift(db, "ada@example.com", now=NOW)


def test_a_forgotten_address_can_be_taken_off_by_who_knows_it(db: Database) -> None:
    id_ = subscribers.add(db, "ada@example.com", now=NOW)[0].id
    forgetting.forget(db, id_, now=NOW)
    assert lift(db, "ada@example.com", now=NOW).reason == "forgotten"
    assert not forgetting.is_forgotten(db, "ada@example.com")


def test_it_is_searched_by_reason_and_by_a_part_of_the_address(db: Database) -> None:
    for email, reason in (("a_b@example.com", "complaint"), ("axb@example.com", "hard bounce")):
        add_suppression(db, email, reason, source="by hand", now=NOW)  # type: ignore[arg-type]
    assert [entry.email for entry in find_suppressions(db, reason="complaint")] == ["a_b@example.com"]
    assert [entry.email for entry in find_suppressions(db, search="A_B")] == ["a_b@example.com"]
    assert len(list(find_suppressions(db, limit=1))) == 1


def test_what_is_exported_can_be_imported_again(db: Database) -> None:
    add_suppression(db, "ada@example.com", "complaint", source="by hand", now=NOW)
    add_suppression(db, "=cmd@example.com", "hard bounce", source="import of x.csv", now=NOW)
    id_ = subscribers.add(db, "bob@example.com", now=NOW)[0].id
    forgetting.forget(db, id_, now=NOW)
    out = io.StringIO()
    assert export_suppressions(db, out) == 3
    assert "'=cmd@example.com,hard bounce" in out.getvalue()
    assert "bob" not in out.getvalue()
    before = entries(db)
    db.execute("DELETE FROM suppressions")
    report = take_in(db, out.getvalue())
    assert (report.added, report.rejected) == (3, [])
    assert entries(db) == before
    assert forgetting.is_forgotten(db, "bob@example.com")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("EmailAddress,SuppressionReason,Origin,CreatedAt\nada@example.com,HardBounce,Recipient,x\n", "hard bounce"),
        ("EmailAddress,SuppressionReason,Origin,CreatedAt\nada@example.com,SpamComplaint,Recipient,x\n", "complaint"),
        ("EmailAddress,SuppressionReason,Origin,CreatedAt\nada@example.com,ManualSuppression,C,x\n", "unsubscribed"),
        ("email;type\nada@example.com;Spam Report\n", "complaint"),
        ("email,event\nada@example.com,bounce\n", "hard bounce"),
        ("email\treason\nada@example.com\tunsubscribe\n", "unsubscribed"),
    ],
)
def test_the_lists_of_providers_are_understood(db: Database, text: str, reason: str) -> None:
    assert take_in(db, text).added == 1
    assert entries(db) == {"ada@example.com": reason}


@pytest.mark.parametrize(
    "text",
    [
        "address,code,error,created_at\nada@example.com,550,no such mailbox,Tue\n",
        "status,reason,email,created\n5.1.1,550 no such mailbox,ada@example.com,1700000000\n",
    ],
)
def test_a_list_with_a_mail_servers_words_is_told_what_it_is(db: Database, text: str) -> None:
    assert take_in(db, text, reason="hard bounce").added == 1
    assert entries(db) == {"ada@example.com": "hard bounce"}


def test_a_list_that_does_not_say_why_changes_nothing(db: Database) -> None:
    with pytest.raises(InputError, match="--reason"):
        take_in(db, "address,created_at\nada@example.com,Tue\n")
    with pytest.raises(InputError, match="one of them email"):
        take_in(db, "reason\ncomplaint\n")
    assert entries(db) == {}


def test_bad_rows_are_told_with_their_lines_and_the_others_go_in(db: Database) -> None:
    report = take_in(
        db,
        "email,reason\nno address,bounce\nada@example.com,tired\nbob@example.com,bounce\n"
        "carla@example.com,forgotten\n\ud800@example.com,bounce\n",
    )
    assert [error.line for error in report.rejected] == [2, 3, 5, 6]
    assert "did you mean" not in str(report.rejected[0])
    assert entries(db) == {"bob@example.com": "hard bounce"}


def test_subscribers_who_leave_by_a_list_are_counted(db: Database) -> None:
    subscribers.add(db, "ada@example.com", now=NOW)
    report = take_in(db, "email,reason\nada@example.com,unsubscribed\nbob@example.com,unsubscribed\n")
    assert (report.added, report.leaving) == (2, 1)
    assert [entry.source for entry in find_suppressions(db)] == ["import of list.csv"] * 2
    again = take_in(db, "email,reason\nada@example.com,unsubscribed\nbob@example.com,complaint\n")
    assert (again.added, again.changed, again.unchanged) == (0, 1, 1)


def test_a_dry_run_counts_and_changes_nothing(db: Database) -> None:
    subscribers.add(db, "ada@example.com", now=NOW)
    before = list(db.conn.iterdump())
    report = take_in(db, "email,reason\nada@example.com,unsubscribed\nbob@example.com,bounce\n", dry_run=True)
    assert (report.added, report.leaving) == (2, 1)
    assert list(db.conn.iterdump()) == before
