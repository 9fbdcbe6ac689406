"""The editors' week by itself: what is drafted, of what editors are told, and what is approved by nobody's hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conftest import NOW, import_sample, memory_store
from digest import times
from digest.audience import letterbox
from digest.audience.letterbox import Posted
from digest.editors import people
from digest.editors.audit import COMMAND_LINE, ITSELF, By
from digest.editors.people import Editor
from digest.errors import StateError
from digest.issue import approval, arranging, changes, issues
from digest.schedule import week
from digest.schedule.context import Context
from digest.schedule.telling import tell_failed, tell_missed
from digest.sending.copies import Signers
from digest.sending.letter_writing import batch_of
from digest.sending.workers import Worker
from digest.settings import Settings
from digest.store import Database, writing
from digest.tokens import Signer
from name_server import Server

FRIDAY = NOW + timedelta(days=1)
"""The usual time; NOW is a Thursday at nine, when drafts are made."""
KEY = Signer(b"k" * 32)
SIGNERS = Signers(links=KEY, messages=KEY)
SETTINGS = Settings(
    base_url="https://verdicts.example.com",
    postal_address="1 Sample Street, 10115 Berlin",
    sender_address="verdicts@weekly-verdicts.io",
    spam_filter="off",
)
AUTO = SETTINGS.model_copy(update={"auto_approve": True})


@pytest.fixture(scope="module")
def template() -> Iterator[Database]:
    """A store with five comparisons of the sample catalogue, an owner, a publisher and an editor."""
    found = memory_store()
    import_sample(found, SETTINGS, now=NOW - timedelta(hours=1))
    with writing(found) as connection:
        connection.execute("DELETE FROM comparisons WHERE id NOT IN (SELECT id FROM comparisons ORDER BY id LIMIT 5)")
    for role in people.ROLES:
        people.add(found, f"{role}@example.com", name=role.title(), role=role, by=COMMAND_LINE, now=NOW)
    yield found
    found.close()


@pytest.fixture
def db(template: Database) -> Iterator[Database]:
    found = memory_store()
    template.conn.backup(found.conn)
    yield found
    found.close()


def at(db: Database, now: datetime, settings: Settings = AUTO) -> Context:
    return Context(db, settings, SIGNERS, now, Worker(Path("digest.db")), clock=lambda: now)


def editor(db: Database, role: str) -> tuple[Editor, By]:
    found = people.find_by_email(db, f"{role}@example.com")
    return found, By(found.id, found.name)


def told(db: Database) -> list[tuple[str, str]]:
    """What was posted since it was looked at last: the kind and who gets it."""
    found = [
        (kind, email.partition("@")[0]) for kind, email in db.execute("SELECT kind, email FROM letters ORDER BY 2")
    ]
    db.execute("DELETE FROM letters")
    return found


def letter(db: Database) -> Any:
    """The last letter as it is mailed."""
    id_, kind, email, detail = db.execute("SELECT id, kind, email, detail FROM letters ORDER BY id DESC").fetchone()
    posted = Posted(id_, kind, 0, email, json.loads(detail), "k", 1, "outbox", "here", 1, NOW, NOW)
    return batch_of(posted, SETTINGS, SIGNERS).message


def words(db: Database) -> str:
    return " ".join(letter(db).text.fill({}).split())


def drafted(db: Database, settings: Settings = AUTO, *, now: datetime = NOW) -> None:
    assert issues.draft(db, settings, now=now).made


def held_back(db: Database) -> None:
    """Let three of the sample's comparisons be published on Thursday evening only."""
    with writing(db) as connection:
        connection.execute(
            "UPDATE comparisons SET published_at = ? WHERE id IN (SELECT id FROM comparisons ORDER BY id LIMIT 3)",
            (times.to_text(NOW + timedelta(hours=9)),),
        )


# Drafting


def test_the_next_issue_is_drafted_by_itself_and_editors_are_told(db: Database) -> None:
    assert week.draft_due(at(db, NOW, SETTINGS)) == "drafted issue 1: 5 comparisons"
    assert issues.find_issue(db, 1).state == "draft"
    assert db.execute("SELECT who, did FROM audit ORDER BY id DESC").fetchone() == (ITSELF.who, "drafted")
    said = words(db)
    for part in (
        "It usually goes out Fri 27 Nov 2026, 09:00 UTC, once a publisher has approved it.",
        "Nothing that was looked at keeps it from going out.",
        "https://verdicts.example.com/desk/issues/1",
        "The lead is ",
    ):
        assert part in said
    assert told(db) == [("drafted", "editor"), ("drafted", "owner"), ("drafted", "publisher")]


