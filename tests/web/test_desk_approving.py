"""Approving from the desk: what was looked at is what is frozen, by whoever may, for the time that was meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from conftest import NOW
from desk import Desk, at_the_desk
from digest import times
from digest.audience import subscribers
from digest.editors import audit
from digest.issue import changes, editing, issues
from digest.issue.model import Issue
from digest.settings import Settings
from digest.store import Database
from serving import Clock, Reader, dump, served

ISSUE = "/desk/issues/1"
AT = {"when": "at", "date": "2026-11-27", "time": "09:00", "zone": "UTC"}
PLACEHOLDER = "Hello {{ first_name }}, ship or skip?"


@pytest.fixture
def db(sample: Database, settings: Settings) -> Database:
    issues.draft(sample, settings, now=NOW)
    return sample


@pytest.fixture
def ann(db: Database, settings: Settings, reader: Reader) -> Desk:
    return at_the_desk(reader, settings, "publisher")


@pytest.fixture
def bea(ann: Desk, settings: Settings, reader: Reader) -> Desk:
    return at_the_desk(reader, settings, "publisher", name="Bea")


@pytest.fixture
def carl(ann: Desk, settings: Settings, reader: Reader) -> Desk:
    return at_the_desk(reader, settings, "editor", name="Carl")


def seen(desk: Desk) -> str:
    """The hash of what somebody looks at."""
    found = re.search(r'name="content" value="(\w{64})"', desk.get(f"{ISSUE}/approval").text)
    assert found is not None
    return found[1]


def approve(desk: Desk, content: str | None = None, **more: str) -> httpx.Response:
    return desk.submit(f"{ISSUE}/approve", {"content": content or seen(desk), **AT, **more})


def issue(db: Database) -> Issue:
    return issues.find_issue(db, 1)


def edit(db: Database, settings: Settings, subject: str) -> None:
    editing.edit(db, 1, now=NOW, subject=subject, settings=settings)


# Approving ----------------------------------------------------------------------------------------------------------


def test_it_is_approved_for_a_time(ann: Desk, db: Database) -> None:
    content = seen(ann)
    assert approve(ann, content, zone="America/New_York").headers["location"] == f"{ISSUE}?view=checks&done=approved"
    found = issue(db)
    assert (found.state, found.content_hash) == ("approved", content)
    assert found.scheduled_at == datetime(2026, 11, 27, 14, tzinfo=UTC)
    assert issues.approved_by(db, 1) == "Ann"


def test_it_is_approved_for_the_time_where_each_reader_is(ann: Desk, db: Database) -> None:
    approve(ann, when="local")
    assert issue(db).local_time == datetime(2026, 11, 27, 9)
    assert issue(db).scheduled_at == datetime(2026, 11, 26, 19, tzinfo=UTC)


def test_what_goes_at_once_asks_once_more(ann: Desk, db: Database) -> None:
    subscribers.add(db, "reader@example.com", now=NOW)
    content = seen(ann)
    asked = approve(ann, content, when="now")
    assert "It goes to 1 reader at once" in asked.text
    assert issue(db).state == "draft"
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked.text.split("<main")[1]))
    assert (fields["sure"], fields["content"]) == ("yes", content)
    sent = ann.submit(f"{ISSUE}/approve", fields)
    assert sent.headers["location"] == f"{ISSUE}/sending"
    assert (issue(db).state, issue(db).scheduled_at) == ("approved", NOW)


def test_what_has_changed_since_is_not_approved_but_shown(ann: Desk, db: Database, settings: Settings) -> None:
    content = seen(ann)
    edit(db, settings, "Two editors, one winner")
    refused = approve(ann, content)
    assert refused.status_code == 409
    assert "has changed since you looked at it" in refused.text
    assert "Two editors, one winner" in refused.text
    assert 'value="2026-11-27"' in refused.text
    assert issue(db).state == "draft"
    assert ann.ask(f"{ISSUE}/approve", {"content": content, **AT}).json()["error"].startswith("issue 1 has changed")
    assert approve(ann).status_code == 303


def test_of_two_at_once_one_wins_and_the_other_is_told(ann: Desk, bea: Desk, db: Database) -> None:
    content = seen(bea)
    assert approve(ann, content).status_code == 303
    refused = approve(bea, content, time="11:00")
    assert refused.status_code == 409
    assert "approved already, by Ann" in refused.text
    assert issue(db).scheduled_at == datetime(2026, 11, 27, 9, tzinfo=UTC)


def test_a_check_that_blocks_is_passed_over_with_a_reason(ann: Desk, db: Database, settings: Settings) -> None:
    edit(db, settings, PLACEHOLDER)
    content = seen(ann)
    refused = approve(ann, content)
    assert refused.status_code == 409
    assert "what keeps it: Subject" in refused.text
    assert 'name="override-subject" form="approve-form"' in refused.text
    assert ann.ask(f"{ISSUE}/approve", {"content": content, **AT}).json()["blocks"] == ["subject"]
    assert approve(ann, content, **{"override-subject": "  "}).status_code == 409
    assert approve(ann, content, **{"override-subject": "it is <b>the</b> joke"}).status_code == 303
    assert issues.overrides_of(db, 1)[0].reason == "it is <b>the</b> joke"
    assert "It is &lt;b&gt;the&lt;/b&gt; joke" in ann.get(f"{ISSUE}/approval").text


@pytest.mark.parametrize(
    "fields",
    [
        {"when": "at", "date": "2026-11-25"},
        {"when": "soon"},
        {"time": "9"},
        {"zone": "Mars/Olympus"},
        {"content": ""},
        {"content": "nonsense"},
        {"override-subject": "x" * 501},
    ],
    ids=str,
)
def test_what_cannot_be_read_stores_nothing(ann: Desk, db: Database, fields: dict[str, str]) -> None:
    given = {"content": seen(ann), **AT, **fields}
    before = dump(db)
    assert ann.submit(f"{ISSUE}/approve", given).status_code == 400
    assert ann.ask(f"{ISSUE}/approve", given).status_code == 400
    assert dump(db) == before


def test_what_was_typed_is_still_there_after_a_refusal(ann: Desk) -> None:
    page = approve(ann, date="2026-11-25", zone="Asia/Tokyo").text
    assert "has passed" in page
    assert 'value="2026-11-25"' in page
    assert '<option value="Asia/Tokyo" selected>' in page


def test_an_editor_does_not_approve_but_asks(carl: Desk, db: Database) -> None:
    page = carl.get(f"{ISSUE}/approval").text
    assert 'id="approve-form"' not in page
    assert f'action="{ISSUE}/ask"' in page
    assert carl.submit(f"{ISSUE}/approve", {**AT, "content": "a" * 64}).status_code == 403
    assert carl.submit(f"{ISSUE}/ask").headers["location"] == f"{ISSUE}?view=checks&done=asked"
    assert [tuple(row) for row in db.execute("SELECT kind, email FROM letters")] == [("approval", "ann@example.com")]
    assert carl.submit(f"{ISSUE}/ask").status_code == 409


def test_publishers_see_who_asked(ann: Desk, carl: Desk) -> None:
    carl.submit(f"{ISSUE}/ask")
    assert (
        "<bdi>Carl</bdi></strong> asked for approval, Thu 26 Nov 2026, 09:00 UTC" in ann.get(f"{ISSUE}/approval").text
    )


# What it says -------------------------------------------------------------------------------------------------------


def test_it_says_to_how_many_and_by_whom(ann: Desk, db: Database) -> None:
    for number in range(3):
        subscribers.add(db, f"reader{number}@example.com", now=NOW)
    page = ann.get(f"{ISSUE}/approval").text
    assert "<strong>3 readers</strong>" in page
    assert "by outbox, as fast as it takes them" in page


def test_it_says_how_long_the_providers_limits_make_it_take(db: Database, settings: Settings, clock: Clock) -> None:
    for number in range(241):
        subscribers.add(db, f"reader{number}@example.com", now=NOW)
    slow = {"outbox": {"copies_a_second": 1}}
    with served(settings.model_copy(update={"providers": slow}), clock) as reader:
        assert "by outbox, about 4 minutes at its limit" in at_the_desk(reader, settings).get(f"{ISSUE}/approval").text


def test_a_moment_is_told_in_words(ann: Desk) -> None:
    told = ann.http.get(f"{ISSUE}/moment", params={**AT, "zone": "America/New_York"}).text
    assert "Friday, 27 November 2026, 09:00 in New York" in told
    assert "14:00 UTC" in told
    gap = ann.http.get(f"{ISSUE}/moment", params={**AT, "date": "2027-03-28", "time": "02:30", "zone": "Europe/Berlin"})
    assert (gap.status_code, "the clocks are put forward over it" in gap.text) == (200, True)


# Afterwards ---------------------------------------------------------------------------------------------------------


def test_approved_it_counts_down(ann: Desk) -> None:
    approve(ann)
    page = ann.get(f"{ISSUE}/approval").text
    assert 'data-until="2026-11-27T09:00:00.000000Z"' in page
    assert "in 1 day" in page
    assert "Approved by <bdi>Ann</bdi>" in page


def test_its_time_changes_and_nothing_else(ann: Desk, db: Database) -> None:
    content = seen(ann)
    approve(ann, content)
    changed = ann.submit(f"{ISSUE}/time", {**AT, "time": "10:30", "content": content})
    assert changed.headers["location"] == f"{ISSUE}?view=checks&done=time"
    assert issue(db).scheduled_at == datetime(2026, 11, 27, 10, 30, tzinfo=UTC)
    assert issue(db).content_hash == content
    assert ann.submit(f"{ISSUE}/time", {**AT, "date": "2026-11-01"}).status_code == 400
    assert "Send it now?" in ann.submit(f"{ISSUE}/time", {"when": "now"}).text
    ann.submit(f"{ISSUE}/time", {"when": "now", "sure": "yes"})
    assert issue(db).scheduled_at == NOW


def test_it_is_taken_back_to_draft(ann: Desk, db: Database) -> None:
    approve(ann)
    assert ann.submit(f"{ISSUE}/take-back").headers["location"] == f"{ISSUE}?done=taken-back"
    assert issue(db).state == "draft"
    assert ann.submit(f"{ISSUE}/take-back").status_code == 409


def test_it_is_cancelled_once_somebody_is_sure(ann: Desk, db: Database, settings: Settings) -> None:
    before = {item.comparison.slug for item in issues.load_draft(db, 1).placed}
    approve(ann)
    assert "Cancel it for good?" in ann.submit(f"{ISSUE}/drop").text
    assert issue(db).state == "approved"
    assert ann.submit(f"{ISSUE}/drop", sure="yes").headers["location"] == f"{ISSUE}?done=cancelled"
    assert issue(db).state == "cancelled"
    again = issues.draft(db, settings, now=NOW + timedelta(hours=1)).issue
    assert again is not None
    assert {item.comparison.slug for item in issues.load_draft(db, again.number).placed} == before


def test_what_is_being_sent_is_not_cancelled_here(ann: Desk, db: Database) -> None:
    approve(ann)
    db.execute("UPDATE issues SET state = 'sending'")
    assert ann.submit(f"{ISSUE}/drop", sure="yes").status_code == 409


def test_an_editor_changes_nothing_of_what_is_approved(ann: Desk, carl: Desk, db: Database) -> None:
    approve(ann)
    before = dump(db)
    for way in ("time", "take-back", "drop"):
        assert carl.submit(f"{ISSUE}/{way}", {**AT, "sure": "yes"}).status_code == 403
    assert dump(db) == before


def test_the_audit_has_who_did_what(ann: Desk, bea: Desk, db: Database) -> None:
    approve(ann)
    bea.submit(f"{ISSUE}/take-back")
    done = [(one.who, one.did, one.editor) for one in audit.done(db, limit=2, what="issue 1")]
    assert done == [("Bea", "took back to draft", bea.editor.id), ("Ann", "approved", ann.editor.id)]


def test_with_four_eyes_another_publisher_approves(db: Database, settings: Settings, clock: Clock) -> None:
    with served(settings.model_copy(update={"four_eyes": True}), clock) as reader:
        ann, bea = (at_the_desk(reader, settings, "publisher", name=name) for name in ("Ann", "Bea"))
        before = issues.load_draft(db, 1).subject
        changes.write(
            db, 1, "subject", "Two editors, one winner", base=before, by=audit.By(ann.editor.id, "Ann"), now=NOW
        )
        page = ann.get(f"{ISSUE}/approval").text
        assert "You edited it, so somebody else must approve it: Bea." in page
        assert 'id="approve-form"' not in page
        content = seen(bea)
        assert approve(ann, content).status_code == 409
        assert issue(db).state == "draft"
        assert approve(bea, content).status_code == 303
    assert issue(db).scheduled_at == times.from_text("2026-11-27T09:00:00Z")
