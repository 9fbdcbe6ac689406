"""`digest simulate`: that what it prints leads to it, what it counts, and how it is told to misbehave."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
import test_command_line
from test_command_line import Run, started

from digest import simulators
from digest.mail import personalise
from digest.providers import connect
from digest.providers.interface import Answer, Batch, Message, Recipient
from digest.simulators.server import running
from digest.simulators.simulator import Reply, Request, Simulator
from digest.sources import load

digest = test_command_line.digest

MESSAGE = Message(
    sender_name="Verdicts",
    sender_address="verdicts@example.com",
    reply_to="",
    subject="Ship or skip?",
    html=personalise.split("<p>[[digest:greeting]] <a href='https://example.com/u/[[digest:token]]'>out</a></p>"),
    text=personalise.split("[[digest:greeting]]\nhttps://example.com/u/[[digest:token]]\n"),
    headers={
        "Message-ID": personalise.split("<[[digest:message]]@example.com>"),
        "List-Unsubscribe": personalise.split("<https://example.com/u/[[digest:token]]>"),
        "List-Unsubscribe-Post": personalise.split("List-Unsubscribe=One-Click"),
    },
)
COPY = Recipient(1, "ada@example.net", {"token": "t" * 24, "message": "m" * 24, "greeting": "Hello Ada,"})
BATCH = Batch(7, "0123456789abcdef" * 2, MESSAGE, (COPY,), datetime(2026, 11, 26, 9, tzinfo=UTC))


class Simulated:
    """The command while it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self, number: int = signal.SIGINT) -> tuple[str, str]:
        """Send it a signal; give what it printed since, and on standard error."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, err
        return out, err


@contextmanager
def simulated(folder: Path, *args: str, **environment: str) -> Iterator[Simulated]:
    command, surroundings = started("simulate", *args, "--port", "0", **environment)
    process = subprocess.Popen(
        command, cwd=folder, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        with process:
            try:
                yield Simulated(process)
            finally:
                process.kill()
    finally:
        process.wait(30)


def hand_over(settings: dict[str, str]) -> Answer:
    """Hand a copy over as `digest send` does with these settings."""
    found = load(settings, environment={}).settings

    async def run() -> Answer:
        provider = connect(found.provider, found.options_for(found.provider))
        async with asyncio.timeout(30):
            try:
                await provider.open(begin=True)
                return await provider.hand_over(BATCH)
            finally:
                await provider.close()

    return asyncio.run(run())


def post(url: str, key: str = "re_simulated") -> int:
    mail = {"from": "a@example.com", "to": ["ada@example.net"], "subject": "s", "text": "t"}
    return httpx.post(f"{url}/emails/batch", json=[mail], headers={"Authorization": f"Bearer {key}"}).status_code


# What it prints ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", simulators.names())
def test_what_it_prints_leads_to_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with simulated(tmp_path, name, "--json") as running:
        first: dict[str, Any] = json.loads(running.line())
        assert first["provider"] == first["usage"]["provider"] == name
        assert hand_over(first["usage"]).rejected == {}
        out, err = running.end()
    last = json.loads(out)
    assert (last["url"], last["accepted"], last["addresses"], last["twice"]) == (first["url"], 1, 1, 0)
    assert err == ""


def test_it_says_in_words_how_to_use_it_and_what_it_took(tmp_path: Path) -> None:
    with simulated(tmp_path, "resend") as running:
        begin = "".join(running.line() for _ in range(5))
        command = re.search(r"^  DIGEST_RESEND_KEY=re_simulated (digest send 1 .*)$", begin, re.MULTILINE)
        assert command is not None
        given = dict(value.split("=", 1) for value in shlex.split(command[1])[4::2])
        assert given["provider"] == "resend"
        assert begin.startswith(f"resend, simulated at {given['resend.url']}; nobody is mailed.")
        assert [post(given["resend.url"]) for _ in range(2)] == [200, 200]
        assert post(given["resend.url"], "re_wrong") == 403
        out, err = running.end(signal.SIGTERM)
    assert out.splitlines() == [
        "Calls: 3; refused: 1 with 403",
        "Copies accepted: 2",
        "Addresses: 1; with more than one copy: 1",
    ]
    assert err == ""


def test_it_ends_quietly_while_a_connection_is_open(tmp_path: Path) -> None:
    with simulated(tmp_path, "resend", "--json") as running:
        url = httpx.URL(json.loads(running.line())["url"])
        with socket.create_connection((url.host, url.port or 0)) as line:
            line.sendall(b"GET /_simulator HTTP/1.1\r\nHost: x\r\n\r\n")
            assert line.recv(1000).startswith(b"HTTP/1.1 200")
            _, err = running.end()
    assert err == ""


def test_it_counts_on_a_terminal(tmp_path: Path) -> None:
    with simulated(tmp_path, "resend", "--json", TTY_COMPATIBLE="1", TERM="xterm-256color") as running:
        post(json.loads(running.line())["url"])
        assert running.process.stderr is not None
        seen = ""
        while "1 calls, 0 refused; 1 copies accepted" not in seen:
            seen += (read := running.process.stderr.read(1))
            assert read, seen


class Site(Simulator):
    """Takes whatever is posted."""

    name = "site"

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def answer(self, request: Request, number: int) -> Reply:
        self.paths.append(request.path)
        return Reply(200)

    def too_many(self, retry_after_s: float) -> Reply:
        return Reply(429)

    def usage(self, url: str) -> dict[str, str]:
        return {}


def test_it_tells_a_site_what_becomes_of_copies(tmp_path: Path) -> None:
    site = Site()
    with running(site) as (url, _):
        fates = [part for fate in ("delivers_after_s=0.1", "late_s=0", "repeats=0") for part in ("--fate", fate)]
        with simulated(tmp_path, "mailgun", "--json", "--hooks", f"{url}/", *fates) as process:
            usage = json.loads(process.line())["usage"]
            hand_over(usage)
            while len(site.paths) < 2:
                assert process.process.poll() is None
                time.sleep(0.02)
            time.sleep(0.1)
            told = json.loads(process.end()[0])["hooks"]
    assert len(usage["mailgun.webhook_key"]) == 32
    assert set(site.paths) == {"/hooks/mailgun"}
    assert told == {"told": {"accepted": 1, "delivered": 1}, "calls": {"200": 2}, "given_up": 0, "waiting": 0}


def test_it_says_in_words_what_the_site_must_know_and_what_it_told(tmp_path: Path) -> None:
    with simulated(tmp_path, "resend", "--hooks", "http://127.0.0.1:9") as process:
        begin = "".join(process.line() for _ in range(6))
        lines = [line for line in begin.splitlines() if " digest " in line]
        assert [re.findall(r"digest (\w+)", line) for line in lines] == [["send"], ["serve"]]
        assert all("DIGEST_RESEND_WEBHOOK_SECRET=whsec_" in line for line in lines)
        out, err = process.end()
    assert out.splitlines()[-2:] == [
        "Told: nothing; given up: 0; not told yet: 0",
        "Its calls, answered: none",
    ]
    assert err == ""


# What it is told -----------------------------------------------------------------------------------------------------


def test_it_misbehaves_as_told_and_writes_down_what_it_accepted(tmp_path: Path) -> None:
    args = ("resend", "--json", "--fault", "error_after=1", "--fault", "seed=7", "--record", "accepted.jsonl")
    with simulated(tmp_path, *args, "--option", "key=re_other", "--option", "domain=example.com") as running:
        first = json.loads(running.line())
        assert first["usage"]["resend.key"] == "re_other"
        assert post(first["url"], "re_other") == 500
        assert json.loads(running.end()[0])["accepted"] == 1
    lines = [json.loads(line) for line in (tmp_path / "accepted.jsonl").read_text().splitlines()]
    assert [line["address"] for line in lines] == ["ada@example.net"]
    assert not lines[0]["html"]


@pytest.mark.parametrize("provider", ["brevo", "mailgun", "postmark", "resend", "sendgrid", "ses", "smtp"])
def test_what_it_accepted_is_written_down_with_the_bodies_where_they_are_wanted(tmp_path: Path, provider: str) -> None:
    with simulated(tmp_path, provider, "--json", "--record", "accepted.jsonl", "--bodies") as running:
        hand_over(json.loads(running.line())["usage"])
    (line,) = (tmp_path / "accepted.jsonl").read_text().splitlines()
    assert json.loads(line)["html"]


def test_one_that_speaks_no_http_misbehaves_in_its_own_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with simulated(tmp_path, "smtp", "--json", "--fault", "rcpt_5=1", "--option", "dsn=false") as running:
        first = json.loads(running.line())
        assert re.fullmatch(r"smtp://127\.0\.0\.1:\d+", first["url"])
        assert "No such user" in hand_over(first["usage"]).rejected[COPY.subscriber]
        assert json.loads(running.end()[0])["accepted"] == 0


class Stopped(Exception):  # noqa: N818 (it is meant)
    """The command would listen now."""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the simulator is made with; it does not listen."""
    given: dict[str, Any] = {}

    def simulate(name: str, **options: Any) -> NoReturn:
        given.update(options)
        raise Stopped

    monkeypatch.setattr(simulators, "simulate", simulate)
    return given


