"""Traces and errors as they arrive where they are sent: on real sockets, with nothing of a reader in them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import SecretStr
from sqlite_utils import Database

from conftest import import_sample
from digest import sentry, times, tracing, watching
from digest.audience import subscribers
from digest.errors import SettingsError
from digest.issue import issues
from digest.providers.interface import Answer, Batch, Message, Recipient, Segments, TryAgainError, UncertainError
from digest.sending.handing_over import ask, hand_over
from digest.settings import Settings
from digest.store import open_store
from digest.web.app import create_app
from digest.web.pages import Pages
from digest.web.server import server_of
from receiver import Posted, Receiver, loggers_as_they_were, receiving
from serving import Clock, free_port

TOKEN = "AbCdEf012345678901234567"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes traces and errors; what was begun is ended."""
    with loggers_as_they_were(), receiving() as found:
        yield found
        watching.end()


@contextmanager
def running(settings: Settings, clock: Callable[[], object]) -> Iterator[str]:
    """Serve as `digest serve` does, in a thread; give the address."""
    app = create_app(settings, clock=clock, work=False)  # type: ignore[arg-type]
    server = server_of(app, settings)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


def spans(posted: list[Posted]) -> dict[str, tuple[str, Span]]:
    """Every span that came, by its name, with the service it is of."""
    found = {}
    for one in posted:
        if one.path == "/v1/traces":
            for of in ExportTraceServiceRequest.FromString(one.body).resource_spans:
                (service,) = (each.value.string_value for each in of.resource.attributes if each.key == "service.name")
                found.update({span.name: (service, span) for scope in of.scope_spans for span in scope.spans})
    return found


def attributes(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}


class Fake:
    """A provider that does what it is told."""

    name = "resend"

    def __init__(self, does: Answer | Exception) -> None:
        self._does = does

    async def hand_over(self, batch: Batch) -> Answer:
        if isinstance(self._does, Exception):
            raise self._does
        return self._does

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        return {1: None}


def batch(now: object) -> Batch:
    text = Segments(("x",))
    message = Message("Weekly", "verdicts@example.com", "", "News", text, text, {})
    readers = tuple(Recipient(number, f"ada{number}@example.com", {}) for number in (1, 2))
    return Batch(1, "0" * 32, message, readers, now)  # type: ignore[arg-type]


def test_a_call_to_a_provider_is_a_span_with_what_became_of_it(
    receiver: Receiver, settings: Settings, clock: Clock
) -> None:
    tracing.set_up(settings.model_copy(update={"otlp_endpoint": receiver.url}), part="digest sending")
    for does in (TryAgainError("ada1@example.com is slow"), UncertainError("no"), Answer(rejected={2: "gone"})):
        provider = Fake(does)
        if isinstance(does, Exception):
            with pytest.raises(type(does)):
                asyncio.run(hand_over(provider, batch(clock())))  # type: ignore[arg-type]
        else:
            asyncio.run(hand_over(provider, batch(clock()), what="confirm"))  # type: ignore[arg-type]
        if isinstance(does, TryAgainError):
            tracing.end()
            refused = spans(receiver.posted)["hand over to resend"][1]
            tracing.set_up(settings.model_copy(update={"otlp_endpoint": receiver.url}), part="digest sending")
    asyncio.run(ask(Fake(Answer()), batch(clock())))  # type: ignore[arg-type]
    tracing.end()
    assert attributes(refused) == {
        "digest.provider": "resend", "digest.copies": 2, "digest.what": "issue", "digest.outcome": "refused",
        "error.type": "TryAgainError",
    }  # fmt: skip
    assert refused.status.code == 2
    found = spans(receiver.posted)
    service, taken = found["hand over to resend"]
    assert service == "digest sending"
    assert attributes(taken)["digest.outcome"] == "taken"
    assert attributes(taken)["digest.rejected"] == 1
    assert attributes(found["ask resend"][1])["digest.found"] == 1
    assert b"ada" not in b"".join(one.body for one in receiver.posted)


def test_without_the_setting_nothing_is_traced_and_nothing_loaded() -> None:
    code = (
        "import sys; from digest import tracing, watching; from digest.settings import Settings;"
        "watching.begin(Settings()); s = tracing.span('x', a=1); s.__enter__().set(b=2); s.__exit__(None, None, None);"
        "assert s is tracing.NOTHING; print([m for m in sys.modules if m.startswith(('opentelemetry', 'sentry_sdk'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize(
    ("setting", "value", "module", "extra"),
    [
        ("otlp_endpoint", "http://localhost:4318", "opentelemetry.sdk.trace", "traces"),
        ("sentry_dsn", SecretStr("https://key@sentry.example.com/1"), "sentry_sdk", "sentry"),
    ],
    ids=["traces", "errors"],
)
def test_an_extra_that_is_missing_is_named_at_the_start(
    receiver: Receiver,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: object,
    module: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf'pip install "digest\[{extra}\]"'):
        watching.begin(settings.model_copy(update={setting: value}))


