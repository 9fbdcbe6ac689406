"""What was answered is on the disk, and is worked exactly once, whatever dies in between."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from sqlite_utils import Database

from digest.store import beside, file_of
from digest.tracking import spool as spooling
from digest.tracking.spool import MARK, Spool, SpoolError, drain, folder_of, framed

WRITER = """
import asyncio, sys
from pathlib import Path
from digest.tracking.spool import Spool
async def one(spool, name):
    number = 0
    while True:
        record = f"{sys.argv[2]}-{name}-{number}"
        await spool.put(record.encode())
        print(record, flush=True)
        number += 1
async def main():
    spool = Spool(Path(sys.argv[1]), most_bytes=2_000)
    await asyncio.gather(*(one(spool, name) for name in range(4)))
asyncio.run(main())
"""
WORKER = """
import sys
from pathlib import Path
from digest.store import open_store
from digest.tracking.spool import drain, folder_of
store = Path(sys.argv[1])
db = open_store(store)
def take(connection, records):
    connection.executemany("INSERT INTO took VALUES (?)", [(record,) for record in records])
while True:
    drain(folder_of(store), db, take, most=7)
"""


@pytest.fixture
def folder(db: Database) -> Path:
    db.execute("CREATE TABLE took (record BLOB NOT NULL)")
    return folder_of(Path(file_of(db)))


def take(connection: sqlite3.Connection, records: list[bytes]) -> None:
    connection.executemany("INSERT INTO took VALUES (?)", [(record,) for record in records])


def took(db: Database) -> Counter[bytes]:
    return Counter(bytes(record) for (record,) in db.execute("SELECT record FROM took"))


def put(folder: Path, *records: bytes, **limits: float) -> None:
    """Write records as a process does that ends then."""

    async def work() -> None:
        spool = Spool(folder, **limits)  # type: ignore[arg-type]
        for record in records:
            await spool.put(record)
        await spool.close()

    asyncio.run(work())


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def rows(db: Database) -> int:
    return int(db.execute("SELECT count(*) FROM spools").fetchone()[0])


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: what is over is not written, as where the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_put_is_worked_once_and_its_file_and_row_go(db: Database, folder: Path) -> None:
    put(folder, b"one", b"", MARK * 3, b"two")
    assert len(files(folder)) == 1
    assert drain(folder, db, take) == 4
    assert took(db) == Counter([b"one", b"", MARK * 3, b"two"])
    assert drain(folder, db, take) == 0
    assert (files(folder), rows(db)) == ([], 0)


def test_a_spool_nobody_writes_to_makes_no_file(db: Database, folder: Path) -> None:
    put(folder)
    assert not folder.exists()
    assert drain(folder, db, take) == 0


def test_those_who_wait_share_a_sync_and_nobody_is_answered_before_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    real, others_came = os.fdatasync, threading.Event()

    def sync(descriptor: int) -> None:
        others_came.wait(10)
        real(descriptor)
        happened.append("synced")

    monkeypatch.setattr(os, "fdatasync", sync)

    async def one(spool: Spool) -> None:
        await spool.put(b"x")
        happened.append("answered")

    async def work() -> None:
        spool = Spool(folder)
        first = [asyncio.ensure_future(one(spool)) for _ in range(50)]
        # The write begins in its thread, and waits there.
        while not files(folder):  # noqa: ASYNC110 (the kernel tells nobody)
            await asyncio.sleep(0.001)
        others = [asyncio.ensure_future(one(spool)) for _ in range(50)]
        await asyncio.sleep(0.01)
        others_came.set()
        await asyncio.gather(*first, *others)
        await spool.close()

    asyncio.run(work())
    assert happened == ["synced", *["answered"] * 50, "synced", *["answered"] * 50]


def test_the_name_of_a_file_is_on_the_disk_before_anything_in_it_is_answered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def sync(descriptor: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), any(map(is_named, files(folder)))))
        real(descriptor)

    def is_named(path: Path) -> bool:
        return path.suffix == ".spool"

    monkeypatch.setattr(os, "fsync", sync)
    put(folder, b"x")
    assert synced == [(str(folder.parent), False), (str(folder), True)]


def test_a_file_is_worked_while_it_is_written_and_stays_until_it_is_closed(db: Database, folder: Path) -> None:
    async def work() -> None:
        spool = Spool(folder)
        await spool.put(b"one", b"two")
        assert drain(folder, db, take) == 2
        assert (len(files(folder)), rows(db)) == (1, 1)
        await spool.put(b"three")
        assert drain(folder, db, take) == 1
        assert len(files(folder)) == 1
        await spool.close()

    asyncio.run(work())
    assert drain(folder, db, take) == 0
    assert (files(folder), rows(db)) == ([], 0)
    assert took(db) == Counter([b"one", b"two", b"three"])


def test_a_record_that_is_being_written_is_left_for_later(db: Database, folder: Path) -> None:
    async def work() -> None:
        spool = Spool(folder)
        await spool.put(b"one")
        [path] = files(folder)
        whole = framed(b"two")
        for part in (whole[:5], whole[5:-1]):
            with path.open("ab") as file:
                file.write(part)
            drain(folder, db, take)
            assert took(db) == Counter([b"one"])
        with path.open("ab") as file:
            file.write(whole[-1:])
        assert drain(folder, db, take) == 1
        await spool.close()

    asyncio.run(work())
    assert took(db) == Counter([b"one", b"two"])


def test_another_file_is_begun_when_one_is_large_or_old(db: Database, folder: Path) -> None:
    put(folder, *(b"x" * 100 for _ in range(10)), most_bytes=300)
    assert len(files(folder)) == 4
    assert drain(folder, db, take) == 10

    async def idle() -> None:
        spool = Spool(folder, most_s=0.05)
        await spool.put(b"name of a reader")
        until = time.monotonic() + 10
        while files(folder) and time.monotonic() < until:
            await asyncio.sleep(0.01)
            drain(folder, db, take)
        assert files(folder) == [], "what is worked must not lie there because nothing more comes"
        await spool.put(b"more")
        await spool.close()

    asyncio.run(idle())
    assert drain(folder, db, take) == 1


def test_what_a_power_cut_left_torn_is_cut_off_wherever_it_was_cut(db: Database, folder: Path) -> None:
    put(folder, b"first", b"second")
    [path] = files(folder)
    whole, start = path.read_bytes(), len(framed(b"first"))
    path.unlink()
    for number, cut in enumerate(range(start, len(whole))):
        for rest in (b"", b"\0" * 50, os.urandom(50)):
            (folder / f"{number}-{len(rest)}-{rest[:1].hex()}.spool").write_bytes(whole[:cut] + rest)
            assert drain(folder, db, take) == 1
            assert (files(folder), rows(db)) == ([], 0)
    assert set(took(db)) == {b"first"}


def test_what_stands_after_something_damaged_is_found(
    db: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(folder, b"first", b"second" * 20, b"third", b"fourth")
    [path] = files(folder)
    damaged = bytearray(path.read_bytes())
    damaged[len(framed(b"first")) + 30] ^= 1
    path.write_bytes(damaged)
    assert drain(folder, db, take) == 3
    assert took(db) == Counter([b"first", b"third", b"fourth"])
    assert "132 bytes" in caplog.text


@given(st.lists(st.binary(max_size=40) | st.just(MARK), max_size=8), st.data())
@given_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_loses_what_is_behind_it_and_makes_nothing_up(
    db: Database, folder: Path, records: list[bytes], data: st.DataObject
) -> None:
    db.execute("DELETE FROM took")
    frames = [framed(record) for record in records]
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))
    folder.mkdir(exist_ok=True)
    (folder / f"{random.getrandbits(64)}.spool").write_bytes(whole[:cut])
    drain(folder, db, take, most=data.draw(st.integers(1, 5)))
    there, end = [], 0
    for record, frame in zip(records, frames, strict=True):
        end += len(frame)
        there += [record] if end <= cut else []
    assert took(db) == Counter(there)


def test_a_full_disk_is_told_to_who_waits_and_leaves_nothing_half(
    db: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        spool = Spool(folder)
        await spool.put(b"before")
        with largest_file(1_000):
            results = await asyncio.gather(*(spool.put(b"x" * 300) for _ in range(9)), return_exceptions=True)
            assert [type(result) for result in results] == [SpoolError] * 9
            with pytest.raises(SpoolError):
                await spool.put(b"x" * 2_000)
            assert len(files(folder)) == 1, "a file in which nothing could be written is taken away"
            await spool.put(b"small enough")
        await spool.put(b"y" * 5_000)
        await spool.close()

    asyncio.run(work())
    drain(folder, db, take)
    assert took(db) == Counter([b"before", b"small enough", b"y" * 5_000])
    assert files(folder) == []
    assert "File too large" in caplog.text


def test_what_a_worker_read_before_the_write_failed_hides_nothing_that_comes_later(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, store = os.fdatasync, file_of(db)

    def fails(_: int) -> None:
        own = beside(store)
        drain(folder, own, take)
        own.close()
        raise OSError(5, "Input/output error")

    async def work() -> None:
        spool = Spool(folder)
        await spool.put(b"before")
        monkeypatch.setattr(os, "fdatasync", fails)
        with pytest.raises(SpoolError):
            await spool.put(b"refused, and worked all the same")
        monkeypatch.setattr(os, "fdatasync", real)
        await spool.put(b"after")
        await spool.close()

    asyncio.run(work())
    drain(folder, db, take)
    assert took(db) == Counter([b"before", b"refused, and worked all the same", b"after"])
    assert files(folder) == []


def test_a_folder_that_is_taken_away_is_made_again(db: Database, folder: Path) -> None:
    async def work() -> None:
        spool = Spool(folder)
        await spool.put(b"gone")
        shutil.rmtree(folder)
        await spool.put(b"there")
        await spool.close()

    asyncio.run(work())
    assert drain(folder, db, take) == 1
    assert took(db) == Counter([b"there"])


def test_whoever_may_not_read_the_store_may_not_read_its_spool(db: Database, folder: Path) -> None:
    for mode, of_folder in ((0o600, 0o700), (0o640, 0o750)):
        folder_of(Path(file_of(db))).parent.joinpath("digest.db").chmod(mode)
        put(folder, b"x")
        [path] = files(folder)
        assert path.stat().st_mode & 0o777 == mode
        assert folder.stat().st_mode & 0o777 == of_folder
        shutil.rmtree(folder)


def test_a_closed_spool_takes_nothing(folder: Path) -> None:
    async def work() -> None:
        spool = Spool(folder)
        last = asyncio.ensure_future(spool.put(b"last"))
        await asyncio.sleep(0)
        await spool.close()
        await last
        with pytest.raises(SpoolError, match="stopped"):
            await spool.put(b"late")

    asyncio.run(work())
    assert len(files(folder)) == 1


def test_who_goes_away_while_it_is_written_disturbs_nobody(db: Database, folder: Path) -> None:
    async def work() -> None:
        spool = Spool(folder)
        gone = asyncio.ensure_future(spool.put(b"gone"))
        stays = asyncio.ensure_future(spool.put(b"stays"))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        with suppress(asyncio.CancelledError):
            await gone
        await spool.close()

    asyncio.run(work())
    drain(folder, db, take)
    assert took(db)[b"stays"] == 1


# Working -----------------------------------------------------------------------------------------------------------


def test_what_fails_is_undone_and_comes_again(db: Database, folder: Path) -> None:
    put(folder, *(str(number).encode() for number in range(20)))
    calls = 0

    def breaks(connection: sqlite3.Connection, records: list[bytes]) -> None:
        nonlocal calls
        take(connection, records)
        calls += 1
        if calls == 3:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        drain(folder, db, breaks, most=6)
    assert took(db).total() == 12
    assert drain(folder, db, take, most=6) == 8
    assert took(db) == Counter(str(number).encode() for number in range(20))


def test_a_worker_that_dies_before_it_removes_a_file_repeats_nothing(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, b"one", b"two")

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for owner, name in ((Path, "unlink"), (spooling, "_forget_files"), (spooling, "sync_folder")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, dies)
            with pytest.raises(KeyboardInterrupt):
                drain(folder, db, take)
        assert rows(db) == 1, "the row goes last"
        assert took(db) == Counter([b"one", b"two"])
    assert drain(folder, db, take) == 0
    assert (files(folder), rows(db)) == ([], 0)


def test_a_worker_that_is_stopped_leaves_the_rest(db: Database, folder: Path) -> None:
    put(folder, *(b"x" for _ in range(10)))
    answers = iter([False, False, True])
    assert drain(folder, db, take, most=3, stopping=lambda: next(answers)) == 6
    assert len(files(folder)) == 1
    assert drain(folder, db, take) == 4


def test_much_is_worked_in_several_transactions(db: Database, folder: Path) -> None:
    put(folder, *(bytes([65 + number]) * 700_000 for number in range(4)))
    sizes: list[int] = []

    def measured(connection: sqlite3.Connection, records: list[bytes]) -> None:
        sizes.append(len(records))
        take(connection, records)

    assert drain(folder, db, measured) == 4
    assert sizes == [2, 2]


def test_many_who_work_at_once_work_each_record_once(db: Database, folder: Path) -> None:
    for part in range(6):
        put(folder, *(f"{part}-{number}".encode() for number in range(60)), most_bytes=500)

    store = file_of(db)

    def work() -> None:
        own = beside(store)
        while files(folder):
            drain(folder, own, take, most=5)
        own.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert took(db) == Counter(f"{part}-{number}".encode() for part in range(6) for number in range(60))
    drain(folder, db, take)
    assert rows(db) == 0


def test_one_who_read_before_another_worked_and_removed_the_file_works_nothing(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, b"one", b"two")
    own, real = beside(file_of(db)), spooling._read
    is_first = True

    def slowly(*given: object) -> object:
        nonlocal is_first
        found = real(*given)  # type: ignore[arg-type]
        if is_first:
            is_first = False
            # While this one looks at the file the other cannot tell that nobody writes it: so it is removed by hand.
            [path] = files(folder)
            assert drain(folder, own, take) == 2
            path.unlink()
            drain(folder, own, take)
            assert rows(db) == 0
        return found

    monkeypatch.setattr(spooling, "_read", slowly)
    assert drain(folder, db, take) == 0
    assert took(db) == Counter([b"one", b"two"])
    own.close()


def test_whether_a_file_is_somebodys_is_told_by_its_lock_and_not_by_a_number(db: Database, folder: Path) -> None:
    folder.mkdir()
    # As a process left it that had our number before us.
    (folder / f"{os.getpid()}-0011223344556677.spool").write_bytes(framed(b"old"))
    (folder / f"{os.getpid()}-8899aabbccddeeff.new").write_bytes(b"")
    assert drain(folder, db, take) == 1
    assert files(folder) == []


@pytest.mark.parametrize("before", ["flock", "fchmod", "fsync"])
def test_who_tidies_while_a_file_is_being_made_takes_away_nothing_that_is_answered(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    module = fcntl if before == "flock" else os
    store, real = file_of(db), getattr(module, before)
    tidied: list[str] = []

    def tidy_first(*given: object) -> None:
        if not tidied and files(folder):
            tidied.append(files(folder)[0].suffix)
            own = beside(store)
            drain(folder, own, take)
            own.close()
        real(*given)

    monkeypatch.setattr(module, before, tidy_first)
    put(folder, b"answered")
    monkeypatch.undo()
    assert tidied == [".spool" if before == "fsync" else ".new"]
    drain(folder, db, take)
    assert took(db) == Counter([b"answered"])
    assert files(folder) == []


@contextmanager
def running(script: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_instant_nothing_answered_is_lost_or_doubled(db: Database, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    answered: list[bytes] = []
    with running(WORKER, file_of(db)) as first, running(WORKER, file_of(db)) as second:
        workers = [first, second]
        for number in range(3):
            with running(WRITER, folder, f"{seed}.{number}") as writer:
                assert writer.stdout is not None
                answered.append(writer.stdout.readline())
                time.sleep(chance.uniform(0.05, 0.3))
                if workers:
                    workers.pop().kill()
                writer.kill()
                *rest, _ = writer.stdout.read().split(b"\n")
                answered += rest
    drain(folder, db, take)
    found = took(db)
    assert {line.strip() for line in answered} - {*found} == set()
    assert max(found.values()) == 1
    assert len(answered) > 50
    assert (files(folder), rows(db)) == ([], 0)
