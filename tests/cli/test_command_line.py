"""The `digest` command: its options, its exit codes, what it prints and where."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import click
import pytest
from rich.progress import Progress

from digest import __version__
from digest.cli import cli, main
from digest.cli.commands import COMMANDS
from digest.demo import Demo
from digest.providers.interface import Answer, Batch
from digest.providers.outbox import Outbox
from digest.sending.ledger import freeze_audience
from digest.store import open_store
from digest.times import now

CATALOGUE = {
    "tools": [
        {"name": "Ada", "reviews": [{"reviewer": "Builder", "verdict": "ship", "quote": "It works."}]},
        {"name": "Bea"},
        {"name": "Cid"},
    ],
    "comparisons": [
        {"left": "Ada", "right": "Bea", "published_at": "-2h"},
        {"left": "Cid", "right": "Bea", "published_at": "-3h"},
    ],
}
SECRET = "0123456789abcdef0123456789abcdef"
COLOUR = r"\x1b\[[\d;]*3\d"
SHARED = ("--db", "--config", "--set", "--json", "--verbose")
# What would change the output of a run: ours, and what rich and click look at.
_FOREIGN = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "TERM")


@dataclass(frozen=True)
class Ran:
    """One run of the command. Whatever it was, it printed no traceback and no escape codes."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


class Run(Protocol):
    def __call__(self, *args: str | Path, stdin: bytes = b"", code: int = 0) -> Ran: ...


class Terminal(io.TextIOWrapper):
    """A standard input that is a terminal."""

    def isatty(self) -> bool:
        return True


def clean_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in _FOREIGN and "DIGEST" not in key.upper()}


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command in this process, in an empty folder, with a catalogue in `tools.json`."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() - clean_environment().keys():
        monkeypatch.delenv(name)
    Path("tools.json").write_text(json.dumps(CATALOGUE))

    def run(*args: str | Path, stdin: bytes = b"", code: int = 0) -> Ran:
        monkeypatch.setattr(sys, "argv", ["digest", *map(str, args)])
        if not isinstance(sys.stdin, Terminal):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stop:
            main()
        ran = Ran(int(stop.value.code or 0), *capsys.readouterr())
        assert ran.code == code, ran
        assert "Traceback" not in ran.err
        return ran

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def drafted(digest: Run) -> Run:
    """The same, with issue 1 drafted and three readers."""
    digest("import", "tools.json")
    digest("subscribers", "import", "-", stdin=b"email\nada@example.org\nbea@example.org\ncid@example.org\n")
    digest("draft")
    return digest


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for name, command in group.commands.items():
        found += commands(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
    return found


# Help and completion -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_explains_itself_and_takes_the_shared_options(digest: Run, path: tuple[str, ...]) -> None:
    ran = digest(*path, "--help")
    assert ran.out.startswith(f"Usage: {' '.join(['digest', *path])} [OPTIONS]")
    assert ran.err == ""
    for option in SHARED:
        assert re.search(rf"^  (-v, )?{option}\b", ran.out, re.MULTILINE), option
    assert digest(*path, "-h").out == ran.out
    described = ran.out.partition("\n\n")[2].partition("\n\nOptions:")[0]
    assert len(described) > 10


def test_every_option_is_described() -> None:
    for path in commands():
        command: click.Command = cli
        for name in path:
            assert isinstance(command, click.Group)
            command = command.commands[name]
        assert all(option.help for option in command.params if isinstance(option, click.Option)), path


def test_help_needs_no_settings_and_no_store(digest: Run) -> None:
    Path("digest.toml").write_text("nonsense")
    assert digest("status", "--help").out
    assert [path.name for path in Path().iterdir() if path.suffix == ".db"] == []


def test_help_says_of_each_command_what_its_own_help_begins_with() -> None:
    for name, command in cli.commands.items():
        assert (command.name, command.get_short_help_str(500)) == (name, COMMANDS[name][1])


def test_help_loads_no_command_and_nothing_that_takes_long() -> None:
    # In a process of its own: this one has loaded all of it.
    called = (
        "import sys; from digest.cli import cli; cli.main(['--help'], standalone_mode=False);"
        " print({'pydantic', 'sqlite_utils', 'rich', 'digest.store', 'digest.cli.serve', 'asyncio'} & {*sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", called], capture_output=True, text=True, check=True, timeout=60)
    assert "Change a draft." in ran.stdout
    assert ran.stdout.endswith("set()\n")


