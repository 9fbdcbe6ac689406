"""Asking addresses of the web whether they answer, without being led into our own network.

The links of an issue come from catalogue files that others write, so an address may point at this machine, at
its neighbours or at a cloud's metadata service, by itself, by the DNS or after a redirect. Every connection of
every hop therefore goes through one gate, `_GuardedNetwork`.

It sits where httpcore opens sockets (https://www.encode.io/httpcore/network-backends/). The other way, which is
to write the IP address into the URL and the name into the `sni_hostname` extension, is not safe with a pool of
connections: the pool knows them by the host of the URL, so that a TLS connection made and verified for one name
would be used again for another name at the same IP address. Here the pool, the Host header, SNI and the
certificate keep to the name. httpcore by itself follows no redirect, keeps no cookie, reads no proxy from the
environment and unpacks no compressed body.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore
import httpx

USER_AGENT = "digest link check"
CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
"""For one request: a redirect begins another."""
AT_ONCE = 16
AT_ONCE_PER_HOST = 4
MOST_REDIRECTS = 5
MOST_BYTES = 64 * 1024
"""How much of an answer's body is read; only whether there is one matters."""

_REDIRECTS = (301, 302, 303, 307, 308)
_HEAD_PROVES_NOTHING = (400, 403, 404, 405, 429, *range(500, 600))
"""What servers that do not care for HEAD say to it; a GET decides."""

_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64, RFC 6052
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that is handed out: RFC 4291, section 2.4

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives the IP addresses of a host, for a port; raises OSError where it has none."""


@dataclass(frozen=True)
class Hop:
    """A redirect: the status that said so, and where to."""

    status: int
    address: str


@dataclass(frozen=True)
class Answer:
    """What an address said.

    `status` is that of the last hop, or None where there was no answer; `trouble` then says why, in words that
    end a sentence. `refused` is set where we would not ask, `offline` where the trouble is this machine's own.
    """

    address: str
    status: int | None = None
    trouble: str = ""
    refused: bool = False
    offline: bool = False
    hops: tuple[Hop, ...] = ()


def own_allowance(base_url: str) -> frozenset[str]:
    """Give what to allow for a newsletter whose site runs on this machine: its host and port, or nothing."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host == "localhost" or host.endswith(".localhost") or _is_loopback(host):
        return frozenset({f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"})
    return frozenset()


class Fetcher:
    """Asks addresses, several at once; to be used with ``async with``.

    Args:
        allow: what may be asked although the gate would refuse it, as ``host:port``: there a loopback address
            and any port will do. Private networks stay closed even so.
        resolve: how to find a host's addresses; the system's resolver by default. Each host is looked up once.
        network: what opens the sockets, behind the gate.
        tls: the certificates to trust; certifi's by default.
    """

    def __init__(
        self,
        *,
        allow: frozenset[str] = frozenset(),
        resolve: Resolve | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guarded = _GuardedNetwork(allow, resolve or _system_resolve, network or httpcore.AnyIOBackend())
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(trust_env=False),
            max_connections=AT_ONCE,
            network_backend=self._guarded,
        )
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._per_host: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE_PER_HOST))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.aclose()
        await self._guarded.forget()

    async def ask(self, address: str) -> Answer:
        """Ask an address by HEAD, and by GET where that proves nothing. Never raises for what the network does."""
        answer = await self._follow("HEAD", address)
        if answer.status in _HEAD_PROVES_NOTHING or answer.trouble in (_BROKEN, _BROKEN_OFF):
            return await self._follow("GET", address)
        return answer

    async def _follow(self, method: str, address: str) -> Answer:
        hops: tuple[Hop, ...] = ()
        here = address
        while True:
            answer, onward = await self._one(method, here)
            if onward is None:
                return replace(answer, address=address, hops=hops)
            if onward == here or any(hop.address == onward for hop in hops):
                return Answer(address, trouble="redirects in a circle", hops=hops)
            if len(hops) == MOST_REDIRECTS:
                return Answer(address, trouble=f"redirects more than {MOST_REDIRECTS} times", hops=hops)
            hops, here = (*hops, Hop(answer.status or 0, onward)), onward

    async def _one(self, method: str, address: str) -> tuple[Answer, str | None]:
        """Make one request; give its answer, and where it redirects to."""
        try:
            url = httpx.URL(address)
            if url.scheme not in ("http", "https") or not url.host:
                raise _RefusedError("is no web address")
            async with self._per_host[url.host], self._at_once, asyncio.timeout(TOTAL_SECONDS):
                return await self._send(method, url)
        except _RefusedError as error:
            return Answer(address, trouble=str(error), refused=True), None
        except (httpx.InvalidURL, UnicodeError, ValueError):
            return Answer(address, trouble="is no address that can be read", refused=True), None
        except Exception as error:  # whatever a stranger's server does, the other links are asked
            return Answer(address, trouble=_words(error), offline=_is_ours(error)), None

    async def _send(self, method: str, url: httpx.URL) -> tuple[Answer, str | None]:
        port = url.port if url.port is not None else {"http": 80, "https": 443}[url.scheme]
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=port, target=url.raw_path)
        headers = [(b"Host", url.netloc), (b"User-Agent", USER_AGENT.encode()), (b"Accept", b"*/*")]
        limits = {"timeout": {"connect": CONNECT_SECONDS, "read": TOTAL_SECONDS, "write": TOTAL_SECONDS}}
        async with self._pool.stream(method, target, headers=headers, extensions=limits) as response:
            read = 0
            async for piece in response.aiter_stream():
                read += len(piece)
                if read >= MOST_BYTES:
                    break
            onward = next((value for name, value in response.headers if name.lower() == b"location"), None)
        answer = Answer(str(url), response.status)
        if onward is None or response.status not in _REDIRECTS:
            return answer, None
        return answer, str(url.join(onward.decode("utf-8", "replace")).copy_with(fragment=None))