def test_an_error_in_a_route_arrives_with_nothing_of_a_reader_in_it(
    receiver: Receiver, sample: Database, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        somebody = "ada@example.com"
        raise RuntimeError(f"{somebody} broke it with {TOKEN}")

    monkeypatch.setattr(Pages, "public", broken)
    monkeypatch.setattr(Pages, "shown", broken)
    own = settings.model_copy(
        update={
            "sentry_dsn": SecretStr(receiver.url.replace("http://", "http://key@") + "/7"),
            "otlp_endpoint": receiver.url,
        }
    )
    watching.begin(own)
    with running(own, clock) as site:
        given = {"Cookie": "digest-desk=secret-cookie", "User-Agent": "secret agent", "X-Request-Id": "from-a-proxy"}
        answer = httpx.get(f"{site}/panel?next=secret-query", headers=given, timeout=20)
        logging.getLogger("digest").error("letters: %s", "bob@example.com", extra={"error": ValueError("in a job")})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "from-a-proxy"
    assert "<code>from-a-proxy</code>" in answer.text
    told = [one for one in receiver.posted if one.path == "/api/7/envelope/"]
    events = [json.loads(line) for one in told for line in one.body.splitlines() if b'"exception"' in line]
    first, second = sorted(events, key=lambda event: len(event["exception"]["values"][0]["value"]), reverse=True)
    assert first["exception"]["values"][-1]["value"] == "(address) broke it with (token)"
    assert first["tags"]["request"] == "from-a-proxy"
    assert first["logger"] == "uvicorn.error"
    frames = first["exception"]["values"][-1]["stacktrace"]["frames"]
    assert frames[-1]["function"] == "broken"
    assert not any("vars" in frame for frame in frames)
    assert second["exception"]["values"][-1]["value"] == "in a job"
    everything = json.dumps(events)
    for secret in ("ada@", "bob@", TOKEN, "secret-query", "secret-cookie", "secret agent", "127.0.0.1"):
        assert secret not in everything, secret
    assert {"request", "user", "breadcrumbs", "modules", "extra"} & {*first, *second} == set()
    _, span = spans(receiver.posted)["GET /panel"]
    assert span.status.code == 2
    assert attributes(span)["error.type"] == "RuntimeError"
    assert attributes(span)["http.response.status_code"] == 500


def test_one_that_is_gone_keeps_nobody_from_anything(settings: Settings, clock: Clock) -> None:
    with loggers_as_they_were():
        nobody = f"127.0.0.1:{free_port()}"
        watching.begin(
            settings.model_copy(
                update={"otlp_endpoint": f"http://{nobody}", "sentry_dsn": SecretStr(f"http://key@{nobody}/1")}
            )
        )
        logging.getLogger().handlers[0].setLevel(logging.CRITICAL)
        with tracing.span("x"):
            logging.getLogger("digest").error("it broke")
        watching.end()
    assert tracing.span("x") is tracing.NOTHING
    assert sentry._told is None


def listen(line: socket.socket, heard: list[bytes]) -> None:
    with suppress(OSError):
        while True:
            heard.append(line.recv(100))


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 40
    while not what():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def test_a_server_and_the_process_that_sends_are_watched(tmp_path: Path, receiver: Receiver) -> None:
    settings = Settings(db=tmp_path / "digest.db", postal_address="1 Sample Street")
    now = times.now()
    with closing(open_store(settings.db, create=True)) as db:
        import_sample(db, settings, now - timedelta(days=1))
        for number in range(3):
            subscribers.add(db, f"reader{number}@example.com", now=now)
        issues.draft(db, settings, now=now, since=now - timedelta(days=4000))
        issues.freeze(db, settings, 1, now=now)
        db.execute("UPDATE issues SET scheduled_at = ?", [times.to_text(now - timedelta(minutes=1))])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        heard: list[bytes] = []
        threading.Thread(target=listen, args=(systemd, heard), daemon=True).start()
        port = free_port()
        command = [sys.executable, "-m", "digest", "serve", "-v", "--port", str(port)]
        given = {
            "DIGEST_LOG_FORMAT": "json", "DIGEST_OTLP_ENDPOINT": receiver.url,
            "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000", "OTEL_BSP_SCHEDULE_DELAY": "50",
        }  # fmt: skip
        environment = {**os.environ, **given}
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
            wait_for(lambda: b"WATCHDOG=1" in heard)
            site = f"http://127.0.0.1:{port}"
            for path in (f"/u/{TOKEN}?to=ada@example.com", f"/shared/{TOKEN}", f"/nowhere/{TOKEN}"):
                httpx.get(site + path, timeout=20)
            assert httpx.get(f"{site}/healthz").json()["status"] == "ok"
            receiver.wait(lambda posted: "hand over to outbox" in spans(posted), seconds=40)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
        wait_for(lambda: b"STOPPING=1" in heard)
    assert [words for words in heard if words != b"WATCHDOG=1"] == [b"READY=1", b"STOPPING=1"]
    lines = [json.loads(line) for line in said.splitlines()]
    assert TOKEN not in said
    assert "@example.com" not in said
    by_route = {line["route"]: line for line in lines if line["logger"] == "digest.requests"}
    assert by_route["/u/{token}"]["path"] == "/u/{token}"
    assert by_route["(none)"]["path"] == "/nowhere/…"
    assert by_route["/healthz"]["status"] == 200
    found = spans(receiver.posted)
    assert by_route["/u/{token}"]["trace"] == found["GET /u/{token}"][1].trace_id.hex()
    assert found["GET /u/{token}"][0] == "digest"
    service, span = found["hand over to outbox"]
    assert service == "digest sending"
    assert attributes(span)["digest.copies"] == 3
    bodies = b"".join(one.body for one in receiver.posted)
    assert TOKEN.encode() not in bodies
    assert b"example.com" not in bodies
