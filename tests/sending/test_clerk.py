"""The ledger is written beside the loop, one thing after the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlite_utils import Database

from conftest import NOW, memory_store
from digest.sending.clerk import Clerk
from digest.store import store_key


@contextmanager
def clerk_of(db: Database) -> Iterator[Clerk]:
    clerk = Clerk(db)
    try:
        yield clerk
    finally:
        clerk.close()


def test_what_it_does_is_done_to_the_same_store_by_another_thread(db: Database) -> None:
    threads: list[tuple[str, bool]] = []

    def work(store: Database, name: str, *, ending: str) -> bytes:
        threads.append((threading.current_thread().name, store is db))
        return store_key(store, name + ending, now=NOW)

    with clerk_of(db) as clerk:
        found = asyncio.run(clerk.do(work, "a ", ending="key"))
    assert store_key(db, "a key", now=NOW) == found
    assert threads == [("ledger_0", False)]


def test_one_thing_is_done_after_the_other(db: Database) -> None:
    begun: list[str] = []

    def work(store: Database, name: str) -> None:
        begun.append(f"{name} begins")
        time.sleep(0.01)
        begun.append(f"{name} ends")

    async def both() -> None:
        await asyncio.gather(clerk.do(work, "first"), clerk.do(work, "second"))

    with clerk_of(db) as clerk:
        asyncio.run(both())
    assert begun == ["first begins", "first ends", "second begins", "second ends"]


def test_an_error_comes_to_whoever_asked_for_the_work(db: Database) -> None:
    def work(store: Database) -> None:
        raise KeyError("not there")

    with clerk_of(db) as clerk, pytest.raises(KeyError, match="not there"):
        asyncio.run(clerk.do(work))


def test_a_store_in_memory_has_one_connection_and_is_written_at_once() -> None:
    store = memory_store()
    with clerk_of(store) as clerk:
        assert asyncio.run(clerk.do(lambda given: given)) is store


def test_closing_finishes_what_is_in_hand(db: Database) -> None:
    done: list[bool] = []

    def work(store: Database) -> None:
        time.sleep(0.05)
        done.append(True)

    async def begin() -> None:
        task = asyncio.ensure_future(clerk.do(work))
        await asyncio.sleep(0.01)
        clerk.close()
        await task

    clerk = Clerk(db)
    asyncio.run(begin())
    assert done == [True]