def test_without_a_command_it_helps(digest: Run) -> None:
    assert digest(code=2).err.startswith("Usage: digest [OPTIONS] COMMAND")
    assert "migrate" in digest("db", code=2).err


def test_it_says_its_version(digest: Run) -> None:
    assert digest("--version").out == f"digest, version {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_prints_a_completion_script(digest: Run, shell: str) -> None:
    script = digest("completion", shell).out
    assert f"_DIGEST_COMPLETE={shell}_complete" in script
    assert digest("completion", "csh", code=2).out == ""


def test_the_completion_completes(digest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_DIGEST_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "digest subscribers ex")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert digest().out == "plain,export\n"


# Options -------------------------------------------------------------------------------------------------------------


def test_shared_options_go_before_or_after_the_commands_name(digest: Run) -> None:
    Path("here.toml").write_text("language = 'de'")
    for args in (
        ("--db", "a.db", "--config", "here.toml", "--set", "batch_size=7", "--json", "settings"),
        ("settings", "--db", "a.db", "--config", "here.toml", "--set", "batch_size=7", "--json"),
        ("--db", "b.db", "--set", "batch_size=8", "settings", "--db", "a.db", "--config", "here.toml", "--json",
         "--set", "batch_size=7"),
    ):  # fmt: skip
        found = {setting["name"]: (setting["value"], setting["source"]) for setting in digest(*args).data}
        assert found["db"] == ("a.db", "command line")
        assert found["language"] == ("de", "here.toml")
        assert found["batch_size"] == ("7", "command line")


def test_shared_options_go_between_the_names_of_two_commands(digest: Run) -> None:
    digest("subscribers", "--db", "a.db", "--set", "batch_size=3", "add", "ada@example.org", "--set", "language=de")
    assert Path("a.db").exists()
    assert digest("--db", "a.db", "subscribers", "--json", "list").data[0]["email"] == "ada@example.org"


def test_settings_may_be_set_more_than_once(digest: Run) -> None:
    ran = digest("--set", "language=de", "--set", " Batch_Size=7", "settings", "--set", "sender_name=a=b", "--json")
    found = {setting["name"]: setting["value"] for setting in ran.data}
    assert (found["language"], found["batch_size"], found["sender_name"]) == ("de", "7", "a=b")
    assert "'language' is not NAME=VALUE" in digest("--set", "language", "settings", code=2).err


