"""The report on one issue: every figure from what happened to copies, and words for what cannot be known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from mailed import HOUR, event, mail, read

from conftest import NOW
from digest import times
from digest.catalogue import voting
from digest.errors import NotFoundError, StateError
from digest.events import Kind
from digest.issue import issues
from digest.settings import Settings
from digest.store import Database
from digest.tracking import reports
from digest.tracking.agents import Agent
from digest.tracking.reports import HOURS, IssueReport, issue_report

EMAILS = [
    *(f"reader{number}@gmail.com" for number in range(6)),
    *(f"reader{number}@example.com" for number in range(4)),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"tracking": "readers", "timezone": "Asia/Kolkata"})


@pytest.fixture
def issue(sample: Database, settings: Settings) -> int:
    """An issue to ten readers, six at Gmail: all accepted, nothing told yet."""
    return mail(sample, settings, EMAILS)


def told(db: Database, settings: Settings, issue: int) -> IssueReport:
    return issue_report(db, settings, issue)


def test_what_nobody_told_of_is_not_known_and_not_nothing(sample: Database, settings: Settings, issue: int) -> None:
    report = told(sample, settings, issue)
    assert (report.audience, report.accepted, report.delivered, report.without_word) == (10, 10, None, None)
    assert report.rates.delivered is None
    assert report.rates.clicked.of_what == "accepted"
    assert any("are the webhooks of resend set up" in note for note in report.notes)
    assert {host.delivered for host in report.hosts} == {None}
    unknown = (report.bounced_hard, report.bounced_soft, report.complained, report.deferred)
    assert unknown == (None, None, None, None)
    assert (report.rates.bounced, report.rates.bounced_hard, report.rates.complained) == (None, None, None)
    assert {(host.bounced_hard, host.bounced_soft, host.complained) for host in report.hosts} == {(None, None, None)}
    assert any("Bounces and complaints are unknown" in note for note in report.notes)
    sample.execute("UPDATE batches SET provider = 'outbox'")
    assert any(note.startswith("outbox tells of no deliveries.") for note in told(sample, settings, issue).notes)


def test_what_readers_do_is_no_word_of_a_provider(sample: Database, settings: Settings, issue: int) -> None:
    event(sample, issue, 1, Kind.UNSUBSCRIBED)
    event(sample, issue, 2, Kind.VOTED, "cursor")
    report = told(sample, settings, issue)
    assert (report.unsubscribed, report.votes, report.complained) == (1, 1, None)
    (hour,) = report.hours
    assert (hour.unsubscribed, hour.delivered, hour.bounced_hard, hour.complained) == (1, None, None, None)


@pytest.mark.parametrize("kind", [Kind.ACCEPTED, Kind.DEFERRED, Kind.COMPLAINED])
def test_where_anything_is_told_what_was_not_is_nought(
    sample: Database, settings: Settings, issue: int, kind: Kind
) -> None:
    event(sample, issue, 1, kind)
    report = told(sample, settings, issue)
    assert (report.delivered, report.bounced_hard, report.bounced_soft) == (None, 0, 0)
    assert (report.complained, report.deferred) == (int(kind == Kind.COMPLAINED), int(kind == Kind.DEFERRED))
    assert {hour.bounced_hard for hour in report.hours} <= {0}
    assert not any("unknown" in note for note in report.notes)


def test_where_bounces_come_as_mails_none_is_a_word_too(sample: Database, settings: Settings, issue: int) -> None:
    ours = settings.model_copy(update={"bounce_imap": "imaps://bounces@mail.example.com/INBOX"})
    report = told(sample, ours, issue)
    assert (report.delivered, report.bounced_hard, report.complained) == (None, 0, 0)


def test_events_are_counted_as_they_come(sample: Database, settings: Settings, issue: int) -> None:
    for reader in range(1, 8):
        event(sample, issue, reader, Kind.DELIVERED)
    event(sample, issue, 8, Kind.BOUNCED, "hard", detail="550 no such user")
    event(sample, issue, 9, Kind.BOUNCED, "soft")
    event(sample, issue, 9, Kind.DEFERRED)
    event(sample, issue, 1, Kind.COMPLAINED, at=NOW + 2 * HOUR)
    event(sample, issue, 2, Kind.UNSUBSCRIBED, at=NOW + 3 * HOUR)
    report = told(sample, settings, issue)
    assert (report.delivered, report.bounced_hard, report.bounced_soft, report.without_word) == (7, 1, 1, 1)
    assert (report.deferred, report.complained, report.unsubscribed) == (1, 1, 1)
    assert report.rates.delivered is not None
    assert report.rates.delivered.value == 0.7
    assert report.rates.bounced is not None
    assert report.rates.complained is not None
    assert report.rates.bounced.value == 0.2
    assert (report.rates.complained.count, report.rates.complained.of) == (1, 7)
    gmail, others = report.hosts
    assert (gmail.name, gmail.audience, gmail.accepted, gmail.delivered, gmail.complained) == ("Gmail", 6, 6, 6, 1)
    assert (others.name, others.delivered, others.bounced_hard, others.bounced_soft) == ("others", 1, 1, 1)


def test_people_are_told_from_machines(sample: Database, settings: Settings, issue: int) -> None:
    for reader in range(1, 11):
        event(sample, issue, reader, Kind.DELIVERED)
    read(sample, issue, 1)
    read(sample, issue, 1, 3)
    read(sample, issue, 2, agent=Agent.APPLE_PROXY)
    read(sample, issue, 7, agent=Agent.SCANNER)
    read(sample, issue, 7, 3, agent=Agent.SCANNER)
    report = told(sample, settings, issue)
    assert (report.opened.people, report.opened.machines, report.opened.hidden) == (1, 2, 1)
    assert (report.clicked.all, report.clicked.people, report.clicked.machines) == (2, 1, 1)
    assert (report.clicks, report.clicks_people) == (2, 1)
    assert (report.rates.opened.count, report.rates.opened.of) == (1, 9)
    assert report.rates.clicked_all.value == 0.2
    (link,) = (link for link in report.links if link.number == 3)
    assert (link.clicked, link.clicked_people, link.clicks, link.clicks_people) == (2, 1, 2, 1)
    assert report.links[0] == link, "the most clicked is the first"
    gmail, others = report.hosts
    assert (gmail.opened, gmail.clicked, gmail.hidden, others.clicked) == (1, 1, 1, 0)
    assert any("Apple" in note for note in report.notes)


def test_clicks_and_votes_are_those_of_their_comparison(sample: Database, settings: Settings, issue: int) -> None:
    first = told(sample, settings, issue)
    link = next(link for link in first.links if link.comparison)
    read(sample, issue, 1, link.number)
    (slug, title) = next((one.slug, one.title) for one in first.comparisons if one.slug == link.comparison)
    name = next(one for one in first.comparisons if one.slug == slug).left
    tool = next(one for one in first.tools if one.slug == name)
    event(sample, issue, 1, Kind.VOTED, tool.slug)
    event(sample, issue, 2, Kind.VOTED, tool.slug)
    voting.vote(sample, tool.slug, "copy:1", "ship", now=NOW)
    report = told(sample, settings, issue)
    (found,) = (one for one in report.comparisons if one.slug == slug)
    assert (found.title, found.clicks, found.clicks_people) == (title, 1, 1)
    assert (report.tools[0].slug, report.tools[0].name, report.tools[0].votes) == (tool.slug, tool.name, 2)
    assert report.tools[0].ship == tool.ship + 1
    assert report.votes == 2
    placed = [placed.comparison.slug for placed in issues.load_draft(sample, issue).placed]
    assert [one.slug for one in report.comparisons] == placed


def test_votes_on_a_tool_of_two_comparisons_count_once(sample: Database, settings: Settings, issue: int) -> None:
    comparisons = told(sample, settings, issue).comparisons
    twice = [one for one in comparisons if "cursor" in (one.left, one.right)]
    assert len(twice) > 1
    sample.execute(
        "INSERT INTO tools (slug, name, name_key, created_at, updated_at)"
        " VALUES ('elsewhere', 'Elsewhere', 'x', '', '')"
    )
    for reader in (1, 2, 3):
        event(sample, issue, reader, Kind.VOTED, "cursor")
    event(sample, issue, 1, Kind.VOTED, "elsewhere")
    event(sample, issue, 2, Kind.VOTED, "gone")
    report = told(sample, settings, issue)
    assert len({tool.slug for tool in report.tools}) == len(report.tools)
    assert sum(tool.votes for tool in report.tools) == report.votes == 5
    assert [(tool.name, tool.votes) for tool in report.tools[:3]] == [("Cursor", 3), ("Elsewhere", 1), ("gone", 1)]
    assert report.tools[3].slug == next(
        slug for one in comparisons for slug in (one.left, one.right) if slug != "cursor"
    )


def test_a_comparison_that_was_left_out_is_not_there(sample: Database, settings: Settings, issue: int) -> None:
    gone = told(sample, settings, issue).comparisons[0].slug
    sample.execute(
        "UPDATE issue_comparisons SET form = 'out', frozen_form = NULL"
        " WHERE comparison = (SELECT id FROM comparisons WHERE slug = ?)",
        [gone],
    )
    assert gone not in [one.slug for one in told(sample, settings, issue).comparisons]


def test_hours_follow_each_other_in_the_newsletters_zone(sample: Database, settings: Settings, issue: int) -> None:
    event(sample, issue, 1, Kind.DELIVERED, at=NOW - timedelta(minutes=5))
    event(sample, issue, 2, Kind.DELIVERED)
    event(sample, issue, 3, Kind.BOUNCED, "hard", at=NOW + 2 * HOUR)
    read(sample, issue, 1, at=NOW + 3 * HOUR)
    read(sample, issue, 2, at=NOW + (HOURS + 5) * HOUR)
    read(sample, issue, 2, 1, at=NOW + (HOURS + 9) * HOUR)
    report = told(sample, settings, issue)
    # In India the clock is half an hour off; what a provider says happened before belongs to the first hour.
    assert [hour.label for hour in report.hours] == [f"Thu 26 Nov, {hour}:30" for hour in (14, 15, 16, 17)]
    assert [hour.delivered for hour in report.hours] == [2, 0, 0, 0]
    assert [hour.bounced_hard for hour in report.hours] == [0, 0, 1, 0]
    assert [hour.opened for hour in report.hours] == [0, 0, 0, 1]
    assert report.hours[0].start == "2026-11-26T09:00:00.000000Z"
    assert report.later is not None
    assert (report.later.opened, report.later.clicked) == (1, 1)


def test_an_issue_of_which_all_came_late_has_no_hours_before(sample: Database, settings: Settings, issue: int) -> None:
    assert (told(sample, settings, issue).hours, told(sample, settings, issue).later) == ((), None)
    event(sample, issue, 1, Kind.DELIVERED, at=NOW + 100 * HOUR)
    report = told(sample, settings, issue)
    assert report.hours == ()
    assert report.later is not None
    assert report.later.delivered == 1


def test_where_it_is_counted_how_many_and_not_who_no_mailbox_provider_is_told(
    sample: Database, settings: Settings
) -> None:
    issue = mail(sample, settings.model_copy(update={"tracking": "counts"}), EMAILS)
    read(sample, issue, 4_000_000_000, 2)
    report = told(sample, settings, issue)
    assert (report.tracking, report.clicked.people) == ("counts", 1)
    assert {(host.opened, host.clicked) for host in report.hosts} == {(None, None)}
    assert any("not whose" in note for note in report.notes)


def test_where_nothing_is_counted_the_report_says_so(sample: Database, settings: Settings) -> None:
    issue = mail(sample, settings.model_copy(update={"tracking": "off"}), EMAILS)
    report = told(sample, settings, issue)
    assert (report.tracking, report.opened.all, report.clicks, report.links) == ("off", 0, 0, ())
    assert "Opens and clicks of this issue are not counted." in report.notes


@pytest.mark.parametrize(("minutes", "accepted"), [(0, 10), (2, 4)])
def test_while_an_issue_is_sent_figures_are_shown_until_they_are_old(
    sample: Database, settings: Settings, issue: int, minutes: int, accepted: int
) -> None:
    sample.execute("UPDATE issues SET state = 'sending', sent_at = NULL")
    sample.execute("UPDATE deliveries SET state = 0, batch = NULL WHERE subscriber > 4")
    sample.execute("UPDATE batches SET settled_at = ?", [times.to_text(NOW + timedelta(minutes=minutes))])
    report = told(sample, settings, issue)
    assert (report.state, report.audience, report.accepted) == ("sending", 10, accepted)


def test_deliveries_that_nobody_rolled_up_are_counted_as_they_are(
    sample: Database, settings: Settings, issue: int
) -> None:
    sample.execute("DELETE FROM roll_ups")
    sample.execute("UPDATE deliveries SET state = 3 WHERE subscriber > 7")
    report = told(sample, settings, issue)
    assert (report.audience, report.accepted, report.rejected) == (10, 7, 3)


@pytest.mark.parametrize(
    ("readers", "complaints", "level", "words"),
    [
        (10_000, 9, None, ""),
        (10_000, 15, "warn", "0.15% of what was delivered complained"),
        (10_000, 50, "bad", "0.50% of what was delivered complained"),
        (10_000, 15, "warn", "with so few it may be chance that this is over 0.1%"),
        (300, 1, "warn", "with so few it may be chance that this is over 0.3%"),
        (276, 2, "warn", "0.72% of what was delivered complained (2 of 276); with so few it may be chance that this"),
        (276, 2, "warn", "over 0.3%"),
    ],
)
def test_too_many_complaints_are_told_and_few_readers_prove_nothing(
    sample: Database, settings: Settings, issue: int, readers: int, complaints: int, level: str | None, words: str
) -> None:
    sample.conn.executemany(
        "INSERT INTO figures (issue, measure, count) VALUES (?, ?, ?)",
        [(issue, "delivered", readers), (issue, "complained", complaints)],
    )
    troubles = told(sample, settings, issue).troubles
    assert [trouble.level for trouble in troubles] == ([level] if level else [])
    assert all(words in trouble.words for trouble in troubles)


def test_what_waits_for_a_person_is_told(sample: Database, settings: Settings, issue: int) -> None:
    sample.execute("UPDATE deliveries SET state = 4 WHERE subscriber = 1")
    sample.execute("UPDATE deliveries SET state = 3 WHERE subscriber = 2")
    sample.execute("UPDATE issues SET state = 'paused', trouble = 'the key is wrong'")
    words = [trouble.words for trouble in told(sample, settings, issue).troubles]
    assert words[0].startswith("Sending stopped: the key is wrong")
    assert any("digest uncertain" in each for each in words)
    assert any("digest retry-rejected" in each for each in words)


def test_deleted_events_and_readers_who_are_not_counted_are_told(
    sample: Database, settings: Settings, issue: int
) -> None:
    sample.execute("INSERT INTO uncounted (issue, subscriber) VALUES (?, 1), (?, 2)", [issue, issue])
    sample.execute("UPDATE issues SET events_deleted_at = '2027-12-31T00:00:00.000000Z'")
    notes = " ".join(told(sample, settings, issue).notes)
    assert "2 readers want no opens and clicks counted" in notes
    assert "deleted on 2027-12-31" in notes


def test_what_was_never_sent_has_no_report(sample: Database, settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="there is no issue 1"):
        told(sample, settings, 1)
    issues.draft(sample, settings, now=NOW)
    with pytest.raises(StateError, match="issue 1 is draft and was never sent"):
        told(sample, settings, 1)


def test_a_report_is_json(sample: Database, settings: Settings, issue: int) -> None:
    found: dict[str, Any] = told(sample, settings, issue).as_dict()
    assert found["rates"]["clicked"]["of"] == 10
    assert found["links"][0]["address"].startswith("https://")
    assert {*found} == {*reports.IssueReport.__dataclass_fields__}
