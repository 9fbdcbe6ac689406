"""What editors are mailed while an issue is sent: once for each thing that happens, to those who want to know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sendings import SETTINGS, SIGNERS, claimed, sending, store_with
from sqlite_utils import Database

from conftest import NOW
from digest import times
from digest.audience import letterbox
from digest.editors import people
from digest.editors.audit import ITSELF
from digest.issue import issues, troubles
from digest.providers.interface import Answer
from digest.sending import ledger, notices
from digest.sending.letter_writing import batch_of

LATER = NOW + timedelta(minutes=21)


@pytest.fixture
def db() -> Database:
    """A store whose issue 1 is being sent to five; with an owner, a publisher and an editor."""
    db = sending(5)
    people.add(db, "owner@example.com", role="owner", now=NOW, by=ITSELF)
    people.add(db, "publisher@example.com", role="publisher", now=NOW, by=ITSELF)
    people.add(db, "editor@example.com", role="editor", now=NOW, by=ITSELF)
    return db


def told(db: Database) -> list[tuple[str, str]]:
    """What was posted since it was looked at last: the kind and the address of each letter."""
    found = [(str(kind), str(email)) for kind, email in db.execute("SELECT kind, email FROM letters ORDER BY id")]
    db.execute("DELETE FROM letters")
    return found


def post(db: Database, **after: float) -> list[tuple[str, str]]:
    notices.post_due(db, SETTINGS, now=LATER + timedelta(**after))
    return told(db)


def send_all(db: Database) -> None:
    ledger.record(db, claimed(db, 5), Answer(rejected={2: "no such mailbox"}), now=LATER)
    assert ledger.finish(db, 1, now=LATER)


def letter(db: Database) -> Any:
    """The first letter as it is mailed."""
    notices.post_due(db, SETTINGS, now=LATER)
    posted = letterbox.claim(db, provider="outbox", account="here", worker=1, now=LATER)
    assert posted is not None
    return batch_of(posted, SETTINGS, SIGNERS).message


TROUBLE = [("trouble", "owner@example.com"), ("trouble", "publisher@example.com")]
SENT = [("sent", "editor@example.com"), ("sent", "owner@example.com"), ("sent", "publisher@example.com")]


def test_while_all_goes_well_nobody_is_mailed(db: Database) -> None:
    assert post(db) == []
    issues.pause(db, 1, now=NOW)
    assert post(db) == []


def test_who_can_do_something_about_it_is_told_of_trouble_once(db: Database) -> None:
    issues.pause(db, 1, now=NOW, trouble="no credits")
    assert post(db) == TROUBLE
    assert post(db, hours=5) == []


def test_a_trouble_that_is_over_and_comes_again_is_told_again(db: Database) -> None:
    issues.pause(db, 1, now=NOW, trouble="no credits")
    assert post(db) == TROUBLE
    issues.resume(db, 1, now=LATER)
    issues.pause(db, 1, now=LATER + timedelta(seconds=1), trouble="no credits")
    assert post(db) == TROUBLE


def test_the_same_trouble_in_other_words_is_not_told_again(db: Database) -> None:
    troubles.tell(db, 1, "no connection", now=NOW)
    assert post(db) == TROUBLE
    troubles.tell(db, 1, "no connection, the second time", now=LATER)
    assert post(db) == []
    troubles.tell(db, 1, None, now=LATER)
    troubles.tell(db, 1, "no connection", now=LATER + timedelta(hours=1))
    assert post(db, hours=1) == TROUBLE


def test_everybody_is_told_that_it_is_sent_once(db: Database) -> None:
    send_all(db)
    assert post(db) == SENT
    assert post(db) == []


def test_who_does_not_want_to_know_is_not_told(db: Database) -> None:
    for editor in people.everyone(db):
        people.change(
            db, editor.id, told_trouble=editor.role == "editor", told_sent=editor.role == "owner", now=NOW, by=ITSELF
        )
    issues.pause(db, 1, now=NOW, trouble="no credits")
    assert post(db) == []
    issues.resume(db, 1, now=NOW)
    send_all(db)
    assert post(db) == [("sent", "owner@example.com")]


def test_who_was_removed_is_not_told(db: Database) -> None:
    people.remove(db, people.find_by_email(db, "publisher@example.com").id, now=NOW, by=ITSELF)
    issues.pause(db, 1, now=NOW, trouble="no credits")
    assert post(db) == TROUBLE[:1]


def test_an_end_of_long_ago_is_not_told(db: Database) -> None:
    send_all(db)
    assert post(db, days=3) == []


def test_who_becomes_an_editor_later_is_not_told_of_what_was(db: Database) -> None:
    send_all(db)
    post(db)
    people.add(db, "new@example.com", role="owner", now=LATER, by=ITSELF)
    assert post(db) == []


def test_of_two_processes_one_posts_it(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    send_all(db)
    sent = notices._sent

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(notices, "_sent", sent)
        assert notices.post_due(db, SETTINGS, now=LATER) == 3
        return sent(*arguments)

    monkeypatch.setattr(notices, "_sent", meanwhile)
    assert notices.post_due(db, SETTINGS, now=LATER) == 0
    assert told(db) == SENT


def pause(db: Database) -> None:
    issues.pause(db, 1, now=NOW, trouble="resend takes nothing: the domain is not verified")


def hold_up(db: Database) -> None:
    troubles.tell(db, 1, "no connection; it is tried again by itself", now=NOW)


@pytest.mark.parametrize(
    ("happens", "subject", "words"),
    [
        (pause, "Sending issue 1 has stopped", "Resend takes nothing: the domain is not verified."),
        (hold_up, "Issue 1 is held up", "No connection; it is tried again by itself."),
        (send_all, "Issue 1 of", "4 copies were accepted."),
    ],
    ids=["paused", "held up", "sent"],
)
def test_a_letter_says_what_happened_and_leads_to_the_page(
    db: Database, happens: Callable[[Database], None], subject: str, words: str
) -> None:
    happens(db)
    message = letter(db)
    assert message.subject.startswith(subject)
    text = " ".join("".join(message.text.texts).split())
    assert words in text
    assert f"{SETTINGS.base_url}/desk/" in text


def test_a_letter_about_one_that_was_not_sent_says_so() -> None:
    db = store_with(5)
    people.add(db, "owner@example.com", role="owner", now=NOW, by=ITSELF)
    issues.reschedule(db, SETTINGS, 1, now=NOW, at=NOW)
    troubles.tell(db, 1, "its time passed", now=NOW)
    message = letter(db)
    assert message.subject.startswith("Issue 1 was not sent")
    assert "nobody was mailed it. Its time passed." in " ".join("".join(message.text.texts).split())


def test_a_span_is_said_as_people_say_it() -> None:
    spans = {12: "12 s", 59.7: "1 min", 240: "4 min", 3600: "1 h", 3900: "1 h 5 min", 90_000: "1 day 1 h", -5: "0 s"}
    assert {seconds: times.span(timedelta(seconds=seconds)) for seconds in spans} == spans
