"""Calls to a provider's HTTP API, and what a failed one proves.

A call that fails before a byte of it was written has reached nobody; one that fails later may have been accepted.
httpx tells the two apart by its exceptions (https://www.python-httpx.org/exceptions/).
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from digest import __version__
from digest.providers.interface import AccountError, Batch, Pace, Proof, TryAgainError, UncertainError
from digest.providers.options import HttpOptions

CONNECT_S = 10.0
TOTAL = 2.0
"""A whole call, with an answer that trickles in, may take this many times the time-out of one read."""
REASON_LENGTH = 300
LOOKS, LOOK_AGAIN_S, LOOK_MOST_S = 6, 0.25, 60.0
"""A page of a list is asked for so often, with growing pauses: one that failed would have all begin anew."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
USER_AGENT = f"digest/{__version__}"
_NO_SECRETS = frozenset({"accept", "content-type", "x-batch-validation"})
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class HttpProvider:
    """What the providers with an HTTP API have in common: the connections, and how a call is made."""

    name: str
    account: str
    limit: int
    unused: frozenset[str] = frozenset()
    proof: Proof

    def __init__(self, options: HttpOptions, url: str, *, headers: Mapping[str, str], auth: Any = None) -> None:
        self.pace: Pace = options.pace
        self._timeout_s = options.timeout_s
        for name, value in headers.items():
            if not _HEADER_VALUE.fullmatch(value):
                # Without the value: it may be the key, which h11 would show in its own complaint.
                raise ValueError(
                    f"a key has a line break or a space at its end, or is empty: no {name} can be made of it"
                )
        given = [value.split()[-1] for name, value in headers.items() if name.lower() not in _NO_SECRETS]
        if isinstance(auth, tuple):
            given += [auth[1], b64encode(":".join(auth).encode()).decode()]
        self._without_secrets = _cleaner([secret.encode() for secret in given if secret])
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"User-Agent": USER_AGENT, **headers},
            auth=auth,
            # The engine hands over no more at once than `connections`; asking comes on top.
            limits=httpx.Limits(max_connections=options.connections + 2),
            timeout=httpx.Timeout(options.timeout_s, connect=CONNECT_S),
            follow_redirects=False,
        )

    async def open(self, *, begin: bool) -> None:
        """Nothing is to be made ready."""

    async def ask(self, batch: Batch) -> Mapping[int, str | None]:
        """Not to be asked, unless a provider says otherwise."""
        raise NotImplementedError(f"{self.name} cannot be asked")

    async def says(self, path: str) -> dict[str, Any]:
        """GET what it says of itself, an object in JSON: see `Probed`.

        Raises:
            AccountError: it refuses our key, or has no such address.
            ProviderError: it cannot say now.
        """
        return said_in(await self.call("GET", path), self.name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | Sequence[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> httpx.Response:
        """Make one call and give the whole answer, whatever its status.

        `content` may be in pieces, which are written one after the other without making a whole of them.

        Raises:
            TryAgainError: nothing of it was written.
            UncertainError: the line broke later, or the answer took too long.
        """
        own = dict(headers or {})
        body: bytes | AsyncIterator[bytes] | None
        if isinstance(content, bytes):
            body = content or None
        else:
            own["Content-Length"] = str(sum(map(len, content)))
            body = _pieces(content)
        try:
            async with asyncio.timeout(self._timeout_s * TOTAL):
                response = await self._client.request(method, path, content=body, headers=own, params=params)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise TryAgainError(f"no connection to {self._client.base_url.host}: {error or 'it timed out'}") from error
        except TimeoutError as error:
            raise UncertainError(f"no whole answer within {self._timeout_s * TOTAL:.0f} s") from error
        except httpx.LocalProtocolError:
            # Its words show the header it does not like, which may be the key.
            raise UncertainError("the call cannot be written down as HTTP") from None
        except httpx.HTTPError as error:
            raise UncertainError(f"the line broke: {type(error).__name__} {error}".rstrip()) from error
        if response.is_redirect:
            raise AccountError(f"HTTP {response.status_code}: it is somewhere else now; is {self.name}.url right?")
        return self._without_secrets(response)

    async def look(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        """Ask for something, a few times where it fails for what may pass; give the JSON of the answer.

        Raises:
            AccountError: the key may not, or the way is wrong.
            UncertainError: it cannot be had now.
        """
        for tries in range(1, LOOKS + 1):
            wait = min(LOOK_MOST_S, LOOK_AGAIN_S * 2**tries)
            try:
                response = await self.call("GET", path, params=params)
                if response.is_success:
                    return json_of(response)
            except (TryAgainError, UncertainError) as error:
                reason = str(error)
            else:
                reason = told(response, error_body(response).get("message") or error_body(response).get("Message"))
                if response.status_code in (401, 403, 404, 405):
                    raise AccountError(reason)
                if response.status_code not in PASSING:
                    break
                wait = retry_after(response) or wait
            if tries < LOOKS:
                await asyncio.sleep(min(wait, LOOK_MOST_S))
        raise UncertainError(reason)


def _cleaner(secrets: Sequence[bytes]) -> Callable[[httpx.Response], httpx.Response]:
    """Give what blanks the secrets in an answer: a proxy may show the headers it was sent."""

    def clean(response: httpx.Response) -> httpx.Response:
        content = response.content
        if not any(secret in content for secret in secrets):
            return response
        for secret in secrets:
            content = content.replace(secret, b"********")
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return httpx.Response(response.status_code, headers=kept, content=content, request=response.request)

    return clean


async def _pieces(content: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


def json_of(response: httpx.Response) -> Any:
    """Read the JSON of an answer.

    Raises:
        UncertainError: it is none, so nobody knows what the provider meant.
    """
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise UncertainError(
            f"HTTP {response.status_code} with an answer that is no JSON: {excerpt(response)}"
        ) from None


def error_body(response: httpx.Response) -> dict[str, Any]:
    """Give the JSON object of an error's answer; an empty one where it is something else, such as a proxy's page."""
    try:
        found = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def said_in(response: httpx.Response, name: str) -> dict[str, Any]:
    """Read what a provider says of itself; raises as `HttpProvider.says` does."""
    found = error_body(response)
    reason = told(response, found.get("name"), found.get("message") or found.get("Message"))
    match response.status_code:
        case 200 if found:
            return found
        case 401 | 403:
            raise AccountError(reason)
        case 404 | 405:
            raise AccountError(f"{reason}; is {name}.url right?")
        case 429:
            raise TryAgainError(reason, after_s=retry_after(response))
        case _:
            raise UncertainError(reason)


def excerpt(response: httpx.Response) -> str:
    """Give the beginning of an answer, on one line."""
    return " ".join(response.text[: REASON_LENGTH * 2].split())[:REASON_LENGTH] or "(empty)"


def told(response: httpx.Response, *words: object) -> str:
    """Put a reason together for a person: the status and what the provider said of it."""
    said = " ".join(", ".join(str(word) for word in words if word).split())
    return f"HTTP {response.status_code}: {(said or excerpt(response))[:REASON_LENGTH]}"


def retry_after(response: httpx.Response) -> float | None:
    """Read `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3); None where there is none, or nonsense."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        # HTTP's dates are all in GMT, also where they do not say so.
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def fingerprint(secret: str) -> str:
    """Give a few characters by which a key is known again, and from which it cannot be told."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]