def odd(key: str = "", lag_s: float = 0, on: bool = False, inactive: frozenset[str] = frozenset()) -> None:
    """What makes a simulator, with options of every kind."""


def test_options_are_of_the_simulators_own_types(
    digest: Run, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.simulators.resend.simulator", odd)
    args = ["--option", "lag_s=2", "--option", "on=true", "--option", 'inactive=["a@example.net"]', "--option", "key=7"]
    with pytest.raises(Stopped):
        digest("simulate", "resend", *args)
    del made["record"]
    assert made == {"lag_s": 2.0, "on": True, "inactive": {"a@example.net"}, "key": "7"}
    for wrong, said in (("lag_s=soon", "lag_s: Input should be a valid number"), ("inactive=[1]", "valid frozenset")):
        assert said in digest("simulate", "resend", "--option", wrong, code=2).err


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("", "Missing argument 'PROVIDER'"),
        ("resend --port 70000", "70000 is not in the range"),
        ("resend --fault slow", "'slow' is not NAME=VALUE"),
        ("resend --fault slo=1", "did you mean 'slow'?"),
        ("resend --fault slow=often", "slow is a number, not 'often'"),
        ("resend --fault slow=50", "slow is a share of the calls, from 0 to 1"),
        ("resend --fault slow=nan", "slow is a share of the calls, from 0 to 1"),
        ("resend --fault latency_s=-1", "latency_s is 0 or more"),
        ("resend --fault burst=1.5", "burst is a whole number, not '1.5'"),
        ("resend --hooks nowhere", "'nowhere' is no address of a site, such as http://127.0.0.1:8000"),
        ("resend --hooks http://[::1", "is no address of a site"),
        ("resend --hooks http://127.0.0.1:80000", "is no address of a site"),
        ("ses --hooks http://127.0.0.1:9", "ses, simulated, calls nobody; those that do are brevo, mailgun, postmark"),
        ("resend --fate bounces=0.1", "it is told to a site; give --hooks, too"),
        ("resend --fate bounce=0.1", "no fate is called 'bounce'; did you mean 'bounces'?"),
        ("resend --fate bounces=2", "bounces is a share of the copies, from 0 to 1"),
        ("resend --fate hurry=0", "hurry is more than 0"),
        ("resend --fate seed=x", "seed is a whole number, not 'x'"),
        ("smtp --fault rcpt_6=1", "no fault is called 'rcpt_6'; did you mean 'rcpt_"),
        ("smtp --option quux=1", "the simulator of smtp has no option 'quux'; there are tls, "),
        ("resend --option kye=x", "the simulator of resend has no option 'kye'; did you mean 'key'?"),
        ("resend --option quux=x", "the simulator of resend has no option 'quux'; there are key, domain"),
        ("resend --option record=x", "the simulator of resend has no option 'record'"),
    ],
)
def test_wrong_usage_exits_with_2(digest: Run, args: str, said: str) -> None:
    ran = digest("simulate", *args.split(), code=2)
    assert said in ran.err
    assert ran.out == ""


def test_an_unknown_provider_is_told_with_the_nearest(digest: Run) -> None:
    assert digest("simulate", "resnd", code=1).err == (
        "digest: no provider called 'resnd' can be simulated; did you mean 'resend'?\n"
    )
    assert re.search(r"'outbox' can be simulated; there are .*resend", digest("simulate", "outbox", code=1).err)


def test_a_port_in_use_is_told(digest: Run) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert digest("simulate", "resend", "--port", str(port), code=1).err == (
            f"digest: cannot listen at 127.0.0.1:{port}: address already in use; give another --port or --host\n"
        )


def test_a_record_that_cannot_be_written_is_told(digest: Run) -> None:
    ran = digest("simulate", "resend", "--record", "no/accepted.jsonl", code=1)
    assert ran.err == "digest: no/accepted.jsonl: No such file or directory\n"


def test_its_name_is_completed(digest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_DIGEST_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "digest simulate res")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert digest().out == "plain,resend\n"
