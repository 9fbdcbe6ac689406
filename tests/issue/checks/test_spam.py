"""Spam filters are asked in their own protocol, and whatever they say is a finding."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import dkim
import pytest

from conftest import NOW
from digest.issue.checks import spam
from digest.issue.checks.model import Finding, Mail
from digest.issue.model import Draft, Envelope, Rendered
from digest.issue.preview import preview
from digest.settings import Settings

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""What every filter must call spam (https://spamassassin.apache.org/gtube/)."""

REPORT = """SPAMD/1.1 0 EX_OK\r
Content-length: 999\r
Spam: {spam} ; {score} / 5.0\r
\r
Content analysis details:   ({score} points, 5.0 required)

 pts rule name              description
---- ---------------------- --------------------------------------------------
-0.0 NO_RELAYS              Informational: message was not relayed via SMTP
 0.7 HTML_FONT_LOW_CONTRAST BODY: HTML font color similar or identical to
                            2.5 BACKGROUNDS
{score} LOTS_OF_MONEY          Huge... sums of money
"""


@pytest.fixture
def small(settings: Settings) -> Mail:
    """A mail of two links, which takes no rendering."""
    html = '<body><a href="https://example.org/a">A</a> <a href="https://example.org/u/[[digest:token]]">B</a></body>'
    content = Rendered(
        envelope=Envelope("News", "news@example.com", "", {}),
        subject="News",
        preheader="",
        mjml="",
        html=html,
        text="https://example.org/a\n",
        links=(),
    )
    return Mail(Draft(1, NOW, "News", "", "", ()), content, settings)


def with_filter(mail: Mail, address: str, provider: str = "outbox") -> Mail:
    return replace(mail, settings=mail.settings.model_copy(update={"spam_filter": address, "provider": provider}))


def look(mail: Mail, address: str, message: bytes = b"Subject: Hello\n\nHello\n", **options: object) -> Finding:
    provider = str(options.pop("provider", "outbox"))
    (finding,) = asyncio.run(spam.look(with_filter(mail, address, provider), message, **options))  # type: ignore[arg-type]
    assert finding.check == "spam"
    return finding


