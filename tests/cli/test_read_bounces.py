"""`digest subscribers read-bounces`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import test_command_line
from test_command_line import Run

from conftest import import_sample
from digest import times
from digest.audience import subscribers
from digest.issue import issues
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import open_store
from imap_server import Mailbox, serving

digest = test_command_line.digest


def bounce(name: str, whose: str) -> bytes:
    return (
        f"From: MAILER-DAEMON <{whose}>\nReturn-Path: <>\nSubject: It came back\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\n"
        "Final-Recipient: rfc822; ada@example.com\nAction: failed\nStatus: 5.1.1\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{name}@example.com>\n\n--b--\n"
    ).encode()


def test_bounces_are_read(digest: Run) -> None:
    with closing(open_store(Path("digest.db"), create=True)) as db:
        now, ours = times.now(), Settings(postal_address="1 Sample Street, 10115 Berlin")
        import_sample(db, ours, now)
        reader = subscribers.add(db, "ada@example.com", now=now)[0].id
        issues.draft(db, ours, now=now)
        issues.freeze(db, ours, 1, now=now)
        ledger.freeze_audience(db, 1, now=now)
        nonce = db.execute("SELECT nonce FROM issues").fetchone()[0]
        name = Signers.of(db, ours, now=now).messages.salted(nonce).sign("message", 1, reader)
    box = Mailbox()
    box.deliver(bounce(name, "a@example.com"))
    box.deliver(bounce("x", "eve@example.com"))
    Path("password").write_text("secret\n")
    with serving(box) as port:
        address = f"bounce_imap=imap://leave@127.0.0.1:{port}"
        asked = ("subscribers", "read-bounces", "--set", address, "--set", "bounce_imap_password_file=password")
        assert digest(*asked, "--json").data == {
            "told": 1, "nothing": 0, "machine": 0, "person": 1,
            "words": {"bounced hard": 1}, "strangers": ["MAILER-DAEMON <eve@example.com>"],
        }  # fmt: skip
        assert digest(*asked).out == "0 told of copies; 0 said nothing of note, 0 were written by machines.\n"
        box.deliver(bounce(name, "a@example.com"))
        box.deliver(bounce("y", "eve@example.com"))
        out = digest(*asked).out
    assert out.startswith("1 told of copies (1 bounced hard); 0 said nothing of note")
    assert "1 are for a person to read, flagged in the mailbox:\n  MAILER-DAEMON <eve@example.com>\n" in out
    assert "set bounce_imap" in digest("subscribers", "read-bounces", code=1).err