def test_a_letter_says_what_keeps_a_draft_from_going_out_and_whether_it_approves_itself(db: Database) -> None:
    bare = AUTO.model_copy(update={"postal_address": "", "provider": "resend"})
    week.draft_due(at(db, NOW, bare))
    assert "It cannot go out as it is. Postal address: " in words(db)
    assert "If every check passes by then, digest approves it and sends it." in words(db)
    # A warning keeps nobody from approving it but digest.
    warned, later = AUTO.model_copy(update={"base_url": "http://verdicts.example.com"}), NOW + timedelta(days=7)
    week.draft_due(at(db, later, warned))
    assert "As it is, digest does not approve it; a publisher can. Could be better: Links" in words(db)
    with writing(db) as connection:
        connection.execute("UPDATE issues SET by_hand = 1")
    week.draft_due(at(db, later + timedelta(days=7), warned))
    assert "Nothing that was looked at keeps it from going out. Could be better: Links" in words(db)


def test_who_does_not_want_to_know_of_the_week_is_not_told(db: Database) -> None:
    for role in ("editor", "owner"):
        people.change(db, editor(db, role)[0].id, told_week=False, by=COMMAND_LINE, now=NOW)
    week.draft_due(at(db, NOW))
    assert told(db) == [("drafted", "publisher")]


def test_an_open_draft_takes_in_what_came_since_and_keeps_everybodys_words(db: Database) -> None:
    held_back(db)
    drafted(db, now=NOW)
    bea = editor(db, "editor")[1]
    changes.write(db, 1, "subject", "Hers", base=issues.find_issue(db, 1).subject, by=bea, now=NOW)
    later = NOW + timedelta(days=7)
    said = week.draft_due(at(db, later))
    assert said == "issue 1 was a draft already, and took in 3 comparisons that came in since"
    assert "“Hers” was a draft already." in words(db)
    assert len(issues.load_draft(db, 1).placed) == 5
    assert issues.find_issue(db, 1).subject == "Hers"
    told(db)
    assert week.draft_due(at(db, later)) == "issue 1 was a draft already, and took in nothing that came in since"
    assert told(db) == [], "once for each week"


def test_nothing_is_drafted_beside_the_weeks_issue(db: Database) -> None:
    held_back(db)
    drafted(db)
    issues.freeze(db, SETTINGS, 1, now=NOW, at=FRIDAY)
    evening = NOW + timedelta(hours=10)
    assert week.draft_due(at(db, evening)) == "issue 1 is approved already; nothing was drafted"
    assert told(db) == []
    # An issue whose time passed days ago, with nobody who sent it, does not keep the next week's from being made.
    assert week.draft_due(at(db, NOW + timedelta(days=7))) == "drafted issue 2: 3 comparisons"


def test_where_nothing_is_new_there_is_no_issue_and_one_letter_a_week(db: Database) -> None:
    drafted(db)
    issues.freeze(db, SETTINGS, 1, now=NOW, at=FRIDAY)
    with writing(db) as connection:
        connection.execute("UPDATE issues SET state = 'sent', sending_at = ?1, sent_at = ?1", (times.to_text(FRIDAY),))
    next_week = NOW + timedelta(days=7)
    assert week.draft_due(at(db, next_week)) == "no comparison is new since issue 1; nothing was drafted"
    assert "no comparison is new since issue 1, “" in words(db)
    week.draft_due(at(db, next_week + timedelta(hours=1)))
    assert letterbox.count_since(db, "nothing-new", since="") == 3
    assert told(db) == [("nothing-new", "editor"), ("nothing-new", "owner"), ("nothing-new", "publisher")]
    week.draft_due(at(db, next_week + timedelta(days=7)))
    assert len(told(db)) == 3
    assert db.execute("SELECT count(*) FROM issues").fetchone()[0] == 1


# Reminding


def test_publishers_are_reminded_of_a_draft_once_for_each_time(db: Database) -> None:
    assert week.remind(at(db, FRIDAY - timedelta(hours=3))) == "no draft is open; nothing to remind of"
    drafted(db)
    assert week.remind(at(db, FRIDAY - timedelta(hours=3))) == "reminded 2 publishers of issue 1"
    said = words(db)
    assert "usually goes out Fri 27 Nov 2026, 09:00 UTC, in 3 h. Nobody has approved it." in said
    assert "If every check passes then, digest approves it and sends it." in said
    assert told(db) == [("reminder", "owner"), ("reminder", "publisher")]
    assert week.remind(at(db, FRIDAY - timedelta(hours=1))) == "publishers were reminded of issue 1 already"
    assert week.remind(at(db, FRIDAY + timedelta(hours=1))) == (
        "the usual time of issue 1 has passed; nobody was reminded"
    )
    assert told(db) == []
    week.remind(at(db, FRIDAY + timedelta(days=7, hours=-3), SETTINGS))
    assert "It goes out only once a publisher has approved it." in words(db)