Serve = Callable[[bytes | None], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a filter on loopback that gives one answer to whatever it is asked; None keeps silent."""
    stop, threads, sockets = threading.Event(), [], []

    def start(answer: bytes | None) -> int:
        server = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    if answer is None:
                        stop.wait(5)
                    elif connection.recv(65536):
                        connection.sendall(answer)
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65536):
                            pass

        threads.append(threading.Thread(target=run))
        sockets.append(server)
        threads[-1].start()
        return int(server.getsockname()[1])

    yield start
    stop.set()
    for server in sockets:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for thread in threads:
        thread.join()


def test_off_asks_nobody(small: Mail) -> None:
    finding = look(small, "off")
    assert finding.level == "not run"
    assert "off" in finding.what


@pytest.mark.parametrize(
    ("score", "is_spam", "provider", "level"),
    [
        ("0.3", "False", "outbox", "pass"),
        ("-2.5", "False", "outbox", "pass"),
        ("1.0", "False", "outbox", "warn"),
        ("4.9", "False", "postmark", "warn"),
        ("5.0", "True", "outbox", "warn"),
        ("5.0", "True", "postmark", "block"),
    ],
)
def test_the_score_decides(small: Mail, serve: Serve, score: str, is_spam: str, provider: str, level: str) -> None:
    port = serve(REPORT.format(score=score, spam=is_spam).encode())
    finding = look(small, f"spamd://127.0.0.1:{port}", provider=provider)
    assert finding.level == level
    assert f"{score} of 5 points" in finding.what
    assert f"LOTS_OF_MONEY {float(score):+.1f}" in finding.what
    assert "HTML_FONT_LOW_CONTRAST +0.7" in finding.what
    assert "NO_RELAYS" not in finding.what
    assert "BACKGROUNDS" not in finding.what
    assert (finding.todo == "") == (level == "pass")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "does not speak spamd's protocol"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak spamd's protocol"),
        (b"SPAMD/1.0 76 Bad header line: what?\r\n", "76 Bad header"),
        (b"SPAMD/1.1 0 EX_OK\r\n\r\nhello", "no score"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.2.3 / 5.0\r\n\r\n", "could not"),
        (b"SPAMD/1.1 0 EX_OK\r\n" + b"x" * 2 * spam.MOST_BYTES, "does not end"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; %b / 5.0\r\n\r\n" % (b"9" * 400), "no number"),
    ],
)
def test_a_broken_spamd_is_not_run(small: Mail, serve: Serve, answer: bytes, reason: str) -> None:
    finding = look(small, f"spamd://127.0.0.1:{serve(answer)}")
    assert finding.level == "not run"
    assert reason in finding.what
    assert finding.todo


def rspamd(answer: object, status: str = "200 OK") -> bytes:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status.encode(), len(body), body)


@pytest.mark.parametrize(
    ("score", "action", "level"),
    [(0.2, "no action", "pass"), (4.0, "greylist", "warn"), (6.5, "add header", "block"), (20, "reject", "block")],
)
def test_rspamd_is_asked_too(small: Mail, serve: Serve, score: float, action: str, level: str) -> None:
    symbols = {"MANY_LINKS": {"name": "MANY_LINKS", "score": score}, "MIME_GOOD": {"name": "MIME_GOOD", "score": -0.1}}
    answer = {"score": score, "required_score": 15.0, "action": action, "symbols": symbols}
    finding = look(small, f"http://127.0.0.1:{serve(rspamd(answer))}", provider="postmark")
    assert finding.level == level
    assert f"{score:.1f} of 15 points: MANY_LINKS {score:+.1f}, MIME_GOOD -0.1" in finding.what


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (rspamd({}, "403 Forbidden"), "403"),
        (rspamd(b"<html>"), "not rspamd's JSON"),
        (rspamd([1]), "not rspamd's JSON"),
        (rspamd({"score": None, "symbols": {}}), "not rspamd's JSON"),
        (b"nonsense", "could not"),
        (rspamd(b'{"score": NaN, "action": "reject", "symbols": {}}'), "not rspamd's JSON"),
        (rspamd(b'{"score": 1, "required_score": Infinity, "action": "reject", "symbols": {}}'), "not rspamd's JSON"),
        (rspamd(b'{"score": 1, "action": "", "symbols": {"A": {"name": "A", "score": 1e400}}}'), "not rspamd's JSON"),
        (rspamd(b'{"score": 1, "action": "", "symbols":' + b"[" * 100_000 + b"}"), "not rspamd's JSON"),
        (rspamd(b" " * 2 * spam.MOST_BYTES), "does not end"),
    ],
)
def test_a_broken_rspamd_is_not_run(small: Mail, serve: Serve, answer: bytes, reason: str) -> None:
    finding = look(small, f"http://127.0.0.1:{serve(answer)}")
    assert finding.level == "not run"
    assert reason in finding.what


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:99999",
        "http://127.0.0.1:-1",
        "http://127.0.0.1:port",
        "http://[::1",
        "http://",
        "http://a\x00b",
        "spamd://127.0.0.1:99999",
        "spamd://127.0.0.1:port",
        "spamd://[::1",
        "spamd://",
        "spamd:127.0.0.1",
    ],
)
def test_an_address_that_cannot_be_is_not_run(small: Mail, address: str) -> None:
    finding = look(small, address)
    assert finding.level == "not run"
    assert "could not score the issue: " in finding.what


@pytest.mark.parametrize("scheme", ["spamd", "http"])
def test_silence_and_closed_doors_are_not_run(small: Mail, serve: Serve, scheme: str) -> None:
    silent = look(small, f"{scheme}://127.0.0.1:{serve(None)}", seconds=0.2)
    assert silent.level == "not run"
    assert "within 0.2 seconds" in silent.what
    assert look(small, f"{scheme}://127.0.0.1:{free_port()}").level == "not run"


def test_auto_takes_whichever_is_there(small: Mail, serve: Serve) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    assassin = f"spamd://127.0.0.1:{serve(REPORT.format(score='0.1', spam='False').encode())}"
    other = f"http://127.0.0.1:{serve(rspamd({'score': 0.2, 'action': 'no action', 'symbols': {}}))}"
    assert "SpamAssassin" in look(small, "auto", spamd=assassin, rspamd=other).what
    assert (
        "rspamd gives it 0.2 points: no rule counted"
        in look(small, "auto", spamd=f"spamd://{nobody}", rspamd=other).what
    )
    none = look(small, "auto", spamd=f"spamd://{nobody}", rspamd=f"http://{nobody}")
    assert none.level == "not run"
    assert "start SpamAssassin's spamd or rspamd" in none.todo


@pytest.fixture(scope="module")
def spamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real spamd, which asks no network."""
    program = shutil.which("spamd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("SpamAssassin's spamd is not installed (Debian: apt install spamd)")
    folder, port = tmp_path_factory.mktemp("spamd"), free_port()
    command = [program, "-L", "-x", "-4", "-m", "1", "-i", f"127.0.0.1:{port}", "-H", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "-s", "stderr"], stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(port, process, folder / "log")
        yield f"spamd://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def test_a_real_spamd_knows_spam(mail: Mail, spamd: str) -> None:
    finding = look(mail, spamd, b"From: a@example.com\nSubject: x\n\n" + GTUBE + b"\n", provider="postmark")
    assert finding.level == "block"
    assert "takes the issue for spam" in finding.what
    assert "GTUBE +1000.0" in finding.what
    assert finding.where == "GTUBE"


def test_the_sample_issue_signed_as_it_would_be_mailed_passes(mail: Mail, spamd: str, tmp_path: Path) -> None:
    message = preview(mail.draft, mail.content)["issue.eml"].replace(b"\n", b"\r\n")
    signed = dkim_signed(message, tmp_path)
    assert b"list-unsubscribe : list-unsubscribe-post" in signed.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"")
    plain, finding = look(mail, spamd, message), look(mail, spamd, signed)
    print(plain.what, finding.what, sep="\n")
    assert (plain.level, finding.level) == ("pass", "pass")
    score = float(finding.what.partition(" gives it ")[2].split()[0])
    assert score < 1.0


def dkim_signed(message: bytes, folder: Path) -> bytes:
    """Sign a mail as a provider would, with a key of our own."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the DKIM key, is not installed")
    key = folder / "dkim.pem"
    subprocess.run([openssl, "genrsa", "-traditional", "-out", str(key), "2048"], check=True, capture_output=True)
    names = [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version", b"Content-Type", b"List-Id"]
    names += [b"List-Unsubscribe", b"List-Unsubscribe-Post"]
    signature: bytes = dkim.sign(message, b"news", b"example.com", key.read_bytes(), include_headers=names)
    return signature + message


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            pytest.fail(f"spamd ended: {log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"spamd does not listen: {log.read_text()}")
