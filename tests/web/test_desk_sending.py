"""The sending page: it moves while an issue goes out, says what is to be done, and does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlite_utils import Database

from conftest import NOW
from desk import Desk, at_the_desk
from digest import times
from digest.audience import subscribers
from digest.editors import audit
from digest.issue import issues, troubles
from digest.providers.interface import Answer
from digest.sending import ledger
from digest.sending.ledger import Claimed
from digest.settings import Settings
from digest.store import writing
from serving import Clock, Reader, served

PAGE = "/desk/issues/1/sending"
HOSTILE = "<script>alert('x')</script>"


def approve(db: Database, settings: Settings, readers: int, **when: Any) -> None:
    """Approve issue 1, for so many readers."""
    now = when.get("at", NOW)
    issues.draft(db, settings, now=now)
    with writing(db):
        for number in range(1, readers + 1):
            subscribers.add(db, f"reader{number}@example.com", now=now)
    issues.freeze(db, settings, 1, now=now, at=now)


def claim(db: Database, size: int) -> Claimed:
    after = db.execute("SELECT coalesce(max(last), 0) FROM batches").fetchone()[0]
    batch = ledger.claim_batch(
        db, 1, provider="outbox", account="here", worker=1, size=size, after=after, now=NOW - timedelta(seconds=5)
    )
    assert batch is not None
    return batch


def doubt(db: Database, batch: Claimed, *, held: bool = True) -> None:
    mine = ledger.adopt(db, batch.number, before=1, worker=1, trouble="the line went dead", now=NOW)
    assert mine is not None
    if held:
        ledger.hold(db, mine, "outbox cannot say what it accepted")


@pytest.fixture
def begun(sample: Database, settings: Settings) -> Database:
    """A store whose issue 1 is being sent to 30: 8 accepted, 2 rejected, 5 uncertain, 15 to go."""
    approve(sample, settings, 30)
    ledger.freeze_audience(sample, 1, now=NOW - timedelta(minutes=1))
    batch = claim(sample, 10)
    refused = {batch.copies[at][0]: f"{batch.copies[at][1]} is no mailbox" for at in (0, 1)}
    ledger.record(sample, batch, Answer(rejected=refused), now=NOW - timedelta(seconds=4))
    doubt(sample, claim(sample, 5))
    return sample


@pytest.fixture
def ann(begun: Database, reader: Reader, settings: Settings) -> Desk:
    return at_the_desk(reader, settings, "publisher")


def counts(db: Database) -> dict[str, int]:
    return {name: count for name, count in ledger.tally(db, 1).items() if count and name != "audience"}


def did(db: Database) -> list[tuple[str, str, dict[str, Any]]]:
    return [(one.who, one.did, dict(one.detail)) for one in audit.done(db, limit=9, what="issue 1", editor=1)]


def state(db: Database) -> str:
    return issues.find_issue(db, 1).state


# What is shown ------------------------------------------------------------------------------------------------------


def test_it_says_how_far_it_is_and_what_is_to_be_done(ann: Desk) -> None:
    page = ann.get(PAGE).text
    for words in ("10 of 30", "33%", "Pause", "Cancel what is left", "your decision", "… is no mailbox", "Stands by"):
        assert (words in page) == (words != "Stands by"), words
    assert "reader11@example.com" in page
    assert "outbox cannot say what it accepted" in page


def test_who_is_no_publisher_sees_it_without_addresses_and_buttons(
    begun: Database, reader: Reader, settings: Settings
) -> None:
    page = at_the_desk(reader, settings, "editor").get(PAGE).text
    assert "10 of 30" in page
    assert "reader11@example.com" not in page
    assert PAGE + "/pause" not in page


def test_every_state_has_its_words(ann: Desk, begun: Database, settings: Settings) -> None:
    issues.pause(begun, 1, now=NOW, trouble="no credits are left")
    page = ann.get(PAGE).text
    assert "no credits are left" in page
    assert "Resume" in page
    begun.execute("UPDATE deliveries SET state = 2, batch = coalesce(batch, 1)")
    begun.execute("UPDATE batches SET state = 'settled', settled_by = 'person', settled_at = claimed_at")
    assert ledger.finish(begun, 1, now=NOW)
    page = ann.get(PAGE).text
    assert "Sent. The last copy was settled Thu 26 Nov 2026, 09:00 UTC" in page
    assert "Cancel what is left" not in page


def test_before_it_begins_it_says_when_it_does(sample: Database, reader: Reader, settings: Settings) -> None:
    ann = at_the_desk(reader, settings, "publisher")
    issues.draft(sample, settings, now=NOW)
    assert "nobody has approved it yet" in ann.get(PAGE).text
    issues.freeze(sample, settings, 1, now=NOW, at=NOW + timedelta(hours=2))
    page = ann.get(PAGE).text
    assert "It goes out Thu 26 Nov 2026, 11:00 UTC." in page
    assert "in 2 h" in page
    troubles.tell(sample, 1, "its time passed", now=NOW)
    assert "Send it now, or give it another time" in ann.get(PAGE).text
    assert ann.get("/desk/issues/7/sending").status_code == 404


def test_readers_own_time_is_told_zone_by_zone(sample: Database, reader: Reader, settings: Settings) -> None:
    approve(sample, settings, 10)
    sample.execute("UPDATE subscribers SET timezone = 'America/New_York' WHERE id > 6")
    issues.reschedule(sample, settings, 1, now=NOW, at=NOW + timedelta(hours=1), local=True)
    ledger.freeze_audience(sample, 1, now=NOW)
    page = at_the_desk(reader, settings, "publisher").get(PAGE).text
    assert "It waits until Thu 26 Nov 2026, 10:00 UTC: readers’ own time." in page
    assert "America/New York" in page
    assert "Thu 26 Nov 2026, 15:00 UTC" in page


def test_nothing_hostile_comes_out_of_it(ann: Desk, begun: Database) -> None:
    begun.execute("UPDATE issues SET subject = ?, trouble = ?", [HOSTILE, HOSTILE])
    begun.execute("UPDATE deliveries SET reason = ? WHERE state = 3", [HOSTILE])
    begun.execute("UPDATE batches SET trouble = ?", [HOSTILE])
    for page in (PAGE, f"{PAGE}/part", f"{PAGE}/rejected"):
        text = ann.get(page).text
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text


def test_lists_come_a_page_at_a_time(ann: Desk, begun: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.web.desk.sending.LISTED", 1)
    first = ann.get(f"{PAGE}/rejected").text
    assert "reader1@example.com" in first
    assert "reader2@example.com" not in first
    assert "?after=1" in first
    assert "reader2@example.com" in ann.get(f"{PAGE}/rejected?after=1").text
    assert "None" in ann.get(f"{PAGE}/rejected?after=99").text
    assert "reader12@example.com" in ann.get(f"{PAGE}/batches/2?after=1").text
    assert ann.get(f"{PAGE}/batches/1").status_code == 404
    assert ann.get(f"{PAGE}/rejected?after=x").status_code == 400


# What a person decides ----------------------------------------------------------------------------------------------


def test_it_is_paused_and_resumed(ann: Desk, begun: Database) -> None:
    answer = ann.submit(f"{PAGE}/pause")
    assert (answer.status_code, answer.headers["location"], state(begun)) == (303, f"{PAGE}?done=paused", "paused")
    assert ann.submit(f"{PAGE}/pause").status_code == 409
    answer = ann.ask(f"{PAGE}/resume")
    assert (answer.json(), state(begun)) == ({"said": "It goes on."}, "sending")
    assert did(begun) == [("Ann", "resumed", {}), ("Ann", "paused", {})]


@pytest.mark.parametrize(
    ("act", "fields", "words"),
    [
        ("cancel", {}, "15 copies that have not gone out are never sent. 8 readers have it already"),
        ("retry", {}, "2 copies that the provider rejected are queued again"),
        ("resolve", {"batch": "2", "as": "accepted"}, "5 copies count as accepted"),
        ("resolve", {"batch": "2", "as": "resend"}, "Whoever got it already gets it twice"),
    ],
    ids=["cancel", "retry", "accepted", "resend"],
)
def test_what_cannot_be_undone_is_asked_about_first(
    ann: Desk, begun: Database, act: str, fields: dict[str, str], words: str
) -> None:
    before = counts(begun)
    answer = ann.submit(f"{PAGE}/{act}", fields)
    assert answer.status_code == 200
    assert words in answer.text
    assert ann.ask(f"{PAGE}/{act}", fields).status_code == 400
    assert (state(begun), counts(begun), did(begun)) == ("sending", before, [])
    assert ann.submit(f"{PAGE}/{act}", fields, sure="yes").status_code == 303
    assert counts(begun) != before
    assert did(begun)


def test_what_is_left_is_cancelled_for_good(ann: Desk, begun: Database) -> None:
    assert ann.ask(f"{PAGE}/cancel", sure="yes").json() == {"said": "Cancelled for good."}
    assert (state(begun), counts(begun)) == ("cancelled", {"accepted": 8, "rejected": 2, "uncertain": 5, "skipped": 15})
    assert "because the issue was cancelled" in ann.get(PAGE).text
    assert ann.ask(f"{PAGE}/cancel", sure="yes").status_code == 409


def test_an_uncertain_batch_is_decided(ann: Desk, begun: Database) -> None:
    answer = ann.ask(f"{PAGE}/resolve", {"batch": "2", "as": "accepted", "sure": "yes"})
    assert (answer.json(), counts(begun)["accepted"]) == ({"said": "5 copies count as accepted."}, 13)
    assert did(begun) == [("Ann", "resolved", {"batch": 2, "copies": 5, "as": "accepted"})]
    doubt(begun, claim(begun, 5))
    assert ann.ask(f"{PAGE}/resolve", {"batch": "3", "as": "resend", "sure": "yes"}).status_code == 200
    assert counts(begun)["queued"] == 15


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"batch": "2"}, 400),
        ({"batch": "2", "as": "lost"}, 400),
        ({"batch": "two", "as": "accepted"}, 400),
        ({"batch": "²", "as": "accepted"}, 400),
        ({"as": "accepted"}, 400),
        ({"batch": "9" * 18, "as": "accepted"}, 404),
        ({"batch": "1", "as": "accepted"}, 404),
    ],
    ids=["as nothing", "as something else", "a word", "no digit of ours", "no batch", "a number too many", "settled"],
)
def test_what_makes_no_sense_decides_nothing(ann: Desk, begun: Database, fields: dict[str, str], status: int) -> None:
    before = counts(begun)
    assert ann.ask(f"{PAGE}/resolve", {**fields, "sure": "yes"}).status_code == status
    assert (counts(begun), did(begun)) == (before, [])


# Live ---------------------------------------------------------------------------------------------------------------


def events(desk: Desk, page: str = PAGE) -> Iterator[dict[str, Any]]:
    """What the stream tells, from the first."""
    with desk.http.stream("GET", f"{page}/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def test_the_stream_tells_what_changes(ann: Desk, begun: Database, clock: Clock) -> None:
    told = events(ann)
    first = next(told)
    assert (first["of"], first["percent"], first["figures"]["uncertain"]) == ("10 of 30", "33%", "5")
    assert first["shares"] == {"accepted": 26.67, "rejected": 6.67, "uncertain": 16.67, "skipped": 0}
    ledger.record(begun, claim(begun, 10), Answer(), now=NOW)
    moved = next(one for one in told if one["of"] == "20 of 30")
    assert moved["key"] == first["key"], "more than figures changed"
    issues.pause(begun, 1, now=NOW)
    paused = next(told)
    assert paused["state"] == "paused"
    assert paused["key"] != first["key"]
    told.close()  # type: ignore[attr-defined]


def test_watched_paused_resumed_and_sent(sample: Database, settings: Settings) -> None:
    """All of it as it is: a server that sends by itself at a limited pace, and somebody who watches."""
    now = times.now()
    approve(sample, settings, 100, at=now)
    ours = settings.model_copy(update={"batch_size": 10, "providers": {"outbox": {"calls_a_second": 5}}})
    with served(ours, times.now, work=True) as reader:
        ann = at_the_desk(reader, ours, "publisher", now=now)
        told = events(ann)
        settled = []
        for one in told:
            settled.append(int(one["of"].split()[0]))
            if settled[-1] >= 20:
                break
        assert ann.ask(f"{PAGE}/pause").status_code == 200
        paused = next(one for one in told if one["state"] == "paused")
        assert 20 <= ledger.tally(sample, 1)["accepted"] < 100
        assert paused["headline"].startswith("Paused")
        assert ann.ask(f"{PAGE}/resume").status_code == 200
        for one in told:
            settled.append(int(one["of"].split()[0]))
            if one["state"] == "sent":
                break
        told.close()  # type: ignore[attr-defined]
        assert settled == sorted(settled)
        assert len(set(settled)) > 2, "it did not move"
        assert one["percent"] == "100%"
    assert len({path.name for path in (settings.outbox / "new").iterdir()}) >= 100
    assert ledger.tally(sample, 1)["accepted"] == 100