def test_who_was_asked_to_approve_it_is_reminded_all_the_same(db: Database) -> None:
    drafted(db)
    for role in ("owner", "publisher"):
        people.change(db, editor(db, role)[0].id, told_week=False, by=COMMAND_LINE, now=NOW)
    approval.ask(db, AUTO, 1, by=editor(db, "owner")[1], now=NOW + timedelta(minutes=20))
    assert week.remind(at(db, FRIDAY - timedelta(hours=3))) == "reminded 1 publisher of issue 1"
    assert "Owner asked for its approval on Thu 26 Nov 2026, 09:20 UTC." in words(db)


def test_nobody_is_reminded_of_what_is_approved(db: Database) -> None:
    drafted(db)
    issues.freeze(db, SETTINGS, 1, now=NOW, at=FRIDAY, by=editor(db, "publisher")[1])
    held_back(db)
    assert week.remind(at(db, FRIDAY - timedelta(hours=3))) == "no draft is open; nothing to remind of"
    issues.cancel(db, 1, now=NOW)
    drafted(db)
    issues.freeze(db, SETTINGS, 2, now=NOW, at=FRIDAY, by=editor(db, "publisher")[1])
    with writing(db) as connection:
        connection.execute("UPDATE issues SET state = 'draft' WHERE number = 1")
    said = week.remind(at(db, FRIDAY - timedelta(hours=3)))
    assert said == "issue 2 is approved already, by Publisher; nothing to remind of"


# Approving


def test_a_draft_of_which_every_check_passes_is_approved_at_its_time(db: Database) -> None:
    drafted(db)
    assert week.approve_by_itself(at(db, FRIDAY)) == "approved issue 1, since every check passes; it goes out now"
    issue = issues.find_issue(db, 1)
    assert (issue.state, issue.scheduled_at, issue.approved_at) == ("approved", FRIDAY, FRIDAY)
    assert db.execute("SELECT who, did FROM audit ORDER BY id DESC").fetchone() == (ITSELF.who, "approved")
    assert issues.approved_by(db, 1) == ITSELF.who
    assert week.approve_by_itself(at(db, FRIDAY)) == (
        "issue 1 is approved already, by digest itself; nothing else was approved"
    )
    assert told(db) == []


def test_a_warning_keeps_it_and_publishers_are_told_once(db: Database) -> None:
    warned = AUTO.model_copy(update={"sender_address": "verdicts@example.com"})
    drafted(db, warned)
    said = week.approve_by_itself(at(db, FRIDAY, warned))
    assert said.startswith("issue 1 is not approved by itself: Sender: sender_address is verdicts@example.com")
    assert issues.find_issue(db, 1).state == "draft"
    assert letter(db).subject == f"Issue 1 was not approved by itself: {SETTINGS.newsletter_name}"
    assert "Sender: sender_address is verdicts@example.com" in words(db)
    week.approve_by_itself(at(db, FRIDAY + timedelta(minutes=1), warned))
    assert told(db) == [("reminder", "owner"), ("reminder", "publisher")]


