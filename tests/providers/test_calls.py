"""What a call proves: that nothing was accepted, or nothing at all; and never a secret in a reason."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Thread
from typing import Any, TypeVar

import httpx
import pytest

from digest import __version__
from digest.providers import calls
from digest.providers.calls import HttpProvider
from digest.providers.interface import AccountError, ProviderError, TryAgainError, UncertainError
from digest.providers.options import HttpOptions
from digest.simulators.faults import Faults
from digest.simulators.server import running
from digest.simulators.simulator import Reply, Request, Simulator

T = TypeVar("T")
SECRET = "sk_very_secret"


class Plain(HttpProvider):
    """A provider with nothing of its own."""

    name = "plain"


class Echo(Simulator):
    """Answers with what it was sent."""

    name = "echo"

    def answer(self, request: Request, number: int) -> Reply:
        told = {"method": request.method, "path": request.path, "query": request.query, "headers": request.headers}
        return Reply.json(201, told | {"body": request.body.decode()})

    def too_many(self, retry_after_s: float) -> Reply:
        return Reply(429, b"", {"Retry-After": f"{retry_after_s:g}"})

    def usage(self, url: str) -> dict[str, str]:
        return {}


def at(
    url: str, work: Callable[[HttpProvider], Coroutine[Any, Any, T]], *, connections: int = 4, timeout_s: float = 5
) -> T:
    """Do some work with a provider that calls there."""

    async def run() -> T:
        options = HttpOptions(connections=connections, timeout_s=timeout_s)
        provider = Plain(options, url, headers={"X-Key": SECRET})
        try:
            return await work(provider)
        finally:
            await provider.close()

    return asyncio.run(run())


def failing(url: str, **options: Any) -> ProviderError:
    """Call in vain, and give the error."""
    with pytest.raises(ProviderError) as caught:
        at(url, lambda provider: provider.call("POST", "/a", content=b"body"), **options)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


@contextmanager
def saying(*words: bytes, wait_s: float = 0) -> Iterator[str]:
    """A server that says so to each connection, reads nothing of it before, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                while True:
                    line, _ = listener.accept()
                    with line:
                        line.recv(65536)
                        for word in words:
                            line.sendall(word)
                            time.sleep(wait_s)
            except OSError:
                return

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


# The call -----------------------------------------------------------------------------------------------------


def test_a_call_carries_what_it_was_given() -> None:
    with running(Echo()) as (url, _):
        response = at(
            f"{url}/base/",
            lambda provider: provider.call(
                "POST", "/way", content=b"body", headers={"X-Own": "7"}, params={"after": "a b"}
            ),
        )
    found = response.json()
    assert response.status_code == 201
    assert (found["method"], found["path"], found["query"], found["body"]) == (
        "POST",
        "/base/way",
        {"after": "a b"},
        "body",
    )
    assert found["headers"]["x-own"] == "7"
    # It was carried, and is blanked where an answer shows it.
    assert found["headers"]["x-key"] == "********"
    assert found["headers"]["user-agent"] == f"digest/{__version__}"


@pytest.mark.parametrize("content", [b"one two three", (b"one ", b"two ", b"three"), (b"one two three",)])
def test_pieces_go_out_as_one_body_with_its_length(content: Any) -> None:
    with running(Echo()) as (url, _):
        found = at(url, lambda provider: provider.call("POST", "/", content=content)).json()
    assert found["body"] == "one two three"
    assert found["headers"]["content-length"] == "13"
    assert "transfer-encoding" not in found["headers"]


def test_a_call_without_a_body_has_none() -> None:
    with running(Echo()) as (url, _):
        found = at(url, lambda provider: provider.call("GET", "/")).json()
    assert found["body"] == ""
    assert "content-length" not in found["headers"]


def test_every_status_is_an_answer_and_none_is_followed_elsewhere() -> None:
    class Moved(Echo):
        def answer(self, request: Request, number: int) -> Reply:
            return Reply(307, b"", {"Location": "/elsewhere"})

    simulator = Moved()
    with running(simulator) as (url, _), pytest.raises(AccountError, match=r"is plain\.url right"):
        at(url, lambda provider: provider.call("POST", "/"))
    assert simulator.record.calls == 1


