"""The fetcher asks the public web only, goes to the very address it looked at, and never raises."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpcore
import pytest

from digest.issue.checks import fetching
from digest.issue.checks.fetching import Answer, Fetcher, own_allowance

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """A server that answers each connection's first request with what it is told, and keeps the requests."""

    def __init__(self, answer: Callable[[bytes], bytes], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self._answer, self._tls = answer, tls
        if tls:
            tls.sni_callback = lambda _, name, __: self.names.append(name)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    stream = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
                    with stream:
                        request = stream.recv(65536)
                        self.requests.append(request)
                        stream.sendall(self._answer(request))
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answer: bytes | Callable[[bytes], bytes] = OK, tls: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(answer if callable(answer) else lambda _: answer, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def ask(address: str, **options: Any) -> Answer:
    async def once() -> Answer:
        async with Fetcher(**options) as fetch:
            return await fetch.ask(address)

    return asyncio.run(once())


def at(*addresses: str) -> fetching.Resolve:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


class Recorder(httpcore.AsyncNetworkBackend):
    """A network that only remembers where it was asked to connect to."""

    def __init__(self) -> None:
        self.connected: list[tuple[str, int]] = []

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        raise httpcore.ConnectError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%lo",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "nonsense",
    ],
)
def test_no_connection_is_made_to_what_is_not_public(address: str) -> None:
    network = Recorder()
    answer = ask("http://inside.example/", resolve=at("93.184.216.34", address), network=network)
    assert answer.refused
    assert f"leads to {address}" in answer.trouble
    assert network.connected == []


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_connected_to_as_they_were_looked_at(address: str) -> None:
    network = Recorder()
    answer = ask("https://outside.example/", resolve=at(address), network=network)
    assert not answer.refused
    assert network.connected == [(address, 443)]


def test_each_address_of_a_host_is_tried() -> None:
    network = Recorder()
    ask("http://outside.example/", resolve=at("8.8.8.8", "8.8.4.4"), network=network)
    assert network.connected == [("8.8.8.8", 80), ("8.8.4.4", 80)]


def test_a_host_that_changes_its_address_is_not_followed() -> None:
    """DNS rebinding: public for the guard, then this machine. There is no second look-up to lie to."""
    network, looked_up = Recorder(), []

    async def rebinding(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["93.184.216.34"] if len(looked_up) == 1 else ["127.0.0.1"]

    async def twice() -> None:
        async with Fetcher(resolve=rebinding, network=network) as fetch:
            await fetch.ask("http://rebind.example/one")
            await fetch.ask("http://rebind.example/two")

    asyncio.run(twice())
    assert looked_up == ["rebind.example"]
    assert set(network.connected) == {("93.184.216.34", 80)}


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "[::1]", "localhost", "[::ffff:7f00:1]"])
def test_odd_spellings_of_this_machine_are_refused(host: str) -> None:
    """As the system itself resolves them."""
    network = Recorder()
    assert not ask(f"http://{host}/", network=network).status
    assert network.connected == []


@pytest.mark.parametrize(
    "address",
    ["ftp://example.org/", "file:///etc/passwd", "gopher://example.org:70/", "https://", "https://a\x00b/", "a"],
)
def test_only_web_addresses_are_asked(address: str) -> None:
    assert ask(address, resolve=at("8.8.8.8"), network=Recorder()).refused


def test_other_ports_are_refused() -> None:
    network = Recorder()
    answer = ask("http://outside.example:22/", resolve=at("8.8.8.8"), network=network)
    assert answer.refused
    assert "port 22" in answer.trouble
    assert network.connected == []


def test_an_allowed_place_may_be_this_machine_but_no_other() -> None:
    network = Recorder()
    allow = frozenset({"own.example:8000"})
    ask("http://own.example:8000/", allow=allow, resolve=at("127.0.0.1"), network=network)
    assert network.connected == [("127.0.0.1", 8000)]
    assert ask("http://own.example:8001/", allow=allow, resolve=at("127.0.0.1"), network=network).refused
    assert ask("http://own.example:8000/", allow=allow, resolve=at("169.254.169.254"), network=network).refused
    assert len(network.connected) == 1


