"""`digest letters send` and `waiting`, `digest subscribers read-mail`, and what `digest status` says of letters."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import test_command_line
from test_command_line import Run

from digest import times
from digest.audience import letterbox, subscribers
from digest.audience.addresses import read_address
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from imap_server import Mailbox, serving

digest = test_command_line.digest


@pytest.fixture
def posted(digest: Run) -> Run:
    """The command, in a folder with a store in which a letter waits."""
    with closing(open_store(Path("digest.db"), create=True)) as db:
        reader = subscribers.add(db, "ada@example.com", now=times.now())[0].id
        db.execute("UPDATE subscribers SET state = 'pending'")
        letterbox.post(db, "confirm", read_address("ada@example.com"), subscriber=reader, now=times.now())
    return digest


def test_letters_are_mailed(posted: Run) -> None:
    (letter,) = posted("letters", "waiting", "--json").data
    assert (letter["kind"], letter["email"], letter["state"]) == ("confirm", "ada@example.com", "queued")
    assert posted("letters", "send", "--json").data == {
        "sent": 1,
        "failed": 0,
        "dropped": 0,
        "queued": 0,
        "uncertain": 0,
    }
    assert len(list(Path("outbox/new").iterdir())) == 1
    assert posted("letters", "waiting").out == "No letter waits.\n"
    assert posted("letters", "send").out.startswith("0 letters mailed")


def test_what_keeps_them_is_said(posted: Run) -> None:
    broken = ("--set", "letters_provider=resend")
    assert "1 are for later" in posted("letters", "send", *broken, code=3).out
    assert "Letters: 1 queued, 0 uncertain, 0 failed" in posted("status").out
    waiting = posted("letters", "waiting").out
    assert "ada@example.com" in waiting
    assert "queued" in waiting


def test_a_folder_and_a_subcommand_do_not_go_together(posted: Run) -> None:
    posted("letters", "--out", "x", "send", code=2)
    assert not Path("x").exists()


def test_mails_of_leavers_are_read(posted: Run) -> None:
    with closing(open_store(Path("digest.db"))) as db:
        token = Signers.of(db, Settings(), now=times.now()).links.sign("copy", 0, 1)
    box = Mailbox()
    box.deliver(f"From: ada@example.com\nSubject: unsubscribe {token}\n\n".encode())
    box.deliver(b"From: Eve <eve@example.com>\nSubject: take me off\n\n")
    Path("password").write_text("secret\n")
    with serving(box) as port:
        address = f"unsubscribe_imap=imap://leave@127.0.0.1:{port}"
        asked = ("subscribers", "read-mail", "--set", address, "--set", "unsubscribe_imap_password_file=password")
        assert posted(*asked, "--json").data == {
            "left": 1, "again": 0, "machine": 0, "person": 1, "strangers": ["Eve <eve@example.com>"],
        }  # fmt: skip
        assert posted(*asked).out.startswith("0 left; 0 had left already")
    assert posted("status", "--json").data["audience"]["unsubscribed"] == 1
    assert "set unsubscribe_imap" in posted("subscribers", "read-mail", code=1).err
