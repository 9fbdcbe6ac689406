"""Messages reach an SMTP server over a secured line, whole and each reader's own."""

from __future__ import annotations

import asyncio
import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dkim
import pytest
from batches import KEY, MESSAGE, batch, recipient, with_provider
from keys import ServerKeys, openssl, rsa_key, server_keys
from pydantic import ValidationError

from digest.mail import personalise
from digest.providers import connect, names, options_of
from digest.providers.interface import AccountError, Answer, BadCallError, Batch, Proof, TryAgainError
from digest.simulators.record import Record
from digest.simulators.smtp import SmtpSimulator, running_smtp, simulator

PAST = datetime(2024, 1, 4, 9, tzinfo=UTC)
"""When the signed batches were claimed: no signature is valid before its time."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> ServerKeys:
    return server_keys(tmp_path_factory.mktemp("keys"))


@contextmanager
def served(keys: ServerKeys | None = None, **options: Any) -> Iterator[tuple[SmtpSimulator, dict[str, Any]]]:
    """Run a server; give it, and the options by which the provider reaches it."""
    secured: dict[str, Any] = {}
    if keys:
        secured = {"tls": "implicit", "certificate": keys.certificate, "key": keys.key}
        secured |= {"username": "digest", "password": "s3cret-pass"}
    server = simulator(**secured | options)
    with running_smtp(server) as (host, port):
        use: dict[str, Any] = server.usage(host, port) | {"own_name": "digest.example.com"}
        if keys:
            use |= {"ca_file": keys.authority, "password": "s3cret-pass"}
        yield server, use


def hand_over(options: dict[str, Any], given: Batch) -> Answer:
    return with_provider("smtp", options, lambda provider: provider.hand_over(given))


def signing(folder: Path) -> dict[str, Any]:
    """Give the options to sign with the tests' key."""
    (folder / "dkim.pem").write_bytes(rsa_key()[0])
    return {"dkim_domain": "example.com", "dkim_selector": "news", "dkim_key": folder / "dkim.pem"}


def dns(name: bytes, timeout: int = 5) -> bytes:
    """Answer as the DNS would."""
    assert name == b"news._domainkey.example.com."
    return rsa_key()[1]


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_aiosmtpd_receives_a_batch_over_tls(keys: ServerKeys, tls: str) -> None:
    with served(keys, tls=tls) as (server, options):
        answer = hand_over(options, batch(3))
    assert [message.address for message in server.received] == [f"reader{n}@example.net" for n in (1, 2, 3)]
    assert all(message.secure and message.login == "digest" for message in server.received)
    assert answer == Answer(message_ids=[f"Ok: queued as 4XYZ{call:08}" for call in (1, 2, 3)])


def test_dkimpy_verifies_every_message(keys: ServerKeys, tmp_path: Path) -> None:
    names = ["Zoë", "花子", "<b>", "." * 80, "a" * 300, "  two  spaces  ", "\ttab", "=?utf-8?q?no?="]
    extra = tuple(recipient(100 + number, name=f"Hello {name},") for number, name in enumerate(names))
    with served(keys) as (server, options):
        answer = hand_over(options | signing(tmp_path), replace(batch(20, extra=extra), date=PAST))
    assert len(answer.message_ids) == len(server.received) == 28
    for message in server.received:
        assert dkim.verify(message.content, dnsfunc=dns), message.content.decode()


@pytest.mark.parametrize(
    ("found", "put"),
    [
        (rb"(List-Unsubscribe: <https://example.com/u/)\w+", rb"\1another"),
        (rb"List-Unsubscribe: .*\r\n", b""),
        (rb"List-Unsubscribe-Post: List-Unsubscribe=One-Click", rb"List-Unsubscribe-Post: List-Unsubscribe=Two-Clicks"),
        (rb"List-Unsubscribe-Post: .*\r\n", b""),
        (rb"(MIME-Version)", rb"List-Unsubscribe: <https://evil.example/>\r\n\1"),
        (rb"(MIME-Version)", rb"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\1"),
        (rb"(MIME-Version)", rb"Subject: Another\r\n\1"),
        (rb"(Subject: )", rb"\1X"),
        (rb"reader1@", rb"reader2@"),
        (rb"Hello", rb"Hullo"),
    ],
)
def test_altering_list_unsubscribe_or_what_else_is_signed_breaks_the_signature(
    tmp_path: Path, found: bytes, put: bytes
) -> None:
    with served() as (server, options):
        hand_over(options | signing(tmp_path), replace(batch(1), date=PAST))
    content = server.received[0].content
    assert dkim.verify(content, dnsfunc=dns)
    altered = re.sub(found, put, content, count=1)
    assert altered != content
    assert not dkim.verify(altered, dnsfunc=dns)