def test_settings_are_shown_with_their_sources_and_without_secrets(
    digest: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", SECRET)
    monkeypatch.setenv("DIGEST_QUUX", "1")
    ran = digest("settings")
    assert SECRET not in ran.out + ran.err + digest("settings", "--json").out
    assert re.search(r"^secret_key +\*{8} +environment", ran.out, re.MULTILINE)
    assert re.search(r"^timezone +UTC +default", ran.out, re.MULTILINE)
    assert ran.err == "digest: DIGEST_QUUX is ignored: no setting is called 'quux'\n"


def test_a_wrong_secret_is_not_printed(digest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", "hunter2")
    ran = digest("settings", code=1)
    assert "hunter2" not in ran.out + ran.err


@pytest.mark.parametrize("name", ["secret_key", "resend.key", "Resend.Key"])
def test_a_secret_is_taken_from_the_command_line_only_as_a_file(digest: Run, name: str) -> None:
    ran = digest("--set", f"{name}={SECRET}", "settings", code=1)
    variable = f"DIGEST_{name.replace('.', '_').upper()}"
    assert f"set {variable}, or give a file that holds the secret: --set {name.lower()}_file=PATH" in ran.err
    assert SECRET not in ran.out + ran.err
    Path("key").write_text(SECRET)
    assert SECRET not in digest("--set", f"{name}_file=key", "settings").out


# When it goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "suggested"),
    [("drft", "draft"), ("subscriber", "subscribers"), ("subscribers lst", "list"), ("db chek", "check"),
     ("status --jsn", "--json")],
)  # fmt: skip
def test_what_is_mistyped_is_set_right(digest: Run, command: str, suggested: str) -> None:
    ran = digest(*command.split(), code=2)
    assert ran.out == ""
    assert re.search(rf"Did you mean (one of: )?'{suggested}'", ran.err)


@pytest.mark.parametrize(
    "command", ["approve", "approve x", "approve 0", "show", "render 1", "import", "import x --format xml",
                "subscribers list --state gone", "subscribers list --limit 0"],
)  # fmt: skip
def test_wrong_usage_exits_with_2(digest: Run, command: str) -> None:
    ran = digest(*command.split(), code=2)
    assert ran.out == ""
    assert ran.err.startswith("Usage: digest ")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("status", "there is no store at digest.db; `digest import` or `digest db migrate` makes one"),
        ("status --config no.toml", "no.toml: cannot be read: No such file or directory"),
        ("settings --set bse_url=x", "--set bse_url: no setting is called 'bse_url'; did you mean 'base_url'?"),
        ("--db no/digest.db import tools.json", "the folder no does not exist; make it, or give another --db"),
        ("--db tools.json status", "tools.json is not a digest store, nor any SQLite file; give another"),
        ("import no.json", "no.json"),
        ("subscribers import no.csv", "no.csv: cannot be read: No such file or directory"),
        ("subscribers import .", ".: cannot be read: Is a directory"),
        ("subscribers import tools.json", "tools.json:1: the first line must name the columns, one of them email"),
        ("subscribers add ada", "email: 'ada' is not an email address: "),
        ("db backup digest.db", "there is no store at digest.db"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(digest: Run, command: str, said: str) -> None:
    ran = digest(*command.split(), code=1)
    assert ran.out == ""
    assert ran.err.startswith(f"digest: {said}")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("show 2", "there is no issue 2; the last one is 1"),
        ("send 1", "issue 1 is draft, so it cannot be sent; `digest approve 1` comes first"),
        ("edit 1 --lead ada-vs-cid", "slug: the issue has no comparison 'ada-vs-cid'; did you mean 'ada-vs-bea'?"),
        ("approve 1 --at tomorrow", "'tomorrow' is not a time"),
        ("approve 1 --at 2020-01-01", "Wed 1 Jan 2020, 00:00 UTC has passed"),
        ("draft --since soon", "'soon' is not a time"),
        ("render 1 --out tools.json/x", "tools.json/x: Not a directory"),
        ("subscribers remove nobody@example.org", "no subscriber has the address nobody@example.org"),
        ("subscribers export --out no/list.csv", "no/list.csv: No such file or directory"),
        ("db backup tools.json", "tools.json exists already; a backup never overwrites, give another name"),
        ("demo --dir .", ". has something in it and was not made by a demo"),
    ],
)
def test_an_error_in_a_store_is_one_line_too(drafted: Run, command: str, said: str) -> None:
    ran = drafted(*command.split(), code=1)
    assert ran.out == ""
    assert ran.err.startswith(f"digest: {said}")
    assert ran.err.count("\n") == 1


