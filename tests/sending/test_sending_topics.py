"""Readers' topics shape the mail: who gets which variant, whatever happens while it is sent."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from itertools import combinations
from mailbox import Maildir
from pathlib import Path
from typing import Any

import pytest
from sendings import (
    ASKED,
    MUTE,
    REPLAYED,
    SETTINGS,
    SIGNERS,
    Clock,
    Hand,
    Hurry,
    Post,
    Taker,
    address,
    answer,
    batches,
    choose,
    claim,
    claimed,
    counts,
    everyone,
    lose,
    pause_reader,
    refuse,
    refuse_bad,
    state,
    store_with,
    subscribe,
    take,
)
from sqlite_utils import Database

from conftest import NOW, import_sample, remove
from digest.audience.topics import topics_in
from digest.errors import StateError
from digest.issue import editing, issues
from digest.issue.link_records import numbers_of
from digest.issue.variant_records import check_variants, content_of, cuts_of
from digest.issue.variants import render_cut, topics_of
from digest.providers import connect
from digest.providers.interface import AccountError, Answer, Pace, Segments, TryAgainError
from digest.sending import beginning, ledger, steering, topics
from digest.sending.engine import Engine
from digest.sending.ledger_check import check_ledger
from digest.sending.topics import Report
from digest.simulators import simulate
from digest.simulators.record import Record
from digest.simulators.server import running
from digest.store import open_store

CODING, AGENTS, VOICE = "developer-tools", "agents-and-automation", "voice-and-audio"
NONE = SETTINGS.model_copy(update={"off_topic": "none"})


def begun(readers: int, chosen: Mapping[int, list[str]], settings: Any = SETTINGS) -> Database:
    """Issue 1 being sent to so many, some of whom chose topics."""
    db = store_with(readers)
    choose(db, chosen)
    beginning.begin(db, settings, 1, now=NOW)
    return db


def variants(db: Database) -> dict[int, int]:
    return dict(db.execute("SELECT subscriber, variant FROM deliveries").fetchall())


def report(db: Database) -> Report:
    found = topics.report_of(db, 1)
    assert found is not None
    return found


def on_topics(db: Database, chosen: list[str]) -> list[str]:
    """The slugs that readers of these topics are to get, told from the issue itself."""
    draft = issues.snapshot_of(db, 1)
    assert draft is not None
    mine = [item.comparison for item in draft.placed if not chosen or topics_of(item.comparison) & set(chosen)]
    return [comparison.slug for comparison in mine or [draft.placed[0].comparison]]


def compared(html: str) -> list[str]:
    """The comparisons that a mail leads to."""
    return list(dict.fromkeys(re.findall(r"/compare/([a-z0-9-]+)", html)))


def led_to(db: Database, html: str | Segments) -> str:
    """The addresses that the counted links of a mail lead to."""
    if isinstance(html, Segments):
        html = html.fill(dict.fromkeys(html.places, "place"))
    links = {number: address for address, number in numbers_of(db, 1).items()}
    return "\n".join(links[int(number)] for number in re.findall(r'/c/[^/"]+/(\d+)', html))


# Freezing --------------------------------------------------------------------------------------------------------


def test_everyone_gets_the_variant_of_their_topics() -> None:
    db = begun(6, {1: [CODING], 2: [VOICE], 3: [CODING, "gardening"], 4: ["gardening"], 5: [VOICE]})
    assert variants(db) == {1: 1, 2: 2, 3: 1, 4: 3, 5: 2, 6: 0}
    assert {number: list(cut.comparisons) for number, cut in cuts_of(db, 1).items()} == {
        1: on_topics(db, [CODING]),
        2: on_topics(db, [VOICE]),
        3: on_topics(db, ["gardening"]),
    }
    assert report(db) == Report(sets=4, variants=3, composed=4, lead_alone=1)
    assert ledger.readers_of_variants(db, 1) == {1: 2, 2: 2, 3: 1}
    assert check_variants(db) == check_ledger(db) == issues.check_issues(db) == []


def test_what_is_mailed_has_exactly_what_is_on_the_topics() -> None:
    db = begun(2, {1: [CODING, VOICE]})
    content, whole = content_of(db, 1, 1), content_of(db, 1, 0)
    assert sorted(compared(content.html)) == sorted(on_topics(db, [CODING, VOICE]))
    assert sorted(compared(content.text)) == sorted(on_topics(db, [CODING, VOICE]))
    assert content.envelope == whole.envelope
    assert f"{SETTINGS.base_url}/issues/1" in content.html


def test_who_has_nothing_on_their_topics_gets_no_mail_by_setting() -> None:
    db = begun(3, {1: [CODING], 2: ["gardening"]}, NONE)
    assert variants(db) == {1: 1, 2: 0, 3: 0}
    assert db.execute("SELECT state, reason FROM deliveries WHERE subscriber = 2").fetchone() == (
        5,
        "nothing on their topics",
    )
    assert report(db) == Report(sets=2, variants=1, composed=1, no_mail=1)
    assert counts(db) == {"audience": 3, "queued": 2, "skipped": 1}


def test_who_chose_all_that_is_in_it_gets_the_issue() -> None:
    db = store_with(2)
    draft = issues.snapshot_of(db, 1)
    assert draft is not None
    choose(db, {1: {topic for item in draft.placed for topic in topics_of(item.comparison)}})
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert variants(db) == {1: 0, 2: 0}
    assert report(db) == Report(sets=1, everything=1)


def test_there_are_no_more_variants_than_the_setting_allows() -> None:
    few = SETTINGS.model_copy(update={"topic_variants": 1})
    db = begun(4, {1: [CODING], 2: [VOICE], 3: [VOICE]}, few)
    assert variants(db) == {1: 0, 2: 1, 3: 1, 4: 0}
    assert report(db) == Report(sets=2, variants=1, composed=2, beyond=1)


def test_without_topics_nothing_is_rendered_or_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "render", None)
    db = begun(3, {})
    assert (topics.report_of(db, 1), cuts_of(db, 1)) == (None, {})
    assert counts(db) == {"audience": 3, "queued": 3}


def test_only_those_who_are_mailed_count() -> None:
    db = store_with(5)
    choose(db, {1: [CODING], 2: [VOICE], 3: [AGENTS], 4: [CODING]})
    remove(db, address(2), now=NOW)
    pause_reader(db, 3, NOW + timedelta(days=7))
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert report(db) == Report(sets=1, variants=1, composed=2)
    assert variants(db) == {1: 1, 4: 1, 5: 0}


def test_it_is_foreseen_before_it_is_sent() -> None:
    db = store_with(5)
    choose(db, {1: [CODING], 2: ["gardening"]})
    foreseen = topics.foreseen(db, SETTINGS, 1, now=NOW)
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert foreseen == report(db) == Report(sets=2, variants=2, composed=1, lead_alone=1)


# What was approved is what goes ----------------------------------------------------------------------------------


def test_the_variants_are_of_what_was_approved_whatever_the_catalogue_says() -> None:
    db = store_with(2)
    choose(db, {1: [CODING]})
    expected = on_topics(db, [CODING])
    db.execute("UPDATE tools SET name = 'Changed ' || name, category = 'Other'")
    beginning.begin(db, SETTINGS, 1, now=NOW)
    content = content_of(db, 1, 1)
    assert sorted(compared(content.html)) == sorted(expected)
    assert "Changed" not in content.html


def test_where_templates_or_settings_changed_everybody_gets_what_was_approved() -> None:
    db = begun(3, {1: [CODING], 2: ["gardening"]}, NONE.model_copy(update={"color_accent": "#1b2380"}))
    assert variants(db) == {1: 0, 2: 0, 3: 0}
    assert cuts_of(db, 1) == {}
    found = report(db)
    assert found.trouble == "the templates or the settings changed since it was approved"
    assert (found.everything, found.composed, found.no_mail) == (2, 0, 0)
    assert counts(db) == {"audience": 3, "queued": 3}


def test_of_what_an_older_digest_approved_there_are_no_variants() -> None:
    db = store_with(1)
    choose(db, {1: [CODING]})
    db.execute("UPDATE issues SET snapshot = NULL")
    assert topics.foreseen(db, SETTINGS, 1, now=NOW) is None
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert (report(db).trouble or "").startswith("it was approved by an older digest")


def test_topics_that_are_chosen_while_variants_are_rendered_count(monkeypatch: pytest.MonkeyPatch) -> None:
    db = store_with(3)
    choose(db, {1: [CODING]})
    rendered: list[Any] = []

    def slowly(*given: Any) -> Any:
        if not rendered:
            choose(db, {2: [VOICE]})
        rendered.append(given[1].topics)
        return render_cut(*given)

    monkeypatch.setattr("digest.sending.topics.render_cut", slowly)
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert variants(db) == {1: 1, 2: 2, 3: 0}
    assert sorted(rendered) == [(CODING,), (VOICE,)], "none twice"


def test_an_issue_that_is_approved_anew_while_variants_are_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    db = store_with(2)
    choose(db, {1: [CODING]})
    rendered: list[Any] = []

    def slowly(*given: Any) -> Any:
        if not rendered:
            editing.edit(db, 1, now=NOW, subject="Another", settings=SETTINGS)
            issues.freeze(db, SETTINGS, 1, now=NOW)
        rendered.append(1)
        return render_cut(*given)

    monkeypatch.setattr("digest.sending.topics.render_cut", slowly)
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert content_of(db, 1, 1).subject == content_of(db, 1, 0).subject == "Another"
    assert len(rendered) == 2


def test_readers_who_never_stop_choosing_do_not_keep_it_from_being_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    db, rounds = store_with(40), iter(range(2, 40))
    choose(db, {1: [CODING]})
    plan = topics.plan

    def planned(*given: Any, **named: Any) -> topics.Plan:
        made = plan(*given, **named)
        number = next(rounds)
        choose(db, {number: [f"topic-{number}"]})
        return made

    monkeypatch.setattr(topics, "plan", planned)
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert report(db).beyond == 1
    assert counts(db) == {"audience": 40, "queued": 40}


def test_a_death_while_it_begins_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    db = store_with(2)
    choose(db, {1: [CODING]})
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "as_text", lambda report: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            beginning.begin(db, SETTINGS, 1, now=NOW)
    assert (state(db), cuts_of(db, 1), counts(db)) == ("approved", {}, {})
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert variants(db) == {1: 1, 2: 0}


def test_the_second_who_begins_finds_it_done() -> None:
    db = begun(2, {1: [CODING]})
    choose(db, {2: [VOICE]})
    assert beginning.begin(db, SETTINGS, 1, now=NOW) == 2
    assert variants(db) == {1: 1, 2: 0}
    issues.pause(db, 1, now=NOW)
    with pytest.raises(StateError, match="not approved any more"):
        beginning.begin(db, SETTINGS, 1, now=NOW)


# Claiming --------------------------------------------------------------------------------------------------------


def test_a_batch_is_of_one_variant() -> None:
    db = begun(9, {1: [CODING], 2: [VOICE], 4: [CODING], 7: [CODING]})
    first, second = claimed(db, variant=1), claimed(db, size=5)
    assert [copy[0] for copy in first.copies] == [1, 4, 7]
    assert [copy[0] for copy in second.copies] == [3, 5, 6, 8, 9]
    assert (first.variant, second.variant) == (1, 0)
    assert claim(db, variant=1) is None
    assert batches(db, "variant, first, last, size") == [(1, 1, 7, 3), (0, 3, 9, 5)]
    assert check_ledger(db) == []


def test_only_the_copies_of_the_batch_are_settled_whoever_stands_between() -> None:
    db = begun(9, {1: [CODING], 2: [VOICE], 4: [CODING], 5: [VOICE], 7: [CODING]})
    of_coding, of_voice, others = claimed(db, variant=1), claimed(db, variant=2), claimed(db, size=9)
    ledger.record(db, of_coding, Answer(rejected={4: "full"}), now=NOW)
    assert counts(db) == {"audience": 9, "accepted": 2, "rejected": 1, "claimed": 6}
    ledger.release(db, of_voice, "later", now=NOW)
    assert counts(db) == {"audience": 9, "accepted": 2, "rejected": 1, "claimed": 4, "queued": 2}
    assert ledger.queued_variants(db, 1) == [2]
    assert ledger.queued_variants(db, 1, zones=["Asia/Tokyo"]) == []
    ledger.record(db, others, Answer(), now=NOW)
    assert check_ledger(db) == []


def test_parts_and_adopted_batches_are_of_the_same_variant() -> None:
    db = begun(6, {number: [CODING] for number in (1, 3, 4, 6)})
    whole = claimed(db, size=9, variant=1)
    first, second = ledger.split(db, whole, "bad", rejected={}, worker=1, now=NOW)
    adopted = ledger.adopt(db, first.number, before=1, worker=2, trouble="it died", now=NOW)
    assert adopted is not None
    assert (adopted.variant, second.variant) == (1, 1)
    assert [copy[0] for copy in adopted.copies] == [1, 3]
    ledger.accept_some(db, adopted, {1: None}, by="asked", now=NOW)
    assert counts(db) == {"audience": 6, "accepted": 1, "uncertain": 1, "claimed": 2, "queued": 2}
    assert check_ledger(db) == []


def test_who_pauses_after_the_freeze_is_skipped_when_claimed_and_in_a_split() -> None:
    db = begun(5, {})
    pause_reader(db, 1, NOW + timedelta(seconds=1))
    pause_reader(db, 2, NOW)
    batch = claimed(db, size=5)
    assert [copy[0] for copy in batch.copies] == [2, 3, 4, 5]
    pause_reader(db, 5, NOW + timedelta(days=7))
    assert ledger.gone(db, batch, now=NOW) == {5: "paused"}
    parts = ledger.split(db, batch, "bad", rejected={}, worker=1, now=NOW)
    assert [[copy[0] for copy in part.copies] for part in parts] == [[2], [3, 4]]
    rows = db.execute("SELECT subscriber, reason FROM deliveries WHERE state = 5").fetchall()
    assert rows == [(1, "paused"), (5, "paused")]


def test_of_each_zone_the_variants_are_told_of_which_copies_are_queued() -> None:
    db = begun(6, {1: [CODING], 2: [VOICE], 4: [CODING]})
    db.execute("UPDATE subscribers SET timezone = 'Asia/Tokyo' WHERE id < 4")
    assert ledger.queued_by_zone(db, 1) == {"Asia/Tokyo": {0, 1, 2}, "": {0, 1}}
    claimed(db, variant=2)
    assert ledger.queued_by_zone(db, 1) == {"Asia/Tokyo": {0, 1}, "": {0, 1}}


def test_the_index_is_used_where_readers_of_a_variant_are_few() -> None:
    db = begun(3, {1: [CODING]})
    seen: list[str] = []
    db.conn.set_trace_callback(seen.append)
    ledger.record(db, claimed(db, variant=1), Answer(), now=NOW)
    db.conn.set_trace_callback(None)
    plans = [db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in seen if "deliveries" in sql]
    assert len(plans) == 3
    for plan in plans:
        found = " ".join(row[-1] for row in plan)
        assert "deliveries_variant (issue=? AND variant=? AND subscriber>?" in found


# Sending ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Iterator[Clock]:
    with closing(Clock()) as loop:
        yield loop


CHOSEN = {1: [CODING], 2: [VOICE], 4: [CODING], 5: [CODING, VOICE], 7: ["gardening"], 8: [CODING], 10: [CODING]}


def post_with(clock: Clock, readers: int = 12) -> Post:
    db = store_with(readers)
    choose(db, CHOSEN)
    return Post(db, clock)


def all_is_right(post: Post, *takers: Taker) -> None:
    """Everyone has one copy, of what is on their topics, with their own tokens."""
    got: dict[int, list[str]] = {}
    numbers = {number: batch for taker in takers for batch in taker.calls for number in [batch.number]}
    for taker in takers:
        for number, reader in taker.accepted:
            assert reader not in got, f"reader {reader} has two"
            got[reader] = compared(led_to(post.db, numbers[number].message.html))
    assert sorted(got) == everyone(12)
    for reader, found in got.items():
        assert sorted(found) == sorted(on_topics(post.db, CHOSEN.get(reader, []))), f"reader {reader}"
    assert check_ledger(post.db) == []


def test_every_copy_has_what_is_on_the_readers_topics(clock: Clock) -> None:
    post, taker = post_with(clock), Taker(proof=MUTE)
    assert post.send(taker) == {"audience": 12, "accepted": 12}
    all_is_right(post, taker)
    assert [len(call.recipients) for call in taker.calls] == [3, 2, 3, 1, 1, 1, 1]
    assert state(post.db) == "sent"


def test_calls_go_on_at_the_same_time_and_in_several_processes(clock: Clock) -> None:
    post = post_with(clock)
    takers = [Taker(pace=Pace(connections=3), takes_s=1, proof=MUTE, limit=2) for _ in range(2)]
    engines = [post.make(taker) for taker in takers]

    async def together() -> None:
        await asyncio.gather(*(post.work(engine) for engine in engines))

    post.run(together())
    all_is_right(post, *takers)


@pytest.mark.parametrize("proof", [REPLAYED, ASKED])
def test_a_broken_call_is_settled_with_the_message_of_its_variant(clock: Clock, proof: Any) -> None:
    post = post_with(clock)
    taker = Taker(acts=[lose(), lose(0), lose(), lose(0), lose()], proof=proof, limit=2)
    assert post.send(taker) == {"audience": 12, "accepted": 12}
    all_is_right(post, taker)
    again = [call for call in [*taker.calls, *taker.asked] if taker.keys().count(call.idempotency_key) > 1]
    for call in again:
        assert call == next(first for first in taker.calls if first.idempotency_key == call.idempotency_key)


def test_what_dead_workers_left_is_settled_with_the_message_of_its_variant(clock: Clock) -> None:
    post, taker = post_with(clock), Taker(proof=REPLAYED, takes_s=2, pace=Pace(connections=4), limit=2)
    post.crash(taker, after_s=1)
    post.crash(taker, after_s=3)
    assert post.send(taker) == {"audience": 12, "accepted": 12}
    first: dict[str, Any] = {}
    for call in taker.calls:
        assert first.setdefault(call.idempotency_key, call) == call
    all_is_right(post, taker)


def test_parts_of_a_refused_call_and_what_is_put_back_keep_their_variant(clock: Clock) -> None:
    post = post_with(clock)
    taker = Taker(acts=[refuse(TryAgainError("busy")), refuse(TryAgainError("busy"))], always=refuse_bad(4), proof=MUTE)
    assert post.send(taker) == {"audience": 12, "accepted": 11, "rejected": 1}
    got = {reader: number for number, reader in taker.accepted}
    calls = {call.number: compared(led_to(post.db, call.message.html)) for call in taker.calls}
    for reader in (1, 8, 10):
        assert sorted(calls[got[reader]]) == sorted(on_topics(post.db, [CODING]))


def test_a_variant_whose_readers_all_left_or_paused_keeps_nobody_waiting(clock: Clock) -> None:
    post, taker = post_with(clock), Taker(proof=MUTE)
    beginning.begin(post.db, SETTINGS, 1, now=NOW)
    pause_reader(post.db, 2, NOW + timedelta(days=7))
    remove(post.db, address(7), now=NOW)
    assert post.send(taker) == {"audience": 12, "accepted": 10, "skipped": 2}


def test_who_pauses_before_their_uncertain_copy_is_settled_is_not_handed_over_again(clock: Clock) -> None:
    post, taker = post_with(clock), Taker(acts=[lose(0)], proof=REPLAYED, takes_s=1)
    post.crash(taker, after_s=0.5)
    pause_reader(post.db, 3, NOW + timedelta(days=7))
    assert post.send(taker) == {"audience": 12, "accepted": 9, "uncertain": 3}
    assert 3 not in taker.readers()


def test_the_provider_that_takes_over_is_handed_each_reader_s_variant(clock: Clock) -> None:
    post = post_with(clock)
    first = Taker(acts=[take, take, refuse(AccountError("suspended"))], proof=MUTE, limit=2)
    second = Taker(name="second", proof=MUTE, limit=2, pace=Pace(connections=3))
    assert post.send(first, second) == {"audience": 12, "accepted": 12}
    all_is_right(post, first, second)
    assert first.readers()
    assert second.readers()


def test_who_is_tried_again_after_a_refusal_or_by_a_person_s_word_gets_the_same_variant(clock: Clock) -> None:
    post = post_with(clock)
    first = Taker(acts=[lose(0), take, answer([1, 8], rejected={4: "full"})], proof=MUTE, limit=3)
    assert post.send(first) == {"audience": 12, "accepted": 8, "uncertain": 3, "rejected": 1}
    choose(post.db, {reader: [VOICE] for reader in everyone(12)})
    (held,) = steering.unsettled(post.db, 1)
    number, alone = held.batch.number, lambda worker: False
    assert steering.resolve(post.db, 1, number, "resend", lives=alone, worker=99, now=clock.now()) == 3
    assert steering.retry_rejected(post.db, 1, now=clock.now()) == 1
    second = Taker(proof=MUTE)
    assert post.send(second) == {"audience": 12, "accepted": 12}
    all_is_right(post, first, second)


def test_a_pause_in_the_middle_moves_nobody_to_another_variant(clock: Clock) -> None:
    post = post_with(clock)
    first, second = Taker(proof=MUTE, limit=2, takes_s=2, pace=Pace(connections=2)), Taker(proof=MUTE, limit=2)
    clock.call_later(3, post.pause)
    assert post.send(first)["queued"]
    choose(post.db, {reader: [VOICE] for reader in everyone(12)})
    post.resume()
    assert post.send(second) == {"audience": 12, "accepted": 12}
    all_is_right(post, first, second)


def test_readers_far_away_get_their_variant_at_their_own_time(clock: Clock) -> None:
    post, taker = post_with(clock), Taker(proof=MUTE, limit=5)
    for reader in (1, 2, 3):
        post.db.execute("UPDATE subscribers SET timezone = 'Asia/Tokyo' WHERE id = ?", [reader])
    issues.reschedule(post.db, SETTINGS, 1, now=NOW, at=NOW + timedelta(hours=12), local=True)
    clock.start += timedelta(hours=3)
    post.send(taker, patience_s=1e9)
    assert sorted(reader for call in taker.calls[:3] for reader in [r.subscriber for r in call.recipients]) == [1, 2, 3]
    all_is_right(post, taker)


# Real mail -------------------------------------------------------------------------------------------------------


def on_the_disk(folder: Path, readers: int) -> Database:
    db = open_store(folder / "digest.db", create=True)
    import_sample(db, SETTINGS)
    issues.draft(db, SETTINGS, now=NOW)
    issues.freeze(db, SETTINGS, 1, now=NOW)
    subscribe(db, readers)
    return db


def test_six_hundred_readers_of_twelve_sets_find_their_own_in_the_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, folder = on_the_disk(tmp_path, 600), tmp_path / "outbox"
    pairs = list(combinations([CODING, AGENTS, VOICE, "running-models", "image-and-video"], 2))
    sets = [*(list(pair) for pair in pairs), ["gardening"], [CODING]]
    choose(db, {reader: sets[reader % 13 - 1] for reader in range(1, 601) if reader % 13})
    rendered: list[Any] = []

    def counted(*given: Any) -> Any:
        rendered.append(given)
        return render_cut(*given)

    monkeypatch.setattr("digest.sending.topics.render_cut", counted)
    box = connect("outbox", {"folder": folder, "connections": 3})
    engine = Engine(db, SETTINGS.model_copy(update={"batch_size": 50}), [box], SIGNERS, Hand(set(), 1))
    assert asyncio.run(engine.send(1))["accepted"] == 600
    assert len(rendered) == 12
    seen: Counter[int] = Counter()
    for mail in Maildir(folder):
        reader = int(re.sub(r"\D", "", str(mail["To"]).partition("@")[0]))
        html = next(part for part in mail.walk() if part.get_content_type() == "text/html")
        body = html.get_payload(decode=True)
        assert isinstance(body, bytes)
        row = db.execute("SELECT topic_set FROM subscribers WHERE id = ?", [reader]).fetchone()
        assert sorted(compared(led_to(db, body.decode()))) == sorted(on_topics(db, list(topics_in(db, row[0]))))
        seen[reader] += 1
    assert seen == Counter(everyone(600))
    assert report(db) == Report(sets=12, variants=12, composed=508, lead_alone=46)
    db.close()


OPTIONS: dict[str, dict[str, Any]] = {
    "resend": {"key": "re_simulated"},
    "mailgun": {"key": "key-simulated", "domain": "mg.example.com"},
}


@pytest.mark.parametrize("name", ["resend", "mailgun"])
def test_a_provider_brings_each_reader_their_own(name: str, tmp_path: Path) -> None:
    db, record = on_the_disk(tmp_path, 60), Record()
    choose(db, {reader: [[CODING], [VOICE], [AGENTS]][reader % 3] for reader in range(1, 51)})
    with running(simulate(name, record=record)) as (url, _), closing(Hurry()) as loop:
        provider = connect(name, {**OPTIONS[name], "url": url, "calls_a_second": 0})
        engine = Engine(
            db, SETTINGS.model_copy(update={"batch_size": 7}), [provider], SIGNERS, Hand(set(), 1), clock=loop.now
        )
        tally = loop.run_until_complete(engine.send(1))
        loop.run_until_complete(loop.shutdown_default_executor())
    assert tally["accepted"] == 60
    subjects = Counter(copy.subject for copy in record.accepted)
    assert sorted(subjects.values()) == [10, 16, 17, 17]
    for copy in record.accepted:
        reader = int(re.sub(r"\D", "", copy.address.partition("@")[0]))
        chosen = [[CODING], [VOICE], [AGENTS]][reader % 3] if reader <= 50 else []
        assert sorted(compared(led_to(db, copy.html))) == sorted(on_topics(db, chosen))
        assert f"/u/{SIGNERS.links.sign('copy', 1, reader)}" in copy.html
    db.close()
