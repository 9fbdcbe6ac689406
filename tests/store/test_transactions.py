from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from conftest import memory_store
from digest.store import Database, beside, file_of, writing, writing_soon


def put(db: Database, name: str) -> None:
    db.conn.execute("INSERT INTO keys VALUES (?, x'00', '')", (name,))


def put_and_break(db: Database, name: str) -> None:
    with writing(db):
        put(db, name)
        raise ZeroDivisionError


def names(db: Database) -> set[str]:
    return {name for (name,) in db.conn.execute("SELECT name FROM keys")}


def test_many_threads_at_once_all_get_their_turn(db: Database) -> None:
    file, failed = file_of(db), []

    def write(thread: int) -> None:
        try:
            with closing(beside(file)) as own:
                for number in range(20):
                    with writing(own):
                        put(own, f"{thread} {number}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {f"{thread} {number}" for thread in range(16) for number in range(20)} <= names(db)


def test_one_waits_while_another_writes(db: Database) -> None:
    inside, done = threading.Event(), threading.Event()
    file = file_of(db)

    def write() -> None:
        inside.wait(10)
        with closing(beside(file)) as own, writing(own):
            put(own, "second")
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    with writing(db):
        inside.set()
        assert not done.wait(0.2)
        with pytest.raises(ZeroDivisionError):
            put_and_break(db, "first")
    thread.join(10)
    assert done.is_set()
    assert "second" in names(db)
    assert "first" not in names(db)


def test_a_block_that_breaks_gives_its_turn_back(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        put_and_break(db, "first")
    with closing(beside(file_of(db))) as own, writing(own):
        put(own, "second")
    assert "first" not in names(db)


def test_a_store_in_memory_waits_for_no_other(tmp_path: Path) -> None:
    one, other = memory_store(), memory_store()
    with writing(one), writing(other):
        put(one, "one")
        put(other, "other")
    assert "other" not in names(one)


def test_a_block_inside_another_goes_alone_where_it_breaks(db: Database) -> None:
    with writing(db):
        put(db, "kept")
        with pytest.raises(ZeroDivisionError):
            put_and_break(db, "gone")
    assert "kept" in names(db)
    assert "gone" not in names(db)


def test_who_can_do_without_does_not_wait_for_another_process(db: Database) -> None:
    with closing(sqlite3.connect(file_of(db), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with writing_soon(db) as connection:
            assert connection is None
        other.execute("ROLLBACK")
    with writing_soon(db) as connection:
        assert connection is not None
        put(db, "soon")
        with writing_soon(db) as inner:
            assert inner is not None
    assert "soon" in names(db)


def test_who_can_do_without_does_not_wait_for_another_thread(db: Database) -> None:
    with closing(beside(file_of(db))) as other, writing(other), writing_soon(db) as connection:
        assert connection is None
    with pytest.raises(sqlite3.IntegrityError), writing_soon(db):
        db.conn.executescript("INSERT INTO keys VALUES ('broken', x'00', ''), ('broken', x'00', '')")
    with writing(db):
        put(db, "after")
    assert names(db) & {"broken", "after"} == {"after"}