def test_an_error_while_writing_names_the_store(drafted: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.store.connection.BUSY_TIMEOUT_S", 0.05)
    with closing(open_store(Path("digest.db"))) as other:
        other.conn.execute("BEGIN IMMEDIATE")
        ran = drafted("subscribers", "add", "dee@example.org", code=1)
    assert ran.err == "digest: digest.db stayed locked by another process for 0 s; try again when it is done\n"


def test_verbose_shows_where_a_strange_error_came_from_and_not_one_of_ours(
    digest: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise sqlite3.OperationalError("no such function: nonsense")

    assert digest("status", "-v", code=1).err.startswith("digest: there is no store")
    monkeypatch.setattr(Demo, "run", fail)
    for option in ("-v", "--verbose"):
        with pytest.raises(sqlite3.OperationalError):
            digest("demo", option)


def test_an_error_is_json_where_that_was_asked_for(digest: Run) -> None:
    told = digest("status", "--json", code=1)
    assert told.err.startswith("digest: there is no store")
    assert told.data["error"]["message"] == told.err.removeprefix("digest: ").strip()
    place = digest("import", "not-there.json", "--json", code=1).data["error"]
    assert (place["file"], place["line"]) == ("not-there.json", None)


def test_every_error_of_a_file_is_named(digest: Run) -> None:
    Path("many.csv").write_text("name,entry\n" + "".join(f"Tool {n}x,payed\n" for n in range(30)))
    said = digest("import", "many.csv", code=1).err.splitlines()
    assert len(said) == 21
    assert said[1].startswith("digest: many.csv:3: entry: 'payed' is not one of")
    assert said[-1] == "digest: nothing of many.csv went in (10 more errors)"
    assert len(digest("import", "many.csv", "--json", code=1).data["files"][0]["errors"]) == 30


def test_editing_nothing_is_wrong_usage_and_changes_nothing(drafted: Run) -> None:
    drafted("approve", "1")
    assert "Say what to change" in drafted("edit", "1", code=2).err
    assert drafted("show", "1", "--json").data["state"] == "approved"


def test_an_approved_issue_may_be_given_another_time(drafted: Run) -> None:
    before = drafted("approve", "1", "--at", "2126-01-01", "--json").data
    after = drafted("approve", "1", "--at", "2126-01-02", "--json").data
    assert after["scheduled_at"].startswith("2126-01-02")
    assert after["content_hash"] == before["content_hash"]


def test_pausing_what_is_not_being_sent_says_so(drafted: Run) -> None:
    assert "issue 1 is draft; only one that is sending can be paused" in drafted("pause", "1", code=1).err
    assert "only one that is paused can be resumed" in drafted("resume", "1", code=1).err


def test_pause_resume_and_cancel_in_words(drafted: Run) -> None:
    drafted("subscribers", "add", "ada@example.com")
    drafted("approve", "1")
    with closing(open_store(Path("digest.db"))) as db:
        freeze_audience(db, 1, now=now())
    assert "`digest pause 1` stops it" in drafted("cancel", "1", code=1).err
    assert "`digest resume 1` lets it go on" in drafted("pause", "1").out
    assert drafted("resume", "1", "--json").data["state"] == "sending"
    assert drafted("pause", "1", "--json").data["state"] == "paused"
    assert "Issue 1 can be sent again" in drafted("resume", "1").out
    drafted("pause", "1")
    assert "Issue 1 is cancelled." in drafted("cancel", "1").out


def test_what_is_odd_about_an_issue_is_said_when_it_is_approved(drafted: Run) -> None:
    said = drafted("approve", "1").err
    for words in ("links are http", "postal_address is not set", "sender_address is verdicts@example.com"):
        assert words in said


def test_since_is_not_used_on_an_open_draft_and_that_is_said(drafted: Run) -> None:
    assert "--since was not used" in drafted("draft", "--since", "-7d").err


def test_an_error_of_sqlite_outside_the_store_is_one_line(digest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise sqlite3.OperationalError("no such function: nonsense")

    monkeypatch.setattr(Demo, "run", fail)
    assert digest("demo", code=1).err == "digest: the store answered with an error: no such function: nonsense\n"


def test_a_subject_is_printed_as_it_is(drafted: Run) -> None:
    subject = "[/b] Ship :rocket: or [red]skip"
    assert f"  Subject:    {subject}\n" in drafted("edit", "1", "--subject", subject).out
    assert subject in drafted("status").out
    assert subject in drafted("draft").out


def test_bytes_that_are_not_utf_8_do_no_harm(digest: Run) -> None:
    broken = os.fsdecode(b"J\xfcrgen")
    assert digest("subscribers", "add", "ada@example.org", "--name", broken, "--json").data["name"] is None
    assert "is not an email address" in digest("subscribers", "add", f"{broken}@example.org", code=1).err


# The week ------------------------------------------------------------------------------------------------------------


def test_the_week_in_words(digest: Run) -> None:
    assert "3 tools, 1 review, 2 comparisons added" in digest("import", "tools.json").out
    again = digest("import", "tools.json").out
    assert "Nothing changed: all of it is in the catalogue already." in again
    assert "dry run: nothing was changed" in digest("import", "tools.json", "--dry-run").out
    assert digest("status").out.splitlines() == [
        "Catalogue: 3 tools, 1 reviewer, 1 review, 2 comparisons",
        "Audience: 0 active, 0 pending, 0 unsubscribed, 0 suppressed",
        "No issue yet; `digest draft` makes one of what is new.",
    ]
    assert digest("draft").out.startswith("Issue 1 is drafted: Ada vs Bea")
    assert digest("draft").out.startswith("Issue 1 is a draft already")
    assert digest("draft", "--refresh").out.startswith("Issue 1 is drafted anew")
    more = b'{"comparisons": [{"left": "Ada", "right": "Cid", "published_at": "-1h"}]}'
    digest("import", "-", stdin=more)
    assert "1 new comparison came in since" in digest("draft").out
    edited = digest("edit", "1", "--subject", "Hello, readers", "--out", "cid-vs-bea").out
    assert "1 comparison: 1 in full, 0 in brief, 0 as links; 1 left out" in edited
    assert "out   Cid vs Bea" in digest("show", "1", "-v").out
    assert "out   Cid vs Bea" not in digest("show", "1").out
    assert "Ada vs Bea" in digest("show", "1", "--text").out
    digest("render", "1", "--out", "new/folder")
    assert sorted(path.suffix for path in Path("new/folder").iterdir()) == [".eml", ".html", ".mjml", ".txt"]
    approved = digest("approve", "1", "--at", "2126-01-01 09:00")
    assert approved.out.startswith("Issue 1 is approved for Tue 1 Jan 2126, 09:00 UTC: Hello, readers")
    assert "needs an https:// address" in approved.err
    assert "postal_address is not set" in approved.err
    assert "To be sent: Tue 1 Jan 2126, 09:00 UTC" in digest("show", "1").out
    preheader = "What the panel says of Ada, and what of Bea."
    edited = digest("edit", "1", "--intro", "Hello.", "--preheader", preheader).out
    assert "It was approved and is a draft again" in edited
    mended = ("--set", "base_url=https://example.com", "--set", "postal_address=1 Sample Street")
    assert digest("approve", "1", "--at", "2126-01-01", *mended, "--set", "sender_address=v@verdicts.site").err == ""
    assert "nobody is subscribed" in digest("send", "1", "--now", code=1).err
    digest("subscribers", "add", "ada@example.org")
    assert "send it then, or with --now" in digest("send", "1", code=1).err
    assert digest("send", "1", "--now").out == "Issue 1 is sent: 1 of 1 copies accepted.\n"
    assert digest("send", "1").out == "Issue 1 is sent: 1 of 1 copies accepted.\n"
    assert len(list(Path("outbox/new").iterdir())) == 1
    assert "Sent: " in digest("show", "1").out
    assert re.search(r"1 +sent +1 +1 +Hello, readers", digest("status").out)
    digest("draft")
    assert digest("cancel", "2").out == "Issue 2 is cancelled.\n"
    assert "no issue was made" in digest("draft", "--since", "2126-01-01").out


def test_the_week_in_json(digest: Run) -> None:
    dry = digest("import", "tools.json", "--dry-run", "--json").data
    assert (dry["dry_run"], dry["changed"], dry["failed"]) == (True, 7, 0)
    imported = digest("import", "tools.json", "--json").data
    assert {**imported, "dry_run": True} == dry
    assert digest("draft", "--json", "--since", "2126-01-01").data["issue"] is None
    digest("--db", "b.db", "import", "tools.json")
    for step in ("--db b.db draft", "--db b.db edit 1 --subject Hello", "--db b.db show 1"):
        issue = digest(*step.split(), "--json").data
        issue = issue.get("issue", issue)
        assert (issue["number"], issue["state"], len(issue["comparisons"])) == (1, "draft", 2)
    assert digest("--db", "b.db", "show", "1", "--text", "--json").data["subject"] == "Hello"
    rendered = digest("--db", "b.db", "render", "1", "--out", "out", "--json").data
    assert {name: Path(file["path"]).stat().st_size for name, file in rendered["files"].items()} == {
        name: file["bytes"] for name, file in rendered["files"].items()
    }
    approved = digest("--db", "b.db", "approve", "1", "--json").data
    assert approved["state"] == "approved"
    assert len(approved["content_hash"]) == 64
    digest("--db", "b.db", "subscribers", "add", "ada@example.org")
    sent = digest("--db", "b.db", "send", "1", "--json").data
    assert (sent["state"], sent["audience"], sent["accepted"]) == ("sent", 1, 1)
    digest("--db", "b.db", "import", "-", "--json", stdin=b'{"comparisons": [{"left": "Ada", "right": "Cid"}]}')
    digest("--db", "b.db", "draft")
    assert digest("--db", "b.db", "cancel", "2", "--json").data["state"] == "cancelled"


def test_the_status_in_json_has_one_shape(drafted: Run) -> None:
    counts = {"queued": 0, "claimed": 0, "accepted": 0, "rejected": 0, "skipped": 0, "uncertain": 0}
    assert drafted("status", "--json").data == {
        "catalogue": {"tools": 3, "reviewers": 1, "reviews": 1, "comparisons": 2},
        "audience": {"active": 3, "pending": 0, "unsubscribed": 0, "suppressed": 0},
        "letters": {"queued": 0, "uncertain": 0, "failed": 0, "trouble": None},
        "issues": [
            {
                "number": 1,
                "state": "draft",
                "subject": drafted("show", "1", "--json").data["subject"],
                "scheduled_at": None,
                "trouble": None,
                "comparisons": 2,
                "audience": 0,
                **counts,
                "topics": None,
            }
        ],
    }
    drafted("edit", "1", "--out", "cid-vs-bea")
    drafted("approve", "1")
    drafted("send", "1")
    (issue,) = drafted("status", "--json").data["issues"]
    assert issue["comparisons"] == 1
    assert {name: issue[name] for name in ("audience", *counts)} == {**counts, "audience": 3, "accepted": 3}


def test_a_file_with_an_error_is_told_and_the_others_go_in(digest: Run) -> None:
    Path("bad.json").write_text('{\n "tools": [{"name": "Dee", "entry": "payed"}]}')
    ran = digest("import", "bad.json", "tools.json", code=1)
    assert "tools.json: " in ran.out
    assert ran.err.startswith("digest: bad.json:2: entry: 'payed' is not one of free, freemium, paid")
    assert ran.err.endswith("\ndigest: nothing of bad.json went in\n")
    failed = digest("import", "bad.json", "--json", code=1).data
    assert (failed["failed"], failed["files"][0]["errors"][0]["line"]) == (1, 2)


def test_the_schema_of_a_catalogue_is_printed(digest: Run) -> None:
    assert "$schema" in digest("import", "--schema").data


def test_what_changed_is_told(digest: Run) -> None:
    digest("import", "tools.json")
    change = b'{"tools": [{"name": "Ada", "entry": "paid"}, {"name": "Dee"}]}'
    told = digest("import", "-", "-v", stdin=change).out
    assert "  updated: tool Ada (entry)\n" in told
    assert "  added: tool Dee\n" in told


def test_a_sending_that_is_stopped_goes_on_from_there(drafted: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over = Outbox.hand_over

    async def hand_over_and_stop(self: Outbox, batch: Batch) -> Answer:
        signal.raise_signal(signal.SIGINT)
        return await hand_over(self, batch)

    drafted("approve", "1")
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "hand_over", hand_over_and_stop)
        ran = drafted("send", "1", "--set", "batch_size=1", code=130)
    assert ran.err == (
        "digest: stopped with 2 to go; `digest send 1` goes on from here; so does a `digest serve` that runs,"
        " unless you `digest pause 1`\n"
    )
    assert ran.out == "Issue 1 is sending: 1 of 3 copies accepted.\n"
    assert re.search(r"1 +sending +3 +2 +1 ", drafted("status").out)
    assert drafted("send", "1").out == "Issue 1 is sent: 3 of 3 copies accepted.\n"
    assert len(list(Path("outbox/new").iterdir())) == 3


def test_a_sending_says_who_was_skipped(drafted: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over = Outbox.hand_over

    async def hand_over_and_leave(self: Outbox, batch: Batch) -> Answer:
        with closing(open_store(Path("digest.db"))) as db:
            db.conn.execute("UPDATE subscribers SET state = 'unsubscribed' WHERE email = 'bea@example.org'")
        return await hand_over(self, batch)

    drafted("approve", "1")
    monkeypatch.setattr(Outbox, "hand_over", hand_over_and_leave)
    monkeypatch.setenv("DIGEST_SECRET_KEY", SECRET)
    assert drafted("send", "1", "--set", "batch_size=1").out.splitlines() == [
        "Issue 1 is sent: 2 of 3 copies accepted.",
        "  1 skipped: they left, paused or were suppressed, had nothing on their topics, or it was cancelled",
    ]


def test_the_demo_shows_the_week(digest: Run) -> None:
    words = digest("demo", "--dir", "tried").out
    assert "imported " in words
    assert "digest --db tried/digest.db status" in words
    data = digest("demo", "--dir", "tried", "--force", "--json").data
    assert data["status"]["issues"][0]["state"] == "sent"


def test_the_demo_asks_before_it_starts_afresh(digest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("digest-demo").mkdir()
    Path("digest-demo/digest.db").touch()
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"n\n")))
    ran = digest("demo", code=130)
    assert ran.err.endswith("digest: stopped\n")
    assert Path("digest-demo/digest.db").stat().st_size == 0


# Subscribers ---------------------------------------------------------------------------------------------------------


def test_subscribers_in_words(digest: Run) -> None:
    assert (
        digest("subscribers", "add", "ada@example.org", "--name", "Ada [x]").out == "ada@example.org is subscribed.\n"
    )
    assert digest("subscribers", "add", "ada@example.org").out == "ada@example.org is subscribed already.\n"
    assert digest("subscribers", "remove", "ada@example.org").out == "ada@example.org is unsubscribed.\n"
    assert digest("subscribers", "remove", "ada@example.org").out == "ada@example.org is unsubscribed already.\n"
    assert "--resubscribe" in digest("subscribers", "add", "ada@example.org", code=1).err
    assert "is subscribed" in digest("subscribers", "add", "ada@example.org", "--resubscribe").out
    assert "Nobody; " in digest("subscribers", "list", "--state", "pending").out


def test_an_import_reports_on_standard_error_and_exits_with_3(digest: Run) -> None:
    Path("list.csv").write_bytes(
        b"\xef\xbb\xbfemail,name,phone\nada@example.org,Ada,1\nbea\nADA@example.org\ncid@example.org,J\xfcrgen\n"
    )
    for done in ("would be ", ""):
        ran = digest("subscribers", "import", "list.csv", *(["--dry-run"] if done else []), code=3)
        assert ran.out == f"1 {done}added, 0 {done}updated, 0 unchanged, 2 bad, 1 duplicates, 0 kept out\n"
        unused, bea, cid, twice = ran.err.splitlines()
        assert unused == "digest: the column 'phone' is not used"
        assert bea.startswith("digest: list.csv:3: email: 'bea' is not an email address: ")
        assert bea.endswith("; this row stays out")
        assert cid == "digest: list.csv:5: is not UTF-8; save the file as UTF-8; this row stays out"
        assert twice == "digest: list.csv:4: ADA@example.org stands in line 2 already"
    assert [one["name"] for one in digest("subscribers", "list", "--json").data] == ["Ada"]


def test_subscribers_in_json(digest: Run) -> None:
    report = digest("subscribers", "import", "-", "--json", stdin=b"email\r\nada@example.org\r\nbea\r\n", code=3).data
    assert (report["added"], report["rejected"][0]["line"], report["rejected"][0]["field"]) == (1, 3, "email")
    assert digest("subscribers", "add", "cid@example.org", "--json").data["changed"] is True
    assert digest("subscribers", "remove", "cid@example.org", "--json").data["suppressed"] == "unsubscribed"
    listed = digest("subscribers", "list", "--json").data
    assert [one["email"] for one in listed] == ["ada@example.org", "cid@example.org"]
    assert digest("subscribers", "export", "--json").data == listed
    assert digest("subscribers", "list", "--json", "--search", "ada").data == listed[:1]
    assert digest("subscribers", "export", "--out", "out.csv", "--json").data == {"file": "out.csv", "subscribers": 2}
    assert Path("out.csv").read_text().count("\n") == 3


def test_an_export_can_be_imported(digest: Run) -> None:
    digest("subscribers", "add", "ada@example.org", "--name", "=Ada")
    digest("subscribers", "add", "bea@example.org")
    digest("subscribers", "remove", "bea@example.org")
    text = digest("subscribers", "export").out
    assert digest("subscribers", "export", "--out", "list.csv").out == "Wrote 2 subscribers to list.csv.\n"
    assert Path("list.csv").read_text() == text
    assert digest("--db", "b.db", "subscribers", "import", "-", stdin=text.encode()).out.startswith("2 added")
    audience = digest("--db", "b.db", "status", "--json").data["audience"]
    assert audience == {"active": 1, "pending": 0, "unsubscribed": 1, "suppressed": 0}
    assert digest("--db", "b.db", "subscribers", "list", "--json").data[0]["name"] == "=Ada"


def test_a_list_is_a_table_that_leaves_nothing_of_an_address_out(digest: Run) -> None:
    long = f"{'a' * 60}@{'b' * 60}.example.org"
    digest("subscribers", "add", long, "--name", "Ada of the very long name that goes on and on and on for ever")
    digest("subscribers", "add", "bea@example.org")
    with closing(open_store(Path("digest.db"))) as db:
        db.conn.execute(
            "INSERT INTO suppressions (email_key, reason, created_at) VALUES ('bea@example.org', 'hard bounce', '')"
        )
    ran = digest("subscribers", "list")
    assert long in "".join(line.split("  ")[0].strip() for line in ran.out.splitlines())
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    assert "suppressed (hard" in ran.out
    assert digest("subscribers", "list", "--limit", "1").err == "digest: these are the first 1; --limit shows more\n"


# The store -----------------------------------------------------------------------------------------------------------


def test_the_store_in_words(digest: Run) -> None:
    assert digest("db", "migrate").out == "Made the store digest.db.\n"
    assert digest("db", "migrate").out == "digest.db is up to date.\n"
    assert digest("db", "check").out == "digest.db is sound.\n"
    assert digest("db", "backup", "copy.db").out == "Backed up to copy.db (0.6 MB), opened and checked.\n"
    assert digest("--db", "copy.db", "db", "check").out == "copy.db is sound.\n"


def test_the_store_in_json(digest: Run) -> None:
    assert digest("db", "migrate", "--json").data == {
        "db": "digest.db", "made": True, "applied": [], "backup": None
    }  # fmt: skip
    assert digest("db", "check", "--json").data == {"db": "digest.db", "sound": True, "problems": []}
    backup = digest("db", "backup", "copy.db", "--json").data
    assert backup == {"db": "digest.db", "backup": "copy.db", "bytes": Path("copy.db").stat().st_size, "removed": []}


def test_a_store_that_is_not_sound_exits_with_1(digest: Run) -> None:
    digest("db", "migrate")
    with closing(sqlite3.connect("digest.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO votes VALUES (7, 'someone', 'ship', '')")
    ran = digest("db", "check", code=1)
    assert ran.out.startswith("WRONG: votes: ")
    assert len(digest("db", "check", "--json", code=1).data["problems"]) == 1


# The terminal, and other processes -----------------------------------------------------------------------------------


def test_long_work_shows_a_bar_on_a_terminal_and_nothing_of_it_stays(
    digest: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest("db", "migrate")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    moments = iter(range(0, 1_000_000, 2))
    monkeypatch.setattr("rich.progress.Progress", partial(Progress, get_time=lambda: float(next(moments))))
    ran = digest("db", "backup", "copy.db", "--json")
    assert "Copying pages" in ran.err
    assert "\x1b[2K" in ran.err
    assert re.search(COLOUR, ran.err)
    assert ran.data["backup"] == "copy.db"
    monkeypatch.setenv("NO_COLOR", "1")
    ran = digest("db", "backup", "again.db", "--json")
    assert "Copying pages" in ran.err
    assert not re.search(COLOUR, ran.err + digest("settings").out)


def started(*args: str, **environment: str) -> list[Any]:
    return [[sys.executable, "-m", "digest", *args], {**clean_environment(), **environment}]


def test_it_runs_as_a_module_in_an_empty_folder(tmp_path: Path) -> None:
    for args, code in ((("--help",), 0), (("status",), 1), (("nonsense",), 2), (("demo", "--json"), 0)):
        command, environment = started(*args, FORCE_COLOR="", TERM="xterm-256color")
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr


def test_it_stops_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    open_store(tmp_path / "digest.db", create=True).close()
    large = ("--set", f"list_id={'x' * 100_000}", "settings", "--json")
    for args in (large, ("subscribers", "export"), ("subscribers", "list"), ("--help",)):
        command, environment = started(*args, PYTHONUNBUFFERED="")
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=write, stderr=subprocess.PIPE, check=False)
        os.close(write)
        assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("command", [["import", "tools.json"], ["subscribers", "import", "readers.csv"]])
def test_a_dry_run_before_there_is_a_store_makes_none(digest: Run, command: list[str]) -> None:
    Path("readers.csv").write_text("email\nada@example.com\n")
    digest("--db", "none.db", *command, "--dry-run")
    assert not Path("none.db").exists()