def test_each_reader_gets_their_own_copy_and_the_authors_words_stay() -> None:
    with served() as (server, options):
        hand_over(options, batch(2))
    for number, copy in enumerate(server.record.accepted, 1):
        token = f"token{number:019}"
        assert copy.address == copy.headers["To"] == f"reader{number}@example.net"
        assert copy.headers["From"] == '"Weekly, Verdicts" <verdicts@example.com>'
        assert copy.headers["Reply-To"] == "editor@example.com"
        assert copy.headers["List-Unsubscribe"] == f"<https://example.com/u/{token}>"
        assert copy.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert copy.headers["Message-ID"] == f"<message{number:017}@example.com>"
        assert copy.subject == MESSAGE.subject
        assert f'Hello <{number}> & "Ü",' in copy.text
        assert f"Hello &lt;{number}&gt; &amp; &quot;Ü&quot;," in copy.html
        assert f"https://example.com/u/{token}" in copy.text
        assert "{{not_ours}} %recipient.x% -t-" in copy.text
        assert "{{not_ours}} %recipient.x% -t-" in copy.html


def test_messages_are_seven_bits_with_crlf_and_dots_survive() -> None:
    text = "one\r\n.two\n..three\r\r\n.\n" + ".x" * 60 + "\n[[digest:greeting]]\n.\r\n"
    message = replace(MESSAGE, text=personalise.split(text), html=personalise.split("<p>\r\n.\r\n工具</p>"))
    with served(utf8=False) as (server, options):
        hand_over(options, batch(1, message=message))
    content = server.received[0].content
    assert content.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    assert server.record.accepted[0].text == "one\n.two\n..three\n.\n" + ".x" * 60 + '\nHello <1> & "Ü",\n.\n'


def test_bounces_go_where_the_return_path_says() -> None:
    with served() as (server, options):
        hand_over(options, batch(1))
        hand_over(options | {"return_path": "bounce+{token}@mail.example.com"}, batch(2))
    own = "bounce+token000000000000000000{}@mail.example.com"
    assert [message.sender for message in server.received] == ["verdicts@example.com", own.format(1), own.format(2)]


def test_bounces_are_asked_for_where_the_server_offers_dsn() -> None:
    with served() as (server, options):
        hand_over(options, batch(1))
        hand_over(options | {"dsn": False}, batch(1))
    first, second = server.received
    assert {"RET=HDRS", f"ENVID={KEY}.message{1:017}"} <= set(first.sender_options)
    assert first.address_options == ("NOTIFY=FAILURE",)
    assert (second.address_options, len(second.sender_options)) == ((), 1)
    with served(dsn=False) as (server, options):
        hand_over(options, batch(1))
    assert server.received[0].address_options == ()


def test_an_address_outside_ascii_needs_smtputf8() -> None:
    extra = (recipient(9, "пошта@example.net"),)
    with served() as (server, options):
        assert hand_over(options, batch(1, extra=extra)).rejected == {}
    plain, wide = server.received
    assert "SMTPUTF8" not in plain.sender_options
    assert {"SMTPUTF8", "BODY=8BITMIME"} <= set(wide.sender_options)
    assert wide.address == server.record.accepted[1].headers["To"] == "пошта@example.net"
    with served(utf8=False) as (server, options):
        answer = hand_over(options, batch(1, extra=extra))
    assert len(server.received) == len(answer.message_ids) == 1
    assert "SMTPUTF8" in answer.rejected[9]


@pytest.mark.parametrize(
    "address",
    [
        "a@example.net\r\nBcc: all@example.net",
        "a\x7f@example.net",
        "a@example.net> NOTIFY=NEVER",
        "a@example.net, b@example.net",
        "nobody",
    ],
)
def test_an_address_that_is_none_reaches_neither_a_command_nor_a_header(address: str) -> None:
    with served() as (server, options):
        answer = hand_over(options, batch(1, extra=(recipient(9, address), recipient(10))))
    assert list(answer.rejected) == [9]
    assert [message.address for message in server.received] == ["reader1@example.net", "reader10@example.net"]


def test_a_line_is_used_again_and_closed_after_so_many_messages() -> None:
    async def work(provider: Any) -> None:
        await provider.open(begin=True)
        for count in (2, 3, 4):
            await provider.hand_over(batch(count))

    with served() as (server, options):
        with_provider("smtp", options | {"messages_per_connection": 4}, work)
    assert [message.connection for message in server.received] == [1, 1, 1, 1, 2, 2, 2, 2, 3]