def test_the_network_is_asked_where_real_people_are_mailed(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    names, real = Server(), AUTO.model_copy(update={"provider": "resend"})
    resolver = names.resolver()
    monkeypatch.setattr("dns.asyncresolver.Resolver", lambda: resolver)
    try:
        drafted(db, real)
        names.records = {"weekly-verdicts.io": {"SERVFAIL": [""]}}
        with pytest.raises(StateError, match="DNS"):
            week.approve_by_itself(at(db, FRIDAY, real))
        assert told(db) == [], "it is tried again, and nobody need know"
        names.records = {
            "weekly-verdicts.io": {"MX": ["10 mail.weekly-verdicts.io."], "TXT": ["v=spf1 a -all"], "A": ["192.0.2.1"]},
            "_dmarc.weekly-verdicts.io": {"TXT": ["v=DMARC1; p=quarantine; rua=mailto:dmarc@weekly-verdicts.io"]},
        }
        # That no DKIM selector is set, and no spam filter, is nobody to ask.
        assert week.approve_by_itself(at(db, FRIDAY, real)).startswith("approved issue 1")
    finally:
        names.close()


def test_what_a_person_is_to_approve_no_machine_does(db: Database) -> None:
    drafted(db)
    bea = editor(db, "editor")[1]
    assert approval.leave_to_people(db, 1, True, by=bea, now=NOW)
    assert not approval.leave_to_people(db, 1, True, by=bea, now=NOW)
    said = week.approve_by_itself(at(db, FRIDAY))
    assert said == "issue 1 stays a draft: only a person approves it"
    with pytest.raises(StateError, match="only a person approves issue 1"):
        issues.freeze(db, AUTO, 1, now=FRIDAY, by=ITSELF)
    approval.leave_to_people(db, 1, False, by=bea, now=NOW)
    assert [row[0] for row in db.execute("SELECT did FROM audit WHERE editor = ? ORDER BY id", [bea.editor])] == [
        "kept for a person to approve", "let digest approve",
    ]  # fmt: skip
    # A setting that says otherwise is stronger than the schedule, whoever runs it.
    two = SETTINGS.model_copy(update={"auto_approve": True, "four_eyes": True})
    for settings in (SETTINGS, two):
        assert "only people approve issues" in week.approve_by_itself(at(db, FRIDAY, settings))
    assert issues.find_issue(db, 1).state == "draft"


@pytest.mark.parametrize("hours", [-1, 4])
def test_nothing_is_approved_before_its_time_or_hours_late(db: Database, hours: int) -> None:
    drafted(db)
    said = week.approve_by_itself(at(db, FRIDAY + timedelta(hours=hours)))
    assert "nothing was approved" in said
    assert issues.find_issue(db, 1).state == "draft"


def test_within_its_grace_it_is_still_approved_but_not_what_was_drafted_since(db: Database) -> None:
    late = FRIDAY + timedelta(hours=2)
    drafted(db, now=FRIDAY + timedelta(hours=1))
    assert week.approve_by_itself(at(db, late)) == (
        "no draft was open on Fri 27 Nov 2026, 09:00 UTC; nothing was approved"
    )
    with writing(db) as connection:
        connection.execute("UPDATE issues SET created_at = ?", (times.to_text(NOW),))
    assert week.approve_by_itself(at(db, late)).startswith("approved issue 1")


def test_after_a_restore_nothing_is_approved_before_somebody_has_read_what_it_means(db: Database) -> None:
    drafted(db)
    with writing(db) as connection:
        connection.execute(
            "INSERT INTO restores (at, source, knows_until) VALUES (?1, 'b.db', ?1)", (times.to_text(NOW),)
        )
    assert "brought back from a backup" in week.approve_by_itself(at(db, FRIDAY))
    assert told(db) == [("reminder", "owner"), ("reminder", "publisher")]
    with writing(db) as connection:
        connection.execute("UPDATE restores SET seen_at = at")
    assert week.approve_by_itself(at(db, FRIDAY)).startswith("approved issue 1")


def test_an_issue_that_somebody_types_in_waits_some_minutes(db: Database) -> None:
    drafted(db)
    bea = editor(db, "editor")[1]
    slug = issues.load_draft(db, 1).placed[1].comparison.slug
    arranging.move(db, 1, slug, 0, by=bea, now=FRIDAY - timedelta(seconds=50))
    with pytest.raises(StateError, match="Editor is at work on issue 1"):
        week.approve_by_itself(at(db, FRIDAY))
    assert week.approve_by_itself(at(db, FRIDAY + timedelta(minutes=5))).startswith("approved issue 1")


def test_no_second_issue_follows_the_one_that_went_out_early(db: Database) -> None:
    held_back(db)
    drafted(db)
    went = NOW + timedelta(hours=8)
    issues.freeze(db, SETTINGS, 1, now=NOW)
    with writing(db) as connection:
        connection.execute("UPDATE issues SET state = 'sent', sending_at = ?1, sent_at = ?1", (times.to_text(went),))
    drafted(db, now=went + timedelta(hours=2))
    said = week.approve_by_itself(at(db, FRIDAY))
    assert said == "issue 1 went out this week already, and issue 2 is the next week’s"
    assert issues.find_issue(db, 2).state == "draft"
    assert week.approve_by_itself(at(db, FRIDAY + timedelta(days=7))).startswith("approved issue 2")


# What was missed


def test_publishers_are_told_once_of_what_was_missed_or_failed(db: Database) -> None:
    people.change(db, editor(db, "owner")[0].id, told_trouble=False, by=COMMAND_LINE, now=NOW)
    assert tell_missed(db, SETTINGS, "back up the store", NOW, NOW + timedelta(days=2)) == 1
    assert "digest was to back up the store on Thu 26 Nov 2026, 09:00 UTC, and was not running." in words(db)
    assert letter(db).subject.startswith("Missed: back up the store: ")
    assert tell_missed(db, SETTINGS, "back up the store", NOW, NOW + timedelta(days=2, hours=1)) == 0
    assert tell_failed(db, SETTINGS, "back up the store", NOW, NOW + timedelta(days=2), "the disk is full") == 1
    assert "and could not. The disk is full." in words(db)
    assert tell_failed(db, SETTINGS, "back up the store", NOW, NOW + timedelta(days=3), "the disk is full") == 1
    assert told(db) == [("missed", "publisher")] * 3
