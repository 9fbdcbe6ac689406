"""What tests of several providers' hooks share: calls as the route hands them over, and that no body breaks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from damage import bodies
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


_EXTREME = [b"", b"null", b"[[]]", b"\xff\xfe", b"[" * 5000, b'{"a":' * 5000, b"[" * 900 + b"]" * 900]


def check_that_nothing_breaks(read: Read, payloads: Sequence[Any]) -> None:
    """Read any bytes, any JSON and spoiled payloads: it never raises, and what it gives is whole."""

    @settings(deadline=None, max_examples=400)
    @given(bodies(payloads) | st.sampled_from(_EXTREME))
    def reads(body: bytes) -> None:
        for event in read(body):
            if isinstance(event, Told):
                assert event.at.tzinfo is not None
                assert event.at >= datetime(2000, 1, 1, tzinfo=UTC)
                texts = [event.copy or "", event.name or "", event.address or "", event.batch or "", event.words]
                texts += [event.code, event.link, event.agent]
                assert all(isinstance(text, str) and len(text) <= 500 and "\x00" not in text for text in texts)
                assert isinstance(event.hard, bool)
            else:
                assert isinstance(event.kind, str)
                assert len(event.kind) <= 600

    reads()
