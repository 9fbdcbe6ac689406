"""Opening the store, what is said when that fails, and writing to it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from threading import Barrier, Timer

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import memory_store
from digest.audience import subscribers
from digest.cli import cli
from digest.errors import StoreError
from digest.resources import resource
from digest.store import Database, check_store, explain, migrate, migrations, open_store, pending, store_key, writing

TABLES = {
    "keys", "tools", "reviewers", "reviews", "comparisons", "votes", "issues", "issue_comparisons", "subscribers",
    "suppressions", "batches", "deliveries", "events",
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a store that is there."""
    path = tmp_path / "digest.db"
    open_store(path, create=True).close()
    return path


@pytest.fixture
def upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A digest with one migration more; give that migration's file."""
    folder = tmp_path / "migrations"
    shutil.copytree(resource("db", "migrations"), folder)
    monkeypatch.setattr(migrations, "resource", lambda *parts: folder)
    migrations._migrations.cache_clear()
    later = folder / "9999_later.sql"
    later.write_text("CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT; INSERT INTO later VALUES (1);")
    yield later
    migrations._migrations.cache_clear()


def change(path: Path, sql: str) -> None:
    """Change a file behind the store's back."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)


def problem(path: Path, *, create: bool = False) -> str:
    """Give what is said when a file is not opened."""
    with pytest.raises(StoreError) as error:
        open_store(path, create=create)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def keys(db: Database) -> list[str]:
    return [
        name
        for (name,) in db.conn.execute(
            "SELECT name FROM keys WHERE name NOT IN ('links', 'messages', 'marks') ORDER BY name"
        )
    ]


def put(db: Database, name: str) -> None:
    with writing(db) as connection:
        connection.execute("INSERT INTO keys VALUES (?, x'00', '')", (name,))


# A store that is sound -----------------------------------------------------------------------------------------------


def test_a_new_store_has_every_table_and_all_are_strict(db: Database) -> None:
    names = {name for (name,) in db.conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert names >= TABLES
    strict = dict(
        db.conn.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    )
    # A table of words for searching, and those it keeps beside itself, are SQLite's own kind.
    assert {name for name in names if not strict.get(name, True)} <= {"sqlite_sequence"}
    assert names - strict.keys() == {name for name in names if name.startswith("tool_words")}
    assert check_store(db) == []
    assert pending(db) == []


def test_a_store_is_in_wal_mode_with_foreign_keys_enforced(db: Database) -> None:
    assert db.conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.conn.execute("PRAGMA foreign_keys").fetchone() == (1,)
    with pytest.raises(sqlite3.IntegrityError), writing(db) as connection:
        connection.execute(
            "INSERT INTO suppressions (email_key, reason, created_at) VALUES ('a@b.example', 'dislike', '')"
        )
    with pytest.raises(sqlite3.IntegrityError), writing(db) as connection:
        connection.execute("INSERT INTO deliveries (issue, subscriber) VALUES (1, 1)")


def test_a_store_is_opened_again_as_it_was(path: Path) -> None:
    with closing(open_store(path)) as db:
        put(db, "a")
    with closing(open_store(path, create=True)) as db:
        assert keys(db) == ["a"]


def test_an_empty_file_is_no_store_yet(tmp_path: Path) -> None:
    empty = tmp_path / "digest.db"
    empty.touch()
    assert "there is no store at" in problem(empty)
    with closing(open_store(empty, create=True)) as db:
        assert pending(db) == []


def test_a_store_that_became_empty_is_not_begun_anew(path: Path) -> None:
    path.write_bytes(b"")
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).touch()
    path.with_name(path.name + "-workers").touch()
    with pytest.raises(StoreError, match=r"has 0 bytes, and was a store: digest\.db-workers lies beside it"):
        open_store(path, create=True)


def test_several_may_make_the_same_store_at_once(tmp_path: Path) -> None:
    barrier = Barrier(4)

    def make(path: Path) -> list[str]:
        barrier.wait()
        with closing(open_store(path, create=True)) as db:
            return pending(db)

    with ThreadPoolExecutor(4) as pool:
        for number in range(10):
            assert list(pool.map(make, [tmp_path / f"{number}.db"] * 4)) == [[]] * 4


# A file that is not opened -------------------------------------------------------------------------------------------


def test_a_missing_store_is_told_with_what_makes_one(tmp_path: Path) -> None:
    missing = tmp_path / "digest.db"
    assert problem(missing) == f"there is no store at {missing}; `digest import` or `digest db migrate` makes one"
    assert not missing.exists()


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    assert "does not exist; make it, or give another --db" in problem_of_folder(tmp_path / "no" / "digest.db")


def problem_of_folder(path: Path) -> str:
    with pytest.raises(StoreError) as error:
        open_store(path, create=True)
    assert str(path.parent) in str(error.value)
    return str(error.value)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    assert "is a folder; --db names the SQLite file itself" in problem(tmp_path, create=True)


def test_a_path_through_a_file_is_told(path: Path) -> None:
    assert "there is no store" in problem(path / "digest.db")


@pytest.mark.parametrize("create", [False, True])
def test_what_is_no_database_is_left_as_it_is(tmp_path: Path, create: bool) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("milk, eggs\n" * 100)
    assert "is not a digest store, nor any SQLite file; give another" in problem(notes, create=create)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert notes.read_text() == "milk, eggs\n" * 100


@pytest.mark.parametrize("table", ["bookmarks", "issues", "subscribers"])
def test_the_sqlite_file_of_something_else_is_left_as_it_is(tmp_path: Path, table: str) -> None:
    other = tmp_path / "places.sqlite"
    change(other, f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)")
    before = other.read_bytes()
    for create in (False, True):
        assert "is a SQLite file of something else; give another" in problem(other, create=create)
    assert other.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["places.sqlite"]


def test_a_store_of_a_newer_digest_is_not_opened(path: Path) -> None:
    change(path, "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('digest', '9999_new', '')")
    message = problem(path)
    assert "made by a newer digest (it has the migration 9999_new); upgrade digest to open it" in message
    with pytest.raises(StoreError, match="newer digest"):
        open_store(path, allow_pending=True)


def test_a_damaged_store_is_told(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    assert "is damaged (" in problem(path)


def test_a_store_held_by_another_process_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.store.connection.BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert "stayed locked by another process" in problem(path)


def test_opening_waits_for_one_who_is_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the file has to be put into WAL mode, as a backup that was copied back: SQLite itself would not."""
    change(path, "PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with monkeypatch.context() as patch:
            patch.setattr("digest.store.connection.BUSY_TIMEOUT_S", 0.01)
            assert "stayed locked by another process" in problem(path)
        timer = Timer(0.15, lambda: other.execute("ROLLBACK"))
        timer.start()
        with closing(open_store(path)) as db:
            assert db.conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        timer.join()


# Disks and permissions -----------------------------------------------------------------------------------------------

_BOUND = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: without them permission bits bind root too
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from digest.cli import main
sys.argv[1:] = sys.argv[2:]
main()
"""


def run(*command: str | Path) -> str:
    """Run Python, which must fail, and give what it says; `-B`, so that it leaves no half-written `.pyc`."""
    done = subprocess.run([sys.executable, "-B", *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("digest: ")
    return done.stderr


@pytest.fixture
def bound(tmp_path: Path) -> Path:
    """A folder in which permission bits bind, also for root."""
    folder = tmp_path / "bound"
    folder.mkdir()
    probe = folder / "probe"
    probe.touch(mode=0o400)
    script = f"import os; os.open({str(probe)!r}, os.O_WRONLY)"
    if subprocess.run([sys.executable, "-c", _BOUND, "-c", script], capture_output=True, check=False).returncode == 0:
        pytest.skip("permission bits do not bind here")
    probe.unlink()
    return folder


def test_a_store_that_cannot_be_written_to_is_told(bound: Path) -> None:
    path = bound / "digest.db"
    open_store(path, create=True).close()
    before = path.read_bytes()
    path.chmod(0o444)
    add = ("-c", _BOUND, "-m", "digest", "--db", path, "subscribers", "add", "ada@example.org")
    assert f"{path} cannot be written to; check who owns it" in run(*add)
    bound.chmod(0o555)
    assert f"{path} cannot be written to; check who owns it" in run(*add)
    assert "cannot be opened; check that its folder exists" in run(*add[:5], bound / "new.db", *add[6:])
    bound.chmod(0o000)
    assert f"{path} cannot be reached (Permission denied); check who may open its folder" in run(*add)
    bound.chmod(0o755)
    assert path.read_bytes() == before


@pytest.mark.parametrize("kilobytes", [1, 8, 40, 100])
def test_a_store_that_the_disk_has_no_room_for_is_not_half_made(tmp_path: Path, kilobytes: int) -> None:
    path = tmp_path / "digest.db"
    said = run("-c", _LIMITED, str(kilobytes * 1024), "--db", path, "subscribers", "add", "ada@example.org")
    assert f"{path} could not be read or written" in said
    assert "nothing was changed" in said
    with closing(open_store(path, create=True)) as db:
        assert check_store(db) == []
        assert list(subscribers.find_subscribers(db)) == []


def add_many(db: Database, now: datetime) -> None:
    with writing(db):
        for number in range(5_000):
            subscribers.add(db, f"reader{number}@example.org", now=now)


def test_a_full_disk_changes_nothing(path: Path, now: datetime) -> None:
    with closing(open_store(path)) as db:
        subscribers.add(db, "ada@example.org", now=now)
        (pages,) = db.conn.execute("PRAGMA page_count").fetchone()
        db.conn.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(sqlite3.OperationalError) as error:
            add_many(db, now)
        said = str(explain(error.value, path))
        assert said == f"{path} could not grow: the disk is full; nothing was changed, make room and run it again"
        assert [who.email for who in subscribers.find_subscribers(db)] == ["ada@example.org"]
        assert check_store(db) == []


def test_what_has_no_better_words_is_told_as_sqlite_says_it(db: Database) -> None:
    with pytest.raises(sqlite3.OperationalError) as error:
        db.conn.execute("SELECT * FROM nowhere")
    assert str(explain(error.value, "digest.db")) == "digest.db answered with an error: no such table: nowhere"
    assert "answered with an error: odd" in str(explain(sqlite3.Error("odd"), "digest.db"))


# Migrations ----------------------------------------------------------------------------------------------------------


def test_an_older_store_waits_for_its_migration(path: Path, upgraded: Path) -> None:
    assert "is from an older digest; `digest db migrate` brings it up to date and keeps a backup" in problem(path)
    assert "is from an older digest" in problem(path, create=True)
    with closing(open_store(path, allow_pending=True)) as db:
        assert pending(db) == ["9999_later"]
        assert migrate(db) == ["9999_later"]
        assert migrate(db) == []
    open_store(path).close()


def test_migrating_keeps_the_store_as_it_was_as_a_backup(path: Path, upgraded: Path) -> None:
    with closing(open_store(path, allow_pending=True)) as db:
        put(db, "a")
    done = CliRunner().invoke(cli, ["--db", str(path), "db", "migrate"])
    assert done.exit_code == 0
    (backup,) = path.parent.glob("digest.db.*.backup")
    assert done.stdout == f"{path} is up to date now: 9999_later. As it was before: {backup}\n"
    with closing(open_store(path)) as db:
        assert db.conn.execute("SELECT id FROM later").fetchall() == [(1,)]
        assert keys(db) == ["a"]
    with closing(open_store(backup, allow_pending=True)) as db:
        assert pending(db) == ["9999_later"]
        assert keys(db) == ["a"]


@pytest.mark.parametrize("mistake", ["CREATE TABLE keys (a);", "SELECT * FROM nowhere;", "CREATE TABEL x (a);"])
def test_a_migration_that_fails_leaves_nothing_behind(path: Path, upgraded: Path, mistake: str) -> None:
    upgraded.write_text(f"CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT; {mistake}")
    with closing(open_store(path, allow_pending=True)) as db:
        with pytest.raises(sqlite3.OperationalError):
            migrate(db)
        assert "later" not in db.table_names()
        assert pending(db) == ["9999_later"]
        assert check_store(db) == []


# Writing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_changes_nothing(db: Database, error: type[BaseException]) -> None:
    with suppress(error), writing(db):
        put(db, "a")
        raise error
    assert keys(db) == []
    put(db, "b")
    assert keys(db) == ["b"]


def test_a_block_is_seen_by_others_when_it_is_done(path: Path) -> None:
    with closing(open_store(path)) as one, closing(open_store(path)) as other:
        with writing(one):
            put(one, "a")
            assert keys(other) == []
        assert keys(other) == ["a"]


def test_a_block_holds_the_lock_from_its_first_moment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.store.connection.BUSY_TIMEOUT_S", 0.05)
    monkeypatch.setattr("digest.store.transactions.PATIENCE_S", 0.05)
    with closing(open_store(path)) as one, closing(open_store(path)) as other:
        with writing(one), pytest.raises(sqlite3.OperationalError) as error, writing(other):
            pytest.fail("two hold the lock")
        assert "stayed locked by another process" in str(explain(error.value, path))
        put(other, "a")
        assert keys(one) == ["a"]


def test_an_error_that_ended_the_transaction_is_not_hidden(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), writing(db) as connection:
        assert 1 / connection.execute("ROLLBACK").rowcount + 1 / 0


# A block: does it fail at its end, and what is in it (True: a row; or a block).
Block = tuple[bool, list["bool | Block"]]
blocks: st.SearchStrategy[Block] = st.deferred(
    lambda: st.tuples(st.booleans(), st.lists(st.just(True) | blocks, max_size=4))
)


class _FailError(Exception):
    pass


@hypothesis_settings(max_examples=60, deadline=None)
@given(blocks)
def test_of_nested_blocks_those_stay_that_no_block_around_them_failed(block: Block) -> None:
    rows = iter(range(10_000))

    def write(block: Block) -> list[str]:
        fails, parts = block
        stay: list[str] = []
        with suppress(_FailError), writing(db):
            for part in parts:
                if isinstance(part, tuple):
                    stay += write(part)
                else:
                    stay.append(f"{next(rows):05}")
                    put(db, stay[-1])
            if fails:
                stay.clear()
                raise _FailError
        return stay

    with closing(memory_store()) as db:
        assert write(block) == keys(db)
        assert not db.conn.in_transaction


# Keys and the check --------------------------------------------------------------------------------------------------


def test_a_key_is_made_once_and_kept(path: Path, now: datetime) -> None:
    with closing(open_store(path)) as db:
        links = store_key(db, "links", now=now)
        assert len(links) == 32
        assert store_key(db, "forms", now=now) != links
    with closing(open_store(path)) as db:
        assert store_key(db, "links", now=now) == links


def test_several_that_ask_for_a_key_at_once_get_the_same(path: Path, now: datetime) -> None:
    barrier = Barrier(4)

    def ask(name: str) -> bytes:
        with closing(open_store(path)) as db:
            barrier.wait()
            return store_key(db, name, now=now)

    with ThreadPoolExecutor(4) as pool:
        for number in range(5):
            assert len(set(pool.map(ask, [str(number)] * 4))) == 1


def test_the_check_names_rows_that_refer_to_nothing(path: Path) -> None:
    change(path, "INSERT INTO votes SELECT 7, 'someone', 'ship', ''")
    change(path, "INSERT INTO reviews VALUES (7, 8, 'ship', 'Fine.', '', '')")
    with closing(open_store(path)) as db:
        problems = check_store(db)
    assert sorted(problems)[0] == "reviews: row 1 refers to a row of reviewers that is not there"
    assert len(problems) == 3
