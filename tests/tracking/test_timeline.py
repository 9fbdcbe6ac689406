"""What happened between us and one subscriber."""

from __future__ import annotations

from datetime import timedelta

import pytest
from mailed import HOUR, event, mail, read

from conftest import NOW
from digest.audience import subscribers, suppression
from digest.audience.leaving import come_back, leave
from digest.catalogue import voting
from digest.errors import InputError, NotFoundError
from digest.events import Kind
from digest.settings import Settings
from digest.store import Database
from digest.tracking import timeline as of
from digest.tracking.agents import Agent
from digest.tracking.judging import Why
from digest.tracking.timeline import Timeline, timeline

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"tracking": "readers"})


def kinds(found: Timeline) -> list[str]:
    """In the order in which they happened."""
    return [moment.kind for moment in reversed(found.moments)]


def test_moments_stand_in_the_order_of_time_the_newest_first(sample: Database, settings: Settings) -> None:
    issue = mail(sample, settings, [ADA, BOB])
    event(sample, issue, 1, Kind.DELIVERED, at=NOW)
    read(sample, issue, 1, at=NOW + HOUR)
    read(sample, issue, 1, 2, at=NOW + HOUR + timedelta(seconds=30))
    event(sample, issue, 1, Kind.VOTED, "cursor", at=NOW + 2 * HOUR)
    event(sample, issue, 1, Kind.COMPLAINED, at=NOW + 3 * HOUR, detail="abuse")
    suppression.add_suppression(sample, ADA, "complaint", source="resend", now=NOW + 3 * HOUR)
    event(sample, issue, 2, Kind.BOUNCED, "hard", detail="550 5.1.1")
    found = timeline(sample, "ADA@example.com")
    assert (found.email, found.state, found.suppressed) == (ADA, "active", "complaint")
    assert kinds(found) == [
        "came",
        "handed over",
        "delivered",
        "opened",
        "clicked",
        "voted",
        "suppressed",
        "complained",
    ]
    clicked = found.moments[-5]
    assert (clicked.issue, clicked.by, clicked.at) == (issue, "person", "2026-11-26T10:00:30.000000Z")
    assert clicked.what.startswith("clicked https://")
    assert "accepted by resend" in found.moments[-2].what
    (bounced,) = (moment for moment in timeline(sample, BOB).moments if moment.kind == "bounced")
    assert (bounced.what, bounced.detail) == ("it bounced, for good", "550 5.1.1")


def test_what_a_machine_did_is_told_with_the_reason(sample: Database, settings: Settings) -> None:
    issue = mail(sample, settings, [ADA])
    read(sample, issue, 1, 2, agent=Agent.SCANNER)
    (clicked,) = (moment for moment in timeline(sample, ADA).moments if moment.kind == "clicked")
    assert clicked.by == "machine"
    assert "scanner" in clicked.detail


def test_what_a_person_did_is_told_with_the_reason_too(sample: Database, settings: Settings) -> None:
    issue = mail(sample, settings, [ADA])
    read(sample, issue, 1)
    (opened,) = (moment for moment in timeline(sample, ADA).moments if moment.kind == "opened")
    assert (opened.by, opened.detail) == ("person", Why.PLAIN.words)


def test_a_vote_is_told_by_the_tools_name_and_what_it_is_now(sample: Database, settings: Settings) -> None:
    def voted() -> tuple[str, str]:
        (found,) = (moment for moment in timeline(sample, ADA).moments if moment.kind == "voted")
        return found.what, found.detail

    issue = mail(sample, settings, [ADA, BOB])
    name = sample.execute("SELECT name FROM tools WHERE slug = 'cursor'").fetchone()[0]
    event(sample, issue, 1, Kind.VOTED, "cursor")
    voting.vote(sample, "cursor", "copy:2", "skip", now=NOW)
    assert voted() == (f"voted on {name}", "their vote on it now: none")
    voting.vote(sample, "cursor", "copy:1", "ship", now=NOW)
    assert voted() == (f"voted on {name}", "their vote on it now: ship")
    sample.execute("UPDATE events SET key = 'gone'")
    assert voted() == ("voted on gone", "their vote on it now: none")


def test_who_leaves_and_comes_back_is_told_once(sample: Database, settings: Settings) -> None:
    issue = mail(sample, settings, [ADA])
    leave(sample, 1, way="one-click", issue=issue, now=NOW + HOUR)
    event_rows = sample.execute("SELECT count(*) FROM events WHERE kind = 8").fetchone()[0]
    assert event_rows == 1
    assert kinds(timeline(sample, ADA)).count("unsubscribed") == 1
    come_back(sample, 1, now=NOW + 2 * HOUR)
    assert kinds(timeline(sample, ADA))[-2:] == ["unsubscribed", "returned"]


def test_the_number_of_a_copy_that_stands_for_nobody_is_not_taken_for_a_reader(
    sample: Database, settings: Settings
) -> None:
    issue = mail(sample, settings.model_copy(update={"tracking": "counts"}), [ADA])
    read(sample, issue, 1, 2)
    found = timeline(sample, ADA)
    assert "clicked" not in kinds(found)
    assert any("how many opened and clicked, and not who" in note for note in found.notes)


def test_only_the_newest_of_very_many_are_given(
    sample: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of, "NEWEST", 5)
    issue = mail(sample, settings, [ADA])
    for minute in range(9):
        read(sample, issue, 1, at=NOW + minute * HOUR)
    found = timeline(sample, ADA)
    assert kinds(found) == ["opened"] * 5
    assert found.moments[0].at == "2026-11-26T17:00:00.000000Z"
    assert any("these are the newest 5" in note for note in found.notes)


def test_what_is_deleted_or_not_wanted_is_told(sample: Database, settings: Settings) -> None:
    mail(sample, settings, [ADA])
    sample.execute("UPDATE issues SET events_deleted_at = '2027-12-31T00:00:00.000000Z'")
    sample.execute("UPDATE subscribers SET uncounted = 1")
    assert timeline(sample, ADA).notes == (
        "The events of 1 issue were deleted, being old.",
        "This reader wants no opens and clicks counted; copies say nothing since.",
    )


def test_nobody_and_no_address_are_errors(sample: Database) -> None:
    subscribers.add(sample, ADA, now=NOW)
    with pytest.raises(NotFoundError):
        timeline(sample, BOB)
    with pytest.raises(InputError):
        timeline(sample, "nobody")


def test_votes_on_the_site_are_not_a_copys(sample: Database, settings: Settings) -> None:
    mail(sample, settings, [ADA])
    voting.vote(sample, "cursor", "browser:1", "ship", now=NOW)
    assert "voted" not in kinds(timeline(sample, ADA))
