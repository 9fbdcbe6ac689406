"""Whether the process lives and can do its work, as machines ask."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlite_utils import Database

from digest import __version__
from digest.settings import Settings
from digest.web import readiness
from digest.web.app import create_app
from digest.web.pulse import PATIENCE_S, Pulse
from digest.web.state import State
from serving import Clock, Reader, served

PARTS = ("sending", "notices", "subjects", "letters", "events", "webhooks", "counts", "schedule")


@pytest.fixture
def state(db: Database, settings: Settings, clock: Clock) -> Iterator[State]:
    app = create_app(settings, clock=clock, work=False)
    yield app.state.digest
    app.state.digest.stores.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_all_is_well(reader: Reader, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["version"] == __version__
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    head = reader.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert path not in reader.get("/sitemap.xml").text + reader.get("/robots.txt").text


def test_a_store_that_another_writes_to_for_long_is_ready_and_alive(reader: Reader, settings: Settings) -> None:
    with locked(settings.db):
        assert reader.get("/healthz").status_code == 200
        assert reader.get("/readyz").status_code == 200


def test_it_lives_whatever_becomes_of_the_store(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "pending", lambda db: ["0009_next.sql"])
    answer = reader.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "version": __version__,
        "not_ready": {"store": "it waits for a migration"},
    }
    assert reader.get("/healthz").status_code == 200


def test_a_store_whose_file_is_gone_or_read_only_is_not_ready(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert readiness.unready(state) == {}
    settings.db.rename(settings.db.with_suffix(".away"))
    assert readiness.unready(state) == {"store": "its file is gone"}
    settings.db.with_suffix(".away").rename(settings.db)
    db = state.stores.take()
    # As a disk that was mounted read-only: root, who runs these tests, may write to any file.
    db.conn.execute("PRAGMA query_only = ON")
    db.conn.set_authorizer(lambda action, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else 0)
    state.stores.give_back(db)
    assert readiness.unready(state) == {"store": "it cannot be written to"}


def test_a_full_disk_is_not_ready(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=readiness.LEAST_BYTES - 1))
    assert readiness.unready(state) == {"disk": "it is full"}


def test_a_part_that_shows_no_sign_of_life_and_one_that_stops_are_named(state: State) -> None:
    now = [0.0]
    object.__setattr__(state, "pulse", Pulse(lambda: now[0]))
    state.pulse.expect("letters", 1.0)
    assert readiness.unready(state) == {}
    now[0] = PATIENCE_S + 2
    assert readiness.unready(state) == {"letters": "no sign of life for 302 seconds"}
    state.closing.set()
    assert readiness.unready(state)["server"] == "it is being stopped"


def test_what_is_at_work_in_the_background_shows_itself(db: Database, settings: Settings, clock: Clock) -> None:
    here = settings.model_copy(update={"base_url": "http://localhost:8000"})
    with served(here, clock, work=True) as reader:
        assert reader.get("/readyz").json()["not_ready"] == {}
        figures = dict(line.rsplit(" ", 1) for line in reader.get("/metrics").text.splitlines() if line[0] != "#")
    seen = {part: float(figures[f'digest_part_silent_seconds{{part="{part}"}}']) for part in PARTS}
    assert max(seen.values()) < 30
