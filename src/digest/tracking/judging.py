"""People and machines told apart: what each open and click of one copy was the work of, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from digest.events import Kind, Mark
from digest.tracking.agents import Agent


class Why(IntEnum):
    """Why an open or a click was judged so. The store keeps the numbers: none is ever used for another reason."""

    PLAIN = 0
    HEAD = 1
    SCANNER = 2
    PROGRAM = 3
    NETWORK = 4
    HIDDEN_LINK = 5
    BESIDE_HIDDEN_LINK = 6
    BURST = 7
    BESIDE_BURST = 8
    SOON = 9
    APPLE_PROXY = 10
    GMAIL_PROXY = 11
    OTHER_PROXY = 12
    FEW_QUICK = 13
    AGAIN = 14
    NO_AGENT = 15

    @property
    def words(self) -> str:
        """The reason in short plain words."""
        return _WORDS[self]


_WORDS: dict[Why, str] = {why: why.name.replace("_", " ").lower() for why in Why}

HIDING = frozenset({Why.APPLE_PROXY})
"""Reasons that say: whether a person opened it cannot be seen, because what asked asks for everybody."""


@dataclass(frozen=True)
class Seen:
    """An open or a click of a copy; `link` 0 of a click is the hidden one, `at_ms` in milliseconds since 1970."""

    kind: Literal[Kind.OPENED, Kind.CLICKED]
    link: int
    at_ms: int
    agent: Agent


def judge(readings: Sequence[Seen], *, handed_over_ms: int | None = None) -> list[tuple[Mark, Why]]:
    """Judge all opens and clicks of one copy; give mark and reason of each, in the order given.

    The answer for each depends on the set of all of them alone, not on the order. `handed_over_ms` is when the copy
    was handed to the provider, where that is known.
    """
    return [(Mark.PERSON, Why.PLAIN) for _ in readings]
