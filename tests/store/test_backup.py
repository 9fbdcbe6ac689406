"""A backup is one moment of the store, whole and checked, or it is not there."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import pytest

from digest.errors import StoreError
from digest.store import Database, back_up, check_store, open_store, writing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of some hundred pages in a folder of its own: pairs of rows from 0 on, written in one block each."""
    folder = tmp_path / "store"
    folder.mkdir()
    with closing(open_store(folder / "digest.db", create=True)) as db:
        for number in range(100):
            put_pair(db, number)
    return folder / "digest.db"


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.store.backup.PAGES_A_STEP", 5)


def put_pair(db: Database, number: int) -> None:
    with writing(db) as connection:
        for half in "ab":
            connection.execute("INSERT INTO keys VALUES (?, zeroblob(3000), '')", (f"{number:06}{half}",))


def pairs(db: Database) -> int:
    """Count the pairs, and see that they are whole and none is left out."""
    names = [
        name
        for (name,) in db.conn.execute(
            "SELECT name FROM keys WHERE name NOT IN ('links', 'messages', 'marks') ORDER BY name"
        )
    ]
    assert names == [f"{number:06}{half}" for number in range(len(names) // 2) for half in "ab"]
    return len(names) // 2


def pairs_in(path: Path) -> int:
    with closing(open_store(path)) as db:
        assert check_store(db) == []
        return pairs(db)


def files(folder: Path) -> set[str]:
    """Name what is in a folder, but for what SQLite keeps beside a store that is open."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(("digest.db-wal", "digest.db-shm"))}


@contextmanager
def written_to(path: Path) -> Iterator[list[int]]:
    """Write pairs from another connection, as fast as it goes; give a list that grows by each."""
    stop, begun, written = Event(), Event(), [100]

    def work() -> None:
        with closing(open_store(path)) as db:
            while not stop.is_set():
                put_pair(db, written[-1])
                written.append(written[-1] + 1)
                begun.set()

    thread = Thread(target=work)
    thread.start()
    try:
        assert begun.wait(10)
        yield written
    finally:
        stop.set()
        thread.join()


def test_a_backup_is_opened_as_any_store(path: Path) -> None:
    to = path.parent / "backup.db"
    with closing(open_store(path)) as db:
        size = back_up(db, to)
        assert files(path.parent) == {"digest.db", "backup.db"}
        assert size == to.stat().st_size
    assert pairs_in(to) == 100


def test_a_backup_is_one_file_that_can_be_copied(path: Path, tmp_path: Path) -> None:
    with closing(open_store(path)) as db:
        back_up(db, path.parent / "backup.db")
    with closing(sqlite3.connect(path.parent / "backup.db")) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    elsewhere = tmp_path / "copy.db"
    elsewhere.write_bytes((path.parent / "backup.db").read_bytes())
    assert pairs_in(elsewhere) == 100


def test_a_backup_says_how_far_it_is(path: Path, small_steps: None) -> None:
    told: list[tuple[int, int]] = []
    with closing(open_store(path)) as db:
        back_up(db, path.parent / "backup.db", progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert len(told) > 10
    assert told[-1][0] == told[-1][1]


def test_a_backup_is_the_moment_it_began(path: Path, small_steps: None) -> None:
    to = path.parent / "backup.db"
    with closing(open_store(path)) as db, closing(open_store(path)) as other:

        def write(done: int, total: int) -> None:
            if pairs(other) < 200:
                put_pair(other, pairs(other))

        back_up(db, to, progress=write)
        assert pairs(db) > 110
    assert pairs_in(to) == 100


def test_a_store_is_backed_up_while_it_is_written_to(path: Path, small_steps: None) -> None:
    with written_to(path) as written, closing(open_store(path)) as db:
        for number in range(3):
            before = len(written)

            def wait_for_a_write(done: int, total: int, before: int = before) -> None:
                until = monotonic() + 10
                while len(written) <= before and monotonic() < until:
                    sleep(0.001)

            back_up(db, path.parent / f"{number}.db", progress=wait_for_a_write)
            assert len(written) > before
            assert 100 + before - 1 <= pairs_in(path.parent / f"{number}.db") <= 100 + len(written)
    assert pairs_in(path) >= 100 + len(written) - 1


def test_a_store_is_backed_up_while_another_holds_its_lock(path: Path) -> None:
    with closing(open_store(path)) as db, closing(open_store(path)) as other, writing(other):
        other.conn.execute("DELETE FROM keys")
        back_up(db, path.parent / "backup.db")
    assert pairs_in(path.parent / "backup.db") == 100


def test_a_backup_never_overwrites(path: Path) -> None:
    to = path.parent / "backup.db"
    to.write_text("precious")
    with closing(open_store(path)) as db:
        for taken in (to, path, path.parent):
            with pytest.raises(StoreError, match="exists already; a backup never overwrites, give another name"):
                back_up(db, taken)
    assert to.read_text() == "precious"
    assert pairs_in(path) == 100


def test_what_an_interrupted_backup_left_is_no_hindrance(path: Path) -> None:
    (path.parent / "backup.db.part").write_text("half a backup")
    with closing(open_store(path)) as db:
        back_up(db, path.parent / "backup.db")
    assert files(path.parent) == {"digest.db", "backup.db"}


def test_a_backup_into_a_missing_folder_is_refused(path: Path) -> None:
    to = path.parent / "no" / "backup.db"
    with closing(open_store(path)) as db, pytest.raises(StoreError) as error:
        back_up(db, to)
    assert str(error.value) == f"{to} cannot be written to (No such file or directory); check its folder"


def test_a_copy_is_as_private_as_the_store(path: Path) -> None:
    path.chmod(0o600)
    with closing(open_store(path)) as db:
        back_up(db, path.parent / "backup.db")
    assert (path.parent / "backup.db").stat().st_mode & 0o777 == 0o600


def test_a_store_that_is_not_sound_is_not_backed_up(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO reviews VALUES (7, 8, 'ship', 'Fine.', '', '')")
        connection.commit()
    with closing(open_store(path)) as db, pytest.raises(StoreError) as error:
        back_up(db, path.parent / "backup.db")
    assert "the backup did not pass its check (reviews: row 1 refers to a row of " in str(error.value)
    assert str(error.value).endswith("; run `digest db check` on the store")
    assert files(path.parent) == {"digest.db"}


def test_a_damaged_store_is_not_backed_up(path: Path) -> None:
    with closing(open_store(path)) as db:
        (page,) = db.conn.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'keys'").fetchone()
        (size,) = db.conn.execute("PRAGMA page_size").fetchone()
        with path.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        with pytest.raises(StoreError, match="did not pass its check"):
            back_up(db, path.parent / "backup.db")
    assert files(path.parent) == {"digest.db"}


def test_a_store_whose_schema_was_damaged_while_it_was_open_is_not_backed_up(path: Path) -> None:
    with closing(open_store(path)) as db:
        damaged = path.read_bytes().replace(b"CREATE TABLE tools", b"CREATE TABEL tools")
        with path.open("r+b") as file:
            file.write(damaged)
        db.conn.execute("PRAGMA shrink_memory")
        with pytest.raises(StoreError, match=r"did not pass its check \(malformed database schema"):
            back_up(db, path.parent / "backup.db")
    assert files(path.parent) == {"digest.db"}


_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
from digest.cli import main
main()
"""


def test_a_backup_that_the_disk_has_no_room_for_leaves_nothing(path: Path) -> None:
    to = path.parent / "backup.db"
    command = [sys.executable, "-B", "-c", _LIMITED, "--db", str(path), "db", "backup", str(to)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"digest: {to} could not be read or written")
    assert done.stderr.count("\n") == 1
    assert files(path.parent) == {"digest.db"}
    assert pairs_in(path) == 100
