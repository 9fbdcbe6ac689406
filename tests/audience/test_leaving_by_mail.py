"""A mail with the token of a copy lets its reader leave; what a stranger could have written does nothing."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlite_utils import Database

from digest.audience import subscribers
from digest.audience.leaving_by_mail import Look, read_mailbox, take
from digest.errors import SettingsError
from digest.issue.envelope import envelope
from digest.mail import mailbox
from digest.mail.mailbox import DONE, MailboxError
from digest.settings import Settings
from digest.tokens import Signer
from imap_server import Mailbox, serving
from serving import dump

LINKS = Signer(b"k" * 32)
READER = "ada@example.com"


@pytest.fixture
def reader(db: Database, now: datetime) -> int:
    """Somebody who reads."""
    return subscribers.add(db, READER, now=now)[0].id


def token(reader: int, issue: int = 0) -> str:
    return LINKS.sign("copy", issue, reader)


def mail(subject: str, *headers: str, body: str = "", sender: str = f"Ada <{READER}>") -> bytes:
    lines = [f"From: {sender}", "To: leave@example.com", f"Subject: {subject}", *headers, "", body]
    return "\r\n".join(lines).encode()


def state(db: Database) -> str:
    return str(db.execute("SELECT state FROM subscribers WHERE email = ?", [READER]).fetchone()[0])


# The mail ----------------------------------------------------------------------------------------------------------


def test_the_subject_of_the_header_in_every_issue_lets_a_reader_leave(db: Database, reader: int, now: datetime) -> None:
    ours = Settings(unsubscribe_mailto="leave@example.com")
    header = envelope(3, ours).headers["List-Unsubscribe"].replace("[[digest:token]]", token(reader))
    subject = unquote(header.partition("?subject=")[2].partition(">")[0])
    assert take(db, mail(subject), LINKS, now=now) == "left"
    assert state(db) == "unsubscribed"
    (row,) = db["departures"].rows
    assert (row["subscriber"], row["way"]) == (reader, "mail")
    assert db.execute("SELECT reason FROM suppressions WHERE email_key = ?", [READER]).fetchone() == ("unsubscribed",)


@pytest.mark.parametrize(
    "subject",
    [
        "unsubscribe {}",
        "Unsubscribe {}",
        "UNSUBSCRIBE  {} ",
        "Fwd: unsubscribe {}",
        "unsubscribe: {}",
        "unsubscribe <{}>",
        "=?utf-8?q?unsubscribe_{}?=",
        "unsubscribe\r\n {}",
    ],
)
def test_mail_programs_write_the_subject_their_own_way(db: Database, reader: int, now: datetime, subject: str) -> None:
    assert take(db, mail(subject.format(token(reader))), LINKS, now=now) == "left"


def test_the_same_mail_again_changes_nothing(db: Database, reader: int, now: datetime) -> None:
    raw = mail(f"unsubscribe {token(reader)}")
    take(db, raw, LINKS, now=now)
    before = dump(db)
    assert take(db, raw, LINKS, now=now) == "again"
    assert dump(db) == before


def test_who_never_was_there_changes_nothing(db: Database, now: datetime) -> None:
    before = dump(db)
    assert take(db, mail(f"unsubscribe {token(77)}"), LINKS, now=now) == "again"
    assert dump(db) == before


def test_a_last_letter_goes_out_where_it_is_wanted(db: Database, reader: int, now: datetime) -> None:
    take(db, mail(f"unsubscribe {token(reader)}"), LINKS, now=now, goodbye=True)
    assert [row["kind"] for row in db["letters"].rows] == ["goodbye"]


def forged(reader: int) -> dict[str, str]:
    ours = token(reader)
    return {
        "cut": ours[:-1],
        "altered": ("B" if ours[0] == "A" else "A") + ours[1:],
        "of another key": Signer(b"x" * 32).sign("copy", 0, reader),
        "of another purpose": LINKS.sign("confirm", reader, reader),
    }


@pytest.mark.parametrize("kind", forged(1))
def test_a_forged_token_is_for_a_person_and_changes_nothing(
    db: Database, reader: int, now: datetime, kind: str
) -> None:
    before = dump(db)
    assert take(db, mail(f"unsubscribe {forged(reader)[kind]}"), LINKS, now=now) == "person"
    assert dump(db) == before


@pytest.mark.parametrize("subject", ["unsubscribe", "Please take me off", "", "unsubscribe me, ada@example.com"])
def test_a_from_line_proves_nothing(db: Database, reader: int, now: datetime, subject: str) -> None:
    before = dump(db)
    assert take(db, mail(subject, body="unsubscribe, please"), LINKS, now=now) == "person"
    assert dump(db) == before


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-replied (vacation)",
        "Auto-Submitted: auto-notified; owner-email=x",
        "Precedence: auto_reply",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="x"',
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=x",
    ],
)
def test_an_answer_that_no_person_wrote_takes_nobody_off(db: Database, reader: int, now: datetime, header: str) -> None:
    before = dump(db)
    assert take(db, mail(f"Re: unsubscribe {token(reader)}", header), LINKS, now=now) == "machine"
    assert dump(db) == before


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-generated",
        "Precedence: bulk",
        "Precedence: junk",
        "Return-Path: <>",
        "Content-Type: multipart/report; report-type=feedback-report; boundary=x",
    ],
)
def test_what_a_mailbox_provider_writes_in_a_readers_name_counts_by_its_token(
    db: Database, reader: int, now: datetime, header: str
) -> None:
    assert take(db, mail("Weekly digest", header), LINKS, now=now) == "machine"
    assert state(db) == "active"
    assert take(db, mail(f"unsubscribe {token(reader)}", header), LINKS, now=now) == "left"


@given(
    raw=st.binary(max_size=400),
    head=st.sampled_from([b"", b"Subject: unsubscribe ", b"Content-Type: multipart/report"]),
)
def test_no_bytes_break_it(raw: bytes, head: bytes) -> None:
    store = Database(memory=True)
    try:
        assert take(store, head + raw, LINKS, now=datetime.now().astimezone()) in ("machine", "person")
    finally:
        store.conn.close()


@pytest.mark.parametrize(
    "subject",
    ["=?utf-8?b?////?=", "=?klingon?q?unsubscribe?=", "=?utf-8?q?=FF=FE?=", "\x00\x01", "ü" * 1000, "a" * 100_000],
)
def test_a_broken_subject_is_for_a_person(db: Database, now: datetime, subject: str) -> None:
    assert take(db, mail(subject), LINKS, now=now) == "person"


# The mailbox -------------------------------------------------------------------------------------------------------


def look(
    db: Database, port: int, now: datetime, *, password: str = "secret", scheme: str = "imap", path: str = ""
) -> Look:
    address = f"{scheme}://leave@127.0.0.1:{port}{path}"
    ours = Settings(unsubscribe_imap=address, unsubscribe_imap_password=SecretStr(password))
    return read_mailbox(db, ours, LINKS, now=now)


@pytest.mark.parametrize("move", [True, False], ids=["with MOVE", "without it"])
def test_new_mails_are_taken_in_and_put_away(db: Database, reader: int, now: datetime, move: bool) -> None:
    box = Mailbox(move=move)
    box.deliver(mail(f"unsubscribe {token(reader)}"))
    box.deliver(mail("Please take me off", sender="Bob <bob@example.com>"))
    box.deliver(mail("Out of office", "Auto-Submitted: auto-replied"))
    with serving(box) as port:
        found = look(db, port, now)
        assert found.counts == {"left": 1, "person": 1, "machine": 1}
        assert found.strangers == ["Bob <bob@example.com>"]
        assert state(db) == "unsubscribed"
        assert box.subjects() == ["Please take me off"]
        assert box.subjects(DONE) == [f"unsubscribe {token(reader)}", "Out of office"]
        assert [mail.flags for mail in box.folders["INBOX"]] == [{r"\Flagged"}]
        assert [mail.flags for mail in box.folders[DONE]] == [{r"\Seen"}, {r"\Seen"}]
        before = dump(db)
        assert look(db, port, now) == Look()
        assert dump(db) == before


def test_a_mail_that_could_not_be_put_away_is_not_taken_twice(db: Database, reader: int, now: datetime) -> None:
    box = Mailbox(create=False)
    box.deliver(mail(f"unsubscribe {token(reader)}"))
    with serving(box) as port:
        assert look(db, port, now).counts == {"left": 1}
        assert [mail.flags for mail in box.folders["INBOX"]] == [{r"\Seen"}]
        assert look(db, port, now) == Look()


def test_a_poll_that_broke_off_is_done_again(db: Database, reader: int, now: datetime) -> None:
    box = Mailbox()
    box.deliver(mail(f"unsubscribe {token(reader)}"))
    box.fails = {"UID STORE", "UID MOVE"}
    with serving(box) as port:
        with pytest.raises(MailboxError, match="cannot be read"):
            look(db, port, now)
        assert state(db) == "unsubscribed"
        box.fails = set()
        assert look(db, port, now).counts == {"again": 1}
        assert box.subjects(DONE) == [f"unsubscribe {token(reader)}"]


def test_what_somebody_marked_to_delete_is_left_to_them(db: Database, reader: int, now: datetime) -> None:
    box = Mailbox()
    box.deliver(mail("mine")).flags = {r"\Deleted", r"\Seen"}
    box.deliver(mail(f"unsubscribe {token(reader)}"))
    with serving(box) as port:
        look(db, port, now)
    assert box.subjects() == ["mine"]


def test_another_folder_may_be_named(db: Database, reader: int, now: datetime) -> None:
    box = Mailbox()
    box.folders["Our leavers"] = []
    box.deliver(mail(f"unsubscribe {token(reader)}"), "Our leavers")
    with serving(box) as port:
        assert look(db, port, now, path="/Our%20leavers").counts == {"left": 1}
        with pytest.raises(MailboxError, match="NONEXISTENT"):
            look(db, port, now, path="/Nowhere")


def test_a_wrong_password_is_told_and_not_shown(db: Database, now: datetime) -> None:
    with serving(Mailbox()) as port, pytest.raises(MailboxError) as caught:
        look(db, port, now, password="wr0ng")
    assert str(caught.value) == (
        "the mailbox leave at 127.0.0.1 refuses the name or the password; see unsubscribe_imap_password"
    )


def test_a_server_that_is_not_there_is_told(db: Database, now: datetime) -> None:
    with serving(Mailbox()) as port:
        pass
    with pytest.raises(MailboxError, match="cannot be reached"):
        look(db, port, now)


def test_without_a_mailbox_it_says_what_to_set(db: Database, settings: Settings, now: datetime) -> None:
    with pytest.raises(SettingsError, match="set unsubscribe_imap"):
        read_mailbox(db, settings, LINKS, now=now)


def test_a_certificate_of_nobody_known_is_refused(
    db: Database, reader: int, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    openssl = shutil.which("openssl")
    assert openssl, "this test needs the openssl command (Debian: apt-get install openssl)"
    made = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
    ]
    made += [
        "-subj",
        "/CN=Tests",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    box = Mailbox()
    box.deliver(mail(f"unsubscribe {token(reader)}"))
    with serving(box, context) as port:
        with pytest.raises(MailboxError, match="CERTIFICATE_VERIFY_FAILED"):
            look(db, port, now, scheme="imaps")
        assert "LOGIN" not in box.commands
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert look(db, port, now, scheme="imaps").counts == {"left": 1}


def test_a_password_never_goes_out_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    for name in ("MailBox", "MailBoxStartTls", "MailBoxUnencrypted"):
        monkeypatch.setattr(mailbox, name, lambda *_, name=name, **__: opened.append(name))
    for scheme, host in (("imaps", "mail.example.com"), ("imap", "mail.example.com"), ("imap", "localhost")):
        mailbox._connected(scheme, host, None)
    assert opened == ["MailBox", "MailBoxStartTls", "MailBoxUnencrypted"]
