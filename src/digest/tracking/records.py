"""What lies in the spool: an open or a click, or a provider's call, as they came in and before they are worked."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Literal

import orjson

from digest.events import Kind
from digest.tracking.agents import Agent


@dataclass(frozen=True)
class Reading:
    """An open or a click. `copy` is as the token has it; `link` 0 is the hidden one; `at` in milliseconds since 1970.

    `agent` is the class of what asked: its address and its words are never written down.
    """

    issue: int
    copy: int
    kind: Literal[Kind.OPENED, Kind.CLICKED]
    link: int
    at: int
    agent: Agent


@dataclass(frozen=True)
class HookCall:
    """A verified call of a provider. `key` as in `providers/hooks/interface.py`; `at` in milliseconds since 1970."""

    provider: str
    body: bytes
    key: str | None
    at: int


Record = Reading | HookCall


def encode(record: Record) -> bytes:
    """Write a record."""
    if isinstance(record, Reading):
        return orjson.dumps([record.issue, record.copy, record.kind, record.link, record.at, record.agent])
    return orjson.dumps([record.provider, b64encode(record.body).decode(), record.key, record.at])


def decode(written: bytes) -> Record:
    """Read what `encode` wrote."""
    first, *rest = orjson.loads(written)
    if isinstance(first, str):
        body, key, at = rest
        return HookCall(first, b64decode(body), key, at)
    copy, kind, link, at, agent = rest
    return Reading(first, copy, Kind.OPENED if kind == Kind.OPENED else Kind.CLICKED, link, at, Agent(agent))