@pytest.mark.parametrize(
    ("base_url", "allowed"),
    [
        ("http://localhost:8000", {"localhost:8000"}),
        ("http://127.0.0.1", {"127.0.0.1:80"}),
        ("https://digest.localhost", {"digest.localhost:443"}),
        ("http://[::1]:8000", {"::1:8000"}),
        ("https://verdicts.example.com", set()),
        ("http://10.0.0.1:8000", set()),
    ],
)
def test_only_a_site_on_this_machine_is_allowed_for_itself(base_url: str, allowed: set[str]) -> None:
    assert own_allowance(base_url) == allowed


def test_a_redirect_into_our_own_network_is_refused(serve: Callable[..., Server]) -> None:
    secret = serve(OK)
    front = serve(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % secret.port)
    answer = ask(f"http://127.0.0.1:{front.port}/", allow=frozenset({f"127.0.0.1:{front.port}"}))
    assert answer.refused
    assert secret.requests == []


def test_redirects_are_followed_and_remembered(serve: Callable[..., Server]) -> None:
    def answer(request: bytes) -> bytes:
        if b" /old " in request:
            return b"HTTP/1.1 301 Moved\r\nLocation: new?a=b#part\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return OK

    site = serve(answer)
    address = f"127.0.0.1:{site.port}"
    found = ask(f"http://{address}/old", allow=frozenset({address}))
    assert found.status == 200
    assert [(hop.status, hop.address) for hop in found.hops] == [(301, f"http://{address}/new?a=b")]


@pytest.mark.parametrize(
    ("locations", "trouble"),
    [
        ([b"/%d" % page for page in range(1, 99)], "redirects more than 5 times"),
        ([b"/again"] * 99, "redirects in a circle"),
        ([b"/one", b"/two"] * 99, "redirects in a circle"),
    ],
)
def test_endless_redirects_end(serve: Callable[..., Server], locations: list[bytes], trouble: str) -> None:
    def answer(request: bytes) -> bytes:
        onward = locations[len(site.requests) - 1]
        return b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % onward

    site = serve(answer)
    found = ask(f"http://127.0.0.1:{site.port}/", allow=frozenset({f"127.0.0.1:{site.port}"}))
    assert found.trouble == trouble
    assert len(site.requests) <= fetching.MOST_REDIRECTS + 1


@pytest.mark.parametrize("status", [400, 403, 404, 405, 429, 500, 501, 503, 520])
def test_get_decides_where_head_proves_nothing(serve: Callable[..., Server], status: int) -> None:
    no = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status
    site = serve(lambda request: no if request.startswith(b"HEAD") else OK)
    found = ask(f"http://127.0.0.1:{site.port}/a?b", allow=frozenset({f"127.0.0.1:{site.port}"}))
    assert found.status == 200
    assert [request.split(b" HTTP")[0] for request in site.requests] == [b"HEAD /a?b", b"GET /a?b"]


