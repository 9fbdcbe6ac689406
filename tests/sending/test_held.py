"""What was left to a person, of an issue that is not sent any more, is asked about once it can be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sendings import ASKED, MUTE, SETTINGS, Clock, Post, Taker, batches, claimed, counts, sending

from conftest import NOW
from digest.errors import SettingsError
from digest.sending import held, ledger, steering
from digest.sending.running import due
from digest.settings import Settings


@pytest.fixture
def clock() -> Iterator[Clock]:
    loop = Clock()
    yield loop
    loop.close()


def test_it_is_asked_about_where_its_provider_can_say_by_now(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    db = sending(3)
    taker = Taker(proof=MUTE)
    batch = claimed(db, worker=77)
    taker.accepted = [(batch.number, 1), (batch.number, 3)]
    adopted = ledger.adopt(db, batch.number, before=77, worker=77, trouble="its process died", now=NOW)
    assert adopted is not None
    ledger.hold(db, adopted, "its provider cannot say what it accepted")

    def look(*, lives: bool = False, **later: float) -> int:
        return held.take_up(db, SETTINGS, lives=lambda worker: lives, now=NOW + timedelta(**later))

    monkeypatch.setattr(held, "connected", lambda name, settings: taker)
    # An issue that is being sent is the engine's.
    taker.proof = ASKED
    assert look() == 0
    steering.stop(db, 1, now=NOW)
    taker.proof = MUTE
    assert look() == 0
    taker.proof = ASKED
    assert (look(lives=True), look(days=50)) == (0, 0)
    taker.account = "elsewhere"
    assert look() == 0
    taker.account = "here"
    assert due(db, {}, now=NOW) == []
    assert held.left(db) == 3
    assert look() == 1
    assert due(db, {}, now=NOW) == [1]
    assert Post(db, clock).send(taker) == {"audience": 3, "accepted": 2, "skipped": 1}
    assert batches(db, "state") == [("settled",)]
    assert (held.left(db), counts(db)["accepted"]) == (0, 2)


def test_a_provider_that_is_not_set_up_any_more_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str, settings: Settings) -> Taker:
        raise SettingsError("resend.key is missing")

    db = sending(3)
    adopted = ledger.adopt(db, claimed(db).number, before=1, worker=1, trouble="its process died", now=NOW)
    assert adopted is not None
    ledger.hold(db, adopted, "nobody knows")
    steering.stop(db, 1, now=NOW)
    monkeypatch.setattr(held, "connected", gone)
    assert held.take_up(db, SETTINGS, lives=lambda worker: False, now=NOW) == 0