def test_nothing_was_written_where_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = failing(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert isinstance(error, TryAgainError)
    assert "no connection to 127.0.0.1" in str(error)


def test_nothing_was_written_where_there_is_no_such_host_or_no_tls() -> None:
    assert isinstance(failing("http://nowhere.invalid"), TryAgainError)
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        assert isinstance(failing(url.replace("http:", "https:")), TryAgainError)


def test_nothing_was_written_where_no_line_became_free() -> None:
    async def crowd(provider: HttpProvider) -> list[Any]:
        many = (provider.call("POST", "/", content=b"x") for _ in range(6))
        return await asyncio.gather(*many, return_exceptions=True)

    with running(Echo(), Faults(latency_s=0.6)) as (url, _):
        found = at(url, crowd, connections=1, timeout_s=0.4)
    assert {type(one) for one in found} == {UncertainError, TryAgainError}
    # One that is worked at a time, and two more for asking: these were written, and no answer came in time.
    assert sum(isinstance(one, UncertainError) for one in found) == 3


@pytest.mark.parametrize(
    "words",
    [
        (),
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf",),
        (b"SSH-2.0-OpenSSH_9.2\r\n",),
    ],
)
def test_an_answer_that_is_not_whole_proves_nothing(words: tuple[bytes, ...]) -> None:
    with saying(*words) as url:
        assert isinstance(failing(url), UncertainError)


def test_silence_proves_nothing() -> None:
    with saying(b"HTTP/1.1 200 OK\r\n", wait_s=1) as url:
        assert isinstance(failing(url, timeout_s=0.2), UncertainError)


def test_an_answer_that_trickles_in_is_given_up_as_a_whole() -> None:
    started = time.monotonic()
    with running(Echo(), Faults(slow=1, slow_s=30)) as (url, _):
        error = failing(url, timeout_s=0.3)
    assert isinstance(error, UncertainError)
    assert "no whole answer" in str(error)
    assert time.monotonic() - started < 5


def test_a_header_that_cannot_be_written_shows_no_value() -> None:
    with running(Echo()) as (url, _), pytest.raises(UncertainError) as caught:
        at(url, lambda provider: provider.call("POST", "/", headers={"X-Own": f"{SECRET}\r\nX: y"}))
    assert SECRET not in str(caught.value)
    assert SECRET not in str(caught.value.__cause__)


@pytest.mark.parametrize("key", ["", f"{SECRET}\n", f" {SECRET}", f"{SECRET} ", f"{SECRET}\tx", f"{SECRET}ü"])
def test_a_key_that_cannot_be_sent_is_refused_at_once_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="X-Key") as caught:
        HttpProvider(HttpOptions(), "https://example.com", headers={"X-Key": key})
    assert SECRET not in str(caught.value)


def test_a_provider_cannot_be_asked_unless_it_says_so() -> None:
    with pytest.raises(NotImplementedError):
        at("http://127.0.0.1:9", lambda provider: provider.ask(None))  # type: ignore[arg-type]


# What is read in an answer ------------------------------------------------------------------------------------


def response(status: int = 200, content: bytes = b"", **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=content, headers=names)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 3 ", 3),
        ("0.5", 0.5),
        ("0", 0),
        ("-5", 0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("120, 60", None),
        ("Wed, 41 Oct 2026 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_a_wait_is_read_in_seconds(value: str, seconds: float | None) -> None:
    assert calls.retry_after(response(429, Retry_After=value)) == seconds


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S -0000", "%a %b %d %H:%M:%S %Y"])
def test_a_wait_is_read_as_a_date_in_gmt(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        then = (datetime.now(UTC) + timedelta(seconds=90)).strftime(form)
        assert calls.retry_after(response(429, Retry_After=then)) == pytest.approx(90, abs=3)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_wait_may_be_told_in_another_zone() -> None:
    then = format_datetime((datetime.now(UTC) + timedelta(seconds=90)).astimezone())
    assert calls.retry_after(response(429, Retry_After=then)) == pytest.approx(90, abs=3)
    assert calls.retry_after(response(429)) is None


def test_json_that_is_none_proves_nothing() -> None:
    assert calls.json_of(response(200, b'{"id": 1}')) == {"id": 1}
    with pytest.raises(UncertainError, match="HTTP 200 with an answer that is no JSON: <p> half"):
        calls.json_of(response(200, b"<p>\n  half"))


@pytest.mark.parametrize("content", [b"", b"[1]", b'"x"', b"null", b"<html>", b"\xff\xfe"])
def test_an_error_without_an_object_is_not_the_providers_own(content: bytes) -> None:
    assert calls.error_body(response(503, content)) == {}


def test_a_reason_is_one_short_line() -> None:
    assert calls.told(response(422), "bad", "", None, "very bad") == "HTTP 422: bad, very bad"
    assert calls.told(response(502, b"<h1>Bad\r\n  Gateway</h1>")) == "HTTP 502: <h1>Bad Gateway</h1>"
    assert calls.told(response(500)) == "HTTP 500: (empty)"
    assert calls.told(response(422), "two\n\tlines") == "HTTP 422: two lines"
    assert len(calls.told(response(500, b"x" * 5000))) < calls.REASON_LENGTH + 20
    assert len(calls.told(response(500), "x" * 5000)) < calls.REASON_LENGTH + 20
    assert len(calls.excerpt(response(500, b"x" * 5000))) == calls.REASON_LENGTH
    assert calls.excerpt(response(500, b"\xff\xfe")) != "(empty)"


def test_a_fingerprint_knows_a_key_again_and_does_not_tell_it() -> None:
    assert calls.fingerprint(SECRET) == calls.fingerprint(SECRET) != calls.fingerprint("other")
    assert len(calls.fingerprint(SECRET)) == 8
    assert calls.fingerprint(SECRET) not in SECRET