@pytest.mark.parametrize("status", [200, 204, 410])
def test_head_is_believed_where_it_says_something(serve: Callable[..., Server], status: int) -> None:
    site = serve(b"HTTP/1.1 %d Yes\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
    assert ask(f"http://127.0.0.1:{site.port}/", allow=frozenset({f"127.0.0.1:{site.port}"})).status == status
    assert len(site.requests) == 1


def test_get_decides_where_head_is_hung_up_on(serve: Callable[..., Server]) -> None:
    def answer(request: bytes) -> bytes:
        if request.startswith(b"HEAD"):
            raise ConnectionResetError
        return OK

    site = serve(answer)
    assert ask(f"http://127.0.0.1:{site.port}/", allow=frozenset({f"127.0.0.1:{site.port}"})).status == 200


def test_a_request_says_who_asks_and_nothing_more(serve: Callable[..., Server]) -> None:
    site = serve(b"HTTP/1.1 404 No\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    ask(f"http://127.0.0.1:{site.port}/", allow=frozenset({f"127.0.0.1:{site.port}"}))
    for request in site.requests:
        lines = request.decode().strip().split("\r\n")[1:]
        assert sorted(lines) == ["Accept: */*", f"Host: 127.0.0.1:{site.port}", "User-Agent: digest link check"]


def test_no_more_is_read_than_needed(serve: Callable[..., Server]) -> None:
    """The body never ends as it should: who waited for it would call the answer broken."""

    def answer(request: bytes) -> bytes:
        if request.startswith(b"HEAD"):
            return b"HTTP/1.1 405 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * fetching.MOST_BYTES * 2

    site = serve(answer)
    assert ask(f"http://127.0.0.1:{site.port}/", allow=frozenset({f"127.0.0.1:{site.port}"})).status == 200


@pytest.mark.parametrize(
    ("answer", "trouble"), [(b"what?\r\n\r\n", "not HTTP"), (b"", "not HTTP"), (b"HTTP/1.1 200 OK\r\nA", "not HTTP")]
)
def test_nonsense_is_told(serve: Callable[..., Server], answer: bytes, trouble: str) -> None:
    site = serve(answer)
    found = ask(f"http://127.0.0.1:{site.port}/", allow=frozenset({f"127.0.0.1:{site.port}"}))
    assert trouble in found.trouble


def test_silence_and_closed_doors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TOTAL_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        allow = frozenset({f"127.0.0.1:{port}"})
        assert "does not answer within" in ask(f"http://127.0.0.1:{port}/", allow=allow).trouble
    assert ask(f"http://127.0.0.1:{port}/", allow=allow).trouble == "takes no connection"


@pytest.mark.parametrize(
    ("code", "words", "offline"),
    [(socket.EAI_NONAME, "not in the DNS", False), (socket.EAI_AGAIN, "cannot be looked up", True)],
)
def test_a_host_there_is_not_differs_from_a_dns_there_is_not(code: int, words: str, offline: bool) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(code, "no")

    found = ask("http://none.example/", resolve=resolve)
    assert words in found.trouble
    assert found.offline is offline


def test_a_dns_that_says_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "CONNECT_SECONDS", 0.1)

    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    assert ask("http://none.example/", resolve=resolve).offline


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for news.example, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=news.example"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:news.example"], check=True, capture_output=True)
    return certificate, key


def test_the_certificate_is_checked_for_the_name(
    serve: Callable[..., Server], certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    site = serve(OK, context)
    options = {
        "allow": frozenset({f"news.example:{site.port}", f"other.example:{site.port}"}),
        "resolve": at("127.0.0.1"),
        "tls": ssl.create_default_context(cafile=str(certificate[0])),
    }
    assert ask(f"https://news.example:{site.port}/", **options).status == 200
    assert site.names == ["news.example"]
    assert b"Host: news.example:" in site.requests[0]
    assert "certificate that cannot be trusted" in ask(f"https://other.example:{site.port}/", **options).trouble
    del options["tls"]
    assert "certificate that cannot be trusted" in ask(f"https://news.example:{site.port}/", **options).trouble


def test_no_proxy_is_taken_from_the_environment(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, site = serve(OK), serve(OK)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    ask(f"http://127.0.0.1:{site.port}/", allow=frozenset({f"127.0.0.1:{site.port}"}))
    assert (len(proxy.requests), len(site.requests)) == (0, 1)


def test_few_are_asked_at_once() -> None:
    busy: list[str] = []
    most, most_per_host = 0, 0

    class Slow(Recorder):
        async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
            nonlocal most, most_per_host
            busy.append(host)
            most, most_per_host = max(most, len(busy)), max(most_per_host, busy.count(host))
            await asyncio.sleep(0.01)
            busy.remove(host)
            raise httpcore.ConnectError

    async def resolve(host: str, port: int) -> list[str]:
        return [f"8.8.8.{host.removeprefix('h').partition('.')[0]}"]

    async def many() -> None:
        async with Fetcher(resolve=resolve, network=Slow()) as fetch:
            await asyncio.gather(
                *(fetch.ask(f"http://h{host}.example/{page}") for host in range(9) for page in range(9))
            )

    asyncio.run(many())
    assert (most, most_per_host) == (fetching.AT_ONCE, fetching.AT_ONCE_PER_HOST)
