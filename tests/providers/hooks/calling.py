"""What tests of all providers' hooks share: a call as the route hands it over, and JSON of any shape."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from digest.providers.hooks import hooks_of
from digest.providers.hooks.interface import Call, Fetch, Nothing, RefusedError, Told, Unknown, Verified

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
COPY = "AAAAKgAAAAfCopyOfAdaCopy"
NAME = "AAAAKgAAAAfNameOfAdaName"
BATCH = "8f14e45fceea4a7a9c3b2d1b0c9a7e10"
Read = Callable[[bytes], Sequence[Told | Unknown | Nothing]]


def at(text: str) -> datetime:
    """A moment of November 26th, in UTC."""
    return datetime.fromisoformat(f"2026-11-26T{text}").replace(tzinfo=UTC)


async def no_fetch(address: str) -> bytes:
    """Whoever fetches something has failed."""
    raise AssertionError(f"{address} was fetched")


def verify(
    provider: str,
    body: bytes,
    headers: Mapping[str, str],
    options: BaseModel,
    *,
    now: datetime = NOW,
    fetch: Fetch = no_fetch,
) -> Verified:
    """Verify a call of a provider."""
    call = Call({name.lower(): value for name, value in headers.items()}, body, {})
    return asyncio.run(hooks_of(provider).verify(call, dict(options), now=now, fetch=fetch))


def refusal(
    provider: str, body: bytes, headers: Mapping[str, str], options: BaseModel, *, now: datetime = NOW
) -> tuple[str, int]:
    """Give why a call is refused, and with which status."""
    with pytest.raises(RefusedError) as caught:
        verify(provider, body, headers, options, now=now)
    return str(caught.value), caught.value.status


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["2026-11-26T09:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-01", 1e300, -1e300]
    )
)
ANYTHING = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
"""Any JSON."""


@st.composite
def _spoiled(draw: st.DrawFn, payloads: Sequence[Any]) -> Any:
    """A provider's payload with something else, or nothing, in one place of it."""
    found = copy.deepcopy(draw(st.sampled_from(list(payloads))))
    for _ in range(draw(st.integers(1, 3))):
        where = found
        while isinstance(where, dict | list) and where:
            place = draw(st.sampled_from(sorted(where) if isinstance(where, dict) else list(range(len(where)))))
            inner = where[place]
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                if isinstance(where, dict) and draw(st.booleans()):
                    del where[place]
                else:
                    where[place] = draw(ANYTHING)
                break
            where = inner
    return found


def check_that_nothing_breaks(read: Read, payloads: Sequence[Any]) -> None:
    """Read any bytes, any JSON and spoiled payloads: it never raises, and what it gives is whole."""

    @settings(deadline=None, max_examples=400)
    @given(
        st.binary(max_size=60)
        | st.sampled_from(
            [b"", b"null", b"[" * 5000, b'{"a":' * 5000, b'["' + b"x" * 70_000 + b'"]', b"\xff\xfe", b"[[]]"]
        )
        | (ANYTHING | _spoiled(payloads)).map(lambda value: json.dumps(value).encode())
    )
    def reads(body: bytes) -> None:
        for event in read(body):
            if isinstance(event, Told):
                assert event.at.tzinfo is not None
                assert event.at >= datetime(2000, 1, 1, tzinfo=UTC)
                texts = (event.copy or "", event.name or "", event.address or "", event.batch or "", event.words)
                texts += (event.code, event.link, event.agent)
                assert all(isinstance(text, str) and len(text) <= 500 and "\x00" not in text for text in texts)
                assert isinstance(event.hard, bool)
            else:
                assert isinstance(event.kind, str)
                assert len(event.kind) <= 600

    reads()
