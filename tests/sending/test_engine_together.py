"""Several calls at a time, several engines on one store, and a real provider's simulator over real HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sendings import (
    MUTE,
    REPLAYED,
    SETTINGS,
    SIGNERS,
    Act,
    Clock,
    Hand,
    Hurry,
    Post,
    Taker,
    address,
    batches,
    counts,
    everyone,
    lose,
    refuse,
    state,
    store_with,
    subscribe,
    take,
)
from sqlite_utils import Database

from conftest import NOW, import_sample
from digest.issue import issues
from digest.providers import connect
from digest.providers.interface import AccountError, Pace, TryAgainError
from digest.sending import ledger, steering
from digest.sending.engine import Engine, SendingError
from digest.sending.ledger_check import check_ledger
from digest.settings import Settings
from digest.simulators import simulate
from digest.simulators.faults import Faults
from digest.simulators.record import Record
from digest.simulators.server import Server, running
from digest.store import beside, file_of, open_store


@pytest.fixture
def clock() -> Iterator[Clock]:
    with_time = Clock()
    yield with_time
    with_time.close()


# Hands ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 2, 7])
def test_there_are_never_more_calls_at_once_than_connections(clock: Clock, connections: int) -> None:
    post = Post(store_with(60), clock)
    acts: list[Act] = [take, lose(1), take, refuse(TryAgainError("busy")), lose(3), take] * 3
    taker = Taker(acts, pace=Pace(connections=connections), takes_s=1)
    assert post.send(taker)["accepted"] == 60
    assert taker.most_at_once == connections
    assert taker.readers() == everyone(60)


def test_calls_at_once_are_as_much_faster(clock: Clock) -> None:
    times = []
    for connections in (1, 5):
        post, begun = Post(store_with(60), clock), clock.time()
        post.send(Taker(pace=Pace(connections=connections), takes_s=1))
        times.append(clock.time() - begun)
    assert times[0] == pytest.approx(20, abs=0.5)
    assert times[1] == pytest.approx(4, abs=0.5)


def test_each_provider_has_its_own_number_of_connections(clock: Clock) -> None:
    post = Post(store_with(60), clock)
    first = Taker([take] * 8 + [refuse(AccountError("suspended"))] * 9, pace=Pace(connections=1), takes_s=1)
    second = Taker(name="second", pace=Pace(connections=4), takes_s=1)
    assert post.send(first, second)["accepted"] == 60
    assert (first.most_at_once, second.most_at_once) == (1, 4)


def test_calls_that_are_repeated_keep_to_the_connections_too(clock: Clock) -> None:
    post = Post(store_with(60), clock)
    first = Taker(pace=Pace(connections=4), takes_s=5, proof=REPLAYED)
    post.crash(first, after_s=3)
    first.pace, first.most_at_once = Pace(connections=1), 0
    second = Taker(name="second", pace=Pace(connections=4), takes_s=1)
    assert post.send(first, second)["accepted"] == 60
    assert first.most_at_once == 1
    assert first.readers() == everyone(60)


def test_calls_begin_no_faster_than_the_provider_s_pace(clock: Clock) -> None:
    post = Post(store_with(60), clock)
    taker = Taker(pace=Pace(calls_a_second=4, connections=8), takes_s=0.1)
    post.send(taker)
    began = sorted(taker.began)
    gaps = [after - before for before, after in pairwise(began)]
    assert min(gaps) > 0.24
    assert began[-1] - began[0] == pytest.approx(19 / 4, abs=0.1)


def test_a_limit_of_copies_makes_the_batches_smaller(clock: Clock) -> None:
    post = Post(store_with(20), clock)
    taker = Taker(pace=Pace(copies_a_second=2, connections=2))
    post.send(taker)
    assert max(len(batch.recipients) for batch in taker.calls) == 2
    assert max(taker.began) == pytest.approx(9, abs=0.1)


@pytest.mark.parametrize(("limit", "size", "expected"), [(3, 500, 3), (100, 4, 4)])
def test_a_batch_is_as_large_as_provider_and_settings_allow(clock: Clock, limit: int, size: int, expected: int) -> None:
    post = Post(store_with(10), clock)
    taker = Taker(limit=limit)
    post.send(taker, settings=SETTINGS.model_copy(update={"batch_size": size}))
    assert len(taker.calls[0].recipients) == expected
    assert taker.readers() == everyone()


def test_stopping_finishes_what_is_in_hand_and_begins_nothing_more(clock: Clock) -> None:
    post = Post(store_with(60), clock)
    taker = Taker(pace=Pace(connections=4), takes_s=10)
    begun = clock.time()
    tally = post.send(taker, stopping=lambda: clock.time() - begun > 3)
    assert tally == {"audience": 60, "accepted": 12, "queued": 48}
    assert clock.time() - begun == pytest.approx(10, abs=0.5)
    assert post.send(Taker())["accepted"] == 60


def test_a_run_that_waits_is_stopped_at_once(clock: Clock) -> None:
    post = Post(store_with(10), clock)
    taker = Taker([refuse(TryAgainError("busy", after_s=500))])
    begun = clock.time()
    post.send(taker, stopping=lambda: clock.time() - begun > 3)
    assert clock.time() - begun < 5


def test_progress_is_told_of_and_what_was_done_is_counted(clock: Clock) -> None:
    post = Post(store_with(10), clock)
    told: list[int] = []

    def progress() -> None:
        assert engine.done.total() <= 10
        told.append(engine.done["accepted"])

    engine = post.make(Taker(), progress=progress)
    post.run(post.work(engine))
    assert told[0] == 0
    assert told[-1] == 10
    assert told == sorted(told)


def test_a_store_that_fails_stops_the_run_and_the_next_one_settles_what_was_in_hand(clock: Clock) -> None:
    post = Post(store_with(30), clock)
    taker = Taker(pace=Pace(connections=3), takes_s=1)

    def full() -> None:
        if len(taker.accepted) >= 9:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        post.send(taker, progress=full)
    assert taker.closed == 1
    assert post.send(taker) == {"audience": 30, "accepted": 30}
    assert taker.readers() == everyone(30)


# Several engines on one store -------------------------------------------------------------------------------------


def test_who_goes_on_with_another_provider_may_find_it_unused(store: Database, tmp_path: Path) -> None:
    """An outbox makes its folder where nothing of the issue ever went to it, though the issue was begun elsewhere."""
    stop: list[bool] = []
    taker = Taker(limit=50, pace=Pace(connections=1))
    engine = Engine(
        store,
        SETTINGS,
        [taker],
        SIGNERS,
        Hand(set(), 1),
        progress=lambda: stop.append(True) if taker.accepted else None,
        stopping=lambda: bool(stop),
    )
    assert asyncio.run(engine.send(1))["accepted"] == 3
    box = connect("outbox", SETTINGS.model_copy(update={"db": tmp_path / "digest.db"}).options_for("outbox"))
    assert send(store, box, number=2)["accepted"] == 250
    assert len(list((tmp_path / "outbox" / "new").iterdir())) == 247


@pytest.mark.parametrize("proof", [REPLAYED, MUTE], ids=["repeated", "mute"])
def test_two_engines_share_the_work_and_their_pace(clock: Clock, proof: Any) -> None:
    post = Post(store_with(60), clock)
    both = [Taker(pace=Pace(calls_a_second=2, connections=2), takes_s=0.5, proof=proof) for _ in range(2)]

    async def together() -> None:
        await asyncio.gather(*(post.work(post.make(taker)) for taker in both))

    post.run(together())
    assert sorted(both[0].readers() + both[1].readers()) == everyone(60)
    assert min(len(taker.calls) for taker in both) >= 5
    began = sorted(both[0].began + both[1].began)
    assert min(after - before for before, after in pairwise(began)) > 0.49
    assert state(post.db) == "sent"
    assert check_ledger(post.db) == []


def test_what_one_is_told_to_wait_the_other_waits_too(clock: Clock) -> None:
    post = Post(store_with(30), clock)
    first = Taker([take, refuse(TryAgainError("slow down", after_s=60))], takes_s=0.1)
    second = Taker(takes_s=0.1)

    async def together() -> None:
        await asyncio.gather(post.work(post.make(first)), post.work(post.make(second)))

    post.run(together())
    told = first.began[1] + 0.1
    assert not [at for at in first.began + second.began if told + 0.05 < at < told + 60]
    assert sorted(first.readers() + second.readers()) == everyone(30)


def test_one_takes_over_what_another_left_when_it_was_killed(clock: Clock) -> None:
    post = Post(store_with(30), clock)
    dying, living = Taker(takes_s=1), Taker(takes_s=1)
    dying.accepted = living.accepted
    doomed = clock.create_task(post.work(post.make(dying)))
    alive = clock.create_task(post.work(post.make(living)))
    post.run(asyncio.sleep(2.5))
    doomed.cancel()
    with pytest.raises(asyncio.CancelledError):
        post.run(doomed)
    assert post.run(alive)["accepted"] == 30
    assert living.readers() == everyone(30)
    assert state(post.db) == "sent"


def test_a_batch_that_a_living_one_has_in_hand_is_left_to_it(clock: Clock) -> None:
    post = Post(store_with(6), clock)
    slow, quick = Taker(takes_s=400), Taker()
    task = clock.create_task(post.work(post.make(slow)))
    post.run(asyncio.sleep(1))
    assert post.send(quick) == {"audience": 6, "accepted": 3, "claimed": 3}
    assert quick.asked == []
    assert post.run(task)["accepted"] == 6
    assert state(post.db) == "sent"


def test_two_that_begin_at_once_freeze_one_audience(clock: Clock) -> None:
    post = Post(store_with(30), clock)
    takers = [Taker(takes_s=0.1) for _ in range(3)]

    async def together() -> None:
        await asyncio.gather(*(post.work(post.make(taker)) for taker in takers))

    post.run(together())
    assert sorted(reader for taker in takers for reader in taker.readers()) == everyone(30)


def test_engines_in_threads_share_a_store_on_the_disk(tmp_path: Path) -> None:
    db = approved(tmp_path, 300)
    crew: set[int] = set()
    takers = [Taker(limit=5, pace=Pace(connections=3), takes_s=0.01, proof=MUTE) for _ in range(3)]
    failures: list[BaseException] = []
    file = file_of(db)

    def work(number: int) -> None:
        own = beside(file)
        hand = Hand(crew, number)
        try:
            engine = Engine(own, SETTINGS.model_copy(update={"batch_size": 5}), [takers[number - 1]], SIGNERS, hand)
            asyncio.run(engine.send(1))
        except BaseException as error:
            failures.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(reader for taker in takers for reader in taker.readers()) == everyone(300)
    assert min(len(taker.calls) for taker in takers) >= 1
    assert max(taker.most_at_once for taker in takers) <= 3
    assert counts(db) == {"audience": 300, "accepted": 300}
    assert (state(db), check_ledger(db)) == ("sent", [])
    db.close()


def approved(folder: Path, readers: int) -> Database:
    """A store on the disk with issue 1 approved."""
    db = open_store(folder / "digest.db", create=True)
    import_sample(db, SETTINGS)
    issues.draft(db, SETTINGS, now=NOW)
    issues.freeze(db, SETTINGS, 1, now=NOW)
    subscribe(db, readers)
    return db


# Resend, simulated ------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    db = approved(tmp_path, 250)
    yield db
    db.close()


KEY = "re_secret"


def resend(url: str, **options: Any) -> Any:
    return connect("resend", {"key": KEY, "url": url, "calls_a_second": 0, "timeout_s": 100, **options})


def send(store: Database, *providers: Any, number: int = 1, settings: Settings | None = None) -> dict[str, int]:
    """Send over real lines, as a process of its own would."""
    of_fifty = (settings or SETTINGS).model_copy(update={"batch_size": 50})
    with closing(Hurry()) as loop:
        engine = Engine(store, of_fifty, list(providers), SIGNERS, Hand(set(), number), clock=loop.now)
        tally = loop.run_until_complete(engine.send(1))
        loop.run_until_complete(loop.shutdown_default_executor())
    return {name: count for name, count in tally.items() if count}


def simulator(record: Record, **options: Any) -> Any:
    return simulate("resend", key=KEY, record=record, **options)


def misbehave(server: Server, **faults: Any) -> None:
    server.misbehave(Faults(**faults))


def test_resend_takes_everyone_s_copy_with_their_own_token(store: Database) -> None:
    record = Record()
    with running(simulator(record)) as (url, _):
        assert send(store, resend(url)) == {"audience": 250, "accepted": 250}
    assert record.addresses() == dict.fromkeys(map(address, everyone(250)), 1)
    assert len({copy.tags["copy"] for copy in record.accepted}) == 250
    assert record.calls == 5
    copy = next(copy for copy in record.accepted if copy.address == address(7))
    assert ledger.message_id(store, 1, 7) == copy.message_id
    assert copy.tags["copy"] in copy.headers["List-Unsubscribe"]
    assert "Hello Reader 7," in copy.text
    assert state(store) == "sent"


FAULTS: list[dict[str, Any]] = [
    {"reset_after": 0.4},
    {"reset_before": 0.3, "half": 0.3},
    {"error_after": 0.4, "garbage": 0.2},
    {"burst": 2, "retry_after_s": 0.1, "error_before": 0.2},
]


@pytest.mark.parametrize("faults", FAULTS, ids=["answers lost", "lines broken", "nonsense", "too many"])
def test_whatever_the_line_does_everyone_gets_one_copy(store: Database, faults: dict[str, Any]) -> None:
    record = Record(bodies=False)
    with running(simulator(record), Faults(seed=7, **faults)) as (url, _):
        tally = send(store, resend(url))
    assert tally == {"audience": 250, "accepted": 250}
    assert record.addresses() == dict.fromkeys(map(address, everyone(250)), 1)
    assert check_ledger(store) == []


def test_a_wrong_key_pauses_at_once_and_loses_nothing(store: Database) -> None:
    record = Record()
    with running(simulator(record)) as (url, _):
        with pytest.raises(SendingError, match="resend takes nothing: HTTP 403: invalid_api_key") as caught:
            send(store, resend(url, key=SecretStr("re_wrong")))
        assert "re_wrong" not in str(caught.value)
        assert counts(store) == {"audience": 250, "queued": 250}
        issues.resume(store, 1, now=NOW)
        assert send(store, resend(url), number=2)["accepted"] == 250
    assert set(record.addresses().values()) == {1}


def test_a_domain_that_is_not_verified_pauses_at_once(store: Database) -> None:
    record = Record()
    with (
        running(simulator(record, domain="other.example")) as (url, _),
        pytest.raises(SendingError, match="The domain is not verified"),
    ):
        send(store, resend(url))
    assert (counts(store), record.accepted) == ({"audience": 250, "queued": 250}, [])


def test_a_bad_address_is_found_and_no_other_is_harmed(store: Database) -> None:
    record = Record(bodies=False)
    store.execute("UPDATE subscribers SET email = 'bad@localhost' WHERE id = 77")
    with running(simulator(record)) as (url, _):
        assert send(store, resend(url)) == {"audience": 250, "accepted": 249, "rejected": 1}
    (reason,) = store.execute("SELECT reason FROM deliveries WHERE subscriber = 77").fetchone()
    assert "Invalid `to` field" in reason
    assert set(record.addresses().values()) == {1}
    assert len(record.addresses()) == 249


def test_no_server_at_all_is_no_doubt(store: Database) -> None:
    with running(simulator(Record())) as (url, _):
        pass
    taker = resend(url)
    taker.pace = Pace(connections=1)
    engine = Engine(store, SETTINGS, [taker], SIGNERS, Hand(set(), 1), patience_s=0.1)
    tally = asyncio.run(engine.send(1))
    assert (tally["queued"], tally["uncertain"], tally["accepted"]) == (250, 0, 0)
    assert engine.later is not None


def test_a_slow_answer_is_a_doubt_that_the_same_call_ends(store: Database) -> None:
    record = Record(bodies=False)
    with running(simulator(record), Faults(slow=1, slow_s=3)) as (url, server):
        threading.Timer(1.5, misbehave, (server,)).start()
        tally = send(store, resend(url, timeout_s=10))
    assert tally == {"audience": 250, "accepted": 250}
    assert set(record.addresses().values()) == {1}
    assert any(by == "replay" for (by,) in batches(store, "settled_by"))


def test_an_outbox_takes_over_where_resend_takes_nothing(store: Database, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"db": tmp_path / "digest.db", "provider": "resend", "failover": "outbox"})
    box = connect("outbox", settings.options_for("outbox"))
    asyncio.run(box.open(begin=True))
    with running(simulator(Record())) as (url, _):
        tally = send(store, resend(url, key=SecretStr("re_wrong")), box, settings=settings)
    assert tally == {"audience": 250, "accepted": 250}
    assert len(list((tmp_path / "outbox" / "new").iterdir())) == 250
    assert steering.unsettled(store, 1) == []


def test_an_outbox_that_was_never_used_takes_over_too(store: Database, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"db": tmp_path / "digest.db", "provider": "resend", "failover": "outbox"})
    with running(simulator(Record())) as (url, _):
        box = connect("outbox", settings.options_for("outbox"))
        assert send(store, resend(url, key=SecretStr("re_wrong")), box, settings=settings)["accepted"] == 250