class _RefusedError(Exception):
    """An address we will not ask; it says why, in words that end a sentence."""


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections to public addresses only, and to the very address it has looked at."""

    def __init__(self, allow: frozenset[str], resolve: Resolve, network: httpcore.AsyncNetworkBackend) -> None:
        self._allow, self._resolve, self._network = allow, resolve, network
        self._found: dict[str, asyncio.Task[list[str]]] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        allowed = f"{host}:{port}" in self._allow
        if not allowed and port not in (80, 443):
            raise _RefusedError(f"is at port {port}, which is none of the web's (80, 443)")
        addresses = await self._look_up(host, port)
        for address in addresses:
            if not (_is_public(address) or (allowed and _is_loopback(address))):
                raise _RefusedError(f"leads to {address}, which is not on the public internet")
        trouble: Exception = OSError("no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        raise trouble

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def forget(self) -> None:
        """End the look-ups nobody waits for any more."""
        for look_up in self._found.values():
            look_up.cancel()
        await asyncio.gather(*self._found.values(), return_exceptions=True)
        self._found.clear()

    async def _look_up(self, host: str, port: int) -> list[str]:
        if host not in self._found:
            self._found[host] = asyncio.ensure_future(self._resolve(host, port))
        try:
            # One look-up serves all who wait for it, so one of them giving up must not end it.
            return await asyncio.wait_for(asyncio.shield(self._found[host]), CONNECT_SECONDS)
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer") from None


async def _system_resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _is_public(text: str) -> bool:
    """Tell whether an IP address is one of the public internet, also where it only wraps an IPv4 address."""
    try:
        address = _unwrapped(ip_address(text))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_private)


def _is_loopback(text: str) -> bool:
    try:
        return _unwrapped(ip_address(text)).is_loopback
    except ValueError:
        return False


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Give the IPv4 address in a mapped (RFC 4291), 6to4 (RFC 3056) or NAT64 (RFC 6052) one, or the address."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


_BROKEN = "answers with something that is not HTTP"
_BROKEN_OFF = "breaks off before it answers"


def _words(error: Exception) -> str:
    """Say what went wrong, in words that end a sentence."""
    if isinstance(error, httpcore.ConnectTimeout):
        return f"takes no connection within {CONNECT_SECONDS:.0f} seconds"
    if isinstance(error, TimeoutError | httpcore.TimeoutException):
        return f"does not answer within {TOTAL_SECONDS:.0f} seconds"
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "has a host that cannot be looked up" if _is_ours(cause) else "has a host that is not in the DNS"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that cannot be trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "breaks off the TLS handshake"
    if isinstance(error, httpcore.ProtocolError):
        return _BROKEN
    if isinstance(error, httpcore.ConnectError):
        return "takes no connection"
    return _BROKEN_OFF


def _is_ours(error: BaseException) -> bool:
    """Tell whether it is this machine that has no DNS or no network."""
    return any(
        (isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN)
        or (isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.ENETDOWN))
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
