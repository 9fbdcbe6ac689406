"""Opens and clicks of copies: what is frozen for counting them, whose number stands in each, and when that ends."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from html import unescape
from mailbox import Maildir
from typing import Any

import pytest
from sendings import (
    ASKED,
    LINKS,
    REPLAYED,
    SETTINGS,
    SIGNERS,
    Clock,
    Post,
    Taker,
    choose,
    claimed,
    counts,
    everyone,
    lose,
    store_with,
    subscribe,
    take,
)
from sqlite_utils import Database

import serving
from conftest import NOW, remove
from digest.audience import subscribers
from digest.issue import editing, issues
from digest.issue.link_records import numbers_of
from digest.issue.preview import message_of
from digest.issue.tracked import Tracking
from digest.issue.variant_records import check_variants, content_of, cuts_of
from digest.mail import personalise
from digest.providers import connect
from digest.providers.interface import Answer, Message
from digest.sending import beginning, ledger, steering
from digest.sending.copies import Signers, Writer, pseudonym
from digest.sending.engine import Engine
from digest.sending.ledger import Copies, CountedAs
from digest.sending.workers import Worker
from digest.settings import Settings

KEY = b"p" * 32
COUNTS, READERS = Tracking("counts", "https://x.example"), Tracking("readers", "https://x.example")
MESSAGE = Message(
    "", "v@example.com", "", "", personalise.split("[[digest:track]]", tracked=True), personalise.split(""), {}
)
COPIES: Copies = ((7, "ada@example.com", "Ada"), (9, "bea@example.com", None), (11, "cem@example.com", None))


def approved(readers: int = 4, **changed: Any) -> Database:
    """A store whose issue 1 is approved with other settings, for so many."""
    db, settings = store_with(readers), SETTINGS.model_copy(update=changed)
    editing.edit(db, 1, now=NOW, subject="Again", settings=settings)
    issues.freeze(db, settings, 1, now=NOW)
    return db


def begun(readers: int = 4, **changed: Any) -> Database:
    db = approved(readers, **changed)
    ledger.freeze_audience(db, 1, now=NOW)
    return db


def key(db: Database) -> bytes | None:
    found: bytes | None = db.execute("SELECT pseudonym_key FROM issues").fetchone()[0]
    return found


# Numbers -----------------------------------------------------------------------------------------------------------


def numbers(tracking: Tracking | None, counted: CountedAs | None) -> list[int]:
    writer = Writer.of(3, MESSAGE, SIGNERS, nonce=None, unused=(), tracking=tracking)
    found = [LINKS.read("track", copy.values["track"]) for copy in writer.recipients(COPIES, counted)]
    assert {issue for issue, _ in found} == {3}
    return [number for _, number in found]


def test_where_it_is_kept_who_reads_a_copy_has_its_readers_number() -> None:
    assert numbers(READERS, CountedAs()) == [7, 9, 11]


def test_where_it_is_counted_how_many_a_number_says_nothing_without_the_key() -> None:
    found = numbers(COUNTS, CountedAs(KEY))
    assert found == [pseudonym(KEY, reader) for reader in (7, 9, 11)]
    assert not {7, 9, 11} & set(found)
    assert not set(found) & set(numbers(COUNTS, CountedAs(b"q" * 32)))


@pytest.mark.parametrize("tracking", [COUNTS, READERS])
def test_a_reader_who_is_not_counted_has_no_number(tracking: Tracking) -> None:
    counted = CountedAs(KEY if tracking is COUNTS else None, frozenset({9}))
    one, none, other = numbers(tracking, counted)
    assert one
    assert other
    assert none == 0


@pytest.mark.parametrize(
    ("tracking", "counted"),
    [(None, CountedAs(KEY)), (Tracking("off", utm="a=b"), CountedAs()), (COUNTS, CountedAs()), (READERS, None)],
    ids=["never approved", "only tags", "the key is erased", "not told"],
)
def test_where_in_doubt_nobody_is_counted(tracking: Tracking | None, counted: CountedAs | None) -> None:
    assert numbers(tracking, counted) == [0, 0, 0]


def test_pseudonyms_are_spread_over_32_bits_and_never_nobody() -> None:
    found = [pseudonym(KEY, reader) for reader in range(1, 20_001)]
    assert len(set(found)) > 19_990
    assert min(found) > 0
    assert 2**31 < max(found) < 2**32


def test_all_places_of_a_merging_provider_are_its_own() -> None:
    """The three that are written together are those of the general way."""
    places = "[[digest:token]][[digest:track]][[digest:greeting]]"
    quick = Message("", "v@example.com", "", "", personalise.split(places, tracked=True), personalise.split(""), {})
    slow = Message("", "v@example.com", "", "", quick.html, personalise.split("[[digest:message]]"), {})
    found, expected = (
        Writer.of(3, message, SIGNERS, nonce="n", unused=(), tracking=READERS).recipients(COPIES, CountedAs())
        for message in (quick, slow)
    )
    for one, other in zip(found, expected, strict=True):
        assert {**one.values, "message": other.values["message"]} == other.values


# Freezing ----------------------------------------------------------------------------------------------------------


def test_the_addresses_of_an_issue_are_written_down_with_the_comparisons_they_belong_to() -> None:
    db = begun()
    content = issues.frozen(db, 1)
    assert content is not None
    rows = db.execute("SELECT number, address, comparison FROM links ORDER BY number").fetchall()
    assert [row[1] for row in rows] == list(content.links)
    assert [row[0] for row in rows] == list(range(1, len(content.links) + 1))
    for _, address, comparison in rows:
        assert comparison == (address.rpartition("/compare/")[2] if "/compare/" in address else None)
    assert numbers_of(db, 1) == {row[1]: row[0] for row in rows}


def test_the_addresses_of_variants_are_among_them_each_once() -> None:
    db = approved(4)
    choose(db, {2: ["voice-and-audio"], 3: ["gardening"]})
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert len(cuts_of(db, 1)) == 2
    for variant in (0, *cuts_of(db, 1)):
        content = content_of(db, 1, variant)
        assert content.tracking == issues.tracking_of(db, 1)
        assert set(content.links) <= numbers_of(db, 1).keys()
        html = message_of(content, numbers_of(db, 1)).html.fill(dict.fromkeys(("token", "track", "greeting"), "x"))
        assert not re.search(r'<a [^>]*href="[^"]+/(?:compare|issues)/', html)
    assert check_variants(db) == []


def test_where_nothing_is_counted_nothing_is_written_down() -> None:
    for changed in ({"tracking": "off"}, {"tracking": "off", "utm": "utm_source=x"}):
        db = store_with(4)
        db.execute("UPDATE subscribers SET uncounted = 1 WHERE id = 2")
        editing.edit(db, 1, now=NOW, subject="Again", settings=SETTINGS)
        issues.freeze(db, SETTINGS.model_copy(update=changed), 1, now=NOW)
        ledger.freeze_audience(db, 1, now=NOW)
        assert numbers_of(db, 1) == {}
        assert key(db) is None
        assert db.execute("SELECT count(*) FROM uncounted").fetchone() == (0,)


def test_who_wants_not_to_be_counted_is_frozen_with_the_audience() -> None:
    db = approved(6, tracking="readers")
    db.execute("UPDATE subscribers SET uncounted = 1 WHERE id IN (2, 3, 5)")
    remove(db, "reader3@example.com", now=NOW)
    ledger.freeze_audience(db, 1, now=NOW)
    assert db.execute("SELECT * FROM uncounted").fetchall() == [(1, 2), (1, 5)]
    db.execute("UPDATE subscribers SET uncounted = 1 - uncounted")
    assert ledger.copies_counted(db, claimed(db, size=9)).uncounted == {2, 5}


def test_only_those_of_a_batch_are_looked_up() -> None:
    db = approved(9, tracking="readers")
    db.execute("UPDATE subscribers SET uncounted = 1")
    ledger.freeze_audience(db, 1, now=NOW)
    assert ledger.copies_counted(db, claimed(db)).uncounted == {1, 2, 3}


def test_a_key_is_drawn_where_it_is_counted_how_many_and_not_who() -> None:
    one, other = key(begun()), key(begun())
    assert one is not None
    assert len(one) == 32
    assert one != other
    assert key(begun(tracking="readers")) is None
    assert key(approved()) is None


def test_a_delivery_keeps_whose_mailbox_it_went_to() -> None:
    db = store_with(0)
    addresses = ["a@gmail.com", "b@Googlemail.com", "c@bücher.example", "d@HOTMAIL.co.uk", "e@me.com", "f@notgmail.com"]
    for address in addresses:
        subscribers.add(db, address, now=NOW)
    ledger.freeze_audience(db, 1, now=NOW)
    hosts = "SELECT host FROM deliveries ORDER BY subscriber"
    assert [host for (host,) in db.execute(hosts).fetchall()] == [1, 1, 0, 2, 4, 0]
    db.execute("UPDATE subscribers SET email = 'a@web.de', email_key = 'a@web.de' WHERE id = 1")
    assert db.execute(hosts).fetchone() == (1,), "it went where it went"


def test_a_mailbox_is_known_in_every_variant_too() -> None:
    db = store_with(0)
    for address in ("a@gmail.com", "b@gmail.com", "c@example.com"):
        subscribers.add(db, address, now=NOW)
    choose(db, {2: ["voice-and-audio"], 3: ["voice-and-audio"]})
    beginning.begin(db, SETTINGS, 1, now=NOW)
    assert db.execute("SELECT variant, host FROM deliveries").fetchall() == [(0, 1), (1, 1), (1, 0)]


# The key's end -----------------------------------------------------------------------------------------------------


def test_once_an_issue_is_sent_nobody_can_tell_whose_a_number_is() -> None:
    db = begun(3)
    before = key(db)
    batch = claimed(db)
    assert not ledger.finish(db, 1, now=NOW)
    assert key(db) == before
    ledger.record(db, batch, Answer(), now=NOW)
    assert ledger.finish(db, 1, now=NOW)
    assert key(db) is None


def test_of_a_cancelled_issue_neither() -> None:
    db = begun(3)
    batch = claimed(db)
    issues.pause(db, 1, now=NOW)
    assert key(db) is not None
    steering.cancel(db, 1, now=NOW)
    assert key(db) is None
    assert ledger.copies_counted(db, batch).key is None


def test_what_is_tried_again_after_an_issue_was_sent_has_new_numbers() -> None:
    db = begun(3)
    first = key(db)
    ledger.record(db, claimed(db), Answer(rejected={2: "mailbox full"}), now=NOW)
    assert steering.retry_rejected(db, 1, now=NOW) == 1
    assert key(db) == first, "it was not sent yet: its batches have the same bytes"
    ledger.record(db, claimed(db), Answer(rejected={2: "mailbox full"}), now=NOW)
    ledger.finish(db, 1, now=NOW)
    assert steering.retry_rejected(db, 1, now=NOW) == 1
    again = key(db)
    assert again is not None
    assert again != first
    ledger.record(db, claimed(db), Answer(rejected={2: "mailbox full"}), now=NOW)
    ledger.finish(db, 1, now=NOW)
    db.execute("UPDATE deliveries SET state = 2 WHERE state = 3")
    assert steering.retry_rejected(db, 1, now=NOW) == 0
    assert key(db) is None


@pytest.mark.parametrize("tracking", ["off", "readers"])
def test_where_there_was_no_key_none_is_drawn_later(tracking: str) -> None:
    db = begun(3, tracking=tracking)
    ledger.record(db, claimed(db), Answer(rejected={2: "mailbox full"}), now=NOW)
    ledger.finish(db, 1, now=NOW)
    steering.retry_rejected(db, 1, now=NOW)
    assert key(db) is None


# Handing over ------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Iterator[Clock]:
    with_time = Clock()
    yield with_time
    with_time.close()


def contents(taker: Taker) -> dict[str, set[str]]:
    """For each key that a provider was called with, all that it was handed under it, written out."""
    found: dict[str, set[str]] = {}
    for batch in taker.calls:
        html = batch.message.html
        copies = "\n".join(html.fill(recipient.values) for recipient in batch.recipients)
        found.setdefault(batch.idempotency_key, set()).add(copies)
    return found


def test_the_same_call_again_carries_the_same_numbers(clock: Clock) -> None:
    db = approved(7)
    db.execute("UPDATE subscribers SET uncounted = 1 WHERE id IN (2, 6)")
    post = Post(db, clock)
    taker = Taker(acts=[take, lose(0), lose(), lose(0)], proof=REPLAYED)
    post.crash(Taker(acts=[lose(0)], proof=REPLAYED, takes_s=5, name="taker"), after_s=2)
    db.execute("UPDATE subscribers SET uncounted = 1 - uncounted")
    post.send(taker)
    assert counts(db) == {"audience": 7, "accepted": 7}
    assert len(taker.calls) > len(contents(taker)) >= 3
    assert all(len(written) == 1 for written in contents(taker).values())
    seen = {
        recipient.subscriber: LINKS.read("track", recipient.values["track"])[1]
        for batch in taker.calls
        for recipient in batch.recipients
    }
    assert [reader for reader, number in seen.items() if not number] == [2, 6]
    assert key(db) is None


@pytest.mark.parametrize("proof", [ASKED, REPLAYED])
def test_switching_counting_off_leaves_an_approved_issue_as_it_is(clock: Clock, proof: Any) -> None:
    """Opens and clicks are not written down from then on, but by whoever answers them."""
    post, taker = Post(approved(4), clock), Taker(proof=proof)
    off = SETTINGS.model_copy(update={"tracking": "off"})
    post.send(taker, settings=off)
    assert all("track" in recipient.values for batch in taker.calls for recipient in batch.recipients)


def test_switching_it_on_counts_nothing_of_an_approved_issue(clock: Clock) -> None:
    post, taker = Post(approved(4, tracking="off", utm="utm_source=x"), clock), Taker()
    post.send(taker)
    html = taker.calls[0].message.html
    assert "track" not in html.places
    assert "?utm_source=x" in "".join(html.texts)
    assert "/c/" not in "".join(html.texts)


def test_those_of_a_retried_issue_are_counted_under_its_new_key(clock: Clock) -> None:
    db = approved(3)
    post, taker = Post(db, clock), Taker()
    post.send(taker)
    db.execute("UPDATE deliveries SET state = 3, reason = 'full' WHERE subscriber = 2")
    steering.retry_rejected(db, 1, now=NOW)
    drawn = key(db)
    assert drawn is not None
    post.send(taker)
    first, again = (
        next(r.values["track"] for r in batch.recipients if r.subscriber == 2)
        for batch in (taker.calls[0], taker.calls[-1])
    )
    assert LINKS.read("track", again) == (1, pseudonym(drawn, 2))
    assert first != again


# From end to end ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tracking", ["counts", "readers"])
def test_every_link_of_a_mail_in_the_outbox_leads_where_it_should(
    sample: Database, settings: Settings, clock: Clock, tracking: str
) -> None:
    settings = settings.model_copy(update={"tracking": tracking, "hidden_link": True})
    issues.draft(sample, settings, now=NOW)
    issues.freeze(sample, settings, 1, now=NOW)
    subscribe(sample, 3)
    sample.execute("UPDATE subscribers SET uncounted = 1 WHERE id = 2")
    signers = Signers.of(sample, settings, now=NOW)
    with Worker(settings.db) as worker:
        outbox = connect("outbox", settings.options_for("outbox"))
        engine = Engine(sample, settings, [outbox], signers, worker, clock=clock.now)
        assert clock.run_until_complete(engine.send(1))["accepted"] == 3
    addresses = {number: address for address, number in numbers_of(sample, 1).items()}
    copies = set()
    with serving.served(settings, serving.Clock(NOW)) as reader:
        for reader_number in everyone(3):
            html = html_of(settings, reader_number)
            pictures = re.findall(r'<img src="https://verdicts\.example\.com(/o/[^"]+)"', html)
            assert len(pictures) == 1
            assert reader.get(pictures[0]).headers["content-type"] == "image/gif"
            for address in map(unescape, re.findall(r'<a [^>]*href="([^"]*)"', html)):
                own = re.fullmatch(
                    r"https://verdicts\.example\.com(/([cvpu])/([\w-]{24})(?:/([^/]+))?(/ship|/skip)?)", address
                )
                assert own is not None, address
                if own[2] != "c":
                    assert signers.links.read("copy", own[3]) == (1, reader_number)
                    continue
                copies.add((reader_number, signers.links.read("track", own[3])[1]))
                answer = reader.get(own[1])
                if own[4] == "0":
                    assert answer.status_code == 204
                else:
                    assert (answer.status_code, answer.headers["location"]) == (302, addresses[int(own[4])])
    assert len(copies) == 3
    assert (2, 0) in copies
    assert ({(1, 1), (3, 3)} < copies) == (tracking == "readers")


def html_of(settings: Settings, reader: int) -> str:
    for message in Maildir(settings.outbox, create=False):
        mail = email.message_from_bytes(bytes(message), policy=email.policy.default)
        body = mail.get_body(("html",))
        if mail["To"] == f"reader{reader}@example.com" and body is not None:
            return str(body.get_content())
    raise AssertionError(f"nothing for reader {reader}")