def test_no_more_lines_are_open_than_connections() -> None:
    async def work(provider: Any) -> None:
        await asyncio.gather(*(provider.hand_over(batch(5)) for _ in range(8)))

    with served() as (server, options):
        with_provider("smtp", options | {"connections": 2}, work)
    assert {message.connection for message in server.received} == {1, 2}
    assert len(server.received) == 40


def test_a_line_that_was_closed_while_idle_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(provider: Any) -> None:
        for _ in range(2):
            await provider.hand_over(batch(1))
            for connection in list(server._open):
                connection.loop.call_soon_threadsafe(connection.cut)
            await asyncio.sleep(0.1)

    with served() as (server, options):
        with_provider("smtp", options, work)
    assert [message.connection for message in server.received] == [1, 2]


def test_an_idle_line_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.providers.smtp.IDLE_S", 0.05)

    async def work(provider: Any) -> None:
        await provider.hand_over(batch(1))
        assert len(server._open) == 1
        await asyncio.sleep(0.3)
        assert not server._open

    with served() as (server, options):
        with_provider("smtp", options, work)


def test_the_same_batch_has_the_same_bytes(tmp_path: Path) -> None:
    with served() as (server, options):
        for _ in range(2):
            hand_over(options | signing(tmp_path), batch(2))
    contents = [message.content for message in server.received]
    assert contents[:2] == contents[2:]


def test_a_wrong_password_is_the_accounts_trouble_and_found_before_the_first_batch(keys: ServerKeys) -> None:
    with served(keys) as (server, options), pytest.raises(AccountError, match="535") as caught:
        with_provider("smtp", options | {"password": "wr0ng-pass"}, lambda provider: provider.open(begin=True))
    assert "wr0ng-pass" not in str(caught.value)
    assert server.commands.count("AUTH") == 1


def test_a_login_goes_by_what_the_server_offers(keys: ServerKeys) -> None:
    with served(keys, logins=("LOGIN",)) as (server, options):
        hand_over(options, batch(1))
    assert server.received[0].login == "digest"
    with served(keys, logins=()) as (_, options), pytest.raises(AccountError, match="neither AUTH PLAIN"):
        hand_over(options, batch(1))


def test_a_server_that_wants_a_login_gets_nothing_without_one(keys: ServerKeys) -> None:
    with served(keys) as (server, options):
        del options["username"]
        with pytest.raises(AccountError, match=r"530.*login"):
            hand_over(options, batch(1))
    assert server.received == []


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_that_proves_nothing_is_the_accounts_trouble(keys: ServerKeys, tmp_path: Path, tls: str) -> None:
    with (
        served(keys, tls=tls) as (server, options),
        pytest.raises(AccountError, match=r"certificate of 127\.0\.0\.1:\d+ is not valid: unable to get"),
    ):
        hand_over(options | {"ca_file": None}, batch(1))
    another = server_keys(tmp_path, "DNS:elsewhere.example.com")
    with (
        served(another, tls=tls) as (another_server, options),
        pytest.raises(AccountError, match=r"IP address mismatch"),
    ):
        hand_over(options, batch(1))
    assert server.received == another_server.received == []
    assert "AUTH" not in server.commands + another_server.commands


def test_nothing_is_sent_in_the_open_where_tls_was_asked_for(keys: ServerKeys) -> None:
    with served() as (server, options):
        with pytest.raises(AccountError, match="offers no STARTTLS"):
            hand_over(options | {"tls": "starttls"}, batch(1))
        with pytest.raises(TryAgainError, match=r"no TLS with .* is smtp.tls right"):
            hand_over(options | {"tls": "implicit"}, batch(1))
    assert "MAIL" not in server.commands


def test_refused_connections_are_tried_again() -> None:
    with served() as (_, options):
        pass
    with pytest.raises(TryAgainError, match=r"no connection to 127\.0\.0\.1"):
        hand_over(options, batch(1))


def test_a_message_larger_than_the_server_takes_is_the_issues_fault() -> None:
    with served(most_bytes=700) as (server, options), pytest.raises(BadCallError, match="takes 700") as caught:
        hand_over(options, batch(3))
    assert caught.value.shared
    assert "MAIL" not in server.commands


def test_an_issue_that_no_mail_can_have_is_refused_before_a_line_is_opened() -> None:
    message = replace(MESSAGE, sender_address="вести@example.com")
    with served() as (server, options), pytest.raises(BadCallError) as caught:
        hand_over(options, batch(1, message=message))
    assert caught.value.shared
    assert server.connections == 0


