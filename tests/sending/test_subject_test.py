"""Subjects are tried on some readers, the rest waits and gets the one that wins, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sendings import (
    SETTINGS,
    SIGNERS,
    Clock,
    Post,
    Taker,
    choose,
    claim,
    counts,
    everyone,
    lose,
    state,
    store_with,
)
from sqlite_utils import Database

from conftest import NOW
from digest.audience.forgetting import forget
from digest.editors import audit
from digest.editors.audit import By
from digest.errors import InputError, NotFoundError, StateError
from digest.events import Kind
from digest.issue import issues, subjects
from digest.issue.model import Rule
from digest.issue.subject_records import GROUPS, group_in, groups_of, shown_words
from digest.issue.variant_records import check_variants, content_of, cuts_of, ready
from digest.sending import beginning, ledger, steering, subject_plan, subject_test
from digest.sending.drawing import lot
from digest.sending.ledger_check import check_ledger
from digest.sending.subject_standing import (
    Standing,
    Tried,
    compare,
    dealt,
    smallest_difference,
    standing,
    usual_clicks,
)
from digest.sending.subject_test import check_subject_tests
from digest.settings import Settings
from digest.tracking import counting, recounting
from digest.tracking.agents import Agent
from digest.tracking.records import Reading

B, C = "Which of these would you ship?", "We asked nine critics; they fell out"
CODING, VOICE = "developer-tools", "voice-and-audio"
COUNTED = SETTINGS.model_copy(update={"tracking": "readers"})
WITHOUT_NAMES = SETTINGS.model_copy(update={"tracking": "counts"})
MINUTES = 30


def approved(
    readers: int = 20,
    others: Iterable[str] = (B,),
    *,
    share: int = 50,
    rule: Rule = "clicks",
    settings: Settings = COUNTED,
    **more: Any,
) -> Database:
    """A store whose issue 1 is approved with some subjects to try."""
    db = store_with(readers)
    for words in others:
        subjects.add(db, settings, 1, words, now=NOW, reopen=True, **more)
    subjects.arrange(db, settings, 1, share=share, wait=MINUTES, rule=rule, now=NOW)
    issues.freeze(db, settings, 1, now=NOW)
    return db


def begun(readers: int = 20, *, settings: Settings = COUNTED, **given: Any) -> Database:
    db = approved(readers, settings=settings, **given)
    beginning.begin(db, settings, 1, now=NOW)
    return db


def variants(db: Database) -> dict[int, int]:
    return dict(db.execute("SELECT subscriber, variant FROM deliveries").fetchall())


def dealt_to(db: Database) -> Counter[str]:
    """How many readers are of which group."""
    groups = groups_of(db.conn, 1)
    return Counter(GROUPS[groups[variant]] for variant in variants(db).values())


def stand(db: Database) -> Standing:
    found = standing(db, 1)
    assert found is not None
    return found


def sound(db: Database) -> bool:
    return check_variants(db) == check_ledger(db) == check_subject_tests(db) == issues.check_issues(db) == []


def subjects_of(taker: Taker) -> dict[int, str]:
    """What everybody got, as the provider saw it."""
    return {r.subscriber: batch.message.subject for batch in taker.calls for r in batch.recipients}


def click(db: Database, readers: Iterable[int], minutes: float = 3) -> None:
    """People click on the first link."""
    at = int((NOW + timedelta(minutes=minutes)).timestamp() * 1000)
    db.conn.execute("BEGIN IMMEDIATE")
    counting.record(db.conn, [Reading(1, reader, Kind.CLICKED, 1, at, Agent.BROWSER) for reader in readers])
    db.conn.execute("COMMIT")


@pytest.fixture
def clock() -> Iterator[Clock]:
    with closing(Clock()) as found:
        yield found


# Drawing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readers", "others", "share", "expected"),
    [
        (20, [B], 50, {"0": 5, "1": 5, "rest": 10}),
        (20, [B, C], 45, {"0": 3, "1": 3, "2": 3, "rest": 11}),
        (20, [B, C], 50, {"0": 4, "1": 3, "2": 3, "rest": 10}),
        (20, [B], 100, {"0": 10, "1": 10}),
        (7, [B, C], 100, {"0": 3, "1": 2, "2": 2}),
        (10, [B, C], 5, {"0": 1, "1": 1, "2": 1, "rest": 7}),
        (2, [B, C], 5, {"0": 1, "1": 1}),
        (1, [B], 20, {"0": 1}),
    ],
)
def test_the_share_is_drawn_and_the_subjects_are_dealt_evenly(
    readers: int, others: list[str], share: int, expected: dict[str, int]
) -> None:
    db = begun(readers, others=others, share=share)
    assert dealt_to(db) == expected
    drawn, each = dealt(readers, share, 1 + len(others))
    assert (drawn, each) == (
        readers - expected.get("rest", 0),
        min(expected.get(str(at), 0) for at in range(1 + len(others))),
    )
    assert sound(db)


def test_who_is_drawn_is_chance_and_can_be_told_again() -> None:
    first, second = begun(60, share=40), begun(60, share=40)
    assert variants(first) != variants(second)
    db = first
    nonce = issues.find_issue(db, 1).nonce
    assert nonce is not None
    order = sorted(everyone(60), key=lot(nonce))
    again = {reader: (place + 1) * 24 // 60 > place * 24 // 60 for place, reader in enumerate(order)}
    assert again == {reader: variant != 2 for reader, variant in variants(db).items()}


def test_readers_of_each_topic_are_drawn_in_proportion() -> None:
    db = approved(60, [B], share=50)
    choose(db, {reader: [CODING] for reader in range(1, 21)} | {reader: [VOICE] for reader in range(21, 25)})
    beginning.begin(db, COUNTED, 1, now=NOW)
    of = dict(db.execute("SELECT variant, of_variant FROM variants").fetchall())
    groups, found = groups_of(db.conn, 1), variants(db)
    by_topic = Counter((of.get(variant, 0), GROUPS[groups[variant]]) for variant in found.values())
    assert by_topic == {
        (0, "0"): 9, (0, "1"): 9, (0, "rest"): 18,
        (1, "0"): 5, (1, "1"): 5, (1, "rest"): 10,
        (2, "0"): 1, (2, "1"): 1, (2, "rest"): 2,
    }  # fmt: skip
    assert ledger.readers_of_variants(db, 1) == {1: 20, 2: 4}
    assert sorted(cuts_of(db, 1)) == [1, 2]
    assert sound(db)


def test_who_gets_no_mail_is_neither_drawn_nor_counted() -> None:
    settings = COUNTED.model_copy(update={"off_topic": "none"})
    db = approved(20, [B], share=50, settings=settings)
    choose(db, {reader: ["gardening"] for reader in range(1, 11)})
    beginning.begin(db, settings, 1, now=NOW)
    found = stand(db)
    assert [one.readers for one in found.tried] == [3, 2]
    assert (found.rest, found.waiting) == (5, 5)
    assert counts(db) == {"audience": 20, "queued": 10, "skipped": 10}


def test_the_alternatives_are_the_issue_with_other_words() -> None:
    db = begun(20, others=[B])
    subject = content_of(db, 1, 0).subject
    mine, theirs = content_of(db, 1, 0), content_of(db, 1, 1)
    assert (theirs.subject, mine.subject) == (B, subject)
    assert replace(theirs, subject=subject, subject_test=mine.subject_test) == mine
    # The HTML is not kept twice.
    assert db.execute("SELECT html, text FROM variants").fetchall() == [(None, None)] * 2


def test_another_preheader_stands_in_the_mail() -> None:
    db = begun(20, others=[B], preheader="Nine critics, two tools, one quarrel")
    mine, theirs = content_of(db, 1, 0), content_of(db, 1, 1)
    assert "Nine critics, two tools, one quarrel" in theirs.html
    assert theirs.html.replace("Nine critics, two tools, one quarrel", mine.preheader) == mine.html
    assert theirs.text == mine.text
    assert sound(db)


def test_variants_for_topics_have_every_subject_too() -> None:
    db = approved(8, [B], share=50)
    choose(db, {reader: [CODING] for reader in everyone(8)})
    beginning.begin(db, COUNTED, 1, now=NOW)
    assert sorted(variants(db).values()) == [1, 1, 3, 3, 5, 5, 5, 5]
    assert content_of(db, 1, 3).subject == B
    assert content_of(db, 1, 3).html == content_of(db, 1, 1).html != content_of(db, 1, 0).html


# What is approved ----------------------------------------------------------------------------------------------------


def test_the_alternatives_are_part_of_what_is_approved() -> None:
    without, with_them = store_with(1), approved(1)
    one, other = (issues.find_issue(db, 1).content_hash for db in (without, with_them))
    assert one != other
    with_them.execute("UPDATE subjects SET subject = 'Tampered'")
    assert issues.check_issues(with_them) == ["issue 1 is not what was approved: its content does not match its hash"]


def test_readers_own_clocks_and_subjects_to_try_do_not_go_together() -> None:
    db = store_with(3)
    subjects.add(db, COUNTED, 1, B, now=NOW, reopen=True)
    at = NOW + timedelta(days=2)
    with pytest.raises(StateError, match="cannot go out by readers’ own clocks; send it at one time"):
        issues.freeze(db, COUNTED, 1, now=NOW, at=at, local=True)
    issues.freeze(db, COUNTED, 1, now=NOW)
    with pytest.raises(StateError, match="cannot go out by readers’ own clocks"):
        issues.reschedule(db, COUNTED, 1, now=NOW, at=at, local=True)


def test_clicks_that_nobody_counts_cannot_decide() -> None:
    db = store_with(3)
    subjects.add(db, COUNTED, 1, B, now=NOW, reopen=True)
    off = COUNTED.model_copy(update={"tracking": "off"})
    with pytest.raises(StateError, match="let a person decide"):
        issues.freeze(db, off, 1, now=NOW)
    subjects.arrange(db, off, 1, rule="person", now=NOW)
    assert issues.freeze(db, off, 1, now=NOW).state == "approved"


def test_where_the_templates_changed_nothing_is_tried_and_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    db = approved(20)
    monkeypatch.setattr(subject_plan, "is_still", lambda *given: False)
    beginning.begin(db, COUNTED, 1, now=NOW)
    found = stand(db)
    assert set(variants(db).values()) == {0}
    assert (found.winner, found.decided_by) == (0, "trouble")
    assert found.trouble == "the templates or the settings changed since it was approved"
    assert sound(db)


def test_an_audience_frozen_without_a_plan_tries_nothing() -> None:
    db = approved(5)
    ledger.freeze_audience(db, 1, now=NOW)
    assert (stand(db).winner, set(variants(db).values())) == (0, {0})


# Waiting -------------------------------------------------------------------------------------------------------------


def test_the_rest_waits_and_cannot_be_claimed() -> None:
    db = begun(20)
    rest = 2
    assert ready(db, 1) == (0, 1)
    assert ledger.queued_variants(db, 1) == [0, 1]
    assert claim(db, variant=rest) is None
    with pytest.raises(NotFoundError, match="variant 2 of issue 1 waits for the subject that wins"):
        content_of(db, 1, rest)
    subject_test.decide(db, 1, 1, now=NOW)
    assert ready(db, 1) == (0, 1, 2)
    assert content_of(db, 1, rest) == content_of(db, 1, 1)
    assert claim(db, variant=rest) is not None


@pytest.mark.parametrize("winner", [0, 1, 2])
def test_the_rest_gets_the_subject_that_a_person_chose(clock: Clock, winner: int) -> None:
    db, taker = approved(20, [B, C], rule="person"), Taker()
    post = Post(db, clock)
    assert post.send(taker, settings=COUNTED) == {"audience": 20, "queued": 10, "accepted": 10}
    assert post.engine is not None
    assert (post.engine.undecided, post.engine.later, state(db)) == (True, None, "sending")
    ann = By(None, "Ann")
    found = subject_test.decide(db, 1, winner, now=clock.now(), by=ann)
    assert (found.winner, found.decided_by, found.waiting) == (winner, "person", 0)
    assert post.send(taker, settings=COUNTED) == {"audience": 20, "accepted": 20}
    own = issues.find_issue(db, 1).subject
    every = (own, B, C)
    got, groups = subjects_of(taker), groups_of(db.conn, 1)
    for reader, variant in variants(db).items():
        group = groups[variant]
        assert got[reader] == every[winner if group == GROUPS.index("rest") else group - 1]
    assert taker.readers() == everyone(20)
    assert (state(db), shown_words(db, 1)[0]) == ("sent", every[winner])
    assert sound(db)
    last = audit.done(db, limit=1)[0]
    assert (last.who, last.did, last.what) == ("Ann", "chose the subject of", "issue 1")


def test_it_waits_for_readers_clicks_and_goes_on_with_what_they_chose(clock: Clock) -> None:
    db, taker = approved(200, [B]), Taker(limit=50)
    task = clock.create_task(Post(db, clock).work(post_engine(db, clock, taker, patience_s=3600)))
    clock.run_until_complete(asyncio.sleep(120))
    assert counts(db) == {"audience": 200, "queued": 100, "accepted": 100}
    with_b = [reader for reader, variant in variants(db).items() if variant == 1]
    click(db, with_b[:20])
    tested = stand(db).tested_at
    assert tested is not None
    assert stand(db).due_at == tested + timedelta(minutes=MINUTES)
    tally = clock.run_until_complete(task)
    assert tally["accepted"] == 200
    found = stand(db)
    assert (found.winner, found.decided_by, found.leader) == (1, "clicks", 1)
    assert found.sure is not None
    assert found.sure > 0.99
    rest = [reader for reader, variant in variants(db).items() if variant == 2]
    assert {subjects_of(taker)[reader] for reader in rest} == {B}
    assert found.decided_at is not None
    assert timedelta(0) <= found.decided_at - (tested + timedelta(minutes=MINUTES)) < timedelta(seconds=5)


def post_engine(db: Database, clock: Clock, *takers: Taker, **options: Any) -> Any:
    return Post(db, clock).make(*takers, settings=COUNTED, **options)


def test_a_run_without_patience_says_when_it_is_decided(clock: Clock) -> None:
    db, taker = approved(20), Taker()
    post = Post(db, clock)
    post.send(taker, settings=COUNTED)
    assert post.engine is not None
    due = stand(db).due_at
    assert due is not None
    assert post.engine.later is not None
    assert abs(post.engine.later - due) < timedelta(seconds=5)
    clock.run_until_complete(clock.leap(MINUTES * 60 + 10))
    assert post.send(taker, settings=COUNTED) == {"audience": 20, "accepted": 20}


def test_too_close_to_call_is_for_the_issues_own_subject(clock: Clock) -> None:
    db, taker = approved(20), Taker()
    post = Post(db, clock)
    post.send(taker, settings=COUNTED)
    click(db, [next(reader for reader, variant in variants(db).items() if variant == 1)])
    assert (stand(db).leader, stand(db).too_close) == (1, True)
    clock.run_until_complete(clock.leap(MINUTES * 60 + 10))
    post.send(taker, settings=COUNTED)
    found = stand(db)
    assert (found.winner, found.decided_by, state(db)) == (0, "too close", "sent")


def test_a_run_with_patience_waits_for_a_person_and_sees_the_decision_within_seconds(clock: Clock) -> None:
    db, taker = approved(20, rule="person"), Taker()
    task = clock.create_task(Post(db, clock).work(post_engine(db, clock, taker, patience_s=10**8)))
    clock.run_until_complete(asyncio.sleep(5000))
    assert counts(db)["queued"] == 10
    subject_test.decide(db, 1, 1, now=clock.now())
    clock.run_until_complete(asyncio.sleep(10))
    assert task.done()
    assert counts(db) == {"audience": 20, "accepted": 20}


def test_a_person_may_decide_before_the_share_has_gone_out() -> None:
    db = begun(20)
    subject_test.decide(db, 1, 1, now=NOW)
    assert stand(db).tested_at is None
    clock = Clock()
    try:
        taker = Taker()
        assert Post(db, clock).send(taker, settings=COUNTED)["accepted"] == 20
        assert Counter(subjects_of(taker).values())[B] == 15
    finally:
        clock.close()


def test_everybody_may_be_tried_on_and_nobody_waits(clock: Clock) -> None:
    db, taker = approved(20, share=100), Taker()
    assert Post(db, clock).send(taker, settings=COUNTED) == {"audience": 20, "accepted": 20}
    assert (state(db), stand(db).winner) == ("sent", None)
    click(db, [reader for reader, variant in variants(db).items() if variant == 1])
    subject_test.decide_all_due(db, now=clock.now())
    assert (stand(db).winner, stand(db).due_at is not None) == (None, True)
    subject_test.decide_all_due(db, now=clock.now() + timedelta(minutes=MINUTES))
    assert (stand(db).winner, shown_words(db, 1)[0]) == (1, B)
    assert sound(db)


def test_the_wait_begins_when_the_last_of_the_share_has_gone(clock: Clock) -> None:
    db = begun(20)
    wait = subject_test.decide_due(db, 1, now=NOW)
    assert wait is not None
    assert (wait.until, stand(db).tested_at) == (None, None)
    for variant in (0, 1):
        batch = claim(db, 20, variant=variant)
        assert batch is not None
    wait = subject_test.decide_due(db, 1, now=NOW + timedelta(hours=2))
    assert wait is not None
    assert wait.until == NOW + timedelta(hours=2, minutes=MINUTES)


def test_a_moment_to_come_is_of_a_clock_that_was_wrong(clock: Clock) -> None:
    db = begun(2, share=100)
    db.execute("UPDATE deliveries SET state = 5")
    subject_test.decide_due(db, 1, now=NOW + timedelta(days=9))
    wait = subject_test.decide_due(db, 1, now=NOW)
    assert wait is not None
    assert wait.until == NOW + timedelta(minutes=MINUTES)


# Whatever dies -------------------------------------------------------------------------------------------------------


def test_a_batch_of_the_rest_is_repeated_with_the_same_bytes(clock: Clock) -> None:
    db, taker = approved(6, share=50, rule="person"), Taker()
    post = Post(db, clock)
    post.send(taker, settings=COUNTED)
    subject_test.decide(db, 1, 1, now=clock.now())
    taker.acts = [lose(0)]
    taker.takes_s = 5
    post.crash(taker, after_s=2, settings=COUNTED)
    clock.run_until_complete(clock.leap(100))
    assert post.send(taker, settings=COUNTED) == {"audience": 6, "accepted": 6}
    assert taker.twice() == []
    rest = {reader for reader, variant in variants(db).items() if variant == 2}
    assert {batch.message.subject for batch in taker.calls for r in batch.recipients if r.subscriber in rest} == {B}


def test_killed_while_it_waits_it_goes_on_waiting(clock: Clock) -> None:
    db, taker = approved(20), Taker()
    post = Post(db, clock)
    post.crash(taker, after_s=60, settings=COUNTED, patience_s=36_000)
    assert counts(db) == {"audience": 20, "queued": 10, "accepted": 10}
    since = stand(db).tested_at
    assert post.send(taker, settings=COUNTED, patience_s=36_000) == {"audience": 20, "accepted": 20}
    assert (stand(db).tested_at, taker.twice()) == (since, [])


def test_a_decision_is_never_taken_twice() -> None:
    db = begun(20)
    subject_test.decide(db, 1, 1, now=NOW)
    again = subject_test.decide(db, 1, 1, now=NOW + timedelta(hours=1))
    assert again.decided_at == NOW
    with pytest.raises(StateError, match="it was decided already: subject B of issue 1 won"):
        subject_test.decide(db, 1, 0, now=NOW)
    with pytest.raises(Exception, match="not decided twice"):
        db.execute("UPDATE subject_tests SET winner = 0")
    with pytest.raises(Exception, match="not changed once it is known"):
        db.execute("UPDATE variants SET same_as = 0 WHERE same_as = 1")


def test_nothing_is_decided_of_what_is_not_sent_or_is_cancelled() -> None:
    db = approved(20)
    with pytest.raises(StateError, match="issue 1 is approved; which subject wins is decided while it is being sent"):
        subject_test.decide(db, 1, 0, now=NOW)
    beginning.begin(db, COUNTED, 1, now=NOW)
    with pytest.raises(InputError, match=r"issue 1 has no subject 2; it has 0 \(A\), 1 \(B\)"):
        subject_test.decide(db, 1, 2, now=NOW)
    issues.pause(db, 1, now=NOW)
    steering.cancel(db, 1, now=NOW)
    assert counts(db) == {"audience": 20, "skipped": 20}
    with pytest.raises(StateError, match="issue 1 is cancelled"):
        subject_test.decide(db, 1, 0, now=NOW)
    assert subject_test.decide_due(db, 1, now=NOW + timedelta(days=1)) is None
    with pytest.raises(NotFoundError, match="issue 1 has one subject"):
        subject_test.decide(store_with(1), 1, 0, now=NOW)


def test_a_paused_issue_can_be_decided_and_goes_on_with_it(clock: Clock) -> None:
    db, taker = approved(20, rule="person"), Taker()
    post = Post(db, clock)
    post.send(taker, settings=COUNTED)
    post.pause()
    subject_test.decide(db, 1, 1, now=clock.now())
    assert len(taker.readers()) == 10
    post.resume()
    assert post.send(taker, settings=COUNTED) == {"audience": 20, "accepted": 20}


def test_two_processes_share_a_test(clock: Clock) -> None:
    db = approved(40, [B, C])
    takers = [Taker(takes_s=1), Taker(takes_s=1)]
    post = Post(db, clock)
    engines = [post.make(taker, settings=COUNTED, patience_s=36_000) for taker in takers]
    tasks = [clock.create_task(engine.send(1)) for engine in engines]
    clock.run_until_complete(asyncio.gather(*tasks))
    assert sorted(takers[0].readers() + takers[1].readers()) == everyone(40)
    assert counts(db) == {"audience": 40, "accepted": 40}
    assert sound(db)


def test_db_check_tells_what_is_wrong_with_a_decision() -> None:
    db = begun(20)
    db.conn.execute("DROP TRIGGER variants_stay")
    db.conn.execute("DROP TRIGGER subject_tests_stay")
    subject_test.decide(db, 1, 1, now=NOW)
    assert sound(db)
    db.execute("UPDATE variants SET same_as = 0 WHERE same_as = 1")
    assert check_subject_tests(db) == ["variant 2 of issue 1 has another subject than the one that won"]
    assert check_variants(db) == ["variant 2 of issue 1 is not what was frozen: it does not match its hash"]
    db.execute("UPDATE variants SET same_as = NULL, content_hash = NULL WHERE variant = 2")
    assert check_subject_tests(db) == ["which subject of issue 1 wins is decided, but variant 2 waits"]
    db.execute("UPDATE subject_tests SET winner = 3")
    assert "subject 3 of issue 1 won, and is none of its subjects" in check_subject_tests(db)


# Clicks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [COUNTED, WITHOUT_NAMES], ids=["readers", "counts"])
def test_clicks_are_counted_by_subject(clock: Clock, settings: Settings) -> None:
    db, taker = approved(20, [B, C], share=60, settings=settings, rule="person"), Taker()
    Post(db, clock).send(taker, settings=settings)
    subject_test.decide(db, 1, 2, now=clock.now())
    Post(db, clock).send(taker, settings=settings)
    tracks = {}
    for batch in taker.calls:
        for recipient in batch.recipients:
            tracks[recipient.subscriber] = SIGNERS.links.read("track", recipient.values["track"])[1]
    found = variants(db)
    some = {0: 1, 1: 3, 2: 2, 3: 4}
    who = [
        reader for variant, count in some.items() for reader in [r for r, v in found.items() if v == variant][:count]
    ]
    click(db, [tracks[reader] for reader in who])
    click(db, [tracks[who[0]]], minutes=9)
    assert [one.clicked for one in stand(db).tried] == [1, 3, 2]
    rest = db.execute(
        "SELECT count FROM figures WHERE part = 'subject' AND value = 'rest' AND measure = 'clicked people'"
    )
    assert rest.fetchone() == (4,)
    assert recounting.recount(db, now=NOW).wrong == []


def test_in_numbers_that_stand_for_copies_nothing_but_the_subject_is_told() -> None:
    db = begun(40, share=50, settings=WITHOUT_NAMES)
    batch = claim(db, 40, variant=1)
    assert batch is not None
    assert ledger.copies_counted(db, batch).group == GROUPS.index("1")
    batch = claim(db, 40, variant=0)
    assert batch is not None
    assert ledger.copies_counted(db, batch).group == GROUPS.index("0")
    # Where it is kept who reads, the ledger says it.
    db = begun(40, share=50)
    batch = claim(db, 40, variant=1)
    assert batch is not None
    assert ledger.copies_counted(db, batch).group is None
    assert [group_in(number) for number in (0, 1, 6, 7, 14)] == [0, 1, 6, 0, 6]


def test_figures_stand_when_a_reader_is_forgotten(clock: Clock) -> None:
    db, taker = approved(20), Taker()
    Post(db, clock).send(taker, settings=COUNTED)
    subject_test.decide(db, 1, 0, now=clock.now())
    Post(db, clock).send(taker, settings=COUNTED)
    for variant in (0, 1, 2):
        reader = next(reader for reader, found in variants(db).items() if found == variant)
        click(db, [reader])
        forget(db, reader, now=NOW)
    assert db.execute("SELECT max(copy) FROM readings").fetchone()[0] < 0
    assert [one.clicked for one in stand(db).tried] == [1, 1]
    assert recounting.recount(db, now=NOW).wrong == []


def tried(*of: tuple[int, int]) -> list[Tried]:
    return [Tried(at, "x", None, accepted, accepted, clicked) for at, (clicked, accepted) in enumerate(of)]


@pytest.mark.parametrize(
    ("of", "leader", "sure"),
    [
        ([(30, 1000), (60, 1000)], 1, 0.998),
        ([(60, 1000), (30, 1000)], 0, 0.998),
        ([(30, 1000), (36, 1000)], 1, 0.4686),
        ([(5, 100), (5, 100)], 0, 0.0),
        ([(0, 100), (0, 100)], None, None),
        ([(0, 0), (3, 10)], None, None),
        ([(2, 10), (0, 10)], 0, 0.5439),
        ([(10, 10), (10, 10)], 0, 0.0),
        ([(10, 1000), (60, 1000), (58, 1000)], 1, 0.076),
    ],
)
def test_better_is_told_from_chance(of: list[tuple[int, int]], leader: int | None, sure: float | None) -> None:
    found, how = compare(tried(*of))
    assert found == leader
    assert how == (sure if sure is None else pytest.approx(sure, abs=0.002))


def test_few_readers_can_tell_only_large_differences() -> None:
    assert smallest_difference(100, 0.05) == pytest.approx(0.086, abs=0.001)
    assert smallest_difference(10_000, 0.05) == pytest.approx(0.0086, abs=0.0001)
    assert smallest_difference(0) == smallest_difference(1, 0.5) == 1.0
    assert usual_clicks(store_with(1)) == 0.05


def test_an_issue_without_alternatives_has_no_standing() -> None:
    db = store_with(3)
    assert standing(db, 1) is None
    with pytest.raises(NotFoundError):
        standing(db, 2)
