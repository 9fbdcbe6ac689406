"""Whatever contradicts the ledger's rules is found."""

from __future__ import annotations

import pytest
from sendings import claimed, sending, store_with
from sqlite_utils import Database

from conftest import NOW
from digest.providers.interface import Answer
from digest.sending import ledger
from digest.sending.ledger_check import check_ledger


def in_the_middle() -> Database:
    """Nine readers: batch 1 settled, batch 2 uncertain, batch 3 claimed, and one queued."""
    db = sending(9)
    ledger.record(db, claimed(db), Answer(rejected={3: "full"}), now=NOW)
    batch = claimed(db)
    assert ledger.adopt(db, batch.number, before=1, worker=2, trouble="its process died", now=NOW)
    claimed(db, size=2)
    return db


def test_a_sending_in_its_middle_is_sound() -> None:
    assert check_ledger(in_the_middle()) == []
    assert check_ledger(store_with(3)) == []


DAMAGES = [
    ("UPDATE issues SET state = 'sent'", "issue 1 is sent, but 6 of its deliveries are not settled"),
    ("UPDATE issues SET state = 'cancelled'", "issue 1 is cancelled, but 1 of its deliveries are queued"),
    ("UPDATE issues SET sending_at = NULL", "issue 1 is sending, but has deliveries"),
    (
        "UPDATE issues SET state = 'approved', sending_at = NULL",
        "issue 1 is approved, but has deliveries",
    ),
    (
        "UPDATE batches SET state = 'settled' WHERE number = 2",
        "batch 2 is settled, but 3 of its deliveries are in a state that does not fit",
    ),
    (
        "UPDATE batches SET state = 'settled' WHERE number = 3",
        "batch 3 is settled, but 2 of its deliveries are in a state that does not fit",
    ),
    (
        "UPDATE deliveries SET state = 2 WHERE subscriber = 7",
        "batch 3 is claimed, but 1 of its deliveries are in a state that does not fit",
    ),
    (
        "UPDATE deliveries SET state = 0 WHERE subscriber IN (7, 8)",
        "batch 3 is claimed, but 2 of its deliveries are in a state that does not fit",
    ),
    (
        "UPDATE deliveries SET state = 1 WHERE subscriber = 4",
        "batch 2 is uncertain, but 1 of its deliveries are in a state that does not fit",
    ),
    (
        "UPDATE deliveries SET state = 2 WHERE batch = 2",
        "batch 2 is uncertain, but none of its deliveries is uncertain",
    ),
    (
        "UPDATE batches SET state = 'held' WHERE number = 3",
        "batch 3 is held, but none of its deliveries is uncertain",
    ),
    ("UPDATE batches SET last = first", "5 deliveries of issue 1 name a batch that is not theirs"),
    (
        "UPDATE deliveries SET batch = 99 WHERE subscriber = 1",
        "1 deliveries of issue 1 name a batch that is not theirs",
    ),
    (
        "UPDATE deliveries SET variant = 1 WHERE subscriber = 4",
        "1 deliveries of issue 1 are of another variant than their batch",
    ),
    (
        "UPDATE deliveries SET variant = 7 WHERE subscriber IN (1, 9)",
        "2 deliveries of issue 1 are of a variant that there is not",
    ),
    ("UPDATE deliveries SET batch = 1 WHERE subscriber = 9", "1 deliveries of issue 1 name a batch that is not theirs"),
]


@pytest.mark.parametrize(("damage", "complaint"), DAMAGES, ids=[complaint for _, complaint in DAMAGES])
def test_damage_is_found(damage: str, complaint: str) -> None:
    db = in_the_middle()
    db.execute(damage)
    assert complaint in check_ledger(db)
