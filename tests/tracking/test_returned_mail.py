"""What comes back by mail: reports as several servers write them, and what of them is believed."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlite_utils import Database

from conftest import memory_store
from digest.audience import subscribers
from digest.errors import SettingsError
from digest.issue import issues
from digest.mail.mailbox import DONE, MailboxError
from digest.providers.hooks.fields import UNTOLD
from digest.providers.hooks.interface import Told
from digest.sending import ledger
from digest.sending.copies import Signers
from digest.settings import Settings
from digest.store import writing
from digest.tokens import Signer
from digest.tracking.bounce_mails import Look, read_bounces, take
from digest.tracking.returned_mail import is_hard, read_returned
from digest.web import scheduling
from imap_server import Mailbox, serving
from serving import Clock, dump, served

SIGNERS = Signers(links=Signer(b"k" * 32), messages=Signer(b"m" * 32))
ADA = "ada@example.net"
NAME, LINK = "AAAAKgAAAAfNameOfAdaName", "AAAAKgAAAAfLinkOfAdaLink"
DATE = "Thu, 26 Nov 2026 09:30:00 +0100"
AT = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)


def copy_of(name: str = NAME, link: str | None = None) -> str:
    """The headers of a copy, as a report brings them back."""
    ways_out = (
        f"List-Unsubscribe: <https://verdicts.example.com/u/{link}>, <mailto:leave@example.com>\n" if link else ""
    )
    return (
        "Return-Path: <bounces@example.com>\n"
        "From: Weekly Verdicts <weekly@example.com>\n"
        f"To: {ADA}\n"
        "Subject: Two editors compared\n"
        f"Message-ID: <{name}@verdicts.example.com>\n{ways_out}"
    )


def report(status: str, returned: str, *, kind: str = "delivery-status", head: str = "", form: str = "rfc822") -> bytes:
    """A report: words for people, what a program reads, and what is returned of the copy."""
    returned_as = "text/rfc822-headers" if form == "headers" else f"message/{form}"
    return (
        "Return-Path: <>\n"
        "From: MAILER-DAEMON@mx.example.net (Mail Delivery System)\n"
        f"To: bounces@example.com\nDate: {DATE}\nSubject: It could not be delivered\nMIME-Version: 1.0\n{head}"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b1"\n\n'
        "This is for those who cannot read it as a report.\n"
        "--b1\nContent-Type: text/plain; charset=utf-8\n\nYour mail could not be delivered. 550 5.1.1\n\n"
        f"--b1\nContent-Type: message/{kind}\n\n{status}\n"
        f"--b1\nContent-Type: {returned_as}\n\n{returned}\n--b1--\n"
    ).encode()


def postfix(name: str = NAME, address: str = ADA, *, code: str = "5.1.1", action: str = "failed") -> bytes:
    status = (
        "Reporting-MTA: dns; mail.example.com\n"
        "X-Postfix-Queue-ID: 4Qx1Yz3abc\n"
        "X-Postfix-Sender: rfc822; bounces@example.com\n"
        "Arrival-Date: Thu, 26 Nov 2026 09:29:58 +0100 (CET)\n\n"
        f"Final-Recipient: rfc822; {address}\n"
        f"Original-Recipient: rfc822;{address}\n"
        f"Action: {action}\n"
        f"Status: {code}\n"
        "Remote-MTA: dns; mx.example.net\n"
        f"Diagnostic-Code: smtp; {code[0]}50 {code} <{address}>: Recipient address rejected:\n    nobody of that name\n"
    )
    return report(status, copy_of(name), form="headers")


def exim(name: str = NAME) -> bytes:
    status = (
        "Reporting-MTA: dns; mx.example.net\n\n"
        "Action: failed\n"
        f"Final-Recipient: rfc822;{ADA}\n"
        "Status: 5.0.0\n"
        "Remote-MTA: dns; inner.example.net\n"
        "Diagnostic-Code: smtp; 550 No Such User Here\n"
    )
    return report(status, copy_of(name), head=f"X-Failed-Recipients: {ADA}\nAuto-Submitted: auto-replied\n")


def old_exim(name: str = NAME, link: str | None = None) -> bytes:
    return (
        f"Return-path: <>\nX-Failed-Recipients: {ADA}\nAuto-Submitted: auto-replied\n"
        f"From: Mail Delivery System <Mailer-Daemon@mx.example.net>\nTo: bounces@example.com\nDate: {DATE}\n"
        "Subject: Mail delivery failed: returning message to sender\n\n"
        "This message was made by mail delivery software. A message that you sent could not be\n"
        "delivered to one or more of its recipients. This is a permanent error:\n\n"
        f"  {ADA}\n"
        "    SMTP error from remote mail server after RCPT TO:\n"
        "    host inner.example.net [203.0.113.9]: 550 5.1.1 nobody of that name\n\n"
        "------ This is a copy of the message's headers. ------\n\n" + copy_of(name, link)
    ).encode()


def exchange(name: str = NAME) -> bytes:
    status = (
        "Reporting-MTA: dns;AM9PR01MB0001.eurprd01.prod.example.com\n"
        "Received-From-MTA: dns;mail.example.com\n"
        "Arrival-Date: Thu, 26 Nov 2026 08:29:59 +0000\n\n"
        f"Final-Recipient: rfc822;{ADA}\n"
        "Action: failed\n"
        "Status: 5.1.10\n"
        "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup\n"
        "X-Display-Name: Ada\n"
    )
    return report(status, copy_of(name) + "\nThe mail itself.\n", head=f"In-Reply-To: <{name}@verdicts.example.com>\n")


def gmail(name: str = NAME, *, action: str = "failed", code: str = "5.1.1") -> bytes:
    status = (
        "Reporting-MTA: dns; googlemail.com\n"
        "Received-From-MTA: dns; weekly@example.com\n"
        "Arrival-Date: Thu, 26 Nov 2026 00:29:58 -0800 (PST)\n"
        f"X-Original-Message-ID: <{name}@verdicts.example.com>\n\n"
        f"Final-Recipient: rfc822; {ADA}\n"
        f"Action: {action}\n"
        f"Status: {code}\n"
        "Remote-MTA: dns; mx.example.net. (203.0.113.9, the server for the domain example.net.)\n"
        f"Diagnostic-Code: smtp; {code[0]}50-{code} The account does not exist.\n"
        f" {code[0]}50 {code} Look at the spelling. abc123 - gsmtp\n"
        "Last-Attempt-Date: Thu, 26 Nov 2026 00:30:00 -0800 (PST)\n"
    )
    head = f"References: <{name}@verdicts.example.com>\nIn-Reply-To: <{name}@verdicts.example.com>\n"
    return report(status, copy_of(name), head=f"{head}X-Failed-Recipients: {ADA}\nAuto-Submitted: auto-replied\n")


def complaint(name: str = NAME, kind: str = "abuse", address: str = "redacted@example.net") -> bytes:
    about = (
        f"Feedback-Type: {kind}\nUser-Agent: Feedback/1.0\nVersion: 1\nOriginal-Mail-From: <bounces@example.com>\n"
        f"Original-Rcpt-To: <{address}>\nArrival-Date: Thu, 26 Nov 2026 09:29:58 +0100\nSource-IP: 203.0.113.5\n"
    )
    return report(about, copy_of(name), kind="feedback-report")


def told_of(raw: bytes) -> Told:
    found = read_returned(raw)
    assert found is not None
    (told,) = found
    return told


# Reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code", "words"),
    [
        (postfix(), "5.1.1", f"550 5.1.1 <{ADA}>: Recipient address rejected: nobody of that name"),
        (exim(), "550", "550 No Such User Here"),
        (old_exim(), "5.1.1", "host inner.example.net [203.0.113.9]: 550 5.1.1 nobody of that name"),
        (exchange(), "5.1.10",
         "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
        (gmail(), "5.1.1",
         "550-5.1.1 The account does not exist. 550 5.1.1 Look at the spelling. abc123 - gsmtp"),
    ],
    ids=["Postfix", "Exim", "an older Exim", "Exchange", "Gmail"],
)  # fmt: skip
def test_each_servers_report_is_read(raw: bytes, code: str, words: str) -> None:
    for written in (raw, raw.replace(b"\n", b"\r\n")):
        assert told_of(written) == Told("bounced", AT, name=NAME, address=ADA, hard=True, code=code, words=words)


@pytest.mark.parametrize(
    ("raw", "word", "hard"),
    [
        (postfix(code="4.2.2"), "bounced", False),
        (postfix(code="4.4.1", action="delayed"), "deferred", False),
        (gmail(code="4.4.1", action="delayed"), "deferred", False),
        (postfix(code="2.1.5", action="delivered"), "delivered", False),
        (postfix(action="Failed (no more tries)"), "bounced", True),
    ],
)
def test_what_was_done_says_what_happened(raw: bytes, word: str, hard: bool) -> None:
    told = told_of(raw)
    assert (told.word, told.hard) == (word, hard)


@pytest.mark.parametrize("action", ["relayed", "expanded", "teleported", ""])
def test_an_action_that_says_nothing_of_its_end_tells_nothing(action: str) -> None:
    assert read_returned(postfix(action=action)) == ()


@pytest.mark.parametrize(
    "code", ["5.0.0", "5.1.0", "5.1.1", "5.1.2", "5.1.10", "5.2.0", "5.2.1", "5.4.1", "5.4.4", "550"]
)
def test_codes_that_speak_of_the_address_are_hard(code: str) -> None:
    assert is_hard(code)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "4.1.1",
        "450",
        "5.2.2",
        "5.2.3",
        "5.3.0",
        "5.3.4",
        "5.4.6",
        "5.4.7",
        "5.4.14",
        "5.5.2",
        "5.6.1",
        "5.7.1",
        "5.7.26",
    ],
)
def test_codes_that_speak_of_this_one_mail_are_not(code: str) -> None:
    assert not is_hard(code)


def test_one_report_may_tell_of_several_addresses() -> None:
    status = (
        "Reporting-MTA: dns; a\n\n"
        "Final-Recipient: rfc822; one@example.net\nAction: failed\nStatus: 5.1.1\n\n"
        "Final-Recipient: rfc822; two@example.net\nAction: delayed\nStatus: 4.4.1 (no answer)\n"
    )
    found = read_returned(report(status, copy_of()))
    assert found is not None
    assert [(told.word, told.address, told.code, told.words) for told in found] == [
        ("bounced", "one@example.net", "5.1.1", "5.1.1"),
        ("deferred", "two@example.net", "4.4.1", "4.4.1 (no answer)"),
    ]


def test_reports_in_other_alphabets_are_read() -> None:
    status = (
        "Reporting-MTA: dns; a\n\n"
        "Final-Recipient: utf-8; jürgen@example.net\nAction: failed\nStatus: 5.1.1\n\n"
        f"Final-Recipient: rfc822; {ADA}\nAction: failed\nStatus: 5.1.2\n"
    )
    raw = report(status, copy_of(), form="global-headers").replace(
        b"message/delivery-status", b"message/global-delivery-status"
    )
    found = read_returned(raw)
    assert found is not None
    assert [(told.code, told.name) for told in found] == [("5.1.1", NAME), ("5.1.2", NAME)]
    assert found[1].address == ADA


@pytest.mark.parametrize(
    ("raw", "name", "copy"),
    [
        # The copy's own name as another server gave it: then what the report answers.
        (exchange().replace(b"Message-ID: <" + NAME.encode(), b"Message-ID: <another"), NAME, None),
        (report(f"Original-Envelope-Id: {'a1' * 16}.{NAME}\n\nAction: failed\n", "Subject: none\n"), NAME, None),
        (report("R: x\n\nAction: failed\n", copy_of("another", LINK)), None, LINK),
        (report("R: x\n\nAction: failed\n", "", head=f"Delivered-To: bounce+{LINK}@example.com\n"), None, LINK),
        (old_exim("another", LINK), None, LINK),
        (report("R: x\n\nAction: failed\n", copy_of("short")), None, None),
        (report(f"Original-Envelope-Id: {'a1' * 15}.{NAME}\n\nAction: failed\n", ""), None, None),
    ],
)
def test_the_tokens_of_a_copy_are_found_where_they_come_back(raw: bytes, name: str | None, copy: str | None) -> None:
    told = told_of(raw)
    assert (told.name, told.copy, told.batch) == (name, copy, None)


@pytest.mark.parametrize(
    ("kind", "word"), [("abuse", "complained"), ("fraud", "complained"), ("opt-out", "unsubscribed")]
)
def test_a_complaint_is_read(kind: str, word: str) -> None:
    assert told_of(complaint(kind=kind)) == Told(word, AT, name=NAME, address="redacted@example.net")  # type: ignore[arg-type]


def test_a_complaint_that_is_none() -> None:
    for kind in ("not-spam", "virus", "auth-failure"):
        assert read_returned(complaint(kind=kind)) == ()
    for kind in ("whim", ""):
        assert read_returned(complaint(kind=kind)) is None


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Nov 2026 99:00:00 +9999", "Thu, 1 Jan 1970 00:00:00 +0000"])
def test_an_absurd_date_is_untold(date: str) -> None:
    assert told_of(exim().replace(DATE.encode(), date.encode())).at == UNTOLD


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"From: ada@example.net\nSubject: Hello\n\nI like it. Message-ID: <x@y>\n",
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=x\n\n--x--\n",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x--\n",
    ],
)
def test_other_mails_are_no_reports(raw: bytes) -> None:
    assert read_returned(raw) is None


# Working -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(settings: Settings) -> Settings:
    own = {"bounce_imap": "imap://leave@127.0.0.1/INBOX", "bounce_imap_password": SecretStr("secret")}
    return Settings(**{**settings.model_dump(), **own})


@pytest.fixture
def ada(sample: Database, settings: Settings, now: datetime) -> int:
    """A reader whom issue 1 is being sent to, and others beside her."""
    for email in (ADA, "bob@example.net"):
        subscribers.add(sample, email, now=now)
    issues.draft(sample, settings, now=now)
    issues.freeze(sample, settings, 1, now=now)
    ledger.freeze_audience(sample, 1, now=now)
    return subscribers.find_subscriber(sample, ADA).id


def name_of(db: Database, reader: int, issue: int = 1) -> str:
    nonce = db.execute("SELECT nonce FROM issues WHERE number = 1").fetchone()[0]
    return SIGNERS.messages.salted(nonce).sign("message", issue, reader)


def suppressed(db: Database) -> dict[str, str]:
    return {row["email_key"]: row["reason"] for row in db["suppressions"].rows}


def events(db: Database) -> list[tuple[int, int, str]]:
    return db.execute("SELECT subscriber, kind, key FROM events ORDER BY subscriber, kind, key").fetchall()


def test_a_hard_bounce_suppresses_its_reader_and_nobody_else(
    sample: Database, settings: Settings, ada: int, now: datetime
) -> None:
    became, told = take(sample, postfix(name_of(sample, ada)), settings, SIGNERS, now=now)
    assert (became, [one.word for one in told]) == ("told", ["bounced"])
    assert suppressed(sample) == {ADA: "hard bounce"}
    assert events(sample) == [(ada, 3, "hard")]
    assert {tuple(row.values())[1:] for row in sample["hook_counts"].rows} == {("mail", "taken", 1), ("mail", "new", 1)}


def test_a_complaint_suppresses_though_its_address_is_blotted_out(
    sample: Database, settings: Settings, ada: int, now: datetime
) -> None:
    assert take(sample, complaint(name_of(sample, ada)), settings, SIGNERS, now=now)[0] == "told"
    assert suppressed(sample) == {ADA: "complaint"}


def test_delays_and_soft_bounces_suppress_nobody(sample: Database, settings: Settings, ada: int, now: datetime) -> None:
    for raw in (
        postfix(name_of(sample, ada), code="4.2.2"),
        postfix(name_of(sample, ada), code="5.7.1"),
        gmail(name_of(sample, ada), action="delayed", code="4.4.1"),
    ):
        assert take(sample, raw, settings, SIGNERS, now=now)[0] == "told"
    assert suppressed(sample) == {}
    assert events(sample) == [(ada, 1, ""), (ada, 3, "soft")]


def test_the_same_mails_in_any_order_come_to_the_same(
    sample: Database, settings: Settings, ada: int, now: datetime
) -> None:
    mails = [postfix(name_of(sample, ada)), complaint(name_of(sample, ada)), gmail(name_of(sample, ada))]
    for raw in mails:
        take(sample, raw, settings, SIGNERS, now=now)
    before = dump(sample, but=("hook_counts",))
    for raw in [*reversed(mails), *mails]:
        take(sample, raw, settings, SIGNERS, now=now)
    assert dump(sample, but=("hook_counts",)) == before


def test_without_a_token_of_ours_a_report_proves_nothing(
    sample: Database, settings: Settings, ada: int, now: datetime
) -> None:
    ours = name_of(sample, ada)
    forged = {
        "none": "x",
        "altered": ours[:-1] + ("A" if ours[-1] != "A" else "B"),
        "of another key": Signer(b"x" * 32).sign("message", 1, ada),
        "without the issue's nonce": SIGNERS.messages.sign("message", 1, ada),
        "of another issue": name_of(sample, ada, issue=2),
        "of another purpose": SIGNERS.links.sign("track", 1, ada),
    }
    before = dump(sample, but=("hook_counts",))
    for what, name in forged.items():
        for raw in (postfix(name), complaint(name, address=ADA), old_exim(name)):
            assert take(sample, raw, settings, SIGNERS, now=now) == ("person", []), what
    assert dump(sample, but=("hook_counts",)) == before
    assert [tuple(row.values())[1:] for row in sample["hook_counts"].rows] == [("mail", "refused: no token", 18)]


def test_a_reader_cannot_have_another_one_suppressed(
    sample: Database, settings: Settings, ada: int, now: datetime
) -> None:
    """Bob forges reports of his own copy that name Ada."""
    bob = subscribers.find_subscriber(sample, "bob@example.net").id
    for raw in (postfix(name_of(sample, bob), ADA), complaint(name_of(sample, bob), address=ADA)):
        take(sample, raw, settings, SIGNERS, now=now)
    assert suppressed(sample) == {"bob@example.net": "complaint"}
    assert events(sample) == [(bob, 3, "soft"), (bob, 4, "")]


def test_the_batch_in_an_envelope_id_proves_nothing(
    sample: Database, settings: Settings, ada: int, now: datetime
) -> None:
    batch = ledger.claim_batch(sample, 1, size=10, provider="smtp", account="here", worker=1, after=0, now=now)
    assert batch is not None
    key = sample.execute("SELECT idempotency_key FROM batches").fetchone()[0]
    status = f"Original-Envelope-Id: {key}.{NAME}\n\nFinal-Recipient: rfc822; {ADA}\nAction: failed\nStatus: 5.1.1\n"
    assert take(sample, report(status, ""), settings, SIGNERS, now=now)[0] == "person"
    status = status.replace(NAME, name_of(sample, ada))
    assert take(sample, report(status, ""), settings, SIGNERS, now=now)[0] == "told"
    assert suppressed(sample) == {ADA: "hard bounce"}


def test_who_has_another_address_by_now_keeps_it(sample: Database, settings: Settings, ada: int, now: datetime) -> None:
    with writing(sample) as connection:
        connection.execute("UPDATE subscribers SET email = 'new@e.net', email_key = 'new@e.net' WHERE id = ?", (ada,))
    take(sample, postfix(name_of(sample, ada)), settings, SIGNERS, now=now)
    assert suppressed(sample) == {}


@pytest.mark.parametrize(
    ("raw", "became"),
    [
        (b"From: ada@example.net\nSubject: Re: Two editors\n\nHello\n", "person"),
        (b"From: ada@example.net\nAuto-Submitted: auto-replied\nSubject: Out of office\n\nBack soon\n", "machine"),
        (b"Return-Path: <>\nSubject: Hi. It could not be delivered\n\n550\n", "machine"),
        (complaint(kind="not-spam"), "nothing"),
        (complaint(kind="whim"), "machine"),
        (b"".join(b"Content-Type: message/rfc822\n\n" for _ in range(5000)), "person"),
    ],
)
def test_other_mails_change_nothing(
    sample: Database, settings: Settings, ada: int, now: datetime, raw: bytes, became: str
) -> None:
    before = dump(sample)
    assert take(sample, raw, settings, SIGNERS, now=now) == (became, ())
    assert dump(sample) == before


@effort(deadline=None, max_examples=150)
@given(
    start=st.sampled_from([postfix(), exim(), old_exim(), exchange(), gmail(), complaint(), b""]),
    at=st.integers(0, 3000),
    length=st.integers(0, 400),
    instead=st.binary(max_size=80)
    | st.sampled_from([b"=?utf-8?b?////?=", b"\xff\x00", b"Date: 1 Jan 99999\n", b"--b1\n"]),
)
def test_a_damaged_mail_breaks_nothing(start: bytes, at: int, length: int, instead: bytes) -> None:
    raw = start[:at] + instead + start[at + length :]
    store = memory_store()
    try:
        became, told = take(store, raw, Settings(), SIGNERS, now=datetime.now(UTC))
        assert became in ("nothing", "machine", "person")
        assert not told
    finally:
        store.conn.close()


# The mailbox -------------------------------------------------------------------------------------------------------


def at_port(settings: Settings, port: int, **more: object) -> Settings:
    return Settings(**{**settings.model_dump(), "bounce_imap": f"imap://leave@127.0.0.1:{port}/INBOX", **more})


def test_new_mails_are_taken_in_and_put_away(sample: Database, settings: Settings, ada: int, now: datetime) -> None:
    box = Mailbox()
    box.deliver(postfix(name_of(sample, ada)))
    box.deliver(postfix("x").replace(b"It could not be delivered", b"Whose is it?"))
    box.deliver(b"From: ada@example.net\nAuto-Submitted: auto-replied\nSubject: Out of office\n\n")
    with serving(box) as port:
        found = read_bounces(sample, at_port(settings, port), SIGNERS, now=now)
        assert found.counts == {"told": 1, "person": 1, "machine": 1}
        assert found.told == {"bounced hard": 1}
        assert found.strangers == ["MAILER-DAEMON@mx.example.net (Mail Delivery System)"]
        assert box.subjects() == ["Whose is it?"]
        assert box.subjects(DONE) == ["It could not be delivered", "Out of office"]
        assert read_bounces(sample, at_port(settings, port), SIGNERS, now=now) == Look()
    assert suppressed(sample) == {ADA: "hard bounce"}


def test_the_server_reads_the_mailbox_by_itself(
    sample: Database, settings: Settings, ada: int, clock: Clock, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 0.05)
    own = Signers.of(sample, settings, now=now)
    nonce = sample.execute("SELECT nonce FROM issues WHERE number = 1").fetchone()[0]
    box = Mailbox()
    box.deliver(postfix(own.messages.salted(nonce).sign("message", 1, ada)))
    with serving(box) as port, served(at_port(settings, port), clock, work=True):
        until = time.monotonic() + 20
        while not sample["jobs"].count and time.monotonic() < until:
            time.sleep(0.02)
        clock.move_on(minutes=3)
        while not suppressed(sample) and time.monotonic() < until:
            time.sleep(0.02)
    assert suppressed(sample) == {ADA: "hard bounce"}


def test_a_large_mail_is_read_in_its_beginning_alone(
    sample: Database, settings: Settings, ada: int, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Mailbox()
    box.deliver(postfix(name_of(sample, ada)) + b"x" * 2_000_000)
    monkeypatch.setattr("digest.tracking.bounce_mails.READ_BYTES", 4096)
    with serving(box) as port:
        assert read_bounces(sample, at_port(settings, port), SIGNERS, now=now).counts == {"told": 1}
    assert any("<0.4096>" in command for command in box.commands)


def test_what_cannot_be_read_says_what_to_set(sample: Database, settings: Settings, now: datetime) -> None:
    with pytest.raises(SettingsError, match="set bounce_imap"):
        read_bounces(sample, Settings(db=settings.db), SIGNERS, now=now)
    with serving(Mailbox()) as port, pytest.raises(MailboxError, match="see bounce_imap_password"):
        read_bounces(sample, at_port(settings, port, bounce_imap_password="wrong"), SIGNERS, now=now)
