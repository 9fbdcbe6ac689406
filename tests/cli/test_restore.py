"""`digest db backup`, `backups`, `compare` and `restore`, as an operator types them."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import test_command_line
from test_command_line import Run, Terminal

digest = test_command_line.digest
drafted = test_command_line.drafted

_WORKS = (
    "import sys; from pathlib import Path; from digest.sending.workers import Worker\n"
    "with Worker(Path('digest.db')): print('here', flush=True); sys.stdin.read()\n"
)


def test_a_backup_is_taken_listed_compared_and_brought_back(drafted: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = drafted
    assert digest("db", "backups").out == "There are no backups in backups; `digest db backup` takes one.\n"
    assert digest("db", "backups", "--newest", code=1).err.startswith("digest: there are no backups in backups;")
    taken = digest("db", "backup").out
    (path,) = Path("backups").iterdir()
    assert taken == f"Backed up to {path} ({path.stat().st_size / 1e6:.1f} MB), opened and checked.\n"
    assert digest("db", "backups", "--newest").out == f"{path.absolute()}\n"
    assert digest("db", "path").out == f"{Path('digest.db').absolute()}\n"
    listed = digest("db", "backups", "--check").out
    assert listed.startswith(f"{path.name}  ")
    assert listed.endswith(" MB  sound\n")

    digest("subscribers", "remove", "ada@example.org")
    digest("subscribers", "add", "new@example.org")
    compared = digest("db", "compare", path, "--within", "600")
    assert "subscribers                         4            3 *\n" in compared.out
    assert "keys                                3            3\n" in compared.out
    ran = digest("db", "compare", path, "--exact", "--json", code=1)
    assert ran.data["problems"][0].startswith("it has other rows in: ")
    assert ran.data["store"]["rows"]["subscribers"] == 4

    refused = digest("db", "restore", path, code=1).err
    assert refused == (
        f"digest: this puts {path} in the place of digest.db; --yes does it, --dry-run says what would happen\n"
    )
    planned = digest("db", "restore", path, "--dry-run").out
    assert planned.startswith(f"This would bring back {path}, which knows until ")
    assert (
        "  Readers, as the present store has them: 1 left.\nLOST: 1 reader who signed up after that moment.\n"
        in planned
    )
    assert "Next:" not in planned
    assert sorted(one.name for one in Path().glob("digest.db*")) == ["digest.db"]

    # Asked on a terminal, it says what would happen first.
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"n\n")))
    asked = digest("db", "restore", path, code=130)
    assert asked.out.startswith("This would bring back ")
    assert f"Put {path} in the place of digest.db?" in asked.err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))

    done = digest("db", "restore", path, "--yes").out
    assert done.startswith(f"Brought back {path}, which knows until ")
    (aside,) = Path().glob("digest.db.replaced-*")
    assert f"  The store that was there: {aside.absolute()}\n" in done
    assert done.endswith("  `digest doctor` looks at all of it; then start `digest serve` again.\n")
    found = {one["email"]: one["state"] for one in digest("subscribers", "list", "--json").data}
    assert found["ada@example.org"] == "unsubscribed"
    assert "new@example.org" not in found
    # And back again, to the store that was replaced.
    back = digest("db", "restore", aside, "--yes", "--json").data
    assert (back["present"], back["readers"]["left"]) == ("carried over", 0)
    assert "new@example.org" in digest("subscribers", "list").out


def test_a_store_that_somebody_works_on_is_not_replaced(digest: Run) -> None:
    digest("import", "tools.json")
    digest("db", "backup", "copy.db")
    command = [sys.executable, "-c", _WORKS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        refused = digest("db", "restore", "copy.db", "--yes", code=1).err
        assert refused.startswith("digest: another digest is at work on ")
        digest("db", "restore", "copy.db", "--dry-run")
        process.kill()
    digest("db", "restore", "copy.db", "--yes")


def test_without_a_store_nothing_is_asked_and_said_aloud_what_is_not_known(digest: Run) -> None:
    digest("import", "tools.json")
    digest("db", "backup", "copy.db")
    ran = digest("--db", "new.db", "db", "restore", "copy.db")
    assert "NOTHING WAS CARRIED OVER: there was no store before.\n" in ran.out
    assert digest("--db", "new.db", "db", "check").out == "new.db is sound.\n"


def test_no_folder_no_daily_backup(digest: Run) -> None:
    digest("db", "migrate")
    for command in (("db", "backup"), ("db", "backups")):
        assert "backup_to is empty" in digest("--set", "backup_to=", *command, code=1).err
