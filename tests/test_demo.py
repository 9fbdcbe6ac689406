"""The demo, as a newcomer runs it from the checkout. From the wheel: tests/deploy/test_image.py."""

from __future__ import annotations

import email
import email.policy
import json
import mailbox
import os
import pty
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

import pytest

from digest.demo import SUBSCRIBERS, people

CHECKOUT = Path(__file__).parents[1]
HEADERS = ("Date", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID")


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing configured and no terminal."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "digest", "demo", *options], folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo was run."""
    folder = tmp_path_factory.mktemp("demo")
    done = demo(folder)
    assert done.returncode == 0, done.stderr
    return folder / "digest-demo"


def mailable(store: Path) -> set[str]:
    """Ask the store who should have been mailed, with a query of our own."""
    connection = sqlite3.connect(store)
    rows = connection.execute(
        "SELECT email FROM subscribers WHERE state = 'active' AND email_key NOT IN (SELECT email_key FROM suppressions)"
    ).fetchall()
    connection.close()
    return {row[0] for row in rows}


def test_each_reader_who_may_be_mailed_has_one_sound_message_and_nobody_else(made: Path) -> None:
    box = mailbox.Maildir(made / "outbox", create=False)
    addresses, ways_out, identities = [], set(), set()
    for key in box.iterkeys():
        mail = email.message_from_bytes(box.get_bytes(key), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        assert [*mail.defects, *(defect for name in mail for defect in mail[name].defects)] == []
        assert all(part.defects == [] for part in mail.walk())
        assert [name for name in HEADERS if not mail[name]] == []
        way_out = mail["List-Unsubscribe"].strip("<>")
        for kind in ("plain", "html"):
            body = mail.get_body((kind,))
            assert body is not None
            assert way_out in body.get_content()
        addresses.append(mail["To"].addresses[0].addr_spec.encode("ascii").decode("idna").casefold())
        ways_out.add(way_out)
        identities.add(mail["Message-ID"])
    wanted = {address.casefold() for address in mailable(made / "digest.db")}
    assert len(addresses) == len(wanted) > 900
    assert len(ways_out) == len(identities) == len(wanted)
    assert len(set(addresses)) == len(wanted)


def test_the_made_up_readers_are_a_thousand_and_some_must_not_be_mailed(made: Path) -> None:
    done = run([sys.executable, "-m", "digest", "--db", made / "digest.db", "status", "--json"], made)
    status = json.loads(done.stdout)
    assert sum(status["audience"].values()) == SUBSCRIBERS
    assert all(count > 5 for count in status["audience"].values())
    (issue,) = status["issues"]
    assert issue["state"] == "sent"
    assert issue["accepted"] == issue["audience"] == status["audience"]["active"]


def test_the_issue_lies_there_to_look_at(made: Path) -> None:
    files = {path.name: path.stat().st_size for path in (made / "issue").iterdir()}
    assert sorted(files) == ["issue.eml", "issue.html", "issue.mjml", "issue.txt"]
    assert min(files.values()) > 1000


def test_the_summary_says_what_was_made_and_what_to_try(tmp_path: Path) -> None:
    shown = demo(tmp_path).stdout
    for word in (
        "imported",
        "subscribed",
        "drafted",
        "approved",
        "sent",
        "issue/issue.html",
        "outbox/",
        "--help",
    ):
        assert word in shown


def test_away_from_a_terminal_it_starts_afresh(tmp_path: Path) -> None:
    assert demo(tmp_path).returncode == 0
    (tmp_path / "digest-demo" / "outbox" / "new" / "old").write_text("from before")
    assert demo(tmp_path, "--json").returncode == 0
    assert not (tmp_path / "digest-demo" / "outbox" / "new" / "old").exists()


def test_on_a_terminal_it_asks_first(tmp_path: Path) -> None:
    assert demo(tmp_path).returncode == 0
    marker = tmp_path / "digest-demo" / "outbox" / "new" / "old"
    marker.write_text("from before")
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "digest", "demo"],
        cwd=tmp_path,
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(follower)
    os.write(leader, b"n\n")
    _, said = process.communicate(timeout=60)
    os.close(leader)
    assert "Start afresh?" in said
    assert process.returncode == 130
    assert marker.exists()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "digest-demo").mkdir()
    thesis = tmp_path / "digest-demo" / "thesis.txt"
    thesis.write_text("years of work")
    done = demo(tmp_path, "--force")
    assert done.returncode == 1
    assert "was not made by a demo" in done.stderr
    assert thesis.read_text() == "years of work"


def test_the_made_up_addresses_are_odd_but_different() -> None:
    rows = list(people(SUBSCRIBERS))
    assert len({email for email, _, _ in rows}) == SUBSCRIBERS
    assert any("'" in email and "+" in email for email, _, _ in rows)
    assert any(not email.isascii() for email, _, _ in rows)
    assert rows == list(people(SUBSCRIBERS))


def test_a_real_newsletter_is_no_demo_though_its_files_have_the_same_names(tmp_path: Path) -> None:
    subscribed = run([sys.executable, "-m", "digest", "subscribers", "add", "ada@example.com"], tmp_path)
    assert subscribed.returncode == 0
    done = demo(tmp_path, "--dir", ".", "--force")
    assert done.returncode == 1
    assert "ada@example.com" in run([sys.executable, "-m", "digest", "subscribers", "list"], tmp_path).stdout