def test_a_header_that_no_copy_can_have_is_the_issues_fault(tmp_path: Path) -> None:
    for name, value in (("X-Broken", "two\nlines"), ("Comments", "not to be signed")):
        message = replace(MESSAGE, headers={**MESSAGE.headers, name: personalise.split(value)})
        with served() as (server, options), pytest.raises(BadCallError, match="cannot be written") as caught:
            hand_over(options | signing(tmp_path), batch(5, message=message))
        assert caught.value.shared
        assert server.connections == 0


@pytest.mark.parametrize(
    ("host", "port", "tls"),
    [
        ("smtp.example.com", 587, "starttls"),
        ("smtp.example.com", 25, "starttls"),
        ("smtp.example.com", 465, "implicit"),
        ("localhost", 25, "none"),
        ("127.0.0.1", 1025, "none"),
        ("::1", 25, "none"),
        ("localhost", 465, "implicit"),
    ],
)
def test_only_this_machine_is_spoken_to_in_the_open(host: str, port: int, tls: str) -> None:
    assert options_of("smtp")(host=host, port=port).security == tls  # type: ignore[call-arg, attr-defined]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tls": "none", "username": "digest"}, "only sent under TLS"),
        ({"dkim_domain": "example.com"}, "only of use together"),
        ({"return_path": "bounce@example.com>\r\nDATA"}, "return_path"),
        ({"return_path": "bounce+{number}@example.com"}, "return_path"),
        ({"ca_file": "/nowhere.pem"}, "ca_file"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        connect("smtp", {"host": "smtp.example.com"} | wrong)


def test_files_that_are_not_what_they_should_be_are_named(tmp_path: Path) -> None:
    for name, content in {
        "none.pem": b"",
        "elliptic.pem": openssl("ecparam", "-genkey", "-name", "prime256v1"),
    }.items():
        (tmp_path / name).write_bytes(content)
        key = {"dkim_domain": "example.com", "dkim_selector": "x", "dkim_key": tmp_path / name}
        with pytest.raises(ValueError, match=f"{name} is no key to sign with"):
            connect("smtp", {"host": "smtp.example.com"} | key)
        with pytest.raises(ValueError, match=r"none\.pem has no certificates"):
            connect("smtp", {"host": "smtp.example.com", "ca_file": tmp_path / "none.pem"})


def test_what_it_says_of_itself_holds_no_secret() -> None:
    provider = connect("smtp", {"host": "smtp.example.com", "username": "t0ken-as-login", "password": "t0ken-as-login"})
    assert "smtp" in names()
    assert re.fullmatch(r"smtp\.example\.com:587, login [0-9a-f]{8}", provider.account)
    assert provider.proof == Proof()
    with pytest.raises(NotImplementedError):
        with_provider("smtp", {"host": "localhost"}, lambda other: other.ask(batch(1)))


def test_the_simulator_refuses_what_servers_refuse() -> None:
    good = b"From: a@example.com\r\nDate: Thu, 4 Jan 2024 09:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHi\r\n"
    cases = {
        b"Bare": good.replace(b"Hi\r\n", b"Hi\nthere\r\n"),
        b"8-bit": good.replace(b"Hi", "Hï".encode()),
        b"one From": good.replace(b"From", b"Form"),
        b"one Date": good.replace(b"\r\n\r\n", b"\r\nDate: again\r\n\r\n"),
        b"one Message-Id": good.replace(b"Message-ID", b"X"),
        b"too long": good.replace(b"Hi", b"x" * 1001),
    }
    with served(most_bytes=5000) as (server, options), smtplib.SMTP(options["host"], options["port"]) as client:
        client.ehlo()
        for words, content in cases.items():
            client.mail("a@example.com")
            client.rcpt("b@example.net")
            client.putcmd("data")
            assert client.getreply()[0] == 354
            client.send(content + b".\r\n")
            code, said = client.getreply()
            assert code // 100 == 5
            assert words in said
        assert client.mail("a@example.com", ["SIZE=6000"])[0] == 552
        assert client.mail("a@example.com")[0] == 250
        assert client.rcpt("no one")[0] == 501
        assert client.rcpt("b@example.net")[0] == 250
        assert client.rcpt("c@example.net")[0] == 452
        assert client.data(good)[0] == 250
    assert len(server.received) == 1


def test_a_record_without_bodies_keeps_the_addresses_alone() -> None:
    with served(record=Record(bodies=False)) as (server, options):
        hand_over(options, batch(2))
    assert server.received == []
    assert server.record.addresses() == {"reader1@example.net": 1, "reader2@example.net": 1}
    assert server.record.accepted[0].html == ""
